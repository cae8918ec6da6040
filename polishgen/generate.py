"""The decoding loop: one token at a time, with the model's state, until told to stop.

The loop knows nothing of architectures: a `Decoder` gives logits for a token, and it samples, among
tokens that keep the text UTF-8. Text leaves in whole characters, and never a part of a stop string;
a character of which the length allows a part only is left out. The end of the prompt decides on the
first token:

- after a space: tokens carry the space before their word, so a lone space at the end is something
  the model has hardly seen. It is held back, and the first new token must begin with a space.
- after a word: unless told that the word is unfinished, the first new token must not continue it.
"""

import copy
import secrets
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from polishgen.decoding import Decoder
from polishgen.drafts import SENTENCE_END, Draft, evidence
from polishgen.parameters import GenerationConfig
from polishgen.sampling import sample_token
from polishgen.tokenizer import StreamingDecoder, Tokenizer

FinishReason = Literal["length", "stop", "boundary"]
# With these a sentence is whole; at "length" it may be cut off.
ENDS = ("stop", "boundary")


@dataclass(frozen=True)
class Piece:
    """Some text, the tokens that it came with, and when.

    `text` may be empty while a character or a possible stop string is incomplete. `seconds` counts
    from the start of the call, reading the prompt included. `finish_reason` is None but in the last
    piece: "length" (max_new_tokens reached), "stop" (a stop string came), "boundary" (the model
    ended the document). If asked for: `probability`, what the model gave the token before anything
    was filtered, and `alternatives`, the likeliest tokens there as (id, probability).
    """

    text: str
    token_ids: tuple[int, ...]
    seconds: float
    finish_reason: FinishReason | None = None
    probability: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()


class StopWatcher:
    """Passes text on, but for what is, or may yet become, a stop string."""

    def __init__(self, stop: tuple[str, ...]):
        self.stop = stop
        self.held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Text that is safe to show; `stopped` is set once a stop string is complete."""
        self.held += text
        found = [(place + len(s), place) for s in self.stop if (place := self.held.find(s)) >= 0]
        if found:
            # The one complete first, however the text was cut into pieces.
            self.stopped = True
            safe, self.held = self.held[: min(found)[1]], ""
            return safe
        keep = max((overlap(self.held, s) for s in self.stop), default=0)
        safe, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return safe

    def flush(self) -> str:
        """What was held back and became no stop string."""
        held, self.held = self.held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, short of all of it."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0


class Continuation:
    """A text as far as it is read and written, and the tokens that may come next."""

    def __init__(
        self, decoder: Decoder, tokenizer: Tokenizer, prompt: str, config: GenerationConfig
    ):
        self.decoder, self.tokenizer, self.config = decoder, tokenizer, config
        self.characters, self.watcher = StreamingDecoder(tokenizer), StopWatcher(config.stop)
        self.held_space = prompt.endswith(" ")
        tokens = tokenizer.encode(prompt[:-1] if self.held_space else prompt)
        tokens = [*tokenizer.prefix(config.genre), *tokens]
        self.seen = np.zeros(tokenizer.n_vocab, bool)
        self.seen[tokens] = True
        self.logits = decoder.prefill(tokens)
        self.may_follow = may_come_first(tokenizer, prompt, config.starts_new_word)
        self.sentence = frozenset(tokenizer.encode(SENTENCE_END.split(prompt)[-1]))
        self.count = 0
        self.unread: int | None = None

    def copy(self, into: "Continuation | None" = None) -> "Continuation":
        """One that goes on by itself; it may take the memory of `into`, which is then of no use."""
        other = copy.copy(self)
        other.decoder = self.decoder.copy(into.decoder if into else None)
        other.characters, other.watcher = self.characters.copy(), copy.copy(self.watcher)
        other.seen = self.seen.copy()
        return other

    def read(self) -> None:
        """Lets the model read the last token, if it has not."""
        if self.unread is not None:
            self.logits = self.decoder.step(self.unread)
            self.may_follow = keeps_whole(self.tokenizer, self.characters.begun)
            self.unread = None

    def draw(self, generator: np.random.Generator, may_end: bool = True) -> int:
        """A next token; `may_end` says whether it may end the document."""
        allowed = np.where(self.may_follow, self.logits, -np.inf)
        if not may_end:
            allowed[self.tokenizer.n_ranks :] = -np.inf
        return sample_token(allowed, self.seen, self.config, generator)

    def write(self, token: int) -> tuple[str, FinishReason | None]:
        """Adds a token: the text that can be shown now, and why the text ends, if it does."""
        self.count += 1
        self.seen[token] = True
        # Any special token: after a genre's, too, another document would begin.
        ended = token >= self.tokenizer.n_ranks
        text = "" if ended else self.characters.push(token)
        self.sentence = frozenset() if SENTENCE_END.search(text) else self.sentence | {token}
        if self.held_space and text:
            text, self.held_space = text[1:], False
        text = self.watcher.push(text)
        self.unread = token
        if self.watcher.stopped:
            return text, "stop"
        if ended or self.count == self.config.max_new_tokens:
            return text + self.watcher.flush(), "boundary" if ended else "length"
        return text, None


def stream_pieces(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: GenerationConfig,
    n_alternatives: int = 0,
) -> Iterator[Piece]:
    """The continuation of `prompt`, one piece per token; ends with a `finish_reason`.

    decoder: one that has read nothing. `n_alternatives` above 0 gives each piece its probability
    and so many alternatives.

    Every prompt starts from the document boundary. The same arguments, with a seed, give the same
    pieces (times aside), whatever else runs beside. While sentences are drafted, every token of a
    draft is told by a piece that has none.
    """
    started = time.perf_counter()
    seed = secrets.randbelow(2**31) if config.seed is None else config.seed
    generator = np.random.default_rng(seed)
    text = Continuation(decoder, tokenizer, prompt, config)
    # At temperature 0 all drafts would be the same.
    drafted = config.drafts > 1 and config.temperature > 0
    scratch = text.copy() if drafted else None
    while True:
        text.read()
        if scratch:
            drafting = draft_sentence(text, scratch, generator)
            while (tokens := next(drafting)) is None:
                yield Piece("", (), time.perf_counter() - started)
        else:
            tokens = [text.draw(generator)]
        for token in tokens:
            text.read()
            new, reason = text.write(token)
            expected = likeliest(text.logits, token, n_alternatives) if n_alternatives else ()
            yield Piece(new, (token,), time.perf_counter() - started, reason, *expected)
            if reason:
                return


def draft_sentence(
    text: Continuation, scratch: Continuation, generator: np.random.Generator
) -> Iterator[Sequence[int] | None]:
    """The tokens of a sentence's best draft; before them None for each token of any draft.

    scratch: a copy of `text` from before, whose memory the drafts take.

    Whether the document ends here the first one decides, with the model's own probability: ranked
    against their frequency, document boundaries would win whenever they are drawn.
    """
    best: Draft | None = None
    for _ in range(text.config.drafts):
        scratch, draft = text.copy(into=scratch), Draft()
        while not draft.is_long_enough and (best is None or draft.can_beat(best)):
            scratch.read()
            token = scratch.draw(generator, may_end=bool(draft.tokens) or best is None)
            ends_document = token >= text.tokenizer.n_ranks
            weight = evidence(scratch.logits, token, scratch.sentence, text.tokenizer)
            new, reason = scratch.write(token)
            draft.add(token, new, None if ends_document else weight, reason in ENDS)
            yield None
            if reason:
                break
        if best is None or draft.rank > best.rank:
            best = draft
        if best.is_good or not draft.evidence:
            break
    yield best.tokens


def likeliest(
    logits: np.ndarray, token: int, count: int
) -> tuple[float, tuple[tuple[int, float], ...]]:
    """Probability of `token` under `logits` (V,), and the `count` likeliest (id, probability)."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponentials / exponentials.sum()
    top = np.argpartition(-logits, min(count, len(logits) - 1))[:count]
    top = top[np.argsort(-logits[top], kind="stable")]
    alternatives = zip(top.tolist(), probabilities[top].tolist(), strict=True)
    return float(probabilities[token]), tuple(alternatives)


