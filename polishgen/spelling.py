"""What a misspelt prompt means: words without their diacritics, or written as they sound.

People type "ksiaze" on a phone, and "książe" for "książę". A model that has read well-edited books
has hardly seen such words, and goes on from them badly. `mend` puts the word that was meant in the
place of one that no Polish book has: the most frequent word that differs from it by diacritics that
were left out, or else by one sound that has two spellings. A word that exists stays as it is,
even where another is likelier ("maja", "ze").
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Words by frequency, the most frequent line first; those of the last line stay as they are and are
# never what another means. `training.corpus.lexicon` writes it.
LEXICON = Path(__file__).parent / "lexicon.txt"
PLAIN = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")
WORD = re.compile(r"[^\W\d_]+")
# Shorter words are left alone.
SHORTEST = 3
# Place of words that are never what another means.
RARE = 99
SOUNDS = ("ó", "u"), ("rz", "ż"), ("ch", "h")


def mend(text: str, last_word_complete: bool = True) -> str:
    """`text` with its misspelt words as they are meant; an unfinished last word stays as it is."""
    out, place = [], 0
    for start, end, word in misspelt_words(text, last_word_complete):
        out += text[place:start], word
        place = end
    return "".join(out) + text[place:]


def misspelt_words(text: str, last_word_complete: bool = True) -> Iterator[tuple[int, int, str]]:
    """Where misspelt words start and end in `text`, and what each of them means."""
    for match in WORD.finditer(text):
        if last_word_complete or match.end() < len(text):
            word = mend_word(match[0])
            if word != match[0]:
                yield match.start(), match.end(), word


def mend_word(word: str) -> str:
    """The word that was meant, in capitals where `word` has them."""
    small = word.lower()
    known = words()
    if len(small) < SHORTEST or small in known:
        return word
    alike = [w for w in by_plain_form().get(small.translate(PLAIN), ()) if could_be(small, w)]
    found = alike or [w for w in sound_swaps(small) if known.get(w, RARE) < RARE]
    if not found:
        return word
    # Of equally frequent ones the first in the alphabet.
    best = min(sorted(found), key=known.__getitem__)
    if word.isupper() and len(word) > 1:
        return best.upper()
    return best.capitalize() if word[0].isupper() else best


def could_be(typed: str, meant: str) -> bool:
    """Whether `typed` is `meant` with diacritics left out: those that it has are meant."""
    return all(t in (m, m.translate(PLAIN)) for t, m in zip(typed, meant, strict=True))


def sound_swaps(word: str) -> Iterator[str]:
    """`word` with one sound in its other spelling."""
    for pair in SOUNDS:
        for written, other in (pair, pair[::-1]):
            for match in re.finditer(written, word):
                yield word[: match.start()] + other + word[match.end() :]


@cache
def words() -> dict[str, int]:
    """Every word that is known, in small letters, with its line; `RARE` for the last one's."""
    *lines, last = LEXICON.read_text(encoding="utf-8").splitlines()
    known = {word: place for place, line in enumerate(lines) for word in line.split()}
    return known | dict.fromkeys(last.split(), RARE)


@cache
def by_plain_form() -> dict[str, list[str]]:
    """The known words that have diacritics, by what is left without them."""
    found: dict[str, list[str]] = {}
    for word, place in words().items():
        plain = word.translate(PLAIN)
        if plain != word and place < RARE:
            found.setdefault(plain, []).append(word)
    return found
