"""Bits per byte of a text for general compressors that have read the training text before.

A model should beat these: they know the same text and nothing of language. Both are measured as one
stream, training text first, and what the stream grows by is taken for the second text. That is too
much by what the coder holds back at the border: a few bytes for PPMd, some 4 KB of text for xz.
"""

import lzma
from collections.abc import Callable
from pathlib import Path

import pyppmd

from polishgen.checkpoint import read_json
from polishgen.errors import ParameterError
from polishgen.files import write_json
from training.measures.held_out import CorpusTexts

# 7-Zip's PPMd, variant H, with memory enough that it forgets nothing of ninety megabytes.
PPMD_ORDER = 12
PPMD_MEMORY = 3 * 1024**3
# An encoder gives back only so much at a time; of more than this, output would pile up inside it.
PIECE_BYTES = 16 * 1024
MEASURED = Path(__file__).parents[2] / "docs" / "compressors.json"


def xz_bits_per_byte(context: bytes, text: bytes) -> float:
    """`xz -9`, whose dictionary reaches 64 MiB back, as one LZMA stream (`--format=lzma`).

    That format is chosen because its encoder does not collect its output in blocks.
    """
    encoder = lzma.LZMACompressor(format=lzma.FORMAT_ALONE, preset=9)
    return growth(encoder.compress, encoder.flush, context, text)


def ppmd_bits_per_byte(
    context: bytes, text: bytes, order: int = PPMD_ORDER, memory: int = PPMD_MEMORY
) -> float:
    """PPMd of order `order`, its model in `memory` bytes; once they are full it starts anew."""
    encoder = pyppmd.Ppmd7Encoder(order, memory)
    return growth(encoder.encode, encoder.flush, context, text)


def growth(
    compress: Callable[[bytes], bytes], flush: Callable[[], bytes], context: bytes, text: bytes
) -> float:
    """Bits by which an encoder's output grows for each byte of `text` after `context`."""
    if not text:
        raise ParameterError("text", text, "at least one byte long")
    for start in range(0, len(context), PIECE_BYTES):
        compress(context[start : start + PIECE_BYTES])
    size = sum(
        len(compress(text[start : start + PIECE_BYTES]))
        for start in range(0, len(text), PIECE_BYTES)
    )
    return 8 * (size + len(flush())) / len(text)


def compressor_rows(corpus: CorpusTexts, file: Path = MEASURED) -> dict[str, float]:
    """Bits per byte of the held-out novels, by name.

    They take minutes and depend on the corpus alone, so they are kept in `file` and only measured
    anew for another corpus.
    """
    if file.is_file() and (known := read_json(file)).get("corpus") == corpus.digest:
        return known["bits_per_byte"]
    context, text = ("\n".join(texts).encode() for texts in (corpus.training, corpus.texts()))
    bits = {
        "xz -9": xz_bits_per_byte(context, text),
        f"PPMd, order {PPMD_ORDER}": ppmd_bits_per_byte(context, text),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"corpus": corpus.digest, "bits_per_byte": bits})
    return bits
