"""The evaluation's part of README, written anew from the checkpoints' `metrics.json`."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from polishgen.checkpoint import METRICS_FILE, bundled_names, find_folder, read_json
from polishgen.errors import PolishgenError
from polishgen.sampling import SAMPLING_PRESETS, describe

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- evaluation -->", "<!-- /evaluation -->"
TITLES = {"gru": "GRU", "transformer": "Transformer", "bdh": "BDH"}
# A model copies if it has this much more of the training text's 8-grams than human text has.
COPYING_MARGIN = 0.02


def write_readme(path: Path) -> None:
    """Replaces what stands between the markers, the file whole or not at all.

    `PolishgenError` without the markers, or if no bundled model was evaluated.
    """
    metrics = {name: read_json(find_folder(name) / METRICS_FILE) for name in bundled_names()}
    metrics = {name: values for name, values in metrics.items() if "evaluation" in values}
    if not metrics:
        raise PolishgenError("no bundled model was evaluated, README stays as it is")
    partial = path.with_suffix(".partial")
    text = path.read_text(encoding="utf-8")
    partial.write_text(replace_section(text, evaluation_section(metrics)), encoding="utf-8")
    partial.replace(path)


def replace_section(text: str, section: str) -> str:
    """The text with `section` between the markers; `PolishgenError` if they are not there once."""
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise PolishgenError(f"README must hold {START} and {END}, once each and in this order")
    before, rest = text.split(START)
    return f"{before}{START}\n{section}\n{END}{rest.split(END)[1]}"


def evaluation_section(metrics: dict[str, dict]) -> str:
    """Tables, what they say about copying, and each model's first sample."""
    evaluation = next(iter(metrics.values()))["evaluation"]
    parts = [
        "Over all of the held-out novels, every token with at least a whole context of text before "
        "it (but for the very first). Bits per byte compare across tokenizers; the compressors "
        "have read the training text first.",
        table(
            ("", "parameters", "loss a token", "perplexity", "bits per byte"), loss_rows(metrics)
        ),
        f"Written from {evaluation['prompts']} fixed prompts, {evaluation['new_tokens']} tokens "
        "each, seeds from 0. *Real words*: "
        "words of two letters or more that Morfeusz 2 "
        f"(`{evaluation['dictionary']}`) knows as written or in lower case, with Wilson's "
        "95\u00a0% interval, widened by the design effect because the words of one sample hang "
        "together. *Distinct-n*: n-grams of words that differ. *Loop*: words in the longest phrase "
        "said over and over. *8-grams copied*: runs of eight words that stand in the training "
        "text. *Longest copy*: words in the longest run that stands there. These five are taken "
        "from as much text in every row; for the held-out novels they are means over many such "
        "portions.",
        table(
            (
                "text",
                "sampling",
                "real words",
                "distinct-2",
                "distinct-3",
                "loop",
                "8-grams copied",
                "longest copy",
            ),
            text_rows(metrics),
        ),
        copying_verdict(metrics),
        *first_samples(metrics),
    ]
    return "\n\n".join(textwrap.fill(p, 100) if p[0].isalnum() else p for p in parts)


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """A Markdown table, all but the first column to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def loss_rows(metrics: dict[str, dict]) -> Iterator[Sequence[str]]:
    """A row a model, then the compressors."""
    for name, values in metrics.items():
        yield (
            title(name),
            f"{values['parameters']:,}",
            f"{values['held_out_loss']:.3f}",
            f"{values['perplexity']:.1f}",
            f"{values['bits_per_byte']:.3f}",
        )
    compressors = next(iter(metrics.values()))["evaluation"]["compressors"]
    for name, bits in sorted(compressors.items(), key=lambda row: row[1]):
        yield name, "", "", "", f"{bits:.3f}"


def text_rows(metrics: dict[str, dict]) -> Iterator[Sequence[str]]:
    """Human text, each model at each preset, and the report's samples."""
    human = next(iter(metrics.values()))["evaluation"]["human"]
    yield "held-out novels", "", *figure_cells(human)
    for name, values in metrics.items():
        for preset, figures in values["evaluation"]["presets"].items():
            yield title(name), preset_label(preset), *figure_cells(figures)
    for name, values in metrics.items():
        if report := values["evaluation"].get("report"):
            cell = share_cell(report["real_words"])
            yield f"the report's {title(name)}", preset_label("report"), cell, *[""] * 5


def figure_cells(figures: dict) -> Iterator[str]:
    """Cells of one text's figures."""
    yield share_cell(figures["real_words"])
    yield f"{figures['distinct_2']:.3f}"
    yield f"{figures['distinct_3']:.3f}"
    yield f"{figures['longest_loop']:.3g}"
    yield f"{100 * figures['copied_8_grams']:.2f} %"
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
    human = next(iter(metrics.values()))["evaluation"]["human"]["copied_8_grams"]
    copying = [
        f"{title(name)} at {preset_label(preset)}"
        for name, values in metrics.items()
        for preset, figures in values["evaluation"]["presets"].items()
        if figures["copied_8_grams"] > human + COPYING_MARGIN
    ]
    margin = f"more than {100 * COPYING_MARGIN:g} points above human text"
    if copying:
        return f"Copied from the training text, {margin} in 8-grams: {', '.join(copying)}."
    return f"No model copies the training text: none has 8-grams of it {margin}."


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
    return TITLES.get(name, name)
