"""Shared test material: small Polish documents of our own, and a corpus prepared from them."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub_server import Hub
from page_server import ServedPage, serve_page

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side, a core each, and so does what they start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from torch import nn

    from polishgen.tokenizer import Tokenizer

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
def shared() -> Path:
    """The folder of the corpus and cl100k_base, `POLISHGEN_SHARED` or `../shared`; or a skip."""
    beside = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("POLISHGEN_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} with the corpus and cl100k_base (see README)")
    return folder


@pytest.fixture(scope="session")
def cl100k(shared: Path) -> "Tokenizer":
    """cl100k_base, which tiktoken keeps from then on; skips where there is no copy of it."""
    from polishgen.tokenizer import Tokenizer

    folder = shared / "tiktoken"
    if not folder.is_dir():
        pytest.skip(f"no copy of cl100k_base in {folder}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        return Tokenizer.cl100k()


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


# Sizes at which a model of each architecture is built, trained and run in an instant.
NARROW = {
    "transformer": {"width": 32, "n_layers": 2, "n_heads": 2, "context_length": 16},
    "gru": {"embedding_size": 16, "hidden_size": 24, "context_length": 16},
    "bdh": {"width": 16, "n_neurons": 64, "n_layers": 2, "context_length": 16},
}


@pytest.fixture(params=tuple(NARROW))
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture in turn."""
    return request.param


def narrow_model(
    architecture: str,
    preset: str = "compact",
    std: float | None = None,
    seed: int = 0,
    vocab_size: int = 257,
    **changes,
) -> "nn.Module":
    """A model of the preset's flavour in evaluation mode; `changes` replace its narrow sizes.

    With `std` its weights are far from their start values: normal, with this standard deviation.
    """
    import torch

    from polishgen.models import build_model, preset_config

    torch.manual_seed(seed)
    sizes = NARROW[architecture] | {"vocab_size": vocab_size, "dropout": 0.0} | changes
    model = build_model(preset_config(architecture, preset, **sizes)).eval()
    if std is not None:
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=std)
    return model


def save_tiny_checkpoint(folder: Path, architecture: str, seed: int = 0, **changes) -> Path:
    """A checkpoint of random weights over the 256 single bytes; `changes` replace its sizes."""
    from polishgen.checkpoint import save_checkpoint
    from polishgen.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_ranks({bytes([byte]): byte for byte in range(256)})
    model = narrow_model(architecture, seed=seed, **changes)
    save_checkpoint(folder, model, tokenizer, {"bits_per_byte": 2.5, "perplexity": 5.66})
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback that huggingface_hub in this process talks to, over an empty cache.

    Nobody is logged in; "hf_author" may write for "user", "hf_stranger" for "stranger".
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    tokens = {"hf_author": ("user", "write"), "hf_stranger": ("stranger", "write")}
    with Hub(tokens) as hub:
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
        close_session()


@pytest.fixture(scope="session")
def served_page() -> Iterator[ServedPage]:
    """The page, served by a process of its own, with the decoders compiled before it starts."""
    import polishgen

    for name in polishgen.bundled_names():
        polishgen.load(name).generate("Ala", max_new_tokens=2)
    with serve_page() as page:
        yield page
