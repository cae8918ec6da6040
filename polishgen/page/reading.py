"""Looking inside: surprise token by token, what a model looked back at, and BDH's neurons.

What was read is cached by model and text, so that a click on a token finds it again.
"""

import copy
import math
import re
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from polishgen.errors import ParameterError
from polishgen.evaluation import TextLoss
from polishgen.introspection import (
    NeuronActivity,
    ReadToken,
    memory_weights,
    neuron_activity,
    read_tokens,
    token_selective_neurons,
)
from polishgen.language_model import LanguageModel
from polishgen.page.line import Event
from polishgen.page.models import model_named, models, single_names
from polishgen.page.writing import MAX_TEXT, check_tokens
from polishgen.parameters import check, number, string

PROSE = (Path(__file__).parent / "prose.txt").read_text(encoding="utf-8").strip()
READ_TOKENS, NEURON_TOKENS, INFLUENCE_TOKENS, PART_TOKENS = 2_000, 1_000, 512, 256
N_ALTERNATIVES, N_NEURONS = 8, 12
# Of what a neuron fires in all, what it fires at a word to be named after it.
LEAST_SHARE = 0.25
# Readings by model and text, the latest last.
KEPT_READINGS = 64
readings: dict[tuple[str, str], tuple[ReadToken, ...]] = {}
LETTERS = re.compile(r"\w{3,}")


def check_reading(request: dict, limit: int) -> str:
    """The request's text, which has at least one token and at most `limit` of any model here."""
    text = check("text", request.get("text"), string(MAX_TEXT)).strip()
    if not text:
        raise ParameterError("text", text, "at least one character long")
    for name in models():
        check_tokens("text", text, name, limit)
    return text


def read(request: dict) -> Iterator[Event]:
    """Each model's reading of a text, then BDH's neurons over it."""
    text = check_reading(request, READ_TOKENS)
    chosen = request.get("models")
    if not isinstance(chosen, list) or not chosen:
        raise ParameterError("models", chosen, "a list of at least one model")
    for name in chosen:
        model_named(name)
    return read_by(text, chosen)


def read_by(text: str, chosen: list[str]) -> Iterator[Event]:
    """Events {"model", "bits_per_byte", "tokens"}: a token is [text, bits, rank, alternatives];
    {"neurons"}.

    Before them, from time to time, {"reading": model}: there a visitor can stop.
    """
    for name in chosen:
        tokens = yield from reading_in_parts(name, text)
        nats = math.log(2) * math.fsum(token.bits for token in tokens)
        n_bytes = len("".join(token.text for token in tokens).encode())
        yield {
            "model": name,
            "bits_per_byte": TextLoss(nats, len(tokens), n_bytes).bits_per_byte,
            "tokens": [[t.text, round(t.bits, 3), t.rank, rounded(t.alternatives)] for t in tokens],
        }
    bdh = the_bdh()
    if bdh is not None and bdh in chosen:
        yield from neurons(bdh, text)


def rounded(alternatives: tuple[tuple[str, float], ...]) -> list[list]:
    """Alternatives as the page takes them."""
    return [[text, round(share, 5)] for text, share in alternatives]


def reading_in_parts(name: str, text: str) -> Generator[Event, None, tuple[ReadToken, ...]]:
    """How the model `name` reads a text, read once; events {"reading": name} on the way."""
    tokens = readings.get((name, text), ())
    if not tokens:
        read = read_tokens(models()[name], text, N_ALTERNATIVES)
        while part := tuple(islice(read, PART_TOKENS)):
            tokens += part
            yield {"reading": name}
        readings[name, text] = tokens
        while len(readings) > KEPT_READINGS:
            readings.pop(next(iter(readings)), None)
    return tokens


def reading(name: str, text: str) -> tuple[ReadToken, ...]:
    """How the model `name` reads a text."""
    parts = reading_in_parts(name, text)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return end.value


def influence_of(request: dict) -> Iterator[Event]:
    """What earlier tokens did to one token, by each model that has the same tokens.

    Events {"model", "weights", "memory"}, see `influence` and `memory`; while a text is read that
    is not known any more, {"reading": model}.
    """
    text, name = check_reading(request, READ_TOKENS), request.get("model")
    model_named(name)
    return influences(name, text, request.get("token"))


