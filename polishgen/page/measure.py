"""How the page holds up: start, first token, memory, many visitors at once, visitors who leave.

`python -m polishgen.page.measure` serves the page in a process of its own and prints the figures.
Notable: visitors are played through the same queue that the browser uses, so what is measured is
what a visitor would see; the browser's own time is not in it.
"""

import argparse
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import httpx
import psutil

from polishgen.bench import PROMPT
from polishgen.errors import PolishgenError, check_int
from polishgen.sampling import DEFAULT_SAMPLING

SERVE = """
import sys
from polishgen.page import build_page, launch
launch(build_page(), "127.0.0.1", int(sys.argv[1]))
"""
LONGEST_START = 180
LONGEST_RUN = 900
# A process counts as idle once it uses less than this share of a core.
IDLE_SHARE = 0.1
IDLE_WINDOW = 0.1
MIB = 2**20


@dataclass(frozen=True)
class Visit:
    """One visitor's run: seconds from the click until they saw something (text or a place in the
    queue), until the first text, and until the end; whether it ended well."""

    told_seconds: float
    first_text_seconds: float
    total_seconds: float
    finished: bool


@dataclass(frozen=True)
class AppFigures:
    """Seconds and bytes, as `app_table` names them."""

    start_seconds: float
    first_text_seconds: float
    resident_bytes: int
    visitors: int
    tokens: int
    finished: int
    load_seconds: float
    longest_untold_seconds: float
    loaded_resident_bytes: int
    freed_seconds: float


def measure_app(visitors: int = 20, tokens: int = 100, repeats: int = 5) -> AppFigures:
    """Serves the page and measures it; each visitor generates `tokens` with every model."""
    check_int("visitors", visitors, 1, 100)
    check_int("tokens", tokens, 1, 1000)
    check_int("repeats", repeats, 1, 100)
    with serve() as (url, process, start_seconds):
        function = compare_function(url)
        idle = [visit(url, function, tokens=20) for _ in range(repeats)]
        resident = process.memory_info().rss
        started = time.perf_counter()
        with ThreadPoolExecutor(visitors) as pool:
            visits = list(pool.map(lambda _: visit(url, function, tokens), range(visitors)))
        load_seconds = time.perf_counter() - started
        return AppFigures(
            start_seconds,
            median(each.first_text_seconds for each in idle),
            resident,
            visitors,
            tokens,
            sum(each.finished for each in visits),
            load_seconds,
            max(each.told_seconds for each in visits),
            process.memory_info().rss,
            seconds_until_freed(url, function, process),
        )


@contextmanager
def serve() -> Iterator[tuple[str, psutil.Process, float]]:
    """The page in a process of its own: its address, the process, seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, started = f"http://127.0.0.1:{port}/", time.perf_counter()
    command = [sys.executable, "-c", SERVE, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while not answers(url):
                if server.poll() is not None or time.perf_counter() - started > LONGEST_START:
                    raise PolishgenError("the page does not start")
                time.sleep(0.05)
            yield url, psutil.Process(server.pid), time.perf_counter() - started
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Whether the page is there."""
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False


def compare_function(url: str) -> int:
    """The queue's number of the `compare` endpoint."""
    functions = httpx.get(f"{url}config", timeout=30).json()["dependencies"]
    return next(each["id"] for each in functions if each["api_name"] == "compare")


def messages(url: str, function: int, tokens: int) -> Iterator[dict]:
    """A run of all models, message by message as the browser gets them; ends with the run."""
    session = secrets.token_hex(8)
    values = [PROMPT, None, tokens, *dict(DEFAULT_SAMPLING).values(), None, 7, None, True]
    join = {"data": values, "fn_index": function, "session_hash": session}
    httpx.post(f"{url}gradio_api/queue/join", json=join, timeout=60).raise_for_status()
    data = f"{url}gradio_api/queue/data?session_hash={session}"
    with httpx.stream("GET", data, timeout=LONGEST_RUN) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                message = json.loads(line.removeprefix("data: "))
                yield message
                if message["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                    return


def visit(url: str, function: int, tokens: int) -> Visit:
    """One visitor from the click to the end."""
    started = time.perf_counter()
    told = first = float("inf")
    finished = False
    for message in messages(url, function, tokens):
        now = time.perf_counter() - started
        if message["msg"] in ("estimation", "process_starts", "process_generating"):
            told = min(told, now)
        if message["msg"] == "process_generating":
            first = min(first, now)
        if message["msg"] == "process_completed":
            finished = message["success"]
    return Visit(told, first, time.perf_counter() - started, finished)


def seconds_until_freed(url: str, function: int, process: psutil.Process) -> float:
    """Seconds from a visitor's leaving in the middle of a run until the processor is idle."""
    run = messages(url, function, tokens=1000)
    generating = 0
    for message in run:
        generating += message["msg"] == "process_generating"
        if generating == 5:
            break
    run.close()
    left = time.perf_counter()
    while True:
        before = sum(process.cpu_times()[:2])
        began = time.perf_counter()
        time.sleep(IDLE_WINDOW)
        used = sum(process.cpu_times()[:2]) - before
        if used < IDLE_SHARE * (time.perf_counter() - began):
            return began - left
        if began - left > LONGEST_RUN:
            raise PolishgenError("the page works on for a visitor who has left")


def app_table(figures: AppFigures) -> str:
    """The figures as a Markdown table."""
    visitors = f"{figures.visitors} visitors at once, {figures.tokens} tokens a model each"
    rows = [
        ("start to usable page", f"{figures.start_seconds:.1f} s"),
        ("click to first text, idle", f"{1000 * figures.first_text_seconds:.0f} ms"),
        ("resident memory, all models loaded", f"{figures.resident_bytes / MIB:.0f} MiB"),
        (f"{visitors}: finished", f"{figures.finished} in {figures.load_seconds:.0f} s"),
        ("… longest wait without text or a place", f"{figures.longest_untold_seconds:.2f} s"),
        ("… resident memory afterwards", f"{figures.loaded_resident_bytes / MIB:.0f} MiB"),
        ("visitor leaves to processor idle", f"{figures.freed_seconds:.2f} s"),
    ]
    return "\n".join(
        ["| page | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser("polishgen.page.measure", description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=100)
    options = parser.parse_args(arguments)
    print(app_table(measure_app(options.visitors, options.tokens)))


if __name__ == "__main__":
    main()
