"""How fast the models decode: compiled, through PyTorch, and the way the report did it.

The report ran the whole of the last window through the model anew for every token. All backends run
here in one process, in turn, on the same weights, with the same seed and sampling.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from polishgen.decoding import Decoder, TorchDecoder, make_decoder
from polishgen.generate import Piece, stream_pieces
from polishgen.language_model import LanguageModel
from polishgen.models import build_model, preset_config
from polishgen.parameters import GenerationConfig, Record, number

PROMPT = "Pewnego razu młody książe"
TEN_WORDS = "Wieczorem nad rzeką siedziała stara kobieta i patrzyła na wodę"


class BenchConfig(Record):
    """How much to measure."""

    tokens: number(int, ge=1, le=10_000) = Field(200, description="tokens to decode")
    repeats: number(int, ge=1, le=100) = Field(3, description="runs of each backend")
    threads: number(int, ge=1, le=256) = Field(1, description="threads of PyTorch, 1 on the page")


@dataclass(frozen=True)
class DecodingSpeed:
    """One model decoded by one backend: medians over the repeats.

    `tokens_per_second` counts from the call to the last token; `divergence` is the mean KL
    divergence from the float64 model, in nats per token.
    """

    model: str
    backend: str
    tokens: int
    first_token_seconds: float
    tokens_per_second: float
    divergence: float


def measure_decoding(
    lm: LanguageModel, new_tokens: int = 200, repeats: int = 3, prompt: str = TEN_WORDS
) -> list[DecodingSpeed]:
    """Decodes `new_tokens` by each backend, in turn, `repeats` times, the report's slow way once.

    Without Numba nothing is compiled. A run that ends early, at a document boundary, counts
    with the tokens that it made.
    """
    config = GenerationConfig(max_new_tokens=new_tokens, seed=0, starts_new_word=False, drafts=1)
    decoders: dict[str, Callable[[nn.Module], Decoder]] = {
        "PyTorch": TorchDecoder,
        "re-running the window": WindowDecoder,
    }
    if (backend := make_decoder(lm.model).backend) != "PyTorch":
        decoders = {backend: make_decoder} | decoders
    runs: dict[str, list[list[Piece]]] = {name: [] for name in decoders}
    for decoder in decoders.values():
        next(stream_pieces(decoder(lm.model), lm.tokenizer, prompt, config))  # warm-up
    for repeat in range(repeats):
        for name, decoder in decoders.items():
            if repeat and decoder is WindowDecoder:
                continue
            pieces = stream_pieces(decoder(lm.model), lm.tokenizer, prompt, config)
            runs[name].append(list(pieces))
    written = [token for piece in runs["PyTorch"][0] for token in piece.token_ids]
    text = [*lm.tokenizer.prefix(), *lm.tokenizer.encode(prompt), *written]
    return [
        DecodingSpeed(
            lm.name,
            name,
            len(repeated[0]),
            median(pieces[0].seconds for pieces in repeated),
            median(len(pieces) / pieces[-1].seconds for pieces in repeated),
            divergence(decoders[name](lm.model), lm.model, text),
        )
        for name, repeated in runs.items()
    ]


@torch.inference_mode()
def divergence(decoder: Decoder, model: nn.Module, tokens: Sequence[int]) -> float:
    """Mean KL divergence of a decoder from the float64 model over a text, in nats per token."""
    exact = copy.deepcopy(model).double()(torch.tensor([tokens]))[0][0].log_softmax(-1)
    logits = torch.tensor(np.stack([decoder.step(token) for token in tokens]))
    return F.kl_div(
        logits.double().log_softmax(-1), exact, log_target=True, reduction="batchmean"
    ).item()


class WindowDecoder:
    """Runs the whole of the last `context_length` tokens through the model anew, as the report."""

    backend = "PyTorch"

    def __init__(self, model: nn.Module, tokens: tuple[int, ...] = ()):
        self.model, self.tokens = model, tokens

    def prefill(self, tokens: Sequence[int]) -> np.ndarray:
        self.tokens = (*self.tokens, *tokens)[-self.model.config.context_length :]
        return TorchDecoder(self.model).prefill(self.tokens)

    def step(self, token: int) -> np.ndarray:
        return self.prefill([token])

    def copy(self, into: Decoder | None = None) -> "WindowDecoder":
        return WindowDecoder(self.model, self.tokens)


def speed_table(speeds: Sequence[DecodingSpeed]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| model | backend | tokens | first token (ms) | tokens per second | KL (nats per token) |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {speed.model} | {speed.backend} | {speed.tokens} "
        f"| {1000 * speed.first_token_seconds:.1f} | {speed.tokens_per_second:,.0f} "
        f"| {speed.divergence:.6f} |"
        for speed in speeds
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class SparseSpeed:
    """Tokens per second at a share of active neurons: x, and x ⊙ y, which is what fires."""

    active: float
    firing: float
    tokens_per_second: float


@torch.no_grad()
def measure_sparsity(new_tokens: int = 200) -> list[SparseSpeed]:
    """How fast BDH's decoder is as fewer neurons are active, on random weights.

    Token vectors share a direction that the encoders lean against, each time more: which neurons
    clear that threshold still depends on the token. Logits only, without sampling.
    """
    speeds = []
    tokens = np.random.default_rng(0).integers(0, 8192, new_tokens).tolist()
    for threshold in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        torch.manual_seed(0)
        model = build_model(preset_config("bdh", "compact")).eval().requires_grad_(False)
        shared = F.normalize(
            F.layer_norm(torch.randn(model.config.width), (model.config.width,)), dim=0
        )
        model.embedding.weight += 0.02 * model.config.width**0.5 * shared
        model.decoder += 0.02 * shared
        for encoder in (model.encoder, model.encoder_v):
            # Half of a token vector's square lies along the shared direction.
            encoder -= threshold * 0.02 * 2**0.5 * shared[:, None]
        _, _, layers = model(torch.tensor([tokens]), return_activity=True)
        active = torch.stack([(x > 0).float().mean() for x, _ in layers]).mean().item()
        firing = torch.stack([(x * y > 0).float().mean() for x, y in layers]).mean().item()
        decoder = make_decoder(model)
        decoder.prefill(tokens)
        started = time.perf_counter()
        for token in tokens:
            decoder.step(token)
        speeds.append(SparseSpeed(active, firing, new_tokens / (time.perf_counter() - started)))
    return speeds


def sparsity_table(speeds: Sequence[SparseSpeed]) -> str:
    """The figures as a Markdown table."""
    lines = ["| active (x) | firing (x ⊙ y) | tokens per second |", "|---:|---:|---:|"]
    lines += [f"| {s.active:.1%} | {s.firing:.1%} | {s.tokens_per_second:,.0f} |" for s in speeds]
    return "\n".join(lines)
