"""Endless text for a model whose positions end: two windows, half a context apart.

A table of `context_length` learned positions cannot number the next token, and renumbering the old
ones would mean reading them again. So the text is read by two windows: every half context a new one
opens, and after another half context, when the older one is full, it takes over. Predictions come
from the older window, which has seen at least half a context (once there is that much text). Every
token is computed twice in all, at a fixed cost, and never again.

The newer window reads its tokens one call later (`pending`): who drops the state, as training does,
does not pay for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# encode(tokens (B, T), cache or None, position of the first token) -> hidden (B, T, D), cache
Encode = Callable[[Tensor, Any, int], tuple[Tensor, Any]]


class WindowState(NamedTuple):
    """Caches of the two windows, the older one's length, and tokens the newer has yet to read."""

    older: Any
    older_length: int
    newer: Any
    newer_length: int
    pending: Tensor


def forward_in_windows(
    encode: Encode, tokens: Tensor, state: WindowState | None, context_length: int
) -> tuple[Tensor, WindowState]:
    """Hidden vectors (B, T, D) of `tokens` (B, T), however many went before, and the new state."""
    half = context_length // 2
    if state is None:
        state = WindowState(None, 0, None, 0, tokens[:, :0])
    outputs = []
    while tokens.shape[1]:
        if state.older_length == context_length:
            newer, newer_length = read_pending(encode, state)
            state = WindowState(newer, newer_length, None, 0, tokens[:, :0])
        elif state.pending.shape[1]:
            newer, newer_length = read_pending(encode, state)
            state = state._replace(newer=newer, newer_length=newer_length, pending=tokens[:, :0])
        now, tokens = tokens.tensor_split([context_length - state.older_length], dim=1)
        hidden, older = encode(now, state.older, state.older_length)
        outputs.append(hidden)
        state = state._replace(
            older=older,
            older_length=state.older_length + now.shape[1],
            pending=now[:, max(0, half - state.older_length) :],
        )
    return torch.cat(outputs, dim=1), state


def read_pending(encode: Encode, state: WindowState) -> tuple[Any, int]:
    """Lets the newer window read what it has missed; returns its cache and its length."""
    if not state.pending.shape[1]:
        return state.newer, state.newer_length
    _, cache = encode(state.pending, state.newer, state.newer_length)
    return cache, state.newer_length + state.pending.shape[1]
