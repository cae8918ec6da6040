"""What README says under "Adding to it": a fourth architecture, from its file to the page."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from polishgen.bench_app import serve

ROOT = Path(__file__).parent.parent
MODEL = '''\
"""Every token sees the mean of all embeddings up to its own."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from polishgen.parameters import Count, Record, Window


class MeanConfig(Record):
    architecture: ClassVar[str] = "mean"

    vocab_size: Count
    width: Count
    context_length: Window = 256


class Mean(nn.Module):
    def __init__(self, config: MeanConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.mix = nn.Linear(config.width, config.width)
        self.head = nn.Linear(config.width, config.vocab_size)

    def forward(self, tokens: Tensor, state=None) -> tuple[Tensor, tuple[Tensor, int]]:
        x = self.embedding(tokens)
        total, position = state or (torch.zeros_like(x[:, :1]), 0)
        sums = total + x.cumsum(1)
        ages = torch.arange(position + 1, position + 1 + tokens.shape[1], device=x.device)
        logits = self.head(x + torch.relu(self.mix(sums / ages[:, None])))
        return logits, (sums[:, -1:], position + tokens.shape[1])
'''
# By file: a line of it, and what comes after that line.
LINES = {
    "polishgen/models/__init__.py": {
        "from polishgen.models.gru import GRU, GRUConfig\n": (
            "from polishgen.models.mean import Mean, MeanConfig\n"
        ),
        "MODELS = {\n": '    "mean": (MeanConfig, Mean),\n',
        "PRESETS: dict[tuple[str, str], ModelConfig] = {\n": (
            '    ("mean", "compact"): MeanConfig(vocab_size=POLISH_SIZE, width=64),\n'
        ),
    },
    "training/config.py": {
        "RECIPES: dict[tuple[str, str], TrainingConfig] = {\n": (
            '    ("mean", "compact"): COMPACT.replace(model="mean"),\n'
        )
    },
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the repository without its checkpoints, with the model added."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("polishgen", "training"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    (folder / "polishgen" / "models" / "mean.py").write_text(MODEL)
    for file, lines in LINES.items():
        text = (folder / file).read_text(encoding="utf-8")
        for line, added in lines.items():
            assert text.count(line) == 1
            text = text.replace(line, line + added)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def run(checkout: Path, *arguments: object) -> str:
    """What a Python module of the copy prints."""
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_trains_resumes_writes_scores_is_published_and_appears_on_the_page(
    checkout, tiny_corpus
):
    options = {
        "--data": tiny_corpus,
        "--micro-batch-size": 4,
        "--sequence-length": 24,
        "--eval-tokens": 400,
        "--warmup-steps": 3,
    }
    train = ["training.train", "--model", "mean", "--export", "checkpoints/mean"]
    run(checkout, *train, "--max-steps", 12, *(part for pair in options.items() for part in pair))
    run(checkout, *train, "--resume", "--max-steps", 24)
    assert "mean" in run(checkout, "polishgen", "models")
    assert len(run(checkout, "polishgen", "generate", "Ala", "--model", "mean")) > len("Ala\n")
    assert "mean" in run(checkout, "polishgen", "score", "Ala ma kota.", "--model", "mean")
    assert "| mean | PyTorch |" in run(checkout, "polishgen", "bench", "--tokens", 5)
    upload = ("training.publish", "model", "--model", "mean", "--repo", "user/mean", "--dry-run")
    assert "README.md" in run(checkout, *upload)
    command = (sys.executable, "app.py", "--port")
    with serve(command, cwd=checkout) as (url, _, _):
        assert "mean" in httpx.get(url, timeout=60).text
        column = {"model": "mean", "text": "Ala", "options": {"max_new_tokens": 5, "seed": 1}}
        written = httpx.post(f"{url}do/write", json={"columns": [column]}, timeout=60)
        assert "done" in written.text
        read = httpx.post(f"{url}do/read", json={"text": "Ala", "models": ["mean"]}, timeout=60)
        assert "tokens" in read.text
        for plot in ("bits.svg", "speed.svg", "curves.svg"):
            assert httpx.get(f"{url}plot/{plot}", timeout=60).is_success, plot
