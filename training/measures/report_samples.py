"""Real words in the samples of the report that the project started from.

Its text is no part of the repository: it is read from `seed/` in `../shared` (or
`POLISHGEN_SHARED`) if it lies there, and otherwise the counts stand that were taken from it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from training.measures.real_words import Share, clustered_share, real_word_share
from training.measures.words import words_of

SHARED = Path(os.environ.get("POLISHGEN_SHARED", Path(__file__).parents[3] / "shared"))
NAMES = {"gru": "gru", "transformer": "transformer", "dragon hatchling": "bdh"}
# (real words, words) in the last sample that the report shows of each model.
COUNTED = {"gru": (76, 209), "transformer": (212, 384), "bdh": (82, 157)}
CAPTION = "Sample generation:"


def report_shares(folder: Path = SHARED / "seed") -> dict[str, Share]:
    """Share of real words per model of the report, counted anew if the report is there."""
    reports = sorted(folder.glob("*.txt"))
    if not reports:
        return {name: clustered_share([counts]) for name, counts in COUNTED.items()}
    samples = dict(find_samples(reports[0].read_text(encoding="utf-8")))
    return {name: real_word_share([words_of(text)]) for name, text in samples.items()}


def find_samples(markdown: str) -> Iterator[tuple[str, str]]:
    """(model, text) of every code block without a language, by the heading or bold line above."""
    model, block = None, None
    for line in markdown.splitlines():
        if line.startswith("```"):
            if block is not None and block[0] == "```" and model:
                yield model, "\n".join(block[1:]).removeprefix(CAPTION).strip()
            block = [line.strip()] if block is None else None
        elif block is not None:
            block.append(line)
        elif line.startswith(("#", "**")):
            named = re.search("|".join(NAMES), line.lower())
            model = NAMES[named.group()] if named else model
