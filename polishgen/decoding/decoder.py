"""Decoders: one token in, logits for the next one out; the loop above asks no architecture.

A float32 model on a CPU is decoded by code compiled with Numba, from weights in int8; everything
else, and everything where Numba is missing, by the PyTorch model itself.
"""

import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from polishgen.models import build_model, preset_config

# Prompts are read in chunks, so that memory stays flat.
CHUNK_TOKENS = 256
# Up to here the compiled step reads a prompt sooner than PyTorch, which starts slowly.
SHORT_PROMPT = 24


class Decoder(Protocol):
    """A model reading one text. `backend` is "compiled" or "PyTorch"; V = vocabulary."""

    backend: str

    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        """Reads one or more tokens; logits (V,) after the last."""

    def step(self, token: int) -> np.ndarray:
        """Reads a token; logits (V,) after it."""

    def copy(self, into: "Decoder | None" = None) -> "Decoder":
        """A decoder that has read the same tokens and goes on by itself.

        It may take the memory of `into`, a copy made before that nobody needs any more.
        """


def make_decoder(model: nn.Module, compiled: bool = True) -> Decoder:
    """A decoder at the start of a text, without `compiled` one through PyTorch.

    Compiled code is waited for if nobody compiles it in the background.
    """
    architecture = model.config.architecture
    if architecture == "chorus":
        return ChorusDecoder([make_decoder(member, compiled) for member in model.models])
    parameter = next(model.parameters())
    compilable = parameter.dtype == torch.float32 and parameter.device.type == "cpu"
    if not (compiled and compilable) or architecture not in STEPS or architecture in compiling:
        return TorchDecoder(model)
    code = compiled_code(model)
    return CompiledDecoder(code, model) if code else TorchDecoder(model)


class TorchDecoder:
    """Decodes through the model's own `forward(tokens, state)`."""

    backend = "PyTorch"

    def __init__(self, model: nn.Module, state: Any = None):
        self.model, self.state = model, state

    @torch.inference_mode()
    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        device = next(self.model.parameters()).device
        for start in range(0, len(tokens), CHUNK_TOKENS):
            chunk = torch.tensor(tokens[start : start + CHUNK_TOKENS], device=device)
            logits, self.state = self.model(chunk[None], self.state)
        return logits[0, -1].cpu().numpy()

    def step(self, token: int) -> np.ndarray:
        return self.prefill([token])

    def copy(self, into: "Decoder | None" = None) -> "TorchDecoder":
        # No state is ever written to: each step makes a new one.
        return TorchDecoder(self.model, self.state)


class CompiledDecoder:
    """Decodes through a compiled step, whose state is a tuple of arrays."""

    backend = "compiled"

    def __init__(self, code: ModuleType, model: nn.Module):
        self.code, self.model = code, model
        self.weights, self.state = quantised_weights(code, model), code.empty_state(model)
        self.unread = True

    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        if self.unread and len(tokens) > SHORT_PROMPT:
            reader = TorchDecoder(self.model)
            logits = reader.prefill(tokens)
            self.state = self.code.state_from(self.model, reader.state)
            self.unread = False
            return logits
        nothing = np.empty(0, np.float32)
        for token in tokens[:-1]:
            self.code.step(self.weights, self.state, token, nothing)
        return self.step(tokens[-1])

    def step(self, token: int) -> np.ndarray:
        logits = np.empty(self.model.config.vocab_size, np.float32)
        self.code.step(self.weights, self.state, token, logits)
        self.unread = False
        return logits

    def copy(self, into: "Decoder | None" = None) -> "CompiledDecoder":
        other = into or CompiledDecoder(self.code, self.model)
        for target, source in zip(other.state, self.state, strict=True):
            target[:] = source
        other.unread = self.unread
        return other


class ChorusDecoder:
    """Steps a chorus's decoders side by side: the mean of their logits is its own."""

    def __init__(self, members: Sequence[Decoder]):
        self.members = members

    @property
    def backend(self) -> str:
        backends = {member.backend for member in self.members}
        return "compiled" if backends == {"compiled"} else "PyTorch"

    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        return np.mean([member.prefill(tokens) for member in self.members], axis=0)

    def step(self, token: int) -> np.ndarray:
        return np.mean([member.step(token) for member in self.members], axis=0)

    def copy(self, into: "Decoder | None" = None) -> "ChorusDecoder":
        others = into.members if into else [None] * len(self.members)
        return ChorusDecoder(
            [own.copy(other) for own, other in zip(self.members, others, strict=True)]
        )


STEPS = ("gru", "transformer", "bdh")
# Architectures whose step is being compiled in the background.
compiling: set[str] = set()
_code: dict[str, ModuleType | None] = {}
_weights: WeakKeyDictionary[nn.Module, tuple[tuple, Any]] = WeakKeyDictionary()


def compiled_code(model: nn.Module) -> ModuleType | None:
    """The module with the compiled step for a model; None where Numba is missing or fails."""
    architecture = model.config.architecture
    if architecture not in _code:
        try:
            code = import_module(f"polishgen.decoding.{architecture}")
            CompiledDecoder(code, model).step(0)
        except ImportError:
            code = None
        except Exception as error:  # Numba meets a processor or a Python that it does not know.
            warnings.warn(f"decoding through PyTorch, as Numba failed: {error}", stacklevel=2)
            code = None
        _code[architecture] = code
    return _code[architecture]


def compile_in_background() -> threading.Thread:
    """Compiles all steps, or fetches them from the cache; until then PyTorch decodes.

    For programs that are to answer at once: the same seed may give another text before and after.
    """
    compiling.update(STEPS)

    def run() -> None:
        try:
            for architecture in STEPS:
                compile_elsewhere(architecture)
                compile_step(architecture)
        finally:
            compiling.clear()  # all at once, so that a chorus's members decode by one backend

    thread = threading.Thread(target=run, name="compile", daemon=True)
    thread.start()
    return thread


def is_cached() -> bool:
    """Whether all steps have been compiled here before, so that they only need to be loaded."""
    try:
        from polishgen.decoding.cache import FOLDER
    except ImportError:
        return False
    return bool(FOLDER) and all((FOLDER / f"{each}.done").exists() for each in STEPS)


def compile_step(architecture: str) -> None:
    """Compiles an architecture's step, or fetches it from the cache."""
    compiled_code(build_model(preset_config(architecture, "compact", vocab_size=2)))


ELSEWHERE = """
import sys
sys.path = sys.argv[2:]
from polishgen.decoding.decoder import compile_step
compile_step(sys.argv[1])
"""


def compile_elsewhere(architecture: str) -> None:
    """Lets another process fill the cache: the compiler would hold this one's interpreter lock.

    Nothing to do if it has been filled before, or if there is none.
    """
    try:
        from polishgen.decoding.cache import FOLDER
    except ImportError:
        return
    done = FOLDER and FOLDER / f"{architecture}.done"
    if done and not done.exists():
        command = [sys.executable, "-c", ELSEWHERE, architecture, *sys.path]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            done.touch()


def quantised_weights(code: ModuleType, model: nn.Module) -> Any:
    """The model's weights as its compiled step wants them, made anew if they have changed."""
    version = tuple(
        (p.data_ptr(), 0 if p.is_inference() else p._version) for p in model.parameters()
    )
    known = _weights.get(model)
    if known is None or known[0] != version:
        with torch.no_grad():
            known = _weights[model] = (version, code.make_weights(model))
    return known[1]
