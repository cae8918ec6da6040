"""Files that are written whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what takes the place of `path` at the end, if no error comes before."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content`, whole or not at all."""
    with whole(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: dict, indent: int = 2) -> None:
    """Writes `value` as JSON in UTF-8, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode())
