"""The bundled models are those that they were: shuffled or mixed-up weights would show here."""

import json

import pytest
import torch
from golden import FILE, golden

import polishgen
from polishgen.checkpoint import bundled_names

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_bundled_model_has_golden_values():
    assert set(GOLDEN) == {*bundled_names(), "chorus"}, "run python -m tests.golden"


@pytest.mark.parametrize("name", bundled_names())
def test_shuffled_weights_would_show(name):
    lm = polishgen.load(name)
    torch.manual_seed(0)
    for parameter in lm.model.parameters():
        order = torch.randperm(parameter.numel())
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
    now, before = golden(lm), GOLDEN[name]
    assert abs(now["bits_per_byte"] - before["bits_per_byte"]) > 0.5
    assert now["sentence"] != before["sentence"]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_page_of_prose_and_the_first_sentence_are_as_they_were(name):
    now, before = golden(polishgen.load(name)), GOLDEN[name]
    assert now["bits_per_byte"] == pytest.approx(before["bits_per_byte"], abs=2e-4)
    assert now["sentence"] == before["sentence"]
