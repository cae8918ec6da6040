"""Data, tokenizer or time? The report's question: `python -m training.experiments.ablations`.

All are the compact Transformer with its recipe, at the compute of the run `all`.

| run | what differs from `all` |
|---|---|
| `all` | nothing: every training document, the Polish BPE |
| `half`, `quarter` | that share of the training text |
| `one-author` | one author's novels alone; another of hers is held out |
| `mixed` | as much text as hers, by everybody |
| `cl100k` | tokens of cl100k_base |
| `constant` | the learning rate never falls, so that the curve's slope means time alone |
| `report` | the report's optimizer: AdamW for all, its rates, constant from the first step |
"""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from polishgen.command_line import command
from polishgen.errors import ParameterError
from polishgen.evaluation import text_loss
from polishgen.language_model import load
from polishgen.tokenizer import CL100K
from training.config import REPORT
from training.corpus.summary import load_summary
from training.experiments.runs import (
    Experiment,
    command_parser,
    data_folder,
    log_of,
    run_all,
    run_folder,
)
from training.experiments.subsets import AUTHOR, is_by
from training.measures.held_out import read_documents

MODEL = "transformer"
# Read of each held-out text by the author of `one-author`.
HERS_CHARACTERS = 60_000
OPTIMIZATION = (
    "optimizer",
    "learning_rate",
    "weight_decay",
    "beta2",
    "warmup_steps",
    "decay_steps",
    "gradient_clip",
)
ABLATIONS = (
    Experiment("all", MODEL, subset="all"),
    Experiment("half", MODEL, subset="half"),
    Experiment("quarter", MODEL, subset="quarter"),
    Experiment("one-author", MODEL, subset="one-author"),
    Experiment("mixed", MODEL, subset="mixed"),
    Experiment("cl100k", MODEL, subset=CL100K),
    Experiment("constant", MODEL, {"decay_steps": 0}, subset="all"),
    Experiment("report", MODEL, {n: getattr(REPORT, n) for n in OPTIMIZATION}, subset="all"),
)


def slope(log: Sequence[dict[str, float]]) -> float:
    """Bits per byte that a doubling of the tokens brings, by least squares over the second half."""
    rows = [row for row in log if row["tokens"] >= log[-1]["tokens"] / 2]
    xs = [math.log2(row["tokens"]) for row in rows]
    ys = [row["val_bits_per_byte"] for row in rows]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((each - x) ** 2 for each in xs)
    if not spread:
        raise ParameterError("log", f"{len(rows)} rows", "at least two in the second half")
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread


def result_rows(out: Path, base: Path, author: str, done: Sequence[Experiment]) -> Iterator[str]:
    """A Markdown table of the runs that are done."""
    held_out = read_documents(base / "val.txt.jsonl")
    hers = [each.text[:HERS_CHARACTERS] for each in held_out if is_by(each, author)]
    yield (
        "| run | training text, MB | tokens read | seconds | bits per byte | "
        f"of {author}'s text only | slope per doubling |"
    )
    yield "|---" + "|---:" * 6 + "|"
    for each in done:
        folder = run_folder(each, out)
        log, lm = log_of(each, out), load(folder / "checkpoint")
        size = load_summary(data_folder(each, base, out)).train.bytes / 1e6
        own = text_loss(lm.model, lm.tokenizer, hers) if hers else None
        alone = f"{own.bits_per_byte:.3f}" if own else ""
        yield (
            f"| {each.name} | {size:.1f} | {log[-1]['tokens']:,.0f} "
            f"| {log[-1]['elapsed_seconds']:.0f} | {log[-1]['val_bits_per_byte']:.3f} | {alone} "
            f"| {slope(log):+.3f} |"
        )


def plot(out: Path, done: Sequence[Experiment], file: Path) -> None:
    """Held-out bits per byte against training time, one curve per run, as PNG or SVG.

    Beside the whole curves stands where the best of them end, larger.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    whole, end = figure.subplots(1, 2)
    logs = {each.name: log_of(each, out)[1:] for each in done}
    for name, rows in logs.items():
        seconds = [row["elapsed_seconds"] for row in rows]
        bits = [row["val_bits_per_byte"] for row in rows]
        for axes in (whole, end):
            axes.plot(seconds, bits, marker=".", label=name)
    best = min(logs.values(), key=lambda rows: rows[-1]["val_bits_per_byte"])[-1]
    seconds, bits = best["elapsed_seconds"], best["val_bits_per_byte"]
    end.set(xlim=(0.5 * seconds, 1.15 * seconds), ylim=(bits - 0.02, bits + 0.18))
    whole.set(ylabel="held-out bits per byte", xscale="log")
    for axes in (whole, end):
        axes.set(xlabel="seconds of training")
        axes.grid(alpha=0.3)
    whole.legend()
    figure.savefig(file, dpi=110)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = command_parser("ablations", __doc__, ABLATIONS)
    parser.add_argument(
        "--author", default=AUTHOR, help="whose novels `one-author` reads (%(default)s)"
    )
    options = parser.parse_args(arguments)
    chosen = [ablation for ablation in ABLATIONS if ablation.name in options.only]
    run_all(chosen, options.data, options.out, options.tokens, 12, options.author)
    rows = result_rows(options.out, options.data, options.author, chosen)
    (options.out / "table.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    plot(options.out, chosen, options.out / "curves.png")
    print((options.out / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
