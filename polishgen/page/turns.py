"""Several models writing at once on one processor: they take turns, a token each.

Notable: a model's speed counts only the time of its own turns, so it is the speed that the model
would have alone; the wait for its first token is what the visitor waited, others' turns included.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from polishgen.generate import FinishReason, Piece

# Seconds between two looks at the columns: fast enough to look alive, slow enough to stay cheap.
UPDATE_INTERVAL = 0.07


@dataclass
class Progress:
    """How far one model has come: its text, tokens, own seconds, and how it ended (None: not yet).

    `first_token_seconds` counts from the start of the run, None before the first token.
    """

    text: str = ""
    tokens: int = 0
    own_seconds: float = 0.0
    first_token_seconds: float | None = None
    finish_reason: FinishReason | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second of the model's own time, reading the prompt included."""
        return self.tokens / self.own_seconds if self.own_seconds else 0.0

    def add(self, piece: Piece, own_seconds: float, since_start: float) -> None:
        """Takes in a piece that took the model `own_seconds` and came `since_start`."""
        self.text += piece.text
        self.tokens += len(piece.token_ids)
        self.own_seconds += own_seconds
        self.finish_reason = piece.finish_reason
        if self.first_token_seconds is None:
            self.first_token_seconds = since_start


def take_turns(
    streams: Mapping[str, Iterator[Piece]], interval: float = UPDATE_INTERVAL
) -> Iterator[dict[str, Progress]]:
    """Runs `streams` in rounds of one piece each; yields all progress about every `interval` s.

    Also yields after each model's first piece, and at the end. The same dictionary is yielded each
    time. Whoever stops listening stops the models: nothing runs between two yields.
    """
    started = last_shown = time.perf_counter()
    progress = {name: Progress() for name in streams}
    running = dict(streams)
    while running:
        for name, stream in list(running.items()):
            turn_began = time.perf_counter()
            piece = next(stream)
            now = time.perf_counter()
            progress[name].add(piece, now - turn_began, now - started)
            if piece.finish_reason:
                del running[name]
            if progress[name].tokens == 1 or now - last_shown >= interval:
                yield progress
                last_shown = time.perf_counter()
    yield progress
