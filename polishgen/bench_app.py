"""How the page holds up: start, first token, memory, many visitors at once, visitors who leave.

Visitors ask as the browser does, so what is measured is what they would see, but for the browser's
own time.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import psutil

from polishgen.bench import PROMPT
from polishgen.checkpoint import configured_models
from polishgen.errors import PolishgenError
from polishgen.page.models import served_names

SERVE = """
import sys
from polishgen.page import build_page, launch
launch(build_page(), "127.0.0.1", int(sys.argv[1]))
"""
LONGEST_START, LONGEST_RUN = 300, 900
# A process counts as idle once it uses less than this share of a core.
IDLE_SHARE, IDLE_WINDOW = 0.1, 0.1
MIB = 2**20


@dataclass(frozen=True)
class Visit:
    """One visitor's run: seconds from the click until the first text and the end, the longest time
    without any news (text or a place in the queue), tokens got, and whether it ended well."""

    first_text_seconds: float
    total_seconds: float
    longest_untold_seconds: float
    tokens: int
    finished: bool


@dataclass(frozen=True)
class AppFigures:
    """Seconds and bytes, as `app_table` names them."""

    start_seconds: float
    first_text_seconds: float
    all_text_seconds: float
    all_tokens: int
    undrafted_seconds: float
    resident_bytes: int
    visitors: int
    tokens: int
    finished: int
    load_seconds: float
    longest_untold_seconds: float
    loaded_resident_bytes: int
    freed_seconds: float


def measure_app(visitors: int = 20, tokens: int = 100, repeats: int = 5) -> AppFigures:
    """Serves the page and measures it; each visitor generates `tokens` with every configured model.

    Before them a visitor alone gets 20 tokens of each, and 200 of each and of the chorus with
    several seeds, of which the slowest run counts; once with drafts of each sentence, as is usual,
    and once without.
    """
    with serve() as (url, process, start_seconds):
        idle = [visit(url, tokens=20) for _ in range(repeats)]
        alone = [visit(url, 200, served_names(), seed) for seed in range(repeats)]
        slowest = max(alone, key=lambda each: each.total_seconds)
        undrafted = [visit(url, 200, served_names(), seed, drafts=1) for seed in range(repeats)]
        resident = process.memory_info().rss
        started = time.perf_counter()
        with ThreadPoolExecutor(visitors) as pool:
            visits = list(pool.map(lambda _: visit(url, tokens), range(visitors)))
        load_seconds = time.perf_counter() - started
        return AppFigures(
            start_seconds,
            median(each.first_text_seconds for each in idle),
            slowest.total_seconds,
            slowest.tokens,
            max(each.total_seconds for each in undrafted),
            resident,
            visitors,
            tokens,
            sum(each.finished for each in visits),
            load_seconds,
            max(each.longest_untold_seconds for each in visits),
            process.memory_info().rss,
            seconds_until_freed(url, process),
        )


@contextmanager
def serve(
    command: Sequence[str] = (sys.executable, "-c", SERVE), **options: Any
) -> Iterator[tuple[str, psutil.Process, float]]:
    """The page in a process of its own: its address, the process, seconds until it answered.

    `command` gets a free port as its last argument, `options` are `subprocess.Popen`'s.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, started = f"http://127.0.0.1:{port}/", time.perf_counter()
    options = {"stdout": subprocess.DEVNULL, **options}
    with subprocess.Popen([*command, str(port)], **options) as server:
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


def events(
    url: str, tokens: int, models: Sequence[str] | None = None, seed: int = 7, **sampling: object
) -> Iterator[dict]:
    """A run of `models`, all configured ones if None, event by event as the browser gets them."""
    options = {"max_new_tokens": tokens, "seed": seed, **sampling}
    columns = [
        {"model": model, "text": PROMPT, "options": options}
        for model in models or configured_models()
    ]
    body = {"columns": columns}
    with httpx.stream("POST", f"{url}do/write", json=body, timeout=LONGEST_RUN) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def visit(
    url: str, tokens: int, models: Sequence[str] | None = None, seed: int = 7, **sampling: object
) -> Visit:
    """One visitor from the click to the end; arguments as in `events`."""
    started = last = time.perf_counter()
    first, untold, finished, counts = float("inf"), 0.0, False, {}
    for event in events(url, tokens, models, seed, **sampling):
        now = time.perf_counter()
        untold, last = max(untold, now - last), now
        if "columns" in event:
            if any(news["tokens"] for news in event["columns"].values()):
                first = min(first, now - started)
            counts |= {column: news["count"] for column, news in event["columns"].items()}
        finished |= "done" in event
    total = time.perf_counter() - started
    return Visit(first, total, untold, sum(counts.values()), finished)


def seconds_until_freed(url: str, process: psutil.Process) -> float:
    """Seconds from a visitor's leaving in the middle of a run until the processor is idle."""
    run = events(url, tokens=1000)
    next(event for event in run if "columns" in event)
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
    visitors = f"{figures.visitors} visitors at once, {figures.tokens} tokens per model each"
    rows = [
        ("start to usable page", f"{figures.start_seconds:.1f} s"),
        ("click to first text, idle", f"{1000 * figures.first_text_seconds:.0f} ms"),
        (
            f"click to all text, idle, all models and their chorus, {figures.all_tokens} tokens",
            f"{figures.all_text_seconds:.2f} s",
        ),
        ("… with one draft of each sentence", f"{figures.undrafted_seconds:.2f} s"),
        ("resident memory, all models loaded", f"{figures.resident_bytes / MIB:.0f} MiB"),
        (f"{visitors}: finished", f"{figures.finished} in {figures.load_seconds:.1f} s"),
        ("… longest wait without text or a place", f"{figures.longest_untold_seconds:.2f} s"),
        ("… resident memory afterwards", f"{figures.loaded_resident_bytes / MIB:.0f} MiB"),
        ("visitor leaves to processor idle", f"{figures.freed_seconds:.2f} s"),
    ]
    return "\n".join(
        ["| page | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    )
