"""The Compare tab: the report's table for our models and its own, live measurements, training.

Notable: our speed is only ever shown as measured on the machine that serves the page, so its
columns are empty until somebody has measured; the result is then there for every visitor.
"""

import time
from collections.abc import Iterator
from html import escape

import gradio as gr
import pandas as pd

from polishgen.bench import PROMPT
from polishgen.language_model import LanguageModel, Score
from polishgen.page.api import TEXT_LIMIT
from polishgen.page.failures import refusal, told_to_visitor
from polishgen.page.figures import (
    ModelFigures,
    our_figures,
    report_figures,
    training_curves,
)
from polishgen.page.inside_tab import PROSE
from polishgen.page.models import COLOURS, models, short_title, title
from polishgen.page.style import REPORT_COLOURS
from polishgen.page.texts import I18N, language_of, number, say
from polishgen.sampling import SAMPLING_PRESETS
from polishgen.tokenizer import SURROGATE

TABLE_WIDTHS = ["180px", "118px", "125px", "120px", "112px", "90px", "105px", "150px", "115px"]
REPORT_SAMPLING = dict(SAMPLING_PRESETS["report"])
# Tokens between two updates of the progress bar.
STEP_TOKENS = 10
# Training starts far above all that matters; the first evaluations would flatten the curves.
HIGHEST_LOSS, HIGHEST_BITS = 6.5, 3.2

# Colours of ours and the report's.
PAIR = ("#0072b2", "#a0a0a0")

# tokens/s by model, as last measured by any visitor.
measured_speeds: dict[str, float] = {}


def build(page: gr.Blocks) -> None:
    """Lays the tab out and wires it."""
    gr.Markdown(I18N("compare_intro"))
    table = gr.Dataframe(
        label=I18N("table"),
        interactive=False,
        wrap=True,
        column_widths=TABLE_WIDTHS,
        elem_id="table",
        elem_classes="figures",
        buttons=["copy"],
    )
    gr.Markdown(I18N("compare_notes"), elem_classes="hint")
    with gr.Row():
        bits = gr.BarPlot(
            x="model", y="value", color="who", height=280, elem_id="bits-plot", label=I18N("bits")
        )
        speeds = gr.BarPlot(
            x="model", y="value", color="who", height=280, elem_id="speed-plot", label=I18N("speed")
        )
    gr.Markdown(I18N("measure_intro"))
    tokens = gr.Slider(
        50, 1000, 200, step=50, label=I18N("measure_tokens"), elem_id="measure-tokens"
    )
    with gr.Row():
        measure = gr.Button(I18N("measure"), variant="primary", elem_id="measure")
        halt = gr.Button(I18N("stop_button"), elem_id="measure-stop")
    progress = gr.HTML(elem_id="measure-progress")
    live = gr.Dataframe(
        label=I18N("measured"),
        interactive=False,
        wrap=True,
        elem_id="measured",
        elem_classes="figures",
        buttons=["copy"],
    )
    with gr.Accordion(I18N("prose"), open=False):
        gr.Markdown(PROSE, elem_id="prose")

    gr.Markdown(I18N("curves_intro"))
    with gr.Row():
        against = gr.Radio(axis_choices("en"), value="tokens", label=I18N("against"))
        unit = gr.Radio(unit_choices("en"), value="bits_per_byte", label=I18N("unit"))
        whose = gr.CheckboxGroup(
            whose_choices("en"), value=["ours"], label=I18N("whose"), elem_id="whose"
        )
    curves = gr.LinePlot(
        x="tokens", y="bits_per_byte", color="series", height=380, elem_id="curves"
    )

    gr.Markdown(I18N("own_intro"))
    own = gr.Textbox(
        label=I18N("own_text"),
        info=I18N("own_text_info"),
        lines=4,
        max_lines=10,
        elem_id="own-text",
        html_attributes=gr.InputHTMLAttributes(lang="pl", spellcheck=False),
    )
    judge = gr.Button(I18N("judge"), variant="primary", elem_id="judge")
    judged = gr.Dataframe(
        label=I18N("judged"),
        interactive=False,
        visible=False,
        elem_id="judged",
        elem_classes="figures",
        buttons=["copy"],
    )

    quick = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    slow = {"api_visibility": "private", "concurrency_id": "models"}
    plotted = [against, unit, whose]
    page.load(open_tab, outputs=[table, bits, speeds, live, *plotted, curves], **quick)
    measuring = measure.click(
        measure_all, tokens, [progress, live, table, bits, speeds], show_progress="minimal", **slow
    )
    # Cleared once it is cancelled, lest an update that was on its way shows the bar again.
    halted = halt.click(None, cancels=[measuring], **quick)
    halted.then(lambda: "", outputs=progress, **quick)
    gr.on([control.input for control in plotted], draw_curves, plotted, curves, **quick)
    judge.click(judge_text, own, judged, show_progress="minimal", **slow)


