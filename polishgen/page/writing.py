"""Texts as they are written: several columns race for the cores, in equal shares of time.

A text is a list of segments: words that a person put there (the prompt, an edit, an alternative
that was picked), and runs, each by one model with its settings, its seed and its length. A link
holds the segments without the runs' words; whoever opens it gets them from the models again.
"""

import base64
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from polishgen.decoding import compiling, make_decoder
from polishgen.errors import ParameterError, TooManyTokensError
from polishgen.generate import Piece
from polishgen.normalise import normalise
from polishgen.page.line import Event
from polishgen.page.models import last_tokens, model_named, models
from polishgen.parameters import GenerationConfig, check, choice, number, string
from polishgen.spelling import misspelt_words
from polishgen.tokenizer import SURROGATE, Tokenizer

# What a model is given of the text before: more than any of them remembers, read in half a second.
CONTEXT_TOKENS = 2_000
# Tokens that one press may ask for, of one model.
MAX_TOKENS = 1_000
MAX_COLUMNS, MAX_SEGMENTS, MAX_TEXT = 4, 100, 60_000
LENGTH, BACKEND = number(int, ge=0, le=MAX_TEXT), choice("compiled", "PyTorch")
N_ALTERNATIVES = 6
# Seconds between two updates: 25 per second.
SLICE = 0.04
MAX_LINK_BYTES = 200_000
# Cores that the page works on; while one visitor waits, a second core need not idle.
N_WRITERS = 2
# Threads that write, of all runs together.
WRITERS = ThreadPoolExecutor(N_WRITERS, thread_name_prefix="write")


@dataclass(frozen=True)
class Run:
    """A segment that a model writes: `length` in characters, None for as long as it will.

    A link's run is written again by the same backend, compiled code or PyTorch, whose
    logits differ in the last digits.
    """

    model: str
    config: GenerationConfig
    length: int | None = None
    backend: str = "compiled"


Segment = str | Run
# Segment's index, the text that came, the piece that brought it, the alternatives to it as
# (text, probability), and the decoder's backend.
Written = tuple[int, str, Piece, list[list], str]


def check_run(
    model: object, options: object, length: object = None, backend: object = "compiled"
) -> Run:
    """A run from plain values; `ParameterError` for any that is not allowed."""
    lm = model_named(model)
    if not isinstance(options, dict):
        raise ParameterError("options", options, "an object")
    config = GenerationConfig(**options)
    check("max_new_tokens", config.max_new_tokens, number(int, ge=1, le=MAX_TOKENS))
    if length is not None:
        length = check("length", length, LENGTH)
    lm.tokenizer.prefix(config.genre)  # refuses a genre that the model does not know
    return Run(str(model), config, length, check("backend", backend, BACKEND))


def check_tokens(parameter: str, text: str, model: str, limit: int) -> None:
    """`TooManyTokensError` if `text` has more than `limit` of the model's tokens."""
    count = len(models()[model].tokenizer.encode(text))
    if count > limit:
        raise TooManyTokensError(parameter, text, count, limit)


def write(columns: Sequence[tuple[str, Run]]) -> Iterator[Event]:
    """Every column's run after its text; checks the values at once.

    The first event has "mended", too: misspelt words of the texts, and what the models read there.
    """
    if not 0 < len(columns) <= MAX_COLUMNS:
        raise ParameterError("columns", len(columns), f"from 1 to {MAX_COLUMNS}")
    for text, _ in columns:
        check("prompt", text, string(MAX_TEXT))
    # Columns mostly go on from one text, which is then looked through once.
    typed = dict.fromkeys(
        (context_of(run, text), run.config.starts_new_word)
        for text, run in columns
        if run.config.mends_spelling
    )
    words = {}
    for text, complete in typed:
        read = normalise(text)
        words |= {read[start:end]: meant for start, end, meant in misspelt_words(read, complete)}
    events = race([pieces_of([text, run]) for text, run in columns])
    return (e if place else e | {"mended": words} for place, e in enumerate(events))


def context_of(run: Run, text: str) -> str:
    """What a run's model reads of the text before it."""
    return last_tokens(models()[run.model].tokenizer, text, CONTEXT_TOKENS)


def pieces_of(segments: Sequence[Segment]) -> Iterator[Written]:
    """What the models write for the runs among a text's segments."""
    text = ""
    for index, segment in enumerate(segments):
        if isinstance(segment, str):
            text += segment
            continue
        if segment.length == 0:
            continue
        lm, left = models()[segment.model], segment.length
        options = dict(segment.config)
        while segment.length is not None and segment.backend == "compiled" and compiling:
            time.sleep(SLICE)
        decoder = make_decoder(lm.model, segment.backend == "compiled")
        options |= {"n_alternatives": N_ALTERNATIVES, "decoder": decoder, "tells_drafts": True}
        for piece in lm.stream(context_of(segment, text), **options):
            if left == 0:
                break
            shown = piece.text if left is None else piece.text[:left]
            left = None if left is None else left - len(shown)
            text += shown
            yield index, shown, piece, readable(lm.tokenizer, piece), decoder.backend


