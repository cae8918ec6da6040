"""The page's parts without a browser: turns, links, texts, figures."""

import json
import math
import os
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polishgen.errors import ParameterError
from polishgen.generate import Piece
from polishgen.page import figures
from polishgen.page.downloads import write_downloads
from polishgen.page.failures import failure_text
from polishgen.page.models import models
from polishgen.page.run_settings import MAX_SEED, RunSettings
from polishgen.page.texts import TEXTS, number, say, tie_short_words
from polishgen.page.turns import take_turns


def pieces(text: str, calls: list[str]):
    """One piece a character; notes whose turn it was."""
    for index, character in enumerate(text):
        calls.append(text[0])
        reason = "length" if index == len(text) - 1 else None
        yield Piece(character, (index,), 0.0, reason)


def test_models_take_turns_token_by_token():
    calls: list[str] = []
    streams = {name: pieces(name * 4, calls) for name in "abc"}
    *_, last = take_turns(streams, interval=0.0)
    assert "".join(calls) == "abc" * 4
    assert {name: progress.text for name, progress in last.items()} == {n: n * 4 for n in "abc"}


def test_a_model_that_is_done_leaves_its_turns_to_the_others():
    calls: list[str] = []
    streams = {"a": pieces("aaaaa", calls), "b": pieces("b", calls)}
    *_, last = take_turns(streams, interval=0.0)
    assert "".join(calls) == "abaaaa"
    assert (last["a"].tokens, last["b"].tokens) == (5, 1)
    assert last["b"].finish_reason == "length"


def test_nobody_works_on_when_nobody_listens():
    calls: list[str] = []
    turns = take_turns({"a": pieces("a" * 100, calls)}, interval=0.0)
    next(turns)
    next(turns)
    turns.close()
    assert len(calls) <= 3


@given(
    prompt=st.text(st.characters(codec="utf-8"), max_size=100),
    names=st.lists(st.sampled_from(["gru", "transformer", "bdh"]), min_size=1),
    max_new_tokens=st.integers(1, 1000),
    temperature=st.floats(0, 5),
    top_k=st.integers(0, 100_000),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    stop=st.lists(st.text(string.ascii_letters, min_size=1, max_size=9), max_size=3),
    seed=st.integers(0, MAX_SEED),
    genre=st.none() | st.sampled_from(["tale", "novel"]),
    starts_new_word=st.booleans(),
    rounds=st.integers(1, 20),
)
def test_a_link_describes_the_run_exactly(prompt, names, rounds, **values):
    from urllib.parse import parse_qsl

    run = RunSettings(prompt=prompt, models=names, rounds=rounds, **values)
    query = dict(parse_qsl(run.query(), keep_blank_values=True))
    assert RunSettings.from_query(query) == run


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "9"}, "temperature"),
        ({"seed": "1.5"}, "seed"),
        ({"max_new_tokens": "100000"}, "max_new_tokens"),
        ({"rounds": "1000"}, "rounds"),
        ({"models": "gpt"}, "models"),
        ({"prompt": "a" * 5000}, "prompt"),
    ],
)
def test_a_link_with_a_bad_value_is_refused_by_name(query: dict[str, str], name: str):
    with pytest.raises(ParameterError) as refused:
        RunSettings.from_query(query)
    assert refused.value.parameter == name


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
            if any(mark in prose for mark in "„“”"):
                assert set(re.findall("[„“”]", prose)) == set(quotes), key


def test_polish_short_words_do_not_end_a_line():
    assert tie_short_words("w lesie i w domu") == "w\u00a0lesie i\u00a0w\u00a0domu"
    assert tie_short_words("A to Polska") == "A\u00a0to Polska"
    assert tie_short_words("zaw i oko") == "zaw i\u00a0oko"


@pytest.mark.parametrize(
    ("language", "value", "digits", "expected"),
    [
        ("pl", 1234, 0, "1234"),
        ("pl", 12345.678, 2, "12\u00a0345,68"),
        ("pl", 0.5, 1, "0,5"),
        ("en", 1234, 0, "1,234"),
        ("en", 12345.678, 2, "12,345.68"),
    ],
)
def test_numbers(language: str, value: float, digits: int, expected: str):
    assert number(language, value, digits) == expected


@pytest.mark.parametrize("language", ["pl", "en"])
def test_failures_name_parameter_value_and_what_is_allowed(language: str):
    text = failure_text(language, ParameterError("temperature", 7, "a number from 0 to 5"))
    assert text.startswith("temperature: ")
    assert "7" in text
    assert say(language, "allowed_temperature") in text
    long = failure_text(language, ParameterError("prompt", "a" * 5000, "short"))
    assert len(long) < 250


def test_the_reports_bits_per_byte_follow_from_its_loss():
    transformer = figures.report_figures("transformer")
    assert transformer.bits_per_byte == pytest.approx(4.0390 / math.log(2) / 2.73)
    assert transformer.seconds_1000 == pytest.approx(8.8446, abs=1e-3)


def test_curves_end_where_the_reports_table_says():
    curves = figures.training_curves()
    for name in ("gru", "transformer", "bdh"):
        run = curves[(curves["series"] == figures.run_title(name)) & ~curves["ours"]]
        assert run["loss"].iloc[-1] == figures.report_figures(name).val_loss


def test_figures_that_were_not_measured_are_none(monkeypatch):
    lm = next(iter(models().values()))
    monkeypatch.setattr(lm, "metrics", {})
    bare = figures.our_figures(lm)
    assert bare.parameters == lm.parameters
    assert bare.perplexity is None and bare.real_words is None and bare.seconds_1000 is None
    measured = {
        "train_loss": 3.5,
        "held_out_loss": 3.6,
        "perplexity": math.exp(3.6),
        "bits_per_byte": 1.8,
        "evaluation": {"presets": {"report": {"real_words": {"share": 0.83}}}},
    }
    monkeypatch.setattr(lm, "metrics", json.loads(json.dumps(measured)))
    full = figures.our_figures(lm, tokens_per_second=200.0)
    assert (full.train_loss, full.val_loss, full.bits_per_byte) == (3.5, 3.6, 1.8)
    assert (full.real_words, full.seconds_1000) == (0.83, 5.0)


def test_downloads_repeat_the_run_and_do_not_pile_up(tmp_path):
    run = RunSettings(prompt="raz", models=["gru"], seed=3)
    texts = {"gru": "raz dwa „trzy”"}
    text_file, json_file = write_downloads(run, "http://x/?seed=3", texts, tmp_path)
    assert "raz dwa „trzy”" in text_file.read_text(encoding="utf-8")
    record = json.loads(json_file.read_text(encoding="utf-8"))
    assert RunSettings(**record["settings"]) == run
    assert record["texts"] == texts
    again, _ = write_downloads(run, "http://x/?seed=3", texts, tmp_path)
    assert again == text_file
    os.utime(text_file.parent, (0, 0))
    fresh, _ = write_downloads(run, "http://x/?seed=3", {"gru": "raz"}, tmp_path)
    assert list(tmp_path.iterdir()) == [fresh.parent]
