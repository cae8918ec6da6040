"""Evaluates the checkpoints: `python -m training.evaluate`.

Measures each model, and all of them together, on held-out documents of every kind and on samples
from fixed prompts and seeds. Writes the figures into each `metrics.json` and model card and into
README. Every figure that speaks of generated text stands beside the same figure for
people's text of the same genre, from the held-out documents.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from polishgen.bench import PROMPT
from polishgen.checkpoint import BUNDLED, METRICS_FILE, bundled_names, is_bundled, read_json
from polishgen.chorus import Chorus, load_all
from polishgen.command_line import command
from polishgen.errors import PolishgenError
from polishgen.files import write_json
from polishgen.introspection import active_shares
from polishgen.language_model import CHORUS, LanguageModel, load
from polishgen.sampling import DEFAULT_PRESET, SAMPLING_PRESETS
from training.corpus.summary import DEFAULT_FOLDER
from training.measures.compressors import compressor_rows
from training.measures.held_out import (
    MAIN_KIND,
    CorpusTexts,
    measure_chorus,
    measure_kinds,
    read_corpus,
)
from training.measures.real_words import (
    REPORT_COUNTS,
    clustered_share,
    dictionary,
    real_word_share,
)
from training.measures.samples import (
    GENRE_PROMPTS,
    NEW_TOKENS,
    PROMPTS,
    Sample,
    first_sample,
    generate_samples,
)
from training.measures.text_figures import (
    TextFigures,
    all_figures,
    comparable,
    human_sets,
    mean_figures,
)
from training.memory import keep_freed_memory
from training.model_card import write_card
from training.readme import README, write_readme

MIN_WORDS = 2000
SPEED_TEXTS = 3
# Of held-out text, for the shares of BDH's neurons that are active.
ACTIVITY_TOKENS = 4096

# What a set of samples is of: a genre (None: without its control code) and a sampling preset.
SetName = tuple[str | None, str]


@dataclass(frozen=True)
class Measured:
    """A model, its loss on held-out documents by kind, and its sets of samples."""

    lm: LanguageModel
    held_out: dict[str, dict]
    samples: dict[SetName, list[Sample]]


def held_out_losses(
    lms: Sequence[LanguageModel], corpus: CorpusTexts, keep: bool
) -> list[dict[str, dict]]:
    """Each model's losses by kind; a chorus is read once, together with its models."""
    together = {}
    for lm in lms:
        if isinstance(lm.model, Chorus) and not (keep and models_stand(lm)):
            parts = (*lm.model.models, lm.model)
            together |= zip(parts, measure_chorus(lm, corpus), strict=True)
    return [together.get(lm.model) or measure_kinds(lm, corpus, keep) for lm in lms]


def models_stand(chorus: LanguageModel) -> bool:
    """Whether the bundled models are still those that the chorus was measured with."""
    losses = losses_of_bundled()
    return None not in losses.values() and chorus.metrics.get("models") == losses


def losses_of_bundled() -> dict[str, float | None]:
    """Held-out loss of each bundled model by name, None of those that were not measured."""
    files = {name: BUNDLED / name / METRICS_FILE for name in bundled_names()}
    return {
        name: read_json(file).get("held_out_loss") if file.is_file() else None
        for name, file in files.items()
    }


def measure(lm: LanguageModel, held_out: dict[str, dict]) -> Measured:
    """Samples a model whose losses are known, and tells how long that took."""
    started = time.perf_counter()
    bits = ", ".join(f"{kind} {loss['bits_per_byte']:.3f}" for kind, loss in held_out.items())
    print(f"{lm.name}: bits per byte: {bits}", flush=True)
    samples = {
        (genre, preset): generate_samples(
            lm,
            SAMPLING_PRESETS[preset],
            GENRE_PROMPTS[genre] if genre else PROMPTS,
            MIN_WORDS,
            NEW_TOKENS,
            genre,
        )
        for genre, preset in set_names(lm)
    }
    count, seconds = sum(map(len, samples.values())), time.perf_counter() - started
    print(f"{lm.name}: {count} samples ({seconds:.0f} s)", flush=True)
    return Measured(lm, held_out, samples)


def set_names(lm: LanguageModel) -> list[SetName]:
    """Every preset without a genre, and every genre at the default setting."""
    genres = [genre for genre in GENRE_PROMPTS if genre in lm.tokenizer.genres]
    return [(None, preset) for preset in SAMPLING_PRESETS] + [(g, DEFAULT_PRESET) for g in genres]


