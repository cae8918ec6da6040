"""The blind arena: texts without names, a vote for the best, and a table of strengths.

Votes lie in SQLite: the genre, which models stood there, which won, the day; nothing of the person
or the prompt. So do the last day's rounds, which outlive a restart. The file is `POLISHGEN_DATA`,
or polishgen-votes.sqlite3 beside the app, or where that may not be written, in the home folder;
with `POLISHGEN_VOTES_DATASET` naming a data set on the Hub, votes are also uploaded there.
"""

import json
import os
import secrets
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from polishgen.errors import ParameterError
from polishgen.page.line import Event
from polishgen.page.models import names
from polishgen.page.writing import MAX_TEXT, check_run, write
from polishgen.parameters import GenerationConfig, check, number, string

# Folders for the votes; the first that may be written is taken.
FOLDERS = (Path(__file__).parents[2], Path.home(), Path(tempfile.gettempdir()))
VOTES_FILE = "polishgen-votes.sqlite3"
SCHEMA = """CREATE TABLE IF NOT EXISTS votes (
    round TEXT PRIMARY KEY, day TEXT NOT NULL, genre TEXT NOT NULL,
    models TEXT NOT NULL, winner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rounds (
    round TEXT PRIMARY KEY, opened REAL NOT NULL, genre TEXT NOT NULL,
    models TEXT NOT NULL, choice INTEGER)"""
# What a round's models write: as long, and as they do by default, whoever asks.
ROUND_TOKENS = 100
# Seconds for which a round can be voted on, and the choice of who votes for none.
ROUND_LIFETIME, NONE = 86_400.0, -1
# Strengths are shown on the Elo scale. A weak prior keeps them finite while votes are few: each
# strength is taken to lie within about 350 points of the mean.
ELO_MEAN, ELO_UNIT = 1000.0, 400.0 / np.log(10.0)
PRIOR_DEVIATION = 2.0
# How often each winner came out of each set of models.
Votes = Counter[tuple[tuple[str, ...], str]]


def play(request: dict) -> Iterator[Event]:
    """Writes 2 or 4 texts of a genre; yields {"progress"}, then {"round", "texts"}, unnamed.

    Texts come only when all are done: how fast each grows would tell who writes it.
    """
    prompt = check("prompt", request.get("prompt"), string(MAX_TEXT))
    count = request.get("count", 2)
    if count not in (2, 4) or count > len(names()):
        raise ParameterError("count", count, "2 or 4, and no more than there are models")
    order = tuple(secrets.SystemRandom().sample(names(), count))
    options = {"genre": request.get("genre"), "max_new_tokens": ROUND_TOKENS}
    options["seed"] = secrets.randbelow(2**31)
    runs = [check_run(name, options) for name in order]
    return play_round(order, runs[0].config, write([(prompt, run) for run in runs]))


def play_round(
    order: tuple[str, ...], config: GenerationConfig, events: Iterator[Event]
) -> Iterator[Event]:
    """The round's events; opens it to a vote once all texts are there."""
    texts, counts = [""] * len(order), [0] * len(order)
    for event in events:
        for index, news in event["columns"].items():
            texts[index] += "".join(token[1] for token in news["tokens"])
            counts[index] = config.max_new_tokens if news["end"] else news["count"]
        yield {"progress": sum(counts) / (len(order) * config.max_new_tokens)}
    key, now = secrets.token_urlsafe(16), time.time()
    with closing(connect()) as base, base:
        base.execute("DELETE FROM rounds WHERE opened < ?", [now - ROUND_LIFETIME])
        row = (key, now, config.genre or "", ",".join(order), None)
        base.execute("INSERT INTO rounds VALUES (?, ?, ?, ?, ?)", row)
    yield {"round": key, "texts": texts}


def vote(request: dict) -> dict[str, object]:
    """Counts one vote for a round and tells who wrote what; said again, it tells what counted.

    "choice" is a text's index, or None for no vote.
    """
    key, choice = request.get("round"), request.get("choice")
    row = None
    with closing(connect()) as base, base:
        base.execute("BEGIN IMMEDIATE")
        known = "SELECT genre, models, choice FROM rounds WHERE round = ? AND opened > ?"
        named = key if isinstance(key, str) and key.isascii() else ""
        found = base.execute(known, [named, time.time() - ROUND_LIFETIME]).fetchone()
        if found is None:
            raise ParameterError("round", key, "a round of this page, not older than a day")
        genre, order, counted = found
        models = order.split(",")
        if choice is not None:
            choice = int(check("choice", choice, number(int, ge=0, le=len(models) - 1)))
        if counted is None:
            counted = NONE if choice is None else choice
            base.execute("UPDATE rounds SET choice = ? WHERE round = ?", [counted, key])
            if choice is not None:
                row = {"round": key, "day": datetime.now(UTC).date().isoformat()}
                row |= {"genre": genre, "models": order, "winner": models[choice]}
                base.execute(
                    "INSERT INTO votes VALUES (:round, :day, :genre, :models, :winner)", row
                )
    if row:
        pass_on(row)
    return {"models": models, "choice": None if counted == NONE else counted} | standings()


