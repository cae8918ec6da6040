"""How well a model predicts a text: loss, perplexity, bits per byte.

Every text starts from its own document boundary and is read to its end with the state carried.
Loss and perplexity are per token: they only compare models with the same tokenizer. Bits per byte
divide by the length of the text itself and compare any model with any other, and with compressors.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.normalise import normalise
from polishgen.tokenizer import Tokenizer

# Tokens that go through the model at once, in all rows; of one row at least so many.
CHUNK_TOKENS, SHORTEST_CHUNK = 512, 128
# Target where there is nothing to predict, as `F.cross_entropy` has it.
NO_TARGET = -100


@dataclass(frozen=True)
class TextLoss:
    """Sum of negative log-likelihoods of `tokens` tokens that stand for `n_bytes` of UTF-8."""

    nats: float
    tokens: int
    n_bytes: float

    @property
    def loss(self) -> float:
        """Mean nats per token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs per byte of the text."""
        return self.nats / math.log(2) / self.n_bytes


def byte_lengths(tokenizer: Tokenizer) -> Tensor:
    """UTF-8 bytes behind each token, (n_vocab,) int64; 0 for special tokens."""
    sizes = [len(tokenizer.token_bytes(token)) for token in range(tokenizer.n_ranks)]
    return torch.tensor(sizes + [0] * (tokenizer.n_vocab - tokenizer.n_ranks))


@torch.inference_mode()
def predictions(
    model: nn.Module, prefix: Sequence[int], rows: Sequence[Sequence[int]]
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the model says of texts that it reads side by side, each after the same `prefix`.

    `rows`: the texts' tokens. Yields, chunk by chunk, logits (B, T, V), at least float32, and the
    tokens that they should predict (B, T) int64, `NO_TARGET` for the prefix and past a text's end.
    """
    if model.training:
        raise ParameterError("model", "in training mode", "in evaluation mode")
    device = next(model.parameters()).device
    length = len(prefix) + max(map(len, rows))
    tokens = torch.full((len(rows), length), prefix[0])
    targets = torch.full((len(rows), length), NO_TARGET)
    tokens[:, : len(prefix)] = torch.tensor(prefix)
    for row, text in enumerate(rows):
        places = slice(len(prefix), len(prefix) + len(text))
        tokens[row, places] = targets[row, places] = torch.tensor(text, dtype=torch.int64)
    chunk, state = max(SHORTEST_CHUNK, CHUNK_TOKENS // len(rows)), None
    for start in range(0, length - 1, chunk):
        end = min(start + chunk, length - 1)
        logits, state = model(tokens[:, start:end].to(device), state)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        yield logits, targets[:, start + 1 : end + 1].to(device)


def text_loss(
    model: nn.Module,
    tokenizer: Tokenizer,
    documents: Sequence[str] | Sequence[Sequence[int]],
    genre: str | None = None,
    batch_size: int = 8,
) -> TextLoss:
    """Loss over documents as if each were scored alone.

    `documents`: texts, which are normalised, or their tokens. `genre`: of all of them.
    `batch_size`: documents read side by side at most.
    """
    return text_losses([model], tokenizer, documents, genre, batch_size)[0]


def text_losses(
    models: Sequence[nn.Module],
    tokenizer: Tokenizer,
    documents: Sequence[str] | Sequence[Sequence[int]],
    genre: str | None = None,
    batch_size: int = 8,
    pool: Callable[[Sequence[Tensor]], Tensor] | None = None,
) -> list[TextLoss]:
    """Each model's `text_loss`, all of them reading in step.

    `pool`: makes one model's logits of theirs; its loss is then the last, and costs no reading.
    """
    encoded = (tokenizer.encode(normalise(d)) if isinstance(d, str) else d for d in documents)
    rows = sorted((row for row in encoded if len(row)), key=len)
    if not rows:
        raise ParameterError("documents", documents, "texts, not all of them empty")
    n_tokens, sizes = sum(map(len, rows)), byte_lengths(tokenizer)
    n_bytes = sum(int(sizes[torch.tensor(row)].sum()) for row in rows)
    nats = [0.0] * (len(models) + bool(pool))
    while rows:
        # Not much padding: documents at least half as long as the longest.
        batch = [row for row in rows[-batch_size:] if 2 * len(row) >= len(rows[-1])]
        del rows[-len(batch) :]
        chunks = [predictions(model, tokenizer.prefix(genre), batch) for model in models]
        for chunk in zip(*chunks, strict=True):
            logits, targets = [own for own, _ in chunk], chunk[0][1].flatten()
            if pool:
                logits.append(pool(logits))
            for place, own in enumerate(logits):
                losses = F.cross_entropy(own.flatten(0, 1), targets, reduction="none")
                nats[place] += losses.double().sum().item()
    return [TextLoss(total, n_tokens, n_bytes) for total in nats]
