"""What goes on inside a model as it reads a text: surprise token by token, and BDH's neurons.

A character that several tokens share cannot be shown in parts, so tokens are grouped until
they make whole characters; the bits of a group are those of its tokens together.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polishgen.errors import ParameterError
from polishgen.language_model import LanguageModel
from polishgen.models.bdh import BDH
from polishgen.parameters import check, number
from polishgen.tokenizer import StreamingDecoder

# BDH keeps some ten thousand numbers per token and layer while it reads.
CHUNK_TOKENS = 128


@dataclass(frozen=True)
class ReadToken:
    """One token of a text (or several that share a character) as the model saw it coming.

    `bits`: surprise, -log₂ of its probability. `rank`: how many tokens were likelier, plus one.
    `alternatives`: what the model thought likeliest there, (text, probability), likeliest first.
    Rank and alternatives are those of the first token of several.
    """

    text: str
    token_ids: tuple[int, ...]
    bits: float
    rank: int
    alternatives: tuple[tuple[str, float], ...]


def read_tokens(lm: LanguageModel, text: str, n_alternatives: int = 8) -> list[ReadToken]:
    """How `lm` reads `text`, at least one character long: the texts joined make it up again.

    Lone surrogates come back as U+FFFD.
    """
    n_alternatives = check(
        "n_alternatives", n_alternatives, number(int, ge=1, le=lm.tokenizer.n_vocab)
    )
    tokens = lm.text_tokens(text)
    bits, ranks, alternatives = [], [], []
    for targets, log_probabilities in lm.log_probabilities(tokens):
        own = log_probabilities.gather(1, targets[:, None])
        bits += (-own[:, 0] / math.log(2)).tolist()
        ranks += ((log_probabilities > own).sum(1) + 1).tolist()
        top = log_probabilities.topk(n_alternatives)
        for ids, values in zip(top.indices.tolist(), top.values.exp().tolist(), strict=True):
            shown = (lm.tokenizer.decode([token]) for token in ids)
            alternatives.append(tuple(zip(shown, values, strict=True)))
    read = []
    for group, characters in whole_characters(lm, tokens):
        first = group[0]
        ids = tuple(tokens[i] for i in group)
        total = math.fsum(bits[i] for i in group)
        read.append(ReadToken(characters, ids, total, ranks[first], alternatives[first]))
    return read


def whole_characters(lm: LanguageModel, tokens: Sequence[int]) -> list[tuple[list[int], str]]:
    """(indices of the tokens, their text) of the shortest runs of tokens that end a character."""
    decoder, runs, pending = StreamingDecoder(lm.tokenizer), [], []
    for index, token in enumerate(tokens):
        pending.append(index)
        characters = decoder.push(token)
        if characters:
            runs.append((pending, characters))
            pending = []
    if pending:
        runs.append((pending, decoder.flush()))
    return runs


@dataclass(frozen=True)
class NeuronActivity:
    """BDH's neurons at every token of a text, heads side by side.

    `shares`: the share of neurons above zero in each layer, over all tokens: of "x", of "y", and of
    both at once, "x·y", which is what a neuron passes on. `firing` (n_layers, T, n_neurons)
    float16: how much each passes on. `texts`: the T tokens' text (empty inside a character).
    """

    shares: dict[str, list[float]]
    firing: Tensor
    texts: tuple[str, ...]


@torch.inference_mode()
def neuron_activity(lm: LanguageModel, text: str) -> NeuronActivity:
    """The activity of BDH's neurons as it reads `text`; `ParameterError` for another model."""
    model = lm.model
    if not isinstance(model, BDH):
        raise ParameterError("model", lm.name, "a BDH: the others have no such neurons")
    tokens = lm.text_tokens(text)
    prefix = lm.tokenizer.prefix()
    inputs = torch.tensor([[*prefix, *tokens]], device=next(model.parameters()).device)
    state, shares, firing = None, [], []
    for chunk in inputs.split(CHUNK_TOKENS, dim=1):
        _, state, layers = model(chunk, state, return_activity=True)
        above = [torch.stack([x > 0, y > 0, x * y > 0]).double().mean((1, 2, 4)) for x, y in layers]
        shares.append(torch.stack(above, dim=1))
        passed_on = torch.stack([(x * y)[:, 0].transpose(0, 1).flatten(1) for x, y in layers])
        firing.append(passed_on.half().cpu())
    # The prefix is read, not counted.
    x, y, xy = torch.cat(shares, dim=2)[:, :, len(prefix) :].mean(2).tolist()
    firing = torch.cat(firing, dim=1)[:, len(prefix) :]
    texts = [""] * len(tokens)
    for group, characters in whole_characters(lm, tokens):
        texts[group[-1]] = characters
    return NeuronActivity({"x": x, "y": y, "x·y": xy}, firing, tuple(texts))


def active_shares(lm: LanguageModel, text: str) -> dict[str, list[float]]:
    """`NeuronActivity.shares` over `text`; empty for a model that has no such neurons."""
    return neuron_activity(lm, text).shares if isinstance(lm.model, BDH) else {}


@dataclass(frozen=True)
class TokenSelectiveNeuron:
    """A neuron that fires mostly at one token: `share` of all its firing is at `text`."""

    layer: int
    neuron: int
    text: str
    share: float


def token_selective_neurons(
    activity: NeuronActivity, n_neurons: int = 12, min_times: int = 3
) -> list[TokenSelectiveNeuron]:
    """Neurons of which one repeated token draws most of their firing, one neuron per token.

    Counts tokens, spaces aside and lower-cased, that occur `min_times` or more in the text.
    """
    places = defaultdict(list)
    for index, text in enumerate(activity.texts):
        if word := text.strip().lower():
            places[word].append(index)
    firing = activity.firing.float()
    totals = firing.sum(1)
    found = []
    for word, indices in places.items():
        if len(indices) < min_times:
            continue
        share = firing[:, indices].sum(1) / totals.clamp(min=1e-9)
        # A neuron that fired once by chance has a share of 1, too: it must fire at most of them.
        often = (firing[:, indices] > 0).float().mean(1) > 0.5
        best = int((share * often).argmax())
        layer, neuron = divmod(best, firing.shape[2])
        value = share[layer, neuron].item() * bool(often[layer, neuron])
        if value:
            found.append(TokenSelectiveNeuron(layer, neuron, word, value))
    return sorted(found, key=lambda neuron: -neuron.share)[:n_neurons]
