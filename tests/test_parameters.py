"""The record of generation parameters: what is taken as it is meant, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest

from polishgen.errors import ParameterError
from polishgen.parameters import GenerationConfig, check, choice, number, string


@pytest.mark.parametrize("five", [5, 5.0, np.int64(5), np.float32(5), np.uint8(5), Fraction(5)])
def test_any_whole_number_is_an_integer(five):
    taken = GenerationConfig(max_new_tokens=five, seed=five, temperature=five)
    assert (taken.max_new_tokens, taken.seed, taken.temperature) == (5, 5, 5.0)
    assert type(taken.max_new_tokens) is int and type(taken.temperature) is float


def test_stop_is_none_one_string_or_several():
    for stop, taken in ((None, ()), ("a", ("a",)), (["a", "b"], ("a", "b"))):
        assert GenerationConfig(stop=stop).stop == taken


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", -0.1, "a number from 0 to 5"),
        ("temperature", 5.1, "a number from 0 to 5"),
        ("temperature", math.nan, "a number from 0 to 5"),
        ("temperature", "1", "a number from 0 to 5"),
        ("temperature", None, "a number from 0 to 5"),
        ("temperature", True, "a number from 0 to 5"),
        ("temperature", np.bool_(True), "a number from 0 to 5"),
        ("top_k", -1, "a whole number from 0 to 100000"),
        ("top_k", 2.5, "a whole number from 0 to 100000"),
        ("top_k", 100_001, "a whole number from 0 to 100000"),
        ("top_p", 0.0, "a number above 0 to 1"),
        ("top_p", 1.01, "a number above 0 to 1"),
        ("min_p", -0.5, "a number from 0 to 1"),
        ("min_p", math.inf, "a number from 0 to 1"),
        ("repetition_penalty", 0.4, "a number from 0.5 to 3"),
        ("repetition_penalty", 3.5, "a number from 0.5 to 3"),
        ("max_new_tokens", 0, "a whole number from 1 to 10000"),
        ("max_new_tokens", 10_001, "a whole number from 1 to 10000"),
        ("max_new_tokens", np.float64(5.5), "a whole number from 1 to 10000"),
        ("max_new_tokens", None, "a whole number from 1 to 10000"),
        ("seed", -1, "a whole number from 0 to 9223372036854775807 or None"),
        ("seed", 2**63, "a whole number from 0 to 9223372036854775807 or None"),
        ("seed", "7", "a whole number from 0 to 9223372036854775807 or None"),
        ("seed", False, "a whole number from 0 to 9223372036854775807 or None"),
        ("stop", "", "a list of at most 16 texts of 1 to 200 characters"),
        ("stop", ["a", 3], "a list of at most 16 texts of 1 to 200 characters"),
        ("stop", ["a"] * 17, "a list of at most 16 texts of 1 to 200 characters"),
        ("stop", 5, "a list of at most 16 texts of 1 to 200 characters"),
        ("stop", "x" * 201, "a list of at most 16 texts of 1 to 200 characters"),
        ("genre", 5, "text or None"),
        ("starts_new_word", "perhaps", "True or False"),
        ("starts_new_word", None, "True or False"),
    ],
)
def test_refused_by_name_value_and_range(name, value, allowed):
    with pytest.raises(ParameterError) as caught:
        GenerationConfig(**{name: value})
    error = caught.value
    assert (error.parameter, error.value, error.allowed) == (name, value, allowed) or value != value
    assert f"{name}=" in str(error) and allowed in str(error)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"temprature=1 .* temperature, "):
        GenerationConfig(temprature=1)


def test_a_replaced_value_is_checked():
    assert GenerationConfig(top_k=3).replace(seed=1) == GenerationConfig(top_k=3, seed=1)
    with pytest.raises(ParameterError, match="seed=-1"):
        GenerationConfig().replace(seed=-1)


def test_a_single_value_is_checked_as_a_field_is():
    assert check("tokens", np.int64(50), number(int, ge=50, le=1000)) == 50
    assert check("tokens", 50.0, number(int, ge=50, le=1000)) == 50
    assert check("text", "Ala", string(3)) == "Ala"
    assert check("text", "\udcff", string(3)) == "\udcff"
    assert check("x", "tokens", choice("tokens", "minutes")) == "tokens"
    for value, kind, allowed in (
        (49, number(int, ge=50, le=1000), "a whole number from 50 to 1000"),
        (True, number(int, ge=0, le=1), "a whole number from 0 to 1"),
        (math.nan, number(float, ge=0.1, le=9), "a number from 0.1 to 9"),
        (b"Ala", string(3), "text of at most 3 characters"),
        ("Alek", string(3), "text of at most 3 characters"),
        ("hours", choice("tokens", "minutes"), "one of tokens, minutes"),
        (["tokens"], choice("tokens"), "'tokens'"),
    ):
        with pytest.raises(ParameterError) as caught:
            check("x", value, kind)
        error = caught.value
        assert (error.parameter, error.value, error.allowed) == ("x", value, allowed)
