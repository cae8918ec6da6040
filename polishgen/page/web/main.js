// Tabs with addresses; each tab's script starts when the tab is first opened.

import { $, $$, say, settings } from "./core.js";
import { setUpControls } from "./controls.js";
import { openArena } from "./arena.js";
import { openCompare } from "./compare.js";
import { offerTexts, openInside } from "./inside.js";
import { keepFields, restoreFields } from "./shelf.js";
import { openWrite } from "./write.js";

const openers = { write: openWrite, arena: openArena, compare: openCompare, inside: openInside };
const opened = new Set();

function show(tab) {
  for (const section of $$("main > section")) section.hidden = section.id !== tab;
  for (const link of $$("[data-tab]")) {
    if (link.dataset.tab === tab && link.closest("nav")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = say(`title_${tab}`);
  if (!opened.has(tab)) openers[tab]?.();
  opened.add(tab);
  if (tab === "inside") offerTexts();
}

for (const link of $$("[data-tab]"))
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    history.pushState({}, "", link.href);
    show(link.dataset.tab);
    window.scrollTo(0, 0);
  });

function tabOfAddress() {
  const last = location.pathname.split("/").pop();
  return $(`#${CSS.escape(last || "write")}`)?.matches("main > section") ? last || "write" : "write";
}

window.addEventListener("popstate", () => show(tabOfAddress()));
$(".language").addEventListener("click", (event) => {
  event.preventDefault();
  const address = new URL(location.href);
  address.searchParams.set("lang", event.currentTarget.lang);
  location.assign(address);
});
setUpControls();
restoreFields();
window.addEventListener("pagehide", keepFields);
document.addEventListener("visibilitychange", keepFields);
show(settings.tab);
document.documentElement.dataset.ready = "true";
