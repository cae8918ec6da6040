"""The Write tab: one beginning, a column a model, all columns streaming at once.

Notable: a run is a generator that Gradio asks for the next update and closes when the visitor
presses Stop or leaves; no work is done between two updates, so closing it frees the processor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from urllib.parse import urlsplit, urlunsplit

import gradio as gr

from polishgen.bench import PROMPT
from polishgen.checkpoint import configured_models
from polishgen.page.downloads import write_downloads
from polishgen.page.failures import refusal, told_to_visitor
from polishgen.page.models import model_choices, models, title
from polishgen.page.run_settings import (
    MAX_TOKENS,
    PROMPT_LIMIT,
    RunSettings,
    new_seed,
)
from polishgen.page.texts import I18N, language_of, name_text, number, say
from polishgen.page.turns import Progress, take_turns
from polishgen.parameters import SamplingConfig
from polishgen.sampling import SAMPLING_PRESETS

EXAMPLE_PROMPTS = (
    PROMPT,
    "Stara chata na skraju lasu",
    "Było to w listopadzie",
    "Kochany Bracie! Piszę",
    "— Nie pójdę! — rzekła",
)
DEFAULTS = RunSettings(prompt=PROMPT, models=configured_models() or ("gru",))


@dataclass
class Column:
    """What one model shows."""

    box: gr.Column
    header: gr.Markdown
    text: gr.Textbox
    stats: gr.Markdown


@dataclass
class Controls:
    """The controls, named as `RunSettings`' fields, and the preset."""

    prompt: gr.Textbox
    models: gr.CheckboxGroup
    max_new_tokens: gr.Slider
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    min_p: gr.Slider
    repetition_penalty: gr.Slider
    stop: gr.Textbox
    seed: gr.Number
    preset: gr.Radio

    def settings(self) -> list[gr.components.Component]:
        """What a run takes as inputs."""
        return [component for name, component in vars(self).items() if name != "preset"]

    def sampling(self) -> list[gr.Slider]:
        """What a preset sets, in the order of `SamplingConfig`'s fields."""
        return [getattr(self, name) for name in SamplingConfig.model_fields]


def build(page: gr.Blocks) -> dict[str, gr.Textbox]:
    """Lays the tab out and wires it; returns each model's text for other tabs to read."""
    prompt = gr.Textbox(
        PROMPT,
        label=I18N("prompt"),
        info=I18N("prompt_info"),
        placeholder=I18N("prompt_placeholder"),
        lines=1,
        max_lines=8,
        elem_id="prompt",
        html_attributes=gr.InputHTMLAttributes(lang="pl", spellcheck=False),
    )
    gr.Examples([[text] for text in EXAMPLE_PROMPTS], [prompt], label=I18N("examples"))
    with gr.Row():
        chosen = gr.CheckboxGroup(
            model_choices(),
            value=list(configured_models()),
            label=I18N("models"),
            elem_id="models",
        )
        preset = gr.Radio(
            preset_choices("en"),
            value="balanced",
            label=I18N("preset"),
            elem_id="preset",
        )
    with gr.Row():
        generate = gr.Button(I18N("generate"), variant="primary", elem_id="generate")
        stop = gr.Button(I18N("stop_button"), variant="stop", interactive=False, elem_id="stop")
        more = gr.Button(I18N("continue"), elem_id="continue")
        again = gr.Button(I18N("again"), elem_id="again")
    with gr.Row():
        columns = {name: build_column(name) for name in configured_models()}
    gr.Markdown(I18N("stats_explained"), elem_classes="hint")
    with gr.Accordion(I18N("settings"), open=False, elem_id="settings"):
        controls = Controls(prompt, chosen, *build_settings(), preset)
    with gr.Accordion(I18N("share"), open=False, elem_id="share"):
        link = gr.Textbox(
            label=I18N("link"),
            info=I18N("link_info"),
            interactive=False,
            buttons=["copy"],
            elem_id="link",
        )
        with gr.Row():
            text_file = gr.DownloadButton(
                I18N("download_text"), interactive=False, elem_id="download-text"
            )
            json_file = gr.DownloadButton(
                I18N("download_json"), interactive=False, elem_id="download-json"
            )

    # The last run's settings; rounds that a link asks for; rounds of a run by hand.
    run, queued, one = gr.State(None), gr.State(0), gr.State(1)
    texts = [column.text for column in columns.values()]
    stats = [column.stats for column in columns.values()]
    shown = [*texts, *stats, run]
    kept = [link, text_file, json_file]
    buttons = [generate, stop, more, again]

    quick = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    streaming = {
        "show_progress": "minimal",
        "api_visibility": "private",
        "concurrency_id": "models",
    }
    by_hand = gr.on([generate.click, prompt.submit], set_running, outputs=buttons, **quick)
    with_seed = again.click(run_again, outputs=[controls.seed, *buttons], **quick)
    headers = [column.header for column in columns.values()]
    opened = [*headers, *stats, *vars(controls).values(), queued, *buttons]
    from_link = page.load(open_page, outputs=opened, **quick)
    further = more.click(set_running, outputs=buttons, **quick)
    runs = [
        by_hand.then(write, [*controls.settings(), one], shown, **streaming),
        with_seed.then(write, [*controls.settings(), one], shown, **streaming),
        from_link.then(write, [*controls.settings(), queued], shown, **streaming),
        further.then(write_on, [run, *texts], shown, **streaming),
    ]
    for ended in (*runs, stop.click(None, cancels=runs, **quick)):
        ended.then(finish, [run, *texts], [*buttons, *kept], **quick)

    chosen.change(show_columns, chosen, [c.box for c in columns.values()], **quick)
    preset.input(apply_preset, preset, controls.sampling(), **quick)
    gr.on(
        [slider.input for slider in controls.sampling()],
        matching_preset,
        controls.sampling(),
        preset,
        **quick,
    )
    return {name: column.text for name, column in columns.items()}