def open_tab(request: gr.Request) -> list:
    """Everything that depends on the visitor's language."""
    language = language_of(request)
    return [
        *overview(language),
        live_table(language, {}),
        gr.Radio(axis_choices(language)),
        gr.Radio(unit_choices(language)),
        gr.CheckboxGroup(whose_choices(language)),
        curves_plot(language, "tokens", "bits_per_byte", ["ours"]),
    ]


def overview(language: str) -> list:
    """The table and the two bar charts."""
    rows = []
    for name, lm in models().items():
        rows.append((title(name), our_figures(lm, measured_speeds.get(name))))
    reference = [(name, report_figures(models()[name].architecture)) for name in models()]
    reference = [(name, figures) for name, figures in reference if figures]
    marked = [(say(language, "row_report", model=title(n)), figures) for n, figures in reference]
    table = gr.Dataframe(
        [table_row(language, label, figures) for label, figures in [*rows, *marked]],
        headers=table_headers(language),
    )
    ours, theirs = say(language, "ours"), say(language, "theirs")
    everybody = []
    for name, (_, figures) in zip(models(), rows, strict=True):
        short = short_title(name)
        everybody.append((short, ours, figures))
        if of_report := report_figures(models()[name].architecture):
            everybody.append((say(language, "row_report", model=short), theirs, of_report))
    return [
        table,
        bar_plot(language, "bits", [(m, w, f.bits_per_byte) for m, w, f in everybody]),
        bar_plot(language, "speed", [(m, w, f.tokens_per_second) for m, w, f in everybody]),
    ]


def table_headers(language: str) -> list[str]:
    """Column headings of the table, most of them the report's."""
    keys = (
        "column_model",
        "column_parameters",
        "column_train_loss",
        "column_val_loss",
        "column_perplexity",
        "column_bits_per_byte",
        "column_real_words",
        "column_seconds",
        "column_speed",
    )
    return [say(language, key) for key in keys]


def table_row(language: str, label: str, figures: ModelFigures) -> list[str]:
    """One model's figures as text; a dash for what was not measured."""

    def shown(value: float | None, digits: int, unit: str = "") -> str:
        return "–" if value is None else number(language, value, digits) + unit

    words = figures.real_words
    percent = "\u00a0%" if language == "pl" else "%"
    return [
        label,
        shown(figures.parameters / 1e6, 2, "M"),
        shown(figures.train_loss, 4),
        shown(figures.val_loss, 4),
        shown(figures.perplexity, 2),
        shown(figures.bits_per_byte, 3),
        shown(None if words is None else 100 * words, 0, percent),
        shown(figures.seconds_1000, 2),
        shown(figures.tokens_per_second, 1),
    ]


def bar_plot(language: str, key: str, values: list[tuple[str, str, float | None]]) -> gr.BarPlot:
    """(model, whose, value) as bars; without a bar where nothing was measured."""
    known = [row for row in values if row[2] is not None]
    colours = dict(zip((say(language, "ours"), say(language, "theirs")), PAIR, strict=True))
    return gr.BarPlot(
        pd.DataFrame(known, columns=["model", "who", "value"]),
        x_title=" ",
        y_title=say(language, f"{key}_axis"),
        color_title=" ",
        color_map=colours,
        sort=[label for label, _, _ in values],
        x_label_angle=-25,
    )


def measure_all(request: gr.Request, n_tokens: int) -> Iterator[list]:
    """Decodes `n_tokens` and scores the shipped page with each model in turn."""
    language = language_of(request)
    library = models()
    steps = len(library) * (n_tokens + STEP_TOKENS)
    done, scores = 0, {}
    for name, lm in library.items():
        started = time.perf_counter()
        for _ in decode(lm, n_tokens):
            done += STEP_TOKENS
            yield [progress_bar(language, name, done / steps), *[gr.skip()] * 4]
        measured_speeds[name] = n_tokens / (time.perf_counter() - started)
        scores[name] = lm.score(PROSE)
        done += STEP_TOKENS
        yield [
            progress_bar(language, name, done / steps) if done < steps else "",
            live_table(language, scores),
            *overview(language),
        ]


