"""Linear layers whose weights are read in half precision when one token is decoded on a CPU.

A single token's matrix products wait for memory alone: every weight is read once and used once.
FBGEMM's float16 kernel halves what is read; activations and sums stay float32. Checkpoints are
bfloat16, whose eight significant bits float16's eleven hold exactly, so nothing is lost but what
lies below 6e-8. Longer inputs, gradients and other devices take the usual way.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# PyTorch will drop the kernel some day (then layers stay as they are); nobody needs to read of it.
warnings.filterwarnings("ignore", "fbgemm_.* is deprecated", UserWarning)

# A weight may change by this much, half of float16's smallest step; with more it stays unpacked.
LARGEST_CHANGE = 2.0**-24


class PackedLinear(nn.Linear):
    """`nn.Linear` with a second, packed copy of its weight for inputs of a single row.

    Shares the parameters of the layer that it replaces, so names and state_dict stay as they are.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        zeros = torch.zeros(self.out_features, dtype=torch.float32)
        self.packed_bias = zeros if self.bias is None else self.bias.detach()
        self.packed = torch.fbgemm_pack_gemm_matrix_fp16(self.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        single = x.numel() == self.in_features and x.dtype == torch.float32
        if not single or x.device.type != "cpu" or torch.is_grad_enabled():
            return F.linear(x, self.weight, self.bias)
        return torch.fbgemm_linear_fp16_weight_fp32_activation(x, self.packed, self.packed_bias)


def can_be_packed(linear: nn.Linear) -> bool:
    """Whether this machine has the kernel, and float16 holds the float32 weight."""
    weight = linear.weight
    available = "fbgemm" in torch.backends.quantized.supported_engines
    if not available or not hasattr(torch, "fbgemm_linear_fp16_weight_fp32_activation"):
        return False
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    return bool((weight - weight.half().float()).abs().max() <= LARGEST_CHANGE)


def pack_linear_layers(model: nn.Module) -> nn.Module:
    """Replaces, in place, the linear layers of a model that is not to be trained; returns it."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear and can_be_packed(child):
                setattr(module, name, PackedLinear(child))
    return model
