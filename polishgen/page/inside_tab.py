"""The Look inside tab: surprise token by token, what else was likely, and BDH's neurons.

Notable: handlers keep no results; what was read is cached by model and text, so a click on a token
finds it again, and anything that was dropped is read anew.
"""

from functools import lru_cache
from pathlib import Path

import gradio as gr
import pandas as pd

from polishgen.checkpoint import configured_models
from polishgen.introspection import (
    NeuronActivity,
    ReadToken,
    neuron_activity,
    read_tokens,
    telling_neurons,
)
from polishgen.page.failures import refusal, told_to_visitor
from polishgen.page.models import model_choices, models, title
from polishgen.page.style import FIRING_COLOURS, PAIR, SURPRISE_COLOURS
from polishgen.page.texts import I18N, language_of, name_text, number, say
from polishgen.tokenizer import SURROGATE

PROSE = (Path(__file__).parent / "prose.txt").read_text(encoding="utf-8").strip()
TEXT_LIMIT = 4_000
# Upper borders in bits; a token of 1 bit was as likely as not.
SURPRISE_BORDERS = {"0–2": 2.0, "2–5": 5.0, "5–9": 9.0, "9–13": 13.0, "13+": float("inf")}
FIRING_BORDERS = {"0": 0.0, "–25%": 0.25, "–50%": 0.5, "–75%": 0.75, "–100%": 1.0}
N_ALTERNATIVES = 8


def build(tab: gr.Tab, written: dict[str, gr.Textbox]) -> None:
    """Lays the tab out and wires it; `written` are the Write tab's texts.

    Opening the tab looks at the text that stands there, so that there is something to see.
    """
    gr.Markdown(I18N("inside_intro"))
    text = gr.Textbox(
        "\n\n".join(PROSE.split("\n\n")[:2]),
        label=I18N("inside_text"),
        info=I18N("inside_text_info"),
        lines=5,
        max_lines=12,
        elem_id="inside-text",
        html_attributes=gr.InputHTMLAttributes(lang="pl", spellcheck=False),
    )
    with gr.Row():
        takes = {
            name: gr.Button(
                name_text("take", name), size="sm", elem_id=f"take-{name}", min_width=140
            )
            for name in written
        }
        whole_page = gr.Button(I18N("take_prose"), size="sm", elem_id="take-prose", min_width=140)
    chosen = gr.CheckboxGroup(
        model_choices(),
        value=list(configured_models()),
        label=I18N("inside_models"),
        elem_id="inside-models",
    )
    look = gr.Button(I18N("look"), variant="primary", elem_id="look")
    looked = gr.State("")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            readings = {name: build_reading(name) for name in configured_models()}
        with gr.Column(scale=1, min_width=260, elem_classes="beside"):
            where = gr.Markdown(I18N("alternatives_hint"), elem_id="alternatives-of")
            alternatives = gr.Label(
                label=I18N("alternatives"),
                num_top_classes=N_ALTERNATIVES,
                show_heading=False,
                elem_id="alternatives",
            )
    quick = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    slow = {"show_progress": "minimal", "api_visibility": "private", "concurrency_id": "models"}
    for name, button in takes.items():
        button.click(take_text, written[name], text, **quick)
    whole_page.click(lambda: PROSE, outputs=text, **quick)
    marked = [part for name in readings for part in readings[name]]
    looking = gr.on([tab.select, look.click], read, [text, chosen], [looked, *marked], **slow)
    for name, (_, highlighted) in readings.items():
        highlighted.select(
            alternatives_for(name), looked, [where, alternatives], **slow, trigger_mode="multiple"
        )
    bdh = next((n for n in configured_models() if models()[n].architecture == "bdh"), None)
    if bdh:
        build_neurons(bdh, looked, looking)


def build_reading(name: str) -> tuple[gr.Markdown, gr.HighlightedText]:
    """Heading and coloured text of one model."""
    heading = gr.Markdown(f"### {title(name)}", elem_id=f"reading-{name}")
    highlighted = gr.HighlightedText(
        label=I18N("surprise"),
        color_map=SURPRISE_COLOURS,
        show_legend=True,
        show_inline_category=False,
        show_whitespaces=True,
        elem_id=f"surprise-{name}",
        elem_classes="paper",
    )
    return heading, highlighted


