"""The Polish alphabet, for use inside [ ] of a regular expression, and the words of a text."""

import re
from collections import Counter

from polishgen.normalise import SMALL

LARGE = "A-ZĄĆĘŁŃÓŚŹŻ"
LETTER = SMALL + LARGE
WORD = re.compile(r"[^\W\d_]+")


def lexicon_of(text: str) -> Counter:
    """Words of a text, in small letters, with how often they occur."""
    return Counter(WORD.findall(text.lower()))
