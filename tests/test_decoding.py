"""Compiled decoders against the float64 models, and the promises that every decoder makes."""

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_tiny_checkpoint
from torch.nn import functional as F

import polishgen
from polishgen.decoding import TorchDecoder, compile_in_background, decoder, make_decoder
from polishgen.models import ARCHITECTURES, build_model, preset_config
from polishgen.page.reading import PROSE

pytest.importorskip("numba", reason="without Numba all decoding is PyTorch's")

VOCABULARY = 61
SMALL = {
    ("transformer", "compact"): {"width": 32, "n_layers": 3, "n_heads": 2, "context_length": 16},
    ("transformer", "report"): {"width": 32, "n_layers": 2, "n_heads": 2, "context_length": 16},
    ("gru", "compact"): {"embedding_size": 17, "hidden_size": 30},
    ("gru", "report"): {"embedding_size": 17, "hidden_size": 30},
    ("bdh", "compact"): {"width": 18, "n_neurons": 64, "n_heads": 4, "n_layers": 3},
    ("bdh", "report"): {"width": 18, "n_neurons": 64, "n_heads": 2, "n_layers": 2},
}
FLAVOURS = sorted(SMALL)
HELD_OUT = """
    Zegar na wieży wybił siódmą, a pan Walenty wciąż jeszcze stał w oknie i patrzył na drogę.
    Śnieg padał gęsto i cicho; po płotach i dachach leżał już grubo, a na gościńcu nie było
    widać ani śladu. — Nie przyjadą dzisiaj — rzekła żona, nie podnosząc głowy znad roboty. —
    Kto by w taką noc jechał? Walenty nie odpowiedział. Odszedł od okna, dorzucił drew do komina
    i usiadł, ale po chwili znowu wstał. Pies pod stołem podniósł uszy. Gdzieś daleko, za lasem,
    odezwał się dzwonek, potem umilkł, potem odezwał się bliżej. — Jadą! — krzyknął chłopiec i
    rzucił się ku drzwiom. W sieni zrobił się ruch, ktoś szukał latarni, ktoś wołał parobka, a
    dzwonek brzmiał już pod samą bramą. Walenty wyszedł na ganek bez czapki. Z sań wysiadł nie
    brat, na którego czekał, lecz stary człowiek w podróżnym futrze, którego nikt w tym domu
    nigdy jeszcze nie widział.
"""


def small_model(flavour: tuple[str, str]) -> torch.nn.Module:
    """A narrow float32 model whose weights are far from their start values."""
    torch.manual_seed(0)
    changes = {"vocab_size": VOCABULARY, "dropout": 0.0, **SMALL[flavour]}
    model = build_model(preset_config(*flavour, **changes)).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def float64_logits(model: torch.nn.Module, tokens: list[int]) -> torch.Tensor:
    """Logits (T, V) of the model in float64."""
    exact = type(model)(model.config).double().eval()
    exact.load_state_dict(model.state_dict())
    logits, state = [], None
    with torch.no_grad():
        for chunk in torch.tensor([tokens]).split(250, dim=1):
            part, state = exact(chunk, state)
            logits.append(part[0])
    return torch.cat(logits)


def divergence(expected: torch.Tensor, logits) -> torch.Tensor:
    """KL divergence (T,) in nats of what `logits` (T, V) say from what the exact ones say."""
    got = torch.as_tensor(np.asarray(logits)).double().log_softmax(-1)
    exact = expected.log_softmax(-1)
    return (exact.exp() * (exact - got)).sum(-1)


