"""How fast the models decode: with their state, and the way the report did it.

The report ran the whole of the last window through the model anew for every token.
Both ways run here in one process, on the same weights, with the same seed; up to a context length
they must write the same text, and the table says whether they did.
"""

import time
from dataclasses import dataclass
from statistics import median

import torch

from polishgen.errors import check_int
from polishgen.language_model import LanguageModel
from polishgen.parameters import GenerationConfig
from polishgen.sampling import sample_token

PROMPT = "Pewnego razu młody książe"


@dataclass(frozen=True)
class DecodingSpeed:
    """One model's figures: medians over the repeats, times in seconds, rates in tokens a second."""

    model: str
    tokens: int
    first_token_seconds: float
    tokens_per_second: float
    window_tokens_per_second: float
    same_text: bool

    @property
    def speedup(self) -> float:
        """Decoding with state against re-running the window."""
        return self.tokens_per_second / self.window_tokens_per_second


def measure_decoding(
    lm: LanguageModel, new_tokens: int = 200, repeats: int = 3, prompt: str = PROMPT
) -> DecodingSpeed:
    """Decodes `new_tokens` both ways, in turn, `repeats` times.

    A run that ends early, at a document boundary, counts with the tokens that it made.
    """
    check_int("tokens", new_tokens, 1, 10_000)
    check_int("repeats", repeats, 1, 100)
    config = GenerationConfig(max_new_tokens=new_tokens, seed=0, starts_new_word=False)
    rates, window_rates, firsts, same = [], [], [], True
    for _ in range(repeats):
        pieces = list(lm.stream(prompt, **dict(config)))
        tokens = [token for piece in pieces for token in piece.token_ids]
        firsts.append(pieces[0].seconds)
        rates.append(len(tokens) / pieces[-1].seconds)
        started = time.perf_counter()
        window_tokens = decode_by_window(lm, prompt, config)
        window_rates.append(len(window_tokens) / (time.perf_counter() - started))
        same &= tokens == window_tokens
    return DecodingSpeed(
        lm.name, len(tokens), median(firsts), median(rates), median(window_rates), same
    )


@torch.inference_mode()
def decode_by_window(lm: LanguageModel, prompt: str, config: GenerationConfig) -> list[int]:
    """New tokens, each from the whole of the last `context_length` tokens, as in the report."""
    model, boundary = lm.model, lm.tokenizer.boundary_id
    generator = torch.Generator().manual_seed(config.seed)
    tokens = [boundary, *lm.tokenizer.encode(prompt)]
    start = len(tokens)
    while len(tokens) < start + config.max_new_tokens:
        window = torch.tensor([tokens[-model.config.context_length :]])
        logits = model(window.to(next(model.parameters()).device))[0][0, -1].cpu()
        seen = torch.tensor(sorted(set(tokens)))
        tokens.append(sample_token(logits, seen, config, generator))
        if tokens[-1] == boundary:
            break
    return tokens[start:]


def speed_table(speeds: list[DecodingSpeed]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| model | tokens | first token (ms) | tokens/s | tokens/s re-running the window "
        "| speed-up | same text |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {speed.model} | {speed.tokens} | {1000 * speed.first_token_seconds:.1f} "
        f"| {speed.tokens_per_second:.1f} | {speed.window_tokens_per_second:.1f} "
        f"| {speed.speedup:.1f}× | {'yes' if speed.same_text else 'no'} |"
        for speed in speeds
    ]
    return "\n".join(lines)
