"""Cleaning rules for Polish prose, each a small function with a count of its own.

`RULES` holds them in the order in which they run. A drop rule decides whether a document stays; an
edit rule rewrites its text. The summary says for each how many documents and bytes of UTF-8 went in
and came out. What a rule does is also a choice of one spelling for one thing: dialogue and asides
take "—", quotations „ ”, and suspension points three plain dots, which any keyboard can type. In
the cleaned text every line is a paragraph.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

SMALL = "a-ząćęłńóśźż"
LARGE = "A-ZĄĆĘŁŃÓŚŹŻ"
LETTER = SMALL + LARGE
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Document:
    """One text and what its source says about it."""

    text: str
    meta: dict


@dataclass(frozen=True)
class Rule:
    """A drop rule (`keep`: False drops the document) or an edit rule (`edit`: text to text)."""

    name: str
    keep: Callable[[Document], bool] | None = None
    edit: Callable[[str], str] | None = None


@dataclass
class RuleCount:
    """What went into a rule and what came out; `edited` counts documents that it changed."""

    rule: str
    documents_before: int = 0
    documents_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    edited: int = 0


class Cleaner:
    """Applies `RULES` to one document after another, then drops texts that it has seen before."""

    def __init__(self):
        self.rules = (*RULES, Rule("duplicate", keep=self.is_new))
        self.counts = [RuleCount(rule.name) for rule in self.rules]
        self.seen: set[bytes] = set()

    def is_new(self, document: Document) -> bool:
        """False for a text whose words in order have been seen before."""
        key = text_key(document.text)
        new = key not in self.seen
        self.seen.add(key)
        return new

    def clean(self, document: Document) -> Document | None:
        """The cleaned document, or None if a rule drops it."""
        size = n_bytes(document.text)
        for rule, count in zip(self.rules, self.counts, strict=True):
            count.documents_before += 1
            count.bytes_before += size
            if rule.keep and not rule.keep(document):
                return None
            if rule.edit:
                text = rule.edit(document.text)
                if text != document.text:
                    count.edited += 1
                    document, size = Document(text, document.meta), n_bytes(text)
            count.documents_after += 1
            count.bytes_after += size
        return document


def clean_all(documents: Iterable[Document]) -> tuple[list[Document], list[RuleCount]]:
    """The documents that stay, cleaned, and the counts of every rule."""
    cleaner = Cleaner()
    kept = [clean for document in documents if (clean := cleaner.clean(document))]
    return kept, cleaner.counts


def n_bytes(text: str) -> int:
    """Length in UTF-8; a lone surrogate counts as one sign."""
    return len(text.encode("utf-8", errors="replace"))


def text_key(text: str) -> bytes:
    """A hash of the words alone: blind to case, punctuation and white space."""
    words = " ".join(WORD.findall(text.casefold()))
    return blake2b(words.encode("utf-8", errors="replace"), digest_size=16).digest()


# --- documents that go -----------------------------------------------------------------------


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
    """False for a server's error page (404, 503 and the like) saved as if it were a text."""
    text = document.text.strip()
    return bool(text) and not (
        len(text) <= ERROR_PAGE_LENGTH and ERROR_PAGE.search(" ".join(text.split()))
    )


def is_not_low_quality(document: Document) -> bool:
    """False where the source's own classifier says `quality_ai` LOW, at any depth of the meta."""
    return not says_low(document.meta)


def says_low(meta: object) -> bool:
    """True if `quality_ai` is LOW in this dictionary or one inside it."""
    if isinstance(meta, list):
        return any(says_low(part) for part in meta)
    if not isinstance(meta, dict):
        return False
    quality = meta.get("quality_ai")
    if isinstance(quality, str) and quality.strip().upper() == "LOW":
        return True
    return any(says_low(part) for part in meta.values())


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


# --- characters ------------------------------------------------------------------------------


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


# --- web pages -------------------------------------------------------------------------------


TAGS = (
    "a|abbr|article|aside|b|big|blockquote|body|br|center|cite|code|div|em|font|footer|h[1-6]|head"
    "|header|hr|html|i|iframe|img|input|li|link|main|meta|nav|ol|p|pre|q|s|section|small|span"
    "|strike|strong|sub|sup|table|tbody|td|th|thead|title|tr|tt|u|ul"
)
# A tag's name must be followed by its end or by attributes: "<i tak>" is a remark, not italics.
ATTRIBUTE = r"""\s+[a-z][\w:-]*\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)"""
TAG = re.compile(rf"</?(?:{TAGS})(?:{ATTRIBUTE})*\s*/?>", re.IGNORECASE)
BLOCK_TAG = re.compile(
    r"</?(?:article|blockquote|br|div|h[1-6]|hr|li|ol|p|section|table|td|th|title|tr|ul)\b",
    re.IGNORECASE,
)
INVISIBLE_ELEMENT = re.compile(
    r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>|<!doctype[^<>]*>", re.IGNORECASE | re.DOTALL
)
ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")


