"""Every sentence on the page, in Polish and English, from two catalogues in texts/.

The language is the visitor's choice (`?lang=`, kept in a cookie) or the browser's first one, and
English for any third. Polish words of one letter are tied to the word after them, as
Polish typesetting wants.
"""

import json
import re
from pathlib import Path

from fastapi import Request
from markdown_it import MarkdownIt

LANGUAGES = ("pl", "en")
FOLDER = Path(__file__).parent / "texts"
SHORT_WORDS = re.compile(r"(?<![\w\u00a0])([aiouwzAIOUWZ]) (?=\S)")


def tie_short_words(text: str) -> str:
    """`text` with no-break spaces after words of one letter, which may not end a line in Polish."""
    # Twice: of two such words in a row, one match hides the second.
    for _ in range(2):
        text = SHORT_WORDS.sub("\\1\u00a0", text)
    return text


def catalogue(language: str) -> dict[str, str]:
    """The texts of one language by their keys."""
    texts = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return (
        {key: tie_short_words(text) for key, text in texts.items()} if language == "pl" else texts
    )


TEXTS = {language: catalogue(language) for language in LANGUAGES}


def language_of(request: Request) -> str:
    """ "pl" or "en"."""
    chosen = request.query_params.get("lang") or request.cookies.get("lang")
    if chosen in LANGUAGES:
        return chosen
    header = request.headers.get("accept-language", "")
    return "pl" if header.strip().lower().startswith("pl") else "en"


def markdown(text: str) -> str:
    """HTML of trusted Markdown; HTML in it stays text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