def decoding_speed(lm: LanguageModel) -> float:
    """Tokens per second on this machine, without drafts: the median over a few texts."""
    rates = []
    for seed in range(SPEED_TEXTS):
        pieces = list(lm.stream(PROMPT, max_new_tokens=NEW_TOKENS, seed=seed, drafts=1))
        rates.append(sum(len(piece.token_ids) for piece in pieces) / pieces[-1].seconds)
    return median(rates)


def human_texts(corpus: CorpusTexts) -> dict[str | None, list[list[list[str]]]]:
    """Sets of people's passages by genre; a genre with too little held-out text is left out."""
    sets: dict[str | None, list] = {None: human_sets(corpus.texts())}
    for genre in GENRE_PROMPTS:
        try:
            sets[genre] = human_sets(corpus.texts(genre))
        except PolishgenError:
            continue
    return sets


def figures_of(real_words: Sequence[Sequence[str]], figures: TextFigures) -> dict:
    """A row of figures for `metrics.json`."""
    return {"real_words": asdict(real_word_share(real_words)), **asdict(figures)}


def evaluate(lms: Sequence[LanguageModel], corpus: CorpusTexts, keep: bool = False) -> None:
    """Measures the models; merges the figures into each one's `metrics.json` and card.

    `keep`: take the loss that stands there already, if it is over this text. `PolishgenError` for
    held-out text too short to compare with.
    """
    human = human_texts(corpus)
    losses = held_out_losses(lms, corpus, keep)
    models = [measure(lm, held_out) for lm, held_out in zip(lms, losses, strict=True)]
    written = [comparable(texts) for model in models for texts in model.samples.values()]
    # The training text is gone through once for all of them.
    figures = iter(
        all_figures([*written, *(s for g in human.values() for s in g)], corpus.training)
    )
    rows = [
        {
            name: figures_of([sample.words for sample in texts], next(figures))
            for name, texts in model.samples.items()
        }
        for model in models
    ]
    human_rows = {
        genre: figures_of(
            [words for each in sets for words in each],
            mean_figures([next(figures) for _ in sets]),
        )
        for genre, sets in human.items()
    }
    shared = {
        "corpus": corpus.digest,
        "dictionary": dictionary(),
        "prompts": len(PROMPTS),
        "new_tokens": NEW_TOKENS,
        "compressors": compressor_rows(corpus),
        "human": human_rows[None],
        "human_by_genre": {genre: row for genre, row in human_rows.items() if genre},
    }
    for model, sets in zip(models, rows, strict=True):
        evaluation = {
            **shared,
            "presets": {preset: row for (genre, preset), row in sets.items() if genre is None},
            "genres": {genre: row for (genre, _), row in sets.items() if genre},
            "first_sample": first_sample(model.lm),
        }
        if counts := REPORT_COUNTS.get(model.lm.architecture):
            evaluation["report"] = {"real_words": asdict(clustered_share([counts]))}
        main = model.held_out[MAIN_KIND]
        measured = {
            "parameters": model.lm.parameters,
            "tokens_per_second": round(decoding_speed(model.lm), 1),
            "held_out_loss": main["loss"],
            "perplexity": main["perplexity"],
            "bits_per_byte": main["bits_per_byte"],
            "held_out_tokens": main["tokens"],
            "held_out_bytes": main["bytes"],
            "held_out": model.held_out,
            "evaluation": evaluation,
        }
        tokens = model.lm.tokenizer.encode(corpus.texts()[0])[:ACTIVITY_TOKENS]
        if shares := active_shares(model.lm, model.lm.tokenizer.decode(tokens)):
            measured["activity"] = shares
        if model.lm.folder:
            write_json(model.lm.folder / METRICS_FILE, model.lm.metrics | measured)
            write_card(model.lm.folder)
        else:
            # The chorus has no weights of its own, so nothing of it but this is kept.
            (BUNDLED / CHORUS).mkdir(exist_ok=True)
            measured["models"] = losses_of_bundled()
            write_json(BUNDLED / CHORUS / METRICS_FILE, measured)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser("training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", help="names or folders (all that are bundled, and the chorus)"
    )
    parser.add_argument("--data", default=DEFAULT_FOLDER, help="prepared corpus (%(default)s)")
    parser.add_argument(
        "--keep-loss",
        action="store_true",
        help="keep the loss that metrics.json has for the same text, which is most of the work; "
        "a chorus is read anew, and its models with it, if the loss of one of them has changed",
    )
    options = parser.parse_args(arguments)
    keep_freed_memory()
    models = [load(name) for name in options.models] if options.models else load_all()
    evaluate(models, read_corpus(options.data), options.keep_loss)
    if any(lm.folder is None or is_bundled(lm.folder) for lm in models):
        write_readme(README)


if __name__ == "__main__":
    sys.exit(main())
