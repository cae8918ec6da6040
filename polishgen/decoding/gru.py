"""A decoding step of the GRU, compiled; the same mathematics as `models/gru.py`.

The recurrent and the output weights are int16: int8 costs 0.001 nats per token in the first, whose
errors come back with every token, and 0.0006 in the second.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from polishgen.decoding.cache import compiled
from polishgen.decoding.kernels import Matrix, multiply, quantise, sigmoid, tanh
from polishgen.models.gru import GRU


class Weights(NamedTuple):
    """Matrices of all layers; H = hidden size, D = embedding size.

    embedding: (V, D) float32. The gates r, z, n stand one above another in `first_input` (3 H, D),
    `input` (3 H, H) of the layers after the first, and `recurrent` (3 H, H). `projection` (D, H)
    has no layer where the embedding is not tied.
    """

    embedding: np.ndarray
    first_input: Matrix
    input: Matrix
    recurrent: Matrix
    projection: Matrix
    head: Matrix


class State(NamedTuple):
    """hidden: (layers, H) float32."""

    hidden: np.ndarray


def make_weights(model: GRU) -> Weights:
    """The model's weights, quantised."""
    config, gru = model.config, model.gru
    hidden = config.hidden_size

    def gates(kind: str, layers: range, dtype: type = np.int8) -> Matrix:
        names = [f"{kind}_l{layer}" for layer in layers]
        weights = [getattr(gru, "weight_" + name) for name in names]
        biases = [getattr(gru, "bias_" + name) for name in names]
        return quantise(weights, biases, dtype) if names else no_matrix(3 * hidden, hidden)

    tied = config.tied_embedding
    return Weights(
        embedding=model.embedding.weight.detach().numpy(),
        first_input=gates("ih", range(1)),
        input=gates("ih", range(1, config.n_layers)),
        recurrent=gates("hh", range(config.n_layers), np.int16),
        projection=(
            quantise([model.projection.weight])
            if tied
            else no_matrix(config.embedding_size, hidden)
        ),
        head=(
            quantise([model.embedding.weight], [model.head_bias], np.int16)
            if tied
            else quantise([model.head.weight], [model.head.bias], np.int16)
        ),
    )


def no_matrix(rows: int, columns: int) -> Matrix:
    """A `Matrix` of no layers."""
    none = np.zeros((0, rows), np.float32)
    return Matrix(np.zeros((0, rows, columns), np.int8), none, none)


def empty_state(model: GRU) -> State:
    """The state before the first token."""
    return State(np.zeros((model.config.n_layers, model.config.hidden_size), np.float32))


def state_from(model: GRU, state: Tensor) -> State:
    """The PyTorch model's state of one text, (layers, 1, H)."""
    return State(state[:, 0].numpy().copy())


@compiled
def step(weights, state, token, logits):
    """Reads a token; logits (V,), or (0,) if nobody needs them."""
    n_layers, size = state.hidden.shape
    from_input, from_hidden = np.empty(3 * size, np.float32), np.empty(3 * size, np.float32)
    for layer in range(n_layers):
        h = state.hidden[layer]
        if layer == 0:
            multiply(weights.first_input, 0, weights.embedding[token], from_input)
        else:
            multiply(weights.input, layer - 1, state.hidden[layer - 1], from_input)
        multiply(weights.recurrent, layer, h, from_hidden)
        for i in range(size):
            r = sigmoid(from_input[i] + from_hidden[i])
            z = sigmoid(from_input[size + i] + from_hidden[size + i])
            n = tanh(from_input[2 * size + i] + r * from_hidden[2 * size + i])
            h[i] = (np.float32(1) - z) * n + z * h[i]
    if not len(logits):
        return
    if len(weights.projection.weights):
        projected = np.empty(weights.embedding.shape[1], np.float32)
        multiply(weights.projection, 0, state.hidden[n_layers - 1], projected)
        multiply(weights.head, 0, projected, logits)
    else:
        multiply(weights.head, 0, state.hidden[n_layers - 1], logits)
