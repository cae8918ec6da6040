"""Token batches from memory-mapped files, each a pure function of the step.

Nothing is kept between steps, so a resumed run reads exactly what it would have read, and a batch
split over processes holds exactly the rows of the same batch in one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from polishgen.errors import ParameterError
from polishgen.evaluation import NO_TARGET
from training.corpus.summary import Summary, load_summary


def mark_unlearned(tokens: np.ndarray) -> None:
    """Marks, by the highest bit of unsigned ids, tokens that are read but not learned."""
    tokens |= tokens.dtype.type(1 << (8 * tokens.itemsize - 1))


def without_marks(tokens: np.ndarray) -> np.ndarray:
    """The ids of tokens, marked or not, as int64."""
    return tokens.astype(np.int64) & ((1 << (8 * tokens.itemsize - 1)) - 1)


@dataclass(frozen=True)
class Corpus:
    """A prepared data folder: token streams of both splits, with marks, and the summary."""

    folder: Path
    train: np.ndarray
    held_out: np.ndarray
    summary: Summary


def token_counts(corpus: Corpus) -> np.ndarray:
    """How often each token comes in the training split, (vocab_size,) int64."""
    return np.bincount(without_marks(corpus.train), minlength=corpus.summary.vocab_size)


def open_corpus(folder: str | Path) -> Corpus:
    """Maps the files of a folder made by `training.prepare`; `PolishgenError` if it is not one."""
    folder = Path(folder)
    summary = load_summary(folder)
    streams = [
        np.memmap(folder / f"{split}.bin", dtype=summary.dtype, mode="r")
        for split in ("train", "val")
    ]
    return Corpus(folder, *streams, summary)


@dataclass(frozen=True)
class Batches:
    """Rows of `length` + 1 tokens (inputs and, one further, targets) for every step.

    sampling: "epochs" cuts the stream into windows, whose borders move and which are shuffled anew
    with each epoch; "random" draws offsets anywhere.
    mix: how often an epoch reads each genre's region; a fraction reads that share of its windows.
    bptt_windows: above 1, spans of so many windows are shuffled. Row r of the next step goes on
    where row r of this one stopped, until `resets_state` says that a new span begins.
    """

    tokens: np.ndarray
    rows: int
    length: int
    seed: int
    sampling: str = "epochs"
    bptt_windows: int = 1
    regions: dict[str, tuple[int, int]] | None = None
    mix: dict[str, float] | None = None
    order: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        if (self.mix or {}).keys() - (self.regions or {}).keys():
            known = ", ".join(self.regions or {}) or "no genre"
            raise ParameterError("mix", self.mix, f"of the corpus's genres, which are {known}")
        span = self.length * self.bptt_windows
        if len(self.tokens) < self.rows * span + span + 1:
            raise ParameterError(
                "micro_batch_size × sequence_length × bptt_windows",
                self.rows * span,
                f"below the corpus's {len(self.tokens)} tokens",
            )
        if self.sampling == "epochs" and not self.spans_per_epoch:
            raise ParameterError("mix", self.mix, "one that reads at least one window")

    def offsets(self, step: int) -> np.ndarray:
        """Start of each row of step `step` in the stream, (rows,)."""
        if self.sampling == "random":
            random = np.random.default_rng((self.seed, step))
            return random.integers(0, len(self.tokens) - self.length, self.rows)
        span, within = divmod(step, self.bptt_windows)
        return self.shuffled_offsets(span) + within * self.length

    def resets_state(self, step: int) -> bool:
        """Whether the rows of `step` do not go on where those of the step before stopped."""
        return step % self.bptt_windows == 0

    def shuffled_offsets(self, step: int) -> np.ndarray:
        places = np.arange(step * self.rows, (step + 1) * self.rows)
        starts = np.empty(self.rows, dtype=np.int64)
        for epoch in np.unique(places // self.spans_per_epoch):
            mine = places // self.spans_per_epoch == epoch
            starts[mine] = self.epoch_starts(int(epoch))[places[mine] % self.spans_per_epoch]
        return starts

    def readings(self) -> Iterator[tuple[int, int, int]]:
        """Each reading of a region in an epoch: first token, spans there, how many are read."""
        for genre, (first, length) in (self.regions or {"": (0, len(self.tokens))}).items():
            spans = (length - 1) // (self.length * self.bptt_windows) - 1
            left = (self.mix or {}).get(genre, 1.0)
            while left > 0 and spans > 0:
                yield first, spans, round(min(left, 1.0) * spans)
                left -= 1.0

    @cached_property
    def spans_per_epoch(self) -> int:
        """How many spans an epoch reads."""
        return sum(read for _, _, read in self.readings())

    def epoch_starts(self, epoch: int) -> np.ndarray:
        """Starts of an epoch's spans in the order in which they are read, (spans,)."""
        if epoch not in self.order:
            self.order.clear()
            random = np.random.default_rng((self.seed, epoch))
            span = self.length * self.bptt_windows
            starts = []
            for first, spans, read in self.readings():
                order = random.permutation(spans)[:read]
                starts.append(first + random.integers(0, span) + order * span)
            self.order[epoch] = random.permutation(np.concatenate(starts))
        return self.order[epoch]

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """Inputs and targets (rows / world, length) int64 of step `step` for process `rank`.

        Targets that are not to be learned are `NO_TARGET`.
        """
        share = self.rows // world
        starts = self.offsets(step)[rank * share : (rank + 1) * share]
        window = np.stack([self.tokens[s : s + self.length + 1] for s in starts])
        ids = without_marks(window)
        targets = np.where(ids == window, ids, NO_TARGET)
        return torch.from_numpy(ids)[:, :-1], torch.from_numpy(targets)[:, 1:]
