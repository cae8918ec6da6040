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

    Texts too short for that many merges give a smaller vocabulary. `ParameterError` as of
    `text_tokens`.
    """
    n_ranks = text_tokens(vocab_size, genres)
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(paragraphs(texts), n_ranks, pattern=PRETOKEN_PATTERN)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    return Tokenizer.from_ranks(ranks, genres)


def text_tokens(vocab_size: int, genres: Sequence[str]) -> int:
    """Tokens of text in a vocabulary of `vocab_size`, all but genres and document boundary.

    `ParameterError` where they would not hold every byte, or ids not fit two bytes.
    """
    least = SMALLEST + len(genres)
    return check("vocab_size", vocab_size, number(int, ge=least, le=LARGEST)) - len(genres) - 1


def paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """Lines with their line ends: small enough to share out over the cores."""
    for text in texts:
        for line in text.splitlines(keepends=True):
            yield from pieces(line)
