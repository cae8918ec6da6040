"""The rules in the order in which they run, and what each of them did to a corpus.

The summary says for each rule how many documents and bytes of UTF-8 went in and came out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from polishgen.normalise import (
    normalise_dashes,
    normalise_quotes,
    normalise_spaces,
    normalise_suspension_points,
    normalise_unicode,
)
from training.corpus.cleaning.characters import join_soft_hyphens, repair_code_page
from training.corpus.cleaning.documents import (
    Document,
    is_not_error_page,
    is_not_low_quality,
    is_polish,
    n_bytes,
    text_key,
)
from training.corpus.cleaning.printed_page import (
    join_hyphenation,
    remove_note_marks,
    remove_notes,
    remove_page_numbers,
    unwrap_lines,
)
from training.corpus.cleaning.typography import (
    join_spaced_words,
    normalise_separators,
    remove_stray_signs,
    repair_misread_letters,
)
from training.corpus.cleaning.web import (
    remove_address_lines,
    remove_html_tags,
    remove_isbn_lines,
    remove_licence_footer,
    replace_entities,
)


@dataclass(frozen=True)
class Rule:
    """A drop rule (`keep`: False drops the document) or an edit rule (`edit`: text to text)."""

    name: str
    keep: Callable[[Document], bool] | None = None
    edit: Callable[[str], str] | None = None


EDITS = (
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
)
MOST_PASSES = 8


def edit_until_stable(text: str) -> str:
    """What the edit rules make of a text once none of them finds anything more to change.

    One rule may make work for an earlier one (a closed gap shows a divided word); cleaning what
    this returns changes nothing.
    """
    for _ in range(MOST_PASSES):
        before = text
        for rule in EDITS:
            text = rule.edit(text)
        if text == before:
            break
    return text


RULES = (
    Rule("error page", keep=is_not_error_page),
    Rule("low quality", keep=is_not_low_quality),
    *EDITS,
    Rule("further passes", edit=edit_until_stable),
    Rule("not Polish", keep=is_polish),
)


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
