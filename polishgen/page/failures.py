"""What went wrong, told to the visitor: in their language, by name, without a stack trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from polishgen.errors import ParameterError, PolishgenError
from polishgen.page.texts import TEXTS, say

LONGEST_VALUE = 60


@contextmanager
def told_to_visitor(language: str) -> Iterator[None]:
    """Turns polishgen's errors into Gradio's, which the page and its clients show as a message."""
    try:
        yield
    except PolishgenError as error:
        # Gradio shows messages as HTML.
        message = escape(failure_text(language, error), quote=False)
        raise gr.Error(message, title=say(language, "error"), print_exception=False) from error


def refusal(language: str, key: str) -> gr.Error:
    """The text `key` as an error that Gradio shows the visitor."""
    return gr.Error(say(language, key), title=say(language, "error"), print_exception=False)


def failure_text(language: str, error: PolishgenError) -> str:
    """The message for `error`; a parameter that the page knows is explained in `language`."""
    if isinstance(error, ParameterError) and f"allowed_{error.parameter}" in TEXTS[language]:
        value = str(error.value)
        if len(value) > LONGEST_VALUE:
            value = value[: LONGEST_VALUE - 1] + "…"
        allowed = say(language, f"allowed_{error.parameter}")
        return say(language, "refused", name=error.parameter, value=value, allowed=allowed)
    return str(error)
