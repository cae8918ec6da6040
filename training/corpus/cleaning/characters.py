"""Rules for single characters: Unicode, soft hyphens, letters of a wrong code page."""

import re
import unicodedata

from training.corpus.cleaning.words import SMALL

SPACES = re.compile(r"[\t\v\f\x1c\x1d\x1f\x85\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
    r"\ufff9-\ufffd\ue000-\uf8ff\ud800-\udfff]"
)
# U+001E is some word processor's optional hyphen.
SOFT_HYPHEN = re.compile(r"[\xad\x1e][ ]*\n?[ ]*")


def normalise_unicode(text: str) -> str:
    """NFC, "\\n" for every line end, plain spaces, and no control or zero-width characters."""
    text = re.sub(r"\r\n?|[\u2028\u2029]", "\n", text)
    text = INVISIBLE.sub("", SPACES.sub(" ", text))
    return unicodedata.normalize("NFC", text)


def join_soft_hyphens(text: str) -> str:
    """Joins words at soft hyphens, over the line end too."""
    return SOFT_HYPHEN.sub("", text)


MISREAD = str.maketrans("ŽžťŤí", "źźŁŁŻ")


def repair_code_page(text: str) -> str:
    """Restores letters that a wrong code page turned into Czech ones: Ž to ź, ť to Ł, í to Ż.

    Only where the document as a whole proves it: many Ž inside words and not one ź.
    """
    inside = len(re.findall(rf"[{SMALL}]Ž|Ž[{SMALL}]", text))
    return text.translate(MISREAD) if inside >= 10 and "ź" not in text else text
