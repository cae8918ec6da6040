"""Half-precision linear layers: against float64, and where they must stay as they are."""

import copy

import pytest
import torch
from conftest import save_tiny_checkpoint
from torch import nn

import polishgen
from polishgen.models.packed import PackedLinear, can_be_packed, pack_linear_layers

pytestmark = pytest.mark.skipif(
    not can_be_packed(nn.Linear(2, 2).requires_grad_(False).bfloat16().float()),
    reason="FBGEMM is not built in",
)


def rounded(inputs: int, outputs: int, bias: bool) -> nn.Linear:
    """A layer whose weights bfloat16 holds, as those of every checkpoint."""
    return nn.Linear(inputs, outputs, bias=bias).requires_grad_(False).bfloat16().float()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(256, 768), (33, 7), (1, 1), (1024, 256)])
def test_a_row_comes_out_as_in_float64(sizes, bias):
    layer = rounded(*sizes, bias)
    packed = pack_linear_layers(nn.Sequential(copy.deepcopy(layer)))[0]
    assert isinstance(packed, PackedLinear)
    x = torch.randn(1, 1, sizes[0]) * 30
    exact = copy.deepcopy(layer).double()(x.double())
    with torch.inference_mode():
        output = packed(x)
    assert output.shape == (1, 1, sizes[1])
    scale = x.double().norm() * layer.weight.double().norm(dim=1).max()
    assert ((output - exact).abs() <= 1e-6 * scale).all()


def test_longer_inputs_other_precisions_and_gradients_take_the_usual_way():
    layer = rounded(16, 8, True)
    packed = PackedLinear(layer)
    x = torch.randn(3, 16)
    with torch.inference_mode():
        assert torch.equal(packed(x), layer(x))
    single = x[:1].requires_grad_()
    packed(single).sum().backward()
    assert torch.equal(single.grad[0], layer.weight.sum(0))
    assert packed.state_dict().keys() == layer.state_dict().keys()


def test_weights_that_half_precision_does_not_hold_stay_unpacked():
    for value in (1.0 + 2.0**-12, 70_000.0):
        layer = nn.Linear(4, 4)
        with torch.no_grad():
            layer.weight.fill_(value)
        assert not can_be_packed(layer)
    assert not can_be_packed(rounded(4, 4, False).double())


@pytest.mark.parametrize("architecture", ["gru", "transformer", "bdh"])
def test_a_loaded_model_reads_token_by_token_as_it_reads_at_once(architecture, tmp_path):
    save_tiny_checkpoint(tmp_path, architecture)
    model = polishgen.load(tmp_path).model
    assert any(isinstance(module, PackedLinear) for module in model.modules())
    tokens = torch.randint(0, model.config.vocab_size, (1, 20))
    with torch.inference_mode():
        whole, _ = model(tokens)
        state = None
        for place in range(20):
            logits, state = model(tokens[:, place : place + 1], state)
            assert torch.allclose(logits[0, 0], whole[0, place], atol=1e-4)
