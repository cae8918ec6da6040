"""The page as visitors meet it: `app.py` in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polishgen.errors import PolishgenError

ROOT = Path(__file__).parent.parent


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
    from polishgen.bench_app import serve
    from polishgen.decoding import compile_in_background

    # The page fetches what is compiled, and so writes by compiled code from the first token.
    compile_in_background().join()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        votes = {"POLISHGEN_DATA": str(Path(folder) / "votes.sqlite3")}
        options = {"cwd": ROOT, "env": os.environ | votes | (environment or {})}
        command = (sys.executable, "app.py", "--port")
        with log.open("w", encoding="utf-8") as output:
            try:
                with serve(command, stdout=output, stderr=subprocess.STDOUT, **options) as served:
                    url, process, seconds = served
                    yield ServedPage(url, process.pid, seconds, log)
            except PolishgenError as error:
                raise RuntimeError(f"{error}:\n{log.read_text()}") from error