def build_column(name: str) -> Column:
    """The column of one model."""
    family = models()[name].architecture
    with gr.Column(min_width=280, elem_classes=["model-column", family]) as box:
        header = gr.Markdown(f"### {title(name)}", elem_classes="model-header")
        text = gr.Textbox(
            label=name_text("text", name),
            lines=16,
            max_lines=16,
            interactive=False,
            buttons=["copy"],
            elem_id=f"text-{name}",
            elem_classes="column-text",
            html_attributes=gr.InputHTMLAttributes(lang="pl", spellcheck=False),
        )
        stats = gr.Markdown(I18N("stats_waiting"), elem_id=f"stats-{name}", elem_classes="stats")
    return Column(box, header, text, stats)


def build_settings() -> list[gr.components.Component]:
    """Length, sampling, stop strings and seed, in the order of `Controls`' fields."""
    ranges = {
        "max_new_tokens": (1, MAX_TOKENS, 1),
        "temperature": (0.0, 2.0, 0.05),
        "top_k": (0, 500, 1),
        "top_p": (0.05, 1.0, 0.01),
        "min_p": (0.0, 1.0, 0.01),
        "repetition_penalty": (0.5, 2.0, 0.05),
    }
    sliders = []
    names = list(ranges)
    for pair in (names[0:2], names[2:4], names[4:6]):
        with gr.Row():
            for name in pair:
                minimum, maximum, step = ranges[name]
                slider = gr.Slider(
                    minimum,
                    maximum,
                    value=getattr(DEFAULTS, name),
                    step=step,
                    label=I18N(name),
                    info=I18N(f"{name}_info"),
                    elem_id=name.replace("_", "-"),
                )
                sliders.append(slider)
    with gr.Row():
        stop = gr.Textbox(
            label=I18N("stop"), info=I18N("stop_info"), lines=2, elem_id="stop-strings"
        )
        seed = gr.Number(
            0, label=I18N("seed"), info=I18N("seed_info"), precision=0, minimum=0, elem_id="seed"
        )
    return [*sliders, stop, seed]


def open_page(request: gr.Request) -> list:
    """Puts the visitor's language, and a run that the address may describe, into the page.

    Before the buttons come the rounds to generate at once: none unless it was such a link.
    """
    language = language_of(request)
    headers = [
        f"### {title(name)}\n"
        + say(language, f"about_{model.architecture}")
        + " "
        + say(language, "parameters", count=number(language, model.parameters / 1e6, 1))
        for name, model in models().items()
    ]
    stats = [say(language, "stats_waiting")] * len(headers)
    presets = gr.Radio(preset_choices(language))
    query = dict(request.query_params)
    if "prompt" not in query:
        # What the visitor may have typed meanwhile stays; only the seed is drawn.
        untouched = [gr.skip()] * (len(fields(Controls)) - 2)
        return [*headers, *stats, *untouched, new_seed(), presets, 0, *buttons_for(running=False)]
    with told_to_visitor(language):
        settings = RunSettings.from_query(query)
    values = dict(settings)
    matching = matching_preset(*(values[name] for name in SamplingConfig.model_fields))
    values |= {
        "models": list(settings.models),
        "stop": "\n".join(settings.stop),
        "preset": gr.Radio(preset_choices(language), value=matching),
    }
    shown = [values[field.name] for field in fields(Controls)]
    return [*headers, *stats, *shown, settings.rounds, *buttons_for(running=True)]


def write(request: gr.Request, *values: object) -> Iterator[list]:
    """One run with the controls' values and, last, a number of rounds.

    No rounds: the page was opened without a link to a run, and nothing is to be written.
    """
    language = language_of(request)
    if not values[-1]:
        return
    with told_to_visitor(language):
        settings = settings_from(language, values)
        texts = dict.fromkeys(settings.models, settings.prompt)
        for done in range(settings.rounds):
            current = settings.replace(rounds=done + 1)
            yield from stream(current, texts, language)


