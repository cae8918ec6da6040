"""The text that models are compared on, and the loss over it.

Every model is measured on the same text, tokenised by its own tokenizer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polishgen.evaluation import text_loss
from polishgen.language_model import LanguageModel
from training.corpus.cleaning import Document
from training.corpus.summary import load_summary

# As the training's export names them in metrics.json.
LOSS_FIELDS = (
    "held_out_loss",
    "perplexity",
    "bits_per_byte",
    "held_out_tokens",
    "held_out_bytes",
)


@dataclass(frozen=True)
class CorpusTexts:
    """Texts of both splits of a prepared corpus, a string a document, and the corpus's digest."""

    training: list[str]
    held_out: list[str]
    digest: str


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
        read_texts(folder / "train.jsonl"), read_texts(folder / "val.txt.jsonl"), digest
    )


def measure_loss(lm: LanguageModel, texts: Sequence[str]) -> dict[str, float]:
    """`LOSS_FIELDS` over all of the texts, none of which may hold a lone surrogate."""
    result = text_loss(lm.model, lm.tokenizer, texts)
    values = (result.loss, result.perplexity, result.bits_per_byte, result.tokens, result.n_bytes)
    return dict(zip(LOSS_FIELDS, values, strict=True))


def kept_loss(lm: LanguageModel, texts: Sequence[str]) -> dict[str, float] | None:
    """`LOSS_FIELDS` as the training's export measured them; None if not on as much text."""
    size = sum(len(text.encode()) for text in texts)
    kept = {name: lm.metrics[name] for name in LOSS_FIELDS if name in lm.metrics}
    return kept if len(kept) == len(LOSS_FIELDS) and kept["held_out_bytes"] == size else None
