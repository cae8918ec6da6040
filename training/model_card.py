"""A checkpoint's model card in the Hub's format, and the training curve it shows.

All of it comes from the checkpoint folder (weights, `metrics.json`, `training_log.csv`), so that
the same folder always gives the same card; a figure that was not measured is left out.
"""

import io
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from matplotlib.figure import Figure

from polishgen.bench import PROMPT
from polishgen.checkpoint import LOG_FILE, is_bundled
from polishgen.files import write_bytes
from polishgen.language_model import LanguageModel, load
from polishgen.models import TITLES
from polishgen.sampling import DEFAULT_SAMPLING, SAMPLING_PRESETS, describe
from training.log import read_log
from training.measures.samples import FIRST_SEED, first_sample
from training.readme import KINDS, share_cell, stage_cells, table, text_block

CARD_FILE = "README.md"
CURVE_FILE = "training_curve.png"
# (key in metrics.json, metric's type on the Hub, its name there)
EVALUATED = (
    ("perplexity", "perplexity", "Perplexity per token"),
    ("bits_per_byte", "bits_per_byte", "Bits per byte"),
    ("tokens_per_second", "tokens_per_second", "Decoding speed on a CPU, tokens per second"),
)
DAMPING = """\
The synapses ρ of this BDH fade: each head has its own half-life (`half_lives` in `config.json`).
That damping is ours, near RetNet's (arXiv 2307.08621); the paper (arXiv 2509.26507) has none.
In a trial of two million tokens, BDH without it lost 0.117 bits per byte of novels
(docs/trials.md)."""
LIMITS = """\
It is a small model that has read only old books and simple tales: it knows their words, manners and
prejudices, no facts and nothing of today. What it writes is made up. Do not use it for advice, for
facts about people, or where a reader could take its text for a person's."""


def write_card(folder: Path) -> None:
    """Puts the card and its curve into a checkpoint folder."""
    name = folder.name if is_bundled(folder) else folder.as_posix()
    for file, content in card_files(folder, name).items():
        write_bytes(folder / file, content)


def card_files(folder: Path, name: str) -> dict[str, bytes]:
    """The card and, if there is a training log, its curve; `CheckpointError` for a bad folder.

    `name` is what `polishgen.load` takes in the card's snippet.
    """
    lm = load(folder)
    files = {}
    log = folder / LOG_FILE
    if log.is_file():
        files[CURVE_FILE] = training_curve(log)
    files[CARD_FILE] = model_card(lm, name, curve=bool(files)).encode()
    return files


def model_card(lm: LanguageModel, name: str, curve: bool) -> str:
    """The card's text; it points to the curve if there is one."""
    data = ModelCardData(
        language="pl",
        license="mit",
        library_name="polishgen",
        pipeline_tag="text-generation",
        tags=[lm.architecture, "polish", "small-language-model"],
        datasets=data_sets(lm.metrics),
        model_name=name.split("/")[-1],
        eval_results=eval_results(lm.metrics) or None,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n{card_text(lm, name, curve)}"))


def data_sets(metrics: dict) -> list[str]:
    """Names of the data sets that the model was trained on and measured with."""
    sources = metrics.get("corpus", {}).get("source", "polish_novels").split(", ")
    return [Path(source).name.split(".")[0] for source in sources]


def eval_results(metrics: dict) -> list[EvalResult]:
    """What was measured, for the Hub's model-index."""
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=data_sets(metrics)[0],
            dataset_name="Polish novels, held out",
            dataset_split="held out",
            metric_type=kind,
            metric_name=title,
            metric_value=round(metrics[key], 4),
        )
        for key, kind, title in EVALUATED
        if key in metrics
    ]


