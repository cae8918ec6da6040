"""From logits to the next token: penalty, temperature, top-k, top-p, min-p, and the draw.

Names, meanings and order are Hugging Face's. All of it is float64, and the draw inverts the
cumulative distribution at one uniform number, so a seed means the same text whatever computed the
logits. Tokens that no filter could let pass are dropped first: mostly a few dozen are left.
"""

import math

import numpy as np

from polishgen.errors import PolishgenError
from polishgen.parameters import SamplingConfig

DEFAULT_SAMPLING, DEFAULT_PRESET = SamplingConfig(), "balanced"
# A threshold relative to the likeliest token lets a word begin in many ways and end in few: of as
# many real words it makes more various texts than top-p does.
# "report" is what the report did: draw from the model's distribution as it is, and write that.
SAMPLING_PRESETS: dict[str, SamplingConfig] = {
    "careful": SamplingConfig(temperature=0.8, min_p=0.05),
    DEFAULT_PRESET: DEFAULT_SAMPLING,
    "wild": SamplingConfig(temperature=1.2, min_p=0.02),
    "report": SamplingConfig(temperature=1.0, min_p=0.0, drafts=1),
}


def describe(sampling: SamplingConfig) -> str:
    """The temperature and whatever else is on, as in "temperature 1, min-p 0.05"."""
    filters = {
        "top-k": (sampling.top_k, 0),
        "top-p": (sampling.top_p, 1),
        "min-p": (sampling.min_p, 0),
        "repetition penalty": (sampling.repetition_penalty, 1),
    }
    on = [f"{name} {value:g}" for name, (value, off) in filters.items() if value != off]
    if sampling.drafts > 1:
        on.append(f"at most {sampling.drafts} drafts per sentence")
    return ", ".join([f"temperature {sampling.temperature:g}", *on])


# Divisors below this would overflow; at this temperature the likeliest token is certain anyway.
LOWEST_TEMPERATURE = 1e-9


def candidates(
    logits: np.ndarray, seen: np.ndarray, config: SamplingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that may come next (n,), ascending, and their weights (n,) float64, from 0 to 1.

    logits: (V,), -inf allowed where a token must not come. seen: (V,) bool, the tokens that the
    repetition penalty counts. `PolishgenError` if no token is possible or a logit is NaN.
    """
    logits = logits.astype(np.float64)
    if config.repetition_penalty != 1.0:
        penalty = config.repetition_penalty
        logits = np.where(seen, np.where(logits < 0, logits * penalty, logits / penalty), logits)
    top = logits.max()
    if not math.isfinite(top):
        raise PolishgenError("the logits are not finite: the model's weights are damaged")
    if config.temperature == 0.0:
        return logits.argmax(keepdims=True), np.ones(1)
    logits -= top
    logits /= max(config.temperature, LOWEST_TEMPERATURE)
    if config.min_p and config.top_p == 1.0:
        # A little less than min-p's border; top-p would count what is dropped here.
        tokens = np.flatnonzero(logits >= math.log(config.min_p) - 1e-9)
        logits = logits[tokens]
    else:
        tokens = np.arange(len(logits))
    weights = np.exp(logits)
    if config.top_k:
        kept = keep_top_k(weights, config.top_k)
        tokens, weights = tokens[kept], weights[kept]
    if config.top_p < 1.0:
        kept = keep_top_p(weights, config.top_p)
        tokens, weights = tokens[kept], weights[kept]
    if config.min_p:
        kept = weights >= config.min_p
        tokens, weights = tokens[kept], weights[kept]
    return tokens, weights


def keep_top_k(weights: np.ndarray, k: int) -> np.ndarray:
    """Which of `weights` (n,) are the k largest or tie with the last of them."""
    if k >= len(weights):
        return np.ones(len(weights), bool)
    return weights >= np.partition(weights, -k)[-k]


def keep_top_p(weights: np.ndarray, p: float) -> np.ndarray:
    """Which of `weights` (n,) are the fewest that make up at least `p` of their sum.

    Of equally likely ones at the border those that come first stay. At least one stays.
    """
    total = weights.sum()
    # Weights this small are less than 1 - p all together: the nucleus is found without them.
    descending = np.sort(weights[weights > total * ((1.0 - p) / len(weights))])[::-1]
    before = descending.cumsum() - descending
    count = np.count_nonzero(before < p * total)
    border = descending[count - 1]
    kept = weights >= border
    surplus = np.count_nonzero(kept) - count
    if surplus:
        kept[np.flatnonzero(weights == border)[-surplus:]] = False
    return kept


def sample_token(
    logits: np.ndarray, seen: np.ndarray, config: SamplingConfig, generator: np.random.Generator
) -> int:
    """Draws a token; arguments and errors as in `candidates`.

    Takes one number from `generator`, none at temperature 0.
    """
    tokens, weights = candidates(logits, seen, config)
    if config.temperature == 0.0:
        return int(tokens[0])
    cumulative = weights.cumsum()
    index = cumulative.searchsorted(generator.random() * cumulative[-1], side="right")
    # Rounding must not carry the draw past the last possible token.
    return int(tokens[min(index, cumulative.searchsorted(cumulative[-1]))])
