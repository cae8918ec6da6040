"""Data, tokenizer or time? The report's question as ablations: `python -m training.ablations`.

Each is one run of `training.train` with the compact Transformer's recipe, and all have the same
compute: a model over another vocabulary takes as many steps as its cost a token leaves it.

| run | what differs from `all` |
|---|---|
| `all` | nothing: every training document, the Polish BPE |
| `half`, `quarter` | that share of the training text |
| `one-author` | one author's novels alone; another of hers is held out |
| `mixed` | as much text as hers, by everybody |
| `cl100k` | tokens of cl100k_base |
| `constant` | the learning rate never falls, so that the curve's slope means time alone |

Notable: the held-out novels, and but for `cl100k` the tokenizer, are the same in all of them.
"""

import argparse
import csv
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from polishgen.checkpoint import LOG_FILE, METRICS_FILE, read_json
from polishgen.errors import ParameterError, PolishgenError
from polishgen.language_model import load
from polishgen.models import build_model, preset_config
from polishgen.tokenizer import CL100K, Tokenizer
from training.corpus.cleaning import Document, n_bytes
from training.corpus.split import take, take_fraction
from training.corpus.summary import SUMMARY_FILE, TOKENIZER_FILE, load_summary, write_summary
from training.measures.held_out import measure_loss, read_documents
from training.prepare import token_dtype, write_texts, write_tokens
from training.train import main as train

MODEL, PRESET = "transformer", "compact"
# The author with most training text of those who also have a novel held out.
AUTHOR = "Orzeszkowa, Eliza"
SHARES = {"half": 0.5, "quarter": 0.25}


@dataclass(frozen=True)
class Ablation:
    """One run: the name of its data folder, and what differs from the recipe."""

    name: str
    data: str
    options: dict[str, str] = field(default_factory=dict)


ABLATIONS = (
    Ablation("all", "all"),
    Ablation("half", "half"),
    Ablation("quarter", "quarter"),
    Ablation("one-author", "one-author"),
    Ablation("mixed", "mixed"),
    Ablation("cl100k", "cl100k"),
    Ablation("constant", "all", {"decay_share": "0"}),
)


# --- data ------------------------------------------------------------------------------------


def is_by(document: Document, author: str) -> bool:
    """Whether the document is by `author`; sources add years in brackets to some of the names."""
    return str(document.meta["author"]).split(" (")[0] == author


def subset(documents: Sequence[Document], name: str, author: str) -> list[Document]:
    """The training documents of the data folder `name`; `ParameterError` if there are none."""
    if name in SHARES:
        return take_fraction(documents, SHARES[name])
    if name not in ("one-author", "mixed"):
        return list(documents)
    by_author = [document for document in documents if is_by(document, author)]
    if not by_author:
        raise ParameterError("author", author, "an author of the training text")
    size = sum(n_bytes(document.text) for document in by_author)
    # Of short documents it takes several, and the last does not go far beyond.
    return by_author if name == "one-author" else take(documents, size, size / 8)


def prepare_data(base: Path, out: Path, name: str, author: str) -> None:
    """Writes the data folder `name` from the prepared corpus `base`, unless it is there."""
    if (out / SUMMARY_FILE).is_file():
        return
    summary = load_summary(base)
    train_documents = subset(read_documents(base / "train.jsonl"), name, author)
    held_out = read_documents(base / "val.txt.jsonl")
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.cl100k() if name == "cl100k" else summary.open_tokenizer(base)
    if tokenizer.name != CL100K:
        tokenizer.save(out / TOKENIZER_FILE)
    write_texts(out / "train.jsonl", train_documents)
    write_texts(out / "val.txt.jsonl", held_out)
    changed = replace(
        summary,
        tokenizer=tokenizer.name,
        vocab_size=tokenizer.n_vocab,
        dtype=token_dtype(tokenizer.n_vocab),
        train=write_tokens(out / "train.bin", train_documents, tokenizer),
        val=write_tokens(out / "val.bin", held_out, tokenizer),
        digest=f"{summary.digest} {name}",
    )
    write_summary(out / SUMMARY_FILE, changed)


# --- runs ------------------------------------------------------------------------------------


def cost_per_token(vocab_size: int) -> int:
    """Multiplications of one token's forward pass, attention's scores left out.

    One a parameter, but for the embedding's, which are looked up.
    """
    with torch.device("meta"):
        model = build_model(preset_config(MODEL, PRESET, vocab_size=vocab_size))
    return sum(p.numel() for p in model.parameters()) - model.embedding.weight.numel()


