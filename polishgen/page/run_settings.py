"""What makes a run repeatable: prompt, models, sampling, seed; as a link and as JSON.

Notable: a link holds everything itself (nothing is kept on the server), so it works on any copy of
the page, and for as long as the models stay the same.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from urllib.parse import urlencode

from polishgen.checkpoint import configured_models
from polishgen.errors import ParameterError, check_choice, check_int, check_str
from polishgen.generate import Piece, check_stop
from polishgen.page.models import models
from polishgen.sampling import DEFAULT_SAMPLING, SamplingConfig
from polishgen.tokenizer import SURROGATE

# As much as all models read in under a second, so that Stop always works at once.
PROMPT_LIMIT = 4_000
MAX_TOKENS = 1_000
MAX_ROUNDS = 20
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class RunSettings:
    """One press of Generate, and `rounds` - 1 of Continue.

    Every round uses the same settings and seed and continues the text so far. Raises
    `ParameterError` for anything out of range.
    """

    prompt: str
    models: tuple[str, ...]
    max_new_tokens: int = 200
    temperature: float = DEFAULT_SAMPLING.temperature
    top_k: int = DEFAULT_SAMPLING.top_k
    top_p: float = DEFAULT_SAMPLING.top_p
    min_p: float = DEFAULT_SAMPLING.min_p
    repetition_penalty: float = DEFAULT_SAMPLING.repetition_penalty
    stop: tuple[str, ...] = ()
    seed: int = 0
    rounds: int = 1

    def __post_init__(self):
        prompt = SURROGATE.sub("\ufffd", check_str("prompt", self.prompt, PROMPT_LIMIT))
        object.__setattr__(self, "prompt", prompt)
        check_int("max_new_tokens", self.max_new_tokens, 1, MAX_TOKENS)
        check_int("seed", self.seed, 0, MAX_SEED)
        check_int("rounds", self.rounds, 1, MAX_ROUNDS)
        object.__setattr__(self, "stop", check_stop(self.stop))
        object.__setattr__(self, "models", check_models(self.models))
        self.sampling()

    def sampling(self) -> SamplingConfig:
        """The sampling part; checks its values."""
        return SamplingConfig(
            self.temperature, self.top_k, self.top_p, self.min_p, self.repetition_penalty
        )

    def streams(self, texts: Mapping[str, str]) -> dict[str, Iterator[Piece]]:
        """One stream of pieces a model, each continuing its own text in `texts`."""
        options = asdict(self.sampling()) | {
            "max_new_tokens": self.max_new_tokens,
            "stop": self.stop,
            "seed": self.seed,
        }
        library = models()
        return {
            name: library[name].stream(texts[name][-PROMPT_LIMIT:], **options)
            for name in self.models
        }

    def query(self) -> str:
        """The settings as a URL's query; what has its default value is left out."""
        values = asdict(self) | {"models": ",".join(self.models), "stop": "\n".join(self.stop)}
        changed = [f.name for f in fields(self) if getattr(self, f.name) != f.default]
        return urlencode({name: values[name] for name in changed})

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "RunSettings":
        """Settings that `query` describes; unknown names are ignored.

        Raises `ParameterError` for a value that is not allowed, by name.
        """
        values: dict[str, object] = {
            f.name: parse(f.name, query[f.name], f.type)
            for f in fields(cls)
            if f.type in (int, float) and f.name in query
        }
        names = query.get("models")
        return cls(
            prompt=query.get("prompt", ""),
            models=names.split(",") if names else configured_models(),
            stop=query.get("stop", "").splitlines(),
            **values,
        )


def check_models(names: object) -> tuple[str, ...]:
    """Names of the page's models, each once and in the order they are shown."""
    known = configured_models()
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ParameterError("models", names, "a list of some of " + ", ".join(known))
    for name in names:
        check_choice("models", name, known)
    return tuple(name for name in known if name in names)


def new_seed() -> int:
    """A seed that nobody chose, short enough to be copied by hand."""
    return secrets.randbelow(1_000_000)


def parse(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    """`text` as `kind`; `ParameterError` if it is none."""
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise ParameterError(name, text, wanted) from error
