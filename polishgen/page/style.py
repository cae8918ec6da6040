"""How the page looks: a theme with the system's own fonts, and what themes do not cover."""

import gradio as gr

from polishgen.page.models import COLOURS

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONOSPACE_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.blue,
    secondary_hue=gr.themes.colors.blue,
    neutral_hue=gr.themes.colors.slate,
    font=SYSTEM_FONTS,
    font_mono=MONOSPACE_FONTS,
)

CSS = """
.gradio-container { max-width: 1200px !important; margin: 0 auto; }
.column-text textarea {
    font-family: "Iowan Old Style", "Palatino Linotype", "Noto Serif", Georgia, serif;
    font-size: 1.05rem; line-height: 1.55;
}
.model-column { border-top: 4px solid var(--model-colour); padding-top: 0.5rem; }
.model-column h3 { margin: 0; }
""" + "".join(
    f".model-column.{name} {{ --model-colour: {colour}; }}\n" for name, colour in COLOURS.items()
)
