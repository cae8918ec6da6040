"""Averages two checkpoints: `python -m training.average BEFORE AFTER --share 0.75 --out FOLDER`.

BEFORE is what a stage of training began from, AFTER what it came to. Weights between the two often
keep what BEFORE is good at and have most of what AFTER has learned (WiSE-FT, arXiv 2109.01903).
"""

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from polishgen.checkpoint import LOG_FILE, load_checkpoint, save_checkpoint
from polishgen.command_line import add_options, command
from polishgen.errors import PolishgenError
from polishgen.files import write_bytes
from polishgen.parameters import Float, Record
from training.config import as_options, check_alike
from training.export import PROVENANCE, from_here, stages_of


class AverageConfig(Record):
    """How much of each."""

    share: Float = Field(0.75, ge=0, le=1, description="AFTER's share of every weight")


def average(before: Path, after: Path, out: Path, config: AverageConfig) -> None:
    """Writes the checkpoint between two others; its record is AFTER's, with this as a last stage.

    `PolishgenError` for two that have not the same configuration and tokenizer.
    """
    start, end = load_checkpoint(before), load_checkpoint(after)
    first, last = start.model.state_dict(), end.model.state_dict()
    check_alike(before, start.model.config, end.model.config)
    if first.keys() != last.keys() or start.tokenizer.digest != end.tokenizer.digest:
        raise PolishgenError(f"{before} and {after} differ in weights or tokenizer")
    for name, weight in last.items():
        weight.copy_(first[name].float().lerp(weight.float(), config.share))
    paths = shlex.join(from_here(path) for path in (before, after))
    options = shlex.join(as_options({**dict(config), "out": from_here(out)}))
    stage = {"command": f"python -m training.average {paths} {options}", "tokens": 0, "seconds": 0}
    metrics = {name: end.metrics[name] for name in PROVENANCE if name in end.metrics}
    metrics["stages"] = [*stages_of(end.metrics), stage]
    save_checkpoint(out, end.model, end.tokenizer, metrics=metrics)
    log = after / LOG_FILE
    if log.is_file():
        write_bytes(out / LOG_FILE, log.read_bytes())


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = ArgumentParser("training.average", description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="checkpoint folder that a stage began from")
    parser.add_argument("after", type=Path, help="checkpoint folder that the stage came to")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write")
    add_options(parser, AverageConfig)
    options = parser.parse_args(arguments)
    average(options.before, options.after, options.out, AverageConfig(share=options.share))


if __name__ == "__main__":
    sys.exit(main())
