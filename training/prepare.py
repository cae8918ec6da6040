"""Makes a corpus ready for training: read, clean, split by document, tokenise, write.

`summary.json` is written last: a folder without it is no corpus.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from polishgen.command_line import add_options, command
from polishgen.errors import PolishgenError
from polishgen.parameters import Float, Int, Record, as_strings
from polishgen.tokenizer import CL100K, GENRES, TOKENIZER_FILE, Tokenizer, read_ranks
from training.corpus.as_typed import as_typed
from training.corpus.bpe import LARGEST, SMALLEST, text_tokens, train_bpe
from training.corpus.cleaning import Document, clean_all, n_bytes
from training.corpus.genres import DEFAULT_KIND, chapters, genre_of, kind_of
from training.corpus.sources import DEFAULT_BASE_URL, DEFAULT_NAME, TALES, read_documents
from training.corpus.split import split_documents, take_fraction, text_hash
from training.corpus.summary import (
    DEFAULT_FOLDER,
    SUMMARY_FILE,
    SplitSummary,
    Summary,
    write_summary,
)
from training.corpus.variation import vary_opening, vary_tale
from training.data import mark_unlearned

POLISH = "polish"
NO_GENRE = "other"
# One document in so many stands without its genre's control code.
UNLABELLED_EVERY = 10
# Under this key of a document's meta: how many of its first characters are as typed.
TYPED = "typed_characters"


class PrepareConfig(Record):
    """What to prepare, and where."""

    source: Annotated[tuple[str, ...], BeforeValidator(as_strings)] = Field(
        (DEFAULT_NAME, TALES),
        min_length=1,
        description="names of SpeakLeash data sets, .jsonl.zst or .jsonl files, folders of .txt "
        "files, or bajki, the tales that come with the code",
    )
    out: str = Field(DEFAULT_FOLDER, description="folder to write")
    tokenizer: str = Field(
        POLISH,
        description="polish trains a BPE on the training split, cl100k_base takes OpenAI's; else a "
        ".tiktoken file, whose first tokens are taken",
    )
    vocab_size: Int = Field(
        8192, ge=SMALLEST, le=LARGEST, description="tokens of a BPE, special ones included"
    )
    genres: bool = Field(
        True, description="put a genre's control code before documents (not with cl100k_base)"
    )
    fraction: Float = Field(
        1.0, ge=0.0001, le=1, description="share of the training text that is kept"
    )
    variants: Int = Field(
        3, ge=0, le=100, description="copies of each training tale with other words and openings"
    )
    typed_share: Float = Field(
        0.3,
        ge=0,
        le=1,
        description="share of training documents whose first words are as people type them; these "
        "words are read, not learned",
    )
    held_out: Float = Field(
        0.05, ge=0.0001, le=0.5, description="share of each kind's text set aside for evaluation"
    )
    seed: Int = Field(4, ge=0, le=2**31 - 1, description="chooses the held-out documents")
    base_url: str = Field(DEFAULT_BASE_URL, description="where SpeakLeash's data sets lie")
    overwrite: bool = Field(False, description="replace a prepared corpus")


def token_dtype(vocab_size: int) -> str:
    """Little-endian numpy type that holds every id, and has its highest bit free for a mark."""
    return "<u2" if vocab_size <= 32_768 else "<u4"


def write_tokens(path: Path, documents: Sequence[Document], tokenizer: Tokenizer) -> SplitSummary:
    """Writes the documents' prefixes and tokens, genre by genre; sizes of what was written."""
    dtype = token_dtype(tokenizer.n_vocab)
    by_genre: dict[str, list[Document]] = {}
    for document in documents:
        by_genre.setdefault(genre_of(document) or NO_GENRE, []).append(document)
    size = tokens = 0
    regions = {}
    with path.open("wb") as file:
        for genre, group in sorted(by_genre.items()):
            start = tokens
            for document in group:
                prefix = tokenizer.prefix(genre_label(document, tokenizer))
                text = tokenizer.encode(document.text)
                ids = np.array([*prefix, *text], dtype=dtype)
                typed = document.text[: document.meta.get(TYPED, 0)]
                mark_unlearned(ids[len(prefix) :][: tokens_over(text, n_bytes(typed), tokenizer)])
                file.write(ids.tobytes())
                tokens += len(ids)
                size += n_bytes(document.text)
            regions[genre] = (start, tokens - start)
    return SplitSummary(len(documents), size, tokens, regions)


def tokens_over(tokens: Sequence[int], size: int, tokenizer: Tokenizer) -> int:
    """How many of the first tokens it takes to cover `size` bytes."""
    count = 0
    while size > 0:
        size -= len(tokenizer.token_bytes(tokens[count]))
        count += 1
    return count


def digest_of(*paths: Path) -> str:
    """Hash of what the files hold."""
    total = blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as file:
            total.update(file_digest(file, "blake2b").digest())
    return total.hexdigest()


def augmented(documents: Sequence[Document], config: PrepareConfig) -> list[Document]:
    """The training documents, tales in variants too, some with first words as typed."""
    written = []
    for document in documents:
        key = text_hash(document, config.seed)
        written.append(document)
        if genre_of(document) == "tale":
            for variant in range(config.variants):
                text = vary_opening(
                    vary_tale(document.text, f"{key} {variant}"), f"{key} {variant}"
                )
                written.append(Document(text, document.meta))
    for place, document in enumerate(written):
        key = f"{place} {text_hash(document, config.seed)}"
        if random.Random(key).random() < config.typed_share:
            text, typed = as_typed(document.text, key)
            written[place] = Document(text, {**document.meta, TYPED: typed})
    return written


