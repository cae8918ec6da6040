"""The line that all heavy work stands in: so many at work at once, the others first come first
served, each told its place and the likely wait.

Work is a generator of events that does a little between two `yield`s, in a thread. It is
closed as soon as nobody listens, so a visitor who stops or leaves frees their place at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress

from anyio import to_thread

from polishgen.errors import PolishgenError

Event = dict[str, object]
# Seconds between two messages to those who wait.
TELL_INTERVAL = 0.5
# Runs that the likely wait is reckoned from, and what a run is taken to last before there are any.
REMEMBERED, FIRST_GUESS = 20, 1.0


class LineFullError(PolishgenError):
    """So many wait already that one more is turned away."""


class Line:
    """`places` at work at once, `longest` waiting; made and used in one event loop."""

    def __init__(self, places: int, longest: int):
        self.places, self.longest = places, longest
        self.working: set[asyncio.Event] = set()
        self.waiting: deque[asyncio.Event] = deque()
        self.seconds: deque[float] = deque([FIRST_GUESS], REMEMBERED)

    async def run(self, work: Callable[[], Iterator[Event]]) -> AsyncIterator[Event]:
        """Events of `work`, once its turn has come; before that {"place": …, "wait": seconds}.

        Place 1 is served next. Raises `LineFullError` at once, and whatever `work` raises.
        """
        async with aclosing(self.wait()) as waiting:
            async for event in waiting:
                if event is not None:
                    yield event
                    continue
                started, events = time.monotonic(), work()
                try:
                    while (event := await to_thread.run_sync(next, events, None)) is not None:
                        yield event
                finally:
                    events.close()
                    self.seconds.append(time.monotonic() - started)

    async def wait(self) -> AsyncIterator[Event | None]:
        """Places in the line, and None when the turn has come; the turn ends with the iterator."""
        if len(self.waiting) >= self.longest:
            raise LineFullError("too many visitors are waiting; please try again in a minute")
        turn = asyncio.Event()
        self.waiting.append(turn)
        self.admit()
        try:
            while not turn.is_set():
                place = self.waiting.index(turn) + 1
                mean = sum(self.seconds) / len(self.seconds)
                yield {"place": place, "wait": mean * place / self.places}
                with suppress(TimeoutError):
                    await asyncio.wait_for(turn.wait(), TELL_INTERVAL)
            yield None
        finally:
            self.working.discard(turn)
            if turn in self.waiting:
                self.waiting.remove(turn)
            self.admit()

    def admit(self) -> None:
        """Lets the next ones work while there are places."""
        while self.waiting and len(self.working) < self.places:
            turn = self.waiting.popleft()
            self.working.add(turn)
            turn.set()
