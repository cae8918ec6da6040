"""What goes on inside a model as it reads a text: surprise token by token, and BDH's neurons.

A character that several tokens share cannot be shown in parts, so tokens are grouped until
they make whole characters; the bits of a group are those of its tokens together.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from polishgen.errors import ParameterError
from polishgen.language_model import LanguageModel
from polishgen.models.bdh import BDH, ROTARY_BASE
from polishgen.models.gru import GRU
from polishgen.models.rotary import rotary_factors, rotate
from polishgen.models.transformer import RollingCache, Transformer
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


def read_tokens(lm: LanguageModel, text: str, n_alternatives: int = 8) -> Iterator[ReadToken]:
    """How `lm` reads `text`, of one character at least.

    The tokens' texts joined are the text as `normalise` makes it. It is read a chunk at a time, as
    tokens are asked for.
    """
    n_alternatives = check(
        "n_alternatives", n_alternatives, number(int, ge=1, le=lm.tokenizer.n_vocab)
    )
    return read_chunks(lm, lm.text_tokens(text), n_alternatives)


def read_chunks(lm: LanguageModel, tokens: list[int], n_alternatives: int) -> Iterator[ReadToken]:
    """The ReadTokens of `read_tokens`."""
    bits, ranks, alternatives = [], [], []
    groups = iter(whole_characters(lm, tokens))
    group, characters = next(groups)
    for targets, log_probabilities in lm.log_probabilities(tokens):
        own = log_probabilities.gather(1, targets[:, None])
        bits += (-own[:, 0] / math.log(2)).tolist()
        ranks += ((log_probabilities > own).sum(1) + 1).tolist()
        top = log_probabilities.topk(n_alternatives)
        for ids, values in zip(top.indices.tolist(), top.values.exp().tolist(), strict=True):
            shown = (lm.tokenizer.decode([token]) for token in ids)
            alternatives.append(tuple(zip(shown, values, strict=True)))
        while group and group[-1] < len(bits):
            ids, first = tuple(tokens[i] for i in group), group[0]
            total = math.fsum(bits[i] for i in group)
            yield ReadToken(characters, ids, total, ranks[first], alternatives[first])
            group, characters = next(groups, ([], ""))


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


@torch.inference_mode()
def memory_weights(lm: LanguageModel, tokens: Sequence[int]) -> Tensor:
    """What of each token the model's memory gives it as it reads the last one, of 1 or more.

    (n_layers, n_heads, T) shares for the last T `tokens`, as many as the model's memory holds (the
    Transformer's is one window of context_length - 1):
    - Transformer: attention weights, which sum to 1 over the tokens.
    - BDH: a token's part in a = ρ x, what the last token's x reads from the synapses: the length
      along a of what that token wrote there, as a share of a's own. Sums to 1, parts may be
      negative, and the last token recalls nothing of itself.
    - GRU, one head: the share of the state that was written at that token and has passed all update
      gates since, the mean over units. The start state's zeros keep what is missing to 1.

    `ParameterError` for a model of another architecture.
    """
    remember = MEMORIES.get(lm.architecture)
    if remember is None:
        raise ParameterError("model", lm.name, "one of " + ", ".join(MEMORIES))
    return remember(lm.model, torch.tensor(tokens, device=next(lm.model.parameters()).device))


def attention_weights(model: Transformer, tokens: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) of the last token, in each layer and head, over one window."""
    _, state = model(tokens[None, 1 - model.config.context_length :])
    layers = state.layers if isinstance(state, RollingCache) else state.older
    scores = [layer.queries @ layer.keys.mT / layer.keys.shape[-1] ** 0.5 for layer in layers]
    return torch.stack(scores)[:, 0, :, 0].softmax(-1)


def synapse_weights(model: BDH, tokens: Tensor) -> Tensor:
    """(x_t · Uᵃ x_s) v_s along their sum a, in each layer and head; `a` tokens lie between."""
    _, _, activity = model(tokens[None], return_activity=True)
    n_heads, width, neurons = model.encoder.shape
    v = F.layer_norm(model.embedding(tokens), (width,))
    turn = rotary_factors(0, len(tokens), neurons, ROTARY_BASE, like=v)
    age = torch.arange(len(tokens), device=v.device).flip(0)
    half_lives = torch.tensor(model.config.half_lives or [math.inf] * n_heads, device=v.device)
    left = torch.exp2(-age / half_lives[:, None]).to(v.dtype) * (age > 0)
    shares = []
    for x, y in activity:
        turned = rotate(x, turn)[:, 0]
        scores = (turned @ turned[:, -1, :, None])[..., 0] * left  # (n_heads, T)
        a = scores @ v
        shares.append(scores * (a @ v.mT) / a.square().sum(-1, keepdim=True).clamp(min=1e-30))
        update = (x * y)[:, 0].transpose(0, 1).flatten(1) @ model.decoder
        v = F.layer_norm(v + F.layer_norm(update, (width,)), (width,))
    return torch.stack(shares)


def gate_weights(model: GRU, tokens: Tensor) -> Tensor:
    """(1 - z_s) z_{s+1} … z_t, the mean over units, in each layer; z are the update gates."""
    x, shares = model.embedding(tokens), []
    for w_i, w_h, b_i, b_h in model.gru.all_weights:
        h, states, gates = torch.zeros_like(w_h[0]), [], []
        for given in F.linear(x, w_i, b_i):
            (r, z, n), (r_h, z_h, n_h) = given.chunk(3), F.linear(h, w_h, b_h).chunk(3)
            z = torch.sigmoid(z + z_h)
            h = (1 - z) * torch.tanh(n + torch.sigmoid(r + r_h) * n_h) + z * h
            states.append(h)
            gates.append(z)
        x, z = torch.stack(states), torch.stack(gates)
        passed = torch.cat([z[1:], torch.ones_like(z[:1])]).flip(0).cumprod(0).flip(0)
        shares.append(((1 - z) * passed).mean(1)[None])
    return torch.stack(shares)


MEMORIES = {"transformer": attention_weights, "bdh": synapse_weights, "gru": gate_weights}


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
