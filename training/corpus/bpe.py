"""Trains the Polish byte-level BPE: merges from rustbpe, kept as tiktoken ranks.

The same texts in the same order give the same vocabulary, on any number of cores.
"""

from collections.abc import Iterable, Iterator, Sequence

import rustbpe

from polishgen.parameters import check, number
from polishgen.tokenizer import PRETOKEN_PATTERN, Tokenizer, pieces

SMALLEST, LARGEST = 257, 65_536


def train_bpe(texts: Iterable[str], vocab_size: int, genres: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer of `vocab_size` tokens: 256 bytes, merges, genres and the document boundary.

    Texts too short for that many merges give a smaller vocabulary. `ParameterError` for a size
    outside 257 to 65,536 (the ids fit two bytes).
    """
    vocab_size = check("vocab_size", vocab_size, number(int, ge=SMALLEST, le=LARGEST))
    trainer = rustbpe.Tokenizer()
    n_ranks = vocab_size - len(genres) - 1
    trainer.train_from_iterator(paragraphs(texts), n_ranks, pattern=PRETOKEN_PATTERN)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    return Tokenizer.from_ranks(ranks, genres)


def paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """Lines with their line ends: small enough to share out over the cores."""
    for text in texts:
        for line in text.splitlines(keepends=True):
            yield from pieces(line)