def build_neurons(name: str, looked: gr.State, looking: gr.events.Dependency) -> None:
    """The part about BDH's neurons."""
    with gr.Accordion(I18N("neurons"), open=True, elem_id="neurons"):
        gr.Markdown(I18N("neurons_intro"))
        with gr.Row():
            shares = gr.BarPlot(
                x="layer",
                y="share",
                color="kind",
                y_lim=[0, 1],
                height=260,
                label=I18N("neuron_shares"),
                elem_id="neuron-shares",
            )
            with gr.Column(min_width=300):
                telling = gr.Dropdown(
                    [],
                    label=I18N("telling"),
                    info=I18N("telling_info"),
                    elem_id="telling",
                    allow_custom_value=False,
                )
                config = models()[name].model.config
                with gr.Row():
                    layer = gr.Slider(
                        1,
                        config.n_layers,
                        1,
                        step=1,
                        label=I18N("layer"),
                        elem_id="layer",
                        min_width=120,
                    )
                    neuron = gr.Number(
                        0,
                        precision=0,
                        minimum=0,
                        maximum=config.n_neurons - 1,
                        label=I18N("neuron"),
                        elem_id="neuron",
                        min_width=120,
                    )
        summary = gr.Markdown(elem_id="firing-summary")
        fired = gr.HighlightedText(
            label=I18N("firing"),
            color_map=FIRING_COLOURS,
            show_legend=True,
            show_inline_category=False,
            show_whitespaces=True,
            elem_id="firing",
            elem_classes="paper",
        )
    quiet = {"show_progress": "minimal", "api_visibility": "private", "concurrency_id": "models"}
    found = looking.then(find_neurons(name), looked, [shares, telling, layer, neuron], **quiet)
    picked = telling.input(pick_neuron, telling, [layer, neuron], **quiet)
    show = show_firing(name)
    for trigger in (found.then, picked.then, layer.release, neuron.submit, neuron.blur):
        trigger(show, [looked, layer, neuron], [summary, fired], **quiet)


@lru_cache(maxsize=64)
def reading(name: str, text: str) -> tuple[ReadToken, ...]:
    """How the model `name` reads a text; read once."""
    return tuple(read_tokens(models()[name], text, N_ALTERNATIVES))


@lru_cache(maxsize=2)
def activity_of(name: str, text: str) -> NeuronActivity:
    """BDH's neurons over a text; large, so only the last two are kept."""
    return neuron_activity(models()[name], text)


def take_text(written: str) -> str:
    """The Write tab's text, as far as it is looked at."""
    return written[:TEXT_LIMIT]


def read(request: gr.Request, text: str, names: list[str]) -> list:
    """The text, and for each model its heading and coloured tokens; others are hidden."""
    language = language_of(request)
    text = SURROGATE.sub("\ufffd", text or "").strip()
    if len(text) > TEXT_LIMIT:
        length, limit = (number(language, n) for n in (len(text), TEXT_LIMIT))
        message = say(language, "text_cut", length=length, limit=limit)
        gr.Warning(message, title=say(language, "note"))
        text = text[:TEXT_LIMIT]
    if not names:
        raise refusal(language, "choose_model")
    if not text:
        raise refusal(language, "no_text")
    parts = []
    for name in configured_models():
        if name not in names:
            parts += [gr.Markdown(visible=False), gr.HighlightedText(visible=False)]
            continue
        with told_to_visitor(language):
            tokens = reading(name, text)
        heading = reading_heading(language, name, tokens)
        coloured = [(token.text, bin_of(token.bits, SURPRISE_BORDERS)) for token in tokens]
        parts += [
            gr.Markdown(heading, visible=True),
            gr.HighlightedText(coloured, visible=True),
        ]
    return [text, *parts]


def reading_heading(language: str, name: str, tokens: tuple[ReadToken, ...]) -> str:
    """The model, its bits per byte on the text, and the token that it saw coming least."""
    n_bytes = sum(len(token.text.encode()) for token in tokens)
    hardest = max(tokens, key=lambda token: token.bits)
    figures = say(
        language,
        "reading_figures",
        bits_per_byte=number(language, sum(token.bits for token in tokens) / n_bytes, 2),
        hardest=visible(hardest.text),
        bits=number(language, hardest.bits, 1),
    )
    return f"### {title(name)}\n{figures}"


