"""How much a text repeats itself: distinct-n (Li et al., arXiv 1510.03055) and the longest loop.

Distinct-n falls with the length of the text, so only texts of the same length compare.
"""

from collections.abc import Hashable, Sequence


def distinct(passages: Sequence[Sequence[Hashable]], n: int) -> float:
    """Distinct n-grams over all n-grams, none of them across two passages; 0 if there is none."""
    grams = [
        tuple(passage[start : start + n])
        for passage in passages
        for start in range(len(passage) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def longest_loop(words: Sequence[Hashable]) -> int:
    """Length of the longest stretch that is one phrase said twice or more, without a break.

    Counted in words; a last round that breaks off counts as far as it goes. 0 without a loop.
    """
    longest = 0
    for period in range(1, len(words) // 2 + 1):
        run = 0
        for earlier, later in zip(words, words[period:], strict=False):
            run = run + 1 if earlier == later else 0
            if run >= period:
                longest = max(longest, run + period)
    return longest
