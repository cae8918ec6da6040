"""Parts of a prepared corpus, or all of it in another tokenizer, for the experiments to read."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polishgen.errors import ParameterError
from polishgen.tokenizer import CL100K, TOKENIZER_FILE, Tokenizer
from training.corpus.bpe import train_bpe
from training.corpus.cleaning import Document, n_bytes
from training.corpus.split import take, take_fraction
from training.corpus.summary import SUMMARY_FILE, load_summary, write_summary
from training.measures.held_out import read_documents
from training.prepare import PrepareConfig, augmented, token_dtype, write_texts, write_tokens

# The author with most training text of those who also have a novel held out.
AUTHOR = "Orzeszkowa, Eliza"
SHARES = {"half": 0.5, "quarter": 0.25}
VOCABULARIES = {"vocabulary-4k": 4_096, "vocabulary-16k": 16_384}


def is_by(document: Document, author: str) -> bool:
    """Whether the document is by `author`; sources add years in brackets to some of the names."""
    return str(document.meta["author"]).split(" (")[0] == author


def choose(documents: Sequence[Document], name: str, author: str) -> list[Document]:
    """The training documents of the subset `name`; `ParameterError` if there are none."""
    if name in SHARES:
        return take_fraction(documents, SHARES[name])
    if name not in ("one-author", "mixed"):
        return list(documents)
    by_author = [document for document in documents if is_by(document, author)]
    if not by_author:
        raise ParameterError("author", author, "an author of the training text")
    size = sum(n_bytes(document.text) for document in by_author)
    # Of short documents it takes several, and the last does not go far beyond.
    return by_author if name == "one-author" else take(documents, size, size / 8)


def prepare_subset(base: Path, out: Path, name: str, author: str = AUTHOR) -> None:
    """Writes the data folder of subset `name` of the prepared corpus `base`, unless it is there.

    Tales come in variants as `training.prepare` makes them by default; all held-out text is kept.
    """
    summary = load_summary(base)
    if (out / SUMMARY_FILE).is_file():
        return
    documents = choose(read_documents(base / "train.jsonl"), name, author)
    held_out = read_documents(base / "val.txt.jsonl")
    out.mkdir(parents=True, exist_ok=True)
    if name == CL100K:
        tokenizer = Tokenizer.cl100k()
    elif name in VOCABULARIES:
        texts = (document.text for document in documents)
        tokenizer = train_bpe(texts, VOCABULARIES[name], tuple(summary.genres))
    else:
        tokenizer = summary.open_tokenizer(base)
    if tokenizer.name != CL100K:
        tokenizer.save(out / TOKENIZER_FILE)
    write_texts(out / "train.jsonl", documents)
    write_texts(out / "val.txt.jsonl", held_out)
    changed = replace(
        summary,
        tokenizer=tokenizer.name,
        genres=list(tokenizer.genres),
        vocab_size=tokenizer.n_vocab,
        dtype=token_dtype(tokenizer.n_vocab),
        train=write_tokens(out / "train.bin", augmented(documents, PrepareConfig()), tokenizer),
        val=write_tokens(out / "val.bin", held_out, tokenizer),
        digest=f"{summary.digest} {name}",
    )
    write_summary(out / SUMMARY_FILE, changed)
