"""Dragon Hatchling, BDH-GPU (Kosowski et al., arXiv 2509.26507), in the paper's symbols.

Every layer has the same weights. With a token's vector v, width D, and the positive activities x
and y of many more neurons (N per head):

    x_t = ReLU(Dx v_t)                          neurons that the token wakes
    a_t = Σ_{s<t} (x_t · U^(t-s) x_s) v_s       what they recall: linear attention
    y_t = ReLU(Dy LN(a_t))                      neurons that the recalled wakes
    v_t ← LN(v_t + LN(E (x_t ⊙ y_t)))

The sum is a product with a state, the synapses ρ: a_t = ρ_{t-1} x_t, and each token adds to them,
ρ_t = U (ρ_{t-1} + v_t ⊗ x_t). U turns pairs of neurons (RoPE). Ours alone is a damping in U
(`half_lives`), near RetNet's (arXiv 2307.08621): old activity fades, and texts far longer than the
training window stay in range. Without half-lives these are the equations of the authors' code,
github.com/pathwaycom/bdh, whose names for Dx, Dy and E, encoder, encoder_v and decoder, the
parameters bear.
"""

import math
from typing import Annotated, ClassVar, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.models.rotary import rotary_factors, rotate
from polishgen.parameters import Count, Float, Layers, Record, Share, Window

ROTARY_BASE = 2.0**16


class BDHConfig(Record):
    """Sizes of a `BDH`; `context_length` is the training window in tokens, no limit in decoding.

    `half_lives`: tokens after which a head's memory has halved, one per head; empty for none.
    `activity_penalty`: added to the training loss, in nats per layer, for each share of x and of y
    that is active beyond `activity_target`, softly counted (see `ActivityPenalty`).
    """

    architecture: ClassVar[str] = "bdh"

    vocab_size: Count
    width: Count
    n_neurons: Count
    n_heads: Count
    n_layers: Layers
    half_lives: tuple[Annotated[Float, Field(gt=0)], ...] = ()
    dropout: Share = 0.0
    activity_penalty: Annotated[Float, Field(ge=0)] = 0.0
    activity_target: Share = 0.0
    context_length: Window = 512

    @model_validator(mode="after")
    def check_heads(self) -> Self:
        """`ParameterError` unless neurons and half-lives can be shared out among the heads."""
        if self.n_neurons % (2 * self.n_heads):
            allowed = f"a divisor of n_neurons / 2 = {self.n_neurons / 2:g}"
            raise ParameterError("n_heads", self.n_heads, allowed)
        if len(self.half_lives) not in (0, self.n_heads):
            raise ParameterError(
                "half_lives", self.half_lives, f"empty, or {self.n_heads} numbers above 0"
            )
        return self


class Synapses(NamedTuple):
    """Memory of one layer: ρ before the last call, and the tokens read in that call.

    rho: (H, B, N, D), or None if there was no earlier call; x: (H, B, T, N), turned to their
    positions; v: (B, T, D). ρ is written when the next call reads it: a caller that discards the
    state, as training does, skips that cost.
    """

    rho: Tensor | None
    x: Tensor
    v: Tensor


class BDHState(NamedTuple):
    """Synapses of all layers, and the number of tokens read so far."""

    layers: list[Synapses]
    position: int