@lru_cache(maxsize=8)
def begins_with_space(tokenizer: Tokenizer) -> np.ndarray:
    """Which tokens begin with a space, (n_vocab,) bool."""
    tokens = range(tokenizer.n_vocab)
    begins = np.array([tokenizer.token_bytes(token).startswith(b" ") for token in tokens])
    return begins & keeps_whole(tokenizer, b"")


def may_come_first(tokenizer: Tokenizer, prompt: str, starts_new_word: bool) -> np.ndarray:
    """Which tokens may follow `prompt`, (n_vocab,) bool."""
    if prompt.endswith(" "):
        return begins_with_space(tokenizer)
    if starts_new_word and prompt and in_word(prompt[-1]):
        return begins_no_word_part(tokenizer)
    return keeps_whole(tokenizer, b"")


@lru_cache(maxsize=256)
def keeps_whole(tokenizer: Tokenizer, begun: bytes) -> np.ndarray:
    """Which tokens may follow the first bytes of a character, (n_vocab,) bool.

    All together they are UTF-8, or will be when a last character is complete.
    """

    def is_sound(token: bytes) -> bool:
        try:
            (begun + token).decode()
        except UnicodeDecodeError as error:
            # Decoding in pieces would let half a surrogate pass.
            return error.reason == "unexpected end of data"
        return True

    return np.array([is_sound(tokenizer.token_bytes(token)) for token in range(tokenizer.n_vocab)])


def in_word(character: str) -> bool:
    """Whether a character is a letter, a digit or a combining mark."""
    return unicodedata.category(character)[0] in "LNM"


@lru_cache(maxsize=8)
def begins_no_word_part(tokenizer: Tokenizer) -> np.ndarray:
    """Which tokens do not continue a word, (n_vocab,) bool.

    Their first character is whole, and no letter, digit or combining mark.
    """
    decoders = (StreamingDecoder(tokenizer) for _ in range(tokenizer.n_vocab))
    texts = (decoder.push(token) for token, decoder in enumerate(decoders))
    others = np.array([text[:1] not in ("", "\ufffd") and not in_word(text[0]) for text in texts])
    return others & keeps_whole(tokenizer, b"")
