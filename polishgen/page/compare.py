"""The Compare tab: our models and the report's in one table, charts, and measurements at request.

Our speed is only ever shown as measured on the machine that serves the page, so its
column is empty until somebody has measured; the result is then there for every visitor.
"""

import io
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from polishgen.bench import PROMPT
from polishgen.errors import ParameterError
from polishgen.page.figures import (
    ModelFigures,
    our_figures,
    report_figures,
    run_title,
    speed_by_activity,
    training_curves,
)
from polishgen.page.line import Event
from polishgen.page.models import file_of, models, names, single_names, title
from polishgen.page.reading import PROSE, check_reading, neuron_sizes, the_bdh
from polishgen.page.texts import TEXTS, markdown
from polishgen.parameters import check, choice, number
from polishgen.sampling import SAMPLING_PRESETS

JUDGE_TOKENS = 4_000
# Tokens between two updates of the progress bar.
STEP_TOKENS = 10
# Okabe and Ito's colours, which stay apart for colour-blind eyes and on dark and light.
COLOURS = {"gru": "#2a8fd0", "transformer": "#d55e00", "bdh": "#009e73", "chorus": "#b0639e"}
SPARE_COLOURS = ("#b08800", "#7a7a7a", "#56b4e9")
GREY = "#9a9a9a"
PLOTS = ("bits.svg", "speed.svg", "curves.svg", "sparsity.svg", "neurons.svg")
# Training starts far above all that matters; the first evaluations would flatten the curves.
HIGHEST = {"loss": 6.5, "bits_per_byte": 3.2}
# Stands for the colour of the page's text, which matplotlib cannot know.
INK = "#010203"

# Tokens per second by model, as last measured by any visitor.
measured_speeds: dict[str, float] = {}
# matplotlib's settings are the process's.
drawing = Lock()

# A card's front matter, its pictures, which the page does not serve, and links within the card.
LEFT_OUT = re.compile(r"\A---\n.*?\n---\n|^!\[[^\n]*\n", re.DOTALL | re.MULTILINE)


def cards() -> dict[str, str]:
    """The models' cards as HTML, where there are any."""
    files = {name: file_of(name, "README.md") for name in single_names()}
    return {
        name: re.sub(r"<(/?)h(\d)>", lower, markdown(LEFT_OUT.sub("", path.read_text("utf-8"))))
        for name, path in files.items()
        if path
    }


def lower(tag: re.Match) -> str:
    """A heading two levels further down."""
    return f"<{tag[1]}h{min(6, int(tag[2]) + 2)}>"


def pictures() -> dict[str, str]:
    """A drawing of each architecture that has one."""
    folder = Path(__file__).parent / "pictures"
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.svg"))}


def rows() -> list[dict[str, object]]:
    """The table: our models, then the report's."""
    library = models()
    ours = [(name, our_figures(lm, measured_speeds.get(name))) for name, lm in library.items()]
    theirs = [(name, report_figures(library[name].architecture)) for name in single_names()]
    return [row(name, True, figures) for name, figures in ours] + [
        row(name, False, figures) for name, figures in theirs if figures
    ]


def row(name: str, ours: bool, figures: ModelFigures) -> dict[str, object]:
    """One row, None for what was not measured."""
    return {"model": name, "ours": ours, "seconds_1000": figures.seconds_1000} | asdict(figures)


def judge(request: dict) -> Iterator[Event]:
    """Bits per byte and perplexity of the visitor's text under each model, as it is read."""
    text = check_reading(request, JUDGE_TOKENS)

    def work() -> Iterator[Event]:
        for name, lm in models().items():
            for score in lm.score_by_chunks(text):
                figures = {"bits_per_byte": score.bits_per_byte, "perplexity": score.perplexity}
                yield {"model": name, "tokens": len(score.tokens)} | figures

    return work()


