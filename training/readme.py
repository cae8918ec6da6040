"""The evaluation's and the training's parts of README, written from the `metrics.json` files."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from polishgen.checkpoint import METRICS_FILE, bundled_names, find_folder, read_json
from polishgen.errors import PolishgenError
from polishgen.files import write_bytes
from polishgen.language_model import CHORUS
from polishgen.models import TITLES
from polishgen.sampling import SAMPLING_PRESETS, describe

README = Path(__file__).parent.parent / "README.md"
KINDS = {
    "novel": "novels",
    "tale": "tales",
    "drama": "plays",
    "bible": "the Bible",
    "children": "children's books",
    "short_story": "short stories",
    "memoir": "memoirs",
    "essay": "essays",
}
# A model copies if so much more of its text lies in copied spans than of people's.
COPYING_MARGIN = 0.02


def write_readme(path: Path) -> None:
    """Replaces what stands between the markers, the file whole or not at all.

    `PolishgenError` without the markers, or if no bundled model was evaluated.
    """
    folders = [find_folder(name) for name in bundled_names()]
    folders += [folders[0].parent / CHORUS] if folders else []
    files = [folder / METRICS_FILE for folder in folders if (folder / METRICS_FILE).is_file()]
    metrics = {file.parent.name: read_json(file) for file in files}
    metrics = {name: values for name, values in metrics.items() if "evaluation" in values}
    if not metrics:
        raise PolishgenError("no bundled model was evaluated, README stays as it is")
    text = path.read_text(encoding="utf-8")
    text = replace_section(text, "evaluation", evaluation_section(metrics))
    text = replace_section(text, "stages", stages_section(metrics))
    write_bytes(path, text.encode())


def replace_section(text: str, name: str, section: str) -> str:
    """The text with `section` between `<!-- name -->` and `<!-- /name -->`.

    `PolishgenError` if the two are not there once each and in this order.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise PolishgenError(f"README must hold {start} and {end}, once each and in this order")
    before, rest = text.split(start)
    return f"{before}{start}\n{section}\n{end}{rest.split(end)[1]}"


def evaluation_section(metrics: dict[str, dict]) -> str:
    """Tables, what they say about copying, and each model's first sample."""
    evaluation = next(iter(metrics.values()))["evaluation"]
    kinds = kinds_of(metrics)
    parts = [
        "Over held-out documents that no training saw, whole, each from one document boundary and "
        "with its genre's control code; loss and perplexity are those of the novels. Bits per byte "
        "compare across tokenizers; the compressors have read the training text first.",
        table(
            (
                "bits per byte",
                *(KINDS.get(kind, kind) for kind in kinds),
                "loss per token",
                "perplexity",
                "parameters",
            ),
            loss_rows(metrics, kinds),
        ),
        f"Written from {evaluation['prompts']} fixed prompts without a genre, "
        f"{evaluation['new_tokens']} tokens each, seeds from 0. *Real words*: "
        "words of two letters or more that Morfeusz 2 "
        f"(`{evaluation['dictionary']}`) knows as written or in lower case, with Wilson's "
        "95\u00a0% interval, widened by the design effect because the words of one sample hang "
        "together. *Distinct-n*: n-grams of words that differ. *Loop*: words in the longest "
        "stretch that says one phrase over and over. *Words copied*: those in runs of eight or "
        "more that stand in the training text, where names and animals that training exchanges in "
        "tales count as equal. *Texts copied*: passages of which a fifth or more is. *Longest "
        "copy*: words in the longest such run. All but the first are taken from as much text in "
        "every row; people's are means over many such portions of held-out documents.",
        table(("text", "sampling", *FIGURES), text_rows(metrics)),
    ]
    if rows := list(genre_rows(metrics)):
        parts += [
            "The same by genre, from as many prompts each, at the default setting:",
            table(("genre", "text", *FIGURES), rows),
        ]
    parts += [copying_verdict(metrics), *activity(metrics), *first_samples(metrics)]
    return "\n\n".join(textwrap.fill(p, 100) if p[0].isalnum() else p for p in parts)


FIGURES = (
    "real words",
    "distinct-2",
    "distinct-3",
    "loop",
    "words copied",
    "texts copied",
    "longest copy",
)


def kinds_of(metrics: dict[str, dict]) -> list[str]:
    """Kinds of held-out documents, in the order in which they were measured."""
    return list(next(iter(metrics.values()))["held_out"])


def stages_section(metrics: dict[str, dict]) -> str:
    """How each checkpoint came about, by the stages that its `metrics.json` lists."""
    rows = (
        (title(name), *stage_cells(stage))
        for name, values in metrics.items()
        for stage in values.get("stages", ())
    )
    return table(("model", "steps", "tokens", "minutes", "command"), rows)


