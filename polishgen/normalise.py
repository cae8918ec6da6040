"""One spelling for one thing: the form in which every text reaches a model.

The corpus, prompts and texts to be scored all pass through `normalise`: composed Unicode, "\\n" for
every line end, a line per paragraph, single plain spaces, "—" for dialogue and asides, „ ” for
quotations and three plain dots, however a keyboard or a word processor wrote them.
"""

import re
import unicodedata

SMALL = "a-ząćęłńóśźż"

SPACES = re.compile(r"[\t\v\f\x1c\x1d\x1f\x85\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
    r"\ufff9-\ufffd\ue000-\uf8ff\ud800-\udfff]"
)


def normalise(text: str) -> str:
    """`text` as the models know it; a space or line end after the last word stays, as one."""
    text = normalise_unicode(text)
    white = text[len(text.rstrip()) :]
    white = "\n" if "\n" in white else white[:1]
    before = None
    # One rule may make work for another, so until nothing changes any more.
    while text != before:
        before = text
        text = normalise_suspension_points(normalise_unicode(text + white))
        text = normalise_spaces(normalise_quotes(normalise_dashes(text)))
    return text + white


def normalise_unicode(text: str) -> str:
    """NFC, "\\n" for every line end, plain spaces, and no control or zero-width characters."""
    text = re.sub(r"\r\n?|[\u2028\u2029]", "\n", text)
    text = INVISIBLE.sub("", SPACES.sub(" ", text))
    return unicodedata.normalize("NFC", text)


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
        start, end = mark.span()
        before, after = line[max(0, start - 1) : start], line[end : end + 1]
        could_open = before in ("", " ", "(", "[", "—", "„", '"') and after not in ("", " ")
        could_close = before not in ("", " ") and (not after or not after.isalnum())
        if could_open == could_close:
            opens = mark[0] in "„,," if mark[0] in "„”,," else not is_open
        else:
            opens = could_open
        is_open = is_open + 1 if opens else max(0, is_open - 1)
        out += line[place:start], "„" if opens else "”"
        place = end
    return "".join(out) + line[place:]


def normalise_spaces(text: str) -> str:
    """One space between words, none before commas and stops, no blank lines: a line a paragraph."""
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r"(?<!—) +(?=[,;:!?])|(?<=\w) +(?=\.(?!\.))", "", text)
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())
