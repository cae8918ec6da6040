// The Write tab: columns that stream side by side, texts that can be branched, edited and shared.

import { $, $$, Job, element, modelTitle, number, say, settings } from "./core.js";
import { openPopover } from "./popover.js";
import * as shelf from "./shelf.js";
import { openSharing } from "./sharing.js";
import { readControls, showControls } from "./controls.js";
import { Tree, decodeLink, joined, textOf, wholeText } from "./texts.js";

let trees = [];
let columns = [];
let run = null; // the run on the shelf: its id
let job;

const prompt = $("#prompt");

export async function openWrite() {
  job = new Job([$("#generate"), $("#continue")], $("#stop"), $("#status"));
  $("#ask").addEventListener("submit", (event) => (event.preventDefault(), generate()));
  $("#continue").addEventListener("click", () => goOn(trees.map((_, index) => index)));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) event.preventDefault(), generate();
  });
  for (const button of $$(".example"))
    button.addEventListener("click", () => ((prompt.value = button.textContent), prompt.focus()));
  $("#tint").addEventListener("change", () => $("#columns").classList.toggle("tint", $("#tint").checked));
  $("#forget").addEventListener("click", () => ((run = null), shelf.forget(), showHistory()));
  window.addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", save);
  await arrive();
}

/** What stands on the page at first: a link's texts, the last visit's, or the example. */
async function arrive() {
  const query = new URLSearchParams(location.search);
  const kept = shelf.latest();
  if (query.has("run")) await openLink(query.get("run"));
  else if (query.has("prompt")) {
    showControls(Object.fromEntries(query));
    prompt.value = query.get("prompt");
    await generate();
  } else if (kept) {
    if (!shelf.restored) {
      prompt.value = kept.prompt;
      showControls(kept.controls);
    }
    open(kept);
    if (kept.running) offerToGoOn(say("interrupted"), kept.running);
  } else playExample();
  showHistory();
}

async function openLink(code) {
  try {
    const parts = await decodeLink(code);
    const plans = parts.map((segments) => segments.map((segment) => ({ ...segment })));
    const first = plans[0].find((segment) => segment.options);
    prompt.value = plans[0][0]?.text ?? "";
    if (first) showControls(first.options);
    show(plans.map((plan) => new Tree(plan.find((s) => s.model)?.model ?? "", plan)));
  } catch {
    job.tell(say("bad_link"), "error");
    return playExample();
  }
  run = shelf.newId();
  await stream("replay", { run: code });
}

/** Plays what the server wrote when it started, as if it were being written now. */
function playExample() {
  const example = JSON.parse($("#example").textContent);
  if (!example.length) return;
  run = null;
  show(
    example.map(({ model, options, way }) => {
      const segment = { model, options, way, tokens: [], example: true };
      return new Tree(model, [{ text: settings.prompt }, segment]);
    }),
  );
  const tokens = example.map((each) => each.events.flatMap((event) => event.columns[0].tokens));
  const counts = example.map((each) => each.events.at(-1).columns[0]);
  job.tell(say("example_note"), "note");
  showMended(example[0].events[0].mended);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const started = performance.now();
  const frame = (now) => {
    if (run !== null || job.running) return;
    const until = still ? Infinity : Math.floor((now - started) / 25);
    tokens.forEach((all, index) => {
      const segment = trees[index].segments.at(-1);
      const had = segment.tokens.length;
      segment.tokens.push(...all.slice(had, until));
      const shown = segment.tokens.length;
      const part = { ...counts[index], tokens: [], count: Math.round((counts[index].count * shown) / all.length) };
      columns[index].add(1, had, { ...part, seconds: (counts[index].seconds * shown) / all.length, end: null });
    });
    if (tokens.some((all, index) => trees[index].segments.at(-1).tokens.length < all.length))
      requestAnimationFrame(frame);
    else
      for (const column of columns) {
        column.tools();
        column.paper.scrollTop = 0;
      }
  };
  requestAnimationFrame(frame);
}

async function generate() {
  if (job.running) return;
  const { models, options } = readControls(true);
  if (!models.length) return job.tell(say("choose_model"), "error");
  for (const column of columns) column.settle();
  run = shelf.newId();
  show(models.map((model) => new Tree(model, [{ text: prompt.value }, { model, options, tokens: [] }])));
  await write(trees.map((_, index) => index));
}

