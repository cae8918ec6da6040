"""The About tab: what the three models are, where they come from, what they are not for."""

import re
from pathlib import Path

import gradio as gr

from polishgen.checkpoint import find_folder
from polishgen.page.models import TITLES, models, title
from polishgen.page.texts import I18N

PICTURES = Path(__file__).parent / "pictures"
CARD_FILE = "README.md"
# The YAML block that a model card opens with, for the Hub to read.
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
# A card's pictures lie beside it, where the page serves nothing.
PICTURE_LINE = re.compile(r"^!\[[^\n]*\n", re.MULTILINE)


def build() -> None:
    """Lays the tab out; there is nothing to wire."""
    gr.Markdown(I18N("about_three"))
    with gr.Row():
        for name in TITLES:
            with gr.Column(min_width=280, elem_classes=["model-column", name]):
                gr.HTML((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))
                gr.Markdown(I18N(f"plain_{name}"))
    gr.Markdown(I18N("about_more"), elem_id="about-more")
    for name in models():
        card = find_folder(name) / CARD_FILE
        if card.is_file():
            with gr.Accordion(title(name), open=False):
                gr.Markdown(I18N("card"))
                text = card.read_text(encoding="utf-8")
                gr.Markdown(PICTURE_LINE.sub("", FRONT_MATTER.sub("", text)))
