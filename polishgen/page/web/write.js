// The Write tab: columns that stream side by side, texts that can be branched, edited and shared.

import { $, $$, Job, architectureOf, defaults, element, modelTitle, number, say, settings } from "./core.js";
import { openPopover } from "./popover.js";
import * as shelf from "./shelf.js";
import { openSharing } from "./sharing.js";
import { readControls, showControls } from "./controls.js";
import { Tree, decodeLink, hashOf, joined, wholeText } from "./texts.js";

let trees = [];
let columns = [];
let run = null; // the run on the shelf: its id
let since; // when the shelf had it last
let changed = false; // since then
let running = null; // the columns that are being written, or were when that was interrupted
let link = null; // the code of the link that the texts come from, until the visitor changes them
let example = null; // plays the example up to so many tokens, until it has to stand whole
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
    button.addEventListener("click", () => ((prompt.value = button.textContent), leaveLink(), prompt.focus()));
  $("#ask").addEventListener("input", leaveLink);
  $("#forget").addEventListener("click", () => ((run = null), shelf.forget(), showHistory()));
  window.addEventListener("pagehide", () => (settle(), save()));
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
    if (shelf.interrupted(kept)) offerToGoOn(say("interrupted"), kept.running);
  } else playExample();
  showHistory();
}

/** Has a link's texts written again; of each there is as much as has been written by then. */
async function openLink(code) {
  let plans;
  try {
    plans = await decodeLink(code);
    const first = plans[0].find((segment) => segment.options);
    prompt.value = plans[0][0].text ?? "";
    if (first) showControls(first.options);
    const names = Object.keys(settings.models);
    const modelOf = (plan, index) => plan.find((segment) => segment.model)?.model ?? names[index % names.length];
    show(plans.map((plan, index) => new Tree(modelOf(plan, index), plan.slice(0, 1))));
  } catch {
    playExample();
    return job.tell(say("bad_link"), "error");
  }
  const kept = shelf.latest();
  [run, since] = kept?.link === code ? [kept.id, kept.time] : [shelf.newId()];
  link = code;
  const all = trees.map((_, index) => index);
  if (!(await stream("replay", { run: code }, all, plans))) return;
  const hashes = plans.map((plan) => plan.findLast((segment) => segment.hash)?.hash);
  if (hashes.some((hash, index) => hash && hash !== hashOf(wholeText(trees[index].segments))))
    job.tell(say("link_differs"), "note");
}

/** Plays what the server wrote when it started, as if it were being written now. */
function playExample() {
  const written = JSON.parse($("#example").textContent);
  if (!written.length) return;
  run = null;
  const begun = ({ model, options, backend }) => [{ text: settings.prompt }, { model, options, backend, tokens: [] }];
  show(written.map((each) => new Tree(each.model, begun(each))));
  job.tell(say("example_note"), "note");
  showMended(written[0].events[0].mended);
  const tokens = written.map((each) => each.events.flatMap((event) => event.columns[0].tokens));
  const ends = written.map((each) => each.events.at(-1).columns[0]);
  const play = (example = (until) => {
    tokens.forEach((all, index) => {
      const had = trees[index].segments.at(-1).tokens.length;
      const shown = Math.min(all.length, until);
      if (had === shown) return;
      const { count, seconds, end } = ends[index];
      const done = shown / all.length;
      const news = { count: Math.round(count * done), seconds: seconds * done, end: done < 1 ? null : end };
      columns[index].take({ ...ends[index], ...news, tokens: all.slice(had, shown) });
      if (done === 1) columns[index].tools();
    });
    return tokens.some((all) => all.length > until);
  });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const started = performance.now();
  const frame = (now) => {
    if (example !== play) return;
    if (play(still ? Infinity : Math.max(0, Math.floor((now - started) / 25)))) return requestAnimationFrame(frame);
    for (const column of columns) column.paper.scrollTop = 0;
  };
  requestAnimationFrame(frame);
}

async function generate() {
  if (job.running) return;
  const { models, options } = readControls(true);
  if (!models.length) return job.tell(say("choose_model"), "error");
  settle();
  leaveLink();
  run = shelf.newId();
  link = null;
  show(models.map((model) => new Tree(model, [{ text: prompt.value }, { model, options, tokens: [] }])));
  await write(trees.map((_, index) => index));
}

/** Goes on with some columns, each from the text that it shows, by its own model or by `model`. */
async function goOn(indices, model) {
  if (job.running) return;
  if (!trees.length) return job.tell(say("nothing_to_continue"), "error");
  settle();
  becomeOwn();
  const { options } = readControls(true);
  for (const index of indices) {
    const tree = trees[index];
    // A run that was cut off before its first word leaves nothing.
    tree.prune();
    // After a model's own words a word may be half written; after a person's, as the setting says.
    const fresh = tree.segments.at(-1).text !== undefined && options.starts_new_word;
    const segment = { model: model ?? tree.model, options: { ...options, starts_new_word: fresh }, tokens: [] };
    tree.grow([...tree.segments, segment]);
    columns[index].draw();
  }
  await write(indices);
}

