"""Building blocks of the compiled decoding steps, for one token at a time on one core.

A token's matrix products read every weight once and use it once, so their speed is that of reading:
weights are int8 with one scale per row, activations stay float32. The loops are written so that
LLVM vectorises them for whatever processor it finds; the innermost ones index arrays and never
slice them, as a slice counts references.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor

from polishgen.decoding.cache import compiled


class Matrix(NamedTuple):
    """Quantised matrices of several layers: `weights` times `scales`, plus `bias`.

    weights: (layers, rows, columns) int8 or int16; scales, bias: (layers, rows) float32.
    """

    weights: np.ndarray
    scales: np.ndarray
    bias: np.ndarray


def quantise(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None] | None = None,
    dtype: type = np.int8,
) -> Matrix:
    """`Matrix` of one (rows, columns) weight and one (rows,) bias or None per layer."""
    stacked = np.stack([weight.detach().numpy() for weight in weights])
    scales = np.abs(stacked).max(-1) / np.iinfo(dtype).max
    safe = np.where(scales > 0, scales, 1)[..., None]
    bias = np.zeros_like(scales)
    for row, values in zip(bias, biases or [], strict=False):
        if values is not None:
            row[:] = values.detach().numpy()
    quantised = aligned(stacked.shape, dtype)
    quantised[:] = np.rint(stacked / safe)
    return Matrix(quantised, scales, bias)


def aligned(shape: Sequence[int], dtype: type = np.float32) -> np.ndarray:
    """Zeros that begin at a multiple of 64 bytes, so that no vector crosses a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.int8)
    start = -room.ctypes.data % 64
    return room[start : start + size].view(dtype).reshape(shape)


@intrinsic
def float_from_bits(typing_context, bits):
    """The float32 whose bits are those of an int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@compiled
def exp(x):
    """e to the power of x in float32, to six digits; without calls, so that loops vectorise."""
    power = min(max(x * np.float32(1.4426950408889634), np.float32(-126)), np.float32(127))
    whole = np.floor(power + np.float32(0.5))
    z = (power - whole) * np.float32(0.6931471805599453)
    series = np.float32(1 / 720)
    for term in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = series * z + np.float32(term)
    return series * float_from_bits((np.int32(whole) + np.int32(127)) << np.int32(23))


@compiled
def sigmoid(x):
    return np.float32(1) / (np.float32(1) + exp(-x))


@compiled
def tanh(x):
    return np.float32(1) - np.float32(2) / (np.float32(1) + exp(np.float32(2) * x))


@compiled
def multiply(matrix, layer, x, y):
    """y = W x + b for x (columns,), y (rows,) float32.

    One row after another: several at a time read x less often, but memory half as fast.
    """
    weights, scales, bias = matrix.weights[layer], matrix.scales[layer], matrix.bias[layer]
    for r in range(len(weights)):
        total = np.float32(0)
        for i in range(len(x)):
            total += np.float32(weights[r, i]) * x[i]
        y[r] = total * scales[r] + bias[r]


@compiled
def multiply_rows(matrix, layer, rows, x, y):
    """y[j] = W[rows[j]] x for rows (n,) int32 and y (at least n,) float32, without bias."""
    weights, scales = matrix.weights[layer], matrix.scales[layer]
    for j in range(len(rows)):
        r, total = rows[j], np.float32(0)
        for i in range(len(x)):
            total += np.float32(weights[r, i]) * x[i]
        y[j] = total * scales[r]


@compiled
def add_rows(matrix, layer, rows, amounts, y):
    """y (columns,) += amounts W[rows], for rows (n,) int32 and their amounts (n,) float32."""
    weights, scales = matrix.weights[layer], matrix.scales[layer]
    for j in range(len(rows)):
        r, amount = rows[j], amounts[j] * scales[rows[j]]
        for i in range(len(y)):
            y[i] += amount * np.float32(weights[r, i])


@compiled
def rms_norm(x, y):
    """y = x divided by the root of its mean square; y may be x."""
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    scale = np.sqrt(np.float32(len(x))) / (np.sqrt(total) + np.float32(1.1920929e-7))
    for i in range(len(x)):
        y[i] = x[i] * scale


@compiled
def layer_norm(x, y):
    """y = x shifted and scaled to mean 0 and variance 1, without gain or bias; y may be x."""
    mean = np.float32(0)
    for i in range(len(x)):
        mean += x[i]
    mean /= np.float32(len(x))
    variance = np.float32(0)
    for i in range(len(x)):
        variance += (x[i] - mean) * (x[i] - mean)
    scale = np.float32(1) / np.sqrt(variance / np.float32(len(x)) + np.float32(1e-5))
    for i in range(len(x)):
        y[i] = (x[i] - mean) * scale


def turns(features: int, base: float) -> np.ndarray:
    """How far one position turns each pair of rotary features: (features / 2,) complex128."""
    return np.exp(1j * base ** (-np.arange(0, features, 2) / features))


@compiled
def rotate(x, phases):
    """Turns the pairs of x (features,) in place by `phases` (features / 2,) complex128."""
    for pair in range(len(phases)):
        cosine, sine = np.float32(phases[pair].real), np.float32(phases[pair].imag)
        a, b = x[2 * pair], x[2 * pair + 1]
        x[2 * pair] = a * cosine - b * sine
        x[2 * pair + 1] = a * sine + b * cosine