def bin_of(value: float, borders: dict[str, float]) -> str:
    """The name of the first border that `value` does not pass."""
    return next(name for name, border in borders.items() if value <= border)


def visible(token: str) -> str:
    """A token as inline code, its spaces and line ends shown, nothing in it taken for Markdown."""
    shown = token.replace(" ", "␣").replace("\n", "⏎").replace("\r", "⏎").replace("\t", "⇥")
    return f"`{shown}`" if "`" not in shown else f"`` {shown} ``"


def alternatives_for(name: str):
    """The handler of a click on a token as the model `name` read it."""

    def show(request: gr.Request, text: str, event: gr.SelectData) -> tuple[str, dict[str, float]]:
        language = language_of(request)
        token = reading(name, text)[event.index]
        where = say(
            language,
            "alternatives_of",
            model=title(name),
            token=visible(token.text),
            bits=number(language, token.bits, 1),
            rank=number(language, token.rank),
        )
        # Two tokens may look the same, if they are parts of characters.
        shown: dict[str, float] = {}
        for text_of, probability in token.alternatives:
            label = text_of.replace(" ", "␣").replace("\n", "⏎")
            shown[label] = shown.get(label, 0.0) + probability
        return where, shown

    return show


def find_neurons(name: str):
    """The handler that fills in BDH's shares and its telling neurons after a text was read."""

    def find(request: gr.Request, text: str) -> list:
        if not text:
            return [gr.skip()] * 4
        language = language_of(request)
        activity = activity_of(name, text)
        pairs = zip(activity.active, activity.firing_share, strict=True)
        held = [active - firing for active, firing in pairs]
        rows = [
            (str(index + 1), say(language, kind), share)
            for kind, values in (
                ("kind_firing", activity.firing_share),
                ("kind_held", held),
            )
            for index, share in enumerate(values)
        ]
        plot = gr.BarPlot(
            pd.DataFrame(rows, columns=["layer", "kind", "share"]),
            x_title=say(language, "layer"),
            y_title=say(language, "share_of_neurons"),
            color_title=" ",
            color_map=dict(
                zip((say(language, "kind_firing"), say(language, "kind_held")), PAIR, strict=True)
            ),
        )
        choices = [
            (
                say(
                    language,
                    "telling_choice",
                    layer=found.layer + 1,
                    neuron=found.neuron,
                    text=found.text,
                    share=number(language, 100 * found.share),
                ),
                f"{found.layer},{found.neuron}",
            )
            for found in telling_neurons(activity)
        ]
        first = choices[0][1] if choices else None
        layer, neuron = pick_neuron(first) if first else (1, 0)
        return [plot, gr.Dropdown(choices, value=first), layer, neuron]

    return find


def pick_neuron(choice: str) -> tuple[int, int]:
    """Layer (from 1) and neuron of a choice."""
    layer, neuron = choice.split(",")
    return int(layer) + 1, int(neuron)


def show_firing(name: str):
    """The handler that colours the text by how strongly a neuron fires."""

    def show(request: gr.Request, text: str, layer: int, neuron: int) -> list:
        if not text:
            return [gr.skip()] * 2
        language = language_of(request)
        activity = activity_of(name, text)
        values = activity.firing[int(layer) - 1, :, int(neuron or 0)].tolist()
        # A character's tokens are shown together, with the strongest of them.
        parts, strongest, highest = [], 0.0, max(values)
        for value, token in zip(values, activity.texts, strict=True):
            strongest = max(strongest, value)
            if token:
                level = strongest / highest if highest else 0.0
                parts.append((token, bin_of(level, FIRING_BORDERS)))
                strongest = 0.0
        times = sum(value > 0 for value in values)
        summary = say(
            language,
            "firing_summary",
            layer=int(layer),
            neuron=int(neuron or 0),
            times=number(language, times),
            tokens=number(language, len(values)),
        )
        return [summary, parts]

    return show