/** Goes on with some columns, each from the text that it shows, by its own model or by `model`. */
async function goOn(indices, model) {
  if (job.running) return;
  if (!trees.length) return job.tell(say("nothing_to_continue"), "error");
  closeExample();
  const { options } = readControls(true);
  for (const index of indices) {
    const tree = trees[index];
    columns[index].settle();
    // A run that was cut off before its first word leaves nothing.
    const before = tree.segments.filter((segment, place) => !place || textOf(segment));
    // After a model's own words a word may be half written; after a person's, as the setting says.
    const fresh = before.at(-1).tokens === undefined && options.starts_new_word;
    const segment = { model: model ?? tree.model, options: { ...options, starts_new_word: fresh }, tokens: [] };
    tree.grow([...before, segment]);
    columns[index].draw();
  }
  await write(indices);
}

/** Branches off before a token: with the text that was picked, then the column's model goes on. */
async function branch(index, segment, token, text) {
  if (job.running || !text) return;
  closeExample();
  const tree = trees[index];
  const { options } = readControls(true);
  const model = tree.segments[segment].model;
  const next = { model, options: { ...options, starts_new_word: false }, tokens: [] };
  tree.grow(joined([...tree.before(segment, token), { text }, next]));
  columns[index].draw();
  await write([index]);
}

/** Fills the last segment of some columns, which is a run without tokens yet. */
async function write(indices) {
  const asked = indices.map((index) => {
    const segments = trees[index].segments;
    const { model, options } = segments.at(-1);
    return { text: wholeText(segments.slice(0, -1)), model, options };
  });
  await stream("write", { columns: asked }, indices);
}

async function stream(name, body, indices = trees.map((_, index) => index)) {
  hideNotice();
  showMended({});
  for (const index of indices) columns[index].begin(name === "replay");
  shelf.markRunning(run, indices);
  let saved = performance.now();
  const done = await job.run(name, body, (event) => {
    if (event.mended) showMended(event.mended);
    for (const [position, news] of Object.entries(event.columns)) {
      const index = indices[position];
      const last = trees[index].segments.length - 1;
      const had = new Map();
      for (const token of news.tokens) {
        const place = name === "replay" ? token[0] : last;
        const segment = trees[index].segments[place];
        if (!had.has(place)) had.set(place, segment.tokens.length);
        segment.tokens.push(token);
        segment.end = news.end;
        if (name === "write") segment.way = news.way;
      }
      if (!had.size) columns[index].add(last, trees[index].segments[last].tokens?.length ?? 0, news);
      for (const [place, from] of had) columns[index].add(place, from, news);
    }
    if (performance.now() - saved > 1000) save(), (saved = performance.now());
  });
  for (const index of indices) columns[index].finish();
  if (!done && job.lost) offerToGoOn(say("connection_lost"), indices);
  else shelf.markRunning(run, null);
  save();
  showHistory();
}

function offerToGoOn(text, indices) {
  const button = element("button", { type: "button", id: "go-on" }, say("go_on"));
  button.addEventListener("click", () => (hideNotice(), goOn(indices.filter((index) => index < trees.length))));
  job.tell("");
  $("#notice").replaceChildren(text + " ", button);
  $("#notice").hidden = false;
}

/** Says which words of the beginning the models read as others. */
function showMended(words) {
  const pairs = Object.entries(words).map(([typed, meant]) => `${typed} → ${meant}`);
  const [before, after] = say("mended", { words: "\n" }).split("\n");
  $("#mended").replaceChildren(before, element("span", { lang: "pl" }, pairs.join(", ")), after);
  $("#mended").hidden = !pairs.length;
}

const hideNotice = () => ($("#notice").hidden = true);

/** The example becomes the visitor's own as soon as it is changed. */
function closeExample() {
  if (run === null) run = shelf.newId();
  for (const tree of trees) for (const segment of tree.segments) delete segment.example;
}

function show(given) {
  trees = given;
  columns = trees.map((tree, index) => new Column(tree, index));
  $("#columns").replaceChildren(...columns.map((column) => column.box));
  for (const column of columns) column.draw();
}

