"""The training loss: cross-entropy whose gradient is made along with it.

PyTorch's own writes a float32 copy of the logits, of their logarithms and of the gradient to
memory, each 8,192 numbers per token: two fifths of a training step on a CPU. Here rows are taken a
cacheful at a time, and only the gradient, in the logits' own precision, is kept.
"""

import torch
from torch import Tensor

ROWS_AT_ONCE = 128


class CrossEntropy(torch.autograd.Function):
    """Mean nats per token of logits (N, V) against targets (N,)."""

    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor) -> Tensor:
        gradient = torch.empty_like(logits) if logits.requires_grad else None
        total = torch.zeros((), device=logits.device)
        for start in range(0, len(logits), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            values, wanted = logits[rows].float(), targets[rows, None]
            values = values - values.amax(1, keepdim=True)
            right = values.gather(1, wanted)[:, 0]
            sums = values.exp_().sum(1)
            total += (sums.log() - right).sum()
            if gradient is not None:
                values.mul_((1.0 / (sums * len(logits)))[:, None])
                values.scatter_add_(
                    1, wanted, torch.full_like(wanted, -1.0 / len(logits), dtype=values.dtype)
                )
                gradient[rows] = values
        ctx.save_for_backward(gradient)
        return total / len(logits)

    @staticmethod
    def backward(ctx, scale: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(scale), None


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats per token of `logits` (B, T, V) against `targets` (B, T)."""
    return CrossEntropy.apply(logits.flatten(0, 1), targets.flatten())
