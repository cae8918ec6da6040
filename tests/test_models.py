"""The three models against their formulas and against the promises of the common interface."""

import math
from itertools import pairwise

import pytest
import torch
from conftest import NARROW, narrow_model
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.models import (
    ARCHITECTURES,
    PRESETS,
    build_model,
    config_from_dict,
    parameter_count,
    preset_config,
)
from polishgen.models.gru_recurrence import Recurrence
from polishgen.models.rotary import rotary_factors, rotate
from polishgen.models.transformer import BLOCK, causal_attention_in_blocks

VOCABULARY = 50
FLAVOURS = [(name, preset) for name in ARCHITECTURES for preset in ("report", "compact")]


def small_model(architecture: str, preset: str) -> torch.nn.Module:
    """A narrow float64 model of the preset's flavour with weights far from their start values."""
    return narrow_model(architecture, preset, std=0.3, vocab_size=VOCABULARY).double()


def read(model, tokens, cuts):
    """Logits of `tokens` (B, T) fed in chunks of the lengths `cuts`."""
    logits, state = [], None
    for chunk in tokens.split(cuts, dim=1):
        part, state = model(chunk, state)
        logits.append(part)
    return torch.cat(logits, dim=1)


def relative_difference(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize(
    ("architecture", "count"),
    [("transformer", 87_802_805), ("gru", 79_871_669), ("bdh", 76_507_648)],
)
def test_report_presets_have_the_reports_parameter_counts(architecture, count):
    with torch.device("meta"):
        assert parameter_count(build_model(PRESETS[architecture, "report"])) == count


def test_four_heads_of_the_first_run_change_no_count():
    with torch.device("meta"):
        model = build_model(preset_config("transformer", "report", n_heads=4))
    assert parameter_count(model) == 87_802_805


def test_gru_sizes_as_printed_in_the_report_do_not_give_its_count():
    with torch.device("meta"):
        model = build_model(preset_config("gru", "report", embedding_size=384, hidden_size=768))
    assert parameter_count(model) == 121_821_749


def test_compact_presets_fit_into_48_mib_as_bfloat16():
    with torch.device("meta"):
        total = sum(parameter_count(build_model(PRESETS[a, "compact"])) for a in ARCHITECTURES)
    assert 2 * total < 47 * 2**20
    assert all(PRESETS[a, "compact"].context_length >= 256 for a in ARCHITECTURES)


@pytest.mark.parametrize(("architecture", "preset"), FLAVOURS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_whole_in_chunks_or_token_by_token_is_the_same(architecture, preset, data):
    model = small_model(architecture, preset)
    length = data.draw(st.integers(1, 75))
    inner = data.draw(st.lists(st.integers(1, length), max_size=6, unique=True).map(sorted))
    borders = sorted({0, *inner, length})
    cuts = [b - a for a, b in pairwise(borders)]
    tokens = torch.randint(0, VOCABULARY, (2, length))
    with torch.no_grad():
        whole, _ = model(tokens)
        assert whole.shape == (2, length, VOCABULARY)
        assert relative_difference(read(model, tokens, cuts), whole) < 1e-9
        assert relative_difference(read(model, tokens, [1] * length), whole) < 1e-9


@pytest.mark.parametrize(("architecture", "preset"), FLAVOURS)
@pytest.mark.parametrize("changed", [1, 9, 16, 39])
def test_no_token_sees_its_future(architecture, preset, changed):
    model = small_model(architecture, preset)
    tokens = torch.randint(0, VOCABULARY, (2, 40))
    other = tokens.clone()
    other[:, changed:] = (other[:, changed:] + 1) % VOCABULARY
    with torch.no_grad():
        a, b = model(tokens)[0], model(other)[0]
    assert torch.equal(a[:, :changed], b[:, :changed])
    assert not torch.allclose(a[:, changed:], b[:, changed:])


@pytest.mark.parametrize(("architecture", "preset"), FLAVOURS)
def test_rows_of_a_batch_do_not_mix(architecture, preset):
    model = small_model(architecture, preset)
    tokens = torch.randint(0, VOCABULARY, (3, 30))
    with torch.no_grad():
        together = read(model, tokens, [20, 10])
        alone = torch.cat([read(model, row[None], [20, 10]) for row in tokens])
    assert relative_difference(together, alone) < 1e-9


@pytest.mark.parametrize(("architecture", "preset"), FLAVOURS)
def test_text_many_contexts_long_stays_finite(architecture, preset):
    model = small_model(architecture, preset).float()
    tokens = torch.randint(0, VOCABULARY, (1, 3000))
    with torch.no_grad():
        assert read(model, tokens, [250] * 12).isfinite().all()


def test_gru_moves_slowly_even_under_bfloat16_autocast():
    model = build_model(preset_config("gru", "compact", vocab_size=VOCABULARY, **NARROW["gru"]))
    for name, parameter in model.gru.named_parameters():
        torch.nn.init.zeros_(parameter)
        if name.startswith("bias_ih"):
            _, update, new = parameter.data.chunk(3)
            update.fill_(math.log(999)), new.fill_(1.0)
    tokens = torch.zeros(1, 3000, dtype=torch.long)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, state = model(tokens)
    # h ← z h + (1 - z) n with z = 0.999: steps too small for bfloat16 close to h = n.
    expected = math.tanh(1.0) * (1 - 0.999**3000)
    assert state.dtype == torch.float32 and logits.dtype == torch.bfloat16
    assert torch.allclose(state, torch.full_like(state, expected), rtol=1e-3)


@pytest.mark.parametrize(("architecture", "preset"), FLAVOURS)
def test_every_parameter_gets_a_gradient(architecture, preset):
    model = small_model(architecture, preset)
    model(torch.randint(0, VOCABULARY, (2, 16)))[0].logsumexp(-1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 10_000), half=st.integers(1, 8), length=st.integers(1, 6))
def test_rotary_is_a_rotation_of_each_pair(start, half, length):
    x = torch.randn(length, 2 * half, dtype=torch.float64)
    turned = rotate(x, rotary_factors(start, length, 2 * half, 10_000.0, like=x))
    for t in range(length):
        for i in range(half):
            angle = (start + t) * 10_000.0 ** (-2 * i / (2 * half))
            a, b = x[t, 2 * i].item(), x[t, 2 * i + 1].item()
            expected = (
                a * math.cos(angle) - b * math.sin(angle),
                a * math.sin(angle) + b * math.cos(angle),
            )
            assert turned[t, 2 * i : 2 * i + 2].tolist() == pytest.approx(expected, abs=1e-9)


def naive_layer_norm(vector):
    mean = sum(vector) / len(vector)
    variance = sum((v - mean) ** 2 for v in vector) / len(vector)
    return torch.stack([(v - mean) / (variance + 1e-5).sqrt() for v in vector])


def turn(vector, position):
    """RoPE written out, base 2^16, on one vector of a head's neurons."""
    turned = torch.empty_like(vector)
    for i in range(0, len(vector), 2):
        angle = position / (2.0**16) ** (i / len(vector))
        turned[i] = vector[i] * math.cos(angle) - vector[i + 1] * math.sin(angle)
        turned[i + 1] = vector[i + 1] * math.cos(angle) + vector[i] * math.sin(angle)
    return turned


@pytest.mark.parametrize("half_lives", [(), (3.0, 9.0)])
def test_bdh_agrees_with_the_papers_equations(half_lives):
    """BDH-GPU's state equations, one token, layer and head at a time.

    x = (E_x v)+, a = LN(Σ_{τ<t} damping^{t-τ} v_τ (x_τᵀ R^{t-τ} x_t)), y = (E_y a)+ ⊙ x,
    v ← LN(v + LN(Σ_heads D y)).
    """
    config = small_model("bdh", "report").config.replace(
        n_heads=2, n_neurons=16, width=6, half_lives=half_lives
    )
    model = build_model(config).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = torch.randint(0, VOCABULARY, (9,))
    decoders = model.decoder.detach().view(2, 8, 6)
    with torch.no_grad():
        vectors = [naive_layer_norm(model.embedding.weight[token]) for token in tokens]
        for _ in range(config.n_layers):
            after = []
            for t, vector in enumerate(vectors):
                update = torch.zeros(6, dtype=torch.float64)
                for head in range(2):
                    damping = 0.5 ** (1 / half_lives[head]) if half_lives else 1.0
                    active = (vector @ model.encoder[head]).clamp(min=0)
                    recalled = torch.zeros(6, dtype=torch.float64)
                    for tau in range(t):
                        earlier = (vectors[tau] @ model.encoder[head]).clamp(min=0)
                        score = turn(active, t) @ turn(earlier, tau)
                        recalled += damping ** (t - tau) * score * vectors[tau]
                    gate = (naive_layer_norm(recalled) @ model.encoder_v[head]).clamp(min=0)
                    update += (active * gate) @ decoders[head]
                after.append(naive_layer_norm(vector + naive_layer_norm(update)))
            vectors = after
        expected = torch.stack(vectors) @ model.head.weight.T
        assert relative_difference(model(tokens[None])[0][0], expected) < 1e-9
        assert relative_difference(read(model, tokens[None], [4, 1, 4])[0], expected) < 1e-9


def authors_bdh(
    encoder, encoder_v, decoder, embed, lm_head, n_layer: int, tokens: Tensor
) -> Tensor:
    """Logits (B, T, V) by the forward pass of the authors' bdh.py, github.com/pathwaycom/bdh.

    encoder, encoder_v: (nh, D, N); decoder: (nh N, D); embed: (V, D); lm_head: (D, V).
    """
    (B, T), (nh, D, N) = tokens.shape, encoder.shape
    quantized = (torch.arange(N, dtype=torch.float64) / 2).floor() * 2
    freqs = 1.0 / (2.0 ** (16 * quantized / N)) / (2 * math.pi)
    phases = (torch.arange(T, dtype=torch.float64)[:, None] * freqs) % 1 * (2 * math.pi)

    def rope(v):
        v_rot = torch.stack((-v[..., 1::2], v[..., ::2]), dim=-1).view(*v.size())
        return v * phases.cos() + v_rot * phases.sin()

    def ln(v):
        return (v - v.mean(-1, keepdim=True)) / (
            v.var(-1, unbiased=False, keepdim=True) + 1e-5
        ) ** 0.5

    x = ln(embed[tokens][:, None])  # B, 1, T, D
    for _ in range(n_layer):
        x_sparse = (x @ encoder).relu()  # B, nh, T, N
        q = rope(x_sparse)
        y_kv = ln((q @ q.mT).tril(diagonal=-1) @ x)
        y_sparse = (y_kv @ encoder_v).relu()
        xy_sparse = x_sparse * y_sparse
        y_mlp = xy_sparse.transpose(1, 2).reshape(B, 1, T, N * nh) @ decoder
        x = ln(x + ln(y_mlp))
    return x.view(B, T, D) @ lm_head


def test_bdh_is_the_authors_code():
    """Without damping, whole and in chunks."""
    model = small_model("bdh", "report")
    assert not model.config.half_lives
    weights = dict(model.named_parameters())
    tokens = torch.randint(0, VOCABULARY, (3, 40))
    with torch.no_grad():
        expected = authors_bdh(
            weights["encoder"],
            weights["encoder_v"],
            weights["decoder"],
            weights["embedding.weight"],
            weights["head.weight"].T,
            model.config.n_layers,
            tokens,
        )
        assert relative_difference(model(tokens)[0], expected) < 1e-9
        assert relative_difference(read(model, tokens, [17, 1, 22]), expected) < 1e-9


def test_transformer_attention_is_softmax_over_the_window():
    """One layer against attention written out for each head and token."""
    model = small_model("transformer", "compact")
    config, attention = model.config, model.blocks[0].attention
    length, size = 40, config.width // config.n_heads
    x = torch.randn(1, length, config.width, dtype=torch.float64)
    rotation = rotary_factors(0, length, size, 10_000.0, like=x)
    with torch.no_grad():
        mixed, _, _ = attention(x, None, rotation, None)
        q, k, v = attention.query_key_value(x[0]).split(config.width, dim=-1)
        # In the first layer v₁ is v.
        v = attention.value_scalars.sum() * v
        expected = torch.empty(length, config.width, dtype=torch.float64)
        for head in range(config.n_heads):
            part = slice(head * size, (head + 1) * size)
            normed = [
                m[:, part] / (m[:, part].square().mean(-1, keepdim=True) + 2.2e-16).sqrt()
                for m in (q, k)
            ]
            queries, keys = (rotate(m, rotation) for m in normed)
            for t in range(length):
                seen = slice(max(0, t - config.context_length + 1), t + 1)
                weights = torch.softmax(keys[seen] @ queries[t] / math.sqrt(size), 0)
                expected[t, part] = weights @ v[seen, part]
        expected = expected @ attention.output.weight.T
    assert relative_difference(mixed[0], expected) < 1e-9


def test_learned_positions_restart_half_a_context_apart():
    """Beyond the table, logits are those of a fresh window that began at the last half context."""
    model = small_model("transformer", "report")
    context = model.config.context_length
    tokens = torch.randint(0, VOCABULARY, (1, 5 * context))
    with torch.no_grad():
        logits, _ = model(tokens)
        for t in (context, context + 3, 2 * context, 4 * context + context // 2 + 1):
            start = (t // (context // 2) - 1) * (context // 2)
            fresh, _ = model(tokens[:, start : t + 1])
            assert relative_difference(logits[:, t], fresh[:, -1]) < 1e-9


@pytest.mark.parametrize("key", sorted(PRESETS))
def test_configuration_survives_json_values(key):
    config = PRESETS[key]
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in config}
    assert config_from_dict(config.architecture, values) == config


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"width": 0}, "width"),
        ({"width": "256"}, "width"),
        ({"width": None}, "width"),
        ({"n_layers": True}, "n_layers"),
        ({"n_layers": 1_000_000}, "n_layers"),
        ({"context_length": 10**9}, "context_length"),
        ({"bias": "perhaps"}, "bias"),
        ({"breadth": 3}, "breadth"),
        ({"positions": "none"}, "positions"),
        ({"n_heads": 5}, "n_heads"),
        ({"dropout": 1.5}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
    ],
)
def test_ill_fitting_configuration_is_refused_by_name(changes, named):
    with pytest.raises(ParameterError) as caught:
        preset_config("transformer", "compact", **changes)
    assert caught.value.parameter == named


