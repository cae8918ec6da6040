"""Turns a finished run into a checkpoint folder that is complete in itself.

`config.json`, `model.safetensors`, the tokenizer, `metrics.json`, `training_log.csv`, and a model
card (`README.md` and its `training_curve.png`) whose figures are the measured ones.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from polishgen.checkpoint import LOG_FILE, save_checkpoint
from polishgen.evaluation import text_loss
from polishgen.models import build_model, parameter_count
from training.config import TrainingConfig
from training.data import Corpus
from training.log import write_log
from training.model_card import write_card


def export_run(
    model: nn.Module, config: TrainingConfig, corpus: Corpus, log: list[dict], folder: Path
) -> None:
    """Writes the checkpoint folder; the weights are measured as they are stored, in bfloat16."""
    stored = build_model(model.config)
    stored.load_state_dict({name: w.to(torch.bfloat16) for name, w in model.state_dict().items()})
    stored.to(next(model.parameters()).device)
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    starts = np.flatnonzero(corpus.held_out == tokenizer.boundary_id)
    documents = [document[1:].tolist() for document in np.split(corpus.held_out, starts)[1:]]
    result = text_loss(stored.eval(), tokenizer, documents)
    metrics = {
        "parameters": parameter_count(stored),
        "train_loss": log[-1]["train_loss"],
        "val_loss": log[-1]["val_loss"],
        "held_out_loss": result.loss,
        "perplexity": result.perplexity,
        "bits_per_byte": result.bits_per_byte,
        "held_out_tokens": result.tokens,
        "held_out_bytes": result.n_bytes,
        "training_tokens": log[-1]["tokens"],
        "training_seconds": log[-1]["elapsed_seconds"],
        "corpus": {"source": corpus.summary.source, "held_out": corpus.summary.held_out},
        "training": asdict(config),
    }
    save_checkpoint(folder, stored, tokenizer, metrics=metrics)
    write_log(folder / LOG_FILE, log)
    write_card(folder)
