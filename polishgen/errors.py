"""What can go wrong.

Every error a user can cause derives from `PolishgenError`, so one `except` at the edge (the command
line, the page) turns it into a message. A refused argument also derives from `ValueError`, and its
text always names the parameter, the value given and what is allowed.
"""


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


class TooManyTokensError(ParameterError):
    """A text that has more than `most` tokens, namely `count`."""

    def __init__(self, parameter: str, text: str, count: int, most: int):
        self.count, self.most = count, most
        super().__init__(parameter, f"{text[:20]}… ({count} tokens)", f"at most {most} tokens long")


class CheckpointError(PolishgenError):
    """A model that is missing, damaged, or whose parts do not fit together."""