def test_half_lives_must_match_the_heads():
    with pytest.raises(ParameterError, match="half_lives"):
        preset_config("bdh", "compact", half_lives=(1.0, 2.0))
    with pytest.raises(ParameterError, match="n_heads"):
        preset_config("bdh", "compact", n_heads=3, half_lives=())


@pytest.mark.parametrize("length", [3, BLOCK, 2 * BLOCK + 7])
def test_attention_in_blocks_is_causal_attention(length):
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, length, 8, dtype=torch.float64) for _ in range(3)]
    one, other = ([x.clone().requires_grad_() for x in inputs] for _ in range(2))
    expected = F.scaled_dot_product_attention(*one, is_causal=True)
    mixed = causal_attention_in_blocks(*other)
    assert relative_difference(mixed, expected) < 1e-12
    weights = torch.randn_like(mixed)
    (expected * weights).sum().backward()
    (mixed * weights).sum().backward()
    for a, b in zip(one, other, strict=True):
        assert relative_difference(b.grad, a.grad) < 1e-12


def recurrence_and_gru(dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Over the same inputs: states, last state and all gradients, ours and torch.nn.GRU's."""
    torch.manual_seed(1)
    gru = nn.GRU(5, 7).double()
    x, h0 = torch.randn(11, 3, 5, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    weigh = torch.randn(11, 3, 7, dtype=torch.float64)
    results = []
    for ours in (True, False):
        gru.zero_grad()
        leaves = [x.clone().requires_grad_(), h0.clone().requires_grad_()]
        if ours:
            parameters = [p.detach().to(dtype).requires_grad_() for p in gru.all_weights[0]]
            w_i, w_h, b_i, b_h = parameters
            inputs = F.linear(leaves[0].to(dtype), w_i, b_i)
            # In two calls, the state carried from one to the next.
            first = Recurrence.apply(inputs[:4], leaves[1].to(dtype), w_h, b_h)
            states = torch.cat([first, Recurrence.apply(inputs[4:], first[-1], w_h, b_h)])
        else:
            parameters = gru.all_weights[0]
            states = gru(leaves[0], leaves[1][None])[0]
        (states * weigh).sum().backward()
        results.append([states.detach(), *(leaf.grad for leaf in [*leaves, *parameters])])
    return results[0], results[1]


def test_the_recurrence_for_training_is_that_of_torch_nn_gru():
    ours, theirs = recurrence_and_gru(torch.float32)
    for a, b in zip(ours, theirs, strict=True):
        # Products are rounded to bfloat16's 8 bits.
        assert relative_difference(a, b) < 0.02


def test_the_recurrence_is_exact_but_for_the_rounding_of_its_products(monkeypatch):
    """With float64 in bfloat16's place it is torch.nn.GRU to twelve digits."""
    monkeypatch.setattr("polishgen.models.gru_recurrence.PRODUCTS", torch.float64)
    monkeypatch.setattr("polishgen.models.gru_recurrence.STATES", torch.float64)
    ours, theirs = recurrence_and_gru(torch.float64)
    for a, b in zip(ours, theirs, strict=True):
        assert relative_difference(a, b) < 1e-12


def test_bdhs_activity_penalty_adds_its_gradient():
    """The gradient is that of loss + penalty, the penalty written out over the potentials."""
    options = {"activity_penalty": 0.7, "activity_target": 0.1}
    model = (
        narrow_model("bdh", "compact", std=0.3, vocab_size=VOCABULARY, **options).double().train()
    )
    tokens = torch.randint(0, VOCABULARY, (2, 12))
    gradients, losses = [], []
    for written_out in (False, True):
        model.zero_grad()
        model.config = model.config.replace(activity_penalty=0 if written_out else 0.7)
        potentials, activate = [], model.activate
        with pytest.MonkeyPatch.context() as patch:

            def remember(potential, activate=activate, potentials=potentials):
                potentials.append(potential)
                return activate(potential)

            patch.setattr(model, "activate", remember)
            logits, _ = model(tokens)
        loss = logits.logsumexp(-1).mean()
        losses.append(loss.item())
        if written_out:
            assert len(potentials) == 2 * model.config.n_layers
            for p in potentials:
                share = torch.sigmoid(p / (0.3 * p.detach().square().mean().sqrt())).mean()
                loss = loss + 0.7 * torch.relu(share - 0.1)
        loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert losses[0] == losses[1]
    for a, b in zip(*gradients, strict=True):
        assert relative_difference(a, b) < 1e-5
    # In evaluation it changes nothing, and without a penalty the gradient differs.
    model.zero_grad()
    model(tokens)[0].logsumexp(-1).mean().backward()
    assert relative_difference(model.encoder.grad, gradients[0][0]) != 0
