"""Figures of our models and of the report's: what was measured, and how training went.

Ours come from each checkpoint's `metrics.json` and `training_log.csv`; what is not there is not
known, and shown as such. The report gives no bits per byte. They are estimated from its
losses by the 2.73 bytes that a token of cl100k_base stands for in these novels, so a loss of 4.0390
nats is 4.0390 / ln 2 / 2.73 = 2.13 bits per byte.
"""

import csv
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from polishgen.evaluation import TextLoss
from polishgen.language_model import LanguageModel
from polishgen.page.models import file_of, single_names, title

HERE = Path(__file__).parent
REPORT = json.loads((HERE / "report.json").read_text(encoding="utf-8"))
# The preset that draws as the report did, for the share of real words.
REPORT_PRESET = "report"


@dataclass(frozen=True)
class ModelFigures:
    """A row of the table; None for what was not measured.

    `parameters`: a count. Losses in nats per token. `real_words`: a share from 0 to 1.
    `tokens_per_second`: in decoding one text. `tokens_read`: in training, repeats included.
    """

    parameters: int
    train_loss: float | None = None
    val_loss: float | None = None
    perplexity: float | None = None
    bits_per_byte: float | None = None
    real_words: float | None = None
    tokens_per_second: float | None = None
    tokens_read: int | None = None

    @property
    def seconds_1000(self) -> float | None:
        """Seconds for 1,000 tokens."""
        return 1000 / self.tokens_per_second if self.tokens_per_second else None


def our_figures(lm: LanguageModel, tokens_per_second: float | None = None) -> ModelFigures:
    """What `metrics.json` tells of a model, and its speed as measured on this machine."""
    metrics = lm.metrics
    presets = metrics.get("evaluation", {}).get("presets", {})
    return ModelFigures(
        lm.parameters,
        metrics.get("train_loss"),
        # The loss over all held-out text is the better measured one of the two.
        metrics.get("held_out_loss", metrics.get("val_loss")),
        metrics.get("perplexity"),
        metrics.get("bits_per_byte"),
        presets.get(REPORT_PRESET, {}).get("real_words", {}).get("share"),
        tokens_per_second,
        metrics.get("training_tokens"),
    )


def report_figures(architecture: str) -> ModelFigures | None:
    """The report's figures of its model of that architecture."""
    row = REPORT["models"].get(architecture)
    if row is None:
        return None
    return ModelFigures(
        row["parameters"],
        row["train_loss"],
        row["val_loss"],
        row["perplexity"],
        report_bits_per_byte(row["val_loss"]),
        row["real_words"],
        row["tokens_per_second"],
    )


def report_bits_per_byte(loss: float) -> float:
    """Bits per byte, estimated from a loss of the report's in nats per token."""
    return TextLoss(loss, 1, REPORT["bytes_per_token"]).bits_per_byte


@dataclass(frozen=True)
class Evaluation:
    """A point of a training curve; NaN for what is not known.

    `tokens` in millions, `loss` in nats per token of held-out text.
    """

    tokens: float
    minutes: float
    loss: float
    bits_per_byte: float


@lru_cache(maxsize=1)
def training_curves() -> dict[tuple[str, bool], list[Evaluation]]:
    """Training of all models by (name, whether it is ours); the report's names are its runs'."""
    curves: dict[tuple[str, bool], list[Evaluation]] = {}
    for name in single_names():
        log = file_of(name, "training_log.csv")
        for row in read_csv(log) if log else []:
            fields = ("tokens", "elapsed_seconds", "val_loss", "val_bits_per_byte")
            tokens, seconds, loss, bits = (number_or_nan(row.get(field)) for field in fields)
            point = Evaluation(tokens / 1e6, seconds / 60, loss, bits)
            curves.setdefault((name, True), []).append(point)
    for row in read_csv(HERE / "report_curves.csv"):
        loss = float(row["val_loss"])
        tokens = float(row["step"]) * REPORT["tokens_per_step"].get(row["run"], math.nan)
        minutes = float(row["seconds"]) / 60
        point = Evaluation(tokens / 1e6, minutes, loss, report_bits_per_byte(loss))
        curves.setdefault((row["run"], False), []).append(point)
    return curves


def speed_by_activity() -> list[tuple[float, float]]:
    """(share of BDH's neurons that are active, tokens per second), as in sparsity.csv.

    That is what `python -m polishgen bench --sparsity` printed on one core of a processor with
    AVX-512, nothing else running on it.
    """
    rows = read_csv(HERE / "sparsity.csv")
    return [(float(row["active"]), float(row["tokens_per_second"])) for row in rows]


def run_title(run: str) -> str:
    """The name of one of the report's runs; its first Transformer run is number one."""
    name, _, first = run.partition("-")
    return f"{title(name)} {'1' if first else ''}".strip()


def number_or_nan(text: str | None) -> float:
    """A figure from a CSV file; NaN if it is not there."""
    return float(text) if text else math.nan


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a heading."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