def race(streams: Sequence[Iterator[Written]]) -> Iterator[Event]:
    """Runs `streams` side by side, as many at once as there are writers.

    An event is {"columns": {index: {"tokens", "count", "seconds", "end", "backend"}}}: the tokens
    that are new, how many there are by now, the seconds of this column's own work, why it ended,
    and what decodes it. A column's first token is told at once, later ones about 25 times a second.
    """
    columns = [Progress() for _ in streams]

    def advance(indices: Sequence[int], share: float) -> Iterator[tuple[int, bool]]:
        """Has each of the columns write for `share` seconds; whether it goes on, as it is known."""
        going_on = WRITERS.map(lambda index: columns[index].advance(streams[index], share), indices)
        return zip(indices, going_on, strict=True)

    running = []
    for index, goes_on in advance(range(len(streams)), 0.0):
        yield {"columns": {index: columns[index].news()}}
        if goes_on:
            running.append(index)
    while running:
        share = SLICE * N_WRITERS / max(N_WRITERS, len(running))
        going_on = dict(advance(running, share))
        yield {"columns": {index: columns[index].news() for index in running}}
        running = [index for index in running if going_on[index]]


class Progress:
    """How far one column has come."""

    def __init__(self):
        self.tokens: list[list] = []
        # Of a character that several tokens make: the first one's alternatives, all ones' chance.
        self.pending: tuple[float, list] | None = None
        self.count, self.seconds = 0, 0.0
        self.end: str | None = None
        self.backend = "compiled"

    def advance(self, stream: Iterator[Written], share: float) -> bool:
        """Takes tokens from `stream` for `share` seconds, at least one; False at its end."""
        began = time.perf_counter()
        while (written := next(stream, None)) is not None:
            self.add(*written)
            if time.perf_counter() - began >= share:
                break
        self.seconds += time.perf_counter() - began
        return written is not None

    def add(
        self, segment: int, text: str, piece: Piece, alternatives: list[list], backend: str
    ) -> None:
        """Takes in one piece; tokens without text of their own wait for the next."""
        self.end, self.backend = piece.finish_reason, backend
        if not piece.token_ids:
            return  # a draft's
        self.count += len(piece.token_ids)
        chance, alternatives = self.pending or (1.0, alternatives)
        chance *= piece.probability or 1.0
        self.pending = (chance, alternatives)
        if text:
            self.tokens.append([segment, text, round(chance, 5), alternatives])
            self.pending = None

    def news(self) -> Event:
        """What came since it was last asked for."""
        tokens, self.tokens = self.tokens, []
        seconds = round(self.seconds, 4)
        told = {"tokens": tokens, "count": self.count, "seconds": seconds}
        return told | {"end": self.end, "backend": self.backend}


def readable(tokenizer: Tokenizer, piece: Piece) -> list[list]:
    """A piece's alternatives as [text, probability]: no half characters; None ends the text."""
    found = []
    for token, share in piece.alternatives:
        text = tokenizer.decode([token]) if token < tokenizer.n_ranks else None
        if text is None or "\ufffd" not in text:
            found.append([text, round(share, 5)])
    return found


def encode_link(columns: Sequence[Sequence[str | dict]]) -> str:
    """The code of a link, see `decode_link`. The page's script does the same."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(json.dumps(columns).encode()) + packer.flush()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_link(code: object) -> list[list[Segment]]:
    """A link's columns; `ParameterError` for what is no link of this page, or names no model here.

    The code is JSON, deflated, in URL-safe base64: for each column a list of texts and of runs
    {"model", "length", "backend", "hash", …}, where … are the settings; those left out have their
    defaults. The hash of the column's text is the page's script's, to know the text again.
    """
    allowed = "a link that this page has made"
    try:
        packed = base64.urlsafe_b64decode(check("run", code, string(MAX_LINK_BYTES)) + "==")
        plain = zlib.decompressobj(-15).decompress(packed, MAX_LINK_BYTES)
        columns = json.loads(plain)
        if not isinstance(columns, list) or not all(isinstance(c, list) for c in columns):
            raise TypeError
        parsed = [[parse_segment(segment) for segment in column] for column in columns]
    except ParameterError:
        raise
    except (zlib.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ParameterError("run", code, allowed) from error
    sizes = [sum(len(s) if isinstance(s, str) else s.length or 0 for s in c) for c in parsed]
    if (
        not 0 < len(parsed) <= MAX_COLUMNS
        or max(sizes) > MAX_TEXT
        or not all(0 < len(column) <= MAX_SEGMENTS for column in parsed)
    ):
        raise ParameterError("run", code, allowed)
    return parsed


def parse_segment(segment: object) -> Segment:
    """One segment from JSON; raises whatever Python does where it is none."""
    if isinstance(segment, str):
        return SURROGATE.sub("\ufffd", segment)
    options = dict(segment)
    options.pop("hash", None)
    model, backend = options.pop("model"), options.pop("backend", "compiled")
    return check_run(model, options, check("length", options.pop("length"), LENGTH), backend)


def replay(code: object) -> Iterator[Event]:
    """Writes a link's texts again, all columns side by side."""
    return race([pieces_of(column) for column in decode_link(code)])


@lru_cache(maxsize=256)
def text_of(code: str, column: int) -> tuple[str, str, tuple[str, ...]]:
    """A link's text: what people wrote at its beginning, all that follows, and who wrote it."""
    segments = decode_link(code)[column]
    runs = {index: "" for index, segment in enumerate(segments) if isinstance(segment, Run)}
    for index, text, *_ in pieces_of(segments):
        runs[index] += text
    parts = [segment if isinstance(segment, str) else runs[i] for i, segment in enumerate(segments)]
    written = [segment.model for segment in segments if isinstance(segment, Run)]
    return parts[0], "".join(parts[1:]), tuple(dict.fromkeys(written))
