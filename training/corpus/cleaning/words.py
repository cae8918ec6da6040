"""The Polish alphabet, for use inside [ ] of a regular expression, and the words of a text."""

from collections import Counter

from polishgen.normalise import SMALL
from polishgen.spelling import WORD

LARGE = "A-ZĄĆĘŁŃÓŚŹŻ"
LETTER = SMALL + LARGE


def lexicon_of(text: str) -> Counter:
    """Words of a text, in small letters, with how often they occur."""
    return Counter(WORD.findall(text.lower()))
