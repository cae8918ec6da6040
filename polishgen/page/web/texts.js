// Texts as trees of branches. A text is a list of segments: {text} that a person put there, or a
// run {model, options, backend, tokens}, a token being [segment, text, probability, alternatives].

import { defaults } from "./core.js";

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

  /** As it is stored: each segment once, however many branches have it. */
  toJSON() {
    const segments = [...new Set(this.nodes.flatMap((node) => node.segments))];
    const nodes = this.nodes.map((node) => ({ ...node, segments: node.segments.map((each) => segments.indexOf(each)) }));
    return { ...this, nodes, segments };
  }

  static from({ segments, ...saved }) {
    const nodes = saved.nodes.map((node) => ({ ...node, segments: node.segments.map((place) => segments[place]) }));
    return Object.assign(new Tree(saved.model, []), saved, { nodes });
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

  /** Takes back the latest branch's last run if it has no word, and the branch if nothing else is new. */
  prune() {
    const { segments, current, nodes } = this;
    if (current !== nodes.length - 1 || segments.length < 2 || segments.at(-1).tokens?.length !== 0) return false;
    segments.pop();
    const parent = nodes[nodes[current].parent];
    if (parent && wholeText(parent.segments) === wholeText(segments)) {
      nodes.pop();
      this.current = this.past.pop();
    }
    return true;
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
    const kept = { ...cut, tokens: cut.tokens.slice(0, token), figures: null };
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
      if (tokens.length) kept.push({ ...segment, tokens, figures: null });
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

/** A short hash of a text (FNV-1a), by which a link knows it again. */
export function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(36);
}

/** What a link says of a segment: of a run its settings and its length, of one without words nothing. */
function linked(segment) {
  const text = textOf(segment);
  if (segment.text !== undefined || !text) return text;
  const run = { model: segment.model, length: lengthOf(text), ...segment.options };
  return segment.backend === "PyTorch" ? { ...run, backend: segment.backend } : run;
}

/** A column as a link has it; its last run has the whole text's hash. */
function linkedColumn(segments) {
  const parts = segments.filter((segment, place) => !place || textOf(segment)).map(linked);
  const last = parts.findLast((each) => each.model);
  if (last) last.hash = hashOf(wholeText(segments));
  return parts;
}

/** A link's code for some texts: what a server needs to write them again. */
export async function encodeLink(columns) {
  const packed = new Blob([JSON.stringify(columns.map(linkedColumn))]).stream();
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
  if (!columns.length || !columns.every((segments) => segments.length)) throw new Error("empty");
  return columns.map((segments) =>
    segments.map((segment) => {
      if (typeof segment === "string") return { text: segment };
      const { model, length, backend, hash, ...options } = segment;
      return { model, options: { ...defaults, ...options }, backend, hash, tokens: [] };
    }),
  );
}
