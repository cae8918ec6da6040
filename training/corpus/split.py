"""Which documents are held out, and which make up a fraction.

Both hang on a hash of each document's text alone, so neither the order of the source nor the
fraction moves a document between training and evaluation.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from polishgen.errors import PolishgenError
from training.corpus.cleaning import Document, n_bytes

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
