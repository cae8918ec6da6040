"""From logits to the next token: penalty, temperature, top-k, top-p, min-p, and the draw.

Names, meanings and order are Hugging Face's. Notable:
- all of it is float64, and the draw inverts the cumulative distribution at one uniform number, so a
  seed means the same text whatever order the vocabulary was summed in.
- nothing sorts the vocabulary: for top-p the two thousand likeliest tokens are enough most of
  the time, and else tokens that could not reach the nucleus even all together are dropped first.
"""

import math

import torch
from torch import Tensor

from polishgen.errors import PolishgenError
from polishgen.parameters import SamplingConfig

DEFAULT_SAMPLING = SamplingConfig()
# A threshold relative to the likeliest token lets a word begin in many ways and end in few: of as
# many real words it makes more various texts than top-p does.
# "report" is what the report did: draw from the model's distribution as it is.
SAMPLING_PRESETS: dict[str, SamplingConfig] = {
    "careful": SamplingConfig(temperature=0.8, min_p=0.08),
    "balanced": DEFAULT_SAMPLING,
    "wild": SamplingConfig(temperature=1.2, min_p=0.02),
    "report": SamplingConfig(min_p=0.0),
}


def describe(sampling: SamplingConfig) -> str:
    """The temperature and the filters that are on, as in "temperature 1, min-p 0.04"."""
    filters = {
        "top-k": (sampling.top_k, 0),
        "top-p": (sampling.top_p, 1),
        "min-p": (sampling.min_p, 0),
        "repetition penalty": (sampling.repetition_penalty, 1),
    }
    on = [f"{name} {value:g}" for name, (value, off) in filters.items() if value != off]
    return ", ".join([f"temperature {sampling.temperature:g}", *on])


# The nucleus is first looked for among so many: picking them takes a tenth of sorting all.
LIKELY_TOKENS = 2048

# Divisors below this would overflow; at this temperature the likeliest token is certain anyway.
LOWEST_TEMPERATURE = 1e-9


def apply_repetition_penalty(logits: Tensor, seen_tokens: Tensor, penalty: float) -> Tensor:
    """Logits (V,) with those of `seen_tokens` (n,) int64 divided by `penalty`, or times it if < 0.

    A token counts once however often it was seen.
    """
    if penalty == 1.0 or not len(seen_tokens):
        return logits
    seen = logits[seen_tokens]
    penalised = torch.where(seen < 0, seen * penalty, seen / penalty)
    return logits.index_put((seen_tokens,), penalised)


def keep_top_k(probabilities: Tensor, k: int) -> Tensor:
    """The k largest of `probabilities` (V,) and what ties with the last of them; 0 elsewhere.

    Not renormalised, here and in the other filters. k = 0 keeps all.
    """
    if not 0 < k < len(probabilities):
        return probabilities
    border = probabilities.topk(k, sorted=False).values.min()
    return torch.where(probabilities >= border, probabilities, 0.0)


def keep_top_p(probabilities: Tensor, p: float) -> Tensor:
    """The fewest of `probabilities` (V,) that make up at least `p` of their sum; 0 elsewhere.

    Of equally likely tokens at the border those with the lowest ids stay. At least one stays.
    """
    if p >= 1.0:
        return probabilities
    total = probabilities.sum()
    candidates = probabilities.topk(min(LIKELY_TOKENS, len(probabilities))).values
    if candidates.sum() < p * total:
        # All the rest together is less than 1 - p: the nucleus is found without it.
        candidates = probabilities[probabilities > total * ((1.0 - p) / len(probabilities))]
        candidates = candidates.sort(descending=True).values
    before = candidates.cumsum(0) - candidates
    count = int((before < p * total).sum())
    border = candidates[count - 1]
    kept = torch.where(probabilities >= border, probabilities, 0.0)
    surplus = int(kept.count_nonzero()) - count
    if surplus:
        tied = (probabilities == border).nonzero()[:, 0]
        kept[tied[-surplus:]] = 0.0
    return kept


def keep_min_p(probabilities: Tensor, min_p: float) -> Tensor:
    """Those of `probabilities` (V,) that are at least `min_p` times the largest; 0 elsewhere."""
    if min_p == 0.0:
        return probabilities
    return torch.where(probabilities >= min_p * probabilities.max(), probabilities, 0.0)


def next_token_distribution(logits: Tensor, seen_tokens: Tensor, config: SamplingConfig) -> Tensor:
    """Probabilities (V,) float64 from which the next token is drawn.

    logits: (V,), -inf allowed where a token must not come. seen_tokens: (n,) int64, the tokens that
    the repetition penalty counts. `PolishgenError` if no token is possible or a logit is NaN.
    """
    logits = apply_repetition_penalty(logits.double(), seen_tokens, config.repetition_penalty)
    top = logits.max()
    if not math.isfinite(top):
        raise PolishgenError("the model's logits are not finite: its weights are damaged")
    if config.temperature == 0.0:
        return torch.zeros_like(logits).index_fill(0, logits.argmax(), 1.0)
    temperature = max(config.temperature, LOWEST_TEMPERATURE)
    probabilities = torch.softmax((logits - top) / temperature, dim=0)
    probabilities = keep_top_k(probabilities, config.top_k)
    probabilities = keep_top_p(probabilities, config.top_p)
    probabilities = keep_min_p(probabilities, config.min_p)
    return probabilities / probabilities.sum()


def sample_token(
    logits: Tensor, seen_tokens: Tensor, config: SamplingConfig, generator: torch.Generator
) -> int:
    """Draws a token; arguments as in `next_token_distribution`.

    Takes one number from `generator`, none at temperature 0.
    """
    probabilities = next_token_distribution(logits, seen_tokens, config)
    if config.temperature == 0.0:
        return int(probabilities.argmax())
    cumulative = probabilities.cumsum(0)
    total = cumulative[-1:]
    uniform = torch.rand(1, dtype=torch.float64, generator=generator)
    index = torch.searchsorted(cumulative, uniform * total, right=True)
    # Rounding must not carry the draw past the last possible token.
    return min(int(index), int(torch.searchsorted(cumulative, total)))
