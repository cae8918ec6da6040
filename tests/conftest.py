"""Shared test material: small Polish documents of our own, and a corpus prepared from them."""

import json
import random
from pathlib import Path

import pytest

SUBJECTS = ("Stary młynarz", "Mała Zosia", "Żołnierz", "Ciotka Łucja", "Ktoś obcy", "Pies sąsiada")
VERBS = ("szedł przez wieś", "patrzył na rzekę", "śpiewał pod oknem", "czekał na list", "milczał")
ENDS = (
    "i nie mówił nic.",
    "aż do świtu.",
    "bo tak było lepiej.",
    "a potem się śmiał.",
    "że aż żal.",
)


def invented_text(seed: int, sentences: int) -> str:
    """Prose of a kind: random sentences, five to a paragraph."""
    choose = random.Random(seed)
    lines = [
        f"{choose.choice(SUBJECTS)} {choose.choice(VERBS)} {choose.choice(ENDS)}"
        for _ in range(sentences)
    ]
    return "\n".join(" ".join(lines[i : i + 5]) for i in range(0, sentences, 5))


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data folder: 24 invented documents over a BPE of 320 tokens."""
    from training.prepare import PrepareConfig, prepare

    folder = tmp_path_factory.mktemp("corpus")
    source = folder / "invented.jsonl"
    with source.open("w", encoding="utf-8") as file:
        for seed in range(24):
            row = {"text": invented_text(seed, 60), "meta": {"title": f"Opowieść {seed}"}}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    out = folder / "prepared"
    prepare(PrepareConfig(source=str(source), out=str(out), vocab_size=320, held_out=0.15))
    return out
