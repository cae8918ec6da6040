"""How fast the models decode: compiled, through PyTorch, and the way the report did it.

The report ran the whole of the last window through the model anew for every token. All ways run
here in one process, in turn, on the same weights, with the same seed and sampling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from torch import nn

from polishgen.decoding import Decoder, TorchDecoder, make_decoder
from polishgen.errors import check_int
from polishgen.generate import Piece, stream_pieces
from polishgen.language_model import LanguageModel
from polishgen.parameters import GenerationConfig

PROMPT = "Pewnego razu młody książe"


@dataclass(frozen=True)
class DecodingSpeed:
    """One model decoded one way: medians over the repeats, `tokens_per_second` from the call to the
    last token. `same_as_pytorch`: of its tokens, how many the text begins with that PyTorch's has.
    """

    model: str
    way: str
    tokens: int
    first_token_seconds: float
    tokens_per_second: float
    same_as_pytorch: int


def measure_decoding(
    lm: LanguageModel, new_tokens: int = 200, repeats: int = 3, prompt: str = PROMPT
) -> list[DecodingSpeed]:
    """Decodes `new_tokens` in each way, in turn, `repeats` times.

    Without Numba there is no compiled way. A run that ends early, at a document boundary, counts
    with the tokens that it made.
    """
    check_int("tokens", new_tokens, 1, 10_000)
    check_int("repeats", repeats, 1, 100)
    config = GenerationConfig(max_new_tokens=new_tokens, seed=0, starts_new_word=False)
    ways: dict[str, Callable[[nn.Module], Decoder]] = {
        "PyTorch": TorchDecoder,
        "re-running the window": WindowDecoder,
    }
    if (way := make_decoder(lm.model).way) != "PyTorch":
        ways = {way: make_decoder} | ways
    runs: dict[str, list[list[Piece]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, decoder in ways.items():
            pieces = stream_pieces(decoder(lm.model), lm.tokenizer, prompt, config)
            runs[name].append(list(pieces))
    expected = runs["PyTorch"][0]
    return [
        DecodingSpeed(
            lm.name,
            name,
            len(repeated[0]),
            median(pieces[0].seconds for pieces in repeated),
            median(len(pieces) / pieces[-1].seconds for pieces in repeated),
            shared_start(repeated[0], expected),
        )
        for name, repeated in runs.items()
    ]


def shared_start(pieces: Sequence[Piece], others: Sequence[Piece]) -> int:
    """How many tokens two texts share before they part."""
    same = [a.token_ids == b.token_ids for a, b in zip(pieces, others, strict=False)]
    return [*same, False].index(False)


class WindowDecoder:
    """Runs the whole of the last `context_length` tokens through the model anew, as the report."""

    way = "PyTorch"

    def __init__(self, model: nn.Module, tokens: tuple[int, ...] = ()):
        self.model, self.tokens = model, tokens

    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        self.tokens = (*self.tokens, *tokens)[-self.model.config.context_length :]
        return TorchDecoder(self.model).prefill(self.tokens)

    def step(self, token: int) -> np.ndarray:
        return self.prefill([token])

    def copy(self) -> "WindowDecoder":
        return WindowDecoder(self.model, self.tokens)


def speed_table(speeds: Sequence[DecodingSpeed]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| model | way | tokens | first token (ms) | tokens per second | same as PyTorch |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {speed.model} | {speed.way} | {speed.tokens} | {1000 * speed.first_token_seconds:.1f} "
        f"| {speed.tokens_per_second:,.0f} | {speed.same_as_pytorch} tokens |"
        for speed in speeds
    ]
    return "\n".join(lines)
