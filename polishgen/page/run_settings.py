"""What makes a run repeatable: prompt, models, sampling, seed; as a link and as JSON.

Notable: a link holds everything itself (nothing is kept on the server), so it works on any copy of
the page, and for as long as the models stay the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from urllib.parse import urlencode

from polishgen.checkpoint import bundled_names
from polishgen.errors import ParameterError, check_int, check_str
from polishgen.generate import MAX_NEW_TOKENS, Piece
from polishgen.page.models import models
from polishgen.sampling import SamplingConfig

# As much as all models read in under a second, so that Stop always works at once.
PROMPT_LIMIT = 4_000
PAGE_MAX_TOKENS = 1_000
MAX_ROUNDS = 20
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class RunSettings:
    """One press of Generate, and `rounds` - 1 of Continue.

    `stop`: strings, one a line. Every round uses the same settings and seed and continues the text
    so far. Raises `ParameterError` for anything out of range.
    """

    prompt: str
    models: tuple[str, ...]
    max_new_tokens: int = 200
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: str = ""
    seed: int = 0
    rounds: int = 1

    def __post_init__(self):
        check_str("prompt", self.prompt, PROMPT_LIMIT)
        check_str("stop", self.stop, PROMPT_LIMIT)
        check_int("max_new_tokens", self.max_new_tokens, 1, MAX_NEW_TOKENS)
        check_int("seed", self.seed, 0, MAX_SEED)
        check_int("rounds", self.rounds, 1, MAX_ROUNDS)
        object.__setattr__(self, "models", tuple(self.models))
        if not self.models or not set(self.models) <= set(bundled_names()):
            raise ParameterError("models", list(self.models), "at least one of the bundled models")
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
            "stop": self.stop.splitlines() or None,
            "seed": self.seed,
        }
        library = models()
        return {
            name: library[name].stream(texts[name][-PROMPT_LIMIT:], **options)
            for name in self.models
        }

    def query(self) -> str:
        """The settings as a URL's query; what has its default value is left out."""
        values = asdict(self) | {"models": ",".join(self.models)}
        return urlencode(
            {f.name: values[f.name] for f in fields(self) if values[f.name] != f.default}
        )

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "RunSettings":
        """Settings that `query` describes; unknown names are ignored.

        Raises `ParameterError` for a value that is not allowed, by name.
        """
        values: dict[str, object] = {"prompt": query.get("prompt", "")}
        names = query.get("models", "")
        values["models"] = tuple(names.split(",")) if names else bundled_names()
        for field in fields(cls):
            if field.name in query and field.name not in values:
                values[field.name] = parse(field.name, query[field.name], field.type)
        return cls(**values)


def parse(name: str, text: str, kind: type) -> object:
    """`text` as `kind` (int, float or str); `ParameterError` if it is none."""
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise ParameterError(name, text, wanted) from error
