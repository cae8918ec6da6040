"""Muon (Jordan et al., 2024): momentum whose matrix is replaced by its nearest orthogonal one.

Why not `torch.optim.Muon`: it orthogonalises in bfloat16 without a choice, which on a CPU without
bfloat16 units runs about a hundred times slower than float32, and it takes no stacks of matrices,
which BDH's encoders are. Here the Newton–Schulz iteration runs in either.
"""

import torch
from torch import Tensor

# Quintic polynomial of the iteration: pushes singular values from (0, 1] to about 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(
    matrices: Tensor, steps: int = 5, precision: torch.dtype = torch.float32
) -> Tensor:
    """(…, m, n) with all singular values brought close to 1 (about 0.7 to 1.2).

    Every step multiplies X by a polynomial of X Xᵀ. Such polynomials commute, so in float32 the
    whole iteration runs on the small square Gram matrix, and X itself is multiplied once, at the
    end. The Gram matrix of a product would be too coarse in bfloat16: there X is multiplied at
    every step, which takes half the time where the hardware has bfloat16 units.
    """
    a, b, c = COEFFICIENTS
    x = matrices.to(precision)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if precision == torch.bfloat16:
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return (x.mT if tall else x).to(matrices.dtype)
    gram = x @ x.mT
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    product = identity
    for step in range(steps):
        polynomial = a * identity + b * gram + c * gram @ gram
        product = polynomial @ product if step else polynomial
        if step < steps - 1:
            gram = polynomial @ gram @ polynomial
    x = product @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum, for parameters of two dimensions, or stacks of such.

    The step is scaled by sqrt(max(1, m / n)), so one learning rate fits wide and tall matrices.
    """

    def __init__(
        self,
        params,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        precision: torch.dtype = torch.float32,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure=None):
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                buffer = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(buffer, group["momentum"])
                update = orthogonalise(update, precision=self.precision)
                rows, columns = parameter.shape[-2:]
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
        return loss
