"""What makes a run repeatable: prompt, models, sampling, seed; as a link and as JSON.

Notable: a link holds everything itself (nothing is kept on the server), so it works on any copy of
the page, and for as long as the models stay the same.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field

from polishgen.checkpoint import configured_models
from polishgen.errors import ParameterError, check_choice
from polishgen.generate import Piece
from polishgen.page.models import models
from polishgen.parameters import GenerationConfig, Int, number_from_text
from polishgen.tokenizer import SURROGATE

# As much as all models read in under a second, so that Stop always works at once.
PROMPT_LIMIT = 4_000
MAX_TOKENS = 1_000
MAX_ROUNDS = 20
MAX_SEED = 2**31 - 1


def check_models(names: object) -> tuple[str, ...]:
    """Names of the page's models, each once and in the order they are shown."""
    known = configured_models()
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ParameterError("models", names, "a list of some of " + ", ".join(known))
    for name in names:
        check_choice("models", name, known)
    return tuple(name for name in known if name in names)


def without_surrogates(text: object) -> object:
    """Text with U+FFFD for lone surrogates, which no file and no address can hold."""
    return SURROGATE.sub("\ufffd", text) if isinstance(text, str) else text


class RunSettings(GenerationConfig):
    """One press of Generate, and `rounds` - 1 of Continue.

    Every round uses the same settings and seed and continues the text so far. Raises
    `ParameterError` for anything out of range.
    """

    prompt: Annotated[str, BeforeValidator(without_surrogates)] = Field("", max_length=PROMPT_LIMIT)
    models: Annotated[tuple[str, ...], BeforeValidator(check_models)]
    max_new_tokens: Int = Field(200, ge=1, le=MAX_TOKENS)
    seed: Int = Field(0, ge=0, le=MAX_SEED)
    rounds: Int = Field(1, ge=1, le=MAX_ROUNDS)

    def streams(self, texts: Mapping[str, str]) -> dict[str, Iterator[Piece]]:
        """One stream of pieces a model, each continuing its own text in `texts`."""
        options = {name: getattr(self, name) for name in GenerationConfig.model_fields}
        library = models()
        return {
            name: library[name].stream(texts[name][-PROMPT_LIMIT:], **options)
            for name in self.models
        }

    def query(self) -> str:
        """The settings as a URL's query; what has its default value is left out."""
        fields = type(self).model_fields
        changed = {n: v for n, v in dict(self).items() if v != fields[n].default}
        changed["models"] = ",".join(self.models)
        if self.stop:
            changed["stop"] = "\n".join(self.stop)
        return urlencode(changed)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "RunSettings":
        """Settings that `query` describes; unknown names are ignored.

        Raises `ParameterError` for a value that is not allowed, by name.
        """
        values: dict[str, object] = {n: t for n, t in query.items() if n in cls.model_fields}
        for name in values:
            if cls.schema_of(name).get("type") in ("integer", "number"):
                values[name] = number_from_text(query[name])
        names = query.get("models")
        values["models"] = names.split(",") if names else configured_models()
        values["stop"] = query.get("stop", "").splitlines()
        return cls(**values)


def new_seed() -> int:
    """A seed that nobody chose, short enough to be copied by hand."""
    return secrets.randbelow(1_000_000)
