// Texts as trees of branches. A text is a list of segments: {text} that a person put there, or a
// run {model, options, way, tokens}, a token being [segment, text, probability, alternatives].

import { settings } from "./core.js";

export const textOf = (segment) => segment.text ?? segment.tokens.map((token) => token[1]).join("");
export const wholeText = (segments) => segments.map(textOf).join("");
const lengthOf = (text) => [...text].length;

/** One column: all branches that there have been, the one that is shown, and the way back. */
export class Tree {
  constructor(model, segments) {
    this.model = model;
    this.nodes = [{ parent: null, segments }];
    this.current = 0;
    this.past = [];
    this.future = [];
  }

  static from(saved) {
    return Object.assign(new Tree(saved.model, []), saved);
  }

  get segments() {
    return this.nodes[this.current].segments;
  }

  /** Shows a new branch, a child of the one that is shown. */
  grow(segments) {
    this.nodes.push({ parent: this.current, segments });
    this.go(this.nodes.length - 1);
  }

  go(index) {
    if (index === this.current) return;
    this.past.push(this.current);
    this.future = [];
    this.current = index;
  }

  undo() {
    if (this.past.length) this.future.push(this.current), (this.current = this.past.pop());
  }

  redo() {
    if (this.future.length) this.past.push(this.current), (this.current = this.future.pop());
  }

  /** How deep a branch lies below the first. */
  depth(index) {
    let depth = 0;
    for (let node = this.nodes[index]; node.parent !== null; depth++) node = this.nodes[node.parent];
    return depth;
  }

  /** The segments before token `token` of segment `segment`. */
  before(segment, token) {
    const cut = this.segments[segment];
    const kept = { ...cut, tokens: cut.tokens.slice(0, token), end: null };
    return [...this.segments.slice(0, segment), ...(token ? [kept] : [])];
  }

  /** Segments of an edited text: what did not change stays the models', the rest is a person's. */
  edited(text) {
    const kept = [];
    let place = 0;
    for (const segment of this.segments) {
      const own = textOf(segment);
      if (text.startsWith(own, place)) {
        kept.push(segment);
        place += own.length;
        continue;
      }
      const tokens = [];
      for (const token of segment.tokens ?? []) {
        if (!text.startsWith(token[1], place)) break;
        tokens.push(token);
        place += token[1].length;
      }
      if (tokens.length) kept.push({ ...segment, tokens, end: null });
      break;
    }
    return joined([...kept, { text: text.slice(place) }]);
  }
}

/** Neighbouring texts of a person's as one; empty ones go, but for the first. */
export function joined(segments) {
  const result = [];
  for (const segment of segments) {
    const last = result.at(-1);
    if (segment.text !== undefined && last?.text !== undefined)
      result[result.length - 1] = { text: last.text + segment.text };
    else if (segment.text !== "" || !result.length) result.push(segment);
  }
  return result;
}

/** What a link says of a segment: of settings those that are not the default. */
function linked(segment) {
  if (segment.text !== undefined) return segment.text;
  const same = (name, value) => JSON.stringify(value) === JSON.stringify(settings.parameters[name]?.default ?? null);
  const options = Object.entries(segment.options).filter(([name, value]) => name === "seed" || !same(name, value));
  const run = { model: segment.model, length: lengthOf(textOf(segment)), ...Object.fromEntries(options) };
  return segment.way === "PyTorch" ? { ...run, way: segment.way } : run;
}

/** A link's code for some texts: what a server needs to write them again. */
export async function encodeLink(columns) {
  const plain = columns.map((segments) => segments.map(linked));
  const packed = new Blob([JSON.stringify(plain)]).stream();
  const bytes = new Uint8Array(
    await new Response(packed.pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer(),
  );
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The columns of a link's code, their runs without tokens; throws if it is none. */
export async function decodeLink(code) {
  const binary = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const columns = JSON.parse(await new Response(stream).text());
  return columns.map((segments) =>
    segments.map((segment) => {
      if (typeof segment === "string") return { text: segment };
      const { model, length, way, ...options } = segment;
      return { model, options, way, tokens: [] };
    }),
  );
}
