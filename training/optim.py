"""Which optimizer holds which parameter, and the learning rate at every step."""

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from training.config import TrainingConfig
from training.muon import Muon


def make_optimizers(model: nn.Module, config: TrainingConfig) -> list[Optimizer]:
    """AdamW for all, or Muon for the matrices between embedding and head and AdamW for the rest.

    Weight decay is kept off vectors. Groups remember their full rate as `initial_lr`.
    """
    matrices, tables, vectors = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif "embedding" in name or name.startswith("head"):
            tables.append(parameter)
        else:
            matrices.append(parameter)
    optimizers: list[Optimizer] = []
    if config.optimizer == "muon" and matrices:
        optimizers.append(
            Muon(
                matrices,
                lr=config.matrix_learning_rate,
                weight_decay=config.weight_decay,
                precision=torch.bfloat16 if config.mixed_precision == "bf16" else torch.float32,
            )
        )
    else:
        tables = matrices + tables
    groups = [
        {"params": tables, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers.append(
        AdamW(
            [group for group in groups if group["params"]],
            lr=config.learning_rate,
            betas=(0.9, config.beta2),
        )
    )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Share of the full rate at `step`: linear warm-up, constant, then linear to zero."""
    warmup = (step + 1) / config.warmup_steps if step < config.warmup_steps else 1.0
    decay = (config.max_steps - step) / config.decay_steps if config.decay_steps else 1.0
    return min(1.0, warmup, decay)


def set_learning_rate(optimizers: list[Optimizer], factor: float) -> None:
    """Sets every group to `factor` of its full rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group["initial_lr"]
