"""Decoding token by token: see `decoder.py`."""

from polishgen.decoding.decoder import (
    Decoder,
    TorchDecoder,
    compile_in_background,
    compiling,
    make_decoder,
)

__all__ = ["Decoder", "TorchDecoder", "compile_in_background", "compiling", "make_decoder"]
