"""The three architectures behind one interface: `forward(tokens, state) -> logits, state`.

`tokens` is (B, T) int64 with T ≥ 1, logits are (B, T, vocab_size). `state` is whatever the model
has to remember (hidden state, key/value cache, synapses); None at the start of a text. Feeding a
text whole, in chunks or token by token gives the same logits, and a text may be of any length. A
state that was passed in belongs to the model afterwards; do not use it again.
"""

from torch import nn

from polishgen.models.bdh import BDH, BDHConfig
from polishgen.models.gru import GRU, GRUConfig
from polishgen.models.transformer import Transformer, TransformerConfig
from polishgen.parameters import check, choice

ModelConfig = GRUConfig | TransformerConfig | BDHConfig

MODELS = {
    "gru": (GRUConfig, GRU),
    "transformer": (TransformerConfig, Transformer),
    "bdh": (BDHConfig, BDH),
}
ARCHITECTURES = tuple(MODELS)
# As page, cards and README call them.
TITLES = {"gru": "GRU", "transformer": "Transformer", "bdh": "Dragon Hatchling"}

CL100K_SIZE = 100_277
POLISH_SIZE = 8_192

# "report": the report's model to the parameter, over cl100k_base; "compact": what the app ships.
PRESETS: dict[tuple[str, str], ModelConfig] = {
    ("transformer", "report"): TransformerConfig(
        vocab_size=CL100K_SIZE,
        width=384,
        n_layers=6,
        n_heads=6,
        context_length=128,
        positions="learned",
        norm="layer",
        activation="relu",
        qk_norm=False,
        bias=True,
        dropout=0.2,
    ),
    ("gru", "report"): GRUConfig(
        vocab_size=CL100K_SIZE, embedding_size=256, hidden_size=512, n_layers=2, context_length=128
    ),
    ("bdh", "report"): BDHConfig(
        vocab_size=CL100K_SIZE, width=256, n_neurons=32_768, n_heads=4, n_layers=6, dropout=0.1
    ),
    ("transformer", "compact"): TransformerConfig(
        vocab_size=POLISH_SIZE,
        width=256,
        n_layers=6,
        n_heads=4,
        context_length=512,
        residual_scalars=True,
    ),
    ("gru", "compact"): GRUConfig(
        vocab_size=POLISH_SIZE, embedding_size=256, hidden_size=768, n_layers=2, tied_embedding=True
    ),
    ("bdh", "compact"): BDHConfig(
        vocab_size=POLISH_SIZE,
        width=256,
        n_neurons=4_096,
        n_heads=4,
        n_layers=4,
        context_length=256,
        half_lives=(8.0, 32.0, 128.0, 512.0),
    ),
}


def build_model(config: ModelConfig) -> nn.Module:
    """A freshly initialised model of `config`'s architecture."""
    return MODELS[config.architecture][1](config)


def parameter_count(model: nn.Module) -> int:
    """Number of parameters, shared ones counted once."""
    return sum(p.numel() for p in model.parameters())


def preset_config(architecture: str, preset: str, **changes: object) -> ModelConfig:
    """The preset's configuration with some fields replaced; `ParameterError` for unknown ones."""
    check("model", architecture, choice(*ARCHITECTURES))
    check("preset", preset, choice(*(p for a, p in PRESETS if a == architecture)))
    return PRESETS[architecture, preset].replace(**changes)


def config_from_dict(architecture: str, values: dict[str, object]) -> ModelConfig:
    """A configuration from plain values, as read from JSON.

    Raises `ParameterError` for an unknown architecture and unknown, missing or ill-typed fields.
    """
    check("architecture", architecture, choice(*ARCHITECTURES))
    return MODELS[architecture][0](**values)
