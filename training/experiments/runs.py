"""One training run with something changed in its model's recipe, at the recipe's compute.

Compute is counted, not timed: multiplications of the forward pass, attention's scores included, the
optimizer's left out. A model that costs twice as much per token reads half as many.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polishgen.checkpoint import LOG_FILE, METRICS_FILE
from polishgen.errors import PolishgenError
from polishgen.parameters import check, number
from training.bench import multiplications_per_token
from training.config import CONFIG_FILE, RECIPES, TrainingConfig
from training.corpus.summary import DEFAULT_FOLDER
from training.experiments.subsets import AUTHOR, prepare_subset
from training.export import command_of
from training.log import read_log
from training.state import saved_states
from training.train import train

PRESET = "compact"
# Share of a run's steps, its last ones, over which the learning rate falls to zero.
DECAY_SHARE = 0.4


@dataclass(frozen=True)
class Experiment:
    """A run's name, its model, and fields of the recipe's `TrainingConfig` that it changes.

    `subset`: the part of the corpus that it reads (`training.experiments.subsets`), None for the
    corpus as it was prepared.
    """

    name: str
    model: str
    changes: dict[str, Any] = field(default_factory=dict)
    subset: str | None = None


def command_parser(name: str, help: str, experiments: Sequence[Experiment]) -> ArgumentParser:
    """The options that the commands of this package share."""
    parser = ArgumentParser(f"training.experiments.{name}", description=help.splitlines()[0])
    names = list(dict.fromkeys(each.name for each in experiments))
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="RUN",
        help="runs to do: " + ", ".join(names),
    )
    parser.add_argument(
        "--tokens",
        type=int,
        default=2_000_000,
        help="training tokens of a model's recipe; its other runs get equal compute (%(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(DEFAULT_FOLDER),
        help="prepared corpus (%(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs") / name, help="folder of the runs (%(default)s)"
    )
    return parser


def run_folder(experiment: Experiment, out: Path) -> Path:
    """Where in `out` the experiment's run is kept."""
    return out / experiment.model / experiment.name


def data_folder(experiment: Experiment, base: Path, out: Path) -> Path:
    """What the experiment reads: the prepared corpus `base`, or a subset of it kept in `out`."""
    return out / "data" / experiment.subset if experiment.subset else base


def recipe(experiment: Experiment, data: Path) -> TrainingConfig:
    """What the experiment trains with on the corpus `data`, but for the number of steps."""
    return RECIPES[experiment.model, PRESET].replace(**{"data": str(data), **experiment.changes})


def equal_steps(config: TrainingConfig, base: Path, tokens: int) -> int:
    """Steps that cost what the model's own recipe costs over `tokens` tokens of `base`."""
    own = RECIPES[config.model, PRESET].replace(data=str(base))
    cost = multiplications_per_token(config) * config.tokens_per_step
    return max(1, round(tokens * multiplications_per_token(own) / cost))


def is_done(experiment: Experiment, out: Path) -> bool:
    """Whether the run in `out` has been trained to its end."""
    return (run_folder(experiment, out) / "checkpoint" / METRICS_FILE).is_file()


def run(experiment: Experiment, base: Path, out: Path, tokens: int, points: int) -> None:
    """Trains, goes on with a run that was stopped, and leaves alone one that is done.

    `tokens`: read by the model's recipe; the experiment reads as many as cost the same.
    `PolishgenError` if the training fails or is stopped, or a done one was of another length.
    """
    folder = run_folder(experiment, out)
    config = recipe(experiment, data_folder(experiment, base, out))
    steps = equal_steps(config, base, tokens)
    if is_done(experiment, out):
        if (done := TrainingConfig.load(folder / CONFIG_FILE).max_steps) != steps:
            raise PolishgenError(f"{folder} holds a run of {done} steps, not {steps}: choose --out")
        return
    changes = {
        "max_steps": steps,
        "decay_steps": round(DECAY_SHARE * steps),
        "eval_interval": max(1, steps // points),
        "checkpoint_interval": max(1, steps // 5),
        **experiment.changes,
    }
    resume = bool(saved_states(folder / "states"))
    before = TrainingConfig.load(folder / CONFIG_FILE) if resume else config
    config = before.resumed_with(changes) if resume else config.replace(**changes)
    print(command_of(config), flush=True)
    if not train(config, folder, resume):
        raise PolishgenError(f"{experiment.name} is not done: the same command goes on")


def run_all(
    experiments: Sequence[Experiment],
    base: Path,
    out: Path,
    tokens: int,
    points: int,
    author: str = AUTHOR,
) -> None:
    """Prepares what the experiments read of the corpus `base`, and runs one after the other."""
    tokens = check("tokens", tokens, number(int, ge=1, le=10**12))
    for subset in {each.subset: None for each in experiments if each.subset}:
        prepare_subset(base, out / "data" / subset, subset, author)
    for each in experiments:
        run(each, base, out, tokens, points)


def log_of(experiment: Experiment, out: Path) -> list[dict[str, float]]:
    """The rows of a finished run's log."""
    return read_log(run_folder(experiment, out) / "checkpoint" / LOG_FILE)
