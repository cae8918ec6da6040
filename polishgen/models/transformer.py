"""Decoder-only Transformer (Vaswani et al., arXiv 1706.03762), pre-norm, in two flavours.

- rotary positions: attention reaches `context_length` tokens back, itself included, in training and
  in decoding alike. The state is a rolling key/value cache of that length, so a text may be of any
  length; stacked layers see up to n_layers × context_length tokens back.
- learned positions (the report preset): a position table has an end, so two windows run half a
  context apart, see `windows.py`.
- optional residual scalars, learned: before each block x becomes r x + e x₀, where x₀ is the
  normalised embedding (nanochat, modded-nanogpt), and values become a v + b v₁,
  where v₁ are the first layer's (ResFormer, arXiv 2410.17897).
- optional RMSNorm (arXiv 1910.07467), QK-norm (arXiv 2010.04245), ReLU² (arXiv 2109.08668).
"""

from typing import ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.models.rotary import rotary_factors, rotate
from polishgen.models.windows import WindowState, forward_in_windows
from polishgen.parameters import Count, Layers, Record, Share, Window

ROTARY_BASE = 10_000.0


class TransformerConfig(Record):
    """Sizes and flavour of a `Transformer`; `context_length` in tokens."""

    architecture: ClassVar[str] = "transformer"

    vocab_size: Count
    width: Count
    n_layers: Layers
    n_heads: Count
    context_length: Window
    positions: Literal["rotary", "learned"] = "rotary"
    norm: Literal["rms", "layer"] = "rms"
    activation: Literal["relu2", "relu"] = "relu2"
    qk_norm: bool = True
    residual_scalars: bool = False
    bias: bool = False
    dropout: Share = 0.0

    @model_validator(mode="after")
    def check_heads(self) -> Self:
        """`ParameterError` unless each head has an even number of features, as rotation needs."""
        if self.width % (2 * self.n_heads):
            raise ParameterError(
                "n_heads", self.n_heads, f"a divisor of width / 2 = {self.width / 2:g}"
            )
        return self


class KeyValues(NamedTuple):
    """Keys and values in one layer of past tokens that the next one sees, up to a window less one.

    Each (B, n_heads, tokens, width / n_heads). `queries`: the last token's, for who looks inside.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor


class RollingCache(NamedTuple):
    """Key/value caches of all layers, and the number of tokens read so far."""

    layers: list[KeyValues]
    position: int


def rms_norm(x: Tensor) -> Tensor:
    """`x` (..., features) divided by the root of its mean square.

    By way of the vector norm, which forward and backward takes a sixth less time than `F.rms_norm`.
    """
    wide = x if x.dtype == torch.float64 else x.float()
    norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True) + torch.finfo(wide.dtype).eps
    return (wide * (x.shape[-1] ** 0.5 / norm)).to(x.dtype)


class RMSNorm(nn.Module):
    """`rms_norm` as a module, without gain."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x)


def make_norm(config: TransformerConfig) -> nn.Module:
    """RMSNorm without gain, or LayerNorm with gain and bias."""
    return nn.LayerNorm(config.width) if config.norm == "layer" else RMSNorm()


class Attention(nn.Module):
    """Multi-head causal self-attention over a window."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.query_key_value = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)
        if config.residual_scalars:
            self.value_scalars = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(
        self, x: Tensor, past: KeyValues | None, rotation: Tensor | None, first: Tensor | None
    ) -> tuple[Tensor, KeyValues, Tensor | None]:
        """Lets `x` (B, T, width) attend to itself and `past`; output, new past, v₁.

        `first`: the first layer's values (B, H, T, D), None in the first layer.
        """
        window = self.config.context_length
        heads = self.query_key_value(x).unflatten(-1, (3, self.config.n_heads, -1))
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
        if self.config.qk_norm:
            q, k = rms_norm(q), rms_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        if self.config.residual_scalars:
            first = v if first is None else first
            a, b = self.value_scalars.to(v.dtype)
            v = a * v + b * first
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        last = slice(max(0, k.shape[2] - (window - 1)), None)
        now = KeyValues(k[:, :, last], v[:, :, last], q[:, :, -1:])
        dropout = self.config.dropout if self.training else 0.0
        causal = past is None and x.shape[1] <= window
        if causal and torch.is_grad_enabled() and x.device.type == "cpu" and not dropout:
            mixed = causal_attention_in_blocks(q, k, v)
        else:
            mixed = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=window_mask(x.shape[1], k.shape[2], window, x.device),
                dropout_p=dropout,
                is_causal=causal,
            )
        return self.dropout(self.output(mixed.transpose(1, 2).flatten(-2))), now, first


BLOCK = 256


def causal_attention_in_blocks(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention over (B, n_heads, T, features), `BLOCK` queries at a time.

    For training on a CPU, where it takes half the time of PyTorch's fused attention, whose
    gradient multiplies small tiles without the hardware's bfloat16 units.
    """
    length, mixed = queries.shape[2], []
    future = torch.ones(BLOCK, BLOCK, dtype=torch.bool, device=queries.device).triu(1)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        scores = queries[:, :, start:stop] @ keys[:, :, :stop].transpose(-1, -2)
        scores = scores * queries.shape[-1] ** -0.5
        scores[..., start:].masked_fill_(future[: stop - start, : stop - start], -torch.inf)
        mixed.append(scores.softmax(-1) @ values[:, :, :stop])
    return torch.cat(mixed, dim=2)


