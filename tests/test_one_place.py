"""What a reader looks for stands in one place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("what", "place"),
    [
        # Bits per byte; the range of a sampling parameter; the tokens that a run has read.
        (r"log\(2\) / (?!math)\w", "polishgen/evaluation.py"),
        (r"\bmin_p: \w+", "polishgen/parameters.py"),
        (r"\.tokens \+= ", "training/train.py"),
        # An error in one line; one spelling; files that appear whole; names of files and models.
        (r'f"error: \{', "polishgen/command_line.py"),
        (r"def normalise\(text", "polishgen/normalise.py"),
        (r'\.name \+ "\.partial"', "polishgen/files.py"),
        (r"^TOKENIZER_FILE = ", "polishgen/tokenizer.py"),
        (r'"bdh": "Dragon Hatchling"', "polishgen/models/__init__.py"),
    ],
)
def test_it_is_defined_once(what, place):
    sources = [*(ROOT / "polishgen").rglob("*.py"), *(ROOT / "training").rglob("*.py")]
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sources
        for _ in re.finditer(what, path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert found == [place]
