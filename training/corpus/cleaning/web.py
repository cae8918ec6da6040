"""Rules for what a web site leaves in a text: markup, imprint, licence, addresses."""

import html
import re
from html.entities import html5

from polishgen.normalise import normalise_unicode

TAGS = (
    "a|abbr|acronym|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code"
    "|dd|del|dfn|div|dl|dt|em|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr"
    "|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|meta|nav|nobr|noscript|ol|option|p"
    "|pre|q|s|section|select|small|span|strike|strong|sub|sup|svg|table|tbody|td|textarea|tfoot|th"
    "|thead|title|tr|tt|u|ul|wbr"
)
# A tag's name must be followed by its end or by attributes: "<i tak>" is a remark, not italics.
ATTRIBUTE = r"""\s+[a-z][\w:-]*\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)"""
TAG = re.compile(rf"</?(?:{TAGS})(?:{ATTRIBUTE})*\s*/?>", re.IGNORECASE)
BLOCK_TAG = re.compile(
    r"</?(?:article|aside|blockquote|br|caption|dd|div|dl|dt|figcaption|footer|form|h[1-6]|header|hr"
    r"|li|nav|ol|option|p|pre|section|table|td|th|title|tr|ul)\b",
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
    return normalise_unicode(ENTITY.sub(lambda entity: character_of(entity[0]), text))


def character_of(entity: str) -> str:
    """What an entity stands for; `html.unescape` alone would take "&notatka;" for "&not" too."""
    known = entity.startswith("&#") or entity[1:] in html5
    return html.unescape(entity) if known else entity


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
