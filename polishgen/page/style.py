"""How the page looks: a theme with the system's own fonts, and what themes do not cover."""

import gradio as gr

from polishgen.page.models import COLOURS

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONOSPACE_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# Gradio's own greys are too light to read on white, and too dark on black.
THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.blue,
    secondary_hue=gr.themes.colors.blue,
    neutral_hue=gr.themes.colors.slate,
    font=SYSTEM_FONTS,
    font_mono=MONOSPACE_FONTS,
).set(
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    block_label_text_color="*neutral_700",
    block_label_text_color_dark="*neutral_200",
    block_title_text_color="*neutral_700",
    block_title_text_color_dark="*neutral_200",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_cancel_background_fill="#b91c1c",
    button_cancel_background_fill_hover="#991b1b",
    button_cancel_background_fill_dark="#b91c1c",
)

# Surprise from none to much: lighter to darker in yellow, orange, red and purple, so that the order
# shows without colours, too. Gradio paints them at half strength under black letters.
SURPRISE_COLOURS = {
    "0–2": "#ffffff00",
    "2–5": "#ffe066",
    "5–9": "#ffa94d",
    "9–13": "#f0593e",
    "13+": "#8f2d8c",
}
FIRING_COLOURS = {
    "0": "#ffffff00",
    "–25%": "#c5e8f7",
    "–50%": "#6cb8e6",
    "–75%": "#2a7fc4",
    "–100%": "#0b3c7d",
}
# The report's runs: its models' colours, lighter.
REPORT_COLOURS = {
    "GRU (raport)": "#8fbfe0",
    "Transformer (raport)": "#f0b088",
    "Transformer 1 (raport)": "#e8cdb8",
    "Dragon Hatchling (raport)": "#8ad0b8",
}
# Two series that belong together.
PAIR = ("#56b4e9", "#009e73")

CSS = """
.gradio-container {
    max-width: min(1200px, 100%) !important; margin: 0 auto;
    overflow: clip !important; /* hidden would keep anything inside from being sticky */
}
.column-text textarea {
    font-family: "Iowan Old Style", "Palatino Linotype", "Noto Serif", Georgia, serif;
    font-size: 1.05rem; line-height: 1.55;
}
.model-column { border-top: 4px solid var(--model-colour); padding-top: 0.5rem; }
.model-column h3 { margin: 0; }
.model-header { min-height: 7.2rem; }
@media (max-width: 950px) { .model-header { min-height: 0; } }
table, table input { font-family: var(--font) !important; }
.paper .textfield {
    background: #fff; color: #000; border-radius: var(--radius-md); padding: 0.75rem;
    font-family: "Iowan Old Style", "Palatino Linotype", "Noto Serif", Georgia, serif;
    font-size: 1.05rem; line-height: 1.8; max-height: 26rem; overflow-y: auto;
}
.paper .legend {
    background: #fff; border-radius: var(--radius-md); padding: 0.4rem 0.75rem;
    margin-bottom: 0.4rem; gap: 0.3rem;
}
.paper .legend-item { color: #000 !important; }
.paper .token-container, .paper .token, .paper .text { margin: 0 !important; }
.paper .token { padding: 2px 0 !important; border-radius: 2px; }
.paper .token[role="button"]:hover, .paper .token:focus-visible { outline: 2px solid #1d4ed8; }
.beside { position: sticky; top: 1rem; align-self: flex-start; }
@media (max-width: 700px) {
    .column-text textarea { height: 11rem !important; }
    .beside {
        top: auto; bottom: 0; z-index: 5; max-height: 40vh; overflow-y: auto;
        background: var(--body-background-fill); border-top: 1px solid var(--border-color-primary);
    }
}
button[role="tab"][aria-selected="true"] { color: var(--primary-700); }
.dark button[role="tab"][aria-selected="true"] { color: var(--primary-300); }
.figures * { font-family: var(--font) !important; font-variant-numeric: tabular-nums; }
#measure-progress label { display: block; }
#measure-progress progress { width: 100%; accent-color: #2563eb; }
.hint { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
""" + "".join(
    f".model-column.{name} {{ --model-colour: {colour}; }}\n" for name, colour in COLOURS.items()
)
