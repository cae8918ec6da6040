"""GRU language model (Cho et al., arXiv 1406.1078), on `torch.nn.GRU`.

The hidden state carries everything that was read, so there is no limit to the context. Optionally
the output layer shares the embedding matrix, through a projection from hidden to embedding size
(Press & Wolf, arXiv 1608.05859), which makes room for a wide hidden state in a small file. The
recurrence keeps its state in float32 even under autocast, see `gru_recurrence.py`.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from polishgen.models.gru_recurrence import Recurrence
from polishgen.parameters import Count, Layers, Record, Share, Window


def is_autocast_on(device_type: str) -> bool:
    """Whether matrices are multiplied in half precision here; devices without autocast never."""
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


class GRUConfig(Record):
    """Sizes of a `GRU`; `context_length` is the training window in tokens, no limit in decoding."""

    architecture: ClassVar[str] = "gru"

    vocab_size: Count
    embedding_size: Count
    hidden_size: Count
    n_layers: Layers
    tied_embedding: bool = False
    dropout: Share = 0.0
    context_length: Window = 256


class GRU(nn.Module):
    """Embedding, stacked GRU layers, linear head."""

    def __init__(self, config: GRUConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self.gru = nn.GRU(
            config.embedding_size,
            config.hidden_size,
            config.n_layers,
            batch_first=True,
            dropout=config.dropout,
        )
        if config.tied_embedding:
            self.projection = nn.Linear(config.hidden_size, config.embedding_size, bias=False)
            self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        else:
            self.head = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (B, T, vocab_size) of `tokens` (B, T) and state (n_layers, B, hidden_size)."""
        embedded = self.dropout(self.embedding(tokens))
        if is_autocast_on(tokens.device.type):
            hidden, state = self.recur(embedded, state)
        else:
            hidden, state = self.gru(embedded, state)
        hidden = self.dropout(hidden)
        if self.config.tied_embedding:
            hidden = self.projection(hidden)
            return nn.functional.linear(hidden, self.embedding.weight, self.head_bias), state
        return self.head(hidden), state

    def recur(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `torch.nn.GRU` does with x (B, T, embedding_size), products in bfloat16."""
        x = x.transpose(0, 1)
        if state is None:
            state = x.new_zeros(self.config.n_layers, x.shape[1], self.config.hidden_size)
        last = []
        for layer in range(self.config.n_layers):
            w_i, w_h, b_i, b_h = self.gru.all_weights[layer]
            x = Recurrence.apply(nn.functional.linear(x, w_i, b_i), state[layer], w_h, b_h)
            last.append(x[-1])
            if layer + 1 < self.config.n_layers:
                x = self.dropout(x)
        return x.transpose(0, 1), torch.stack(last)