def write_on(request: gr.Request, run: dict | None, *shown: str) -> Iterator[list]:
    """One more round of the last run, each model going on from its own text."""
    language = language_of(request)
    if not run:
        raise refusal(language, "nothing_to_continue")
    with told_to_visitor(language):
        settings = RunSettings(**run)
        settings = settings.replace(rounds=settings.rounds + 1)
        texts = dict(zip(configured_models(), shown, strict=True))
        yield from stream(settings, {name: texts[name] for name in settings.models}, language)


def settings_from(language: str, values: Sequence[object]) -> RunSettings:
    """Settings from the controls; tells the visitor where a long prompt had to be cut."""
    names = [f.name for f in fields(Controls) if f.name != "preset"]
    chosen = dict(zip([*names, "rounds"], values, strict=True))
    if not chosen["models"]:
        raise refusal(language, "choose_model")
    prompt = chosen["prompt"] or ""
    if len(prompt) > PROMPT_LIMIT:
        length, limit = (number(language, n) for n in (len(prompt), PROMPT_LIMIT))
        gr.Warning(
            say(language, "prompt_cut", length=length, limit=limit), title=say(language, "note")
        )
        prompt = prompt[-PROMPT_LIMIT:]
    chosen |= {"prompt": prompt, "stop": (chosen["stop"] or "").splitlines()}
    return RunSettings(**chosen)


def stream(settings: RunSettings, texts: dict[str, str], language: str) -> Iterator[list]:
    """Updates of all texts, figures and the run's settings; extends `texts` by what was written."""
    streams = settings.streams(texts)
    written = {}
    yield updates(settings, texts, written, language)
    for written in take_turns(streams):
        yield updates(settings, texts, written, language)
    for name, progress in written.items():
        texts[name] += progress.text


def updates(
    settings: RunSettings,
    texts: Mapping[str, str],
    written: Mapping[str, Progress],
    language: str,
) -> list:
    """Values for every column's text and figures, and for the run."""
    shown, stats = [], []
    for name in configured_models():
        progress = written.get(name, Progress())
        chosen = name in texts
        shown.append(texts[name] + progress.text if chosen else gr.skip())
        stats.append(stats_line(progress, language) if chosen else gr.skip())
    return [*shown, *stats, settings.model_dump()]


def stats_line(progress: Progress, language: str) -> str:
    """Tokens, speed, and the wait for the first token."""
    if not progress.tokens:
        return say(language, "stats_reading")
    line = say(
        language,
        "stats",
        tokens=number(language, progress.tokens),
        speed=number(language, progress.tokens_per_second, 1),
        first=number(language, progress.first_token_seconds * 1000),
    )
    return line + (
        say(language, f"ended_{progress.finish_reason}") if progress.finish_reason else ""
    )


def finish(request: gr.Request, run: dict | None, *shown: str) -> list:
    """After a run: the buttons, the link to it, and its text and JSON as files to download."""
    if not run:
        return [*buttons_for(running=False), gr.skip(), gr.skip(), gr.skip()]
    settings = RunSettings(**run)
    texts = {n: t for n, t in zip(configured_models(), shown, strict=True) if n in settings.models}
    page = urlsplit(request.headers.get("referer", ""))
    link = urlunsplit((page.scheme, page.netloc, page.path, settings.query(), ""))
    text_file, json_file = write_downloads(settings, link, texts)
    return [
        *buttons_for(running=False),
        link,
        gr.DownloadButton(value=str(text_file), interactive=True),
        gr.DownloadButton(value=str(json_file), interactive=True),
    ]


def preset_choices(language: str) -> list[tuple[str, str]]:
    """(shown name, name) of the sampling presets."""
    return [(say(language, f"preset_{name}"), name) for name in SAMPLING_PRESETS]


def apply_preset(name: str) -> list[float]:
    """A preset's values for the sampling controls."""
    return list(dict(SAMPLING_PRESETS[name]).values())


def matching_preset(*sampling: float) -> str | None:
    """The preset that has these values; None if the visitor has made their own."""
    config = SamplingConfig(**dict(zip(SamplingConfig.model_fields, sampling, strict=True)))
    return next((name for name, preset in SAMPLING_PRESETS.items() if preset == config), None)


def show_columns(names: list[str]) -> list:
    """Shows the columns of the chosen models alone."""
    return [gr.Column(visible=name in names) for name in configured_models()]


def buttons_for(running: bool) -> list:
    """Generate, Stop, Continue, Another seed: Stop during a run, the others between runs."""
    return [gr.Button(interactive=on) for on in (not running, running, not running, not running)]


def set_running() -> list:
    """A run begins."""
    return buttons_for(running=True)


def run_again() -> list:
    """A run begins with a seed of its own."""
    return [new_seed(), *buttons_for(running=True)]
