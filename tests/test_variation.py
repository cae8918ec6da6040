"""Tales with other words, other openings, and first sentences as typed."""

import re

import morfeusz2
import pytest

from training.corpus.as_typed import as_typed
from training.corpus.variation import keeps_preposition, vary_opening, vary_tale

WORD = re.compile(r"[^\W\d_]+")
TALE = (
    "Hania znalazła lisa. Lis był chory. — Lisie, zjedz jabłko — powiedziała Hania i dała lisowi "
    "jabłko. Potem włożyła czerwoną czapkę i pożegnała się z lisem na trzy dni."
)


def changes(text: str, varied: str) -> list[tuple[str, str]]:
    """Pairs of words that differ; all else must be the same."""
    assert WORD.sub("#", text) == WORD.sub("#", varied)
    pairs = zip(WORD.findall(text), WORD.findall(varied), strict=True)
    return [(old, new) for old, new in pairs if old != new]


def tags(form: str) -> set[str]:
    """All unambiguous tags of a form, by an analyser of its own."""
    found = set()
    for _, _, (_, _, tag, *_) in morfeusz2.Morfeusz(generate=False).analyse(form):
        expanded = [""]
        for field in tag.split(":"):
            expanded = [f"{head}:{part}" for head in expanded for part in field.split(".")]
        found.update(expanded)
    return found


def test_same_seed_same_tale_other_seed_other_tale():
    assert vary_tale(TALE, "1/0/7") == vary_tale(TALE, "1/0/7")
    assert len({vary_tale(TALE, seed) for seed in range(20)}) > 10


@pytest.mark.parametrize("seed", range(10))
def test_a_lemma_becomes_one_other_lemma_in_the_same_case_and_number(seed):
    seen = {}
    for old, new in changes(TALE, vary_tale(TALE, seed)):
        assert old[0].isupper() == new[0].isupper()
        assert {tag for tag in tags(old) & tags(new) if tag.startswith((":subst", ":adj", ":num"))}
        assert seen.setdefault(old.lower(), new.lower()) == new.lower()
    if "lisa" in seen:
        assert {"lisa", "lis", "lisie", "lisowi", "lisem"} <= seen.keys()


def test_all_kinds_of_words_change():
    changed = {old for seed in range(40) for old, _ in changes(TALE, vary_tale(TALE, seed))}
    assert {"Hania", "lisem", "czerwoną", "trzy"} <= changed


@pytest.mark.parametrize(
    "text",
    [
        # Nominative or accusative: which, no other noun could leave open.
        "Na stole siedziała mysz i kot widział mysz.",
        "Był głodny jak wilk.",
        # A shed's genitive, or a raccoon.
        "Dom i szopa stały puste, a dalej stał rząd szop.",
        # What the word is derived from would no longer fit.
        "Lisek szukał lisa.",
        "Jaskółka była jak mała sroka. Ze sroką mieszkała.",
        # Counted one by one.
        "Miał trzy jabłka. Pierwsze zjadł, drugie dał siostrze, a trzecie zgubił.",
        "Niebo było czerwone.",
    ],
)
def test_what_is_not_certain_stays(text):
    uncertain = {"mysz", "wilk", "szopa", "szop", "lisek", "lisa", "sroka", "sroką"}
    uncertain |= {"trzy", "trzecie", "czerwone"}
    for seed in range(30):
        assert not uncertain & {old.lower() for old, _ in changes(text, vary_tale(text, seed))}


@pytest.mark.parametrize(
    ("before", "word", "kept"),
    [
        ("z", "lisem", True),
        ("z", "sową", True),
        ("z", "szczurem", False),
        ("z", "czterema", True),
        ("ze", "szpakiem", False),
        ("w", "wronie", False),
        ("w", "wodzie", True),
        ("do", "lwa", True),
    ],
)
def test_prepositions_keep_their_shape(before, word, kept):
    assert keeps_preposition(before, word) is kept


def test_openings_vary_and_the_usual_one_stays_the_commonest():
    tale = "Pewnego razu młody książę zgubił klucz."
    varied = [vary_opening(tale, seed) for seed in range(200)]
    assert all(text.endswith(" młody książę zgubił klucz.") for text in varied)
    assert 70 < sum(text == tale for text in varied) < 130
    assert vary_opening("Był sobie król.", 0) == "Był sobie król."
    lasting = {vary_opening("Pewnego razu żył król.", seed) for seed in range(100)}
    assert "Pewnego dnia żył król." not in lasting


def test_as_typed_changes_the_first_words_only():
    text = "Pewnego razu młody książę złapał żółwia. Żółw był zły."
    pairs = [as_typed(text, seed) for seed in range(300)]
    # All that differs lies within the characters that are said to be typed.
    for other, count in pairs:
        assert text.endswith(other[count:]) and (other == text) == (count == 0)
    typed = [other for other, _ in pairs]
    assert all(other.endswith(". Żółw był zły.") for other in typed)
    # Two words of the sentence have nothing to get wrong, so prompts of three or more are changed.
    assert 0.8 < sum(other != text for other in typed) / len(typed) < 1
    assert "Pewnego razu mlody ksiaze zlapal zolwia. Żółw był zły." in typed
    assert "Pewnego razu mlody ksiaze złapał żółwia. Żółw był zły." in typed
    assert "Pewnego razu młody książe złapał żółwia. Żółw był zły." in typed
    assert as_typed(text, 5) == as_typed(text, 5)
    assert as_typed("", 0) == ("", 0)
    assert as_typed("Ala ma kota", 0) == ("Ala ma kota", 0)
