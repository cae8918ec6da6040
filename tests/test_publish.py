"""Publishing: `python -m training.publish`, by the real huggingface_hub, to a Hub on loopback."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import save_tiny_checkpoint
from hub_server import Fault, Hub, card_errors, front_matter
from huggingface_hub import ModelCard
from PIL import Image

import polishgen
from polishgen.checkpoint import save_checkpoint
from polishgen.errors import CheckpointError
from polishgen.models import build_model, preset_config
from polishgen.tokenizer import Tokenizer
from training.model_card import card_files, training_curve
from training.publish import main
from training.space import ROOT

REPOSITORY = "user/polishgen-gru"
LOG = (
    "step,train_loss,val_loss,val_bits_per_byte,tokens,elapsed_seconds,learning_rate_factor\n"
    "0,5.5,5.5,8.0,0,0.0,0.1\n100,3.0,3.2,4.6,1000000,60.0,1.0\n200,2.5,2.9,4.2,2000000,120.0,0.0\n"
)
METRICS = {
    "perplexity": 17.4368,
    "bits_per_byte": 1.612345,
    "tokens_per_second": 123.4,
    "held_out": {"tale": {"documents": 2, "bytes": 1234, "bits_per_byte": 1.25}},
    "training_tokens": 3_000_000,
    "training_seconds": 7_260.0,
    "corpus": {"source": "data/invented_novels.jsonl.zst", "held_out": ["Nikt: Nigdy", "X: Y"]},
    "training": {"model": "gru", "preset": "compact"},
    "stages": [
        {
            "command": "python -m training.train --model gru",
            "steps": 200,
            "tokens": 3_000_000,
            "seconds": 7_260.0,
        }
    ],
    "evaluation": {
        "presets": {"balanced": {"real_words": {"share": 0.971, "low": 0.96, "high": 0.98}}}
    },
}


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three checkpoints that stand in for the bundled ones; the GRU was trained and measured."""
    folder = tmp_path / "checkpoints"
    for number, name in enumerate(("gru", "transformer", "bdh")):
        save_tiny_checkpoint(folder / name, name, seed=number)
    (folder / "gru/metrics.json").write_text(json.dumps(METRICS))
    (folder / "gru/training_log.csv").write_text(LOG)
    (folder / "gru/notes.txt").write_text("nobody's business")
    monkeypatch.setattr("polishgen.checkpoint.BUNDLED", folder)
    return folder


CARDS: dict[tuple, dict[str, bytes]] = {}


@pytest.fixture(autouse=True)
def cards_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder gives the same card (tested below), so each is written once."""

    def kept(folder: Path, name: str) -> dict[str, bytes]:
        key = (name, *(path.read_bytes() for path in sorted(folder.iterdir())))
        if key not in CARDS:
            CARDS[key] = card_files(folder, name)
        return CARDS[key]

    monkeypatch.setattr("training.publish.card_files", kept)


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is that of "user"."""
    monkeypatch.setenv("HF_TOKEN", "hf_author")


def publish_gru(*options: str) -> int:
    """Runs the command for the GRU."""
    return main(["model", "--model", "gru", "--repo", REPOSITORY, *options])


def same_weights(one: polishgen.LanguageModel, other: polishgen.LanguageModel) -> bool:
    """Whether two models have the same tensors, bit for bit."""
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_a_round_trip_is_bit_for_bit(hub: Hub, bundled: Path, logged_in, architecture: str):
    name = f"user/polishgen-{architecture}"
    assert main(["model", "--model", architecture, "--repo", name]) == 0
    published, local = polishgen.load(name), polishgen.load(architecture)
    assert same_weights(published, local)
    assert published.metrics == local.metrics
    files = hub.model(name).files
    for path in (bundled / architecture).iterdir():
        assert path.name == "notes.txt" or files[path.name] == path.read_bytes()


