// The visitor's last twenty runs, in the browser's storage.

const KEY = "polishgen.runs";
const MOST = 20;

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
};

export const newId = () => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
export const all = () => read().filter((run) => run.trees?.length);
export const latest = () => all()[0] ?? null;
export const forget = () => localStorage.removeItem(KEY);

/** Puts a run first; older ones lose their alternatives, then themselves, when there is no room. */
export function keep(run) {
  const before = read();
  const old = before.find((each) => each.id === run.id);
  const runs = [{ ...old, ...run }, ...before.filter((each) => each.id !== run.id)].slice(0, MOST);
  for (let tries = runs.length; tries > 0; tries--) {
    try {
      localStorage.setItem(KEY, JSON.stringify(runs));
      return;
    } catch {
      const rich = runs.findLastIndex((each) => each.trees && !each.plain);
      if (rich > 0) plain(runs[rich]);
      else if (runs.length > 1) runs.pop();
      else return; // no storage at all: the text stays on the page
    }
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
  try {
    localStorage.setItem(KEY, JSON.stringify(runs.slice(0, MOST)));
  } catch {
    // without room, nothing is lost but the offer to go on
  }
}
