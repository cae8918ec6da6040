"""Rules for signs and spelling: one way to write each thing, and what OCR misread."""

import re

from training.corpus.cleaning.words import LARGE, LETTER, SMALL, lexicon_of

SPACED_WORD = re.compile(
    rf"(?<![\w'])[{LETTER}](?: [{SMALL}]){{3,}}(?!\w)|(?<!\w)[{LARGE}](?: [{LARGE}]){{3,}}(?!\w)"
)


def join_spaced_words(text: str) -> str:
    """Closes words spaced out for emphasis: "r ę k a m i" becomes "rękami".

    A first letter that is a word itself stays apart if the rest is a word of the document and the
    whole is not: "z n i m i" becomes "z nimi".
    """
    if not SPACED_WORD.search(text):
        return text
    lexicon = lexicon_of(text)

    def close(match: re.Match) -> str:
        word = match[0].replace(" ", "")
        first, rest = word[0], word[1:].lower()
        apart = first in "aiouwzAIOUWZ" and rest in lexicon and word.lower() not in lexicon
        return f"{first} {word[1:]}" if apart else word

    return SPACED_WORD.sub(close, text)


# "w" read as "Av": inside a word always, before one where no Polish or Latin word begins so.
MISREAD_W = re.compile(rf"(?<=[{SMALL}])A[vV](?![{LARGE}])|\bAv(?=y|ę|ie[{SMALL}]|sz|cz)")
STRAY = r"[\^|\\{}~¦©®™•_<>]++"
# "<…>" around words is a writer's bracket.
STRAY_SIGN = re.compile(rf"(<\w[^<>\n]*>)|{STRAY}(?=\s|$)|(?<=\s){STRAY}|^{STRAY}", re.MULTILINE)


def repair_misread_letters(text: str) -> str:
    """Undoes an OCR error that is never a word: "zdaAvał" becomes "zdawał"."""
    return MISREAD_W.sub("w", text)


def remove_stray_signs(text: str) -> str:
    """Removes signs that prose does not use (^ | \\ { } ~ _ …) at the edge of a word or alone."""
    return STRAY_SIGN.sub(lambda sign: sign[1] or "", text)


SEPARATOR = re.compile(r"(?:^[ ]*\*[* ]*\n?(?:[ ]*\n)*)+", re.MULTILINE)
BARE_SIGNS = re.compile(r"^(?! *-)[ .,:;'\"=+#$%&/()\[\]-]+$\n?", re.MULTILINE)


def normalise_separators(text: str) -> str:
    """Makes every row (or pile) of asterisks "* * *" and drops lines of nothing but other signs."""
    text = SEPARATOR.sub("* * *\n", text)
    return BARE_SIGNS.sub(lambda line: line[0] if "..." in line[0] else "", text)
