"""A GRU layer's recurrence for training, its matrix products in bfloat16 and its state in float32.

`torch.nn.GRU` under autocast keeps the state itself in bfloat16, where a step smaller than 1/256 of
it is lost: weights trained so drift away in float32. Here only what goes into a product is rounded.
The backward pass is written out, as autograd would add up the recurrent weight's gradient token by
token; here it is one product over all of them.
"""

import torch
from torch import Tensor

PRODUCTS, STATES = torch.bfloat16, torch.float32


class Recurrence(torch.autograd.Function):
    """h_t = (1 - z) n + z h_{t-1} with r, z, n as in `torch.nn.GRU`, over T tokens."""

    @staticmethod
    def forward(ctx, inputs: Tensor, h0: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """States (T, B, H) float32 for `inputs` W_i x + b_i (T, B, 3H) and state h0 (B, H).

        `weight` W_h (3H, H), `bias` b_h (3H,).
        """
        T, B, H3 = inputs.shape
        H = H3 // 3
        low = weight.to(PRODUCTS)
        states = inputs.new_empty(T + 1, B, H, dtype=STATES)
        gates = inputs.new_empty(T, B, H3, dtype=STATES)
        recurrent_n = inputs.new_empty(T, B, H, dtype=STATES)
        states[0] = h0
        for t in range(T):
            h = states[t]
            recurrent = (h.to(PRODUCTS) @ low.T).to(STATES).add_(bias)
            rz, n = gates[t].split([2 * H, H], dim=-1)
            torch.sigmoid(inputs[t, :, : 2 * H] + recurrent[:, : 2 * H], out=rz)
            recurrent_n[t] = recurrent[:, 2 * H :]
            r, z = rz.split(H, dim=-1)
            torch.tanh(torch.addcmul(inputs[t, :, 2 * H :].to(STATES), r, recurrent_n[t]), out=n)
            torch.lerp(n, h, z, out=states[t + 1])
        ctx.save_for_backward(states, gates, recurrent_n, low)
        ctx.input_dtype = inputs.dtype
        return states[1:]

    @staticmethod
    def backward(ctx, d_states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states, gates, recurrent_n, low = ctx.saved_tensors
        T, B, H = recurrent_n.shape
        r, z, n = gates.split(H, dim=-1)
        # Slopes that do not depend on the gradient, for all tokens at once.
        slope_n = (1 - z) * (1 - n * n)
        slope_z = (states[:-1] - n) * z * (1 - z)
        slope_r = recurrent_n * r * (1 - r)
        d_inputs = gates.new_empty(T, B, 3 * H, dtype=PRODUCTS)
        d_recurrent = torch.empty_like(d_inputs)
        dh = torch.zeros_like(states[0])
        for t in range(T - 1, -1, -1):
            dh = dh + d_states[t]
            dn = dh * slope_n[t]
            d_inputs[t, :, :H] = dn * slope_r[t]
            d_inputs[t, :, H : 2 * H] = dh * slope_z[t]
            d_inputs[t, :, 2 * H :] = dn
            d_recurrent[t] = d_inputs[t]
            d_recurrent[t, :, 2 * H :] = dn * r[t]
            dh = torch.addcmul((d_recurrent[t] @ low).to(STATES), dh, z[t])
        flat = d_recurrent.view(T * B, 3 * H)
        d_weight = flat.T @ states[:-1].reshape(T * B, H).to(PRODUCTS)
        return d_inputs.to(ctx.input_dtype), dh, d_weight.to(STATES), flat.to(STATES).sum(0)
