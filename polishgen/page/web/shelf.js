// The visitor's last twenty runs, in the browser's storage, each under a key of its own; and for
// this window alone, until it is closed, what its fields hold and which run it shows.

import { $$ } from "./core.js";

const RUN = "polishgen.run.";
const WINDOW = "polishgen.window";
const MOST = 20;
// A run that another window writes is stored every second.
const ALIVE_MS = 5000;

/** What a storage holds, or `otherwise`: a browser may have none. */
function stored(storage, key, otherwise) {
  try {
    return JSON.parse(window[storage].getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Whether there was room for it; a plain run goes without the alternatives to its tokens. */
function store(storage, key, value) {
  const plainly = (name, part) => (name === "tokens" ? part.map((token) => [...token.slice(0, 3), []]) : part);
  try {
    window[storage].setItem(key, JSON.stringify(value, value.plain && plainly));
    return true;
  } catch {
    return false;
  }
}

function keys() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(RUN));
  } catch {
    return [];
  }
}

export const newId = () => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
const here = stored("sessionStorage", WINDOW, { window: newId() });
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

export const find = (id) => stored("localStorage", RUN + id, null);
/** All runs, the latest first. */
export const all = () => keys().map((key) => stored("localStorage", key)).filter(Boolean).sort((a, b) => b.time - a.time);
export const latest = () => find(here.run) ?? all()[0] ?? null;
export const forget = () => keys().forEach((key) => localStorage.removeItem(key));

/** Notes that this window shows a run. */
export function showing(id) {
  here.run = id;
  remember();
}

/** Whether a run ended before its time: one that another window has just stored may be under way. */
export const interrupted = (run) =>
  Boolean(run.running) && (run.window === here.window || Date.now() - run.time > ALIVE_MS);

/** Stores a run that this window last knew of at `since`, as another if it was changed elsewhere. */
export function keep(run, since) {
  const there = find(run.id);
  const isNew = !there || there.time !== since;
  const kept = { ...run, id: there && isNew ? newId() : run.id, window: here.window, time: Date.now() };
  showing(kept.id);
  if (isNew) for (const old of all().slice(MOST - 1)) localStorage.removeItem(RUN + old.id);
  while (!store("localStorage", RUN + kept.id, kept)) if (!makeRoom(kept)) break;
  return kept;
}

/** Older runs lose their alternatives, then `kept` does, then the oldest goes; whether any could. */
function makeRoom(kept) {
  const others = all().filter((run) => run.id !== kept.id);
  const rich = others.findLast((run) => !run.plain);
  if (rich) return store("localStorage", RUN + rich.id, { ...rich, plain: true });
  if (!kept.plain) return (kept.plain = true);
  if (others.length) localStorage.removeItem(RUN + others.at(-1).id);
  return others.length > 0;
}
