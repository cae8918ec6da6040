"""The Space as the Hub builds and starts it, from nothing but the files that were uploaded.

A virtual environment of its own, code that the app may not write, a home that it may, no rights of
root, port 7860 if it is free. Slow: it installs everything anew.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import save_tiny_checkpoint
from gradio_client import Client
from hub_server import Hub, front_matter

import polishgen
from training.publish import main

pytestmark = pytest.mark.slow

# The user that the Hub starts a Space as.
USER = 1000
SPACE = "user/demo"
# A few are enough; a machine that trains models at the same time may take long.
START_SECONDS = 1200
NAMES = ("gru", "transformer", "bdh")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="space-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """Virtual environments by what they were built from, so that equal ones are built once."""
    return {}


def unpack(files: dict[str, bytes], folder: Path) -> Path:
    """A Space's files on disk, readable for everybody, writable for nobody."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def build(app: Path, room: Path, built: dict[str, Path]) -> Path:
    """Python of a clean environment with what the Space asks for, as its front matter says."""
    card = front_matter((app / "README.md").read_text())
    requirements = (app / "requirements.txt").read_text()
    key = f"{card['python_version']} {card['sdk_version']} {requirements}"
    if key not in built:
        # Somewhere that other users may run it from.
        interpreter = shutil.which(
            f"python{card['python_version']}", path="/usr/local/bin:/usr/bin"
        )
        if interpreter is None:
            pytest.skip(f"no python{card['python_version']} that other users may run")
        folder = room / f"environment-{len(built)}"
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        python = folder / "bin/python"
        # What the Hub itself adds to a Space's requirements.
        added = [f"gradio[oauth,mcp]=={card['sdk_version']}", "uvicorn>=0.14.0", "spaces"]
        install = [python, "-m", "pip", "install", "-qq", "--no-compile", "--retries", "1"]
        subprocess.run([*install, *added, "-r", app / "requirements.txt"], check=True)
        built[key] = python
    return built[key]


def free_port() -> int:
    """7860, where a Space serves, or another one if somebody is there."""
    for port in (7860, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise AssertionError("no port is free")


@contextmanager
def running(python: Path, app: Path, home: Path, **variables: str) -> Iterator[str]:
    """The address of the app, started as the Hub starts it; stopped at the end."""
    app_file = front_matter((app / "README.md").read_text())["app_file"]
    home.mkdir()
    root = os.geteuid() == 0
    if root:
        os.chown(home, USER, USER)
    port = free_port()
    environment = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "SYSTEM": "spaces",
        "SPACE_ID": SPACE,
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    process = subprocess.Popen(
        [python, app_file],
        cwd=app,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **({"user": USER, "group": USER, "extra_groups": []} if root else {}),
    )
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if f":{port}" in line:
                break
        else:
            raise AssertionError(f"the Space ended:\n{''.join(lines)}")
        # Whoever writes into a pipe that nobody reads stops when it is full.
        reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
        reader.start()
        if root:
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(r"^Uid:\t(\d+)\t(\d+)", status, re.MULTILINE)[1] == str(USER)
        yield f"http://127.0.0.1:{port}"
        assert process.poll() is None, "".join(lines)
    finally:
        timer.cancel()
        process.terminate()
        process.wait(60)
    assert not tracebacks(lines), "".join(lines)


def tracebacks(lines: list[str]) -> list[int]:
    """Where tracebacks begin, but for those of objects that the interpreter threw away.

    Python 3.11's event loops complain so when they are collected after their sockets.
    """
    return [
        number
        for number, line in enumerate(lines)
        if "Traceback" in line and not lines[number - 1].startswith("Exception ignored in")
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Contents of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small models in place of the bundled ones; the author is logged in."""
    folder = tmp_path / "checkpoints"
    for name in NAMES:
        save_tiny_checkpoint(folder / name, name)
    monkeypatch.setattr("polishgen.checkpoint.BUNDLED", folder)
    monkeypatch.setenv("HF_TOKEN", "hf_author")
    return folder


def test_it_serves_the_models_that_came_with_it(
    hub: Hub, bundled: Path, room: Path, built: dict[str, Path], tmp_path: Path
):
    assert main(["space", "--repo", SPACE]) == 0
    files = hub.space(SPACE).files
    app = unpack(files, room / "bundled")
    python = build(app, room, built)
    with running(python, app, room / "home-bundled") as address:
        client = Client(address, verbose=False, download_files=tmp_path)
        for name in NAMES:
            written = client.predict(
                "Ala ma", model=name, max_new_tokens=12, seed=5, api_name="/generate"
            )
            expected = polishgen.load(name).generate("Ala ma", max_new_tokens=12, seed=5)
            assert written == expected
    assert contents(app) == files


def test_it_serves_models_from_the_hub(
    hub: Hub, bundled: Path, room: Path, built: dict[str, Path], tmp_path: Path
):
    for name in ("gru", "bdh"):
        assert main(["model", "--model", name, "--repo", f"user/polishgen-{name}"]) == 0
    repositories = "user/polishgen-gru,user/polishgen-bdh"
    assert main(["space", "--repo", SPACE, "--models", repositories]) == 0
    repository = hub.space(SPACE)
    app = unpack(repository.files, room / "pointing")
    python = build(app, room, built)
    hub_variables = {"HF_ENDPOINT": hub.endpoint, **repository.variables}
    with running(python, app, room / "home-pointing", **hub_variables) as address:
        client = Client(address, verbose=False, download_files=tmp_path)
        for name in ("gru", "bdh"):
            written = client.predict(
                "Ala ma",
                model=f"user/polishgen-{name}",
                max_new_tokens=12,
                seed=5,
                api_name="/generate",
            )
            expected = polishgen.load(name).generate("Ala ma", max_new_tokens=12, seed=5)
            assert written == expected
    assert (room / "home-pointing/.cache/huggingface/hub/models--user--polishgen-gru").is_dir()
