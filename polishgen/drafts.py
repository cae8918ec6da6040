"""Several drafts of each sentence, of which the first good one is written, or else the best.

Sample and rank (Adiwardana et al., arXiv 2001.09977): small models write sound sentences beside
broken ones, and know them apart better than they write. Each token of a draft has evidence for it,

    log p(token | text) - log q(token | sentence)

where p is the model's own probability, before any filter, and q what the token is worth without a
model: its frequency in the training text, or `REPEATED` if that is more and the sentence has it
already. By p alone drafts would win that say the commonest things, and against the frequency alone
those that say a thing twice. A draft is as good as its weakest places, where sentences break: its
score is the mean of the least few of these numbers, of the kind that goes best with people's
judgement in Lau, Clark & Lappin (doi 10.1111/cogs.12414).
"""

import re
from collections.abc import Set
from dataclasses import dataclass, field
from functools import lru_cache
from math import log
from statistics import fmean

import numpy as np

from polishgen.tokenizer import Tokenizer

# What ends a sentence, wherever it stands in a token; a line's end does, too.
SENTENCE_END = re.compile(r"[.!?…\n]")
# A draft ends here at the latest.
LONGEST_DRAFT = 64
# How many of a draft's tokens make its score.
WEAKEST = 3
# What a draft e times as long may have of weaker places, in nats: else short ones would always win.
LENGTH_BONUS = 0.5
# The least q of a token that the sentence has already.
REPEATED = 0.05
# A draft with this score is good enough, in nats: nearly all of them read as sound sentences.
GOOD_SCORE = 4.3


@dataclass
class Draft:
    """What is drafted of a sentence: its tokens, its text, and whether it came to an end."""

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    evidence: list[float] = field(default_factory=list)
    complete: bool = False

    @property
    def is_long_enough(self) -> bool:
        """Whether nothing is to be added."""
        return self.complete or len(self.tokens) >= LONGEST_DRAFT

    @property
    def rank(self) -> tuple[bool, float]:
        """Orders drafts: those that came to an end before others, then by score."""
        return self.complete, self.score(len(self.evidence))

    @property
    def is_good(self) -> bool:
        """Whether no other draft is needed."""
        return self.rank >= (True, GOOD_SCORE)

    def can_beat(self, other: "Draft") -> bool:
        """Whether more tokens may still bring it before `other`: weak places never go away."""
        hopeless = len(self.evidence) >= WEAKEST and self.score(LONGEST_DRAFT) <= other.rank[1]
        return not (other.complete and hopeless)

    def score(self, length: int) -> float:
        """The score of a draft of so many tokens with the weakest places of this one."""
        weakest = sorted(self.evidence)[:WEAKEST]
        return fmean(weakest) + LENGTH_BONUS * log(length) if weakest else 0.0

    def add(self, token: int, text: str, evidence: float | None, ends_text: bool) -> None:
        """Adds a token, the text that it completes, and the evidence for it in nats.

        None for a document boundary, of which there is nothing to rank.
        """
        self.tokens.append(token)
        self.text += text
        if evidence is not None:
            self.evidence.append(evidence)
        # White space before a sentence does not end it.
        self.complete = ends_text or bool(SENTENCE_END.search(self.text.lstrip()))


def log_probability(logits: np.ndarray, token: int) -> float:
    """Natural logarithm of what softmax of `logits` (V,) gives a token."""
    top = logits.max()
    return float(logits[token] - top - np.log(np.exp(logits - top).sum()))


def evidence(logits: np.ndarray, token: int, sentence: Set[int], tokenizer: Tokenizer) -> float:
    """log p - log q of a token, in nats, after `logits` (V,) and the tokens of its sentence."""
    expected = log_frequencies(tokenizer)[token]
    if token in sentence:
        expected = max(expected, log(REPEATED))
    return log_probability(logits, token) - expected


@lru_cache(maxsize=8)
def log_frequencies(tokenizer: Tokenizer) -> np.ndarray:
    """Logarithms (V,) of the tokens' frequencies; one that never came counts as having come once.

    All are equally common in a tokenizer without counts.
    """
    if tokenizer.counts is None:
        return np.full(tokenizer.n_vocab, -np.log(tokenizer.n_vocab))
    counts = np.maximum(tokenizer.counts, 1)
    return np.log(counts / counts.sum())