def random_tokens(length: int) -> list[int]:
    return np.random.default_rng(length).integers(0, VOCABULARY, length).tolist()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_token_by_token_is_the_float64_model(flavour):
    """Far beyond the window of 16: a rolling cache, or two windows half a context apart."""
    model, tokens = small_model(flavour), random_tokens(75)
    decoder = make_decoder(model)
    assert decoder.backend == "compiled"
    logits = [decoder.step(token) for token in tokens]
    assert divergence(float64_logits(model, tokens), logits).mean() < 1e-3


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("length", [3, 25, 40, 300])
def test_a_prompt_at_once_leaves_what_its_tokens_leave(flavour, length):
    model, prompt, rest = small_model(flavour), random_tokens(length), random_tokens(20)
    at_once, one_by_one = make_decoder(model), make_decoder(model)
    first = at_once.prefill(prompt)
    for token in prompt:
        last = one_by_one.step(token)
    assert first.dtype == np.float32 and first.shape == (VOCABULARY,)
    logits = [first] + [at_once.step(token) for token in rest]
    expected = float64_logits(model, prompt + rest)[length - 1 :]
    assert divergence(expected, logits).mean() < 1e-3
    assert divergence(expected[:1], [last]).item() < 3e-3


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", [make_decoder, TorchDecoder])
def test_a_copy_goes_on_as_the_original_and_by_itself(flavour, kind):
    model = small_model(flavour)
    original = kind(model)
    original.prefill(random_tokens(30))
    copy = original.copy()
    other = original.copy()
    other.step(5), other.step(6)
    for token in random_tokens(20):
        assert np.array_equal(original.step(token), copy.step(token))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_text_of_5000_tokens_stays_with_the_float64_model(flavour):
    model, tokens = small_model(flavour), random_tokens(5000)
    decoder = make_decoder(model)
    logits = [decoder.step(token) for token in tokens]
    expected = float64_logits(model, tokens)[-500:]
    assert divergence(expected, logits[-500:]).mean() < 1e-3


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_threads_get_what_each_would_get_alone(flavour):
    model = small_model(flavour)
    texts = [random_tokens(length) for length in range(50, 56)]

    def read(tokens, into):
        decoder = make_decoder(model)
        into.append(np.array([decoder.step(token) for token in tokens]))

    alone, together = [[] for _ in texts], [[] for _ in texts]
    for tokens, into in zip(texts, alone, strict=True):
        read(tokens, into)
    threads = [
        threading.Thread(target=read, args=pair) for pair in zip(texts, together, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (expected,), (got,) in zip(alone, together, strict=True):
        assert np.array_equal(expected, got)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_changed_weights_are_decoded_with(flavour):
    model, tokens = small_model(flavour), random_tokens(20)
    before = make_decoder(model).prefill(tokens)
    changed = {name: weight * 1.5 for name, weight in model.state_dict().items()}
    model.load_state_dict(changed)
    after = make_decoder(model).prefill(tokens)
    assert not np.allclose(before, after)
    assert divergence(float64_logits(model, tokens)[-1:], [after]).item() < 5e-3


def test_the_synapses_of_silent_neurons_are_not_touched():
    model = small_model(("bdh", "compact"))
    model.encoder.data[:, :, :8] = 0.0
    tokens = random_tokens(40)
    decoder = make_decoder(model)
    decoder.state.rho[:, :, :8] = np.nan
    logits = [decoder.step(token) for token in tokens]
    assert divergence(float64_logits(model, tokens), logits).mean() < 1e-3
    assert np.isnan(decoder.state.rho[:, :, :8]).all()
    assert (decoder.state.rho[:, :, 8:] != 0).all()


@pytest.mark.parametrize("name", ["transformer", "gru", "bdh"])
def test_the_bundled_models_lose_next_to_nothing(name):
    """KL below 0.001 nats per token and bits per byte within 0.002 of the float64 model."""
    lm = polishgen.load(name)
    tokens = lm.tokenizer.encode(" ".join(HELD_OUT.split()) + "\n\n" + PROSE)
    inputs = [lm.tokenizer.boundary_id, *tokens[:-1]]
    decoder = make_decoder(lm.model)
    logits = torch.tensor(np.array([decoder.step(token) for token in inputs])).double()
    exact = float64_logits(lm.model, inputs)
    assert divergence(exact, logits.numpy()).mean() < 1e-3
    n_bytes = len(lm.tokenizer.decode_bytes(tokens))
    losses = [
        F.cross_entropy(rows, torch.tensor(tokens), reduction="sum").item() / np.log(2) / n_bytes
        for rows in (logits, exact)
    ]
    assert abs(losses[0] - losses[1]) < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_reports_models_decode_at_full_size(architecture):
    """76 to 88 million parameters, 100,277 tokens; prints its speed (`pytest -s`)."""
    torch.manual_seed(0)
    config = preset_config(architecture, "report", dropout=0.0)
    model = build_model(config).eval().requires_grad_(False)
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, 24).tolist()
    make_decoder(model).step(0)  # quantises the weights
    decoder, started = make_decoder(model), time.perf_counter()
    logits = np.array([decoder.step(token) for token in tokens])
    speed = len(tokens) / (time.perf_counter() - started)
    print(f"\n{architecture}: {speed:.0f} tokens per second, {decoder.backend}")
    exact = float64_logits(model, tokens).numpy()
    assert np.square(logits - exact).mean() < 0.05**2 * exact.var()


def test_other_precisions_decode_through_pytorch():
    assert make_decoder(small_model(("gru", "compact")).double()).backend == "PyTorch"


def test_while_code_is_compiled_pytorch_decodes(monkeypatch):
    model, go_on = small_model(("gru", "compact")), threading.Event()
    asked_for = []

    def slowly(model):
        assert go_on.wait(20)
        asked_for.append(model.config.architecture)

    monkeypatch.setattr(decoder, "compile_elsewhere", lambda architecture: None)
    monkeypatch.setattr(decoder, "compiled_code", slowly)
    thread = compile_in_background()
    assert make_decoder(model).backend == "PyTorch"
    go_on.set()
    thread.join()
    assert sorted(asked_for) == sorted(ARCHITECTURES)
    monkeypatch.undo()
    assert make_decoder(model).backend == "compiled"


@pytest.mark.slow
def test_a_process_of_its_own_fills_the_cache(tmp_path, monkeypatch):
    """From any folder, once; after that the step is fetched and not compiled."""
    from polishgen.decoding import cache

    package = tmp_path / "site" / "polishgen"
    shutil.copytree(Path(polishgen.__file__).parent, package, ignore=lambda *_: ["__pycache__"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = package / "decoding" / "__pycache__" / cache.FOLDER.name
    monkeypatch.setattr(cache, "FOLDER", folder)
    folder.mkdir(parents=True)
    decoder.compile_elsewhere("gru")
    assert (folder / "gru.done").exists() and list(folder.rglob("*.nbc"))
    monkeypatch.setattr(decoder.subprocess, "run", None)
    decoder.compile_elsewhere("gru")


WITHOUT = """
import sys
{}
import polishgen
lm = polishgen.load(sys.argv[1])
lm.generate("Ala", max_new_tokens=5, seed=1)
print(polishgen.decoding.make_decoder(lm.model).backend)
"""


@pytest.mark.parametrize(
    "fault", ["sys.modules['numba'] = None", "import numba; numba.njit = lambda *a, **k: 1 / 0"]
)
def test_where_numba_is_missing_or_fails_pytorch_decodes(fault, tmp_path):
    folder = save_tiny_checkpoint(tmp_path / "model", "gru")
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT.format(fault), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "PyTorch"


def test_threads_that_declare_code_at_once_keep_it_in_one_folder(monkeypatch):
    from polishgen.decoding import cache

    seen, own = set(), cache.numba.config.CACHE_DIR

    def njit(function, **options):
        seen.add(cache.numba.config.CACHE_DIR)
        time.sleep(0.01)
        seen.add(cache.numba.config.CACHE_DIR)
        return function

    monkeypatch.setattr(cache.numba, "njit", njit)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(cache.compiled, [len] * 16))
    assert seen == {str(cache.FOLDER)}
    assert own == cache.numba.config.CACHE_DIR


def test_code_is_kept_for_the_sources_that_it_was_compiled_from(tmp_path, monkeypatch):
    from polishgen.decoding import cache

    monkeypatch.setattr(cache, "SOURCES", tmp_path / "package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    cache.SOURCES.mkdir()
    source = cache.SOURCES / "a.py"
    source.write_text("1")
    first = cache.cache_folder()
    assert first == cache.cache_folder() and first.is_relative_to(cache.SOURCES / "__pycache__")
    source.write_text("2")
    assert cache.cache_folder() != first
    # Nothing can be made inside a file, whoever tries.
    (cache.SOURCES / "__pycache__").rename(tmp_path / "old")
    (cache.SOURCES / "__pycache__").write_text("")
    assert cache.cache_folder().is_relative_to(tmp_path / "user")
    (tmp_path / "user").rename(tmp_path / "old user")
    (tmp_path / "user").write_text("")
    assert cache.cache_folder() is None
    assert Path(cache.FOLDER or os.devnull).exists()