def measure(request: dict) -> Iterator[Event]:
    """Decodes some tokens and scores the shipped page with each model in turn, alone."""
    n_tokens = check("tokens", request.get("tokens"), number(int, ge=50, le=1000))

    def work() -> Iterator[Event]:
        for place, name in enumerate(names()):
            seconds = 0.0
            for made, seconds in decode(name, n_tokens):  # noqa: B007
                share = (place + made / n_tokens) / len(names())
                yield {"model": name, "progress": round(share, 3)}
            measured_speeds[name] = n_tokens / seconds
            score = models()[name].score(PROSE)
            yield {
                "model": name,
                "tokens_per_second": measured_speeds[name],
                "perplexity": score.perplexity,
                "bits_per_byte": score.bits_per_byte,
            }
        yield {"rows": rows()}

    return work()


def decode(name: str, n_tokens: int) -> Iterator[tuple[int, float]]:
    """Decodes exactly `n_tokens` as the report did: tokens so far, and seconds of work.

    A document that ends early is followed by another.
    """
    made, seed, seconds = 0, 0, 0.0
    options = dict(SAMPLING_PRESETS["report"])
    while made < n_tokens:
        stream = models()[name].stream(PROMPT, max_new_tokens=n_tokens - made, seed=seed, **options)
        began = time.perf_counter()
        for _ in stream:
            made += 1
            if made % STEP_TOKENS == 0:
                seconds += time.perf_counter() - began
                yield made, seconds
                began = time.perf_counter()
        seconds += time.perf_counter() - began
        seed += 1
    yield made, seconds


def plot(name: str, language: str, query: dict[str, str]) -> str:
    """A chart as SVG; `ParameterError` for a chart or a choice that does not exist."""
    check("plot", name, choice(*PLOTS))
    style = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}
    inks = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
    with drawing, rc_context(style | dict.fromkeys(inks, INK)):
        narrow = "narrow" in query
        wide = name == "curves.svg" and not narrow
        figure = Figure(figsize=(9.0, 4.2) if wide else (4.1, 3.2) if narrow else (5.6, 3.4))
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=GREY, alpha=0.3)
        axes.set_axisbelow(True)
        spell = FuncFormatter(lambda value, _: label_of(language, value))
        axes.yaxis.set_major_formatter(spell)
        if name in ("curves.svg", "sparsity.svg"):
            axes.xaxis.set_major_formatter(spell)
        if name == "curves.svg":
            draw_curves(axes, language, query)
        elif name == "neurons.svg":
            draw_neurons(axes, language, query)
        elif name == "sparsity.svg":
            draw_sparsity(axes, language)
        else:
            draw_bars(axes, language, name.removesuffix(".svg"))
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}
        )
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")


def label_of(language: str, value: float, digits: int | None = None) -> str:
    """A number on a chart as the language writes it, with so many decimals or as many as it has."""
    as_it_is = digits is None and abs(value) < 10_000
    text = f"{value:,.6g}" if as_it_is else f"{value:,.{digits or 0}f}"
    return text.replace(",", "\u00a0").replace(".", ",") if language == "pl" else text


def colour(name: str) -> str:
    """A model's colour, by its architecture."""
    if name in COLOURS:
        return COLOURS[name]
    lm = models().get(name)
    known = COLOURS.get(lm.architecture) if lm else None
    return known or SPARE_COLOURS[len(name) % len(SPARE_COLOURS)]


