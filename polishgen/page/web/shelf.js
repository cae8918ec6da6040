// The visitor's last twenty runs, in the browser's storage; and for this window alone, until it is
// closed, what its fields hold and which run it shows.

import { $$ } from "./core.js";

const KEY = "polishgen.runs";
const WINDOW = "polishgen.window";
const MOST = 20;

/** What a storage holds, or `otherwise`: a browser may have none. */
function stored(storage, key, otherwise) {
  try {
    return JSON.parse(window[storage].getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Whether there was room for it. */
function store(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

const read = () => stored("localStorage", KEY, []);
const here = stored("sessionStorage", WINDOW, {});
const remember = () => store("sessionStorage", WINDOW, here);
export const restored = "fields" in here;

const fields = () => $$("main input, main textarea").filter((field) => field.id || field.name);
const nameOf = (field) => field.id || `${field.name}=${field.value}`;
const part = (field) => (["checkbox", "radio"].includes(field.type) ? "checked" : "value");

export function keepFields() {
  here.fields = Object.fromEntries(fields().map((field) => [nameOf(field), field[part(field)]]));
  remember();
}

export function restoreFields() {
  for (const field of fields()) {
    const kept = here.fields?.[nameOf(field)];
    if (kept === undefined) continue;
    field[part(field)] = kept;
    // What goes with it follows; a preset would change other fields.
    if (field.type !== "radio") field.dispatchEvent(new Event("change"));
  }
}

export const newId = () => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
export const all = () => read().filter((run) => run.trees?.length);
export const latest = () => all().find((run) => run.id === here.run) ?? all()[0] ?? null;
export const forget = () => localStorage.removeItem(KEY);

/** Puts a run first; older ones lose their alternatives, then themselves, when there is no room. */
export function keep(run) {
  here.run = run.id;
  remember();
  const before = read();
  const old = before.find((each) => each.id === run.id);
  const runs = [{ ...old, ...run }, ...before.filter((each) => each.id !== run.id)].slice(0, MOST);
  for (let tries = runs.length; tries > 0 && !store("localStorage", KEY, runs); tries--) {
    const rich = runs.findLastIndex((each) => each.trees && !each.plain);
    if (rich > 0) plain(runs[rich]);
    else if (runs.length > 1) runs.pop();
  }
}

function plain(run) {
  run.plain = true;
  for (const tree of run.trees)
    for (const node of tree.nodes)
      for (const segment of node.segments) for (const token of segment.tokens ?? []) token[3] = [];
}

/** Notes that a run is under way, in case this page does not see its end. */
export function markRunning(id, indices) {
  const runs = read();
  const run = runs.find((each) => each.id === id);
  if (run) run.running = indices;
  else if (indices) runs.unshift({ id, running: indices });
  // Without room nothing is lost but the offer to go on.
  store("localStorage", KEY, runs.slice(0, MOST));
}
