"""The parameters of generation: each one's name, range, default and help, in one place.

The command line, the page's sliders, the API and the error messages follow from these records.
Every value from outside is checked by a `Record` or, where there is just one, by `check`.
"""

from functools import lru_cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    confloat,
    conint,
)

from polishgen.errors import ParameterError


def plain_number(value: object) -> int | float:
    """NumPy's and other libraries' numbers as Python's own; a whole float such as 5.0 as an int."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError("not a number")
    if isinstance(value, Integral):
        return int(value)
    value = float(value)
    return int(value) if value.is_integer() else value


def as_strings(value: object) -> object:
    """A single string or None where a tuple of strings is wanted."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def number(kind: type, **limits: float) -> Any:
    """The type of an int or a float within limits, which are named as pydantic names them."""
    constrained = {int: conint, float: confloat}[kind](strict=True, **limits)
    return Annotated[constrained, BeforeValidator(plain_number)]


@lru_cache
def string(max_length: int) -> Any:
    """The type of a str of at most so many characters.

    Any characters: pydantic's own refuses lone surrogates, which browsers and terminals can send.
    """

    def short(value: object) -> str:
        if not isinstance(value, str) or len(value) > max_length:
            raise ValueError("too long, or no str")
        return value

    schema = {"type": "string", "maxLength": max_length}
    return Annotated[Any, AfterValidator(short), WithJsonSchema(schema)]


def choice(*names: str) -> Any:
    """The type of one of these names."""
    return Literal[names]


Int = number(int)
Float = number(float)
Seed = number(int, ge=0, le=2**63 - 1)
# Sizes of models: far above any of ours, and below what would hang who loads a hostile file.
Count = number(int, ge=1, le=2**24)
Layers = number(int, ge=1, le=256)
Window = number(int, ge=1, le=65_536)
Share = number(float, ge=0, le=0.99)
StopString = Annotated[str, Field(min_length=1, max_length=200)]

adapter = lru_cache(maxsize=512)(TypeAdapter)


def check(name: str, value: object, kind: Any) -> Any:
    """`value` as one of type `kind`; `ParameterError` naming it `name` if it is none.

    kind: any type that a field of a record may have, such as `number(int, ge=1, le=256)`.
    """
    try:
        return adapter(kind).validate_python(value)
    except ValidationError:
        raise ParameterError(name, value, in_words(adapter(kind).json_schema())) from None


class Record(BaseModel):
    """Named values, checked when it is made: `ParameterError` names the first that is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **values: object):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self.refusal(values, error) from None

    def replace(self, **changes: object) -> Self:
        """A record with some values replaced, checked as any other."""
        return type(self)(**dict(self) | changes)

    @classmethod
    def schema_of(cls, name: str) -> dict[str, Any]:
        """JSON schema of one field: "description", "default", "minimum", "maximum", …"""
        return cls.model_json_schema()["properties"][name]

    @classmethod
    def refusal(cls, values: dict[str, object], error: ValidationError) -> ParameterError:
        """pydantic's error as one that names parameter, value and what is allowed."""
        first = error.errors()[0]
        if isinstance(reason := first.get("ctx", {}).get("error"), ParameterError):
            return reason
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            return ParameterError(name, values[name], "one of " + ", ".join(cls.model_fields))
        return ParameterError(name, values.get(name), in_words(cls.schema_of(name)))


NOUNS = {
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("text", "texts"),
    "boolean": ("True or False", "True or False"),
    "null": ("None", "None"),
    "object": ("a JSON object", "JSON objects"),
}


def in_words(schema: dict[str, Any], plural: bool = False) -> str:
    """What a JSON schema allows, as in "a whole number from 1 to 10000"."""
    if "anyOf" in schema:
        return " or ".join(in_words(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    if schema["type"] == "array":
        most = f"at most {schema['maxItems']} " if "maxItems" in schema else ""
        return f"a list of {most}{in_words(schema['items'], plural=True)}"
    words = NOUNS[schema["type"]][plural]
    if isinstance(values := schema.get("additionalProperties"), dict):
        words += f" of {in_words(values, plural=True)}"
    if "exclusiveMinimum" in schema:
        words += f" above {schema['exclusiveMinimum']:g}"
    if "minimum" in schema:
        words += f" from {schema['minimum']}"
    if "maximum" in schema:
        words += f" to {schema['maximum']}"
    if "maxLength" in schema:
        least = f"{schema['minLength']} to" if "minLength" in schema else "at most"
        words += f" of {least} {schema['maxLength']} characters"
    return words


class SamplingConfig(Record):
    """How to pick a token. Names and meanings are Hugging Face's."""

    temperature: Float = Field(
        1.05, ge=0, le=5, description="divides the logits; 0 always takes the likeliest token"
    )
    top_k: Int = Field(
        0, ge=0, le=100_000, description="keep this many of the likeliest tokens; 0 keeps all"
    )
    top_p: Float = Field(
        1.0,
        gt=0,
        le=1,
        description="keep the fewest tokens that are together at least this likely; 1 keeps all",
    )
    min_p: Float = Field(
        0.05,
        ge=0,
        le=1,
        description="keep tokens at least this likely relative to the likeliest; 0 keeps all",
    )
    repetition_penalty: Float = Field(
        1.0,
        ge=0.5,
        le=3,
        description="above 1, tokens that the text already has become less likely",
    )
    drafts: Int = Field(
        16,
        ge=1,
        le=64,
        description="how often a sentence is drafted at most, until the model finds it sound; the "
        "best draft is written, with 1 whatever is drawn first",
    )


class GenerationConfig(SamplingConfig):
    """What `LanguageModel.stream` and `generate` take beside the prompt."""

    max_new_tokens: Int = Field(200, ge=1, le=10_000, description="tokens to generate at most")
    stop: Annotated[tuple[StopString, ...], BeforeValidator(as_strings)] = Field(
        (), max_length=16, description="strings that end the text and are left out of it"
    )
    seed: Seed | None = Field(
        None, description="the same seed gives the same text; None draws a new one"
    )
    genre: str | None = Field(
        None, description="kind of text to continue, of those that the model was trained with"
    )
    starts_new_word: bool = Field(
        True,
        description="the prompt's last word is complete: the text goes on with a new word, "
        "punctuation or a line",
    )
    mends_spelling: bool = Field(
        True,
        description="words of the prompt that do not exist are read as those that were meant: "
        "ksiaze as książę",
    )
