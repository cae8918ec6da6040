"""What can go wrong, and the checks that say so.

Every error a user can cause derives from `PolishgenError`, so one `except` at the edge (the command
line, the page) turns it into a message. A refused argument also derives from `ValueError`, and its
text always names the parameter, the value given and what is allowed.
"""

import math
from numbers import Integral, Real


class PolishgenError(Exception):
    """Base of every error that polishgen raises on purpose."""


class ParameterError(PolishgenError, ValueError):
    """An argument outside its allowed values.

    Attributes: `parameter` (its public name), `value` (as given), `allowed` (in words).
    """

    def __init__(self, parameter: str, value: object, allowed: str):
        self.parameter, self.value, self.allowed = parameter, value, allowed
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{parameter}={shown} is not allowed: it must be {allowed}")


class CheckpointError(PolishgenError):
    """A model that is missing, damaged, or whose parts do not fit together."""


def check_int(parameter: str, value: object, minimum: int, maximum: int) -> int:
    """`value` as an int in [minimum, maximum]; raises `ParameterError` otherwise (bools too)."""
    allowed = f"a whole number from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ParameterError(parameter, value, allowed)
    if not minimum <= value <= maximum:
        raise ParameterError(parameter, value, allowed)
    return int(value)


def check_float(parameter: str, value: object, minimum: float, maximum: float) -> float:
    """`value` as a finite float in [minimum, maximum]; raises `ParameterError` otherwise."""
    allowed = f"a number from {minimum:g} to {maximum:g}"
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ParameterError(parameter, value, allowed)
    if not minimum <= value <= maximum:
        raise ParameterError(parameter, value, allowed)
    return float(value)


def check_str(parameter: str, value: object, max_length: int) -> str:
    """`value` as a str of at most `max_length` characters; raises `ParameterError` otherwise."""
    if not isinstance(value, str):
        raise ParameterError(parameter, value, "text (str)")
    if len(value) > max_length:
        raise ParameterError(
            parameter,
            f"{value[:20]}… ({len(value)} characters)",
            f"at most {max_length} characters",
        )
    return value


def check_choice(parameter: str, value: object, choices: tuple[str, ...]) -> str:
    """`value` if it is one of `choices`; raises `ParameterError` otherwise."""
    if value not in choices:
        raise ParameterError(parameter, value, "one of " + ", ".join(choices))
    return str(value)
