"""Sampling against the definitions written out in plain Python, and against its own frequencies."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.errors import PolishgenError
from polishgen.parameters import SamplingConfig
from polishgen.sampling import (
    SAMPLING_PRESETS,
    candidates,
    describe,
    sample_token,
)

PLAIN = SamplingConfig(
    temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0, drafts=1
)
logits_lists = st.lists(st.floats(-8, 8), min_size=2, max_size=40)


def mask(tokens, size):
    """Which of `size` tokens are among `tokens`."""
    seen = np.zeros(size, bool)
    seen[list(tokens)] = True
    return seen


def next_token_distribution(logits, seen, config):
    """The probability of every token from which the next one is drawn."""
    tokens, weights = candidates(logits, seen, config)
    probabilities = np.zeros(len(logits))
    probabilities[tokens] = weights / weights.sum()
    return probabilities


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum()


def reference(logits, seen, temperature, top_k, top_p, min_p, penalty):
    """The distribution by the definitions, one token at a time, with sorting and no tricks."""
    scores = [
        (x * penalty if x < 0 else x / penalty) if token in seen else x
        for token, x in enumerate(logits)
    ]
    highest = max(scores)
    weights = [math.exp((x - highest) / temperature) for x in scores]
    kept = set(range(len(weights)))
    if 0 < top_k < len(weights):
        border = sorted(weights, reverse=True)[top_k - 1]
        kept = {token for token in kept if weights[token] >= border}
    total = math.fsum(weights[token] for token in kept)
    nucleus, mass = set(), 0.0
    for token in sorted(kept, key=lambda token: (-weights[token], token)):
        if mass >= top_p * total and top_p < 1:
            break
        nucleus.add(token)
        mass += weights[token]
    best = max(weights)
    final = {token for token in nucleus if weights[token] >= min_p * best}
    total = math.fsum(weights[token] for token in final)
    return [weights[t] / total if t in final else 0.0 for t in range(len(weights))]


@settings(max_examples=80, deadline=None)
@given(
    logits=logits_lists,
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, 45),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    penalty=st.floats(0.5, 3),
    data=st.data(),
)
def test_distribution_is_the_one_defined(logits, temperature, top_k, top_p, min_p, penalty, data):
    seen = data.draw(st.sets(st.integers(0, len(logits) - 1), max_size=10))
    config = SamplingConfig(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=penalty,
    )
    got = next_token_distribution(np.array(logits), mask(seen, len(logits)), config)
    expected = reference(logits, seen, temperature, top_k, top_p, min_p, penalty)
    # Where a sum falls on the border to the last digit, either side is right.
    differing = [t for t, p in enumerate(got.tolist()) if (p == 0) != (expected[t] == 0)]
    assert len(differing) <= 1
    if not differing:
        assert got.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("spread", [0.3, 1.5, 4.0])
def test_top_p_over_a_whole_vocabulary(spread):
    """Flat enough that most tokens belong to the nucleus, and peaked enough that few do."""
    logits = spread * np.random.default_rng(0).normal(size=8192)
    none = mask((), 8192)
    got = next_token_distribution(logits, none, PLAIN.replace(top_p=0.95))
    expected = reference(logits.tolist(), set(), 1.0, 0, 0.95, 0.0, 1.0)
    assert got.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_top_p_by_hand():
    logits = np.log([0.5, 0.3, 0.15, 0.05])
    none = mask((), 4)
    at = [
        next_token_distribution(logits, none, PLAIN.replace(top_p=p)).astype(bool).sum()
        for p in (0.4, 0.6, 0.79, 0.9, 1.0)
    ]
    assert at == [1, 2, 2, 3, 4]


def test_penalty_counts_a_token_once_however_often_it_was_seen():
    logits = np.array([2.0, -2.0, 1.0])
    config = PLAIN.replace(repetition_penalty=2.0)
    got = next_token_distribution(logits, mask([0, 0, 1, 1, 1], 3), config)
    expected = softmax(np.array([1.0, -4.0, 1.0]))
    assert got.tolist() == pytest.approx(expected.tolist())


def test_temperature_0_is_greedy_and_draws_nothing():
    generator = np.random.default_rng(5)
    before = generator.bit_generator.state
    logits, seen = np.array([0.0, 3.0, 2.9, -np.inf]), mask((), 4)
    assert sample_token(logits, seen, SamplingConfig(temperature=0), generator) == 1
    assert generator.bit_generator.state == before


def test_tiny_temperatures_do_not_overflow():
    generator = np.random.default_rng(5)
    logits, seen = np.array([1.0, 80.0, 79.0]), mask([0], 3)
    for temperature in (1e-300, 1e-12, 1e-3):
        config = PLAIN.replace(temperature=temperature)
        assert sample_token(logits, seen, config, generator) == 1


def test_draws_come_as_often_as_their_probabilities_say():
    probabilities = [0.42, 0.0, 0.3, 0.2, 0.08]
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities)
    generator = np.random.default_rng(0)
    seen = mask((), 5)
    config, draws = PLAIN, 20_000
    counts = Counter(sample_token(logits, seen, config, generator) for _ in range(draws))
    assert counts[1] == 0
    # Pearson's statistic, three degrees of freedom: over 16.3 once in a thousand seeds.
    chi2 = sum((counts[t] - draws * p) ** 2 / (draws * p) for t, p in enumerate(probabilities) if p)
    assert chi2 < 16.3


@settings(max_examples=25, deadline=None)
@given(logits=logits_lists, seed=st.integers(0, 1000))
def test_a_filtered_token_is_never_drawn(logits, seed):
    scores, seen = np.array(logits), mask([0], len(logits))
    config = SamplingConfig(temperature=1.5, top_k=3, top_p=0.7, min_p=0.1)
    allowed = next_token_distribution(scores, seen, config).nonzero()[0].tolist()
    generator = np.random.default_rng(seed)
    assert sample_token(scores, seen, config, generator) in allowed


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_of_a_damaged_model_are_an_error(bad):
    with pytest.raises(PolishgenError, match="finite"):
        next_token_distribution(np.array([0.0, bad]), mask([0], 2), SamplingConfig())


def test_the_reports_preset_filters_nothing():
    logits = np.random.default_rng(0).normal(size=50)
    got = next_token_distribution(logits, mask([3], 50), SAMPLING_PRESETS["report"])
    assert got == pytest.approx(softmax(logits))


def test_a_description_names_what_is_on():
    assert describe(PLAIN) == "temperature 1"
    assert describe(PLAIN.replace(temperature=0.75, min_p=0.04)) == "temperature 0.75, min-p 0.04"
    everything = SamplingConfig(
        temperature=1.1, top_k=40, top_p=0.9, min_p=0.01, repetition_penalty=1.2, drafts=4
    )
    assert describe(everything) == (
        "temperature 1.1, top-k 40, top-p 0.9, min-p 0.01, repetition penalty 1.2, "
        "at most 4 drafts per sentence"
    )
