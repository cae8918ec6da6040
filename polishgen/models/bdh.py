"""Dragon Hatchling, BDH-GPU (Kosowski et al., arXiv 2509.26507), the tensor-friendly variant.

- one set of weights is used by all layers: an encoder from width to many neurons (the paper's Dx),
  a second encoder for what attention recalls (Dy), and one decoder back (E).
- neurons x and y are never negative (ReLU); how few are active per token is a matter of training
  (`activity_penalty`), and `metrics.json` has what was measured.
- attention is linear: its queries and keys are x, its values the token vectors themselves.
- so the state is the paper's synaptic state ρ, a matrix (neurons, width) per layer and head that
  gains x ⊗ v with every token: its size does not grow with the text.
- positions enter through the operator U of the paper's state equation
  ρ_t = (ρ_{t-1} + x_t ⊗ v_t) U, a rotation (RoPE).
- `half_lives` adds a damping per head to U, so that old activity fades and texts far longer than
  the training window stay in range. That is ours, near RetNet's (arXiv 2307.08621); without
  half-lives nothing fades, as in the paper and the authors' code.
"""

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
    that is active beyond `activity_target`, softly counted (see `soft_share`).
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


# Buffered tokens are folded into ρ once there are so many: ρ is large, attending to them is cheap.
FLUSH_EVERY = 64


class Synapses(NamedTuple):
    """State of one layer: ρ, and recent tokens that are buffered, not yet folded into it.

    `rho`: (n_heads, B, neurons per head, width), or None before the first time.
    `activity`: (n_heads, B, T, neurons per head), rotated; `vectors`: (B, T, width).
    Decoding folds once per `FLUSH_EVERY` tokens; training, which drops the state, never does.
    """

    rho: Tensor | None
    activity: Tensor
    vectors: Tensor


class BDHState(NamedTuple):
    """Synapses of all layers, and the number of tokens read so far."""

    layers: list[Synapses]
    position: int


class BDH(nn.Module):
    """Embedding, the shared layer applied n_layers times, untied linear head."""

    def __init__(self, config: BDHConfig):
        super().__init__()
        self.config = config
        neurons = config.n_neurons // config.n_heads
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.encoder = nn.Parameter(torch.empty(config.n_heads, config.width, neurons))
        self.encoder_v = nn.Parameter(torch.empty(config.n_heads, config.width, neurons))
        self.decoder = nn.Parameter(torch.empty(config.n_neurons, config.width))
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def forward(
        self, tokens: Tensor, state: BDHState | None = None, return_activity: bool = False
    ) -> tuple[Tensor, BDHState] | tuple[Tensor, BDHState, list[tuple[Tensor, Tensor]]]:
        """Logits (B, T, vocab_size) for `tokens` (B, T), and the state after them.

        With `return_activity` also, for each layer, the neurons x that attention is about and the
        neurons y that what it recalled excites, each (n_heads, B, T, neurons per head); x ⊙ y is
        passed on.
        """
        (batch, length), config = tokens.shape, self.config
        position = state.position if state else 0
        x = self.normalise(self.embedding(tokens))
        neurons = config.n_neurons // config.n_heads
        rotation = rotary_factors(position, length, neurons, ROTARY_BASE, like=x)
        before = [self.write(s) for s in state.layers] if state else [None] * config.n_layers
        pending = before[0].vectors.shape[1] if before[0] else 0
        weights = fading_weights(config, pending, length, like=x)
        fade = self.fade(pending + length, like=x)
        layers, activities = [], []
        for synapses in before:
            potential = self.to_neurons(x.expand(config.n_heads, -1, -1, -1), self.encoder)
            activity = F.relu(potential)
            rotated = rotate(activity, rotation)
            synapses = add_pending(synapses, rotated, x)
            recalled = self.normalise(recall(synapses, rotated, weights, fade))
            gate_potential = self.to_neurons(recalled, self.encoder_v)
            gate = F.relu(gate_potential)
            if self.training and config.activity_penalty:
                for potentials in (potential, gate_potential):
                    excess = F.relu(soft_share(potentials) - config.activity_target)
                    x = AddLoss.apply(x, config.activity_penalty * excess)
            firing = self.dropout(activity * gate).view(config.n_heads, batch * length, neurons)
            update = torch.bmm(firing, self.decoder.view(config.n_heads, neurons, -1)).sum(0)
            layers.append(synapses)
            if return_activity:
                activities.append((activity, gate))
            x = self.normalise(x + self.normalise(update.view(batch, length, -1)))
        state = BDHState(layers, position + length)
        return (self.head(x), state, activities) if return_activity else (self.head(x), state)

    def normalise(self, x: Tensor) -> Tensor:
        """LayerNorm without gain or bias."""
        return F.layer_norm(x, (self.config.width,))

    def to_neurons(self, x: Tensor, encoder: Tensor) -> Tensor:
        """x (n_heads, B, T, width) times encoder (n_heads, width, neurons), head by head."""
        return torch.bmm(x.flatten(1, 2), encoder).unflatten(1, x.shape[1:3])

    def fade(self, length: int, like: Tensor) -> Tensor | None:
        """Damping (n_heads, length) of what is 1, 2, … `length` tokens old; None without."""
        if not self.config.half_lives:
            return None
        ages = torch.arange(1, length + 1, dtype=torch.float64, device=like.device)
        rates = torch.tensor(self.config.half_lives, dtype=torch.float64, device=like.device)
        return torch.exp2(-ages / rates[:, None]).to(like.dtype)

    def write(self, synapses: Synapses) -> Synapses:
        """Writes what is pending into ρ, if it is much."""
        if synapses.activity.shape[2] < FLUSH_EVERY:
            return synapses
        nothing = synapses.activity[:, :, :0], synapses.vectors[:, :0]
        return Synapses(self.fold(synapses), *nothing)

    def fold(self, synapses: Synapses) -> Tensor:
        """ρ with all that is pending, as seen right after its last token."""
        rho, activity, vectors = synapses
        length = activity.shape[2]
        if not length:
            return rho
        fade = self.fade(length, like=vectors)
        if fade is not None:
            # The last token is not yet damped, the first one length - 1 times.
            ages = torch.cat([torch.ones_like(fade[:, :1]), fade[:, :-1]], dim=1).flip(1)
            activity = activity * ages[:, None, :, None]
        written = activity.transpose(-1, -2) @ vectors
        if rho is not None:
            written += rho if fade is None else rho * fade[:, -1, None, None, None]
        return written


