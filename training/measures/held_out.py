"""The text that models are compared on, and the loss over it.

Every model is measured on the same text, tokenised by its own tokenizer.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from polishgen.chorus import pool
from polishgen.evaluation import text_losses
from polishgen.language_model import LanguageModel
from polishgen.tokenizer import Tokenizer
from training.corpus.cleaning import Document
from training.corpus.genres import DEFAULT_KIND
from training.corpus.summary import load_summary

# The kind whose figures stand for the model: earlier ones are over the same five novels.
MAIN_KIND = DEFAULT_KIND


@dataclass(frozen=True)
class CorpusTexts:
    """Texts of the training split, documents of the held-out one, and the corpus's digest."""

    training: list[str]
    held_out: list[Document]
    digest: str

    def kinds(self) -> dict[str, list[Document]]:
        """Held-out documents by kind, the main kind first, then the largest."""
        found: dict[str, list[Document]] = {}
        for document in self.held_out:
            found.setdefault(document.meta.get("kind", MAIN_KIND), []).append(document)
        size = {kind: sum(len(d.text) for d in group) for kind, group in found.items()}
        order = sorted(found, key=lambda kind: (kind != MAIN_KIND, -size[kind]))
        return {kind: found[kind] for kind in order}

    def texts(self, genre: str | None = None) -> list[str]:
        """Held-out texts of a genre; of the main kind for None."""
        if genre is None:
            return [document.text for document in self.kinds()[MAIN_KIND]]
        return [d.text for d in self.held_out if d.meta.get("genre") == genre]


def read_documents(path: Path) -> list[Document]:
    """The documents in a JSON-lines file that `training.prepare` wrote."""
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Document(row.pop("text"), row) for row in rows]


def read_texts(path: Path) -> list[str]:
    """Their texts alone."""
    return [document.text for document in read_documents(path)]


def read_corpus(folder: str | Path) -> CorpusTexts:
    """`PolishgenError` unless the folder is a prepared corpus."""
    folder = Path(folder)
    digest = load_summary(folder).digest
    return CorpusTexts(
        read_texts(folder / "train.jsonl"), read_documents(folder / "val.txt.jsonl"), digest
    )


def measure_kinds(lm: LanguageModel, corpus: CorpusTexts, keep: bool) -> dict[str, dict]:
    """Loss over all held-out documents of each kind, each read with its genre's control code.

    `keep`: take what `metrics.json` has under "held_out", if it is over as much text.
    """
    known = lm.metrics.get("held_out", {}) if keep else {}
    losses = {}
    for kind, documents in corpus.kinds().items():
        size = sum(len(document.text.encode()) for document in documents)
        kept = known.get(kind, {})
        if kept.get("bytes") != size:
            (kept,) = kind_losses([lm.model], lm.tokenizer, documents)
        losses[kind] = kept
    return losses


def measure_chorus(chorus: LanguageModel, corpus: CorpusTexts) -> list[dict[str, dict]]:
    """`measure_kinds` of each model of a chorus and, last, of the chorus, from one reading."""
    models = list(chorus.model.models)
    losses: list[dict[str, dict]] = [{} for _ in (*models, chorus)]
    for kind, documents in corpus.kinds().items():
        rows = kind_losses(models, chorus.tokenizer, documents, pool)
        for of_model, loss in zip(losses, rows, strict=True):
            of_model[kind] = loss
    return losses


def kind_losses(
    models: Sequence[nn.Module],
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    pool: Callable[[Sequence[Tensor]], Tensor] | None = None,
) -> list[dict]:
    """Losses over documents of one kind, and what they are over: see `text_losses`."""
    genre = documents[0].meta.get("genre")
    genre = genre if genre in tokenizer.genres else None
    texts = [document.text for document in documents]
    return [
        {
            "genre": genre,
            "documents": len(documents),
            "loss": result.loss,
            "perplexity": result.perplexity,
            "bits_per_byte": result.bits_per_byte,
            "tokens": result.tokens,
            "bytes": result.n_bytes,
        }
        for result in text_losses(models, tokenizer, texts, genre, pool=pool)
    ]
