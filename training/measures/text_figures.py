"""Repetition and copying of generated text, beside human text of the same length.

Both depend on how much text there is, so they are taken from as many words of every writer: a set
is `PASSAGES` passages of `PASSAGE_WORDS` words, for people's text cut from held-out documents.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from polishgen.errors import ParameterError
from training.measures.copying import (
    compared,
    copied_share,
    copied_texts,
    longest_span,
    shared_lengths,
)
from training.measures.repetition import distinct, longest_loop
from training.measures.samples import FIRST_SEEDS, PROMPTS, Sample
from training.measures.words import lower_case, passages_of, words_of

PASSAGES, PASSAGE_WORDS = len(PROMPTS) * FIRST_SEEDS, 100


@dataclass(frozen=True)
class TextFigures:
    """Repetition and copying in `PASSAGES` passages of `PASSAGE_WORDS` words.

    Shares from 0 to 1; loop and span in words, of the worst passage; `copied_texts` counts passages
    of which a fifth or more is copied. For people's text, means over many such sets of passages.
    """

    distinct_2: float
    distinct_3: float
    longest_loop: float
    copied_words: float
    copied_texts: float
    longest_copied_span: float


def text_figures(passages: Sequence[Sequence[str]], shared: Sequence[np.ndarray]) -> TextFigures:
    """Figures of lower-case passages, given the lengths that they share with the training text."""
    return TextFigures(
        distinct_2=distinct(passages, 2),
        distinct_3=distinct(passages, 3),
        longest_loop=max(map(longest_loop, passages), default=0),
        copied_words=copied_share(shared),
        copied_texts=copied_texts(shared),
        longest_copied_span=longest_span(shared),
    )


def all_figures(
    sets: Sequence[Sequence[Sequence[str]]], training: Sequence[str]
) -> list[TextFigures]:
    """Figures of each set of passages; the training text is gone through once for all of them."""
    flat = [compared(passage) for passages in sets for passage in passages]
    shared = iter(shared_lengths(flat, (compared(words_of(text)) for text in training)))
    return [
        text_figures(lower_case(passages), [next(shared) for _ in passages]) for passages in sets
    ]


def mean_figures(figures: Sequence[TextFigures]) -> TextFigures:
    """The mean of at least one, field by field."""
    columns = zip(*(asdict(each).values() for each in figures), strict=True)
    return TextFigures(*(sum(column) / len(figures) for column in columns))


def human_sets(texts: Sequence[str]) -> list[list[list[str]]]:
    """Sets of `PASSAGES` passages as written, each spread over all of the texts, none used twice.

    `ParameterError` if the texts are too short for one set.
    """
    passages = [passage for text in texts for passage in passages_of(text, PASSAGE_WORDS)]
    count = len(passages) // PASSAGES
    if not count:
        allowed = f"at least {PASSAGES} passages of {PASSAGE_WORDS} words long"
        raise ParameterError("held-out text", f"{len(passages)} passages", allowed)
    return [passages[first::count][:PASSAGES] for first in range(count)]


def comparable(samples: Sequence[Sample]) -> list[list[str]]:
    """What of a set of samples is compared with people's text of the same length."""
    return [sample.words[:PASSAGE_WORDS] for sample in samples[:PASSAGES]]
