"""The share of words that exist, by the inflectional dictionary of Morfeusz 2 (SGJP).

A word counts if it has two letters or more, and exists if Morfeusz knows it as written or in lower
case. The words of one sample are not independent (a model that goes astray stays there),
so the 95 % interval is Wilson's with the number of words divided by the design effect, the factor
by which the variance between samples exceeds that of independent words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import morfeusz2

from polishgen.errors import ParameterError

MIN_LETTERS = 2
# (real words, words) in the last sample that the report shows of each of its models.
REPORT_COUNTS = {"gru": (76, 209), "transformer": (212, 384), "bdh": (82, 157)}
# Standard normal quantile of a 95 % interval.
Z = 1.959964


@dataclass(frozen=True)
class Share:
    """A share of `count` words with its 95 % interval, all from 0 to 1."""

    share: float
    low: float
    high: float
    count: int


@cache
def analyser() -> morfeusz2.Morfeusz:
    """Morfeusz with the dictionary that its package brings."""
    return morfeusz2.Morfeusz(generate=False)


def dictionary() -> str:
    """Name and date of the dictionary."""
    return analyser().dict_id()


@lru_cache(maxsize=1_000_000)
def is_real(word: str) -> bool:
    """Whether Morfeusz knows a word as written or in lower case."""
    return is_known(word) or is_known(word.lower())


def is_known(form: str) -> bool:
    """Whether Morfeusz knows a form, perhaps as several segments (`zrobił` + `em`)."""
    return all(tag != "ign" for _, _, (_, _, tag, *_) in analyser().analyse(form))


def real_word_share(passages: Sequence[Sequence[str]]) -> Share:
    """The share over all passages; `ParameterError` if no word has two letters."""
    judged = [[is_real(w) for w in words if len(w) >= MIN_LETTERS] for words in passages]
    return clustered_share([(sum(known), len(known)) for known in judged if known])


def clustered_share(clusters: Sequence[tuple[int, int]]) -> Share:
    """The share of hits over clusters of (hits, trials), trials above 0, and its interval.

    Of a single cluster nothing tells how far its trials hang together; they count as independent.
    """
    hits, trials = (sum(column) for column in zip(*clusters, strict=True)) if clusters else (0, 0)
    if not trials:
        raise ParameterError("passages", clusters, "at least one word of two letters long")
    share = hits / trials
    low, high = wilson_interval(share, trials / design_effect(clusters, share))
    return Share(share, low, high, trials)


def design_effect(clusters: Sequence[tuple[int, int]], share: float) -> float:
    """Variance of the share between clusters over that of independent trials, but at least 1."""
    n, trials = len(clusters), sum(size for _, size in clusters)
    independent = share * (1 - share) / trials
    if n < 2 or not independent:
        return 1.0
    squares = sum((hits - share * size) ** 2 for hits, size in clusters)
    return max(1.0, n / (n - 1) * squares / trials**2 / independent)


def wilson_interval(share: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `trials` independent trials."""
    centre = share + Z**2 / (2 * trials)
    spread = Z * math.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    scale = 1 + Z**2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
