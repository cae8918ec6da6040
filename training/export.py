"""Turns a run, finished or not, into a checkpoint folder that is complete in itself.

`python -m training.export runs/RUN --out FOLDER` writes `config.json`, `model.safetensors` (the
averaged weights, if the run keeps them), the tokenizer, `metrics.json`, and `training_log.csv` with
the evaluations of this stage and of those that its checkpoint came from.
`training.evaluate` then measures the checkpoint and writes its model card.
"""

import csv
import math
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polishgen.checkpoint import LOG_FILE, METRICS_FILE, read_json, save_checkpoint
from polishgen.command_line import command
from polishgen.models import parameter_count
from training.config import CONFIG_FILE, RECIPES, TrainingConfig, as_options
from training.data import token_counts
from training.log import LOG_COLUMNS, read_log, write_log

if TYPE_CHECKING:
    from training.train import Run


def stages_of(metrics: dict) -> list[dict]:
    """How a checkpoint was trained, stage by stage; all before stages were kept counts as one."""
    if "stages" in metrics:
        return metrics["stages"]
    if "training_tokens" not in metrics:
        return []
    return [
        {
            "command": None,
            "tokens": metrics["training_tokens"],
            "seconds": metrics["training_seconds"],
            "bits_per_byte": metrics.get("bits_per_byte"),
        }
    ]


def from_here(path: str | Path) -> str:
    """A path as seen from the working folder."""
    return str(path).removeprefix(f"{Path.cwd()}/")


def command_of(config: TrainingConfig, start: str = "python") -> str:
    """The command line that makes a run of `config`, with paths as seen from the working folder.

    `start`: what starts the module, `accelerate launch` with its options for several processes.
    """
    recipe = RECIPES[config.model, config.preset]
    config = config.replace(data=from_here(config.data), init_from=from_here(config.init_from))
    changed = {name: value for name, value in config if value != getattr(recipe, name)}
    chosen = {"model": config.model, "preset": config.preset, **changed}
    return f"{start} -m training.train {shlex.join(as_options(chosen))}"


# What `export_run` says of a checkpoint; the rest of metrics.json is measured afterwards.
PROVENANCE = (
    "parameters",
    "training_tokens",
    "training_seconds",
    "stages",
    "corpus",
    "training",
)


def number_or_none(value: float) -> float | None:
    """NaN, of what was not measured, as JSON's null."""
    return None if math.isnan(value) else value


def export_run(run: "Run", folder: Path) -> None:
    """Writes the checkpoint folder, the weights as bfloat16."""
    start, processes = "python", run.accelerator.num_processes
    if processes > 1:
        device = "--cpu " if run.accelerator.device.type == "cpu" else ""
        start = f"accelerate launch {device}--num_processes {processes}"
    # Evaluated at this very step, or at none.
    row = run.log[-1] if run.log[-1]["step"] == run.step else {}
    stage = {
        "command": command_of(run.config, start),
        "steps": run.step,
        "tokens": run.tokens,
        "seconds": run.elapsed,
        "corpus": run.corpus.summary.digest,
        "excerpt_bits_per_byte": number_or_none(row.get("val_bits_per_byte", math.nan)),
        "excerpt_tale_bits_per_byte": number_or_none(row.get("tale_bits_per_byte", math.nan)),
    }
    stages = [*run.stages, stage]
    with run.averaged() as model:
        metrics = {
            "parameters": parameter_count(model),
            "training_tokens": sum(stage["tokens"] for stage in stages),
            "training_seconds": sum(stage["seconds"] for stage in stages),
            "stages": stages,
            "corpus": {
                "source": run.corpus.summary.source,
                "held_out": run.corpus.summary.held_out,
            },
            "training": run.config.model_dump(),
        }
        run.tokenizer.counts = token_counts(run.corpus)
        save_checkpoint(folder, model, run.tokenizer, metrics=metrics)
    write_log(folder / LOG_FILE, joined(run.log, run.stages, run.config.init_from))


def joined(log: list[dict], stages: list[dict], init_from: str | None) -> list[dict[str, float]]:
    """A stage's evaluations after those of the `stages` before it, as far as these are at hand.

    Steps, tokens and seconds count from the first stage's start, whether its log is there or not.
    """
    counts = {"step": "steps", "tokens": "tokens", "elapsed_seconds": "seconds"}
    start = {name: sum(stage.get(key, 0) for stage in stages) for name, key in counts.items()}
    before = earlier_log(Path(init_from)) if init_from and Path(init_from).is_dir() else []
    # The run that this one started from may have gone on since.
    before = [row for row in before if row["tokens"] <= start["tokens"]]
    return [*before, *(row | {name: row[name] + start[name] for name in counts} for row in log)]


def earlier_log(checkpoint: Path) -> list[dict[str, float]]:
    """Evaluations of all the stages behind a checkpoint, as far as logs are at hand."""
    path, metrics = checkpoint / LOG_FILE, read_json(checkpoint / METRICS_FILE)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        # Logs had fewer columns once.
        columns = [name for name in csv.DictReader(file).fieldnames or () if name in LOG_COLUMNS]
    rows, stages = read_log(path, columns), stages_of(metrics)
    if rows[-1]["tokens"] > stages[-1]["tokens"]:
        return rows  # holds the stages before it already
    return joined(rows, stages[:-1], metrics.get("training", {}).get("init_from"))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    from training.train import start_or_resume

    parser = ArgumentParser("training.export", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, which may still be going")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write")
    options = parser.parse_args(arguments)
    config = TrainingConfig.load(options.run / CONFIG_FILE)
    export_run(start_or_resume(config, options.run, resume=True), options.out)


if __name__ == "__main__":
    sys.exit(main())
