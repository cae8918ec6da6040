"""How well a model predicts a text: loss, perplexity, bits per byte.

Loss and perplexity are per token, so they only compare models over one tokenizer. Bits per byte
divide by the length of the text itself and compare any model with any other, and with compressors.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.tokenizer import Tokenizer

CHUNK_TOKENS = 256


@dataclass(frozen=True)
class TextLoss:
    """Sum of negative log-likelihoods of `tokens` tokens that stand for `n_bytes` of UTF-8."""

    nats: float
    tokens: int
    n_bytes: int

    @property
    def loss(self) -> float:
        """Mean nats a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """Bits needed for one byte of the text."""
        return self.nats / math.log(2) / self.n_bytes


def byte_lengths(tokenizer: Tokenizer) -> Tensor:
    """UTF-8 bytes behind each token, (n_vocab,) int64; 0 for the document boundary."""
    return torch.tensor(
        [
            0 if token == tokenizer.boundary_id else len(tokenizer.token_bytes(token))
            for token in range(tokenizer.n_vocab)
        ]
    )


@torch.inference_mode()
def text_loss(model: nn.Module, tokenizer: Tokenizer, stream: Tensor, lanes: int = 8) -> TextLoss:
    """Loss over a token stream (N,) int64 in which documents start with the boundary token.

    The stream is read in `lanes` side by side, each with its state carried from end to end and
    starting one context early, so that every token has at least a context of text before it (but
    for the first of the stream). Boundary tokens are read, not scored: they stand for no text.
    """
    if len(stream) < 2:
        raise ParameterError("stream", len(stream), "at least 2 tokens long")
    model.eval()
    device = next(model.parameters()).device
    warmup = model.config.context_length
    lane = -(-(len(stream) - 1) // lanes)
    # Lane r scores the targets r · lane + 1 … (r + 1) · lane of the stream.
    first = torch.arange(lanes)[:, None] * lane - warmup
    places = first + torch.arange(warmup + lane + 1)[None, :]
    scored = (places[:, 1:] > first + warmup) & (places[:, 1:] < len(stream))
    rows = stream[places.clamp(0, len(stream) - 1)]
    scored &= rows[:, 1:] != tokenizer.boundary_id
    # Before the stream there is nothing: the first lane reads boundaries.
    rows[places < 0] = tokenizer.boundary_id
    nats, state = 0.0, None
    for start in range(0, warmup + lane, CHUNK_TOKENS):
        chunk = rows[:, start : start + CHUNK_TOKENS + 1].to(device)
        logits, state = model(chunk[:, :-1], state)
        mask = scored[:, start : start + CHUNK_TOKENS].to(device)
        losses = F.cross_entropy(logits[mask].float(), chunk[:, 1:][mask], reduction="none")
        nats += losses.double().sum().item()
    targets = rows[:, 1:][scored]
    return TextLoss(nats, len(targets), int(byte_lengths(tokenizer)[targets].sum()))
