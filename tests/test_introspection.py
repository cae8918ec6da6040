"""Looking inside: surprise against a direct computation, BDH's neurons against its formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen import introspection
from polishgen.chorus import chorus_of
from polishgen.errors import ParameterError
from polishgen.introspection import (
    NeuronActivity,
    memory_weights,
    neuron_activity,
    read_tokens,
    token_selective_neurons,
)
from polishgen.language_model import LanguageModel
from polishgen.models import build_model, preset_config
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
    read = list(read_tokens(lm, text, n_alternatives=3))
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
    read = list(read_tokens(gru, text, n_alternatives=4))
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
    read = list(read_tokens(gru, "ć🐈a"))
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


def tiny_transformer(**changes) -> LanguageModel:
    tokenizer = tiny_tokenizer()
    config = preset_config("transformer", "compact").replace(
        vocab_size=tokenizer.n_vocab, width=8, n_layers=2, n_heads=2, **changes
    )
    torch.manual_seed(2)
    model = build_model(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return LanguageModel("tiny", model.eval(), tokenizer, {})


@pytest.mark.parametrize("context", [64, 8])
def test_attention_weights_are_a_softmax_over_the_window(context: int):
    lm, tokens = tiny_transformer(context_length=context), list(range(60, 75))
    weights = memory_weights(lm, tokens)
    tokens = tokens[1 - context :]
    assert weights.shape == (2, 2, len(tokens))
    assert weights.sum(-1) == pytest.approx(torch.ones(2, 2).double())
    # The first layer, written out.
    block = lm.model.blocks[0]

    def rms(v: torch.Tensor) -> torch.Tensor:
        return v / torch.sqrt((v**2).sum() / len(v))

    def turned(v: torch.Tensor, position: int) -> torch.Tensor:
        out = torch.empty_like(v)
        for pair in range(len(v) // 2):
            angle = torch.tensor(position * 10_000.0 ** (-2 * pair / len(v))).double()
            a, b = v[2 * pair], v[2 * pair + 1]
            out[2 * pair] = a * angle.cos() - b * angle.sin()
            out[2 * pair + 1] = a * angle.sin() + b * angle.cos()
        return out

    vectors = [rms(lm.model.embedding.weight[token].detach()) for token in tokens]
    if hasattr(block, "residual_scalars"):
        vectors = [sum(block.residual_scalars) * v for v in vectors]
    projected = [block.attention.query_key_value(rms(v)).detach() for v in vectors]
    for head in range(2):
        query = turned(rms(projected[-1][4 * head : 4 * head + 4]), len(tokens) - 1)
        keys = [turned(rms(p[8 + 4 * head : 12 + 4 * head]), i) for i, p in enumerate(projected)]
        scores = [math.exp(query @ key / 2) for key in keys]
        expected = [score / sum(scores) for score in scores]
        assert weights[0, head].tolist() == pytest.approx(expected, rel=1e-5)


def test_learned_positions_have_attention_weights_too():
    lm = tiny_transformer(context_length=16, positions="learned", norm="layer", qk_norm=False)
    weights = memory_weights(lm, list(range(60, 90)))
    assert weights.shape == (2, 2, 15)
    assert weights.sum(-1) == pytest.approx(torch.ones(2, 2).double())


def test_synapse_weights_are_parts_of_what_is_read():
    lm = tiny_bdh()
    tokens = list(range(60, 72))
    weights = memory_weights(lm, tokens)
    assert weights.shape == (3, 2, 12)
    assert weights.sum(-1) == pytest.approx(torch.ones(3, 2).double())
    assert not weights[..., -1].any()
    # Read without what one token wrote, the first layer's ρ lacks that token's part.
    v = torch.nn.functional.layer_norm(lm.model.embedding.weight[tokens], (8,)).detach()
    for head in range(2):
        x = torch.relu(v @ lm.model.encoder[head]).detach()
        half_life = lm.model.config.half_lives[head]
        whole = read_synapses(x, v, half_life)
        lacking = [whole - read_synapses(x, v, half_life, without=s) for s in range(11)]
        parts = [float(part @ whole / (whole @ whole)) for part in lacking]
        assert weights[0, head].tolist() == pytest.approx([*parts, 0.0])


def read_synapses(x, v, half_life: float, without: int | None = None) -> torch.Tensor:
    """What the last of `x` (T, 16) reads from ρ, token by token, pairs of neurons as complex ones.

    ρ turns the other way and fades as the text goes on.
    """
    pairs = torch.view_as_complex(x.reshape(-1, 8, 2))
    angles = (2.0**16) ** (-torch.arange(0, 16, 2).double() / 16)
    turn = torch.polar(torch.full((8,), 2.0 ** (-1 / half_life)).double(), -angles)[:, None]
    rho = torch.zeros(8, 8, dtype=torch.complex128)
    for s in range(len(v) - 1):
        if s != without:
            rho = rho + pairs[s, :, None] * v[s]
        rho = rho * turn
    return (pairs[-1].conj()[:, None] * rho).real.sum(0)


def test_gate_weights_say_what_is_left_in_the_state(gru: LanguageModel):
    tokens = list(range(60, 75))
    weights = memory_weights(gru, tokens)
    assert weights.shape == (1, 1, 15) and weights.min() >= 0 and weights.sum() < 1
    # With a state that keeps nothing but what one token writes, units hold just that share of it.
    rows = gru.model.embedding.weight[tokens]
    w_i, w_h, b_i, b_h = gru.model.gru.all_weights[0]
    h, gates, candidates = torch.zeros(8).double(), [], []
    for row in rows:
        i, k = w_i @ row + b_i, w_h @ h + b_h
        z = 1 / (1 + torch.exp(-(i + k)[8:16]))
        n = torch.tanh(i[16:] + k[16:] / (1 + torch.exp(-(i + k)[:8])))
        h = (1 - z) * n + z * h
        gates.append(z)
        candidates.append(n)
    _, state = gru.model(torch.tensor([tokens]))
    assert torch.allclose(h, state[0, 0])
    total = torch.zeros(8).double()
    for s in range(15):
        left = 1 - gates[s]
        for later in gates[s + 1 :]:
            left = left * later
        assert weights[0, 0, s] == pytest.approx(left.mean().item())
        total += left * candidates[s]
    assert torch.allclose(total, h)


def test_memory_of_one_token_and_of_what_has_none(gru: LanguageModel):
    for lm in (gru, tiny_bdh(), tiny_transformer()):
        assert memory_weights(lm, [65]).shape[-1] == 1
    with pytest.raises(ParameterError, match="model"):
        memory_weights(chorus_of([gru, tiny_gru()]), [65])


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