def test_uploads_the_model_and_its_card_in_one_commit(hub: Hub, bundled: Path, logged_in, capsys):
    assert publish_gru() == 0
    repository = hub.model(REPOSITORY)
    assert [commit.message for commit in repository.commits] == [
        "initial commit",
        "Publish polishgen-gru",
    ]
    assert set(repository.files) == {
        ".gitattributes",
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "tokenizer.tiktoken",
        "training_curve.png",
        "training_log.csv",
    }
    assert not repository.private
    assert f"{hub.endpoint}/{REPOSITORY}" in capsys.readouterr().out


def test_the_same_thing_twice_is_no_commit(hub: Hub, bundled: Path, logged_in, capsys):
    assert publish_gru() == 0
    commits = list(hub.model(REPOSITORY).commits)
    sent = len(hub.requests)
    capsys.readouterr()
    assert publish_gru() == 0
    assert hub.model(REPOSITORY).commits == commits
    assert "up to date" in capsys.readouterr().out
    again = hub.requests[sent:]
    assert not [r for r in again if r.method == "PUT" or "/commit/" in r.path]


def test_a_change_is_one_commit_of_what_changed(hub: Hub, bundled: Path, logged_in, capsys):
    assert publish_gru() == 0
    before = hub.model(REPOSITORY).files
    uploads = len(hub.sent("PUT", "/objects/"))
    (bundled / "gru/metrics.json").write_text(json.dumps(METRICS | {"bits_per_byte": 1.5}))
    assert publish_gru() == 0
    after = hub.model(REPOSITORY).files
    assert {path for path in after if after[path] != before[path]} == {"README.md", "metrics.json"}
    assert len(hub.model(REPOSITORY).commits) == 3
    assert len(hub.sent("PUT", "/objects/")) == uploads, "the weights are there already"
    assert re.search(r"commit [0-9a-f]{7}\n", capsys.readouterr().out)


def test_what_somebody_else_put_there_stays(hub: Hub, bundled: Path, logged_in):
    hub.add_model(REPOSITORY, {"notes.md": b"mine", "README.md": b"old"})
    assert publish_gru() == 0
    assert hub.model(REPOSITORY).files["notes.md"] == b"mine"
    assert hub.model(REPOSITORY).files["README.md"] != b"old"


def test_all_publishes_each_bundled_model(hub: Hub, bundled: Path, logged_in):
    assert main(["model", "--all", "--repo", "user/polishgen"]) == 0
    names = {f"user/polishgen-{name}" for name in ("gru", "transformer", "bdh")}
    assert {name for _, name in hub.repositories} == names
    for name in names:
        assert polishgen.load(name).architecture == name.split("-")[1]


def test_a_folder_is_published_like_a_bundled_model(hub: Hub, tmp_path: Path, logged_in):
    folder = save_tiny_checkpoint(tmp_path / "mine", "bdh")
    assert main(["model", "--model", str(folder), "--repo", REPOSITORY]) == 0
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load(folder))
    assert "training_curve.png" not in hub.model(REPOSITORY).files


def test_private_is_private(hub: Hub, bundled: Path, logged_in, monkeypatch: pytest.MonkeyPatch):
    assert publish_gru("--private") == 0
    assert hub.model(REPOSITORY).private
    assert publish_gru("--private") == 0
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(CheckpointError, match="private"):
        polishgen.load(REPOSITORY)


def test_private_is_never_published_in_the_open(hub: Hub, bundled: Path, logged_in, capsys):
    repository = hub.add_model(REPOSITORY, {})
    commits = list(repository.commits)
    assert publish_gru("--private") == 2
    assert "public" in capsys.readouterr().err
    assert repository.commits == commits and not hub.storage


def test_a_dry_run_says_what_and_sends_nothing(hub: Hub, bundled: Path, logged_in, capsys):
    assert publish_gru("--dry-run") == 0
    told = capsys.readouterr().out
    assert not hub.requests
    assert publish_gru() == 0
    files = hub.model(REPOSITORY).files
    files.pop(".gitattributes")
    lines = dict(reversed(line.split()) for line in told.splitlines()[1:-2])
    assert lines == {path: f"{len(content):,}" for path, content in files.items()}
    total = sum(map(len, files.values()))
    assert f"{total:,}  bytes in {len(files)} files" in told