def influences(name: str, text: str, token: object) -> Iterator[Event]:
    """The events of `influence_of`; how many tokens there are is only known once they are read."""
    tokens = yield from reading_in_parts(name, text)
    index = check("token", token, number(int, ge=0, lt=len(tokens)))
    digest = models()[name].tokenizer.digest
    for each in single_names():
        if models()[each].tokenizer.digest == digest:
            yield from reading_in_parts(each, text)
            told = {"weights": influence(each, text, index), "memory": memory(each, text, index)}
            yield {"model": each} | told


def tokens_of(lm: LanguageModel, groups: Sequence[ReadToken]) -> tuple[list[int], list[int]]:
    """The boundary and the tokens of `groups`, the last of them if they are many; their sizes."""
    tokens = [lm.tokenizer.boundary_id, *(token for group in groups for token in group.token_ids)]
    return tokens[-INFLUENCE_TOKENS:], [1, *(len(group.token_ids) for group in groups)]


def by_group(parts: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Sums of (…, T) over groups of such sizes; tokens before the last T count nothing."""
    parts = nn.functional.pad(parts, (sum(sizes) - parts.shape[-1], 0))
    return torch.stack([part.sum(-1) for part in parts.split(sizes, -1)], -1)


@lru_cache(maxsize=256)
def influence(name: str, text: str, index: int) -> list[float]:
    """Each earlier token's part in the logit of token `index`: parts of 1, for ReadTokens.

    Gradient times input (arXiv 1312.6034, 1605.01713): the length of the token's embedding times
    the logit's gradient by it. The same question for every architecture, whatever it remembers by.
    The network is a private copy that shares the weights, as its embedding is replaced by the rows
    of this text.
    """
    lm, groups = models()[name], reading(name, text)
    target = groups[index].token_ids[0]
    tokens, sizes = tokens_of(lm, groups[:index])
    network = private_copy(lm)
    weights = network.embedding.weight.detach()
    rows = weights[torch.tensor([*tokens, target])].requires_grad_()
    del network.embedding.weight
    network.embedding = Rows(rows, weights)
    with torch.enable_grad():
        logits, _ = network(torch.tensor([tokens]), None)
        [gradient] = torch.autograd.grad(logits[0, -1, target], rows)
    parts = (gradient[: len(tokens)] * rows[: len(tokens)]).detach().norm(dim=1)
    sums = by_group(parts, sizes)[1:]  # without the boundary, which is no text
    return (sums / (sums.sum() or 1.0)).double().round(decimals=4).tolist()


def memory(name: str, text: str, index: int) -> list[list[list[float]]]:
    """`memory_weights` when token `index` has been read, by layer and head.

    For the document boundary and the ReadTokens up to this one.
    """
    lm = models()[name]
    tokens, sizes = tokens_of(lm, reading(name, text)[: index + 1])
    return by_group(memory_weights(lm, tokens), sizes).double().round(decimals=4).tolist()


class Rows(nn.Module):
    """Stands for an embedding while one text is read: gives `rows` in turn, one per token."""

    def __init__(self, rows: torch.Tensor, weight: torch.Tensor):
        super().__init__()
        self.rows, self.weight = rows, weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The first rows, (1, T, width), for `tokens` (1, T)."""
        return self.rows[None, : tokens.shape[1]]


def private_copy(lm: LanguageModel) -> nn.Module:
    """The model as a module of one's own, sharing the weights."""
    shared = [*lm.model.parameters(), *lm.model.buffers()]
    return copy.deepcopy(lm.model, {id(tensor): tensor for tensor in shared})


def the_bdh() -> str | None:
    """The first served model that is a BDH."""
    found = (n for n, lm in models().items() if lm.architecture == "bdh")
    return next(found, None)


def neuron_sizes() -> dict | None:
    """Layers and neurons of the BDH that is served, if any."""
    name = the_bdh()
    if name is None:
        return None
    config = models()[name].model.config
    return {"model": name, "layers": config.n_layers, "neurons": config.n_neurons}


@lru_cache(maxsize=4)
def activity_of(name: str, text: str) -> NeuronActivity:
    """BDH's neurons over a text; large, so only the last few are kept."""
    return neuron_activity(models()[name], text)


def neurons(name: str, text: str) -> Iterator[Event]:
    """{"neurons"}: shares of active ones by layer on this text, and those that tell a word.

    A neuron is only named after a word if it also fires at that word in a second text.
    """
    tokenizer = models()[name].tokenizer
    text = tokenizer.decode(tokenizer.encode(text)[:NEURON_TOKENS])
    yield {"reading": name}
    first = activity_of(name, text)
    yield {"reading": name}
    second = activity_of(name, second_text(text))
    telling = []
    for found in token_selective_neurons(first, n_neurons=1000, min_times=2):
        again = firing_at(second, found.layer, found.neuron, found.text)
        whole = is_word(first, found.text) and is_word(second, found.text)
        if whole and min(found.share, again) >= LEAST_SHARE:
            telling.append(
                {
                    "layer": found.layer + 1,
                    "neuron": found.neuron,
                    "text": found.text,
                    "share": round(found.share, 3),
                    "again": round(again, 3),
                }
            )
    yield {
        "neurons": {
            "active": [round(share, 4) for share in first.shares["x"]],
            "firing": [round(share, 4) for share in first.shares["x·y"]],
            "telling": telling[:N_NEURONS],
        }
    }


def second_text(text: str) -> str:
    """Another text to check finds on: the page of prose, or for a part of that, its other half."""
    if text not in PROSE and PROSE not in text:
        return PROSE
    half = PROSE.index("\n\n", len(PROSE) // 2)
    return PROSE[half:].strip() if PROSE.find(text[:40]) < half else PROSE[:half]


def firing_at(activity: NeuronActivity, layer: int, neuron: int, word: str) -> float:
    """The share of a neuron's firing that is at `word`."""
    places = [i for i, text in enumerate(activity.texts) if text.strip().lower() == word]
    values = activity.firing[layer, :, neuron].float()
    return float(values[places].sum() / values.sum()) if values.any() else 0.0


def is_word(activity: NeuronActivity, token: str) -> bool:
    """Whether a token is a word of at least three letters wherever it stands, never a part."""
    if not LETTERS.fullmatch(token):
        return False
    texts = [*activity.texts, " "]
    places = [i for i, text in enumerate(texts) if text.strip().lower() == token]
    return all(texts[i].startswith((" ", "\n")) or i == 0 for i in places) and not any(
        texts[i + 1][:1].isalnum() for i in places
    )


def neuron(request: dict) -> Iterator[Event]:
    """How strongly one neuron fires at each token: {"tokens": [[text, part of its strongest]]}."""
    name, sizes = the_bdh(), neuron_sizes()
    if name is None or sizes is None:
        raise ParameterError("model", None, "a BDH, and none is served here")
    text = check_reading(request, READ_TOKENS)
    layer = check("layer", request.get("layer"), number(int, ge=1, le=sizes["layers"]))
    index = check("neuron", request.get("neuron"), number(int, ge=0, le=sizes["neurons"] - 1))
    return show_neuron(name, text, layer, index)


def show_neuron(name: str, text: str, layer: int, index: int) -> Iterator[Event]:
    """The event of `neuron`."""
    tokenizer = models()[name].tokenizer
    text = tokenizer.decode(tokenizer.encode(text)[:NEURON_TOKENS])
    activity = activity_of(name, text)
    values = activity.firing[layer - 1, :, index].tolist()
    highest, strongest, tokens = max(values) or 1.0, 0.0, []
    for value, characters in zip(values, activity.texts, strict=True):
        # A character's tokens are shown together, with the strongest of them.
        strongest = max(strongest, value)
        if characters:
            tokens.append([characters, round(strongest / highest, 3)])
            strongest = 0.0
    yield {"layer": layer, "neuron": index, "times": sum(v > 0 for v in values), "tokens": tokens}
