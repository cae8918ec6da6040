"""The About tab: what the three models are, where they come from, what they are not for."""

from pathlib import Path

import gradio as gr

from polishgen.page.models import TITLES
from polishgen.page.texts import I18N

PICTURES = Path(__file__).parent / "pictures"


def build() -> None:
    """Lays the tab out; there is nothing to wire."""
    gr.Markdown(I18N("about_three"))
    with gr.Row():
        for name in TITLES:
            with gr.Column(min_width=280, elem_classes=["model-column", name]):
                gr.HTML((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))
                gr.Markdown(I18N(f"plain_{name}"))
    gr.Markdown(I18N("about_more"), elem_classes="prose-width")
