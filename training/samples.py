"""Writes docs/samples.md: `python -m training.samples`, text of every model for reading.

Every prompt with every model in every genre, at the default settings, seeds 0, 1 and 2, not picked;
and before them first sentences, with the drafts of sentences that are usual and without.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from polishgen.bench import PROMPT
from polishgen.chorus import load_all
from polishgen.command_line import command
from polishgen.drafts import SENTENCE_END
from polishgen.language_model import LanguageModel, load
from polishgen.sampling import DEFAULT_SAMPLING, describe
from training.readme import text_block, title

PAGE = Path(__file__).parent.parent / "docs" / "samples.md"
PROMPTS = (PROMPT, "Wieczorem nad rzeką", "Stary młynarz otworzył drzwi i")
GENRES = ("tale", "novel", "scripture")
SEEDS = range(3)
# Of first sentences, which are short.
MANY_SEEDS = range(200, 220)


def page(models: dict[str, LanguageModel]) -> Iterator[str]:
    """The page's parts, a sample each."""
    seeds = ", ".join(map(str, SEEDS))
    yield "# Samples"
    yield (
        f"What each model writes with the default settings ({describe(DEFAULT_SAMPLING)}, 200 "
        f"tokens), seeds {seeds}, not picked. `python -m training.samples` writes this page."
    )
    yield "## First sentences"
    yield (
        f"After “{PROMPT}”, genre tale, seeds {MANY_SEEDS[0]} to {MANY_SEEDS[-1]}: as usual, and "
        "with one draft of each sentence."
    )
    for name, lm in models.items():
        genre = GENRES[0] if GENRES[0] in lm.tokenizer.genres else None
        yield f"**{title(name)}**"
        yield "\n".join(
            ["| seed | as usual | one draft |", "|---:|---|---|"]
            + [
                f"| {seed} | {first_sentence(lm, seed, genre)} "
                f"| {first_sentence(lm, seed, genre, drafts=1)} |"
                for seed in MANY_SEEDS
            ]
        )
    for genre in GENRES:
        yield f"## Genre: {genre}"
        for prompt in PROMPTS:
            yield f"### {prompt}"
            for name, lm in models.items():
                yield f"**{title(name)}**"
                known = genre if genre in lm.tokenizer.genres else None
                for seed in SEEDS:
                    yield text_block(prompt + lm.generate(prompt, seed=seed, genre=known))


def first_sentence(lm: LanguageModel, seed: int, genre: str | None, **sampling: object) -> str:
    """What the model writes after `PROMPT` until a sentence ends, in one line."""
    text = ""
    for piece in lm.stream(PROMPT, seed=seed, genre=genre, **sampling):
        text += piece.text
        if SENTENCE_END.search(text.lstrip()):
            break
    return " ".join(text.split())


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser("training.samples", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", help="names or folders (all that are bundled, and the chorus)"
    )
    parser.add_argument("--out", type=Path, default=PAGE, help="file to write (docs/samples.md)")
    options = parser.parse_args(arguments)
    models = [load(name) for name in options.models] if options.models else load_all()
    options.out.write_text(
        "\n\n".join(page({lm.name: lm for lm in models})) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
