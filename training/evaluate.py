"""Evaluates the checkpoints: `python -m training.evaluate`.

Measures each model on the held-out novels and on samples from fixed prompts and seeds, and writes
the figures into its `metrics.json` and model card and into README. Notable: every figure that
speaks of generated text stands beside the same figure for human text, from the held-out novels.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from polishgen.bench import PROMPT
from polishgen.checkpoint import BUNDLED, METRICS_FILE, bundled_names, find_folder, write_json
from polishgen.errors import PolishgenError
from polishgen.language_model import LanguageModel, load
from polishgen.sampling import SAMPLING_PRESETS
from training.measures.compressors import compressor_rows
from training.measures.held_out import CorpusTexts, kept_loss, measure_loss, read_corpus
from training.measures.real_words import dictionary, real_word_share
from training.measures.report_samples import report_shares
from training.measures.samples import (
    NEW_TOKENS,
    PROMPTS,
    Sample,
    first_sample,
    generate_samples,
)
from training.measures.text_figures import all_figures, comparable, human_sets, mean_figures
from training.memory import keep_freed_memory
from training.model_card import write_card
from training.readme import README, write_readme

MIN_WORDS = 2000
SPEED_TEXTS = 3


@dataclass(frozen=True)
class Measured:
    """A model, its loss under the names of `metrics.json`, and its samples by preset."""

    folder: Path
    lm: LanguageModel
    loss: dict[str, float]
    samples: dict[str, list[Sample]]


def measure(folder: Path, texts: Sequence[str], keep: bool) -> Measured:
    """Loads, measures and samples a model, and tells how long that took."""
    lm, started = load(folder), time.perf_counter()
    loss = (kept_loss(lm, texts) if keep else None) or measure_loss(lm, texts)
    measured = time.perf_counter()
    bits = f"{loss['bits_per_byte']:.3f} bits per byte"
    print(f"{folder.name}: {bits} ({measured - started:.0f} s)", flush=True)
    samples = generate_samples(lm, SAMPLING_PRESETS, MIN_WORDS, PROMPTS, NEW_TOKENS)
    count, seconds = sum(map(len, samples.values())), time.perf_counter() - measured
    print(f"{folder.name}: {count} samples ({seconds:.0f} s)", flush=True)
    return Measured(folder, lm, loss, samples)


def decoding_speed(lm: LanguageModel) -> float:
    """Tokens a second on this machine: the median over a few texts."""
    rates = []
    for seed in range(SPEED_TEXTS):
        pieces = list(lm.stream(PROMPT, max_new_tokens=NEW_TOKENS, seed=seed))
        rates.append(sum(len(piece.token_ids) for piece in pieces) / pieces[-1].seconds)
    return median(rates)


def evaluate(folders: Sequence[Path], corpus: CorpusTexts, keep: bool = False) -> None:
    """Measures the models in the folders; merges the figures into each `metrics.json` and card.

    `keep`: take the loss that stands there already, if it is over this text. `PolishgenError` for
    a folder without a model, and for held-out text too short to compare with.
    """
    human = human_sets(corpus.held_out)
    models = [measure(folder, corpus.held_out, keep) for folder in folders]
    sets = [comparable(texts) for model in models for texts in model.samples.values()]
    figures = all_figures([*sets, *human], corpus.training)
    generated, human_figures = iter(figures[: len(sets)]), figures[len(sets) :]
    shared = {
        "corpus": corpus.digest,
        "dictionary": dictionary(),
        "prompts": len(PROMPTS),
        "new_tokens": NEW_TOKENS,
        "compressors": compressor_rows(corpus),
        "human": {
            "real_words": asdict(real_word_share([words for each in human for words in each])),
            **asdict(mean_figures(human_figures)),
        },
    }
    report = report_shares()
    for model in models:
        presets = {
            preset: {
                "real_words": asdict(real_word_share([sample.words for sample in texts])),
                **asdict(next(generated)),
            }
            for preset, texts in model.samples.items()
        }
        evaluation = {**shared, "presets": presets, "first_sample": first_sample(model.lm)}
        if model.lm.architecture in report:
            evaluation["report"] = {"real_words": asdict(report[model.lm.architecture])}
        measured = {
            "parameters": model.lm.parameters,
            "tokens_per_second": round(decoding_speed(model.lm), 1),
            **model.loss,
            "evaluation": evaluation,
        }
        write_json(model.folder / METRICS_FILE, model.lm.metrics | measured)
        write_card(model.folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 2 with a message for an error of the user's."""
    parser = argparse.ArgumentParser("training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", help="names or folders (all that are bundled)")
    parser.add_argument(
        "--data", default="runs/data/polish8k", help="prepared corpus (%(default)s)"
    )
    parser.add_argument(
        "--keep-loss",
        action="store_true",
        help="keep the loss that the training's export measured, which is most of the work",
    )
    options = parser.parse_args(arguments)
    keep_freed_memory()
    try:
        folders = [find_folder(name) for name in options.models or bundled_names()]
        evaluate(folders, read_corpus(options.data), options.keep_loss)
        if any(folder.parent == BUNDLED for folder in folders):
            write_readme(README)
    except PolishgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
