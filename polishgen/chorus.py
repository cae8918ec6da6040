"""Several models as one: the geometric mean of their next-token probabilities, renormalised.

Also known as a logarithmic opinion pool. The mean of the models' logits is all that it takes: each
model's logits are its log-probabilities plus a number that is the same for all tokens, which a
softmax does not see.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polishgen import checkpoint
from polishgen.checkpoint import METRICS_FILE, NO_MODELS, bundled_names, read_json
from polishgen.errors import CheckpointError
from polishgen.language_model import CHORUS, LanguageModel, load
from polishgen.parameters import Count, Record, Window


def pool(logits: Sequence[Tensor]) -> Tensor:
    """Logits of the chorus, of its models' logits, all of one shape."""
    return torch.stack(list(logits)).mean(0)


class ChorusConfig(Record):
    """Sizes that the models of a `Chorus` share."""

    architecture: ClassVar[str] = CHORUS

    vocab_size: Count
    context_length: Window


class Chorus(nn.Module):
    """`models` over one vocabulary, with the interface that each of them has."""

    def __init__(self, models: Sequence[nn.Module]):
        super().__init__()
        self.models = nn.ModuleList(models)
        self.config = ChorusConfig(
            vocab_size=models[0].config.vocab_size,
            context_length=max(model.config.context_length for model in models),
        )

    def forward(self, tokens: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """Logits (B, T, vocab_size) for `tokens` (B, T), and the states of all models."""
        before = state or [None] * len(self.models)
        logits, after = zip(
            *(model(tokens, own) for model, own in zip(self.models, before, strict=True)),
            strict=True,
        )
        return pool(logits), list(after)


def chorus_of(models: Sequence[LanguageModel]) -> LanguageModel:
    """The chorus of loaded models, whose weights it shares.

    `CheckpointError` if there are fewer than two, or if two have different tokenizers.
    """
    if len(models) < 2:
        raise CheckpointError(f"a chorus takes two models or more, there are {len(models)}")
    for other in models[1:]:
        if other.tokenizer.digest != models[0].tokenizer.digest:
            raise CheckpointError(
                f"{models[0].name} and {other.name} have different tokenizers: no chorus of them"
            )
    file = checkpoint.BUNDLED / CHORUS / METRICS_FILE
    metrics = read_json(file) if file.is_file() else {}
    chorus = Chorus([lm.model for lm in models]).eval()
    return LanguageModel(CHORUS, chorus, models[0].tokenizer, metrics)


def load_all() -> list[LanguageModel]:
    """All bundled models and, if they make one, their chorus, which shares their weights."""
    models = load_bundled()
    with suppress(CheckpointError):
        models.append(chorus_of(models))
    return models


def load_bundled(device: str | torch.device = "cpu") -> list[LanguageModel]:
    """All models that come with the code; `CheckpointError` if there are none."""
    if not bundled_names():
        raise CheckpointError(NO_MODELS)
    return [load(name, device=device) for name in bundled_names()]