class BDH(nn.Module):
    """Embedding, the shared layer applied n_layers times, untied linear head."""

    def __init__(self, config: BDHConfig):
        super().__init__()
        self.config = config
        H, D, N = config.n_heads, config.width, config.n_neurons // config.n_heads
        self.embedding = nn.Embedding(config.vocab_size, D)
        self.encoder = nn.Parameter(torch.empty(H, D, N))
        self.encoder_v = nn.Parameter(torch.empty(H, D, N))
        self.decoder = nn.Parameter(torch.empty(H * N, D))
        self.head = nn.Linear(D, config.vocab_size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def forward(
        self, tokens: Tensor, state: BDHState | None = None, return_activity: bool = False
    ) -> tuple[Tensor, BDHState] | tuple[Tensor, BDHState, list[tuple[Tensor, Tensor]]]:
        """Logits (B, T, vocab_size) for `tokens` (B, T), and the state after them.

        With `return_activity` also each layer's x and y, (H, B, T, N); x ⊙ y is passed on.
        """
        config, T = self.config, tokens.shape[1]
        Dx, Dy, E = self.encoder, self.encoder_v, self.decoder
        H, D, N = Dx.shape
        before, position = state or ([None] * config.n_layers, 0)
        v = self.norm(self.embedding(tokens))  # (B, T, D)
        U = rotary_factors(position, T, N, ROTARY_BASE, like=v)  # (T, N / 2)
        age = torch.arange(T, dtype=torch.float64, device=v.device)
        weights = self.damping(age[:, None] - age).tril(-1).to(v.dtype)  # (H, 1, T, T)
        left = self.damping(1 + age[:, None]).to(v.dtype)  # (H, 1, T, 1), of ρ at each token
        layers, activity = [], []
        for synapses in before:
            rho = self.write(synapses)  # (H, B, N, D)
            x = self.activate(by_head(v.expand(H, -1, -1, -1), Dx))  # (H, B, T, N)
            x_turned = rotate(x, U)
            a = (x_turned @ x_turned.mT * weights) @ v  # (H, B, T, D)
            if rho is not None:
                a = a + x_turned @ rho * left
            y = self.activate(by_head(self.norm(a), Dy))  # (H, B, T, N)
            update = by_head(self.dropout(x * y), E.view(H, N, D)).sum(0)  # (B, T, D)
            layers.append(Synapses(rho, x_turned, v))
            if return_activity:
                activity.append((x, y))
            v = self.norm(v + self.norm(update))
        state = BDHState(layers, position + T)
        return (self.head(v), state, activity) if return_activity else (self.head(v), state)

    def norm(self, v: Tensor) -> Tensor:
        """LayerNorm over the width, without gain or bias."""
        return F.layer_norm(v, (self.config.width,))

    def activate(self, potential: Tensor) -> Tensor:
        """ReLU; in training so many neurons are active at a price, see `activity_penalty`."""
        config = self.config
        if self.training and config.activity_penalty:
            potential = ActivityPenalty.apply(
                potential, config.activity_penalty, config.activity_target
            )
        return F.relu(potential)

    def damping(self, ages: Tensor) -> Tensor:
        """What each head keeps of tokens so old: (H, 1, rows, columns) for ages (rows, columns)."""
        half_lives = self.config.half_lives or [math.inf] * self.config.n_heads
        half_lives = torch.tensor(half_lives, dtype=ages.dtype, device=ages.device)
        return torch.exp2(-ages / half_lives[:, None, None, None])

    def write(self, synapses: Synapses | None) -> Tensor | None:
        """ρ (H, B, N, D) right after the last token that `synapses` have seen."""
        if synapses is None:
            return None
        rho, x, v = synapses
        age = torch.arange(v.shape[1], dtype=torch.float64, device=v.device).flip(0)
        written = (x.mT @ (v * self.damping(age[:, None]).to(v.dtype))).to(v.dtype)
        left = self.damping(1 + age[:1, None]).to(v.dtype)
        return written if rho is None else rho * left + written


def by_head(x: Tensor, weight: Tensor) -> Tensor:
    """x (H, B, T, columns) times weight (H, columns, rows), head by head."""
    return torch.bmm(x.flatten(1, 2), weight).unflatten(1, x.shape[1:3])


# A potential so far below 0, relative to their root mean square, still counts as nearly active.
SOFTNESS = 0.3


class ActivityPenalty(torch.autograd.Function):
    """Returns `potential` unchanged; in the backward pass its penalty's gradient is added.

    The penalty is `weight` for each share of neurons that is active beyond `target`, softly
    counted: the mean of sigmoid(potential / scale).
    """

    @staticmethod
    def forward(ctx, potential: Tensor, weight: float, target: float) -> Tensor:
        size = potential.numel()
        scale = SOFTNESS * size**-0.5 * torch.linalg.vector_norm(potential)
        soft = torch.sigmoid(potential / scale)
        slope = weight * (soft.mean() > target) / (size * scale)
        ctx.save_for_backward(soft, slope)
        return potential.view_as(potential)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        soft, slope = ctx.saved_tensors
        return torch.addcmul(gradient, soft, (1 - soft) * slope), None, None