def remove_html_tags(text: str) -> str:
    """Removes HTML's own tags, comments, scripts and styles; "<góra z górą>" is text and stays."""
    if "<" not in text:
        return text
    text = INVISIBLE_ELEMENT.sub("", text)
    return TAG.sub(lambda tag: "\n" if BLOCK_TAG.match(tag[0]) else "", text)


def replace_entities(text: str) -> str:
    """Turns HTML entities into characters: `&oacute;` and `&#243;` into ó; unknown ones stay."""
    if "&" not in text:
        return text
    return normalise_unicode(ENTITY.sub(lambda entity: html.unescape(entity[0]), text))


# Longer lines are prose that mentions a number, say in a note.
ISBN_LINE = re.compile(r"^[^\n]{0,100}\bISBN\b[^\n]{0,100}(?:\n|$)", re.MULTILINE)


def remove_isbn_lines(text: str) -> str:
    """Removes the lines that give a book's ISBN."""
    return ISBN_LINE.sub("", text)


FOOTER_START = re.compile(
    r"^[ ]*(?:-{3,}[ ]*\n\s*)?(?:Ta lektura, podobnie jak tysiące innych"
    r"|Utwór opracowany został w ramach projektu Wolne Lektury"
    r"|Ten utwór (?:nie )?jest (?:w domenie publicznej|objęty majątkowym|udostępniony na licencji)"
    r"|Wszystkie zasoby Wolnych Lektur możesz swobodnie"
    r"|Wersja lektury w opracowaniu merytorycznym i krytycznym)",
    re.MULTILINE,
)
# The footer is one block at the end; text that merely mentions the site lies further up.
FOOTER_LENGTH = 6000


SITE_LINE = re.compile(
    r"^[ ]*Ta lektura, podobnie jak tysiące innych[^\n]{0,60}wolnelektury\.pl[^\n]{0,20}(?:\n|$)",
    re.MULTILINE,
)


def remove_licence_footer(text: str) -> str:
    """Cuts off the block with which the reading site Wolne Lektury ends its texts.

    Its books say the same in one line on the title page: there only the line goes.
    """
    return SITE_LINE.sub("", cut_footer(text))


def cut_footer(text: str) -> str:
    """`text` up to the footer."""
    for start in FOOTER_START.finditer(text, max(0, len(text) - FOOTER_LENGTH)):
        if "wolnelektury.pl" in text[start.start() :] or "Wolne Lektury" in text[start.start() :]:
            return text[: start.start()]
    return text


WEB_ADDRESS_LINE = re.compile(
    r"^[^\n]{0,40}(?:https?://|www\.)\S+[^\n]{0,20}(?:\n|$)", re.MULTILINE
)


def remove_address_lines(text: str) -> str:
    """Removes the lines that hold a web address and next to nothing else."""
    return WEB_ADDRESS_LINE.sub("", text)


# --- the printed page ------------------------------------------------------------------------


PAGE_NUMBER = re.compile(
    r"^[ ]*(?:[-—–][ ]*\d{1,4}[ ]*[-—–]|\[[ ]*\d{1,4}[ ]*\]|(?:str\. ?)?\d{1,4}[ ]*[*—]?)[ ]*\n",
    re.MULTILINE,
)
# "ŚMIERĆ DULSKIEGO   5": capitals, misread or not, and a page number after a tab or wide gap.
RUNNING_HEAD = re.compile(rf"^[ ]+[^{SMALL}\n]{{4,60}}[ ]{{1,9}}\d{{1,3}}[ ]*\n", re.MULTILINE)


def remove_page_numbers(text: str) -> str:
    """Removes lines that are a page number ("12", "— 12 —", "[12]") or a running head with one.

    Roman numerals are chapters and stay; so do the numbers of chapters, which count up from 1 and
    never stand within a sentence.
    """
    if not are_chapters(text, list(PAGE_NUMBER.finditer(text))):
        text = PAGE_NUMBER.sub("", text)
    return RUNNING_HEAD.sub("", text)


