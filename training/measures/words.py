"""A text as its words, which is what real words, repetition and copying are counted in.

A word is a run of letters. A sample that stopped at its token limit may end inside a word,
and one may begin with the rest of the prompt's last word, so neither is judged as a word by itself.
"""

from collections.abc import Iterator, Sequence

from training.corpus.cleaning.words import WORD


def words_of(text: str) -> list[str]:
    """The words of a text as they are written."""
    return WORD.findall(text)


def words_written(prompt: str, continuation: str, ended: bool) -> list[str]:
    """Words that the continuation brings or completes; the last only if it is whole.

    `ended`: the writer stopped there itself. If not, a word at the very end counts as cut off.
    """
    text = prompt + continuation
    found = [match for match in WORD.finditer(text) if match.end() > len(prompt)]
    if found and found[-1].end() == len(text) and not ended:
        found.pop()
    return [match.group() for match in found]


def passages_of(text: str, length: int) -> Iterator[list[str]]:
    """The words of a text, cut into passages of `length` words; a shorter rest is left out."""
    words = words_of(text)
    for start in range(0, len(words) - length + 1, length):
        yield words[start : start + length]


def lower_case(passages: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same passages in lower case."""
    return [[word.lower() for word in passage] for passage in passages]
