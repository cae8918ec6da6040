"""Rules for what a printed page leaves in a text: page numbers, notes, lines of a fixed width."""

import re
from collections import Counter
from itertools import pairwise

from training.corpus.cleaning.words import LARGE, LETTER, SMALL, lexicon_of

PAGE_NUMBER = re.compile(
    r"^[ ]*(?:[-—–][ ]*\d{1,4}[ ]*[-—–]|\[[ ]*\d{1,4}[ ]*\]|(?:str\. ?)?\d{1,4}[ ]*[*—]?)[ ]*"
    r"(?:\n|$)",
    re.MULTILINE,
)
# "ŚMIERĆ DULSKIEGO   5": capitals, misread or not, and a page number after a tab or wide gap.
RUNNING_HEAD = re.compile(
    rf"^[ ]+[^{SMALL}\n]{{4,60}}[ ]{{1,9}}\d{{1,3}}[ ]*(?:\n|$)", re.MULTILINE
)


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


LINE_END_HYPHEN = re.compile(rf"(?<=[{SMALL}])-[ ]*\n[ ]*(?=[{SMALL}])")
INLINE_HYPHEN = re.compile(rf"(?<![{LETTER}])([{LETTER}]*[{SMALL}])- ([{SMALL}]+)")


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
    rf"^[ ]*\d{{0,3}}[ ]?(?:[{LETTER}] ){{3,}}[^\n(]{{0,20}}\([a-z. -]{{2,20}}\)[ ]*—[^\n]*(?:\n|$)"
    r"|^[ ]*\*{1,3}\)[^\n]*(?:\n|$)",
    re.MULTILINE,
)


def remove_notes(text: str) -> str:
    """Removes the lines of notes printed under a page: "12 b a l w i e r z (z franc.) — …"."""
    return NOTE_LINE.sub("", text)


MARK = re.compile(r"[ ]?\[\d{1,3}\]|[ ]?\(?\*{1,2}\)")
# A footnote's number straight after a word, and perhaps in the middle of one: "zapie4 rał".
# "km2" and "CO2" are none.
NUMBER_AFTER_WORD = re.compile(
    rf"(?!\b[kcdm]?m[23]\b)"
    rf"((?<![{LETTER}])[{LETTER}]*[{SMALL}]|\b[IVXLCDM]{{2,}}|(?<![{LARGE}])[{LARGE}]{{4,}})"
    rf"\d{{1,3}}(?![\w°])(?: ([{SMALL}]+))?"
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
