"""Texts for the evaluation: fixed prompts, every sampling preset, seeds from 0.

Rows of one prompt are decoded together, each with its own preset and random numbers, and give what
`LanguageModel.generate` gives for the same prompt, preset and seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import nn

from polishgen.bench import PROMPT
from polishgen.generate import mask_first_token
from polishgen.language_model import LanguageModel
from polishgen.parameters import SamplingConfig
from polishgen.sampling import sample_token
from polishgen.tokenizer import Tokenizer
from training.measures.words import words_written

PROMPTS = (
    "",
    PROMPT,
    "Wieczorem nad rzeką",
    "— Nie pójdę tam —",
    "Stary młynarz otworzył drzwi i",
    "W mieście mówiono, że",
    "Kiedy wojna się skończyła,",
    "Matka spojrzała na nią i",
    "Las był cichy,",
    "Profesor zapalił cygaro.",
    "Na dworcu czekało już wielu",
)
NEW_TOKENS = 200
FIRST_SEEDS = 2
# A preset whose texts are too short gets more seeds, but not for ever.
MOST_SEEDS = 20


@dataclass(frozen=True)
class Sample:
    """One continuation; `ended` if the model ended the document, not the limit of tokens."""

    prompt: str
    preset: str
    seed: int
    text: str
    ended: bool

    @property
    def words(self) -> list[str]:
        """The words that the model wrote, as written; one that the limit cut off is left out."""
        return words_written(self.prompt, self.text, self.ended)


def generate_samples(
    lm: LanguageModel,
    presets: Mapping[str, SamplingConfig],
    min_words: int,
    prompts: Sequence[str],
    new_tokens: int,
) -> dict[str, list[Sample]]:
    """For each preset, continuations of all prompts, with as many seeds as give `min_words`.

    Words of two letters or more count. At least `FIRST_SEEDS` seeds, at most `MOST_SEEDS`.
    """
    samples: dict[str, list[Sample]] = {preset: [] for preset in presets}
    rounds = [range(FIRST_SEEDS), *([seed] for seed in range(FIRST_SEEDS, MOST_SEEDS))]
    for seeds in rounds:
        wanted = [preset for preset in presets if count_words(samples[preset]) < min_words]
        draws = list(product(wanted, seeds))
        for prompt in prompts if wanted else ():
            rows = [(presets[preset], seed) for preset, seed in draws]
            written = continue_prompt(lm.model, lm.tokenizer, prompt, rows, new_tokens)
            for (preset, seed), tokens in zip(draws, written, strict=True):
                ended = len(tokens) < new_tokens
                text = lm.tokenizer.decode(tokens)
                samples[preset].append(Sample(prompt, preset, seed, text, ended))
    return samples


def count_words(samples: Sequence[Sample]) -> int:
    """Words of two letters or more."""
    return sum(len(word) > 1 for sample in samples for word in sample.words)


@torch.inference_mode()
def continue_prompt(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompt: str,
    rows: Sequence[tuple[SamplingConfig, int]],
    new_tokens: int,
) -> list[list[int]]:
    """New tokens of each (sampling, seed) row, `new_tokens` or fewer if the document ended."""
    device, boundary = next(model.parameters()).device, tokenizer.boundary_id
    tokens = torch.tensor([[boundary, *tokenizer.encode(prompt)]] * len(rows))
    generators = [torch.Generator().manual_seed(seed) for _, seed in rows]
    seen = torch.zeros(len(rows), tokenizer.n_vocab, dtype=torch.bool)
    seen.scatter_(1, tokens, True)
    written: list[list[int]] = [[] for _ in rows]
    running = set(range(len(rows)))
    state = None
    for place in range(new_tokens):
        logits, state = model(tokens.to(device), state)
        logits = logits[:, -1].cpu()
        if not place:
            logits = mask_first_token(logits, tokenizer, prompt, starts_new_word=True)
        # Rows that ended go on reading boundaries, which nobody looks at.
        tokens = torch.full((len(rows), 1), boundary)
        for row in sorted(running):
            seen_tokens = seen[row].nonzero()[:, 0]
            token = sample_token(logits[row], seen_tokens, rows[row][0], generators[row])
            if token == boundary:
                running.discard(row)
                continue
            written[row].append(token)
            seen[row, token] = True
            tokens[row, 0] = token
        if not running:
            break
    return written


def first_sample(lm: LanguageModel) -> dict[str, str | int]:
    """What the model writes after `PROMPT` with all defaults and the first seed."""
    return {"prompt": PROMPT, "seed": 0, "text": lm.generate(PROMPT, seed=0)}
