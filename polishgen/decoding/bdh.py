"""A decoding step of BDH, compiled; the same mathematics as `models/bdh.py`, in its sparse form.

A silent neuron costs its dot product with the token's vector and nothing more: its synapses are
neither read nor written, its gate is not computed, its row of the decoder is not read. Dy and E, of
which only active neurons' rows are read, are int16: int8 costs sparse weights 0.001 nats per token.
"""

from typing import NamedTuple

import numpy as np

from polishgen.decoding.cache import compiled
from polishgen.decoding.kernels import (
    Matrix,
    add_rows,
    aligned,
    layer_norm,
    multiply,
    multiply_rows,
    quantise,
    rotate,
    turns,
)
from polishgen.models.bdh import BDH, ROTARY_BASE, BDHState

# Where a head's scale falls below this, ρ takes it over: float32 has room for what is added.
SMALLEST_SCALE = 2.0**-40


class Weights(NamedTuple):
    """D = width, N = neurons of a head; a "layer" of the matrices Dx, Dy and E is a head.

    embedding: (V, D) float32. Dx, Dy (heads, N, D): the encoders. E (heads, N, D): the decoder, a
    row per neuron. damping: (heads,), how much of ρ a token leaves.
    """

    embedding: np.ndarray
    Dx: Matrix
    Dy: Matrix
    E: Matrix
    head: Matrix
    damping: np.ndarray
    turns: np.ndarray


class State(NamedTuple):
    """rho: (layers, heads, N, D) float32, to be multiplied by scale: (heads,) float64.

    Damping changes `scale` alone, so that it costs no pass over ρ. phases: (N / 2,) complex128.
    """

    rho: np.ndarray
    scale: np.ndarray
    phases: np.ndarray


def make_weights(model: BDH) -> Weights:
    """The model's weights, quantised."""
    config = model.config
    neurons = config.n_neurons // config.n_heads
    half_lives = np.array(config.half_lives or [np.inf] * config.n_heads)
    return Weights(
        embedding=model.embedding.weight.detach().numpy(),
        Dx=quantise(list(model.encoder.mT)),
        Dy=quantise(list(model.encoder_v.mT), dtype=np.int16),
        E=quantise(list(model.decoder.unflatten(0, (config.n_heads, neurons))), dtype=np.int16),
        head=quantise([model.head.weight]),
        damping=2.0 ** (-1 / half_lives),
        turns=turns(neurons, ROTARY_BASE),
    )


def empty_state(model: BDH) -> State:
    """The state before the first token."""
    config = model.config
    neurons = config.n_neurons // config.n_heads
    return State(
        rho=aligned((config.n_layers, config.n_heads, neurons, config.width)),
        scale=np.ones(config.n_heads),
        phases=np.ones(neurons // 2, complex),
    )


def state_from(model: BDH, state: BDHState) -> State:
    """The PyTorch model's state of one text."""
    empty = empty_state(model)
    for rho, synapses in zip(empty.rho, state.layers, strict=True):
        rho[:] = model.write(synapses)[:, 0].numpy()
    phases = turns(2 * len(empty.phases), ROTARY_BASE) ** state.position
    return empty._replace(phases=phases)


@compiled
def step(weights, state, token, logits):
    """Reads a token; logits (V,), or (0,) if nobody needs them."""
    n_layers, n_heads, neurons, width = state.rho.shape
    fade(weights, state)
    v = np.empty(width, np.float32)
    layer_norm(weights.embedding[token], v)
    x, rotated = np.empty(neurons, np.float32), np.empty(neurons, np.float32)
    a, update = np.empty(width, np.float32), np.empty(width, np.float32)
    for layer in range(n_layers):
        update[:] = 0
        for head in range(n_heads):
            multiply(weights.Dx, head, v, x)
            for n in range(neurons):
                x[n] = max(x[n], np.float32(0))
                rotated[n] = x[n]
            rotate(rotated, state.phases)
            recall_and_write(state.rho[layer, head], rotated, v, np.float32(state.scale[head]), a)
            layer_norm(a, a)
            fire(weights, head, x, a, update)
        layer_norm(update, update)
        v += update
        layer_norm(v, v)
    for pair in range(len(state.phases)):
        state.phases[pair] *= weights.turns[pair]
    if len(logits):
        multiply(weights.head, 0, v, logits)


@compiled
def fade(weights, state):
    """Damps ρ by one token."""
    for head in range(len(state.scale)):
        state.scale[head] *= weights.damping[head]
        if state.scale[head] < SMALLEST_SCALE:
            for layer in range(len(state.rho)):
                state.rho[layer, head] *= np.float32(state.scale[head])
            state.scale[head] = 1.0


@compiled
def recall_and_write(rho, x, v, scale, a):
    """a (D,) = xᵀ ρ, then ρ += x ⊗ v, for ρ (N, D) · scale.

    Rotation wakes both neurons of a pair, so pairs are skipped in which both are silent.
    """
    a[:] = 0
    for n in range(0, len(x), 2):
        x0, x1 = x[n], x[n + 1]
        if x0 == 0 and x1 == 0:
            continue
        new0, new1 = x0 / scale, x1 / scale
        for i in range(len(v)):
            rho0, rho1 = rho[n, i], rho[n + 1, i]
            a[i] += x0 * rho0 + x1 * rho1
            rho[n, i] = rho0 + new0 * v[i]
            rho[n + 1, i] = rho1 + new1 * v[i]
    for i in range(len(v)):
        a[i] *= scale


@compiled
def fire(weights, head, x, a, update):
    """update (D,) += E (x ⊙ y), where y = ReLU(Dy a)."""
    neurons, y = np.empty(len(x), np.int32), np.empty(len(x), np.float32)
    count = 0
    for n in range(len(x)):
        neurons[count] = n
        count += x[n] > 0
    multiply_rows(weights.Dy, head, neurons[:count], a, y)
    firing = 0
    for j in range(count):
        n, both = neurons[j], x[neurons[j]] * y[j]
        neurons[firing], y[firing] = n, both
        firing += both > 0
    add_rows(weights.E, head, neurons[:firing], y, update)
