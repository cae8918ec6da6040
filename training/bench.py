"""How fast training is: `python -m training.bench --model bdh`, and any option of `training.train`.

Prints tokens per second of whole optimizer steps, and what share that is of the rate at which this
machine multiplies large matrices in the same precision: three times the forward pass's operations,
attention counted in full, the optimizer's left out.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import Field
from torch.utils.flop_counter import FlopCounterMode

from polishgen.command_line import add_options, command
from polishgen.models import build_model
from polishgen.parameters import Record, number
from training.config import TrainingConfig
from training.corpus.summary import load_summary
from training.memory import keep_freed_memory
from training.train import Run, parse_arguments

# Large enough to be the machine's best.
MATRIX_SIZE = 2048


class BenchConfig(Record):
    """How to measure."""

    seconds: number(float, ge=0.1, le=3600) = Field(15.0, description="time to measure for")
    threads: number(int, ge=1, le=256) = Field(1, description="threads of PyTorch")


def matrix_rate(dtype: torch.dtype, device: torch.device, repeats: int = 5) -> float:
    """Best of a few: operations per second of a product of two large matrices."""
    a, b = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE, device=device).to(dtype)
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        (a @ b)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX_SIZE**3 / min(seconds)


def multiplications_per_token(config: TrainingConfig) -> float:
    """Of a forward pass over sequences as long as the run's, attention's scores included."""
    with torch.device("meta"):
        model = build_model(config.sizes(load_summary(config.data).vocab_size))
        tokens = torch.zeros(1, config.sequence_length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            model(tokens)
    # A multiplication and an addition count as two operations.
    return counter.get_total_flops() / 2 / config.sequence_length


def measure(config: TrainingConfig, seconds: float) -> str:
    """A line of figures: the run's speed after three steps to warm up."""
    run = Run(config, Path())
    dtype = torch.bfloat16 if run.config.mixed_precision == "bf16" else torch.float32
    for _ in range(3):
        run.train_step()
    started, steps = time.perf_counter(), run.step
    while (elapsed := time.perf_counter() - started) < seconds or run.step == steps:
        float(run.train_step())
    step_seconds = elapsed / (run.step - steps)
    operations = 3 * 2 * multiplications_per_token(run.config) * run.tokens_per_step
    rate = matrix_rate(dtype, run.accelerator.device)
    return (
        f"{config.model} {config.preset}: {run.tokens_per_step / step_seconds:,.0f} tokens per "
        f"second, {operations / step_seconds / 1e9:.0f} of {rate / 1e9:.0f} GFLOP/s "
        f"({operations / step_seconds / rate:.0%}), {str(dtype).removeprefix('torch.')}, "
        f"{torch.get_num_threads()} threads"
    )


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: the options of `BenchConfig`, and those of `training.train`."""
    parser = ArgumentParser("training.bench", description=__doc__.splitlines()[0])
    add_options(parser, BenchConfig)
    options, rest = parser.parse_known_args(arguments)
    config = BenchConfig(**vars(options))
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    print(measure(parse_arguments(rest)[0], config.seconds))


if __name__ == "__main__":
    sys.exit(main())
