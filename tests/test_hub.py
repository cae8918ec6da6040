"""Loading from the Hub: the real huggingface_hub against a Hub on loopback."""

import logging
from pathlib import Path

import pytest
import torch
from conftest import save_tiny_checkpoint
from hub_server import Fault, Hub
from huggingface_hub import constants

import polishgen
from polishgen.checkpoint import bundled_names, configured_models
from polishgen.errors import CheckpointError, ParameterError

REPOSITORY = "user/model"
NEEDED = {"config.json", "model.safetensors", "tokenizer.tiktoken", "metrics.json"}
WEIGHTS_URL = r"^/objects/\w{64}"


def files_of(folder: Path) -> dict[str, bytes]:
    """Contents of a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same_weights(one: polishgen.LanguageModel, other: polishgen.LanguageModel) -> bool:
    """Whether two models have the same tensors, bit for bit."""
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    return save_tiny_checkpoint(tmp_path / "original", "gru", seed=1)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """Another one, with other weights."""
    return save_tiny_checkpoint(tmp_path / "newer", "gru", seed=2)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client writes what it gets every 1,000 bytes, so that tiny weights can be cut in two."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_loads_each_architecture_bit_for_bit(hub: Hub, tmp_path: Path, architecture: str):
    folder = save_tiny_checkpoint(tmp_path / "original", architecture)
    hub.add_model(REPOSITORY, files_of(folder))
    ours, theirs = polishgen.load(folder), polishgen.load(REPOSITORY)
    assert same_weights(ours, theirs)
    assert theirs.metrics == {"bits_per_byte": 2.5, "perplexity": 5.66}
    assert theirs.generate("Ala", max_new_tokens=20, seed=3) == ours.generate(
        "Ala", max_new_tokens=20, seed=3
    )


def test_fetches_only_what_it_needs(hub: Hub, checkpoint: Path):
    extra = {"README.md": b"# card", "optimizer.bin": bytes(100), "runs/log.txt": b"x"}
    log = {"training_log.csv": b"step\n0\n"}
    hub.add_model(REPOSITORY, files_of(checkpoint) | extra | log)
    polishgen.load(REPOSITORY)
    fetched = {request.path.split("/")[-1] for request in hub.sent("GET", "/resolve/")}
    assert fetched == NEEDED - {"model.safetensors"} | log.keys()
    assert len(hub.sent("GET", WEIGHTS_URL)) == 1


@pytest.mark.parametrize("how", ["variable", "no network"])
def test_needs_no_network_afterwards(
    hub: Hub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    hub.add_model(REPOSITORY, files_of(checkpoint))
    polishgen.load(REPOSITORY)
    if how == "variable":
        go_offline(monkeypatch)
    else:
        hub.__exit__()
    before = len(hub.requests)
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(checkpoint))
    assert len(hub.requests) == before


def test_revision_is_a_branch_a_tag_or_a_commit(hub: Hub, checkpoint: Path, newer: Path):
    repository = hub.add_model(REPOSITORY, files_of(checkpoint))
    first = repository.commits[-1].oid
    repository.refs |= {"v1": first, "pr/1": first}
    hub.add_commit(repository, files_of(newer))
    old, new = polishgen.load(checkpoint), polishgen.load(newer)
    assert same_weights(polishgen.load(REPOSITORY), new)
    for revision in ("v1", "pr/1", first):
        assert same_weights(polishgen.load(REPOSITORY, revision=revision), old)
    before = len(hub.requests)
    polishgen.load(REPOSITORY, revision=first)
    assert len(hub.requests) == before, "a commit that is cached needs no question"


def test_a_newer_commit_replaces_the_cached_one(hub: Hub, checkpoint: Path, newer: Path):
    repository = hub.add_model(REPOSITORY, files_of(checkpoint))
    polishgen.load(REPOSITORY)
    hub.add_commit(repository, files_of(newer))
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(newer))


@pytest.mark.parametrize("broken", [WEIGHTS_URL, r"/resolve/.*metrics\.json"])
def test_a_newer_commit_that_fails_leaves_the_cached_one(
    hub: Hub, checkpoint: Path, newer: Path, monkeypatch: pytest.MonkeyPatch, broken: str
):
    repository = hub.add_model(REPOSITORY, files_of(checkpoint))
    polishgen.load(REPOSITORY)
    changed = files_of(newer) | {"metrics.json": b'{"bits_per_byte": 2.0}'}
    hub.add_commit(repository, changed)
    hub.faults.append(Fault("GET", broken, status=500, times=100))
    old = polishgen.load(checkpoint)
    assert same_weights(polishgen.load(REPOSITORY), old)
    go_offline(monkeypatch)
    assert same_weights(polishgen.load(REPOSITORY), old)


FAILURES = {
    "missing": ({}, "no such repository, or it is private"),
    "private": ({}, "no such repository, or it is private"),
    "gated": ({}, "it is gated"),
    "no network": ({}, "the Hub cannot be reached"),
    "no answer": ({"cut": 0, "hold": True}, "the Hub cannot be reached"),
    "not the Hub": ({}, "what answered is not the Hub"),
    "401": ({"status": 401}, "the Hub answers 401"),
    "403": ({"status": 403}, "403"),
    "429": ({"status": 429, "headers": {"Retry-After": "3600"}}, "the Hub answers 429"),
    "500": ({"status": 500}, "the Hub answers 500"),
}


def break_hub(hub: Hub, failure: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes the Hub fail in a named way from now on; returns what the error must say."""
    fault, message = FAILURES[failure]
    if failure == "no answer":
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    if fault:
        hub.faults.append(Fault("GET", "/api/models", times=100, **fault))
    elif failure == "missing":
        hub.repositories.clear()
    elif failure == "private":
        hub.model(REPOSITORY).private = True
    elif failure == "gated":
        hub.model(REPOSITORY).gated = True
    elif failure == "no network":
        hub.__exit__()
    elif failure == "not the Hub":
        monkeypatch.setattr("hub_server.ApiHandler.answer_json", answer_a_page)
    return message


