// What a model expected at a token: shown beside it, or at the bottom of a phone's screen.

import { $, element, percent, say } from "./core.js";

const box = $("#popover");
let close = () => {};

/**
 * `own` is the token; `choose(text)` branches off there, or says why it may not; focus goes `back`
 * when it is closed.
 */
export function openPopover(span, own, { pinned, choose, back }) {
  if (!pinned && box.dataset.pinned === "true" && !box.hidden) return;
  const [, text, probability, alternatives] = own;
  const hint = element("p", { class: "hint", role: "status" }, say("alternatives_info"));
  const pick = (text) => {
    const refusal = choose(text);
    if (!refusal) return hide();
    box.dataset.pinned = true;
    hint.textContent = refusal;
  };
  const title = element("p", {}, say("token_chance", { token: visible(text), chance: percent(probability) }));
  const lines = alternatives.map(([other, share]) => {
    const bar = element("span", { class: "bar", style: `--share: ${share}` });
    const label = other === null ? say("end_of_text") : visible(other);
    const parts = [element("span", { class: "word", lang: "pl" }, label), bar, element("span", {}, percent(share))];
    if (other === null || !choose) return element("li", {}, element("span", { class: "line" }, ...parts));
    const button = element("button", { type: "button", class: "line" }, ...parts);
    if (other === text) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => pick(other));
    return element("li", {}, button);
  });
  const children = [title, element("ol", { class: "plain" }, ...lines)];
  if (choose) {
    const field = element("input", { "aria-label": say("own_word"), placeholder: say("own_word"), lang: "pl" });
    field.spellcheck = false;
    const form = element("form", {}, field, element("button", {}, say("own_word_go")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = field.value;
      pick(/^\s/.test(text) && !/^[\s.,;:!?…]/.test(typed) ? ` ${typed}` : typed);
    });
    children.push(form, hint);
  }
  box.replaceChildren(...children);
  box.hidden = false;
  box.dataset.pinned = pinned;
  place(span);
  close = () => back?.focus({ preventScroll: true });
  if (pinned) $("button, input", box)?.focus({ preventScroll: true });
}

/** Spaces and line ends made visible. */
export const visible = (text) => text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");

function place(span) {
  const rect = span.getClientRects()[0] ?? span.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  if (getComputedStyle(box).position === "fixed") {
    // At the bottom of a phone's screen: the token is to stay in sight above it.
    const hidden = rect.bottom + 12 - box.getBoundingClientRect().top;
    if (hidden > 0) window.scrollBy(0, hidden);
    return;
  }
  const left = Math.max(8, Math.min(rect.left, document.documentElement.clientWidth - width - 8));
  const below = rect.bottom + height + 12 < window.innerHeight;
  const top = below ? rect.bottom + 6 : Math.max(8, rect.top - height - 6);
  box.style.left = `${left + window.scrollX}px`;
  box.style.top = `${top + window.scrollY}px`;
}

export function hide() {
  box.hidden = true;
  box.dataset.pinned = false;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || box.hidden) return;
  event.stopImmediatePropagation(); // it stops no run as well
  hide();
  close();
});
document.addEventListener("pointerdown", (event) => {
  if (!box.contains(event.target)) hide();
});
