"""Documents, and the rules that drop one whole: error pages, poor quality, not Polish."""

import re
from dataclasses import dataclass
from hashlib import blake2b

from training.corpus.cleaning.words import WORD


@dataclass(frozen=True)
class Document:
    """One text and what its source says about it."""

    text: str
    meta: dict


def n_bytes(text: str) -> int:
    """Length in UTF-8; a lone surrogate counts as one sign."""
    return len(text.encode("utf-8", errors="replace"))


def text_key(text: str) -> bytes:
    """A hash of the words alone: blind to case, punctuation and white space."""
    words = " ".join(WORD.findall(text.casefold()))
    return blake2b(words.encode("utf-8", errors="replace"), digest_size=16).digest()


ERROR_PAGE = re.compile(
    r"\b(?:404 not found|not found 404|http (?:error )?(?:40[34]|50[0234])"
    r"|error (?:40[34]|50[0234])|błąd (?:40[34]|50[0234])|(?:40[34]|50[0234]) (?:błąd|error)"
    r"|403 forbidden|500 internal server error|502 bad gateway|503 service"
    r"|service (?:temporarily )?unavailable|nie znaleziono (?:takiej |podanej )?strony"
    r"|strona (?:o podanym adresie )?nie (?:istnieje|została znaleziona))",
    re.IGNORECASE,
)
# An error page is little else than its message; a novel may well tell of one.
ERROR_PAGE_LENGTH = 2000


def is_not_error_page(document: Document) -> bool:
    """False for a server's error page (404, 503 and the like) saved as a text, and for no text."""
    text = document.text.strip()
    return bool(text) and not (
        len(text) <= ERROR_PAGE_LENGTH and ERROR_PAGE.search(" ".join(text.split()))
    )


def is_not_low_quality(document: Document) -> bool:
    """False where the source's own classifier says `quality_ai` LOW, at any depth of the meta."""
    return not says_low(document.meta)


def says_low(meta: object) -> bool:
    """True if `quality_ai` is LOW in this dictionary or one inside it."""
    parts = [meta]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            quality = part.get("quality_ai")
            if isinstance(quality, str) and quality.strip().upper() == "LOW":
                return True
            parts += part.values()
    return False


FUNCTION_WORDS = frozenset(
    WORD.findall(
        "i w z na do się nie że to jest jak ale o po od za co tak już dla by przez ten ta tym tego"
        " jego jej ich był była było przy pod nad czy gdy tylko jeszcze bardzo może sobie mnie mu"
        " ze we ja ty on ona pan pani który która które lecz bo więc"
    )
)
LEAST_FUNCTION_WORDS = 0.12
LEAST_DIACRITICS = 0.02
SAMPLE_LENGTH = 200_000


def is_polish(document: Document) -> bool:
    """True if at least 12 % of the words are common Polish ones and 2 % of the letters ą … ż.

    Polish prose has about 25-35 % and 6-7 %; Czech, Russian in Latin script or English fail one or
    both. Counted over the first 200,000 characters.
    """
    words = WORD.findall(document.text[:SAMPLE_LENGTH].lower())
    letters = sum(map(len, words))
    if not letters:
        return False
    common = sum(word in FUNCTION_WORDS for word in words) / len(words)
    diacritics = sum(len(re.findall("[ąćęłńóśźż]", word)) for word in words) / letters
    return common >= LEAST_FUNCTION_WORDS and diacritics >= LEAST_DIACRITICS
