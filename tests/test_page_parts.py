"""The page's parts without a browser: the line, links, texts, votes, figures, charts, cards."""

import asyncio
import base64
import copy
import inspect
import io
import itertools
import json
import math
import os
import re
import string
import threading
import time
import unicodedata
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from conftest import save_tiny_checkpoint
from huggingface_hub import CommitScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

import polishgen
from polishgen import language_model
from polishgen.decoding import compiling
from polishgen.errors import ParameterError
from polishgen.evaluation import predictions
from polishgen.generate import Piece
from polishgen.introspection import memory_weights, read_tokens
from polishgen.page import arena, card, compare, figures, reading, server, writing
from polishgen.page import models as served
from polishgen.page.line import Line, LineFullError
from polishgen.page.models import last_tokens, models, names, single_names
from polishgen.page.texts import TEXTS, tie_short_words
from polishgen.parameters import GenerationConfig


def counting(n: int, log: list, name: str = ""):
    """Work that yields n events and notes each, and its end."""
    try:
        for index in range(n):
            log.append((name, index))
            yield {"index": index}
    finally:
        log.append((name, "closed"))


def test_the_line_serves_in_order_and_tells_places():
    log: list = []

    async def visit(line: Line, name: str, hold: asyncio.Event | None = None) -> list:
        seen = []
        async for event in line.run(lambda: counting(3, log, name)):
            seen.append(event)
            if hold and "index" in event:
                await hold.wait()
        return seen

    async def play() -> list:
        line, hold = Line(places=1, longest=2), asyncio.Event()
        first = asyncio.create_task(visit(line, "a", hold))
        await asyncio.sleep(0)
        others = [asyncio.create_task(visit(line, name)) for name in "bc"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(LineFullError):
            await visit(line, "d")
        hold.set()
        return [await first, *[await other for other in others]]

    a, b, c = asyncio.run(play())
    assert [event["index"] for event in a] == [0, 1, 2]
    assert [event["place"] for event in (b[0], c[0])] == [1, 2]
    assert c[0]["wait"] == pytest.approx(2 * b[0]["wait"])
    assert [name for name, index in log if index == "closed"] == ["a", "b", "c"]


def test_who_leaves_the_line_frees_the_place_and_the_work():
    log: list = []

    async def play() -> None:
        line = Line(places=1, longest=5)
        async with aclosing(line.run(lambda: counting(100, log, "a"))) as events:
            await anext(events)
            waiting = line.run(lambda: counting(1, log, "b"))
            assert (await anext(waiting))["place"] == 1
            await waiting.aclose()
            assert not line.waiting
        assert not line.working
        with pytest.raises(ZeroDivisionError):
            async for _ in line.run(lambda: (1 // zero for zero in [0])):
                pass
        assert not line.working

    asyncio.run(play())
    assert log == [("a", 0), ("a", "closed")]


class Clock(threading.local):
    """Time that goes by in one thread only, as each works on a core of its own."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def slow_pieces(text: str, seconds: float, clock: Clock):
    """One piece per character, each after some work, by a clock of the test's own."""
    for index, character in enumerate(text):
        clock.now += seconds
        reason = "length" if index == len(text) - 1 else None
        yield 0, character, Piece(character, (index,), 0.0, reason, 0.5), [], "compiled"


def test_columns_share_time_in_equal_parts_and_nothing_is_lost(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(writing, "time", clock)
    streams = [slow_pieces("a" * 400, 0.0005, clock), slow_pieces("b" * 400, 0.002, clock)]
    texts, counts, updates = ["", ""], [], 0
    for event in writing.race(streams):
        updates += 1
        for index, news in event["columns"].items():
            texts[index] += "".join(token[1] for token in news["tokens"])
        if not counts and len(texts[0]) == 400:
            counts = [len(text) for text in texts]
    assert texts == ["a" * 400, "b" * 400]
    # By the end of the faster one, the slower had as much time, so a quarter of the tokens.
    assert counts[1] == pytest.approx(100, abs=15)
    assert updates < 400


def options_strategy():
    return st.fixed_dictionaries(
        {"seed": st.integers(0, 2**31), "max_new_tokens": st.integers(1, 1000)},
        optional={
            "temperature": st.floats(0, 5),
            "top_p": st.floats(0.01, 1),
            "stop": st.lists(st.text(string.ascii_letters, min_size=1, max_size=9), max_size=3),
            "starts_new_word": st.booleans(),
        },
    )


@given(
    prompt=st.text(st.characters(codec="utf-8"), max_size=100),
    runs=st.lists(st.tuples(st.integers(0, 500), options_strategy()), max_size=4),
)
@settings(deadline=None)
def test_a_link_holds_the_text_exactly(prompt, runs):
    plain = [{"model": names()[0], "length": length, **options} for length, options in runs]
    [segments] = writing.decode_link(writing.encode_link([[prompt, *plain]]))
    assert segments[0] == prompt
    for run, (length, options) in zip(segments[1:], runs, strict=True):
        assert run == writing.Run(names()[0], GenerationConfig(**options), length)


@pytest.mark.parametrize(
    "columns",
    [
        [],
        [["a"]] * 5,
        [["a"] * 101],
        ["a" * 60_001],
        [[{"model": "gpt", "length": 1}]],
        [[{"model": "gru", "length": -1}]],
        [[{"model": "gru"}]],
        [[{"model": "gru", "length": 1, "temperature": 9}]],
        [[{"model": "gru", "length": 1, "genre": "essay"}]],
        [[7]],
        [[]],
        [["a"], []],
        ["ab"],
        {"a": 1},
        7,
    ],
)
def test_a_link_with_a_bad_value_is_refused(columns):
    with pytest.raises(ParameterError):
        writing.decode_link(writing.encode_link(columns))


@pytest.mark.parametrize("code", ["", "?", "AAAA", "eJw", "ż", 7, None, "A" * 200_001])
def test_a_damaged_link_is_refused(code):
    with pytest.raises(ParameterError, match="run="):
        writing.decode_link(code)


def test_a_link_cannot_be_a_bomb():
    for plain in (json.dumps([["a" * 50_000_000]]), "[" * 100_000 + "]" * 100_000):
        packer = zlib.compressobj(9, wbits=-15)
        packed = packer.compress(plain.encode()) + packer.flush()
        code = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        assert len(code) < 200_000
        with pytest.raises(ParameterError, match="run="):
            writing.decode_link(code)


def test_a_links_hash_is_the_pages_own_and_its_text_can_be_shown():
    run = {"model": "gru", "length": 2, "seed": 1}
    code = writing.encode_link([["raz \ud800", run | {"hash": "abc"}]])
    expected = writing.Run("gru", GenerationConfig(seed=1), 2)
    assert writing.decode_link(code) == [["raz \ufffd", expected]]


def test_texts_are_replayed_to_the_character():
    lm, options = models()["gru"], {"seed": 5, "max_new_tokens": 40}
    whole = lm.generate("Ala", **options)
    for length in (0, 1, 17, len(whole)):
        cut = whole[:length]
        own = " i kot"
        more = lm.generate("Ala" + cut + own, **options)
        segments = [
            "Ala",
            {"model": "gru", "length": length, **options},
            own,
            {"model": "gru", "length": len(more), **options},
        ]
        text = writing.text_of(writing.encode_link([segments]), 0)
        assert text == ("Ala", cut + own + more, ("gru",))


def test_a_link_repeats_a_text_the_way_it_was_written():
    options = {"seed": 5, "max_new_tokens": 20, "drafts": 2}
    request = [("Ala", writing.check_run(name, options)) for name in names()]

    def write_down(events) -> tuple[list[str], set[str]]:
        texts, backends = [""] * len(request), set()
        for event in events:
            for index, news in event["columns"].items():
                texts[index] += "".join(token[1] for token in news["tokens"])
                backends.add(news["backend"])
        return texts, backends

    def code_of(texts: list[str], **backend) -> str:
        runs = [
            {"model": n, "length": len(t), **backend} for n, t in zip(names(), texts, strict=True)
        ]
        return writing.encode_link([["Ala", run | options] for run in runs])

    # While code is being compiled, PyTorch writes, and does so again for the link.
    compiling.update(("gru", "transformer", "bdh"))
    try:
        by_pytorch = write_down(writing.write(request))
        assert by_pytorch[1] == {"PyTorch"}
        assert write_down(writing.replay(code_of(by_pytorch[0], backend="PyTorch"))) == by_pytorch
        # What compiled code wrote waits for it.
        with ThreadPoolExecutor() as pool:
            plain = code_of(["a"] * len(request))
            waiting = pool.submit(lambda: write_down(writing.replay(plain)))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            compiling.clear()
            assert waiting.result()[1] == {"compiled"}
    finally:
        compiling.clear()
    compiled = write_down(writing.write(request))
    assert compiled[1] == {"compiled"}
    assert write_down(writing.replay(code_of(by_pytorch[0], backend="PyTorch"))) == by_pytorch
    assert write_down(writing.replay(code_of(compiled[0]))) == compiled
    with pytest.raises(ParameterError, match="backend"):
        writing.replay(code_of(["a"] * len(request), backend="abacus"))


def test_what_is_read_otherwise_than_typed_is_told_first():
    runs = [
        writing.check_run("gru", {"max_new_tokens": 2, "mends_spelling": mends})
        for mends in (True, False)
    ]
    for texts, told in ((("mlody krol", "zolw"), {"mlody": "młody", "krol": "król"}), ("ab", {})):
        first, *rest = writing.write(list(zip(texts, runs, strict=True)))
        assert first["mended"] == told and 0 in first["columns"]
        assert not any("mended" in event for event in rest)


def test_what_is_told_is_what_the_models_read():
    run = writing.check_run("gru", {"max_new_tokens": 1})
    decomposed, forgotten = unicodedata.normalize("NFD", "mały książe"), "mlody " + "i " * 2500
    for text, told in ((decomposed, {"książe": "książę"}), (forgotten + "krol", {"krol": "król"})):
        assert next(iter(writing.write([(text, run)])))["mended"] == told


def test_prompts_are_cut_to_their_last_tokens_before_any_work():
    tokenizer = models()["gru"].tokenizer
    for text in ("ala ma kota " * 5_000, "👩‍👩‍👧" * 9_000):
        cut = last_tokens(tokenizer, text, 100)
        assert text.endswith(cut)
        assert 80 < len(tokenizer.encode(cut)) <= 110
    with pytest.raises(ParameterError, match="text="):
        reading.check_reading({"text": "👩‍👩‍👧" * 1_000}, 2_000)


def test_influence_finds_what_a_model_looks_back_at():
    text = "Ala ma kota."
    for name in single_names():
        last = 2
        weights = reading.influence(name, text, last)
        assert len(weights) == last
        assert sum(weights) == pytest.approx(1, abs=1e-3) and min(weights) >= 0
        # The same by differences: the logit's change when an embedding shrinks a little.
        assert weights == pytest.approx(by_differences(name, text, last), abs=0.02)
        assert not list(reading.influence(name, text, 0))


def test_memory_is_told_for_whole_characters():
    # "🐈" is several tokens.
    text = "Ala ma 🐈 i kota."
    for name in single_names():
        lm, groups = models()[name], reading.reading(name, text)
        sizes = [1, *(len(group.token_ids) for group in groups)]
        assert max(sizes) > 1
        tokens = [lm.tokenizer.boundary_id, *(id_ for g in groups for id_ in g.token_ids)]
        weights = memory_weights(lm, tokens)
        told = torch.tensor(reading.memory(name, text, len(groups) - 1))
        assert told.shape == (*weights.shape[:2], len(groups) + 1)
        assert torch.allclose(told.sum(-1), weights.sum(-1), atol=2e-3)
        place = sizes.index(max(sizes))
        whole = weights[..., sum(sizes[:place]) : sum(sizes[: place + 1])].sum(-1)
        assert torch.allclose(told[..., place], whole, atol=1e-3)
    # Models with other tokens are not asked.
    asked = {"text": text, "model": "gru", "token": 3}
    told = [event["model"] for event in reading.influence_of(asked) if "weights" in event]
    assert told == list(single_names())


def test_models_with_other_tokens_are_served_side_by_side(tmp_path, monkeypatch):
    tiny = polishgen.load(save_tiny_checkpoint(tmp_path / "tiny", "gru"))
    both = {"gru": models()["gru"], "tiny": tiny}
    for module in (served, reading, writing):
        monkeypatch.setattr(module, "models", lambda: both)
    options = {"max_new_tokens": 5, "seed": 1}
    runs = [("Ala", writing.check_run(name, options)) for name in ("gru", "tiny")]
    told = [event["columns"].get(1, {"tokens": []})["tokens"] for event in writing.write(runs)]
    alternatives = [pair for tokens in told for token in tokens for pair in token[3]]
    # The tiny model's tokens are single bytes, of which those above ASCII's are no characters.
    assert alternatives
    assert all(text is None or (len(text) == 1 and text.isascii()) for text, _ in alternatives)
    asked = {"text": "Ala ma kota", "model": "tiny", "token": 6}
    told = [event["model"] for event in reading.influence_of(asked) if "weights" in event]
    assert told == ["tiny"]
    with pytest.raises(ParameterError, match="model"):
        reading.influence_of(asked | {"model": "gpt"})


def test_a_reading_can_be_stopped_between_chunks(monkeypatch):
    chunks = []

    def counted(*arguments):
        for chunk in predictions(*arguments):
            chunks.append(chunk)
            yield chunk

    monkeypatch.setattr(language_model, "predictions", counted)
    reading.readings.clear()
    text = "Szedł dziad przez las. " * 200
    assert len(models()["gru"].tokenizer.encode(text)) > 1024
    for work in (
        lambda: reading.read({"text": text, "models": ["gru"]}),
        lambda: compare.judge({"text": text}),
    ):
        events = work()
        next(events)
        assert len(chunks) == 1
        events.close()
        assert len(chunks) == 1 and not reading.readings
        chunks.clear()
    *parts, whole = reading.read({"text": text, "models": ["gru"]})
    assert {event["reading"] for event in parts} == {"gru"}
    assert "".join(token[0] for token in whole["tokens"]) == text.strip()
    *_, judged = [event for event in compare.judge({"text": text}) if event["model"] == "gru"]
    assert judged["bits_per_byte"] == models()["gru"].score(text.strip()).bits_per_byte


def test_a_text_that_was_forgotten_is_read_again_in_the_line(monkeypatch):
    read = []
    monkeypatch.setattr(reading, "read_tokens", lambda *a: read.append(a) or read_tokens(*a))
    reading.readings.clear()
    asked = {"text": "Ala ma kota.", "model": "gru", "token": 2}
    events = reading.influence_of(asked)
    assert not read
    assert [event["model"] for event in events if "weights" in event] == list(single_names())
    assert len(read) == len(single_names())
    for token in (-1, 99, "a", None):
        with pytest.raises(ParameterError, match="token"):
            list(reading.influence_of(asked | {"token": token}))


def test_bits_per_byte_are_of_what_was_read():
    for text in (unicodedata.normalize("NFD", "Żółw  szedł , szedł"), "raz \ud800 dwa"):
        [event] = [e for e in reading.read({"text": text, "models": ["gru"]}) if "tokens" in e]
        expected = models()["gru"].score(text).bits_per_byte
        assert event["bits_per_byte"] == pytest.approx(expected)


class Given(torch.nn.Module):
    """An embedding that gives the rows it was made of, (B, T, width)."""

    def __init__(self, rows: torch.Tensor, weight: torch.Tensor):
        super().__init__()
        self.rows, self.weight = rows, weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.rows


def by_differences(name: str, text: str, index: int) -> list[float]:
    """`reading.influence` by central differences along each coordinate, in float64."""
    lm = models()[name]
    tokens = lm.tokenizer.encode(text)
    network = copy.deepcopy(lm.model).double()
    weight = network.embedding.weight.detach()
    rows = weight[[lm.tokenizer.boundary_id, *tokens[:index]]]
    parts = []
    for place in range(1, len(rows)):
        steps = torch.zeros(rows.shape[1], *rows.shape, dtype=rows.dtype)
        steps[:, place] = 1e-4 * torch.eye(rows.shape[1], dtype=rows.dtype)
        logits = []
        for changed in (rows + steps, rows - steps):
            network.embedding = Given(changed, weight)
            with torch.no_grad():
                out, _ = network(torch.zeros(changed.shape[:2], dtype=torch.int64), None)
            logits.append(out[:, -1, tokens[index]])
        slopes = (logits[0] - logits[1]) / 2e-4
        parts.append(float((slopes * rows[place]).norm()))
    return [part / sum(parts) for part in parts]


def test_reading_beside_other_threads_is_reading_alone():
    text = "Dawno temu żył król, a z nim królowa."
    expected = {name: reading.influence(name, text, 6) for name in single_names()}
    stop = threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            for name in single_names():
                models()[name].generate("Ala", max_new_tokens=5)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(3):
            reading.influence.cache_clear()
            for name, weights in expected.items():
                assert reading.influence(name, text, 6) == pytest.approx(weights, abs=1e-3)
    finally:
        stop.set()
        writer.join()


def test_neurons_are_only_named_after_whole_words_that_a_second_text_confirms():
    *_, event = reading.neurons("bdh", reading.PROSE)
    found = event["neurons"]
    assert len(found["active"]) == len(found["firing"]) == models()["bdh"].model.config.n_layers
    first = reading.activity_of("bdh", reading.PROSE)
    second = reading.activity_of("bdh", reading.second_text(reading.PROSE))
    for each in found["telling"]:
        assert re.fullmatch(r"\w{3,}", each["text"])
        assert re.search(rf"\b{each['text']}\b", reading.PROSE, re.IGNORECASE)
        place = (each["layer"] - 1, each["neuron"], each["text"])
        assert reading.firing_at(first, *place) == pytest.approx(each["share"], abs=0.01)
        assert reading.firing_at(second, *place) == pytest.approx(each["again"], abs=0.01)
        assert min(each["share"], each["again"]) >= reading.LEAST_SHARE


def votes_of(strengths: dict[str, float], rounds: int, size: int) -> Counter:
    """Votes drawn from known strengths."""
    random = np.random.default_rng(0)
    votes = []
    for models_ in itertools.islice(
        itertools.cycle(itertools.permutations(strengths, size)), rounds
    ):
        share = np.exp([strengths[name] for name in models_])
        votes.append((models_, models_[random.choice(size, p=share / share.sum())]))
    return Counter(votes)


@pytest.mark.parametrize("size", [2, 4])
def test_strengths_are_found_again(size: int):
    truth = {"a": 1.0, "b": 0.3, "c": -0.3, "d": -1.0}
    found, errors = arena.strengths(list(truth), votes_of(truth, 3000, size))
    assert np.abs(found - list(truth.values())).max() < 3 * errors.max() < 0.4
    _, wide = arena.strengths(list(truth), votes_of(truth, 30, size))
    assert wide.min() > errors.max()


def test_two_players_have_a_known_answer():
    # Without a prior: the logit of 30 wins out of 40, with the error of a logit.
    votes = Counter({(("a", "b"), "a"): 30, (("a", "b"), "b"): 10})
    found, _ = arena.strengths(["a", "b"], votes)
    assert found[0] - found[1] == pytest.approx(math.log(3), abs=0.05)
    one_sided, _ = arena.strengths(["a", "b"], Counter({(("a", "b"), "a"): 5}))
    assert np.isfinite(one_sided).all()


def test_votes_are_counted_once_and_keep_nothing_personal(tmp_path, monkeypatch):
    monkeypatch.setenv("POLISHGEN_DATA", str(tmp_path / "votes.sqlite3"))
    monkeypatch.setattr(arena, "ROUND_TOKENS", 4)
    request = {"prompt": "Tajemnica", "count": 2, "genre": "tale"}
    *progress, round_ = arena.play(request)
    assert [event["progress"] for event in progress] == sorted(e["progress"] for e in progress)
    assert set(round_) == {"round", "texts"} and len(round_["texts"]) == 2
    answer = arena.vote({"round": round_["round"], "choice": 1})
    assert set(answer["models"]) <= set(names()) and all(round_["texts"])
    assert answer["votes"] == 1
    # Said again, whatever the choice, it tells what was counted.
    for choice in (1, 0, None):
        assert arena.vote({"round": round_["round"], "choice": choice}) == answer
    for bad in ({"round": "made-up", "choice": 0}, {"round": "\ud800"}, {"round": 7}, {}):
        with pytest.raises(ParameterError, match="round"):
            arena.vote(bad)
    assert arena.standings()["votes"] == 1
    assert b"Tajemnica" not in (tmp_path / "votes.sqlite3").read_bytes()
    [winner] = [row for row in answer["tables"]["all"] if row["won"]]
    assert winner["model"] == answer["models"][1]
    orders = Counter()
    monkeypatch.setattr(arena, "ROUND_TOKENS", 1)
    for _ in range(12):
        *_, last = arena.play(request)
        # Who asks for the names alone has no vote afterwards.
        seen = arena.vote({"round": last["round"], "choice": None})
        orders[tuple(seen["models"])] += 1
        assert arena.vote({"round": last["round"], "choice": 0}) == seen
    assert len(orders) > 1 and seen["votes"] == 1 and seen["choice"] is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arena, "ROUND_LIFETIME", 0)
        with pytest.raises(ParameterError, match="round"):
            arena.vote({"round": last["round"], "choice": 0})
    for bad in (3, 0, "2", None):
        with pytest.raises(ParameterError, match="count"):
            arena.play(request | {"count": bad})


def test_votes_go_to_the_data_set_that_is_named(tmp_path, monkeypatch):
    class Scheduler:
        """Stands for huggingface_hub.CommitScheduler: what it is given, and a lock."""

        def __init__(self, **options):
            made.append(options)
            self.folder_path, self.lock = Path(options["folder_path"]), threading.Lock()

    made: list[dict] = []
    monkeypatch.setattr(huggingface_hub, "CommitScheduler", Scheduler)
    monkeypatch.setenv("POLISHGEN_DATA", str(tmp_path / "votes.sqlite3"))
    arena.data_set.cache_clear()
    try:
        cast_vote()
        assert not made, "nothing is uploaded unless a data set is named"
        arena.data_set.cache_clear()
        monkeypatch.setenv("POLISHGEN_VOTES_DATASET", "user/votes")
        models_ = [cast_vote() for _ in range(3)]
    finally:
        arena.data_set.cache_clear()
    [options] = made
    known = inspect.signature(CommitScheduler.__init__).parameters
    assert set(options) <= set(known)
    assert (options["repo_id"], options["repo_type"]) == ("user/votes", "dataset")
    assert options["path_in_repo"].startswith("votes-")
    [file] = options["folder_path"].iterdir()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["models"] for row in rows] == [",".join(each) for each in models_]
    assert all(row.keys() == {"round", "day", "genre", "models", "winner"} for row in rows)
    assert arena.standings()["votes"] == 4


def cast_vote() -> list[str]:
    """The models of a round of one token that was voted on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arena, "ROUND_TOKENS", 1)
        *_, last = arena.play({"prompt": "Ala", "count": 2})
    return arena.vote({"round": last["round"], "choice": 0})["models"]


def test_who_asks_for_a_round_chooses_nothing_but_the_genre(monkeypatch):
    asked = []
    monkeypatch.setattr(arena, "write", lambda columns: asked.extend(columns) or iter(()))
    options = {"temperature": 0, "max_new_tokens": 1, "seed": 1, "genre": "drama"}
    arena.play({"prompt": "Ala", "count": 2, "options": options, **options})
    for _, run in asked:
        given = run.config.replace(seed=None)
        assert given == GenerationConfig(genre="drama", max_new_tokens=arena.ROUND_TOKENS)
    with pytest.raises(ParameterError, match="genre"):
        arena.play({"prompt": "Ala", "count": 2, "genre": "essay"})


def test_ten_thousand_votes_are_counted_in_no_time(tmp_path, monkeypatch):
    monkeypatch.delenv("POLISHGEN_DATA", raising=False)
    # The app's own folder may be one that nobody may write to.
    monkeypatch.setattr(arena, "FOLDERS", (tmp_path / "missing", tmp_path))
    truth = {"a": 1.0, "b": 0.3, "c": -0.3, "d": -1.0}
    votes = votes_of(truth, 10_000, 2)
    with closing(arena.connect()) as base, base:
        drawn = ((",".join(m), winner) for m, winner in votes.elements())
        rows = [(str(i), "", "tale" if i % 2 else "", *row) for i, row in enumerate(drawn)]
        base.executemany("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", rows)
    assert (tmp_path / arena.VOTES_FILE).is_file()
    began = time.perf_counter()
    answer = arena.standings()
    assert time.perf_counter() - began < 0.5
    assert answer["votes"] == 10_000 and list(answer["tables"]) == ["all", "tale"]
    rows = answer["tables"]["all"]
    assert [row["model"] for row in rows] == list(truth)
    assert sum(row["won"] for row in rows) * 2 == sum(row["met"] for row in rows) == 20_000
    assert sum(row["won"] for row in answer["tables"]["tale"]) == 5_000


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_everything():
    assert TEXTS["pl"].keys() == TEXTS["en"].keys()
    for key, polish in TEXTS["pl"].items():
        assert placeholders(polish) == placeholders(TEXTS["en"][key]), key
        assert bool(polish.strip()) == bool(TEXTS["en"][key].strip()), key


def test_typography():
    for language, quotes in (("pl", "„”"), ("en", "“”")):
        for key, text in TEXTS[language].items():
            prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)
            assert '"' not in prose, key
            assert "..." not in prose, key
            assert not re.search(r" - ", prose.replace("\n- ", "")), key
            if any(mark in prose for mark in "„“"):
                assert set(re.findall("[„“”]", prose)) == set(quotes), key


def test_polish_short_words_do_not_end_a_line():
    assert tie_short_words("w lesie i w domu") == "w\u00a0lesie i\u00a0w\u00a0domu"
    assert tie_short_words("A to Polska") == "A\u00a0to Polska"
    assert tie_short_words("zaw i oko") == "zaw i\u00a0oko"


def test_the_reports_bits_per_byte_follow_from_its_loss():
    transformer = figures.report_figures("transformer")
    assert transformer.bits_per_byte == pytest.approx(4.0390 / math.log(2) / 2.73)
    assert transformer.seconds_1000 == pytest.approx(8.8446, abs=1e-3)


def test_curves_end_where_the_reports_table_says():
    curves = figures.training_curves()
    for name in ("gru", "transformer", "bdh"):
        assert curves[name, False][-1].loss == figures.report_figures(name).val_loss
        assert curves[name, True]


def test_figures_that_were_not_measured_are_none(monkeypatch):
    lm = models()["gru"]
    monkeypatch.setattr(lm, "metrics", {})
    bare = figures.our_figures(lm)
    assert bare.parameters == lm.parameters
    assert bare.perplexity is None and bare.real_words is None and bare.seconds_1000 is None
    measured = {
        "train_loss": 3.5,
        "held_out_loss": 3.6,
        "perplexity": math.exp(3.6),
        "bits_per_byte": 1.8,
        "training_tokens": 60_000_000,
        "evaluation": {"presets": {"report": {"real_words": {"share": 0.83}}}},
    }
    monkeypatch.setattr(lm, "metrics", json.loads(json.dumps(measured)))
    full = figures.our_figures(lm, tokens_per_second=200.0)
    assert (full.train_loss, full.val_loss, full.bits_per_byte) == (3.5, 3.6, 1.8)
    assert (full.real_words, full.seconds_1000, full.tokens_read) == (0.83, 5.0, 60_000_000)


@pytest.mark.parametrize("language", TEXTS)
def test_every_chart_has_its_words_and_the_pages_colours(language: str):
    for name in ("bits.svg", "speed.svg", "curves.svg", "sparsity.svg"):
        svg = compare.plot(name, language, {})
        assert svg.startswith("<svg") and "currentColor" in svg and compare.INK not in svg
        words = TEXTS[language]["our_bdh"] if name == "sparsity.svg" else "Hatchling"
        assert words in svg
    layers = reading.neuron_sizes()["layers"]
    shares = {"active": ",".join(["0.4"] * layers), "firing": ",".join(["0.1"] * layers)}
    assert TEXTS[language]["kind_held"] in compare.plot("neurons.svg", language, shares)
    for bad in ("nan", "inf", "-0.1", "1.1", "", "0.1", "0.1," * 5000):
        for name in shares:
            given = ",".join([bad] * layers) if bad not in ("", "0.1") else bad
            with pytest.raises(ParameterError, match=name):
                compare.plot("neurons.svg", language, shares | {name: given})
    for name, query in (("x.svg", {}), ("curves.svg", {"x": "miles"}), ("neurons.svg", {})):
        with pytest.raises(ParameterError):
            compare.plot(name, language, query)


def test_a_card_shows_its_text():
    pictures = [
        Image.open(io.BytesIO(card.draw(("Ala ma ", text, ("gru",)), "pl", "http://a.pl/?run=A")))
        for text in ("kota.", "psa. " * 500, "")
    ]
    assert {picture.size for picture in pictures} == {(1200, 630)}
    darkness = [np.asarray(picture.convert("L")).mean() for picture in pictures]
    assert darkness[1] < darkness[0] < darkness[2]


def test_a_card_shows_its_link_as_text(monkeypatch):
    drawn = []
    draw_text = ImageDraw.ImageDraw.text

    def noted(pen, place, text, fill, font):
        right = place[0] + pen.textlength(text, font)
        assert right <= card.WIDTH and place[1] + font.size <= card.HEIGHT, text
        drawn.append(text)
        draw_text(pen, place, text, fill, font)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    link = "https://polishgen.example.org/?run=" + "aB9-_" * 30
    card.draw(("Ala ma ", "kota. " * 200, names()), "en", link)
    assert link in "".join(drawn)
    # One that nobody would type is left out.
    card.draw(("Ala ma ", "kota.", ("gru",)), "en", link * 3)
    assert "".join(drawn).count("https://") == 1


def test_only_a_space_believes_what_a_proxy_says(monkeypatch):
    class Server:
        """Stands for Gradio's: notes whom uvicorn would trust."""

        def launch(self, **options) -> tuple:
            trusted.append(os.environ.get("FORWARDED_ALLOW_IPS"))
            return None, "http://a", None

    trusted: list[str | None] = []
    monkeypatch.setattr(server.api, "answer_mcp_in_json", lambda: None)
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "")
    monkeypatch.delenv("FORWARDED_ALLOW_IPS")
    monkeypatch.delenv("SPACE_ID", raising=False)
    server.launch(Server(), None, None)
    monkeypatch.setenv("SPACE_ID", "user/demo")
    server.launch(Server(), None, None)
    assert trusted == [None, "*"]


def test_the_page_is_served_before_its_code_is_compiled_and_its_example_written(monkeypatch):
    compiled = threading.Event()
    loading = threading.Thread(target=compiled.wait, daemon=True)
    loading.start()
    example = [{"model": "gru", "options": {}, "backend": "compiled", "events": []}]
    monkeypatch.setattr(server, "example_is_there", threading.Event())
    monkeypatch.setattr(server, "is_cached", lambda: False)
    monkeypatch.setattr(server, "compile_in_background", lambda: loading)
    monkeypatch.setattr(server, "example", lambda: example)
    monkeypatch.setattr(server, "example_picture", lambda: "card.png?run=x")
    client = TestClient(server.build_page())
    found = re.compile(r'id="example">(.*?)</script>', re.DOTALL)
    # Every module is at an address of this version, so none can be an older one's.
    main = re.search(r'src="([^"]*/main\.js)"', client.get("/").text)[1]
    assert re.fullmatch(r"/static/[0-9a-f]{8}/main\.js", main)
    imported = re.findall(r'from "\.(/\w+\.js)"', client.get(main).text)
    assert imported and all(client.get(main.replace("/main.js", i)).is_success for i in imported)
    assert not client.get("/static/main.js").is_success
    before = client.get("/").text
    assert json.loads(found.search(before)[1]) == [] and "og:image" not in before
    compiled.set()
    assert server.example_is_there.wait(30)
    after = client.get("/").text
    assert "card.png?run=x" in after
    # On every tab, as the other is but a click away; and beside a link, which may be damaged.
    for path in ("/", "/arena", "/?run=AAAA"):
        assert json.loads(found.search(client.get(path).text)[1]) == example