def draw_bars(axes, language: str, key: str) -> None:
    """Ours and the report's side by side: bits per byte, or tokens per second."""
    texts = TEXTS[language]
    field = {"bits": "bits_per_byte", "speed": "tokens_per_second"}[key]
    table = rows()
    places = {name: index for index, name in enumerate(names())}
    for ours, shift in ((True, -0.2), (False, 0.2)):
        known = [r for r in table if r["ours"] is ours and r[field] is not None]
        if not known:
            continue
        bars = axes.bar(
            [places[r["model"]] + shift for r in known],
            [r[field] for r in known],
            width=0.38,
            color=[colour(r["model"]) if ours else GREY for r in known],
            label=texts["ours" if ours else "theirs"],
        )
        digits = 2 if key == "bits" else 0
        labels = [label_of(language, r[field], digits) for r in known]
        axes.bar_label(bars, labels, padding=2)
    labels = [TEXTS[language].get(name) or title(name) for name in places]
    axes.set_xticks(list(places.values()), [label.replace(" ", "\n") for label in labels])
    axes.tick_params(axis="x", labelsize="small")
    axes.set_xlim(-0.6, len(places) - 0.4)
    axes.set_ylabel(texts[f"{key}_axis"])
    axes.margins(y=0.15)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def draw_curves(axes, language: str, query: dict[str, str]) -> None:
    """Held-out loss or bits per byte against tokens or minutes."""
    texts = TEXTS[language]
    x = check("x", query.get("x", "tokens"), choice("tokens", "minutes"))
    y = check("y", query.get("y", "bits_per_byte"), choice(*HIGHEST))
    whose = check("whose", query.get("whose", "ours"), choice("ours", "report", "both"))
    drawn = 0
    for (name, ours), points in training_curves().items():
        if whose != "both" and ours != (whose == "ours"):
            continue
        shown = [(getattr(p, x), getattr(p, y)) for p in points]
        shown = [(a, b) for a, b in shown if a == a and b == b and b <= HIGHEST[y]]
        if not shown:
            continue
        label = title(name) if ours else f"{run_title(name)} {texts['mark_report']}"
        style = "-" if ours else ("--" if "-" not in name else ":")
        axes.plot(*zip(*shown, strict=True), style, color=colour(name.split("-")[0]), label=label)
        drawn += 1
    axes.set_xlabel(texts[f"axis_{x}"])
    axes.set_ylabel(texts[f"unit_{y}"])
    axes.set_xlim(left=0)
    if drawn:
        axes.legend(frameon=False, loc="upper right")


def draw_sparsity(axes, language: str) -> None:
    """BDH's speed against the share of its neurons that is active, and where ours stands."""
    texts = TEXTS[language]
    shares, speeds = zip(*speed_by_activity(), strict=True)
    axes.plot([100 * share for share in shares], speeds, "o-", color=COLOURS["bdh"])
    active = models()[the_bdh()].metrics.get("activity", {}).get("x") if the_bdh() else None
    if active:
        mean = 100 * sum(active) / len(active)
        axes.axvline(mean, color=GREY, linestyle="--", label=texts["our_bdh"])
        axes.legend(frameon=False, loc="upper right")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(texts["share_of_neurons"])
    axes.set_ylabel(texts["speed_axis"])


def draw_neurons(axes, language: str, query: dict[str, str]) -> None:
    """Shares of active neurons by layer: those that pass something on, and those held back."""
    texts = TEXTS[language]
    active, firing = (shares_by_layer(query, name) for name in ("active", "firing"))
    held = [a - f for a, f in zip(active, firing, strict=True)]
    layers = [str(index + 1) for index in range(len(active))]
    axes.bar(layers, [100 * f for f in firing], color=COLOURS["bdh"], label=texts["kind_firing"])
    axes.bar(
        layers,
        [100 * h for h in held],
        bottom=[100 * f for f in firing],
        color=COLOURS["gru"],
        alpha=0.55,
        label=texts["kind_held"],
    )
    axes.set_ylim(0, max(10, 120 * max(active)))
    axes.set_xlabel(texts["layer"])
    axes.set_ylabel(texts["share_of_neurons"])
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def shares_by_layer(query: dict[str, str], name: str) -> list[float]:
    """A share for each of BDH's layers; `ParameterError` for anything else."""
    sizes, values = neuron_sizes(), query.get(name, "").split(",")
    try:
        if not sizes or len(values) != sizes["layers"]:
            raise ValueError
        return [check(name, float(value), number(float, ge=0, le=1)) for value in values]
    except ValueError as error:
        raise ParameterError(name, query.get(name), "a share from 0 to 1 per layer") from error
