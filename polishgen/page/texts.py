"""Every sentence on the page, in Polish and English.

Static texts (labels, headings, buttons) go out as keys and are translated by Gradio in the browser.
What the server writes, such as table headings and error messages, is chosen by `say` for the
language of the request. Notable: both follow the browser's first language, so they always agree;
Polish short words are tied to the word after them, as Polish typesetting wants.
"""

import re

import gradio as gr

from polishgen.page.texts_en import ENGLISH
from polishgen.page.texts_pl import POLISH

SHORT_WORDS = re.compile(r"(?<![\w\u00a0])([aiouwzAIOUWZ]) (?=\S)")


def tie_short_words(text: str) -> str:
    """`text` with no-break spaces after words of one letter, which may not end a line in Polish."""
    # Twice: of two such words in a row, one match hides the second.
    for _ in range(2):
        text = SHORT_WORDS.sub("\\1\u00a0", text)
    return text


TEXTS = {
    "pl": {key: tie_short_words(text) for key, text in POLISH.items()},
    "en": ENGLISH,
}
I18N = gr.I18n(**TEXTS)


def language_of(request: gr.Request | None) -> str:
    """ "pl" or "en": the first language that the browser asks for, English for any third one."""
    header = request.headers.get("accept-language", "") if request else ""
    return "pl" if header.strip().lower().startswith("pl") else "en"


def say(language: str, key: str, **values: object) -> str:
    """The text `key` in `language`, with `{names}` filled in."""
    return TEXTS[language][key].format(**values)


def name_text(prefix: str, name: str) -> gr.i18n.I18nData | str:
    """The text of a key such as "text_gru"; for a model without one, its plain name."""
    key = f"{prefix}_{name}"
    return I18N(key) if key in ENGLISH else name


def number(language: str, value: float, digits: int = 0) -> str:
    """A number as the language writes it: 1 234,5 in Polish, 1,234.5 in English."""
    text = f"{value:,.{digits}f}"
    if language == "pl":
        # No-break spaces between thousands, and none for four digits before the comma.
        text = text.replace(",", "\u00a0").replace(".", ",")
        if abs(value) < 10_000:
            text = text.replace("\u00a0", "")
    return text