def are_chapters(text: str, numbers: list[re.Match]) -> bool:
    """True if the lines are the bare numbers 1, 2, 3, … in order and no sentence runs over one."""
    counting = [match[0].strip() for match in numbers] == [
        str(number) for number in range(1, len(numbers) + 1)
    ]
    before = (text[: match.start()].rstrip()[-1:] for match in numbers)
    return counting and not any(sign.islower() or sign in (",", "-") for sign in before)


def lexicon_of(text: str) -> Counter:
    """Words of a text, in small letters, with how often they occur."""
    return Counter(WORD.findall(text.lower()))


LINE_END_HYPHEN = re.compile(rf"(?<=[{SMALL}])-[ ]*\n[ ]*(?=[{SMALL}])")
INLINE_HYPHEN = re.compile(rf"([{LETTER}]*[{SMALL}])- ([{SMALL}]+)")


def join_hyphenation(text: str) -> str:
    """Joins words divided at a line end ("po-\\nwiem"), and "za- częła" left over from one.

    Within a line "- " may also be a dash or a suspended half ("ośmio- i dziewięcioletni"): there
    the joined word must occur elsewhere in the document, or not both halves.
    """
    text = LINE_END_HYPHEN.sub("", text)
    if not re.search(rf"[{SMALL}]- [{SMALL}]", text):
        return text
    lexicon = lexicon_of(INLINE_HYPHEN.sub("", text))

    def join(match: re.Match) -> str:
        first, second = match[1].lower(), match[2]
        if second in ("i", "a", "lub", "albo", "czy", "oraz"):
            return match[0]
        is_word = first + second in lexicon
        is_pair = first in lexicon and second in lexicon
        return match[1] + match[2] if is_word or not is_pair else match[0]

    return INLINE_HYPHEN.sub(join, text)


# A note's head under the page: number, a spaced-out word, its origin in brackets, the gloss.
NOTE_LINE = re.compile(
    rf"^[ ]*\d{{0,3}}[ ]?(?:[{LETTER}] ){{3,}}[^\n(]{{0,20}}\([a-z. -]{{2,20}}\)[ ]*—[^\n]*\n"
    r"|^[ ]*\*{1,3}\)[^\n]*\n",
    re.MULTILINE,
)


def remove_notes(text: str) -> str:
    """Removes the lines of notes printed under a page: "12 b a l w i e r z (z franc.) — …"."""
    return NOTE_LINE.sub("", text)


MARK = re.compile(r"[ ]?\[\d{1,3}\]|[ ]?\*{1,2}\)")
# A footnote's number straight after a word, and perhaps in the middle of one: "zapie4 rał".
# "km2" and "CO2" are none.
NUMBER_AFTER_WORD = re.compile(
    rf"(?!\b[kcdm]?m[23]\b)([{LETTER}]*[{SMALL}]|\b[IVXLCDM]{{2,}}|[{LARGE}]{{4,}})\d{{1,3}}(?![\w°])(?: ([{SMALL}]+))?"
)


def remove_note_marks(text: str) -> str:
    """Removes footnote marks: "[12]", "*)" and numbers that stick to a word ("koncerz12")."""
    text = MARK.sub("", text)
    if not re.search(rf"[{LETTER}]\d", text):
        return text
    lexicon = lexicon_of(text)

    def strip(match: re.Match) -> str:
        if match[2] is None:
            return match[1]
        joined = match[1] + match[2]
        return joined if joined.lower() in lexicon else f"{match[1]} {match[2]}"

    return NUMBER_AFTER_WORD.sub(strip, text)


# Share of lines that start with a small letter: over a quarter only where lines are not paragraphs.
WRAPPED_SHARE = 0.25
# Verse may look the same, but its lines are shorter than those of a printed page.
LEAST_WIDTH = 50
SENTENCE_END = re.compile(r"[.!?…:;][)”\"«»“']*$")


