"""Misspelt prompts: what is mended, and that right words are left alone."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import polishgen
from polishgen.checkpoint import BUNDLED
from polishgen.spelling import mend, mend_word, misspelt_words, words
from training.corpus import lexicon
from training.corpus.as_typed import PLAIN

BAJKI = Path(lexicon.__file__).parent / "data" / "bajki.jsonl.zst"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Pewnego razu młody książe", "Pewnego razu młody książę"),
        ("pewnego razu mlody ksiaze zyl", "pewnego razu młody książę żył"),
        ("Byl sobie krol, ktory mial trzy corki.", "Był sobie król, który miał trzy córki."),
        ("Ktury hleb z rzytem?", "Który chleb z żytem?"),
        ("ZOLW i Swinia", "ŻÓŁW i Świnia"),
        # Words that exist stay, whatever they look like; so do names, numbers and other languages.
        ("Maja ze stali, piec i bal", "Maja ze stali, piec i bal"),
        ("Kmicic i Zosia, 1863 r. – hello world", "Kmicic i Zosia, 1863 r. – hello world"),
        ("", ""),
    ],
)
def test_what_is_meant(typed: str, meant: str):
    assert mend(typed) == meant
    assert mend(meant) == meant


def test_an_unfinished_last_word_stays():
    assert mend("mlody ksiaze", last_word_complete=False) == "młody ksiaze"
    assert mend("mlody ksiaze ", last_word_complete=False) == "młody książę "
    assert list(misspelt_words("ma zolw", last_word_complete=True)) == [(3, 7, "żółw")]


@given(st.text(st.sampled_from("aąbcćeęhioóuzżźłlnńrs -.,\nAĄKŻ"), max_size=60))
def test_only_letters_of_misspelt_words_change(text: str):
    mended = mend(text)
    assert mend(mended) == mended
    assert re.sub(r"\w+", "w", mended) == re.sub(r"\w+", "w", text)
    for before, after in zip(re.findall(r"\w+", text), re.findall(r"\w+", mended), strict=True):
        assert (before == after) or (before.lower() not in words() and after.lower() in words())


def test_tales_are_hardly_touched_and_mostly_found_again():
    compressed = pytest.importorskip("backports.zstd").decompress(BAJKI.read_bytes())
    tales = [json.loads(line)["text"] for line in compressed.splitlines()[:200]]
    found = [word for tale in tales for word in re.findall(r"[^\W\d_]+", tale)]
    wrong = sum(mend_word(word) != word for word in found)
    assert wrong <= 0.0005 * len(found)
    accented = [word for word in found if word.translate(PLAIN) != word]
    again = sum(mend_word(word.translate(PLAIN)) == word for word in accented)
    assert again >= 0.8 * len(accented)


def test_words_that_exist_are_kept_for_what_they_are():
    counts = lexicon.Counter(
        {"książę": 500, "książe": 20, "maja": 6, "mają": 900, "żółw": 9, "zolw": 8, "kmicic": 7}
    )
    known = lexicon.lexicon(counts, min_count=5)
    assert known["książę"] == 500 and "książe" not in known
    # May's own form is a word, however rare beside the verb.
    assert known["mają"] == 900 and "maja" in known
    # Too frequent beside it to be its misspelling, but nothing that a misspelling could mean.
    assert known["zolw"] == 0
    assert "kmicic" in known
    assert [line.split() for line in lexicon.lines({"a": 9, "b": 8, "c": 3, "d": 0})] == [
        ["a", "b"],
        ["c"],
        ["d"],
    ]


@pytest.mark.skipif(not (BUNDLED / "gru").is_dir(), reason="needs the bundled checkpoints")
def test_models_read_what_is_meant_unless_told_otherwise():
    lm = polishgen.load("gru")
    options = {"seed": 3, "max_new_tokens": 12}
    assert lm.generate("mlody ksiaze", **options) == lm.generate("młody książę", **options)
    typed = lm.generate("mlody ksiaze", mends_spelling=False, **options)
    assert typed != lm.generate("młody książę", **options)
    # An unfinished word is none that could be misspelt.
    unfinished = {"starts_new_word": False, **options}
    assert lm.generate("ksiaze", **unfinished) == lm.generate(
        "ksiaze", mends_spelling=False, **unfinished
    )
