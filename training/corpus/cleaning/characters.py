"""Rules for single characters: soft hyphens, letters of a wrong code page."""

import re

from training.corpus.cleaning.words import SMALL

# U+001E is some word processor's optional hyphen.
SOFT_HYPHEN = re.compile(r"[\xad\x1e][ ]*\n?[ ]*")


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
