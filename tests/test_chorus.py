"""The chorus against the geometric mean written out."""

import shutil

import numpy as np
import pytest
import torch
from conftest import save_tiny_checkpoint

import polishgen
from polishgen import checkpoint
from polishgen.__main__ import main
from polishgen.checkpoint import save_checkpoint
from polishgen.chorus import chorus_of
from polishgen.decoding import make_decoder
from polishgen.errors import CheckpointError, ParameterError
from polishgen.evaluation import text_loss
from polishgen.models import ARCHITECTURES, build_model, preset_config
from polishgen.tokenizer import Tokenizer

TEXT = "Zażółć gęślą jaźń. " * 30


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """Three tiny models where the bundled ones would be."""
    for name in ARCHITECTURES:
        save_tiny_checkpoint(tmp_path / name, name)
    monkeypatch.setattr(checkpoint, "BUNDLED", tmp_path)
    return tmp_path


def test_probabilities_are_the_geometric_mean_renormalised(bundled):
    chorus = polishgen.load("chorus")
    tokens = torch.tensor([[chorus.tokenizer.boundary_id, *chorus.tokenizer.encode(TEXT)]])
    with torch.inference_mode():
        each = [
            polishgen.load(name).model(tokens)[0].double().softmax(-1) for name in ARCHITECTURES
        ]
        expected = (each[0] * each[1] * each[2]) ** (1 / 3)
        expected /= expected.sum(-1, keepdim=True)
        got = chorus.model(tokens)[0].double().softmax(-1)
    assert torch.allclose(got, expected, rtol=1e-5)
    own = expected[0, :-1].log().gather(1, tokens[0, 1:, None])[:, 0].tolist()
    assert chorus.score(TEXT).logprobs == pytest.approx(own, rel=1e-5)


def test_it_is_a_model_like_the_others(bundled):
    (bundled / "chorus").mkdir()
    (bundled / "chorus" / "metrics.json").write_text('{"bits_per_byte": 1.5}')
    chorus = polishgen.load("chorus")
    assert (chorus.name, chorus.architecture) == ("chorus", "chorus")
    assert chorus.metrics == {"bits_per_byte": 1.5} and chorus.folder is None
    assert chorus.parameters == sum(polishgen.load(name).parameters for name in ARCHITECTURES)
    options = {"max_new_tokens": 30, "seed": 4}
    text = chorus.generate("Ala", **options)
    assert text == "".join(piece.text for piece in chorus.stream("Ala", **options))
    loss = text_loss(chorus.model, chorus.tokenizer, [TEXT, "Ala ma kota."])
    alone = [chorus.score(t).loss.nats for t in (TEXT, "Ala ma kota.")]
    assert loss.nats == pytest.approx(sum(alone), rel=1e-5)
    # The state is carried: token by token as at once.
    tokens = torch.tensor([chorus.tokenizer.encode(TEXT)])
    with torch.inference_mode():
        whole, state, parts = chorus.model(tokens)[0], None, []
        for token in tokens.split(1, dim=1):
            logits, state = chorus.model(token, state)
            parts.append(logits)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-3)


def test_its_decoder_steps_all_models_and_can_be_copied(bundled):
    chorus = polishgen.load("chorus")
    tokens = chorus.tokenizer.encode(TEXT)[:60]
    decoder = make_decoder(chorus.model)
    members = [make_decoder(model) for model in chorus.model.models]
    first = np.mean([member.prefill(tokens[:40]) for member in members], axis=0)
    assert np.allclose(decoder.prefill(tokens[:40]), first, atol=1e-6)
    copy = decoder.copy()
    copy.step(5)
    for token in tokens[40:]:
        expected = np.mean([member.step(token) for member in members], axis=0)
        assert np.allclose(decoder.step(token), expected, atol=1e-6)
    assert not np.allclose(copy.step(tokens[-1]), expected, atol=1e-6)


def test_it_is_better_than_the_mean_of_its_models(bundled):
    """By Jensen's inequality the renormalised geometric mean is never worse than their average."""
    chorus = polishgen.load("chorus").score(TEXT).bits_per_byte
    alone = [polishgen.load(name).score(TEXT).bits_per_byte for name in ARCHITECTURES]
    assert chorus <= sum(alone) / 3 + 1e-6


def test_of_one_model_or_of_different_tokenizers_there_is_none(bundled):
    lm = polishgen.load("gru")
    with pytest.raises(CheckpointError, match="two models or more, there are 1"):
        chorus_of([lm])
    ranks = {bytes([value]): (value + 1) % 256 for value in range(256)}
    config = preset_config("gru", "compact", vocab_size=257, embedding_size=8, hidden_size=8)
    save_checkpoint(bundled / "bdh", build_model(config), Tokenizer.from_ranks(ranks), {})
    with pytest.raises(CheckpointError, match="gru and bdh have different tokenizers"):
        polishgen.load("chorus")
    with pytest.raises(ParameterError):
        polishgen.load("chorus", revision="main")
    shutil.rmtree(bundled)
    with pytest.raises(CheckpointError, match="no models are bundled"):
        polishgen.load("chorus")


def test_the_command_line_lists_it_last(bundled, capsys):
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("chorus ")
    assert main(["score", TEXT]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["gru", "transformer", "bdh", "chorus"]
    assert main(["generate", "Ala", "--model", "chorus", "--max-new-tokens", "5"]) == 0
    assert capsys.readouterr().out.startswith("Ala")