def test_large_files_go_up_in_parts(hub: Hub, bundled: Path, logged_in):
    hub.part_size = 3000
    assert publish_gru() == 0
    size = (bundled / "gru/model.safetensors").stat().st_size
    parts = hub.sent("PUT", r"/objects/\w{64}/\d+")
    assert len([p for p in parts if len(p.body) == 3000]) >= size // 3000
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load("gru"))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "/objects/", status=500, times=2),
        Fault("PUT", "/objects/", status=429, headers={"Retry-After": "5"}),
        Fault("PUT", "/objects/", reset=True),
        Fault("POST", "/preupload/", status=503),
        Fault("POST", "/objects/batch", reset=True),
    ],
    ids=lambda fault: f"{fault.pattern} {fault.status}",
)
def test_a_passing_fault_is_got_over(
    hub: Hub, bundled: Path, logged_in, monkeypatch: pytest.MonkeyPatch, fault: Fault
):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.faults.append(fault)
    assert publish_gru() == 0
    assert not fault.times
    assert same_weights(polishgen.load(REPOSITORY), polishgen.load("gru"))
    assert len(hub.model(REPOSITORY).commits) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("POST", "/repos/create", status=401, times=9), "answers 401"),
        (Fault("POST", "/repos/create", status=402, times=9), "402"),
        (Fault("POST", "/repos/create", status=403, times=9), "403"),
        (Fault("POST", "/repos/create", reset=True, times=9), "cannot be reached"),
        (Fault("GET", "/api/models/", status=500, times=9), "answers 500"),
        (Fault("PUT", "/objects/", status=500, times=99), "answers 500"),
        (Fault("PUT", "/objects/", reset=True, times=99), "cannot be reached"),
        (Fault("PUT", "/objects/", status=403, times=9), "403"),
        (Fault("POST", "/validate-yaml", status=500, times=9), "answers 500"),
        (Fault("POST", "/commit/", status=412, times=9), "412"),
        (Fault("POST", "/commit/", status=429, headers={"Retry-After": "9"}), "answers 429"),
        (Fault("POST", "/commit/", reset=True, times=9), "cannot be reached"),
    ],
    ids=lambda value: f"{value.pattern} {value.status}" if isinstance(value, Fault) else "",
)
def test_a_lasting_fault_is_an_error_and_no_commit(
    hub: Hub,
    bundled: Path,
    logged_in,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
    fault: Fault,
    message: str,
):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.faults.append(fault)
    assert publish_gru() == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: cannot publish {REPOSITORY}: ") and message in error
    if ("model", REPOSITORY) in hub.repositories:
        assert len(hub.model(REPOSITORY).commits) == 1
    # What was interrupted is finished by the same command.
    hub.faults.clear()
    assert publish_gru() == 0
    assert len(hub.model(REPOSITORY).commits) == 2


def test_nobody_elses_commit_is_overwritten(
    hub: Hub, bundled: Path, logged_in, monkeypatch: pytest.MonkeyPatch, capsys
):
    def commit_first(handler, kind, name, revision):
        hub.add_commit(hub.model(name), {"README.md": b"theirs"})
        monkeypatch.undo()
        return original(handler, kind, name, revision)

    from hub_server import ApiHandler

    original = ApiHandler.commit
    monkeypatch.setattr(ApiHandler, "commit", commit_first)
    assert publish_gru() == 2
    assert "412" in capsys.readouterr().err
    assert hub.model(REPOSITORY).files == {"README.md": b"theirs"}


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "log in with `hf auth login`"),
        ("hf_expired", "answers 401"),
        ("hf_stranger", "answers 403"),
    ],
)
def test_without_the_right_token(
    hub: Hub, bundled: Path, monkeypatch: pytest.MonkeyPatch, capsys, token, message
):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert publish_gru() == 2
    told = capsys.readouterr()
    assert message in told.err
    assert not token or token not in told.err + told.out
    assert not hub.repositories


