"""Makes a corpus ready for training: read, clean, split by document, tokenise, write.

`summary.json` is written last: a folder without it is no corpus.
"""

import argparse
import inspect
import json
import random
import sys
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path

import numpy as np

from polishgen.errors import PolishgenError, check_float, check_int
from polishgen.tokenizer import CL100K, GENRES, Tokenizer, read_ranks
from training.corpus.as_typed import as_typed
from training.corpus.bpe import LARGEST, SMALLEST, train_bpe
from training.corpus.cleaning import Document, clean_all, n_bytes
from training.corpus.genres import DEFAULT_KIND, chapters, genre_of, kind_of
from training.corpus.sources import DEFAULT_BASE_URL, DEFAULT_NAME, read_documents
from training.corpus.split import split_documents, take_fraction, text_hash
from training.corpus.summary import (
    SUMMARY_FILE,
    TOKENIZER_FILE,
    SplitSummary,
    Summary,
    write_summary,
)
from training.corpus.variation import vary_opening, vary_tale

POLISH = "polish"
NO_GENRE = "other"
# One document in so many stands without its genre's control code.
UNTOLD = 10


@dataclass(frozen=True)
class PrepareConfig:
    """What to prepare.

    `source`: one or more of: the name of a SpeakLeash data set, fetched from below `base_url`; the
    path of a .jsonl.zst or .jsonl file; a folder of .txt files. `out`: the folder to write.
    `tokenizer`: "polish" trains a BPE of `vocab_size` tokens on the training split, "cl100k_base"
    takes OpenAI's, anything else is the path of a .tiktoken file, whose first tokens are used, as
    many as `vocab_size` holds. `genres`: give each genre a control code (not with cl100k_base).
    `fraction` of the training text is kept; `held_out` is the share of each kind's text set aside
    for evaluation, and `seed` chooses which documents those are. `variants`: how often each
    training tale is written again with other words and openings. `typed`: share of the training
    documents whose first sentence is as people type it. `overwrite`: replace a prepared corpus.
    """

    source: tuple[str, ...] = (DEFAULT_NAME,)
    out: str = "runs/data/polish8k"
    tokenizer: str = POLISH
    vocab_size: int = 8192
    fraction: float = 1.0
    genres: bool = True
    variants: int = 3
    typed: float = 0.06
    held_out: float = 0.05
    seed: int = 4
    base_url: str = DEFAULT_BASE_URL
    overwrite: bool = False

    def __post_init__(self):
        if isinstance(self.source, str):
            object.__setattr__(self, "source", (self.source,))
        check_int("vocab_size", self.vocab_size, SMALLEST, LARGEST)
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_float("fraction", self.fraction, 0.0001, 1.0)
        check_float("held_out", self.held_out, 0.0001, 0.5)


def token_dtype(vocab_size: int) -> str:
    """Little-endian numpy type that holds every id."""
    return "<u2" if vocab_size <= 65_536 else "<u4"


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
                prefix = tokenizer.prefix(told_genre(document, tokenizer))
                ids = np.array([*prefix, *tokenizer.encode(document.text)], dtype=dtype)
                file.write(ids.tobytes())
                tokens += len(ids)
                size += n_bytes(document.text)
            regions[genre] = (start, tokens - start)
    return SplitSummary(len(documents), size, tokens, regions)


def augmented(documents: Sequence[Document], config: PrepareConfig) -> list[Document]:
    """The training documents, tales in variants too, some with a first sentence as typed."""
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
        if random.Random(key).random() < config.typed:
            written[place] = Document(as_typed(document.text, key), document.meta)
    return written


def told_genre(document: Document, tokenizer: Tokenizer) -> str | None:
    """The genre that stands before a document: one document in ten goes without, by its hash."""
    genre = genre_of(document)
    untold = int(text_hash(document, 0)[:8], 16) % UNTOLD == 0
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
    n_ranks = config.vocab_size - len(genres) - 1
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
    hashes = "".join(text_hash(document, config.seed) for document in [*train, *val])
    summary = Summary(
        source=", ".join(Path(source).name for source in config.source),
        tokenizer=tokenizer.name,
        genres=list(tokenizer.genres),
        vocab_size=tokenizer.n_vocab,
        dtype=token_dtype(tokenizer.n_vocab),
        fraction=config.fraction,
        train=write_tokens(out / "train.bin", augmented(train, config), tokenizer),
        val=write_tokens(out / "val.bin", val, tokenizer),
        held_out=[label(document) for document in val if kind_of(document) == DEFAULT_KIND],
        seed=config.seed,
        digest=blake2b(hashes.encode(), digest_size=16).hexdigest(),
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


def parse_arguments(arguments: Sequence[str] | None = None) -> PrepareConfig:
    """The configuration that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare",
        description=inspect.getdoc(PrepareConfig),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in fields(PrepareConfig):
        flag = "--" + option.name.replace("_", "-")
        if option.type is bool:
            parser.add_argument(flag, action=BooleanOptionalAction, default=option.default)
        elif option.name == "source":
            parser.add_argument(flag, nargs="+", default=option.default, help="what to read")
        else:
            default = option.default
            parser.add_argument(flag, type=option.type, default=default, help=f"{default}")
    options = vars(parser.parse_args(arguments))
    return PrepareConfig(**options | {"source": tuple(options["source"])})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 1 with a message for an error of the user's or the source's."""
    try:
        print(table(prepare(parse_arguments(arguments))))
    except (PolishgenError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