def answer_a_page(handler, *_) -> None:
    """What a hotel's network says to everything."""
    handler.answer(200, b"<html>Log in to our network</html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize("failure", FAILURES)
def test_says_why_it_cannot_load(
    hub: Hub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, failure: str
):
    hub.add_model(REPOSITORY, files_of(checkpoint))
    message = break_hub(hub, failure, monkeypatch)
    with pytest.raises(CheckpointError) as raised:
        polishgen.load(REPOSITORY)
    assert str(raised.value).startswith(f"cannot load {REPOSITORY}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("failure", FAILURES)
def test_uses_the_cached_copy_where_there_is_one(
    hub: Hub,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: str,
):
    hub.add_model(REPOSITORY, files_of(checkpoint))
    polishgen.load(REPOSITORY)
    message = break_hub(hub, failure, monkeypatch)
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(checkpoint))
    assert message in caplog.text and "the cached copy is used" in caplog.text


def test_an_unknown_revision_is_an_error_even_with_a_cache(hub: Hub, checkpoint: Path):
    hub.add_model(REPOSITORY, files_of(checkpoint))
    polishgen.load(REPOSITORY)
    for revision in ("v9", "0" * 40, "a/b"):
        with pytest.raises(CheckpointError, match=f"at revision {revision}: .*no such revision"):
            polishgen.load(REPOSITORY, revision=revision)


@pytest.mark.parametrize("revision", ["", 1, b"main"])
def test_a_revision_of_no_such_form_is_refused(hub: Hub, revision: object):
    with pytest.raises(ParameterError, match="revision="):
        polishgen.load(REPOSITORY, revision=revision)


@pytest.mark.parametrize("name", ["user/a..b", "user/a--b", "user/name.git", "-user/x"])
def test_a_name_that_the_hub_would_refuse_is_an_error(hub: Hub, name: str):
    with pytest.raises(CheckpointError, match="cannot load"):
        polishgen.load(name)
    assert not hub.requests


def test_offline_with_nothing_cached(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    go_offline(monkeypatch)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
        polishgen.load(REPOSITORY)


def test_a_cut_connection_goes_on_where_it_broke(hub: Hub, checkpoint: Path, small_chunks):
    hub.add_model(REPOSITORY, files_of(checkpoint))
    hub.faults.append(Fault("GET", WEIGHTS_URL, cut=3500))
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(checkpoint))
    first, second = hub.sent("GET", WEIGHTS_URL)
    assert "Range" not in first.headers
    assert second.headers["Range"] == "bytes=3000-" and second.status == 206


def test_a_repository_that_is_no_model_of_ours(hub: Hub):
    hub.add_model(REPOSITORY, {"README.md": b"# something else"})
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        polishgen.load(REPOSITORY)


def test_the_token_opens_private_models_and_stays_secret(
    hub: Hub,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    hub.add_model(REPOSITORY, files_of(checkpoint), private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(CheckpointError, match="private"):
        polishgen.load(REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", "hf_author")
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(checkpoint))
    assert not any("Authorization" in request.headers for request in hub.sent("GET", WEIGHTS_URL))
    told = caplog.text + "".join(capfd.readouterr())
    assert "hf_author" not in told and "hf_stranger" not in told
    for path in Path(constants.HF_HUB_CACHE).rglob("*"):
        assert not path.is_file() or b"hf_author" not in path.read_bytes()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("bdh", ("bdh",)),
        (" gru , user/model,gru,,/some/folder ", ("gru", "user/model", "/some/folder")),
        (" , ", None),
        ("", None),
        (None, None),
    ],
)
def test_the_environment_names_the_models_to_serve(
    monkeypatch: pytest.MonkeyPatch, value: str | None, names: tuple[str, ...] | None
):
    if value is None:
        monkeypatch.delenv("POLISHGEN_MODELS", raising=False)
    else:
        monkeypatch.setenv("POLISHGEN_MODELS", value)
    assert configured_models() == (bundled_names() if names is None else names)
