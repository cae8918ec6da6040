// What all tabs use: texts, numbers, work on the server, errors in the visitor's language.

export const settings = JSON.parse(document.getElementById("settings").textContent);
export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
export const root = document.body.dataset.root;

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

export const percent = (share) =>
  number(100 * share, share < 0.0995 ? 1 : 0) + (settings.language === "pl" ? "\u00a0%" : "%");

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

export const modelTitle = (name) => say(name) || settings.models[name]?.title || name;

/** What went wrong on the server, or on the way there. */
export class Refusal extends Error {}

function told(error) {
  const { parameter, value, kind } = error ?? {};
  if (kind === "LineFullError") return say("line_full");
  if (!parameter) return say("failed");
  const schema = settings.parameters[parameter];
  const range = schema?.anyOf?.[0] ?? schema ?? {};
  const least = range.minimum ?? range.exclusiveMinimum;
  let allowed = say(`allowed_${parameter}`);
  if (!allowed && least !== undefined)
    allowed = say(range.type === "integer" ? "allowed_whole" : "allowed_number", {
      least: number(least, Number.isInteger(least) ? 0 : 1),
      most: number(parameter === "max_new_tokens" ? settings.max_tokens : range.maximum),
    });
  const name = say(parameter) || parameter;
  return say("refused", { name, value, allowed: allowed || error.message });
}

/** Sends `body`; gives the answer's JSON. Throws `Refusal` with a text for the visitor. */
export async function ask(name, body, signal) {
  const response = await post(name, body, signal);
  return response.json();
}

async function post(name, body, signal) {
  let response;
  try {
    const headers = { "content-type": "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify(body), signal };
    response = await fetch(`${root}/do/${name}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(say("connection_lost"), { cause: "connection" });
  }
  if (response.status === 413) throw new Refusal(say("too_long"));
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Refusal(told(answer.error));
  }
  return response;
}

/** Runs work on the server; `onEvent` gets each event. Throws `Refusal`, or AbortError if stopped. */
export async function work(name, body, onEvent, signal) {
  const response = await post(name, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(say("connection_lost"), { cause: "connection" });
    }
    if (part.done) throw new Refusal(say("connection_lost"), { cause: "connection" });
    const messages = (held + part.value).split("\n\n");
    held = messages.pop();
    for (const message of messages) {
      const event = JSON.parse(message.slice("data: ".length));
      if (event.error) throw new Refusal(told(event.error));
      if (event.done) return;
      onEvent(event);
    }
  }
}

/** A job that a button starts and another stops: whatever happens, the page is ready afterwards. */
export class Job {
  constructor(start, stop, status) {
    Object.assign(this, { start, stop, status, control: null });
    stop.addEventListener("click", () => this.abort());
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
    this.tell(error.message, "error");
  }

  tell(text, kind = "") {
    this.status.textContent = text;
    this.status.dataset.kind = kind;
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
export async function drawPlot(box, path, label) {
  const mark = (box.dataset.wanted = `${path}${Date.now()}`);
  const separator = path.includes("?") ? "&" : "?";
  const narrow = window.innerWidth < 600 ? "&narrow" : "";
  const address = `${root}/plot/${path}${separator}lang=${settings.language}${narrow}`;
  const response = await fetch(address).catch(() => null);
  const svg = response?.ok ? await response.text() : "";
  if (box.dataset.wanted !== mark) return;
  if (!svg) return box.replaceChildren(say(response ? "failed" : "connection_lost"));
  box.innerHTML = svg;
  const drawing = $("svg", box);
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
}
