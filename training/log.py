"""A run's log: one row per evaluation, kept as CSV with the run and its checkpoint."""

import csv
from collections.abc import Sequence
from pathlib import Path

from polishgen.errors import CheckpointError
from polishgen.files import whole

LOG_COLUMNS = (
    "step",
    "train_loss",
    "val_loss",
    "val_bits_per_byte",
    "tale_bits_per_byte",
    "tokens",
    "elapsed_seconds",
    "learning_rate_factor",
    "x_active",
    "y_active",
)
# Not in every log: shares of BDH's neurons, mean of its layers.
OPTIONAL = ("x_active", "y_active")
COUNTS = ("step", "tokens")


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes the log as CSV, whole or not at all."""
    with whole(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS, restval="nan")
        writer.writeheader()
        writer.writerows(rows)


def read_log(path: Path, columns: Sequence[str] = LOG_COLUMNS) -> list[dict[str, float]]:
    """The `columns` of the rows that `write_log` wrote, at least one row.

    `CheckpointError` if the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                {
                    name: float("nan" if name in OPTIONAL and name not in row else row[name])
                    for name in columns
                }
                for row in csv.DictReader(file)
            ]
        for row in rows:
            row.update({name: int(row[name]) for name in COUNTS if name in row})
    except (OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from error
    if not rows:
        raise CheckpointError(f"{path} is damaged: it holds no step")
    return rows
