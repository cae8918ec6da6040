"""Rotary position embedding (RoFormer, arXiv 2104.09864, eq. 34), shared by Transformer and BDH.

Neighbouring features (2i, 2i + 1) are the axes of a plane that turns by `position / base^(2i/d)`
radians. A pair is handled as one complex number, so turning it is one multiplication. Angles are
computed in float64: position times frequency stays exact enough for texts of millions of tokens.
"""

import torch
from torch import Tensor


def rotary_factors(start: int, length: int, features: int, base: float, like: Tensor) -> Tensor:
    """Unit complex factors (length, features / 2) for positions start … start + length - 1.

    `like` gives the device, and the precision: complex128 for float64, complex64 otherwise.
    """
    pairs = torch.arange(0, features, 2, dtype=torch.float64, device=like.device)
    positions = torch.arange(start, start + length, dtype=torch.float64, device=like.device)
    angles = torch.outer(positions, base ** (-pairs / features))
    factors = torch.polar(torch.ones_like(angles), angles)
    return factors if like.dtype == torch.float64 else factors.to(torch.complex64)


def rotate(x: Tensor, factors: Tensor) -> Tensor:
    """Turns the feature pairs of `x` (..., length, features); `factors` (length, features / 2)."""
    wide = x if x.dtype == torch.float64 else x.float()
    if torch.compiler.is_compiling():
        # What the compiler, which knows no complex numbers, can fuse with its neighbours.
        a, b = wide.unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = torch.view_as_real(factors).unbind(-1)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)
    pairs = torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * factors).flatten(-2).to(x.dtype)
