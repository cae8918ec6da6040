"""Which recipe? Each run changes one thing in it: `python -m training.experiments.trials`.

Runs of one model have the same compute, whatever they change: that of the recipe over `--tokens`
tokens. A trial whose model has the recipe's sizes reads as many; what differs is an option of
`training.train`.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polishgen.command_line import command
from polishgen.models import ARCHITECTURES
from training.config import as_options
from training.experiments.runs import Experiment, command_parser, is_done, log_of, run_all
from training.experiments.subsets import VOCABULARIES


def sizes(**options: object) -> dict[str, Any]:
    """A change of the model itself."""
    return {"model_options": options}


RECIPE = "recipe"
# To each model what its trials change; document boundaries are not among them, as a hundred novels
# have a hundred.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "transformer": {
        RECIPE: {},
        "rates-half": {"learning_rate": 0.0015, "matrix_learning_rate": 0.01},
        "adamw-0.001": {"optimizer": "adamw", "learning_rate": 0.001},
        "adamw-0.003": {"optimizer": "adamw"},
        "matrices-0.01": {"matrix_learning_rate": 0.01},
        "matrices-0.04": {"matrix_learning_rate": 0.04},
        "tables-0.001": {"learning_rate": 0.001},
        "tables-0.01": {"learning_rate": 0.01},
        "no-scalars": sizes(residual_scalars=False),
        "weight-decay-0.1": {"weight_decay": 0.1},
        "averaged-0.99": {"ema_decay": 0.99},
        "rows-2": {"micro_batch_size": 2},
        "rows-8": {"micro_batch_size": 8},
        "window-256": {"micro_batch_size": 8, "sequence_length": 256},
        "width-192": sizes(width=192, n_heads=3),
        "width-320": sizes(width=320, n_heads=5),
        "layers-4": sizes(n_layers=4),
        "layers-9": sizes(n_layers=9),
        "dropout-0.1": sizes(dropout=0.1),
    },
    "gru": {
        RECIPE: {},
        "adamw-0.002": {"learning_rate": 0.002},
        "adamw-0.008": {"learning_rate": 0.008},
        "muon-0.02": {"optimizer": "muon"},
        "carried-1": {"bptt_windows": 1},
        "carried-64": {"bptt_windows": 64},
        "rows-16": {"micro_batch_size": 16},
        "hidden-512": sizes(hidden_size=512),
        "hidden-1024": sizes(hidden_size=1024),
        "layers-1": sizes(n_layers=1),
        "layers-3": sizes(n_layers=3),
        "embedding-384": sizes(embedding_size=384),
        "dropout-0.1": sizes(dropout=0.1),
    },
    "bdh": {
        RECIPE: {},
        "adamw-0.003": {"optimizer": "adamw"},
        "matrices-0.01": {"matrix_learning_rate": 0.01},
        "matrices-0.04": {"matrix_learning_rate": 0.04},
        "tables-0.01": {"learning_rate": 0.01},
        "window-128": {"micro_batch_size": 16, "sequence_length": 128},
        "neurons-2048": sizes(n_neurons=2048),
        "neurons-8192": sizes(n_neurons=8192),
        "heads-2": sizes(n_heads=2, half_lives=[16.0, 256.0]),
        "heads-8": sizes(n_heads=8, half_lives=[4.0, 8, 16, 32, 64, 128, 256, 512]),
        "layers-2": sizes(n_layers=2),
        "layers-6": sizes(n_layers=6),
        "no-half-lives": sizes(half_lives=[]),
        "dropout-0.1": sizes(dropout=0.1),
    },
}
TRIALS = tuple(
    Experiment(name, model, changes)
    for model, trials in CHANGES.items()
    for name, changes in trials.items()
) + tuple(Experiment(name, "transformer", subset=name) for name in VOCABULARIES)


def what_changes(trial: Experiment) -> str:
    """The trial's options as `training.train` takes them, or the corpus that it reads instead."""
    if trial.subset in VOCABULARIES:
        return f"`training.prepare --vocab-size {VOCABULARIES[trial.subset]}`"
    return f"`{shlex.join(as_options(trial.changes))}`" if trial.changes else ""


def result_rows(out: Path, trials: Sequence[Experiment]) -> Iterator[str]:
    """A Markdown table of those of the trials that are done, the best of each model first."""
    yield "| model | trial | changed | steps | tokens | seconds | bits per byte | to the recipe |"
    yield "|---|---|---" + "|---:" * 5 + "|"
    for model in ARCHITECTURES:
        done = {each.name: each for each in trials if each.model == model and is_done(each, out)}
        ends = {name: log_of(each, out)[-1] for name, each in done.items()}
        bits = {name: last["val_bits_per_byte"] for name, last in ends.items()}
        for name in sorted(bits, key=bits.__getitem__):
            last = ends[name]
            against = f"{bits[name] - bits[RECIPE]:+.3f}" if RECIPE in bits else ""
            yield (
                f"| {model} | {name} | {what_changes(done[name])} "
                f"| {last['step']:,.0f} | {last['tokens']:,.0f} "
                f"| {last['elapsed_seconds']:.0f} | {bits[name]:.3f} | {against} |"
            )


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = command_parser("trials", __doc__, TRIALS)
    parser.add_argument("--model", choices=ARCHITECTURES, help="trials of this model alone")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed of all runs; each has its own folder (%(default)s)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="train all runs with training.train's --compile: the same steps, sooner",
    )
    options = parser.parse_args(arguments)
    chosen = [t for t in TRIALS if t.name in options.only and options.model in (None, t.model)]
    shared = {"seed": options.seed, "compile": options.compile}
    seeded = [replace(t, changes={**t.changes, **shared}) for t in chosen]
    out = options.out / f"seed-{options.seed}"
    run_all(seeded, options.data, out, options.tokens, points=2)
    rows = list(result_rows(out, TRIALS))
    (out / "table.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print("\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