@pytest.mark.parametrize("repo", ["polishgen", "user/a/b", "user/a--b", "user/..", "-/x", "user/ą"])
@pytest.mark.parametrize("command", [["model", "--all"], ["space"]])
def test_a_bad_repository_name_is_refused_unsent(hub: Hub, bundled: Path, capsys, command, repo):
    assert main([*command, f"--repo={repo}"]) == 2
    assert capsys.readouterr().err.startswith("error: repo=")
    assert not hub.requests


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "training_log.csv"])
def test_a_damaged_checkpoint_is_not_published(hub: Hub, bundled: Path, logged_in, capsys, file):
    (bundled / "gru" / file).write_bytes(b"rubbish")
    assert publish_gru() == 2
    assert f"{file} is damaged" in capsys.readouterr().err
    assert not hub.requests


def test_a_model_that_is_not_there(hub: Hub, bundled: Path, capsys):
    assert main(["model", "--model", "lstm", "--repo", REPOSITORY]) == 2
    assert "model='lstm'" in capsys.readouterr().err


def run_python(hub: Hub, home: Path, *arguments: str, **environment: str) -> str:
    """Output (both streams) of a Python process that knows the Hub by HF_ENDPOINT."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    result = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1200,
        check=False,
    )
    # As bytes: in text mode a carriage return that a model wrote would become a line's end.
    output = result.stdout.decode()
    assert result.returncode == 0, output
    return output


def test_the_token_is_nowhere_to_be_seen(hub: Hub, bundled: Path, tmp_path: Path):
    secret = "hf_SecretSecretSecret"
    hub.tokens[secret] = ("user", "write")
    home = tmp_path / "home"
    home.mkdir()
    told = run_python(
        hub,
        home,
        *("-m", "training.publish", "model", "--model", str(bundled / "gru")),
        *("--repo", REPOSITORY, "--private"),
        HF_TOKEN=secret,
        HF_DEBUG="1",
    )
    assert REPOSITORY in told and secret not in told
    for request in hub.requests:
        assert secret.encode() not in request.body and secret not in request.path
        if request.path.startswith("/objects/"):
            assert "Authorization" not in request.headers
    (commit,) = hub.sent("POST", "/commit/")
    assert commit.headers["Authorization"] == f"Bearer {secret}"
    assert not any(secret.encode() in content for content in hub.model(REPOSITORY).files.values())
    for folder in (home, bundled):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


# --- the model card ----------------------------------------------------------------------------


def test_the_front_matter_says_what_was_measured(bundled: Path):
    card = card_files(bundled / "gru", REPOSITORY)["README.md"].decode()
    assert not card_errors(card, "model")
    data = ModelCard(card).data
    assert (data.language, data.license, data.library_name) == ("pl", "mit", "polishgen")
    assert (data.pipeline_tag, data.datasets) == ("text-generation", ["invented_novels"])
    assert {"gru", "polish"} <= set(data.tags)
    assert data.model_name == "polishgen-gru"
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {
        "perplexity": 17.4368,
        "bits_per_byte": 1.6123,
        "tokens_per_second": 123.4,
    }
    index = front_matter(card)["model-index"][0]
    assert index["results"][0]["dataset"]["type"] == "invented_novels"


def test_the_text_says_what_was_measured(bundled: Path):
    card = card_files(bundled / "gru", REPOSITORY)["README.md"].decode()
    for figure in ("1.612", "17.44", "123 tokens per second", "97.1 % (96.0–98.0)", "121 minutes"):
        assert figure in card
    assert "| Bits per byte, tales (2, 1,234 bytes), held out | 1.250 |" in card
    assert "](training_curve.png)" in card
    assert "| 1 | 200 | 3,000,000 | 121 | `python -m training.train --model gru` |" in card


def test_the_card_claims_nothing_that_was_not_measured(tmp_path: Path):
    folder = save_tiny_checkpoint(tmp_path / "raw", "bdh")
    (folder / "metrics.json").write_text("{}")
    files = card_files(folder, REPOSITORY)
    card = files["README.md"].decode()
    assert set(files) == {"README.md"}
    assert not card_errors(card, "model")
    assert "model-index" not in front_matter(card)
    assert "## Figures" not in card and "training_curve" not in card


@pytest.mark.parametrize("half_lives", [(), (4.0, 8.0, 16.0, 32.0)])
def test_the_card_of_a_bdh_says_whose_damping_it_has(tmp_path: Path, half_lives):
    folder = save_tiny_checkpoint(tmp_path / "bdh", "bdh", half_lives=half_lives)
    card = " ".join(card_files(folder, REPOSITORY)["README.md"].decode().split())
    said = (
        "That damping is ours, near RetNet's (arXiv 2307.08621); the paper (arXiv 2509.26507) has"
    )
    assert (said in card) == bool(half_lives)


def sample_of(card: str) -> str:
    """The words of the card's sample."""
    return " ".join(re.search(r"```text\n(.*?)\n```", card, re.DOTALL)[1].split())


