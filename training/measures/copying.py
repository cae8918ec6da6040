"""What a text shares with the training text, word for word.

Words are compared in lower case, punctuation aside, and words that training exchanges for each
other in tales (names, animals, …) count as equal. Nothing is hashed. For all places of
the queries at once, matches of L words are extended to L + 1 by sorting pairs (match, next word),
so the lengths are exact; what does not match falls away, and after a few rounds hardly anything is
left of the training text.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from training.corpus.variation import exchangeable

# Fewer words in a row than this are nobody's.
SPAN = 8
# A text of which so much stands in the training text does not count as written.
COPIED = 0.2
# Stands for the border of a text, in queries and training text alike but never equal.
QUERY_BORDER, TRAINING_BORDER = 0, 1


def compared(words: Iterable[str]) -> list[str]:
    """Words as they are compared."""
    alike = exchangeable()
    return [alike.get(word.lower(), word.lower()) for word in words]


def shared_lengths(
    queries: Sequence[Sequence[str]], training: Iterable[Sequence[str]]
) -> list[np.ndarray]:
    """For each word of each query, how many words from there on also stand in a training text.

    Returns an int64 array per query. Memory: about 50 bytes per training word at the peak.
    """
    ids = {}
    for query in queries:
        for word in query:
            ids.setdefault(word, len(ids) + 2)
    query_words = joined(([ids[word] for word in query] for query in queries), QUERY_BORDER)
    # A word that no query has ends a match just as a border does.
    training_words = joined(
        ([ids.get(word, TRAINING_BORDER) for word in text] for text in training), TRAINING_BORDER
    )
    lengths = match_lengths(query_words, training_words, len(ids) + 2)
    borders = np.cumsum([0, *(len(query) + 1 for query in queries)])
    return [lengths[start : end - 1] for start, end in pairwise(borders)]


def joined(texts: Iterable[list[int]], border: int) -> np.ndarray:
    """The texts in one int32 array, a border after each."""
    arrays = [np.array([*text, border], dtype=np.int32) for text in texts]
    return np.concatenate(arrays) if arrays else np.array([border], dtype=np.int32)


def match_lengths(queries: np.ndarray, training: np.ndarray, n_words: int) -> np.ndarray:
    """From each place of `queries`, the longest match with any of `training`; ids below n_words."""
    lengths = np.zeros(len(queries), dtype=np.int64)
    query_places, training_places = np.arange(len(queries)), np.arange(len(training))
    query_match = np.zeros(len(queries), dtype=np.int64)
    training_match = np.zeros(len(training), dtype=np.int64)
    length = 0
    # Every match ends before the border of its text, so no place runs over the end.
    while len(query_places):
        query_pairs = query_match * n_words + queries[query_places + length]
        known, query_match = np.unique(query_pairs, return_inverse=True)
        training_pairs = training_match * n_words + training[training_places + length]
        training_match = np.searchsorted(known, training_pairs).clip(max=len(known) - 1)
        same = known[training_match] == training_pairs
        training_places, training_match = training_places[same], training_match[same]
        found = np.zeros(len(known), dtype=bool)
        found[training_match] = True
        same = found[query_match]
        query_places, query_match = query_places[same], query_match[same]
        length += 1
        lengths[query_places] = length
    return lengths


def copied_words(shared: np.ndarray) -> np.ndarray:
    """Which words of a text lie in a span of `SPAN` or more that stands in the training text."""
    ends = np.where(shared >= SPAN, np.arange(len(shared)) + shared, 0)
    return np.maximum.accumulate(ends) > np.arange(len(shared))


def copied_share(lengths: Sequence[np.ndarray]) -> float:
    """The share of all words that lie in copied spans."""
    total = sum(map(len, lengths))
    return sum(int(copied_words(shared).sum()) for shared in lengths) / total if total else 0.0


def copied_texts(lengths: Sequence[np.ndarray]) -> int:
    """Texts of which a fifth or more lies in copied spans."""
    return sum(len(s) > 0 and bool(copied_words(s).mean() >= COPIED) for s in lengths)


def longest_span(lengths: Sequence[np.ndarray]) -> int:
    """Words in the longest span that also stands in the training text."""
    return max((int(shared.max()) for shared in lengths if len(shared)), default=0)
