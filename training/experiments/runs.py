"""One run of `training.train` with something changed in the recipe, at the recipe's compute.

Notable: compute is counted, not timed: multiplications of a forward pass, attention's scores
included, the optimizer's left out. A model that costs twice as much per token reads half as many.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from polishgen.checkpoint import LOG_FILE, METRICS_FILE
from polishgen.errors import PolishgenError
from polishgen.models import build_model, preset_config
from training.config import TrainingConfig
from training.corpus.summary import load_summary
from training.experiments.subsets import AUTHOR, prepare_subset
from training.log import read_log
from training.state import saved_states
from training.train import main as train
from training.train import parse_arguments

PRESET = "compact"
# Over this last share of its steps a run's learning rate falls to zero.
DECAY_SHARE = 0.4


@dataclass(frozen=True)
class Experiment:
    """A run's name, its model, the subset that it reads, and options of `training.train`."""

    name: str
    model: str
    subset: str = "all"
    options: dict[str, str] = field(default_factory=dict)


def run_folder(experiment: Experiment, out: Path) -> Path:
    """Where in `out` the experiment's run is kept."""
    return out / experiment.model / experiment.name


def flags(options: dict[str, object]) -> list[str]:
    """Options as `training.train` takes them."""
    return [
        text
        for name, value in options.items()
        for text in ("--" + name.replace("_", "-"), str(value))
    ]


def recipe(experiment: Experiment, data: Path) -> TrainingConfig:
    """What the experiment would train with, but for the number of steps."""
    options = {"data": data / experiment.subset, **experiment.options}
    return parse_arguments(["--model", experiment.model, "--preset", PRESET, *flags(options)])[0]


def multiplications_per_step(config: TrainingConfig) -> int:
    """Of the forward passes of one optimizer step."""
    vocab_size = load_summary(config.data).vocab_size
    with torch.device("meta"):
        model = build_model(
            preset_config(
                config.model, config.preset, vocab_size=vocab_size, **config.model_options
            )
        )
        tokens = torch.zeros(config.micro_batch_size, config.sequence_length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            model(tokens)
    # A multiplication and an addition count as two operations.
    return counter.get_total_flops() // 2 * config.gradient_accumulation_steps


def equal_steps(experiment: Experiment, data: Path, steps: int) -> int:
    """Steps that cost what `steps` steps of the model's own recipe cost."""
    own = recipe(Experiment("", experiment.model), data)
    changed = recipe(experiment, data)
    return max(1, round(steps * multiplications_per_step(own) / multiplications_per_step(changed)))


def command(experiment: Experiment, out: Path, steps: int, points: int) -> list[str]:
    """Arguments of `training.train` for `steps` steps of its own, with `points` on its curve."""
    options = {
        "data": out / "data" / experiment.subset,
        "run": run_folder(experiment, out),
        "max_steps": steps,
        "decay_steps": round(DECAY_SHARE * steps),
        "eval_interval": max(1, steps // points),
        "checkpoint_interval": max(1, steps // 5),
        **experiment.options,
    }
    return ["--model", experiment.model, "--preset", PRESET, *flags(options)]


def is_done(experiment: Experiment, out: Path) -> bool:
    """Whether the run in `out` has been trained to its end."""
    return (run_folder(experiment, out) / "checkpoint" / METRICS_FILE).is_file()


def run(experiment: Experiment, out: Path, steps: int, points: int) -> None:
    """Trains, goes on with a run that was stopped, and leaves alone one that is done.

    `steps`: of the model's recipe; the experiment gets as many as cost the same.

    `PolishgenError` if the training fails or is stopped.
    """
    if is_done(experiment, out):
        return
    own_steps = equal_steps(experiment, out / "data", steps)
    arguments = command(experiment, out, own_steps, points)
    if saved_states(run_folder(experiment, out) / "states"):
        arguments.append("--resume")
    print(f"python -m training.train {shlex.join(arguments)}", flush=True)
    if train(arguments):
        raise PolishgenError(f"{experiment.name} is not done: the same command goes on")


def run_all(
    experiments: Sequence[Experiment],
    base: Path,
    out: Path,
    steps: int,
    points: int,
    author: str = AUTHOR,
) -> None:
    """Prepares what the experiments read from the corpus `base`, and runs one after the other."""
    # The recipe, whose compute all of them have, reads everything.
    for subset in dict.fromkeys(("all", *(each.subset for each in experiments))):
        prepare_subset(base, out / "data" / subset, subset, author)
    for each in experiments:
        run(each, out, steps, points)


def log_of(experiment: Experiment, out: Path) -> list[dict[str, float]]:
    """The rows of a finished run's log."""
    return read_log(run_folder(experiment, out) / "checkpoint" / LOG_FILE)
