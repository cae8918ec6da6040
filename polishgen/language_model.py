"""One model with its tokenizer, ready to write and to judge text.

`load` finds it by name; `LanguageModel.generate`, `.stream` and `.score` are the whole public API.
Notable: a `LanguageModel` keeps nothing between calls, so any number of threads may share one, and
each call gets what it would get alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from polishgen.checkpoint import find_folder, load_checkpoint
from polishgen.errors import ParameterError, check_int, check_str
from polishgen.generate import CHUNK_TOKENS, Piece, stream_pieces
from polishgen.models import parameter_count
from polishgen.parameters import GenerationConfig, check_genre
from polishgen.tokenizer import Tokenizer

MAX_TEXT_LENGTH = 1_000_000


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text.

    `tokens`: the text's token ids; `logprobs`: natural logarithm of each one's probability, given
    all text before it (the document boundary, for the first); `n_bytes`: its length in UTF-8.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    n_bytes: int

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability of a token."""
        return math.exp(-math.fsum(self.logprobs) / len(self.tokens))

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs for a byte of the text; compares across tokenizers."""
        return -math.fsum(self.logprobs) / math.log(2) / self.n_bytes


class LanguageModel:
    """A loaded model: `name`, `model` (the network), `tokenizer`, `metrics` as measured."""

    def __init__(self, name: str, model: nn.Module, tokenizer: Tokenizer, metrics: dict):
        self.name, self.model, self.tokenizer, self.metrics = name, model, tokenizer, metrics

    @property
    def architecture(self) -> str:
        """ "gru", "transformer" or "bdh"."""
        return self.model.config.architecture

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return parameter_count(self.model)

    def stream(self, prompt: str, *, n_alternatives: int = 0, **options: object) -> Iterator[Piece]:
        """Continues `prompt` (at most 1,000,000 characters) and yields the text as it comes.

        n_alternatives: 0 to 100, how many likeliest tokens each piece names beside its own.
        options: the fields of `GenerationConfig`. Raises `ParameterError` at once, before the first
        piece, for anything out of range.
        """
        check_str("prompt", prompt, MAX_TEXT_LENGTH)
        config = GenerationConfig(**options)
        check_genre(config.genre, getattr(self.tokenizer, "genres", ()))
        check_int("n_alternatives", n_alternatives, 0, 100)
        return stream_pieces(self.model, self.tokenizer, prompt, config, n_alternatives)

    def generate(self, prompt: str | Sequence[str], **options: object) -> str | list[str]:
        """The continuation of `prompt` without the prompt itself; a list of them for several.

        Takes what `stream` takes. Of several prompts each gets what it would get alone.
        """
        if isinstance(prompt, str):
            return "".join(piece.text for piece in self.stream(prompt, **options))
        if not isinstance(prompt, Sequence) or isinstance(prompt, bytes | bytearray):
            raise ParameterError("prompt", prompt, "a str or a sequence of str")
        streams = [self.stream(single, **options) for single in prompt]
        return ["".join(piece.text for piece in pieces) for pieces in streams]

    def score(self, text: str) -> Score:
        """How well the model predicts `text` of 1 to 1,000,000 characters."""
        check_str("text", text, MAX_TEXT_LENGTH)
        if not text:
            raise ParameterError("text", text, "at least one character long")
        tokens = self.tokenizer.encode(text)
        logprobs: list[float] = []
        for start, log_probabilities in self.log_probabilities(tokens):
            targets = torch.tensor(tokens[start : start + len(log_probabilities)])
            logprobs += log_probabilities.gather(1, targets[:, None])[:, 0].tolist()
        return Score(tuple(tokens), tuple(logprobs), sum(map(self.byte_length, tokens)))

    def byte_length(self, token: int) -> int:
        """UTF-8 bytes that a token stands for."""
        return len(self.tokenizer.token_bytes(token))

    @torch.inference_mode()
    def log_probabilities(self, tokens: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """(start, log-probabilities (n, vocab_size) float64 of tokens start … start + n - 1)."""
        device, state = next(self.model.parameters()).device, None
        inputs = [self.tokenizer.boundary_id, *tokens[:-1]]
        for start in range(0, len(inputs), CHUNK_TOKENS):
            chunk = torch.tensor([inputs[start : start + CHUNK_TOKENS]], device=device)
            logits, state = self.model(chunk, state)
            yield start, logits[0].double().log_softmax(-1).cpu()


def load(
    name: str | Path, revision: str | None = None, device: str | torch.device = "cpu"
) -> LanguageModel:
    """A model by its bundled name, from a folder, or from a repository "user/repo" on the Hub.

    Raises `CheckpointError` for a model that is missing or damaged, `ParameterError` for a name of
    no such form.
    """
    checkpoint = load_checkpoint(find_folder(name, revision), device)
    return LanguageModel(str(name), checkpoint.model, checkpoint.tokenizer, checkpoint.metrics)