def pass_on(row: dict[str, str]) -> None:
    """Writes a vote into the data set, if there is one."""
    if scheduler := data_set():
        with scheduler.lock, (Path(scheduler.folder_path) / "votes.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def votes_file() -> Path:
    """Where the votes lie."""
    if configured := os.environ.get("POLISHGEN_DATA"):
        return Path(configured)
    writable = (folder for folder in FOLDERS if os.access(folder, os.W_OK))
    return next(writable, FOLDERS[0]) / VOTES_FILE


def connect() -> sqlite3.Connection:
    """The data base of votes, made if it is not there."""
    base = sqlite3.connect(votes_file(), timeout=10)
    base.executescript(SCHEMA)
    return base


@lru_cache(maxsize=1)
def data_set():
    """Uploads new votes every ten minutes to the data set that the environment names; or None."""
    name = os.environ.get("POLISHGEN_VOTES_DATASET")
    if not name:
        return None
    from huggingface_hub import CommitScheduler

    folder = votes_file().parent / "polishgen-votes"
    folder.mkdir(exist_ok=True)
    path = f"votes-{secrets.token_hex(4)}"
    return CommitScheduler(
        repo_id=name, repo_type="dataset", folder_path=folder, path_in_repo=path, every=10
    )


def standings() -> dict[str, object]:
    """{"tables": {genre: rows}, "votes": count}; genre "all" for all together."""
    with closing(connect()) as base:
        counted = "SELECT genre, models, winner, COUNT(*) FROM votes GROUP BY genre, models, winner"
        rows = base.execute(counted).fetchall()
    kinds: dict[str, Votes] = {"all": Counter()}
    for genre, models, winner, times in rows:
        # In which order the texts stood makes no difference.
        vote = tuple(sorted(models.split(","))), winner
        for kind in {"all", genre or "all"}:
            kinds.setdefault(kind, Counter())[vote] += times
    tables = {kind: table(kinds[kind]) for kind in sorted(kinds, key=lambda k: (k != "all", k))}
    return {"tables": tables, "votes": kinds["all"].total()}


def table(votes: Votes) -> list[dict[str, object]]:
    """Strength, 95 % interval, votes and wins of each model, the strongest first."""
    met, won = Counter(), Counter()
    for (models, winner), times in votes.items():
        met.update(dict.fromkeys(models, times))
        won[winner] += times
    players = sorted(met)
    scores, errors = strengths(players, votes)
    rows = [
        {
            "model": name,
            "score": round(ELO_MEAN + ELO_UNIT * score),
            "margin": round(1.96 * ELO_UNIT * error),
            "met": met[name],
            "won": won[name],
        }
        for name, score, error in zip(players, scores, errors, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["score"])


def strengths(players: Sequence[str], votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Bradley and Terry's log-strengths (mean 0) and their standard errors, both (players,).

    P(winner of a set) = exp(its strength) / sum of exp over the set: for sets of two that is
    Bradley and Terry's model, for larger ones Luce's. Maximum a posteriori by Newton's method, with
    a normal prior of `PRIOR_DEVIATION`; the errors come from the inverse Hessian.
    """
    place = {name: index for index, name in enumerate(players)}
    strength = np.zeros(len(players))
    prior = np.eye(len(players)) / PRIOR_DEVIATION**2
    hessian = prior
    for _ in range(100):
        gradient, hessian = -prior @ strength, prior.copy()
        for (models, winner), times in votes.items():
            among = [place[name] for name in models]
            share = np.exp(strength[among] - strength[among].max())
            share /= share.sum()
            gradient[place[winner]] += times
            gradient[among] -= times * share
            hessian[np.ix_(among, among)] += times * (np.diag(share) - np.outer(share, share))
        step = np.linalg.solve(hessian, gradient) if len(players) else gradient
        strength = strength + step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    if not len(players):
        return strength, strength
    # Only differences mean something: both are told against the players' mean.
    centre = np.eye(len(players)) - 1 / len(players)
    errors = np.sqrt(np.diag(centre @ np.linalg.inv(hessian) @ centre))
    return centre @ strength, errors
