"""Looking inside: surprise against a direct computation, BDH's neurons against its formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen import introspection
from polishgen.errors import ParameterError
from polishgen.introspection import (
    NeuronActivity,
    neuron_activity,
    read_tokens,
    token_selective_neurons,
)
from polishgen.language_model import LanguageModel
from polishgen.models import build_model
from polishgen.models.bdh import BDHConfig
from polishgen.models.gru import GRUConfig
from polishgen.normalise import normalise
from polishgen.tokenizer import Tokenizer

WORDS = ["ż", "ó", "ł", " ż", "za", "ma", " ma"]
BDH_CONFIG = BDHConfig(
    vocab_size=1, width=8, n_neurons=32, n_heads=2, n_layers=3, half_lives=(4.0, 16.0)
)


def tiny_tokenizer() -> Tokenizer:
    """Single bytes and a few longer tokens."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {word.encode(): 256 + i for i, word in enumerate(WORDS)}
    return Tokenizer.from_ranks(ranks)


def tiny_bdh() -> LanguageModel:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    model = build_model(BDH_CONFIG.replace(vocab_size=tokenizer.n_vocab)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return LanguageModel("tiny", model.eval(), tokenizer, {})


def tiny_gru() -> LanguageModel:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(1)
    config = GRUConfig(vocab_size=tokenizer.n_vocab, embedding_size=8, hidden_size=8, n_layers=1)
    return LanguageModel("tiny", build_model(config).double().eval(), tokenizer, {})


@pytest.fixture(scope="module")
def gru() -> LanguageModel:
    return tiny_gru()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(normalise))
@settings(max_examples=60, deadline=None)
def test_tokens_join_to_the_normalised_text_and_their_bits_to_its_score(text: str):
    lm = tiny_gru()
    read = read_tokens(lm, text, n_alternatives=3)
    assert "".join(token.text for token in read) == normalise(text)
    ids = [id_ for token in read for id_ in token.token_ids]
    assert ids == lm.tokenizer.encode(normalise(text))
    score = lm.score(text)
    assert math.fsum(t.bits for t in read) / score.n_bytes == pytest.approx(score.bits_per_byte)


def test_bits_ranks_and_alternatives_agree_with_the_whole_distribution(gru: LanguageModel):
    text = "zażółć ma"
    tokens = gru.tokenizer.encode(text)
    inputs = torch.tensor([[gru.tokenizer.boundary_id, *tokens[:-1]]])
    with torch.no_grad():
        probabilities = gru.model(inputs, None)[0][0].softmax(-1)
    read = read_tokens(gru, text, n_alternatives=4)
    place = 0
    for token in read:
        row = probabilities[place].tolist()
        own = [probabilities[place + i, id_].item() for i, id_ in enumerate(token.token_ids)]
        assert token.bits == pytest.approx(-sum(map(math.log2, own)))
        assert token.rank == 1 + sum(other > own[0] for other in row)
        likeliest = sorted(row, reverse=True)[:4]
        assert [p for _, p in token.alternatives] == pytest.approx(likeliest)
        place += len(token.token_ids)
    assert place == len(tokens)


def test_a_character_of_several_tokens_is_one_entry(gru: LanguageModel):
    # "ć" and the emoji have no token of their own: two bytes and four.
    read = read_tokens(gru, "ć🐈a")
    assert [token.text for token in read] == ["ć", "🐈", "a"]
    assert [len(token.token_ids) for token in read] == [2, 4, 1]


