"""Figures of our models and of the report's: what was measured, and how training went.

Ours come from each checkpoint's `metrics.json` and `training_log.csv`; what is not there is not
known, and shown as such. Notable: the report gives no bits per byte. They are estimated from its
losses by the 2.73 bytes that a token of cl100k_base stands for in these novels, so a loss of 4.0390
nats is 4.0390 / ln 2 / 2.73 = 2.13 bits per byte.
"""

import csv
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from polishgen.checkpoint import find_folder
from polishgen.language_model import LanguageModel
from polishgen.page.models import models, title

HERE = Path(__file__).parent
REPORT = json.loads((HERE / "report.json").read_text(encoding="utf-8"))
# The preset that draws as the report did, for the share of real words.
REPORT_PRESET = "report"


@dataclass(frozen=True)
class ModelFigures:
    """A row of the table; None for what was not measured.

    `parameters`: a count. Losses in nats a token. `real_words`: a share from 0 to 1.
    `tokens_per_second`: in decoding one text.
    """

    parameters: int
    train_loss: float | None = None
    val_loss: float | None = None
    perplexity: float | None = None
    bits_per_byte: float | None = None
    real_words: float | None = None
    tokens_per_second: float | None = None

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
    """Bits per byte, estimated from a loss of the report's in nats a token."""
    return loss / math.log(2) / REPORT["bytes_per_token"]


@lru_cache(maxsize=1)
def training_curves() -> pd.DataFrame:
    """Training of all models, ours and the report's, one row an evaluation.

    Columns: series, ours (bool), tokens (millions; NaN where the report does not give them),
    minutes, loss (nats a token of held-out text), bits_per_byte.
    """
    rows = []
    for name in models():
        log = find_folder(name) / "training_log.csv"
        if log.is_file():
            rows += [curve_row(title(name), True, row) for row in read_csv(log)]
    for row in read_csv(HERE / "report_curves.csv"):
        run, loss = row["run"], float(row["val_loss"])
        per_step = REPORT["tokens_per_step"].get(run, math.nan)
        rows.append(
            (
                run_title(run),
                False,
                float(row["step"]) * per_step / 1e6,
                float(row["seconds"]) / 60,
                loss,
                report_bits_per_byte(loss),
            )
        )
    columns = ["series", "ours", "tokens", "minutes", "loss", "bits_per_byte"]
    return pd.DataFrame(rows, columns=columns)


def curve_row(series: str, ours: bool, row: dict[str, str]) -> tuple:
    """One line of a training log as a row of `training_curves`."""
    return (
        series,
        ours,
        number_or_nan(row.get("tokens")) / 1e6,
        number_or_nan(row.get("elapsed_seconds")) / 60,
        number_or_nan(row.get("val_loss")),
        number_or_nan(row.get("val_bits_per_byte")),
    )


def run_title(run: str) -> str:
    """The series name of one of the report's runs; its first Transformer run is number one."""
    name, _, first = run.partition("-")
    return f"{title(name)} {'1' if first else ''}".strip() + " (raport)"


def number_or_nan(text: str | None) -> float:
    """A figure from a CSV file; NaN if it is not there."""
    return float(text) if text else math.nan


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a heading."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