def genre_label(document: Document, tokenizer: Tokenizer) -> str | None:
    """The genre that stands before a document: one document in ten goes without, by its hash."""
    genre = genre_of(document)
    untold = int(text_hash(document, 0)[:8], 16) % UNLABELLED_EVERY == 0
    return None if untold or genre not in tokenizer.genres else genre


def write_texts(path: Path, documents: Sequence[Document]) -> None:
    """Writes title, author, kind, genre and text of every document, a JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            row = {key: described(document, key) for key in ("title", "author")}
            row |= {"kind": kind_of(document), "genre": genre_of(document)}
            file.write(json.dumps({**row, "text": document.text}, ensure_ascii=False) + "\n")


def described(document: Document, key: str) -> str:
    """What the source says under `key`, as text that can be written; "" if nothing."""
    return str(document.meta.get(key) or "").encode("utf-8", errors="replace").decode("utf-8")


def label(document: Document) -> str:
    """Author and title, as far as the source gives them."""
    author = described(document, "author").split(" (")[0]
    title = described(document, "title")
    return ": ".join(part for part in (author, title) if part) or text_hash(document, 0)


def make_tokenizer(config: PrepareConfig, train: Sequence[Document]) -> Tokenizer:
    """The tokenizer that `config` asks for; a BPE sees the training split alone."""
    genres = GENRES if config.genres else ()
    if config.tokenizer == POLISH:
        return train_bpe((document.text for document in train), config.vocab_size, genres)
    if config.tokenizer == CL100K:
        return Tokenizer.cl100k()
    ranks = read_ranks(Path(config.tokenizer))
    n_ranks = text_tokens(config.vocab_size, genres)
    return Tokenizer.from_ranks({t: r for t, r in ranks.items() if r < n_ranks}, genres)


def prepare(config: PrepareConfig) -> Summary:
    """Writes the folder `config.out` and returns its summary.

    `train.bin`, `val.bin`: token ids in `dtype`; `train.jsonl`, `val.txt.jsonl`: the clean texts;
    `tokenizer.tiktoken`, for a BPE. `PolishgenError` if the folder is complete already and
    `overwrite` is off, or if the source fails.
    """
    out = Path(config.out)
    if (out / SUMMARY_FILE).exists() and not config.overwrite:
        raise PolishgenError(f"{out} holds a prepared corpus: pass --overwrite to replace it")
    raw = (d for source in config.source for d in read_documents(source, config.base_url))
    documents, rules = clean_all(raw)
    documents = [part for document in documents for part in chapters(document)]
    train, val = split_documents(documents, config.held_out, config.seed)
    train = take_fraction(train, config.fraction)
    tokenizer = make_tokenizer(config, train)
    out.mkdir(parents=True, exist_ok=True)
    (out / SUMMARY_FILE).unlink(missing_ok=True)
    if tokenizer.name != CL100K:
        tokenizer.save(out / TOKENIZER_FILE)
    else:
        (out / TOKENIZER_FILE).unlink(missing_ok=True)
    write_texts(out / "train.jsonl", train)
    write_texts(out / "val.txt.jsonl", val)
    splits = {
        "train": write_tokens(out / "train.bin", augmented(train, config), tokenizer),
        "val": write_tokens(out / "val.bin", val, tokenizer),
    }
    summary = Summary(
        source=", ".join(Path(source).name for source in config.source),
        tokenizer=tokenizer.name,
        genres=list(tokenizer.genres),
        vocab_size=tokenizer.n_vocab,
        dtype=token_dtype(tokenizer.n_vocab),
        fraction=config.fraction,
        **splits,
        held_out=[label(document) for document in val if kind_of(document) == DEFAULT_KIND],
        seed=config.seed,
        digest=digest_of(out / "train.bin", out / "val.bin"),
        rules=rules,
    )
    write_summary(out / SUMMARY_FILE, summary)
    return summary


def table(summary: Summary) -> str:
    """The rules' counts and the splits' sizes, for the terminal."""
    lines = [f"{'rule':<20} {'documents':>15} {'megabytes':>21} {'edited':>7}"]
    for rule in summary.rules:
        documents = f"{rule.documents_before} → {rule.documents_after}"
        size = f"{rule.bytes_before / 1e6:.3f} → {rule.bytes_after / 1e6:.3f}"
        lines.append(f"{rule.rule:<20} {documents:>15} {size:>21} {rule.edited:>7}")
    first, last = summary.rules[0], summary.rules[-1]
    lines.append(f"in all: {first.bytes_before / 1e6:.1f} → {last.bytes_after / 1e6:.1f} MB")
    for name in ("train", "val"):
        split = getattr(summary, name)
        lines.append(
            f"{name}: {split.documents:,} documents, {split.bytes:,} bytes, {split.tokens:,} tokens"
            f" of {summary.tokenizer}, {split.bytes_per_token:.3f} bytes per token"
        )
        lines.append("  tokens: " + ", ".join(f"{g} {n:,}" for g, (_, n) in split.regions.items()))
    return "\n".join(lines)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: every field of `PrepareConfig` is an option."""
    parser = argparse.ArgumentParser("training.prepare", description=__doc__.splitlines()[0])
    add_options(parser, PrepareConfig)
    print(table(prepare(PrepareConfig(**vars(parser.parse_args(arguments))))))


if __name__ == "__main__":
    sys.exit(main())
