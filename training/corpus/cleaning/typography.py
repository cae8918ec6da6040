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


SUSPENSION = re.compile(r"(?:…|\.{2,})[.…]*|\.(?: \.){2,}")


def normalise_suspension_points(text: str) -> str:
    """Writes "..." for the single sign "…" and for rows of dots of any length."""
    return SUSPENSION.sub("...", text)


LINE_START_DASH = re.compile(r"^[ ]*[-–—]+[ ]*(?=[^\s\d])", re.MULTILINE)


def normalise_dashes(text: str) -> str:
    """Sets dialogue and asides with "— ", whatever dash stood there.

    Hyphens in compounds stay ("biało-czerwony") and so do ranges ("1863–1865").
    """
    text = LINE_START_DASH.sub("— ", text.replace("--", "—"))
    text = re.sub(r"(?<=[^\W\d])–(?=[^\W\d])", "-", text)
    text = re.sub(r"–(?!\d)|(?<!\d)–", "—", text)
    text = re.sub(rf" -(?=[ {SMALL}])", " — ", text)
    text = re.sub(rf"([.!?])-(?=[{SMALL}]{{3}})", r"\1 — ", text)
    text = re.sub(r"(?<! ) *—[— ]*", " — ", text)
    text = re.sub(r"^ — ", "— ", text, flags=re.MULTILINE)
    return re.sub(r"([(„\[]) — ", r"\1— ", text).replace("— ,", "—,")


QUOTE = re.compile(r"[\"“”„«»]|,,(?=\w)|''")


def normalise_quotes(text: str) -> str:
    """Sets quotations with „ and ”, by what stands around each mark; apostrophes become '."""
    text = re.sub("[’‘‛`´]", "'", text)
    text = "\n".join(normalise_line_quotes(line) for line in text.split("\n"))
    text = re.sub(r"„ +(?=\w)", "„", text)
    return re.sub(r"(?<! ) +”(?=[\s,.;:!?)]|$)", "”", text, flags=re.MULTILINE)


def normalise_line_quotes(line: str) -> str:
    """Quotation marks of one paragraph; one that could be either closes what is open."""
    out, place, is_open = [], 0, 0
    for mark in QUOTE.finditer(line):
        before, after = line[: mark.start()][-1:], line[mark.end() :][:1]
        could_open = before in ("", " ", "(", "[", "—", "„", '"') and after not in ("", " ")
        could_close = before not in ("", " ") and (not after or not after.isalnum())
        if could_open == could_close:
            opens = mark[0] in "„,," if mark[0] in "„”,," else not is_open
        else:
            opens = could_open
        is_open = is_open + 1 if opens else max(0, is_open - 1)
        out += line[place : mark.start()], "„" if opens else "”"
        place = mark.end()
    return "".join(out) + line[place:]


def normalise_spaces(text: str) -> str:
    """One space between words, none before commas and stops, no blank lines: a line a paragraph."""
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r"(?<!—) +(?=[,;:!?])|(?<=\w) +(?=\.(?!\.))", "", text)
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())