def unwrap_lines(text: str) -> str:
    """Rejoins paragraphs whose lines were broken at a fixed width; leaves other documents alone.

    A line starts a paragraph if the one before ends its sentence and is short, or if it opens a
    dialogue ("— Idź") after an ended sentence. A line of capitals or numerals is a heading.
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    small = sum(line[0].islower() for line in lines)
    width = sorted(map(len, lines))[len(lines) * 3 // 4] if lines else 0
    if small < WRAPPED_SHARE * len(lines) or width < LEAST_WIDTH:
        return text
    lexicon = lexicon_of(text)
    out = [lines[0]]
    for previous, line in pairwise(lines):
        if starts_paragraph(previous, line, width):
            out.append(line)
        elif is_cut_word(previous, line, lexicon):
            out[-1] = out[-1].rstrip("_") + line
        else:
            out[-1] += " " + line
    return "\n".join(out)


def starts_paragraph(previous: str, line: str, width: int) -> bool:
    """Whether `line` begins a paragraph after the line `previous` of a text `width` wide."""
    if is_heading(line) or is_heading(previous):
        return True
    if line[0].islower():
        return False
    ended = bool(SENTENCE_END.search(previous))
    if re.match(rf"[-–—]+[ ]?[^ {SMALL}]", line):
        return ended or len(previous) < 0.8 * width
    if line[0] in "-–—":
        return False
    return len(previous) < (0.8 if ended else 0.5) * width


def is_heading(line: str) -> bool:
    """A line without a small letter, not a piece of dialogue, short: "TOM I", "XII.", "* * *"."""
    return len(line) <= 60 and not re.search(rf"[{SMALL}]", line) and line[0] not in '-–—„"(.…!?'


def is_cut_word(previous: str, line: str, lexicon: Counter) -> bool:
    """Whether a line ends within a word whose hyphen got lost ("ja" + "kieś")."""
    if previous.endswith("_"):
        return True
    end, start = re.search(rf"[{LETTER}]+$", previous), re.match(rf"[{SMALL}]+", line)
    if not end or not start:
        return False
    joined = lexicon[(end[0] + start[0]).lower()]
    # Each half occurs here already; a word of its own occurs elsewhere too.
    return joined > 0 and min(lexicon[end[0].lower()], lexicon[start[0]]) <= 1


# --- signs and spelling ----------------------------------------------------------------------


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
STRAY = r"[\^|\\{}~¦©®™•_<>]+"
# "<…>" around words is a writer's bracket.
STRAY_SIGN = re.compile(rf"(<\w[^<>\n]*>)|{STRAY}(?=\s|$)|(?<=\s){STRAY}|^{STRAY}", re.MULTILINE)


def repair_misread_letters(text: str) -> str:
    """Undoes an OCR error that is never a word: "zdaAvał" becomes "zdawał"."""
    return MISREAD_W.sub("w", text)


def remove_stray_signs(text: str) -> str:
    """Removes signs that prose does not use (^ | \\ { } ~ _ …) at the edge of a word or alone."""
    return STRAY_SIGN.sub(lambda sign: sign[1] or "", text)


SEPARATOR = re.compile(r"(?:^[ ]*\*[* ]*\n?)+", re.MULTILINE)
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
    text = re.sub(r" *—[— ]*", " — ", text)
    text = re.sub(r"^ — ", "— ", text, flags=re.MULTILINE)
    return re.sub(r"([(„\[]) — ", r"\1— ", text).replace("— ,", "—,")


QUOTE = re.compile(r"[\"“”„«»]|,,(?=\w)|''")


def normalise_quotes(text: str) -> str:
    """Sets quotations with „ and ”, by what stands around each mark; apostrophes become '."""
    text = re.sub("[’‘‛`´]", "'", text)
    text = "\n".join(normalise_line_quotes(line) for line in text.split("\n"))
    text = re.sub(r"„ +(?=\w)", "„", text)
    return re.sub(r" +”(?=[\s,.;:!?)]|$)", "”", text, flags=re.MULTILINE)


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


RULES = (
    Rule("error page", keep=is_not_error_page),
    Rule("low quality", keep=is_not_low_quality),
    Rule("Unicode", edit=normalise_unicode),
    Rule("code page", edit=repair_code_page),
    Rule("HTML entities", edit=replace_entities),
    Rule("HTML tags", edit=remove_html_tags),
    Rule("ISBN lines", edit=remove_isbn_lines),
    Rule("licence footer", edit=remove_licence_footer),
    Rule("web addresses", edit=remove_address_lines),
    Rule("soft hyphens", edit=join_soft_hyphens),
    Rule("notes", edit=remove_notes),
    Rule("page numbers", edit=remove_page_numbers),
    Rule("hyphenation", edit=join_hyphenation),
    Rule("note marks", edit=remove_note_marks),
    Rule("hard-wrapped lines", edit=unwrap_lines),
    Rule("spaced-out words", edit=join_spaced_words),
    Rule("misread letters", edit=repair_misread_letters),
    Rule("stray signs", edit=remove_stray_signs),
    Rule("separators", edit=normalise_separators),
    Rule("suspension points", edit=normalise_suspension_points),
    Rule("dashes", edit=normalise_dashes),
    Rule("quotation marks", edit=normalise_quotes),
    Rule("white space", edit=normalise_spaces),
    Rule("not Polish", keep=is_polish),
)