def progress_bar(language: str, name: str, done: float) -> str:
    """Which model is being measured, and the share of all that is done.

    Gradio's own progress bar hides once a generator yields, and only a generator can be stopped.
    """
    text = escape(say(language, "measuring", model=title(name)))
    return f'<label>{text} <progress max="1" value="{min(done, 1):.3f}"></progress></label>'


def decode(lm: LanguageModel, n_tokens: int) -> Iterator[None]:
    """Decodes exactly `n_tokens` as the report did; stops for air every `STEP_TOKENS`.

    A document that ends early is followed by another.
    """
    made, seed = 0, 0
    while made < n_tokens:
        left = n_tokens - made
        for _ in lm.stream(PROMPT, max_new_tokens=left, seed=seed, **REPORT_SAMPLING):
            made += 1
            if made % STEP_TOKENS == 0:
                yield
        seed += 1


def live_table(language: str, scores: dict[str, Score]) -> gr.Dataframe:
    """Speeds as measured and scores of the shipped page, as far as there are any."""
    columns = ("model", "speed", "seconds", "prose_ppl", "prose_bpb")
    rows = []
    for name in models():
        if score := scores.get(name):
            speed = measured_speeds[name]
            figures = [
                (speed, 1),
                (1000 / speed, 2),
                (score.perplexity, 2),
                (score.bits_per_byte, 3),
            ]
            rows.append([title(name), *(number(language, *figure) for figure in figures)])
        else:
            rows.append([title(name), *["–"] * 4])
    return gr.Dataframe(rows, headers=[say(language, f"column_{column}") for column in columns])


def axis_choices(language: str) -> list[tuple[str, str]]:
    """What the curves may be drawn against."""
    return [(say(language, f"axis_{name}"), name) for name in ("tokens", "minutes")]


def unit_choices(language: str) -> list[tuple[str, str]]:
    """What the curves may show."""
    return [(say(language, f"unit_{name}"), name) for name in ("bits_per_byte", "loss")]


def whose_choices(language: str) -> list[tuple[str, str]]:
    """Whose curves may be shown."""
    return [(say(language, key), name) for key, name in (("ours", "ours"), ("theirs", "report"))]


def draw_curves(request: gr.Request, against: str, unit: str, whose: list[str]) -> gr.LinePlot:
    """The training curves as chosen."""
    return curves_plot(language_of(request), against, unit, whose)


def curves_plot(language: str, against: str, unit: str, whose: list[str]) -> gr.LinePlot:
    """Held-out loss or bits per byte against tokens or minutes."""
    curves = training_curves()
    highest = HIGHEST_LOSS if unit == "loss" else HIGHEST_BITS
    wanted = curves["ours"].map({True: "ours", False: "report"}).isin(whose)
    shown = curves[wanted & (curves[unit] <= highest) & curves[against].notna()]
    shown = shown.assign(
        series=shown["series"].str.replace("(raport)", say(language, "mark_report"), regex=False)
    )
    colours = {title(name): colour for name, colour in COLOURS.items()} | {
        series.replace("(raport)", say(language, "mark_report")): colour
        for series, colour in REPORT_COLOURS.items()
    }
    present = set(shown["series"])
    return gr.LinePlot(
        shown[["series", against, unit]],
        x=against,
        y=unit,
        color="series",
        x_title=say(language, f"axis_{against}"),
        y_title=say(language, f"unit_{unit}"),
        color_title=" ",
        color_map={series: colour for series, colour in colours.items() if series in present},
        tooltip="all",
    )


def judge_text(request: gr.Request, text: str) -> gr.Dataframe:
    """Perplexity and bits per byte of the visitor's text under each model, best first."""
    language = language_of(request)
    text = SURROGATE.sub("\ufffd", text or "").strip()
    if not text:
        raise refusal(language, "no_text")
    if len(text) > TEXT_LIMIT:
        length, limit = (number(language, n) for n in (len(text), TEXT_LIMIT))
        message = say(language, "text_cut", length=length, limit=limit)
        gr.Warning(message, title=say(language, "note"))
        text = text[:TEXT_LIMIT]
    with told_to_visitor(language):
        scores = {name: lm.score(text) for name, lm in models().items()}
    ranked = sorted(scores.items(), key=lambda item: item[1].bits_per_byte)
    headers = ("column_model", "column_bits_per_byte", "column_perplexity", "column_tokens")
    return gr.Dataframe(
        [
            [
                title(name),
                number(language, score.bits_per_byte, 3),
                number(language, score.perplexity, 2),
                number(language, len(score.tokens)),
            ]
            for name, score in ranked
        ],
        headers=[say(language, key) for key in headers],
        visible=True,
    )
