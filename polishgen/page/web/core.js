// What all tabs use: texts, numbers, work on the server, errors in the visitor's language.

export const settings = JSON.parse(document.getElementById("settings").textContent);
export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
export const root = document.body.dataset.root;
const RETRY_MS = 3000;
// As long as this the server keeps silent only where it is not there.
const SILENCE_MS = 90_000;

/** The text `key` with {names} filled in. */
export function say(key, values = {}) {
  const text = settings.texts[key] ?? "";
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A number as the language writes it. */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString(settings.language === "pl" ? "pl-PL" : "en-GB", options);
}

export function percent(share) {
  const least = share > 0 && share < 0.0005;
  const digits = number(least ? 0.1 : 100 * share, share < 0.0995 ? 1 : 0);
  return (least ? "<\u00a0" : "") + digits + (settings.language === "pl" ? "\u00a0%" : "%");
}

/** An element with properties, classes ("class") and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** What the parameters are unless something else is said. */
export const defaults = Object.fromEntries(
  Object.entries(settings.parameters).map(([name, schema]) => [name, schema.default ?? null]),
);

/** A model's architecture, which has a colour; "other" for one that is not served here. */
export const architectureOf = (name) => settings.models[name]?.architecture ?? "other";
export const modelTitle = (name) => say(name) || settings.models[name]?.title || name;

/** What went wrong on the server, or on the way there: then the connection is `lost`. */
export class Refusal extends Error {
  constructor(text, lost = false) {
    super(text);
    this.lost = lost;
  }
}

function told(error) {
  const { parameter, value, kind, count, most } = error ?? {};
  if (kind === "LineFullError") return say("line_full");
  if (kind === "TooManyTokensError") return say("too_many_tokens", { count: number(count), most: number(most) });
  if (!parameter) return say("failed");
  const own = say(`refused_${parameter}`);
  if (own) return own;
  const schema = settings.parameters[parameter];
  const range = schema?.anyOf?.[0] ?? schema ?? {};
  const least = range.minimum ?? range.exclusiveMinimum;
  let allowed = say(`allowed_${parameter}`, { most: number(settings.max_text) });
  const form = range.minimum === undefined ? "above" : range.type === "integer" ? "whole" : "number";
  if (!allowed && least !== undefined)
    allowed = say(`allowed_${form}`, {
      least: number(least, Number.isInteger(least) ? 0 : 1),
      most: number(parameter === "max_new_tokens" ? settings.max_tokens : range.maximum),
    });
  const name = say(parameter) || parameter;
  return say("refused", { name, value, allowed: allowed || error.message });
}

/** What `read` makes of the server's answer. Throws `Refusal`, or AbortError if stopped. */
export async function reach(path, read, options = {}) {
  const signal = options.signal ?? AbortSignal.timeout(SILENCE_MS);
  let response;
  try {
    response = await fetch(`${root}/${path}`, { ...options, signal });
    if (response.ok) return await read(response);
  } catch (error) {
    throw onTheWay(error);
  }
  if (response.status === 413) throw new Refusal(say("too_long", { most: number(settings.max_text) }));
  // From a proxy whose server is away.
  if ([502, 503, 504].includes(response.status)) throw onTheWay();
  const answer = await response.json().catch(() => ({}));
  throw new Refusal(told(answer.error));
}

function onTheWay(error) {
  const known = error?.name === "AbortError" || error instanceof Refusal;
  return known ? error : new Refusal(say("connection_lost"), true);
}

function post(name, body, read, signal) {
  const headers = { "content-type": "application/json" };
  return reach(`do/${name}`, read, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Sends `body`; gives the answer's JSON. Throws `Refusal`. */
export const ask = (name, body) => post(name, body, (response) => response.json());

/** Does what the visitor did not click for; after a lost connection again, until there is one. */
export async function insist(act, tell) {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(error.message);
    if (error.lost) setTimeout(() => insist(act, tell), RETRY_MS);
  }
}

/** Shows a sentence in a status line; `kind` is "error", "waiting", "note" or nothing. */
export function tell(status, text, kind = "") {
  status.textContent = text;
  status.dataset.kind = kind;
}

/** Runs work on the server; `onEvent` gets each event. Throws `Refusal`, or AbortError if stopped. */
export async function work(name, body, onEvent, signal) {
  // A network that goes away need not end a request: the browser's word for it does, or silence.
  const line = new AbortController();
  const cut = () => line.abort(onTheWay());
  window.addEventListener("offline", cut);
  let silence = setTimeout(cut, SILENCE_MS);
  let held = "";
  try {
    const stream = await post(name, body, (response) => response.body, AbortSignal.any([signal, line.signal]));
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const part = await reader.read().catch((error) => Promise.reject(onTheWay(error)));
      clearTimeout(silence);
      silence = setTimeout(cut, SILENCE_MS);
      if (part.done) throw onTheWay();
      const messages = (held + part.value).split("\n\n");
      held = messages.pop();
      for (const message of messages) {
        const event = JSON.parse(message.slice("data: ".length));
        if (event.error) throw new Refusal(told(event.error));
        if (event.done) return;
        onEvent(event);
      }
    }
  } finally {
    line.abort();
    clearTimeout(silence);
    window.removeEventListener("offline", cut);
  }
}