# A potential so far below 0, relative to their root mean square, still counts as nearly active.
SOFTNESS = 0.3


def soft_share(potentials: Tensor) -> Tensor:
    """About the share of `potentials` (n_heads, B, T, neurons) above 0, with a gradient."""
    scale = SOFTNESS * potentials.detach().float().square().mean().sqrt()
    return torch.sigmoid(potentials / scale.to(potentials.dtype)).float().mean()


class AddLoss(torch.autograd.Function):
    """Returns `x` unchanged; in the backward pass `loss` gets the gradient 1, as if added."""

    @staticmethod
    def forward(ctx, x: Tensor, loss: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, torch.ones((), device=gradient.device)


def add_pending(synapses: Synapses | None, activity: Tensor, vectors: Tensor) -> Synapses:
    """The synapses with new tokens' activity and vectors waiting at the end."""
    if synapses is None:
        return Synapses(None, activity, vectors)
    return Synapses(
        synapses.rho,
        torch.cat([synapses.activity, activity], dim=2),
        torch.cat([synapses.vectors, vectors], dim=1),
    )


def fading_weights(config: BDHConfig, pending: int, length: int, like: Tensor) -> Tensor:
    """Attention's mask (n_heads or 1, 1, T, pending + T) for the last `length` tokens.

    0 from the diagonal on, before it the damping by age.
    """
    places = torch.arange(pending + length, dtype=torch.float64, device=like.device)
    ages = places[pending:, None] - places[None, :]
    past = (ages > 0)[None]
    if config.half_lives:
        rates = torch.tensor(config.half_lives, dtype=torch.float64, device=like.device)
        past = past * torch.exp2(-ages.clamp(min=0)[None] / rates[:, None, None])
    return past.to(like.dtype)[:, None]


def recall(synapses: Synapses, activity: Tensor, weights: Tensor, fade: Tensor | None) -> Tensor:
    """What earlier tokens left for the last T ones, whose activity this is: (n_heads, B, T, width).

    From pending tokens by masked scores `activity · activityᵀ`, from before them by reading ρ.
    """
    scores = (activity @ synapses.activity.transpose(-1, -2)) * weights
    recalled = scores @ synapses.vectors
    if synapses.rho is not None:
        before = activity @ synapses.rho
        length = activity.shape[2]
        recalled += before if fade is None else before * fade[:, None, -length:, None]
    return recalled
