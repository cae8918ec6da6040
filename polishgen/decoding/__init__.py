"""Decoding token by token: see `decoder.py`."""

from polishgen.decoding.decoder import (
    Decoder,
    TorchDecoder,
    compile_in_background,
    compiling,
    is_cached,
    make_decoder,
)

__all__ = [
    "Decoder",
    "TorchDecoder",
    "compile_in_background",
    "compiling",
    "is_cached",
    "make_decoder",
]
