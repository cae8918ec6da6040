"""What all command lines share: options made from records, and errors in one line."""

import json
import sys
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any

from polishgen.errors import PolishgenError
from polishgen.parameters import Record, in_words


def command(
    run: Callable[[Sequence[str] | None], int | None],
) -> Callable[[Sequence[str] | None], int]:
    """`run` as the `main` of a command line: it takes the arguments and returns the exit code.

    That is 0 or what `run` returns; 2 after one line for an error of the user's or of the operating
    system's; 130 for Ctrl-C; 1 where nobody reads the output any more.
    """

    @wraps(run)
    def main(arguments: Sequence[str] | None = None) -> int:
        try:
            return run(arguments) or 0
        except BrokenPipeError:
            # Python would complain once more while closing.
            sys.stderr.close()
            return 1
        except (PolishgenError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(file=sys.stderr)
            return 130

    return main


def add_options(
    parser: ArgumentParser, record: type[Record], left_out: Collection[str] = ()
) -> None:
    """An option for each field of `record`, whose help gives the range and the default.

    An option that is not given leaves nothing in the parsed options, so that the record's default
    holds; the record checks what is given.
    """
    for name, field in record.model_fields.items():
        if name in left_out:
            continue
        schema = record.schema_of(name)
        details: dict[str, Any] = {"type": number_from_text}
        allowed = in_words(schema).removesuffix(" or None")
        default = json.dumps(schema.get("default"), ensure_ascii=False).replace("null", "none")
        if schema.get("type") == "boolean":
            details, allowed = {"action": BooleanOptionalAction}, "yes or no"
            default = "yes" if schema["default"] else "no"
        elif schema.get("type") == "array":
            details = {"action": "append"}
            allowed += "; may be given several times"
        elif schema.get("type") == "object":
            details = {"type": json_from_text}
        elif schema.get("type") == "string" or field.annotation == str | None:
            details = {}
        parser.add_argument(
            "--" + name.replace("_", "-"),
            default=SUPPRESS,
            help=f"{schema['description']} ({allowed}; default: {default})",
            **details,
        )


def given(options: Namespace, record: type[Record]) -> dict[str, Any]:
    """Those of the parsed options that are fields of `record`."""
    return {name: value for name, value in vars(options).items() if name in record.model_fields}


def json_from_text(text: str) -> Any:
    """The value that `text` spells in JSON; `text` itself if none, for a record to refuse."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def number_from_text(text: str) -> int | float | str:
    """The number that `text` spells; `text` itself if none, for a record to refuse by name."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