def stage_cells(stage: dict) -> Iterator[str]:
    """Cells of one stage; what an old checkpoint does not know stays empty."""
    yield f"{stage['steps']:,}" if stage.get("steps") else ""
    yield f"{stage['tokens']:,}"
    yield f"{stage['seconds'] / 60:.0f}"
    yield f"`{stage['command']}`" if stage.get("command") else "not recorded"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, all but the first column to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def loss_rows(metrics: dict[str, dict], kinds: Sequence[str]) -> Iterator[Sequence[str]]:
    """A row per model, then the compressors."""
    for name, values in metrics.items():
        yield (
            title(name),
            *(f"{values['held_out'][kind]['bits_per_byte']:.3f}" for kind in kinds),
            f"{values['held_out_loss']:.3f}",
            f"{values['perplexity']:.1f}",
            f"{values['parameters']:,}",
        )
    compressors = next(iter(metrics.values()))["evaluation"]["compressors"]
    for name, bits in sorted(compressors.items(), key=lambda row: row[1]):
        yield name, f"{bits:.3f}", *[""] * (len(kinds) + 2)


def text_rows(metrics: dict[str, dict]) -> Iterator[Sequence[str]]:
    """People's text, each model at each preset, and the report's samples."""
    human = next(iter(metrics.values()))["evaluation"]["human"]
    yield "held-out novels", "", *figure_cells(human)
    for name, values in metrics.items():
        for preset, figures in values["evaluation"]["presets"].items():
            yield title(name), preset_label(preset), *figure_cells(figures)
    for name, values in metrics.items():
        if report := values["evaluation"].get("report"):
            cell = share_cell(report["real_words"])
            yield f"the report's {title(name)}", preset_label("report"), cell, *[""] * 6


def genre_rows(metrics: dict[str, dict]) -> Iterator[Sequence[str]]:
    """For each genre, people's text and each model's."""
    for genre, human in next(iter(metrics.values()))["evaluation"]["human_by_genre"].items():
        yield genre, "held-out documents", *figure_cells(human)
        for name, values in metrics.items():
            if figures := values["evaluation"]["genres"].get(genre):
                yield genre, title(name), *figure_cells(figures)


def figure_cells(figures: dict) -> Iterator[str]:
    """Cells of one text's figures."""
    yield share_cell(figures["real_words"])
    yield f"{figures['distinct_2']:.3f}"
    yield f"{figures['distinct_3']:.3f}"
    yield f"{figures['longest_loop']:.3g}"
    yield f"{100 * figures['copied_words']:.2f} %"
    yield f"{figures['copied_texts']:.3g}"
    yield f"{figures['longest_copied_span']:.3g}"


def share_cell(real_words: dict) -> str:
    """A share with its interval, in per cent."""
    low, high = 100 * real_words["low"], 100 * real_words["high"]
    return f"{100 * real_words['share']:.1f} % ({low:.1f}–{high:.1f})"


def preset_label(preset: str) -> str:
    """A preset's name and what makes it."""
    return f"{preset} ({describe(SAMPLING_PRESETS[preset])})"


def copying_verdict(metrics: dict[str, dict]) -> str:
    """Says plainly whether some model writes what it has read."""
    copying = []
    for name, values in metrics.items():
        evaluation = values["evaluation"]
        rows = [
            (f"{title(name)} at {preset_label(preset)}", figures, evaluation["human"])
            for preset, figures in evaluation["presets"].items()
        ] + [
            (f"{title(name)} in genre {genre}", figures, evaluation["human_by_genre"][genre])
            for genre, figures in evaluation.get("genres", {}).items()
            if genre in evaluation["human_by_genre"]
        ]
        copying += [
            label
            for label, figures, human in rows
            if figures["copied_texts"] > math.ceil(human["copied_texts"])
            or figures["copied_words"] > human["copied_words"] + COPYING_MARGIN
        ]
    margin = f"{100 * COPYING_MARGIN:g} points more of the words, or more texts, than people's"
    if copying:
        return f"Copied from the training text ({margin}): {', '.join(copying)}."
    return f"No model copies the training text: nowhere {margin}."


def activity(metrics: dict[str, dict]) -> Iterator[str]:
    """How many of BDH's neurons are active, where that was measured."""
    for name, values in metrics.items():
        if shares := values.get("activity"):
            layers = range(1, len(shares["x"]) + 1)
            rows = ((key, *(f"{100 * s:.1f} %" for s in row)) for key, row in shares.items())
            yield f"Share of {title(name)}'s neurons that are active at a token, by layer:"
            yield table(("", *(f"layer {layer}" for layer in layers)), rows)


def first_samples(metrics: dict[str, dict]) -> Iterator[str]:
    """Each model's text for the default prompt, preset and first seed, as a block of plain text."""
    sample = next(iter(metrics.values()))["evaluation"]["first_sample"]
    yield (
        f'What each writes after "{sample["prompt"]}" with the default settings and '
        f"`seed={sample['seed']}`, not picked:"
    )
    for name, values in metrics.items():
        sample = values["evaluation"]["first_sample"]
        yield f"**{title(name)}**\n\n{text_block(sample['prompt'] + sample['text'])}"


def text_block(text: str) -> str:
    """A code block of plain text; a model may write anything, even what would end the block."""
    text = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    lines = text.replace("```", "'''").split("\n")
    return "```text\n" + "\n".join(textwrap.fill(line, 100) for line in lines) + "\n```"


def title(name: str) -> str:
    """A model's name as a reader knows it."""
    return "together" if name == CHORUS else TITLES.get(name, name)
