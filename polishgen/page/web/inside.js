// The Look inside tab: surprise, expectations, what was looked back at, neurons.

import { $, $$, LatestJob, architectureOf, drawPlot, element, modelTitle, number, percent, say, settings } from "./core.js";
import { visible } from "./popover.js";
import { shownTexts } from "./write.js";

const BORDERS = [2, 5, 9, 13, Infinity];
const SHOWN = 60; // tokens before the clicked one
let text = "";
let job, influences, neurons;
// The neuron that the visitor chose, which stays for further texts; and whether they typed another.
let chosen = null;
let typed = false;

export function openInside() {
  const field = $("#inside-text");
  const status = $("#inside-status");
  job = new LatestJob($("#look"), $("#look-stop"), status);
  influences = new LatestJob([], element("button"), status);
  neurons = new LatestJob([], element("button"), $("#firing-summary") ?? status);
  $("#inside-form").addEventListener("submit", (event) => (event.preventDefault(), job.running || look()));
  $("#take-prose").addEventListener("click", () => take($$("#compare .serif p").map((p) => p.textContent).join("\n\n")));
  const form = $("#neuron-form");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(Number($("#layer").value), Number($("#neuron").value));
  });
  form?.addEventListener("input", () => (typed = true));
  const short = shownTexts().find((each) => each.text && each.size <= settings.read_tokens);
  if (short && field.value === field.defaultValue) field.value = short.text;
  look();
}

const take = (value) => (($("#inside-text").value = value), look());

/** Offers the texts that the Write tab shows by now. */
export function offerTexts() {
  const buttons = shownTexts().map(({ model, text }) => {
    const button = element("button", { type: "button" }, say("take", { model: modelTitle(model) }));
    button.addEventListener("click", () => take(text));
    return button;
  });
  $("#takes").replaceChildren(...buttons);
}

async function look() {
  const models = $$("[name=inside-models]:checked").map((box) => box.value);
  if (!models.length) return job.tell(say("choose_model"), "error");
  const wanted = $("#inside-text").value;
  let begun = false;
  await job.run("read", { text: wanted, models }, (event) => {
    if (!begun) clear(wanted);
    begun = true;
    if (event.reading) job.tell(say("inside_reading", { model: modelTitle(event.reading) }), "waiting");
    if (event.neurons) showNeurons(event.neurons);
    else if (event.tokens) $("#readings").append(reading(event));
  });
}

/** Makes room for what is read of a new text; until then the last one stays. */
function clear(wanted) {
  text = wanted;
  $("#expected").replaceChildren(element("p", { class: "hint" }, say("alternatives_hint")));
  $("#readings").replaceChildren();
  for (const box of $$("#neurons")) box.hidden = true;
  for (const each of [influences, neurons]) each.abort();
}

function reading({ model, tokens, bits_per_byte }) {
  const hardest = tokens.reduce((a, b) => (b[1] > a[1] ? b : a));
  const values = { bits_per_byte: number(bits_per_byte, 2), hardest: visible(hardest[0]), bits: number(hardest[1], 1) };
  const paper = element("div", { class: "paper reading", lang: "pl", tabIndex: 0, role: "group" });
  paper.setAttribute("aria-label", say("reading_of", { model: modelTitle(model) }));
  let word = null;
  const spans = tokens.map(([part, surprise], index) => {
    const span = element("span", { class: `token s${BORDERS.findIndex((border) => surprise <= border)}` }, part);
    span.dataset.index = index;
    // Tokens of one word stay on one line.
    if (!word || /^\s/.test(part)) paper.append((word = element("span", { class: "whole" })));
    word.append(span);
    return span;
  });
  const mark = (index) => {
    for (const marked of $$("#readings .marked")) marked.classList.remove("marked");
    spans[index].classList.add("marked");
    expect(model, tokens, index);
  };
  paper.addEventListener("click", (event) => {
    const span = event.target.closest(".token");
    if (span) mark(Number(span.dataset.index));
  });
  paper.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const here = spans.findIndex((span) => span.classList.contains("marked"));
    mark(Math.max(0, Math.min(spans.length - 1, here + step)));
  });
  const heading = element("h2", {}, modelTitle(model));
  return element("div", { id: `reading-${model}` }, heading, element("p", { class: "stats" }, say("reading_figures", values)), paper);
}

