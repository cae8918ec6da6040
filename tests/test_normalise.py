"""One form for every text: what people and programs type against what the models know."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.normalise import normalise

# Signs that the rules deal with, so that random texts meet the rules.
SIGNS = "ab zł AŻ1 .…,;:!?-–—\n\r\t\"„”«»'’`()[]\u00a0\u200b\ufeff\u0301\u0328\u2028"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Ksia\u0328z\u0307ę", "Książę"),
        ("młody\u00a0książę", "młody książę"),
        ("\ufeffPewnego razu\r\nszedł\rkot", "Pewnego razu\nszedł\nkot"),
        ("Powiedział: \"Idź\" i 'idź'.", "Powiedział: „Idź” i 'idź'."),
        ("«Idź»", "„Idź”"),
        ("- Idź - powiedział.", "— Idź — powiedział."),
        ("-- Idź!\n– Nie.", "— Idź!\n— Nie."),
        ("biało-czerwony, 1863–1865", "biało-czerwony, 1863–1865"),
        ("Czekał… i czekał....", "Czekał... i czekał..."),
        ("kot ,pies  i\n\n\nptak", "kot,pies i\nptak"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_what_people_type_becomes_what_the_models_know(typed, expected):
    assert normalise(typed) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Pewnego razu ", "Pewnego razu "),
        ("Pewnego razu", "Pewnego razu"),
        ("Pewnego razu\u00a0", "Pewnego razu "),
        ("Pewnego razu  ", "Pewnego razu "),
        ("Pewnego razu\r\n", "Pewnego razu\n"),
        ("Idź -", "Idź -"),
        ("Idź - ", "Idź — "),
        ("Idź —", "Idź —"),
        ("- ", "- "),
        (" ", " "),
        (" \n ", "\n"),
    ],
)
def test_white_space_after_a_prompt_survives_as_one_sign(prompt, expected):
    assert normalise(prompt) == expected


@settings(max_examples=1000, deadline=None)
@given(st.text(st.sampled_from(SIGNS), max_size=20) | st.text(max_size=40))
def test_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not set(once) & set("\r\t\u00a0\u200b\ufeff\u2028„”"[:6])
    assert "  " not in once and "\n\n" not in once


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(SIGNS), max_size=20))
def test_letters_and_digits_stay_in_their_order(text):
    """Accents aside: one behind a sign that goes may join the letter before it."""

    def words(text):
        return [sign for sign in unicodedata.normalize("NFD", text) if sign.isalnum()]

    assert words(normalise(text)) == words(text)


@pytest.mark.parametrize("unit", ['"', "„ ", ",,a", ".-abc", "[—", "\n", "a .. ", " —", "''"])
def test_time_grows_with_length_alone(unit):
    """A million signs of the worst kinds take seconds, not hours."""
    assert len(normalise((unit * 300_000)[:300_000])) <= 3 * 300_000