/** Branches off before a token: with the text that was picked, then the column's model goes on. */
async function branch(index, segment, token, text) {
  if (!text) return;
  becomeOwn();
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

/** Has the server write columns, those of a link by their `plans`; whether it came to the end. */
async function stream(name, body, indices, plans) {
  hideNotice();
  showMended({});
  for (const index of indices) columns[index].begin();
  running = indices;
  changed = true;
  save();
  let saved = performance.now();
  const done = await job.run(name, body, (event) => {
    changed = true;
    if (event.mended) showMended(event.mended);
    for (const [position, news] of Object.entries(event.columns))
      columns[indices[position]].take(news, plans?.[position]);
    if (performance.now() - saved > 1000) save(), (saved = performance.now());
  });
  for (const index of indices) {
    if (done && plans) columns[index].follow(plans[index]);
    columns[index].finish();
  }
  if (!done && job.lost) offerToGoOn(say("connection_lost"), indices);
  else running = null;
  changed = true;
  save();
  showHistory();
  return done;
}

function offerToGoOn(text, indices) {
  const button = element("button", { type: "button", id: "go-on" }, say("go_on"));
  button.addEventListener("click", () => {
    if (job.running) return;
    hideNotice();
    // A link's texts are not for this visitor to go on with, but to be read as they were.
    if (link) openLink(link);
    else goOn(indices.filter((index) => index < trees.length));
  });
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

function completeExample() {
  example?.(Infinity);
  example = null;
}

/** An edit that is still open counts before anything is made of the texts. */
function settle() {
  completeExample();
  for (const column of columns) column.settle();
}

/** The address says no longer what is here, once the visitor has begun with something else. */
function leaveLink() {
  if (location.search) history.replaceState({}, "", location.pathname);
}

/** The example, or a link's text, becomes the visitor's own as soon as it is changed. */
function becomeOwn() {
  completeExample();
  link = null;
  run ??= shelf.newId();
  changed = true;
  leaveLink();
}

function show(given) {
  example = null;
  trees = given;
  columns = trees.map((tree, index) => new Column(tree, index));
  $("#columns").replaceChildren(...columns.map((column) => column.box));
  for (const column of columns) column.draw();
}

function open(kept) {
  [run, since, changed, running, link] = [kept.id, kept.time, false, null, kept.link ?? null];
  shelf.showing(run);
  hideNotice();
  show(kept.trees.map(Tree.from));
}

/** Keeps what has changed, if a model wrote any of it. */
function save() {
  const written = (node) => node.segments.some((segment) => segment.tokens?.length);
  if (!changed || run === null || !trees.some((tree) => tree.nodes.some(written))) return;
  const controls = readControls(false).options;
  ({ id: run, time: since } = shelf.keep({ id: run, prompt: prompt.value, controls, trees, running, link }, since));
  changed = false;
}

function showHistory() {
  const lines = shelf.all().map((kept) => {
    const when = new Date(kept.time).toLocaleString(settings.language === "pl" ? "pl-PL" : "en-GB", {
      dateStyle: "short",
      timeStyle: "short",
    });
    const text = wholeText(Tree.from(kept.trees[0]).segments).slice(0, 80);
    const button = element("button", { type: "button" }, `${when} · ${text}…`);
    button.addEventListener("click", () => {
      if (job.running) return;
      settle();
      save();
      leaveLink();
      // As it is by now: it may be the one that was shown.
      const latest = shelf.find(kept.id) ?? kept;
      prompt.value = latest.prompt;
      showControls(latest.controls);
      open(latest);
      window.scrollTo({ top: 0 });
    });
    return element("li", {}, button);
  });
  $("#runs").replaceChildren(...lines);
  $("#history").hidden = !lines.length;
}

/** Texts of the columns, for the tab that looks inside, and about how many tokens they have. */
export function shownTexts() {
  settle();
  const size = ({ text, tokens }) => tokens?.length ?? new TextEncoder().encode(text).length;
  return trees.map(({ model, segments }) => ({
    model,
    text: wholeText(segments).trim(),
    size: segments.reduce((sum, segment) => sum + size(segment), 0),
  }));
}

/** One text on the page with its tools. */
class Column {
  constructor(tree, index) {
    this.tree = tree;
    this.index = index;
    this.box = $("#column-template").content.firstElementChild.cloneNode(true);
    const architecture = architectureOf(tree.model);
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
    this.on("click", ".share", () => (settle(), openSharing(tree, trees)));
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
    becomeOwn();
    this.draw();
    save();
  }

  draw() {
    this.parts = [];
    this.paper.replaceChildren();
    this.tree.segments.forEach((_, index) => this.append(index));
    this.paper.scrollTop = this.paper.scrollHeight;
    this.tools();
    $("progress", this.box).value = 0;
    this.tell();
  }

  /** Says how fast the last run's tokens came, and why they ended. */
  tell() {
    let text = say("stats_waiting");
    const last = this.tree.segments.findLast((segment) => segment.figures);
    if (last) {
      const { count, seconds, seen, end } = last.figures;
      text = say("stats", { tokens: number(count), speed: number(count / seconds) });
      if (seen) text += say("stats_seen", { seen: number(seen) });
      const drafts = last.options?.drafts ?? defaults.drafts;
      if (drafts > 1) text += say("stats_drafts", { drafts: number(drafts) });
      if (end) text += say(`ended_${end}`);
    }
    $(".stats", this.box).textContent = text;
  }

  /** Draws what is new in a segment. */
  append(index) {
    const segment = this.tree.segments[index];
    const part = (this.parts[index] ??= this.paper.appendChild(element("span")));
    if (segment.text !== undefined) {
      const kind = index ? "own" : "prompt";
      part.replaceChildren(element("span", { class: kind }, segment.text));
      return;
    }
    const following = this.paper.scrollHeight - this.paper.scrollTop - this.paper.clientHeight < 40;
    const from = part.childElementCount;
    const fragment = document.createDocumentFragment();
    segment.tokens.slice(from).forEach((token, offset) => {
      const span = element("span", { class: "token" }, token[1]);
      span.dataset.segment = index;
      span.dataset.token = from + offset;
      span.style.setProperty("--bits", Math.min(1, -Math.log2(Math.max(token[2], 1e-6)) / 13).toFixed(2));
      if (segment.model !== this.tree.model) span.classList.add("guest", architectureOf(segment.model));
      fragment.append(span);
    });
    part.append(fragment);
    if (following) this.paper.scrollTop = this.paper.scrollHeight;
  }

  begin() {
    this.started = performance.now();
    this.busy = true;
    this.box.classList.add("busy");
    $(".stats", this.box).textContent = say("stats_reading");
    this.tools();
  }

  /** Takes a link's segments over, up to a place. */
  follow(plan, end = plan.length) {
    const { segments } = this.tree;
    while (segments.length < end) this.append(segments.push(plan[segments.length]) - 1);
  }

  /** Takes in what has been written. */
  take(news, plan) {
    const { segments } = this.tree;
    const first = segments.length - 1;
    for (const token of news.tokens) {
      if (plan) this.follow(plan, token[0] + 1);
      segments.at(-1).tokens.push(token);
    }
    for (let index = first; index < segments.length; index++) this.append(index);
    const last = segments.at(-1);
    if (!plan) last.backend = news.backend;
    $("progress", this.box).value = news.end ? 1 : news.count / (last.options?.max_new_tokens ?? 200);
    if (!news.count || !last.tokens) return;
    const seen = this.busy ? (1000 * news.count) / (performance.now() - this.started) : null;
    const { count, seconds, end } = news;
    last.figures = { count, seconds, seen, end };
    this.tell();
  }

  finish() {
    this.busy = false;
    this.box.classList.remove("busy");
    if (this.tree.prune()) this.draw();
    this.tell();
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
    if (this.field) return this.settle(), this.paper.focus();
    completeExample();
    this.field = element("textarea", { class: "paper-field", lang: "pl", spellcheck: false });
    this.field.value = wholeText(this.tree.segments);
    this.field.setAttribute("aria-label", say("edit"));
    this.paper.hidden = true;
    this.paper.after(this.field);
    $(".edit", this.box).textContent = say("edit_done");
    this.field.focus();
  }

  /** Ends an edit. */
  settle() {
    if (!this.field) return;
    const text = this.field.value;
    this.field.remove();
    this.field = null;
    $(".edit", this.box).textContent = "✎";
    this.paper.hidden = false;
    if (text === wholeText(this.tree.segments)) return;
    this.tree.grow(this.tree.edited(text));
    this.moved();
  }

  /** Mouse, finger and keys on tokens. */
  listen() {
    const show = (span, pinned) => {
      for (const marked of $$(".marked", this.paper)) marked.classList.remove("marked");
      if (!span) return;
      span.classList.add("marked");
      const { segment, token } = span.dataset;
      const own = this.tree.segments[segment].tokens[token];
      const choose = (text) =>
        job.running ? say("still_writing") : void branch(this.index, Number(segment), Number(token), text);
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