/** What a model expected at a token, and which earlier tokens moved each model there. */
async function expect(model, tokens, index) {
  const [part, bits, rank, alternatives] = tokens[index];
  const values = { model: modelTitle(model), token: visible(part), bits: number(bits, 1), rank: number(rank) };
  const lines = alternatives.map(([other, share]) =>
    element(
      "li",
      { class: "line" },
      element("span", { class: "word", lang: "pl" }, visible(other)),
      element("span", { class: "bar", style: `--share: ${share}` }),
      element("span", {}, percent(share)),
    ),
  );
  const back = element("div", {}, element("h3", {}, say("looked_back", { token: visible(part) })), element("p", { class: "hint" }, say("looked_back_info")));
  $("#expected").replaceChildren(element("p", {}, say("alternatives_of", values)), element("ol", { class: "plain" }, ...lines), back);
  influences.abort();
  if (!index) return;
  influences.status = element("p", { class: "hint", role: "status" });
  back.append(influences.status);
  await influences.run("influence", { text, model, token: index }, (event) => {
    if (event.weights) back.append(...influence(event, tokens, visible(part)));
  });
}

/** One model's answer: influences, and what each head's memory gave; one of them is shown in the text. */
function influence({ model, weights, memory }, tokens, token) {
  const texts = tokens.map(([text]) => text);
  const stats = element("p", { class: "stats" });
  const words = element("p", { class: "influence", lang: "pl" });
  const show = (weights, texts, name) => {
    const most = Math.max(...weights, 1e-9);
    const spans = weights.map((weight, place) => {
      const span = element("span", { title: percent(weight) }, texts[place]);
      span.style.setProperty("--weight", Math.max(0, weight / most).toFixed(2));
      return span;
    });
    const ranked = weights.map((weight, place) => [weight, texts[place]]).sort((a, b) => b[0] - a[0]);
    const top = ranked.slice(0, 3).map(([weight, word]) => `${visible(word)} ${percent(weight)}`);
    stats.textContent = [name, ...top].filter(Boolean).join(" · ");
    words.replaceChildren(...spans.slice(-SHOWN));
  };
  const heads = element("div", { class: "heads", style: `--heads: ${memory[0].length}` });
  memory.forEach((layer, l) =>
    layer.forEach((own, h) => {
      const name = say(layer.length > 1 ? "layer_and_head" : "layer_alone", { layer: l + 1, head: h + 1 });
      const button = element("button", { type: "button", title: name, "aria-label": name, "aria-pressed": false });
      button.innerHTML = `<svg viewBox="0 0 ${SHOWN} 10" preserveAspectRatio="none" aria-hidden="true"><path d="${bars(own)}"/></svg>`;
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") === "false";
        for (const other of heads.children) other.setAttribute("aria-pressed", on && other === button);
        if (on) show(own, [`${say("start_of_text")} `, ...texts], name);
        else show(weights, texts);
      });
      heads.append(button);
    }),
  );
  show(weights, texts);
  const explained = say(`memory_${architectureOf(model)}`, { token });
  return [element("h4", {}, modelTitle(model)), stats, words, element("p", { class: "hint" }, explained), heads];
}

/** The last weights as bars, the latest at the right end. */
function bars(weights) {
  const last = weights.slice(-SHOWN);
  const most = Math.max(...last, 1e-9);
  const places = last.map((weight, place) => [SHOWN - last.length + place + 0.5, (10 * Math.max(0, weight)) / most]);
  return places.map(([x, height]) => `M${x} 10v-${height.toFixed(1)}`).join("");
}

function showNeurons({ active, firing, telling }) {
  $("#neurons").hidden = false;
  const mean = (shares) => shares.reduce((a, b) => a + b, 0) / shares.length;
  const values = { active: percent(mean(active)), firing: percent(mean(firing)) };
  $("#neuron-summary").textContent = say("neuron_summary", values);
  drawPlot($("#neuron-shares"), `neurons.svg?active=${active}&firing=${firing}`, say("neuron_shares"));
  const lines = telling.map((found) => {
    const values = { ...found, share: percent(found.share), again: percent(found.again) };
    const button = element("button", { type: "button" }, say("telling_choice", values));
    button.addEventListener("click", () => choose(found.layer, found.neuron));
    return element("li", {}, button);
  });
  if (!lines.length) lines.push(element("li", {}, say("telling_none")));
  $("#telling").replaceChildren(...lines);
  showNeuron(chosen ?? telling[0] ?? { layer: 1, neuron: 0 });
}

function choose(layer, neuron) {
  chosen = { layer, neuron };
  typed = false;
  showNeuron(chosen);
}

async function showNeuron({ layer, neuron }) {
  if (!typed) {
    $("#layer").value = layer;
    $("#neuron").value = neuron;
  }
  await neurons.run("neuron", { text, layer, neuron }, (event) => {
    if (!event.tokens) return;
    const spans = event.tokens.map(([part, strength]) => {
      const span = element("span", { title: percent(strength) }, part);
      span.style.setProperty("--weight", strength);
      return span;
    });
    $("#firing").replaceChildren(element("span", { class: "influence" }, ...spans));
    const values = { layer, neuron: number(neuron), times: number(event.times), tokens: number(spans.length) };
    $("#firing-summary").textContent = say("firing_summary", values);
  });
}