def test_neurons_agree_with_the_formulas_written_out():
    lm, text = tiny_bdh(), "zażółć ma żółw"
    model, config = lm.model, lm.model.config
    activity = neuron_activity(lm, text)
    tokens = [lm.tokenizer.boundary_id, *lm.tokenizer.encode(text)]
    heads, neurons = config.n_heads, config.n_neurons // config.n_heads

    def normalise(v: torch.Tensor) -> torch.Tensor:
        return (v - v.mean()) / torch.sqrt(v.var(correction=0) + 1e-5)

    def rotate(v: torch.Tensor, position: int) -> torch.Tensor:
        """Pairs of neighbours turn by an angle that falls with the index."""
        turned = torch.empty_like(v)
        for pair in range(neurons // 2):
            angle = torch.tensor(position * (2.0**16) ** (-2 * pair / neurons), dtype=v.dtype)
            a, b = v[2 * pair], v[2 * pair + 1]
            turned[2 * pair] = a * angle.cos() - b * angle.sin()
            turned[2 * pair + 1] = a * angle.sin() + b * angle.cos()
        return turned

    vectors = [normalise(model.embedding.weight[token]) for token in tokens]
    for layer in range(config.n_layers):
        active = [[torch.relu(v @ model.encoder[h]) for h in range(heads)] for v in vectors]
        following = []
        shares = {"x": [], "y": [], "x·y": []}
        for t, vector in enumerate(vectors):
            update = torch.zeros_like(vector)
            fired, excited = [], []
            for h in range(heads):
                recalled = torch.zeros_like(vector)
                for s in range(t):
                    weight = rotate(active[t][h], t) @ rotate(active[s][h], s)
                    recalled += weight * 2.0 ** (-(t - s) / config.half_lives[h]) * vectors[s]
                gate = torch.relu(normalise(recalled) @ model.encoder_v[h])
                passed_on = active[t][h] * gate
                excited.append(gate)
                fired.append(passed_on)
                update += passed_on @ model.decoder[h * neurons : (h + 1) * neurons]
            following.append(normalise(vector + normalise(update)))
            if t:
                for key, parts in (("x", active[t]), ("y", excited), ("x·y", fired)):
                    shares[key].append((torch.cat(parts) > 0).double().mean().item())
                measured = activity.firing[layer, t - 1].double()
                assert torch.allclose(measured, torch.cat(fired), rtol=2e-3, atol=2e-3)
        for key, values in shares.items():
            assert activity.shares[key][layer] == pytest.approx(sum(values) / len(values))
        vectors = following
    assert "".join(activity.texts) == text


def test_neurons_are_the_same_however_the_text_is_cut(monkeypatch):
    lm, text = tiny_bdh(), "zażółć ma żółw, ma " * 30
    whole = neuron_activity(lm, text)
    monkeypatch.setattr(introspection, "CHUNK_TOKENS", 7)
    cut = neuron_activity(lm, text)
    assert len(whole.texts) > 300 and cut.texts == whole.texts
    assert cut.shares["x"] == pytest.approx(whole.shares["x"])
    assert torch.allclose(cut.firing, whole.firing, atol=1e-3)


def test_token_selective_neurons_are_those_of_one_repeated_word():
    texts = ("Kot", " i", " pies", " i", " mysz", " i", " kot")
    firing = torch.zeros(2, 7, 5)
    # Neuron 3 of layer 1 fires at "i" alone; neuron 0 everywhere; neuron 4 at one "i" of three.
    firing[1, [1, 3, 5], 3] = 2.0
    firing[0, :, 0] = 1.0
    firing[0, 1, 4] = 9.0
    activity = NeuronActivity({}, firing.half(), texts)
    (found,) = token_selective_neurons(activity, min_times=3)
    assert (found.layer, found.neuron, found.text) == (1, 3, "i")
    assert found.share == pytest.approx(1.0)
    # "Kot" and " kot" are one word; only neuron 0 fires there.
    kot = next(n for n in token_selective_neurons(activity, min_times=2) if n.text == "kot")
    assert (kot.layer, kot.neuron) == (0, 0)
    assert kot.share == pytest.approx(2 / 7)


def test_what_cannot_be_looked_into_is_refused(gru: LanguageModel):
    with pytest.raises(ParameterError, match="text"):
        read_tokens(gru, "")
    with pytest.raises(ParameterError, match="n_alternatives"):
        read_tokens(gru, "a", n_alternatives=0)
    with pytest.raises(ParameterError, match="model"):
        neuron_activity(gru, "a")
    with pytest.raises(ParameterError, match="text"):
        neuron_activity(tiny_bdh(), "")