/** A job that a button starts and another stops: whatever happens, the page is ready afterwards. */
export class Job {
  constructor(start, stop, status) {
    Object.assign(this, { start, stop, status, control: null, lost: false });
    stop.addEventListener("click", () => this.abort());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && stop.checkVisibility()) this.abort();
    });
    this.show();
  }

  get running() {
    return this.control !== null;
  }

  abort() {
    this.control?.abort();
  }

  show() {
    // aria-disabled rather than disabled: focus stays where it was.
    for (const button of [this.start].flat()) button.setAttribute("aria-disabled", this.running);
    this.stop.setAttribute("aria-disabled", !this.running);
  }

  /** Runs `work`; true if it came to its end, false if it was stopped or failed, which is told. */
  async run(name, body, onEvent) {
    if (this.running) return false;
    const control = (this.control = new AbortController());
    this.lost = false;
    this.show();
    this.tell("");
    try {
      const heard = (event) => {
        if (control.signal.aborted) return;
        if (event.place) this.tell(say("place", this.waiting(event)), "waiting");
        else {
          if (this.status.dataset.kind === "waiting") this.tell("");
          onEvent(event);
        }
      };
      await work(name, body, heard, control.signal);
      return true;
    } catch (error) {
      if (!control.signal.aborted) this.fail(error);
      return false;
    } finally {
      // Unless a later request has taken this one's place.
      if (this.control === control) {
        this.control = null;
        this.show();
        if (this.status.dataset.kind === "waiting") this.tell("");
      }
    }
  }

  waiting(event) {
    return { place: number(event.place), seconds: number(Math.max(1, event.wait)) };
  }

  fail(error) {
    if (!(error instanceof Refusal)) throw error;
    this.lost = error.lost;
    this.tell(error.message, "error");
  }

  tell(text, kind) {
    tell(this.status, text, kind);
  }
}

/** A job of which the latest request counts: one that is made meanwhile ends the one before. */
export class LatestJob extends Job {
  run(...request) {
    this.abort();
    this.control = null;
    return super.run(...request);
  }
}

/** Fills a table: `columns` are [heading, key, digits or a function]. */
export function fillTable(table, columns, rows) {
  const heads = columns.map(([head]) => element("th", { scope: "col" }, head));
  $("thead", table).replaceChildren(element("tr", {}, ...heads));
  const lines = rows.map((row) => {
    const cells = columns.map(([, key, show], index) => {
      const value = typeof show === "function" ? show(row[key], row) : number(row[key], show);
      return element(index ? "td" : "th", index ? {} : { scope: "row" }, value);
    });
    return element("tr", row.ours === false ? { class: "report" } : {}, ...cells);
  });
  $("tbody", table).replaceChildren(...lines);
}

/** Puts a chart of the server's into a box; the box keeps its size meanwhile. */
export function drawPlot(box, path, label) {
  const mark = (box.dataset.wanted = `${path}${Date.now()}`);
  const wanted = () => box.dataset.wanted === mark;
  const separator = path.includes("?") ? "&" : "?";
  const narrow = (box.clientWidth || window.innerWidth) < 450 ? "&narrow" : "";
  const address = `plot/${path}${separator}lang=${settings.language}${narrow}`;
  const draw = async () => {
    const svg = wanted() && (await reach(address, (response) => response.text()));
    if (!wanted()) return;
    box.innerHTML = svg;
    const drawing = $("svg", box);
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", label);
  };
  return insist(draw, (text) => wanted() && box.replaceChildren(text));
}