function open(kept) {
  run = kept.id;
  show(kept.trees.map(Tree.from));
}

function save() {
  if (run === null || !trees.length) return;
  shelf.keep({ id: run, time: Date.now(), prompt: prompt.value, controls: readControls(false).options, trees });
}

function showHistory() {
  const lines = shelf.all().map((kept) => {
    const when = new Date(kept.time).toLocaleString(settings.language === "pl" ? "pl-PL" : "en-GB", {
      dateStyle: "short",
      timeStyle: "short",
    });
    const text = wholeText(kept.trees[0].nodes[kept.trees[0].current].segments).slice(0, 80);
    const button = element("button", { type: "button" }, `${when} · ${text}…`);
    button.addEventListener("click", () => {
      if (job.running) return;
      save();
      prompt.value = kept.prompt;
      showControls(kept.controls);
      open(kept);
      window.scrollTo({ top: 0 });
    });
    return element("li", {}, button);
  });
  $("#runs").replaceChildren(...lines);
  $("#history").hidden = !lines.length;
}

/** Texts of the columns, for the tab that looks inside. */
export const shownTexts = () =>
  trees.map((tree) => ({ model: tree.model, text: wholeText(tree.segments).trim() }));

/** One text on the page with its tools. */
class Column {
  constructor(tree, index) {
    this.tree = tree;
    this.index = index;
    this.box = $("#column-template").content.firstElementChild.cloneNode(true);
    const architecture = settings.models[tree.model]?.architecture ?? tree.model;
    this.box.classList.add(architecture);
    this.box.dataset.model = tree.model;
    this.paper = $(".paper", this.box);
    const model = settings.models[tree.model];
    const size = model && say("parameters", { count: number(model.parameters / 1e6, 1) });
    $("h2", this.box).textContent = modelTitle(tree.model);
    $(".about", this.box).textContent = `${say(`about_${architecture}`)} ${size ?? ""}`;
    this.paper.setAttribute("aria-label", say("text_of", { model: modelTitle(tree.model) }));
    this.on("click", ".undo", () => (tree.undo(), this.moved()));
    this.on("click", ".redo", () => (tree.redo(), this.moved()));
    this.on("click", ".edit", () => this.edit());
    this.on("click", ".share", () => openSharing(tree, trees));
    this.on("change", ".branches", (select) => (tree.go(Number(select.value)), this.moved()));
    this.on("change", ".go-on", (select) => {
      const model = select.value;
      select.value = "";
      goOn([index], model);
    });
    $(".go-on", this.box).append(
      new Option(say("go_on_with"), ""),
      ...Object.keys(settings.models).map((name) => new Option(modelTitle(name), name)),
    );
    this.listen();
  }

  on(kind, selector, act) {
    const control = $(selector, this.box);
    control.addEventListener(kind, () => {
      if (!job.running && control.getAttribute("aria-disabled") !== "true") act(control);
    });
  }

  moved() {
    closeExample();
    this.draw();
    save();
  }

  draw() {
    this.parts = this.tree.segments.map(() => element("span"));
    this.paper.replaceChildren(...this.parts);
    this.tree.segments.forEach((segment, index) => this.append(index, 0));
    this.paper.scrollTop = this.paper.scrollHeight;
    this.tools();
    const progress = $("progress", this.box);
    progress.value = 0;
    const last = this.tree.segments.at(-1);
    this.tell(last.figures);
  }

  /** Says how fast a run's tokens came, and why they ended. */
  tell(figures) {
    let text = say("stats_waiting");
    if (figures) {
      const { count, seconds, seen, end } = figures;
      text = say("stats", { tokens: number(count), speed: number(count / seconds) });
      if (seen) text += say("stats_seen", { seen: number(seen) });
      if (end) text += say(`ended_${end}`);
    }
    $(".stats", this.box).textContent = text;
  }

