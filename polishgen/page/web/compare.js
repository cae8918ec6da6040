// The Compare tab: the table, charts, measurements, training curves, the visitor's own text.

import { $, Job, drawPlot, fillTable, modelTitle, number, percent, say } from "./core.js";

const named = (name, row) => (row.ours === false ? say("row_report", { model: modelTitle(name) }) : modelTitle(name));
const millions = (digits) => (value) => (value === null ? "–" : say("millions", { count: number(value / 1e6, digits) }));

const COLUMNS = [
  ["column_model", "model", named],
  ["column_parameters", "parameters", millions(2)],
  ["column_tokens_read", "tokens_read", millions(1)],
  ["column_bits_per_byte", "bits_per_byte", 3],
  ["column_real_words", "real_words", (value) => (value === null ? "–" : percent(value))],
  ["column_speed", "tokens_per_second", 1],
  ["column_seconds", "seconds_1000", 2],
  ["column_train_loss", "train_loss", 4],
  ["column_val_loss", "val_loss", 4],
  ["column_perplexity", "perplexity", 2],
];
const MEASURED = [COLUMNS[0], COLUMNS[5], ["column_prose_bpb", "bits_per_byte", 3], ["column_prose_ppl", "perplexity", 2]];
const JUDGED = [COLUMNS[0], COLUMNS[3], COLUMNS[9], ["column_tokens", "tokens", 0]];
const headed = (columns) => columns.map(([head, ...rest]) => [say(head), ...rest]);

export function openCompare() {
  const settled = JSON.parse($("#rows").textContent);
  show(settled);
  const curves = $("#curves-form");
  const draw = () => drawPlot($("#curves"), `curves.svg?${new URLSearchParams(new FormData(curves))}`, say("curves_heading"));
  curves.addEventListener("change", draw);
  draw();
  if ($("#sparsity-plot")) drawPlot($("#sparsity-plot"), "sparsity.svg", say("sparsity"));
  measuring();
  judging();
}

function show(rows) {
  fillTable($("#table"), headed(COLUMNS), rows);
  drawPlot($("#bits-plot"), "bits.svg", say("bits"));
  drawPlot($("#speed-plot"), "speed.svg", say("speed"));
}

function measuring() {
  const job = new Job($("#measure"), $("#measure-stop"), $("#measure-status"));
  const bar = $("#measure-progress");
  $("#measure-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (job.running) return;
    const rows = [];
    bar.hidden = false;
    await job.run("measure", { tokens: Number($("#measure-tokens").value) }, (event) => {
      if (event.rows) return show(event.rows);
      if (event.progress !== undefined) {
        bar.value = event.progress;
        return job.tell(say("measuring", { model: modelTitle(event.model) }), "waiting");
      }
      rows.push(event);
      fillTable($("#measured"), headed(MEASURED), rows);
      $("#measured").parentElement.hidden = false;
    });
    bar.hidden = true;
  });
}

function judging() {
  const job = new Job($("#judge"), $("#judge-stop"), $("#judge-status"));
  $("#judge-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    let rows = [];
    await job.run("judge", { text: $("#own-text").value }, (event) => {
      rows = [...rows.filter((row) => row.model !== event.model), event];
      rows.sort((a, b) => a.bits_per_byte - b.bits_per_byte);
      fillTable($("#judged"), headed(JUDGED), rows);
      $("#judged").parentElement.hidden = false;
    });
  });
}