def card_text(lm: LanguageModel, name: str, curve: bool) -> str:
    """The prose below the front matter."""
    training = lm.metrics.get("training", {})
    title = f"polishgen {lm.architecture}"
    if preset := training.get("preset"):
        title += f" ({preset})"
    kind = TITLES.get(lm.architecture, lm.architecture)
    what = (
        f"A {kind} with {lm.parameters:,} parameters that continues Polish prose, trained from "
        "scratch on Polish books and tales, all free to use."
    )
    parts = [
        f"# {title}",
        what,
        "With the polishgen package installed, as in its demo Space:",
        f'```python\nimport polishgen\n\nlm = polishgen.load("{name}")\n'
        f'print(lm.generate("{PROMPT}", seed={FIRST_SEED}))\n```',
        "## Sample",
        f"What it writes after “{PROMPT}” with the default settings "
        f"({describe(DEFAULT_SAMPLING)}) and the first seed, not picked:",
        text_block(PROMPT + first_sample(lm)["text"]),
    ]
    if getattr(lm.model.config, "half_lives", ()):
        parts.insert(2, " ".join(DAMPING.split()))
    if rows := list(figure_rows(lm)):
        parts += ["## Figures", "\n".join(["| | |", "|---|---|", *rows])]
        parts.append(
            "`python -m training.evaluate` measures all of this and keeps it in `metrics.json`. "
            "Held-out documents are whole ones that the training never saw, each read from a "
            "document boundary with its genre's control code; bits per byte compare across "
            "tokenizers, perplexities do not."
        )
    stages = [
        (str(number), *stage_cells(s)) for number, s in enumerate(lm.metrics.get("stages", ()), 1)
    ]
    if stages or curve:
        parts.append("## Training")
    if stages:
        parts.append(table(("stage", "steps", "tokens", "minutes", "command"), stages))
    if curve:
        parts.append(f"![Loss against tokens read]({CURVE_FILE})")
    parts += ["## Limits", LIMITS]
    lines = (part if part[0] in "#|!" or "```" in part else wrap(part) for part in parts)
    return "\n\n".join(lines) + "\n"


def wrap(paragraph: str) -> str:
    """A paragraph in lines of at most 100 characters, long words whole."""
    return textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)


def figure_rows(lm: LanguageModel) -> Iterator[str]:
    """Rows of the table of figures, as far as they were measured."""
    metrics = lm.metrics
    for kind, loss in metrics.get("held_out", {}).items():
        text = f"{KINDS.get(kind, kind)} ({loss['documents']}, {loss['bytes']:,} bytes)"
        yield f"| Bits per byte, {text}, held out | {loss['bits_per_byte']:.3f} |"
    if "bits_per_byte" in metrics and "held_out" not in metrics:
        yield f"| Bits per byte, novels, held out | {metrics['bits_per_byte']:.3f} |"
    if "perplexity" in metrics:
        tokenizer = f"{lm.tokenizer.name}, {lm.tokenizer.n_vocab:,} tokens"
        yield f"| Perplexity per token, novels ({tokenizer}) | {metrics['perplexity']:.2f} |"
    presets = metrics.get("evaluation", {}).get("presets", {})
    for preset, figures in presets.items():
        sampling = describe(SAMPLING_PRESETS[preset])
        yield f"| Real words, {preset} ({sampling}) | {share_cell(figures['real_words'])} |"
    for genre, figures in metrics.get("evaluation", {}).get("genres", {}).items():
        yield f"| Real words, genre {genre} | {share_cell(figures['real_words'])} |"
    for name, shares in metrics.get("activity", {}).items():
        layers = ", ".join(f"{100 * share:.1f} %" for share in shares)
        yield f"| Active neurons {name} by layer | {layers} |"
    if "tokens_per_second" in metrics:
        speed = f"{metrics['tokens_per_second']:.0f} tokens per second"
        yield f"| Decoding on a CPU | {speed} |"
    if "training_tokens" in metrics:
        yield f"| Tokens trained on | {metrics['training_tokens']:,} |"
    if "training_seconds" in metrics:
        yield f"| Training time | {metrics['training_seconds'] / 60:.0f} minutes |"


def training_curve(log: Path) -> bytes:
    """PNG of losses, and of BDH's active neurons, against tokens read.

    `CheckpointError` for a bad log.
    """
    losses = {"train_loss": "training text", "val_loss": "held-out novels"}
    active = {"x_active": "x", "y_active": "y"}
    rows = read_log(log, ("tokens", *losses, *active))
    panels = [(losses, "loss (nats per token)")]
    if not all(math.isnan(row["x_active"]) for row in rows):
        panels.append((active, "share of neurons that are active"))
    figure = Figure(figsize=(7, 4 * len(panels)), layout="constrained")
    for axes, (curves, label) in zip(
        figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0], panels, strict=True
    ):
        for (column, name), color in zip(curves.items(), ("#0072b2", "#d55e00"), strict=True):
            known = [row for row in rows if not math.isnan(row[column])]
            millions = [row["tokens"] / 1e6 for row in known]
            axes.plot(millions, [row[column] for row in known], color=color, marker=".", label=name)
        axes.set(xlabel="tokens read (millions)", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    # The version of the drawing library is no part of the picture.
    figure.savefig(picture, format="png", dpi=120, metadata={"Software": None})
    return picture.getvalue()
