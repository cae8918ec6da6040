"""Model folders: what comes back, and what is said when something is wrong with one."""

import json
import pickle
import time
from contextlib import contextmanager

import psutil
import pytest
import torch
from conftest import narrow_model
from safetensors.torch import load_file, save_file

import polishgen
from polishgen.__main__ import main
from polishgen.checkpoint import load_checkpoint, save_checkpoint
from polishgen.errors import CheckpointError, ParameterError
from polishgen.models import ARCHITECTURES
from polishgen.tokenizer import Tokenizer

BYTES = Tokenizer.from_ranks({bytes([value]): value for value in range(256)})


def saved(folder, architecture="gru"):
    """A small model's folder, and the model."""
    model = narrow_model(architecture, std=1.0)
    save_checkpoint(folder, model, BYTES, {"bits_per_byte": 1.5})
    return model


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_comes_back_bit_for_bit_in_bfloat16(architecture, tmp_path):
    model = saved(tmp_path, architecture)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.model.config == model.config
    assert checkpoint.metrics == {"bits_per_byte": 1.5}
    assert not checkpoint.model.training
    loaded = checkpoint.model.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], weight.bfloat16().float()), name
    assert {w.dtype for w in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}
    assert checkpoint.tokenizer.encode("żółw") == BYTES.encode("żółw")


def test_loaded_by_folder_and_by_path(tmp_path):
    saved(tmp_path)
    for name in (tmp_path, str(tmp_path)):
        lm = polishgen.load(name)
        assert lm.architecture == "gru"
        assert lm.parameters == sum(p.numel() for p in lm.model.parameters())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.tiktoken"])
def test_a_missing_or_empty_file_is_named(name, tmp_path):
    saved(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("cut", [4, 100, -10])
def test_cut_weights_are_damaged(cut, tmp_path):
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_checkpoint(tmp_path)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    saved(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_weights_that_do_not_fit_the_configuration(tmp_path):
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    name = "gru.weight_hh_l0"
    for changed, said in (
        ({k: w for k, w in weights.items() if k != name}, f"no {name}"),
        (weights | {"more": torch.zeros(1)}, "unknown tensor more"),
        (weights | {name: torch.zeros(3, 3)}, name),
        (weights | {name: torch.full_like(weights[name], torch.nan)}, "not finite"),
    ):
        save_file(changed, path)
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("architecture", "name", "value"),
    [
        ("gru", "hidden_size", 2_000_000),
        ("gru", "n_layers", 1_000_000),
        ("gru", "n_layers", 256),
        ("gru", "embedding_size", 10**18),
        ("transformer", "n_layers", 1_000_000),
        ("transformer", "n_layers", 256),
        ("transformer", "width", 2**24),
        ("transformer", "context_length", 10**12),
        ("bdh", "n_layers", 1_000_000),
        ("bdh", "n_neurons", 2**24),
        ("bdh", "n_neurons", 1e400),
    ],
)
def test_a_hostile_configuration_is_refused_at_once(architecture, name, value, tmp_path):
    saved(tmp_path, architecture)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"][name] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    before, started = psutil.Process().memory_info().rss, time.thread_time()
    with pytest.raises(CheckpointError, match=rf"must be|no [a-z]|{name}"):
        load_checkpoint(tmp_path)
    assert time.thread_time() - started < 2
    assert psutil.Process().memory_info().rss - before < 100e6


def test_nested_beyond_reason_is_damaged(tmp_path):
    saved(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        load_checkpoint(tmp_path)


def test_weights_of_another_kind_of_number_are_refused(tmp_path):
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    for dtype in (torch.int8, torch.float8_e4m3fn, torch.bool):
        save_file({name: weight.to(dtype) for name, weight in weights.items()}, path)
        with pytest.raises(CheckpointError, match="of type"):
            load_checkpoint(tmp_path)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "setting",
    [
        lambda: default_dtype(torch.float64),
        lambda: default_dtype(torch.bfloat16),
        lambda: torch.device("meta"),
        torch.inference_mode,
        torch.no_grad,
    ],
    ids=["float64", "bfloat16", "meta", "inference", "no_grad"],
)
def test_the_callers_torch_settings_make_no_difference(architecture, setting, tmp_path):
    saved(tmp_path, architecture)
    expected = polishgen.load(tmp_path)
    with setting():
        loaded = polishgen.load(tmp_path)
    for name, weight in expected.model.state_dict().items():
        other = loaded.model.state_dict()[name]
        assert torch.equal(other, weight) and other.dtype == torch.float32
        assert not other.requires_grad and not other.is_inference()
    options = {"max_new_tokens": 8, "seed": 1}
    assert loaded.generate("Ala", **options) == expected.generate("Ala", **options)


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "meta", "", None, 5, "mps"])
def test_a_device_that_is_not_there_is_named(device, tmp_path):
    saved(tmp_path)
    with pytest.raises(ParameterError, match="device="):
        polishgen.load(tmp_path, device=device)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "lstm"}, "architecture='lstm'"),
        ({"model": {"vocab_size": 257}}, "embedding_size"),
        ({"model": [1, 2]}, "config.json"),
        ({"model": None}, "config.json"),
        ({"tokenizer": "../secret"}, "tokenizer='../secret'"),
    ],
)
def test_a_wrong_configuration_is_named(changes, said, tmp_path):
    saved(tmp_path)
    edit_json(tmp_path / "config.json", **changes)
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(tmp_path)


def test_a_tokenizer_of_another_size_is_refused(tmp_path):
    saved(tmp_path)
    Tokenizer.from_ranks({bytes([v]): v for v in range(256)} | {b"ab": 256}).save(
        tmp_path / "tokenizer.tiktoken"
    )
    with pytest.raises(CheckpointError, match="258 tokens"):
        load_checkpoint(tmp_path)


def test_without_bundled_models_it_is_said_where_models_come_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(polishgen.checkpoint, "BUNDLED", tmp_path / "none")
    for command in (["generate"], ["score", "Ala"], ["models"], ["bench"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "checkout" in said and "user/repo" in said


def test_names_of_nothing(tmp_path):
    with pytest.raises(ParameterError, match="model='lstm'"):
        polishgen.load("lstm")
    with pytest.raises(ParameterError, match="model=''"):
        polishgen.load("")
    for missing in (tmp_path / "none", str(tmp_path / "none")):
        with pytest.raises(CheckpointError, match="no folder"):
            polishgen.load(missing)
    with pytest.raises(ParameterError):
        polishgen.load(7)
    saved(tmp_path)
    with pytest.raises(ParameterError, match="revision"):
        polishgen.load(tmp_path, revision="main")
