"""Makes a corpus ready for training: read, clean, split by document, tokenise, write.

`summary.json` is written last: a folder without it is no corpus.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path

import numpy as np

from polishgen.errors import PolishgenError, check_float, check_int
from polishgen.tokenizer import CL100K, Tokenizer
from training.corpus.bpe import LARGEST, SMALLEST, train_bpe
from training.corpus.cleaning import Document, clean_all, n_bytes
from training.corpus.sources import DEFAULT_BASE_URL, DEFAULT_NAME, read_documents
from training.corpus.split import split_documents, take_fraction, text_hash
from training.corpus.summary import (
    SUMMARY_FILE,
    TOKENIZER_FILE,
    SplitSummary,
    Summary,
    write_summary,
)

POLISH = "polish"


@dataclass(frozen=True)
class PrepareConfig:
    """What to prepare.

    `source`: the name of a SpeakLeash data set, fetched from below `base_url`, or the path of a
    .jsonl.zst or .jsonl file or of a folder of .txt files. `out`: the folder to write.
    `tokenizer`: "polish" trains a BPE of `vocab_size` tokens on the training split, "cl100k_base"
    takes OpenAI's, anything else is the path of a .tiktoken file. `fraction` of the training text
    is kept; `held_out` is the share of all text set aside for evaluation, and `seed` chooses which
    documents those are. `overwrite`: replace a prepared corpus.
    """

    source: str = DEFAULT_NAME
    out: str = "runs/data/polish8k"
    tokenizer: str = POLISH
    vocab_size: int = 8192
    fraction: float = 1.0
    held_out: float = 0.04
    seed: int = 4
    base_url: str = DEFAULT_BASE_URL
    overwrite: bool = False

    def __post_init__(self):
        check_int("vocab_size", self.vocab_size, SMALLEST, LARGEST)
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_float("fraction", self.fraction, 0.0001, 1.0)
        check_float("held_out", self.held_out, 0.0001, 0.5)


def token_dtype(vocab_size: int) -> str:
    """Little-endian numpy type that holds every id."""
    return "<u2" if vocab_size <= 65_536 else "<u4"


def write_tokens(path: Path, documents: Sequence[Document], tokenizer: Tokenizer) -> SplitSummary:
    """Writes a boundary and the tokens of every document in turn; sizes of what was written."""
    dtype = token_dtype(tokenizer.n_vocab)
    size = tokens = 0
    with path.open("wb") as file:
        for document in documents:
            ids = np.array([tokenizer.boundary_id, *tokenizer.encode(document.text)], dtype=dtype)
            file.write(ids.tobytes())
            tokens += len(ids)
            size += n_bytes(document.text)
    return SplitSummary(len(documents), size, tokens)


def write_texts(path: Path, documents: Sequence[Document]) -> None:
    """Writes title, author and text of every document, a JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            row = {key: described(document, key) for key in ("title", "author")}
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
    if config.tokenizer == POLISH:
        return train_bpe((document.text for document in train), config.vocab_size)
    if config.tokenizer == CL100K:
        return Tokenizer.cl100k()
    return Tokenizer.from_file(config.tokenizer)


def prepare(config: PrepareConfig) -> Summary:
    """Writes the folder `config.out` and returns its summary.

    `train.bin`, `val.bin`: token ids in `dtype`; `train.jsonl`, `val.txt.jsonl`: the clean texts;
    `tokenizer.tiktoken`, for a BPE. `PolishgenError` if the folder is complete already and
    `overwrite` is off, or if the source fails.
    """
    out = Path(config.out)
    if (out / SUMMARY_FILE).exists() and not config.overwrite:
        raise PolishgenError(f"{out} holds a prepared corpus: pass --overwrite to replace it")
    documents, rules = clean_all(read_documents(config.source, config.base_url))
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
        source=Path(config.source).name,
        tokenizer=tokenizer.name,
        vocab_size=tokenizer.n_vocab,
        dtype=token_dtype(tokenizer.n_vocab),
        fraction=config.fraction,
        train=write_tokens(out / "train.bin", train, tokenizer),
        val=write_tokens(out / "val.bin", val, tokenizer),
        held_out=[label(document) for document in val],
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
            f" of {summary.tokenizer}, {split.bytes_per_token:.3f} bytes a token"
        )
    lines.append("held out: " + "; ".join(summary.held_out))
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
            parser.add_argument(flag, action="store_true")
        else:
            default = option.default
            parser.add_argument(flag, type=option.type, default=default, help=f"{default}")
    return PrepareConfig(**vars(parser.parse_args(arguments)))


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