def test_the_snippet_works_when_pasted_and_writes_the_sample(
    hub: Hub, bundled: Path, logged_in, tmp_path: Path
):
    assert publish_gru() == 0
    card = hub.model(REPOSITORY).files["README.md"].decode()
    snippet = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    written = run_python(hub, tmp_path, "-c", snippet, HF_HUB_DISABLE_PROGRESS_BARS="1")
    prompt = "Pewnego razu młody książe"
    # A card shows no control characters.
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in prompt + written[:-1])
    assert sample_of(card) == " ".join(shown.split())


def test_the_same_folder_gives_the_same_card(bundled: Path):
    first = card_files(bundled / "gru", REPOSITORY)
    assert card_files(bundled / "gru", REPOSITORY) == first


def test_the_curve_shows_the_log(bundled: Path):
    log = bundled / "gru/training_log.csv"
    picture = Image.open(io.BytesIO(training_curve(log)))
    assert picture.format == "PNG" and picture.width > 600
    blue, orange = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)
    pixels = picture.convert("RGB").load()
    columns = {
        colour: {
            x: y
            for x in range(picture.width)
            for y in range(picture.height)
            if pixels[x, y] == colour
        }
        for colour in (blue, orange)
    }
    # A log that has BDH's active neurons gets a second panel.
    heading, *rows = LOG.splitlines()
    rows = [heading + ",x_active,y_active", *(row + ",0.4,0.5" for row in rows)]
    log.write_text("\n".join(rows))
    assert Image.open(io.BytesIO(training_curve(log))).height > 1.5 * picture.height
    # Both losses fall, so each line goes down the picture; held-out loss ends above the other.
    for line in columns.values():
        assert line[max(line)] > line[min(line)] + 50
    assert columns[orange][max(columns[orange])] < columns[blue][max(columns[blue])]


# --- the Space ---------------------------------------------------------------------------------


def publish_space(*options: str) -> int:
    """Runs the command for the Space."""
    return main(["space", "--repo", "user/demo", *options])


def test_the_space_gets_what_it_needs_and_nothing_else(hub: Hub, bundled: Path, logged_in):
    (bundled / "gru/README.md").write_text("# A card")
    (bundled / "gru/training_curve.png").write_bytes(b"a curve")
    assert publish_space() == 0
    files = hub.space("user/demo").files
    tops = {path.split("/")[0] for path in files}
    assert tops == {
        ".gitattributes",
        "LICENSE",
        "README.md",
        "app.py",
        "checkpoints",
        "polishgen",
        "requirements.txt",
    }
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "polishgen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in files if path.startswith("polishgen/")} == package
    assert {path for path in files if path.startswith("checkpoints/gru")} == {
        f"checkpoints/gru/{name}"
        for name in (
            "README.md",
            "config.json",
            "metrics.json",
            "model.safetensors",
            "tokenizer.tiktoken",
            "training_log.csv",
        )
    }
    assert files["app.py"] == (ROOT / "app.py").read_bytes()


def test_the_space_is_configured(hub: Hub, bundled: Path, logged_in):
    assert publish_space() == 0
    card = hub.space("user/demo").files["README.md"].decode()
    assert not card_errors(card, "space")
    data = front_matter(card)
    requirements = (ROOT / "requirements.txt").read_text()
    assert data["sdk"] == "gradio" and f"=={data['sdk_version']}\n" in requirements
    assert data["app_file"] == "app.py" and data["python_version"] == "3.11"
    assert data["models"] == [f"user/demo-{name}" for name in ("gru", "transformer", "bdh")]


