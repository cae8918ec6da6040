"""The page as visitors meet it: `app.py` in a process of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
LONGEST_START = 300


@dataclass(frozen=True)
class ServedPage:
    """A running page: its address (ending in a slash), process id, and seconds until it served.

    `log` is the file that its output goes to.
    """

    url: str
    pid: int
    start_seconds: float
    log: Path


@contextmanager
def serve_page(environment: dict[str, str] | None = None) -> Iterator[ServedPage]:
    """Starts `app.py` on a free port, waits until it answers, and ends it afterwards.

    `environment` is added to this process's own; votes go to a file of their own.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        started = time.monotonic()
        with log.open("w", encoding="utf-8") as output:
            votes = {"POLISHGEN_DATA": str(Path(folder) / "votes.sqlite3")}
            process = subprocess.Popen(
                [sys.executable, "app.py", "--port", str(port)],
                cwd=ROOT,
                env=os.environ | votes | (environment or {}),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            while not answers(url):
                if process.poll() is not None or time.monotonic() > started + LONGEST_START:
                    raise RuntimeError(f"app.py does not serve the page:\n{log.read_text()}")
                time.sleep(0.05)
            yield ServedPage(url, process.pid, time.monotonic() - started, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def answers(url: str) -> bool:
    """Whether the page is there."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