def steps_for(steps: int, vocab_size: int, base_vocab_size: int) -> int:
    """Steps over `vocab_size` tokens that cost what `steps` cost over the base vocabulary."""
    return max(1, round(steps * cost_per_token(base_vocab_size) / cost_per_token(vocab_size)))


def command(ablation: Ablation, out: Path, steps: int) -> list[str]:
    """Arguments of `training.train` for a run of `steps` steps that logs about twenty times."""
    options = {
        "data": str(out / "data" / ablation.data),
        "run": str(out / ablation.name),
        "max_steps": str(steps),
        "eval_interval": str(max(1, steps // 20)),
        "checkpoint_interval": str(max(1, steps // 10)),
        **ablation.options,
    }
    flags = ["--model", MODEL, "--preset", PRESET]
    for name, value in options.items():
        flags += ["--" + name.replace("_", "-"), value]
    return flags


def run(ablation: Ablation, out: Path, steps: int) -> None:
    """Trains, goes on with a run that was stopped, and leaves alone one that is done.

    `PolishgenError` if the training fails or is stopped.
    """
    folder = out / ablation.name
    if (folder / "checkpoint" / METRICS_FILE).is_file():
        return
    arguments = command(ablation, out, steps)
    if list((folder / "states").glob("step-*")):
        arguments.append("--resume")
    print(f"python -m training.train {shlex.join(arguments)}", flush=True)
    if train(arguments):
        raise PolishgenError(f"{ablation.name} is not done: the same command goes on")


# --- results ---------------------------------------------------------------------------------


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's log."""
    with (folder / "checkpoint" / LOG_FILE).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


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


def result_rows(out: Path, base: Path, author: str, done: Sequence[str]) -> Iterator[str]:
    """A Markdown table of the runs that are done."""
    held_out = read_documents(base / "val.txt.jsonl")
    hers = [document.text for document in held_out if is_by(document, author)]
    yield (
        "| run | training text, MB | tokens read | seconds | bits per byte | "
        f"of {author}'s alone | slope a doubling |"
    )
    yield "|---" + "|---:" * 6 + "|"
    for name in done:
        data = next(ablation.data for ablation in ABLATIONS if ablation.name == name)
        log, lm = read_log(out / name), load(out / name / "checkpoint")
        metrics = read_json(out / name / "checkpoint" / METRICS_FILE)
        size = load_summary(out / "data" / data).train.bytes / 1e6
        alone = f"{measure_loss(lm, hers)['bits_per_byte']:.3f}" if hers else ""
        yield (
            f"| {name} | {size:.1f} | {log[-1]['tokens']:,.0f} | {log[-1]['elapsed_seconds']:.0f} "
            f"| {metrics['bits_per_byte']:.3f} | {alone} | {slope(log):+.3f} |"
        )


def plot(out: Path, done: Sequence[str], file: Path) -> None:
    """Held-out bits per byte against training time, a curve a run, as PNG or SVG."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name in done:
        rows = read_log(out / name)[1:]
        seconds = [row["elapsed_seconds"] for row in rows]
        axes.plot(seconds, [row["val_bits_per_byte"] for row in rows], marker=".", label=name)
    axes.set(xlabel="seconds of training", ylabel="held-out bits per byte", xscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 2 with a message for an error of the user's or a run that was stopped."""
    parser = argparse.ArgumentParser("training.ablations", description=__doc__.splitlines()[0])
    names = [ablation.name for ablation in ABLATIONS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="RUN")
    parser.add_argument("--steps", type=int, default=600, help="of the run `all` (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("runs/data/polish8k"))
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--author", default=AUTHOR, help="of `one-author` (%(default)s)")
    options = parser.parse_args(arguments)
    chosen = [ablation for ablation in ABLATIONS if ablation.name in options.only]
    try:
        base_vocab_size = load_summary(options.data).vocab_size
        for ablation in chosen:
            data = options.out / "data" / ablation.data
            prepare_data(options.data, data, ablation.data, options.author)
            vocab_size = load_summary(data).vocab_size
            run(ablation, options.out, steps_for(options.steps, vocab_size, base_vocab_size))
        done = [ablation.name for ablation in chosen]
        rows = result_rows(options.out, options.data, options.author, done)
        (options.out / "table.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
        plot(options.out, done, options.out / "curves.png")
        print((options.out / "table.md").read_text(encoding="utf-8"))
    except PolishgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
