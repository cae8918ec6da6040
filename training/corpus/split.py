"""Which documents are held out, and which make up a fraction.

Both hang on a hash of each document's text alone, so neither the order of the source nor the
fraction moves a document between training and evaluation. Five novels are held out by name: all
figures since the first are measured on them.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from polishgen.errors import PolishgenError
from training.corpus.cleaning import Document, n_bytes
from training.corpus.genres import kind_of

HELD_OUT_NOVELS = frozenset(
    {
        "Garbaty",
        "Kariera Nikodema Dyzmy",
        "Marta",
        "Na srebrnym globie",
        "Ozimina",
    }
)
# No held-out document may be more than this share of the held-out text aimed at.
LARGEST_SHARE = 1 / 3


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
    """(training, held-out) documents, kind by kind, each in the order of their hashes.

    Of every kind of document that has two or more a share is held out. `PolishgenError` if none
    has.
    """
    kinds: dict[str, list[Document]] = {}
    for document in in_hash_order(documents, seed):
        kinds.setdefault(kind_of(document), []).append(document)
    train, val = [], []
    for _, ordered in sorted(kinds.items()):
        chosen = {id(document) for document in choose_held_out(ordered, held_out)}
        train += [document for document in ordered if id(document) not in chosen]
        val += [document for document in ordered if id(document) in chosen]
    if not val:
        raise PolishgenError(f"{len(train)} documents are left, a split needs at least 2")
    return train, val


def choose_held_out(ordered: Sequence[Document], held_out: float) -> list[Document]:
    """Which documents of one kind are held out: those of `HELD_OUT_NOVELS` that are there, or else
    the first until they make up about `held_out` of the bytes, passing over those larger than a
    third of that.
    """
    if len(ordered) < 2:
        return []
    if named := [d for d in ordered if d.meta.get("title") in HELD_OUT_NOVELS]:
        return named
    target = held_out * sum(n_bytes(document.text) for document in ordered)
    taken = take(ordered, target, LARGEST_SHARE * target)
    # A small corpus may have no document so short.
    return taken or [min(ordered, key=lambda document: n_bytes(document.text))]


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
