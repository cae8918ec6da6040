"""Small Polish language models: GRU, Transformer and Dragon Hatchling behind one generate API."""

from polishgen.checkpoint import bundled_names
from polishgen.errors import CheckpointError, ParameterError, PolishgenError
from polishgen.generate import Piece
from polishgen.language_model import LanguageModel, Score, load
from polishgen.parameters import GenerationConfig, SamplingConfig
from polishgen.sampling import SAMPLING_PRESETS

__all__ = [
    "SAMPLING_PRESETS",
    "CheckpointError",
    "GenerationConfig",
    "LanguageModel",
    "ParameterError",
    "Piece",
    "PolishgenError",
    "SamplingConfig",
    "Score",
    "bundled_names",
    "load",
]
