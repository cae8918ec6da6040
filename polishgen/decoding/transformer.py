"""A decoding step of the Transformer, compiled; the same mathematics as `models/transformer.py`."""

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from polishgen.decoding.cache import compiled
from polishgen.decoding.kernels import (
    Matrix,
    aligned,
    exp,
    layer_norm,
    multiply,
    quantise,
    rms_norm,
    rotate,
    turns,
)
from polishgen.models.transformer import ROTARY_BASE, KeyValues, RollingCache, Transformer
from polishgen.models.windows import WindowState, read_pending


class Weights(NamedTuple):
    """Matrices of all layers; D = width, F = 4 D, W = context length.

    embedding: (V, D) float32; positions: (W, D), or (0, D) with rotary positions. scalars:
    (layers, 4) r, e, a, b, by which the residual stream becomes r x + e x₀ and values a v + b v₁.
    """

    embedding: np.ndarray
    positions: np.ndarray
    query_key_value: Matrix
    output: Matrix
    expand: Matrix
    contract: Matrix
    head: Matrix
    scalars: np.ndarray
    turns: np.ndarray
    rms: bool
    qk_norm: bool
    squared: bool


class State(NamedTuple):
    """Keys and values of the last W tokens, each written over the one that leaves the window.

    keys: (windows, layers, heads, D / heads, W), so that scores of many keys are one loop; values:
    (windows, layers, heads, W, D / heads). lengths: (windows,) int64, the tokens read in each;
    phases: (D / heads / 2,) complex128. With rotary positions there is one window; with learned
    ones two, half a context apart, of which the first gives the predictions (`models/windows.py`).
    """

    keys: np.ndarray
    values: np.ndarray
    lengths: np.ndarray
    phases: np.ndarray


def make_weights(model: Transformer) -> Weights:
    """The model's weights, quantised; gains and biases of norms go into the matrices after them."""
    config, blocks = model.config, model.blocks
    after_norm = [
        (
            fold(block.attention_norm, block.attention.query_key_value),
            fold(block.mlp_norm, block.mlp.expand),
        )
        for block in blocks
    ]
    head_weight, head_bias = fold(model.norm, model.head)
    n_layers, features = config.n_layers, config.width // config.n_heads
    learned = config.positions == "learned"

    scalars = np.tile(np.float32([1, 0, 1, 0]), (n_layers, 1))
    if config.residual_scalars:
        for layer, block in enumerate(blocks):
            scalars[layer, :2] = block.residual_scalars.detach().numpy()
            scalars[layer, 2:] = block.attention.value_scalars.detach().numpy()
    return Weights(
        embedding=model.embedding.weight.detach().numpy(),
        positions=(
            model.position_embedding.weight.detach().numpy()
            if learned
            else np.zeros((0, config.width), np.float32)
        ),
        query_key_value=quantise(*zip(*(pair[0] for pair in after_norm), strict=True)),
        output=quantise(
            [block.attention.output.weight for block in blocks],
            [block.attention.output.bias for block in blocks],
        ),
        expand=quantise(*zip(*(pair[1] for pair in after_norm), strict=True)),
        contract=quantise(
            [block.mlp.contract.weight for block in blocks],
            [block.mlp.contract.bias for block in blocks],
        ),
        head=quantise([head_weight], [head_bias]),
        scalars=scalars,
        turns=np.zeros(0, complex) if learned else turns(features, ROTARY_BASE),
        rms=config.norm == "rms",
        qk_norm=config.qk_norm,
        squared=config.activation == "relu2",
    )


