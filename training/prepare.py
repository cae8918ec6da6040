"""Makes a corpus ready for training: read, clean, split by document, tokenise, write.

The split hangs on a hash of each document's text alone, so neither the order of the source nor
`fraction` moves a document between training and evaluation. `summary.json` is written last: a
folder without it is no corpus.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from pathlib import Path

import numpy as np

from polishgen.errors import PolishgenError, check_float, check_int
from polishgen.tokenizer import CL100K, Tokenizer
from training.bpe import LARGEST, SMALLEST, train_bpe
from training.cleaning import Document, RuleCount, clean_all, n_bytes
from training.sources import DEFAULT_BASE_URL, DEFAULT_NAME, read_documents

SUMMARY_FILE = "summary.json"
TOKENIZER_FILE = "tokenizer.tiktoken"
POLISH = "polish"
# No held-out document may be more than this share of the held-out text aimed at.
LARGEST_SHARE = 1 / 3


@dataclass(frozen=True)
class PrepareConfig:
    """What to prepare.

    `tokenizer`: "polish" trains a BPE of `vocab_size` tokens on the training split, "cl100k_base"
    takes OpenAI's, anything else is the path of a `.tiktoken` file. `fraction` of the training
    text is kept; `held_out` is the share of all text set aside for evaluation, and `seed` chooses
    which documents those are.
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


@dataclass(frozen=True)
class SplitSummary:
    """Size of one split; `tokens` count a document boundary before each document."""

    documents: int
    bytes: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes for one token of text, boundaries left out."""
        return self.bytes / max(1, self.tokens - self.documents)


@dataclass(frozen=True)
class Summary:
    """What a prepared folder holds.

    `held_out` names the documents of the evaluation split; `digest` is a hash of all texts.
    """

    source: str
    tokenizer: str
    vocab_size: int
    dtype: str
    fraction: float
    train: SplitSummary
    val: SplitSummary
    held_out: list[str]
    seed: int
    digest: str
    rules: list[RuleCount] = field(default_factory=list)

    def open_tokenizer(self, folder: str | Path) -> Tokenizer:
        """The tokenizer of the corpus in `folder`; `CheckpointError` if it cannot be loaded."""
        if self.tokenizer == CL100K:
            return Tokenizer.cl100k()
        return Tokenizer.from_file(Path(folder) / TOKENIZER_FILE)


def load_summary(folder: str | Path) -> Summary:
    """Reads a prepared folder's summary; `PolishgenError` if the folder is not complete."""
    path = Path(folder) / SUMMARY_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = {key.name: data[key.name] for key in fields(Summary)}
        for split in ("train", "val"):
            kept[split] = SplitSummary(
                **{k.name: data[split][k.name] for k in fields(SplitSummary)}
            )
        kept["rules"] = [RuleCount(**rule) for rule in data["rules"]]
        return Summary(**kept)
    except FileNotFoundError as error:
        raise PolishgenError(
            f"{folder} is not a prepared corpus: run `python -m training.prepare --out {folder}`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise PolishgenError(f"{path} is damaged: prepare the corpus anew") from error


# --- split -----------------------------------------------------------------------------------


def text_hash(document: Document, seed: int) -> str:
    """Hex digest of a document's text and a seed, the same on any machine."""
    content = document.text.encode("utf-8", errors="replace")
    return blake2b(content, digest_size=16, salt=str(seed).encode()).hexdigest()


def in_hash_order(documents: Iterable[Document], seed: int) -> list[Document]:
    """The documents in an order that depends on their texts and the seed alone."""
    return sorted(documents, key=lambda document: text_hash(document, seed))


def split_documents(
    documents: Iterable[Document], held_out: float, seed: int
) -> tuple[list[Document], list[Document]]:
    """(training, held-out) documents, both in the order of their hashes.

    Held out are documents from the start of that order until they make up about `held_out` of the
    bytes, passing over those larger than a third of that. `PolishgenError` for fewer than two.
    """
    ordered = in_hash_order(documents, seed)
    if len(ordered) < 2:
        raise PolishgenError(f"{len(ordered)} documents are left, a split needs at least 2")
    target = held_out * sum(n_bytes(document.text) for document in ordered)
    taken = take(ordered, target, LARGEST_SHARE * target)
    # A small corpus may have no document so short.
    taken = taken or [min(ordered, key=lambda document: n_bytes(document.text))]
    chosen = {id(document) for document in taken}
    return [document for document in ordered if id(document) not in chosen], taken


def take(ordered: Sequence[Document], target: float, largest: float) -> list[Document]:
    """The first documents of at most `largest` bytes until `target` bytes are reached."""
    taken, total = [], 0
    for document in ordered:
        size = n_bytes(document.text)
        if size <= largest and total < target:
            taken.append(document)
            total += size
    return taken


def take_fraction(documents: Sequence[Document], fraction: float) -> list[Document]:
    """The first documents that make up `fraction` of the bytes; at least one."""
    target = fraction * sum(n_bytes(document.text) for document in documents)
    return take(documents, target, float("inf"))


# --- writing ---------------------------------------------------------------------------------


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
            row = {key: str(document.meta.get(key) or "") for key in ("title", "author")}
            file.write(json.dumps({**row, "text": document.text}, ensure_ascii=False) + "\n")


def label(document: Document) -> str:
    """Author and title, as far as the source gives them."""
    author = str(document.meta.get("author") or "").split(" (")[0]
    title = str(document.meta.get("title") or "")
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


def write_summary(path: Path, summary: Summary) -> None:
    """Writes the summary, whole or not at all."""
    data = asdict(summary)
    for split in ("train", "val"):
        data[split]["bytes_per_token"] = getattr(summary, split).bytes_per_token
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)


# --- command line ----------------------------------------------------------------------------


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
    parser = argparse.ArgumentParser(prog="training.prepare", description=__doc__)
    for option in fields(PrepareConfig):
        flag = "--" + option.name.replace("_", "-")
        if option.type is bool:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=option.type, default=option.default)
    return PrepareConfig(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 1 with a message for an error of the user's or the source's."""
    try:
        print(table(prepare(parse_arguments(arguments))))
    except PolishgenError as error:
        print(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