def test_the_same_space_twice_is_no_commit(hub: Hub, bundled: Path, logged_in, capsys):
    assert publish_space() == 0
    assert publish_space() == 0
    assert len(hub.space("user/demo").commits) == 2
    assert "up to date" in capsys.readouterr().out


def test_files_that_the_space_no_longer_needs_go(hub: Hub, bundled: Path, logged_in):
    assert publish_space() == 0
    repository = hub.space("user/demo")
    files = repository.files
    hub.add_commit(repository, files | {"polishgen/old.py": b"x", "tests/test.py": b"x"})
    assert publish_space() == 0
    assert repository.files == files


def test_the_space_can_load_its_models_from_the_hub(hub: Hub, bundled: Path, logged_in):
    assert publish_space("--models", "user/a, other/b") == 0
    repository = hub.space("user/demo")
    assert repository.variables == {"POLISHGEN_MODELS": "user/a,other/b"}
    assert not [path for path in repository.files if path.startswith("checkpoints/")]
    assert front_matter(repository.files["README.md"].decode())["models"] == ["user/a", "other/b"]
    repository.variables["THEIRS"] = "1"
    assert publish_space("--models", "user/a") == 0
    assert repository.variables == {"POLISHGEN_MODELS": "user/a", "THEIRS": "1"}
    assert publish_space() == 0
    assert repository.variables == {"THEIRS": "1"}
    assert "checkpoints/gru/model.safetensors" in repository.files


def test_a_space_without_models_is_refused(hub: Hub, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("polishgen.checkpoint.BUNDLED", tmp_path)
    assert publish_space() == 2
    assert "--models" in capsys.readouterr().err
    assert main(["model", "--all", "--repo", "user/x"]) == 2
    assert not hub.requests


def test_a_private_space(hub: Hub, bundled: Path, logged_in):
    assert publish_space("--private") == 0
    assert hub.space("user/demo").private


# --- the report's own sizes ----------------------------------------------------------------------

# BDH takes most, 1.27 GB when measured: 306 MB of weights in float32, a state of 201 MB (6 layers
# of 32,768 × 256 numbers), torch itself, and what decoding needs.
MOST_MEMORY = 1_500_000_000


def save_report_checkpoint(folder: Path, architecture: str) -> Path:
    """A model of the report's size, with random weights and an invented vocabulary of that size."""
    config = preset_config(architecture, "report")
    single = [bytes([byte]) for byte in range(256)]
    others = (number.to_bytes(3, "big") for number in range(config.vocab_size - 257))
    ranks = {token: rank for rank, token in enumerate((*single, *others))}
    torch.manual_seed(0)
    save_checkpoint(folder, build_model(config), Tokenizer.from_ranks(ranks), {})
    return folder


@pytest.mark.slow
def test_the_reports_sizes_round_trip_in_reasonable_memory(
    hub: Hub, tmp_path: Path, architecture: str
):
    folder = save_report_checkpoint(tmp_path / "report", architecture)
    size = (folder / "model.safetensors").stat().st_size
    assert size > 150_000_000
    # Not `ru_maxrss`: it starts from what the process that started this one held.
    peak = "print(next(s for s in open('/proc/self/status') if s.startswith('VmHWM')))"
    arguments = ["model", "--model", str(folder), "--repo", REPOSITORY]
    publish = f"from training.publish import main; assert main({arguments!r}) == 0; {peak}"
    load = f"import polishgen; polishgen.load({REPOSITORY!r}).generate('A', seed=0); {peak}"
    for script in (publish, load):
        told = run_python(hub, tmp_path, "-c", script, HF_TOKEN="hf_author")
        kilobytes = int(told.split("VmHWM:")[1].split()[0])
        print(f"{architecture}: {size:,} bytes of weights, peak {kilobytes:,} kB")
        assert kilobytes * 1024 < MOST_MEMORY
    assert len(hub.sent("PUT", r"/objects/\w{64}/\d+")) == -(-size // hub.part_size)
    (cached,) = tmp_path.glob(".cache/huggingface/hub/models--*/snapshots/*")
    for path in cached.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert len(list(cached.iterdir())) == 4