def fold(norm: nn.Module, linear: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear layer after a norm whose gain and bias it takes over."""
    if not isinstance(norm, nn.LayerNorm):
        return linear.weight, linear.bias
    bias = linear.weight @ norm.bias
    return linear.weight * norm.weight, bias if linear.bias is None else bias + linear.bias


def empty_state(model: Transformer) -> State:
    """The state before the first token."""
    config = model.config
    windows = 2 if config.positions == "learned" else 1
    features = config.width // config.n_heads
    heads = (windows, config.n_layers, config.n_heads)
    return State(
        keys=aligned((*heads, features, config.context_length)),
        values=aligned((*heads, config.context_length, features)),
        lengths=np.zeros(windows, np.int64),
        phases=np.ones(features // 2 if windows == 1 else 0, complex),
    )


def state_from(model: Transformer, state: RollingCache | WindowState) -> State:
    """The PyTorch model's state of one text."""
    empty = empty_state(model)
    if isinstance(state, RollingCache):
        keep(empty, 0, state.layers, state.position)
        features = 2 * len(empty.phases)
        return empty._replace(phases=turns(features, ROTARY_BASE) ** state.position)
    keep(empty, 0, state.older, state.older_length)
    newer, newer_length = read_pending(model.encode_with_table, state)
    if newer_length:
        keep(empty, 1, newer, newer_length)
    return empty


def keep(state: State, window: int, layers: list[KeyValues], length: int) -> None:
    """Puts the newest of `length` tokens' keys and values where `read` would have put them."""
    for layer, cache in enumerate(layers):
        places = np.arange(length - cache.keys.shape[2], length) % state.keys.shape[-1]
        state.keys[window, layer][..., places] = cache.keys[0].mT.numpy()
        state.values[window, layer][:, places] = cache.values[0].numpy()
    state.lengths[window] = length


@compiled
def step(weights, state, token, logits):
    """Reads a token; logits (V,), or (0,) if nobody needs them."""
    hidden = np.empty(weights.embedding.shape[1], np.float32)
    context = state.keys.shape[-1]
    if len(weights.positions):
        half = context // 2
        if state.lengths[0] == context:
            # The newer window takes over.
            state.keys[0], state.values[0] = state.keys[1], state.values[1]
            state.lengths[0], state.lengths[1] = state.lengths[1], 0
        if state.lengths[0] >= half:
            read(weights, state, 1, token, hidden)
    read(weights, state, 0, token, hidden)
    if len(logits):
        normalise(weights, hidden, hidden)
        multiply(weights.head, 0, hidden, logits)


@compiled
def read(weights, state, window, token, x):
    """The hidden vector x (D,) of a token read in a window, whose keys and values grow by it."""
    keys, values = state.keys[window], state.values[window]
    n_layers, n_heads, features, context = keys.shape
    width = len(x)
    position = state.lengths[window]
    place, seen = position % context, min(position + 1, context)
    x[:] = weights.embedding[token]
    if len(weights.positions):
        x += weights.positions[position]
    elif weights.rms:
        rms_norm(x, x)
    embedded, first_value = x.copy(), np.empty(width, np.float32)
    normed, mixed = np.empty(width, np.float32), np.empty(width, np.float32)
    query_key_value = np.empty(3 * width, np.float32)
    heads = query_key_value.reshape(3, n_heads, features)
    inner, scores = np.empty(4 * width, np.float32), np.empty(seen, np.float32)
    for layer in range(n_layers):
        scalars = weights.scalars[layer]
        r, e, a, b = scalars[0], scalars[1], scalars[2], scalars[3]
        for i in range(width):
            x[i] = r * x[i] + e * embedded[i]
        normalise(weights, x, normed)
        multiply(weights.query_key_value, layer, normed, query_key_value)
        value = query_key_value[2 * width :]
        if layer == 0:
            first_value[:] = value
        for i in range(width):
            value[i] = a * value[i] + b * first_value[i]
        for head in range(n_heads):
            q, k, v = heads[0, head], heads[1, head], heads[2, head]
            if weights.qk_norm:
                rms_norm(q, q)
                rms_norm(k, k)
            rotate(q, state.phases)
            rotate(k, state.phases)
            keys[layer, head, :, place] = k
            values[layer, head, place] = v
            output = mixed[head * features : (head + 1) * features]
            attend(q, keys[layer, head], values[layer, head], scores, output)
        multiply(weights.output, layer, mixed, normed)
        x += normed
        normalise(weights, x, normed)
        multiply(weights.expand, layer, normed, inner)
        for i in range(4 * width):
            active = max(inner[i], np.float32(0))
            inner[i] = active * active if weights.squared else active
        multiply(weights.contract, layer, inner, normed)
        x += normed
    state.lengths[window] = position + 1
    for pair in range(len(state.phases)):
        state.phases[pair] *= weights.turns[pair]


@compiled
def normalise(weights, x, y):
    if weights.rms:
        rms_norm(x, y)
    else:
        layer_norm(x, y)


@compiled
def attend(query, keys, values, scores, output):
    """output (features,): values (W, features) weighted by softmax(query · keys / √features).

    keys: (features, W); of the W places those that `scores` is long are in use.
    """
    features, seen = len(query), len(scores)
    scores[:] = 0
    for i in range(features):
        q = query[i] / np.sqrt(np.float32(features))
        for t in range(seen):
            scores[t] += q * keys[i, t]
    highest = scores[0]
    for t in range(seen):
        highest = max(highest, scores[t])
    total = np.float32(0)
    for t in range(seen):
        scores[t] = exp(scores[t] - highest)
        total += scores[t]
    output[:] = 0
    for t in range(seen):
        weight = scores[t] / total
        for i in range(features):
            output[i] += weight * values[t, i]
