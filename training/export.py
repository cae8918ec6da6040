"""Turns a finished run into a checkpoint folder that is complete in itself.

`config.json`, `model.safetensors`, the tokenizer, `metrics.json`, `training_log.csv`, and a model
card (`README.md`) whose figures are the measured ones.
"""

import csv
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from polishgen.checkpoint import save_checkpoint
from polishgen.evaluation import text_loss
from polishgen.models import build_model, parameter_count
from training.config import TrainingConfig
from training.data import Corpus

LOG_COLUMNS = (
    "step",
    "train_loss",
    "val_loss",
    "val_bits_per_byte",
    "tokens",
    "elapsed_seconds",
    "learning_rate_factor",
)
NAMES = {"gru": "GRU", "transformer": "decoder-only Transformer", "bdh": "Dragon Hatchling (BDH)"}


def export_run(
    model: nn.Module, config: TrainingConfig, corpus: Corpus, log: list[dict], folder: Path
) -> None:
    """Writes the checkpoint folder; the weights are measured as they are stored, in bfloat16."""
    stored = build_model(model.config)
    stored.load_state_dict({name: w.to(torch.bfloat16) for name, w in model.state_dict().items()})
    stored.to(next(model.parameters()).device)
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    held_out = torch.from_numpy(np.asarray(corpus.held_out).astype(np.int64))
    result = text_loss(stored, tokenizer, held_out)
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
        "training": asdict(config),
    }
    save_checkpoint(folder, stored, tokenizer, metrics=metrics)
    write_extras(folder, config, corpus, metrics, log)


def write_extras(
    folder: Path, config: TrainingConfig, corpus: Corpus, metrics: dict, log: list[dict]
) -> None:
    """The training log and the model card."""
    write_log(folder / "training_log.csv", log)
    (folder / "README.md").write_text(model_card(config, corpus, metrics))


def model_card(config: TrainingConfig, corpus: Corpus, metrics: dict) -> str:
    """Model card in the Hub's format: front matter, then prose."""
    summary = corpus.summary
    held_out = "; ".join(summary.held_out)
    return f"""---
language: pl
license: mit
library_name: polishgen
pipeline_tag: text-generation
tags: [{config.model}, polish, small-language-model]
---

# polishgen {config.model} ({config.preset})

A {NAMES[config.model]} with {metrics["parameters"]:,} parameters that continues Polish prose. It was
trained from scratch on public-domain Polish novels with `python -m training.train --model
{config.model} --preset {config.preset}`.

```python
import polishgen

lm = polishgen.load("{config.model}")
print(lm.generate("Pewnego razu młody książe", seed=7))
```

| | |
|---|---|
| Held-out bits per byte | {metrics["bits_per_byte"]:.3f} |
| Held-out perplexity a token ({summary.tokenizer}, {summary.vocab_size:,} tokens) | {metrics["perplexity"]:.2f} |
| Held-out text | {metrics["held_out_bytes"]:,} bytes: {held_out} |
| Tokens trained on | {metrics["training_tokens"]:,} |
| Training time | {metrics["training_seconds"] / 60:.0f} minutes |

`metrics.json` holds the figures and the whole training configuration, `training_log.csv` the
curve. The training loop measured them at the end of the run, over every token of the held-out
novels, on the weights as stored (bfloat16).

## Limits

It is a small model that has read only old novels: it knows their words, manners and prejudices, no
facts and nothing of today. What it writes is made up. Do not use it for advice, for facts about
people, or where a reader could take its text for a human's.
"""


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes the log as CSV, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