def window_mask(length: int, reach: int, window: int, device: torch.device) -> Tensor | None:
    """Mask (length, reach), True where the last `length` of `reach` tokens may look.

    A token sees itself and the `window - 1` tokens before it. None where the plain causal mask, or
    no mask at all, says the same.
    """
    if (length == reach and length <= window) or (length == 1 and reach <= window):
        return None
    rows = torch.arange(reach - length, reach, device=device)[:, None]
    distance = rows - torch.arange(reach, device=device)[None, :]
    return (distance >= 0) & (distance < window)


class MLP(nn.Module):
    """Position-wise feed-forward network, four times as wide inside."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.squared = config.activation == "relu2"
        self.expand = nn.Linear(config.width, 4 * config.width, bias=config.bias)
        self.contract = nn.Linear(4 * config.width, config.width, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.expand(x))
        return self.dropout(self.contract(inner.square() if self.squared else inner))


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = Attention(config)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)
        if config.residual_scalars:
            self.residual_scalars = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(
        self,
        x: Tensor,
        x0: Tensor,
        past: KeyValues | None,
        rotation: Tensor | None,
        first: Tensor | None,
    ) -> tuple[Tensor, KeyValues, Tensor | None]:
        if hasattr(self, "residual_scalars"):
            r, e = self.residual_scalars
            x = r * x + e * x0
        mixed, past, first = self.attention(self.attention_norm(x), past, rotation, first)
        x = x + mixed
        return x + self.mlp(self.mlp_norm(x)), past, first


class Transformer(nn.Module):
    """Token (and position) embedding, blocks, final norm, untied linear head."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context_length, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = make_norm(config)
        self.head = nn.Linear(config.width, config.vocab_size, bias=config.bias)
        self.apply(init_weights)
        if config.norm == "rms":
            # Each block starts as the identity, and the first guess is uniform.
            for block in self.blocks:
                nn.init.zeros_(block.attention.output.weight)
                nn.init.zeros_(block.mlp.contract.weight)
            nn.init.zeros_(self.head.weight)

    def forward(
        self, tokens: Tensor, state: RollingCache | WindowState | None = None
    ) -> tuple[Tensor, RollingCache | WindowState]:
        """Logits (B, T, vocab_size) for `tokens` (B, T), and the state after them."""
        if self.config.positions == "learned":
            hidden, state = forward_in_windows(
                self.encode_with_table, tokens, state, self.config.context_length
            )
        else:
            hidden, state = self.encode(tokens, state)
        return self.head(self.norm(hidden)), state

    def encode(self, tokens: Tensor, cache: RollingCache | None) -> tuple[Tensor, RollingCache]:
        """Hidden vectors (B, T, width) at rotary positions, and the rolled cache."""
        x = self.embedding(tokens)
        if self.config.norm == "rms":
            # Normalise embeddings so that their scale does not reach the blocks.
            x = rms_norm(x)
        position = cache.position if cache else 0
        features = self.config.width // self.config.n_heads
        rotation = rotary_factors(position, tokens.shape[1], features, ROTARY_BASE, like=x)
        x, layers = self.run_blocks(x, cache.layers if cache else None, rotation)
        return x, RollingCache(layers, position + tokens.shape[1])

    def encode_with_table(
        self, tokens: Tensor, layers: list[KeyValues] | None, position: int
    ) -> tuple[Tensor, list[KeyValues]]:
        """Hidden vectors (B, T, width) at learned positions from `position` on, and the caches."""
        positions = torch.arange(position, position + tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens) + self.position_embedding(positions)
        return self.run_blocks(x, layers, None)

    def run_blocks(
        self, x: Tensor, layers: list[KeyValues] | None, rotation: Tensor | None
    ) -> tuple[Tensor, list[KeyValues]]:
        after: list[KeyValues] = []
        x0, first = x, None
        for block, past in zip(self.blocks, layers or [None] * len(self.blocks), strict=True):
            x, past, first = block(x, x0, past, rotation, first)
            after.append(past)
        return x, after


def init_weights(module: nn.Module) -> None:
    """Normal(0, 0.02) for matrices, zero for biases, as in GPT-2."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