  /** Draws a segment's tokens from `from` on. */
  append(index, from) {
    const segment = this.tree.segments[index];
    if (segment.text !== undefined) {
      const kind = index ? "own" : "prompt";
      this.parts[index].append(element("span", { class: kind }, segment.text));
      return;
    }
    const following = this.paper.scrollHeight - this.paper.scrollTop - this.paper.clientHeight < 40;
    const fragment = document.createDocumentFragment();
    segment.tokens.slice(from).forEach((token, offset) => {
      const span = element("span", { class: "token" }, token[1]);
      span.dataset.segment = index;
      span.dataset.token = from + offset;
      span.style.setProperty("--bits", Math.min(1, -Math.log2(Math.max(token[2], 1e-6)) / 13).toFixed(2));
      if (segment.model !== this.tree.model) span.classList.add("guest", segment.model);
      fragment.append(span);
    });
    this.parts[index].append(fragment);
    if (following) this.paper.scrollTop = this.paper.scrollHeight;
  }

  begin(fresh) {
    this.started = performance.now();
    this.busy = true;
    this.box.classList.add("busy");
    if (fresh) this.draw();
    $(".stats", this.box).textContent = say("stats_reading");
    this.tools();
  }

  add(index, from, news) {
    this.append(index, from);
    const { options } = this.tree.segments[index];
    this.news = news;
    $("progress", this.box).value = news.end ? 1 : news.count / (options?.max_new_tokens ?? 200);
    if (!news.count) return;
    const seen = this.busy ? (1000 * news.count) / (performance.now() - this.started) : null;
    const { count, seconds, end } = news;
    this.tree.segments[index].figures = { count, seconds, seen, end };
    this.tell(this.tree.segments[index].figures);
  }

  finish() {
    this.busy = false;
    this.box.classList.remove("busy");
    if (!this.news?.count) this.tell(null);
    this.tools();
  }

  tools() {
    const { tree } = this;
    const able = (selector, on) => $(selector, this.box).setAttribute("aria-disabled", !on || !!this.busy);
    able(".undo", tree.past.length);
    able(".redo", tree.future.length);
    able(".edit", true);
    able(".share", tree.segments.some((segment) => segment.tokens?.length));
    const branches = $(".branches", this.box);
    const lines = tree.nodes.map((node, index) => {
      const text = wholeText(node.segments).trim().slice(-24);
      return new Option(`${"– ".repeat(Math.min(6, tree.depth(index)))}${index + 1}: …${text}`, index);
    });
    branches.replaceChildren(...lines);
    branches.value = tree.current;
    branches.hidden = lines.length < 2;
  }

  /** Makes the text a field; what is changed there is a person's, and a branch of its own. */
  edit() {
    const button = $(".edit", this.box);
    if (this.field) {
      const text = this.field.value;
      this.field = null;
      button.textContent = "✎";
      this.paper.hidden = false;
      $(".paper-field", this.box).remove();
      if (text !== wholeText(this.tree.segments)) this.tree.grow(this.tree.edited(text));
      this.moved();
      this.paper.focus();
      return;
    }
    this.field = element("textarea", { class: "paper-field", lang: "pl", spellcheck: false });
    this.field.value = wholeText(this.tree.segments);
    this.field.setAttribute("aria-label", say("edit"));
    this.paper.hidden = true;
    this.paper.after(this.field);
    button.textContent = say("edit_done");
    this.field.focus();
  }

  /** An edit that is still open counts before anything is written after it. */
  settle() {
    if (this.field) this.edit();
  }

  /** Mouse, finger and keys on tokens. */
  listen() {
    const show = (span, pinned) => {
      for (const marked of $$(".marked", this.paper)) marked.classList.remove("marked");
      if (!span) return;
      span.classList.add("marked");
      const { segment, token } = span.dataset;
      const own = this.tree.segments[segment].tokens[token];
      const choose = (text) => branch(this.index, Number(segment), Number(token), text);
      openPopover(span, own, { pinned, choose, back: this.paper });
    };
    this.paper.addEventListener("click", (event) => show(event.target.closest(".token"), true));
    this.paper.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse" && !job.running) show(event.target.closest(".token"), false);
    });
    this.paper.addEventListener("keydown", (event) => {
      const tokens = $$(".token", this.paper);
      const here = tokens.findIndex((token) => token.classList.contains("marked"));
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step && tokens.length) {
        event.preventDefault();
        const next = tokens[Math.max(0, Math.min(tokens.length - 1, here + step))];
        show(next, false);
        next.scrollIntoView({ block: "nearest" });
      } else if (event.key === "Enter" && here >= 0) event.preventDefault(), show(tokens[here], true);
    });
  }
}
