"""What a Space needs to serve the page: the app, its package, what they require, and models."""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import SpaceCard, SpaceCardData

from polishgen.checkpoint import BUNDLED, FILES, bundled_names, find_folder
from polishgen.errors import PolishgenError
from training.model_card import CARD_FILE

ROOT = Path(__file__).parent.parent
APP_FILE = "app.py"
REQUIREMENTS_FILE = "requirements.txt"
PYTHON_VERSION = "3.11"
TEXT = """\
# polishgen

Three small language models write Polish side by side: a GRU, a Transformer and the Dragon Hatchling
(BDH). Each has under ten million parameters and was trained from scratch on Polish books and tales,
all free to use. What they write is made up: no facts, no advice.
"""


def space_files(models: Sequence[str], cards: Sequence[str]) -> dict[str, Path | bytes]:
    """Files of the Space by their path in it.

    `models`: repositories that it loads from the Hub; the bundled checkpoints come along if there
    are none. `cards`: repositories that its page on the Hub links to.
    """
    files: dict[str, Path | bytes] = {
        name: ROOT / name for name in (APP_FILE, REQUIREMENTS_FILE, "LICENSE")
    }
    for path in sorted((ROOT / "polishgen").rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            files["/".join(parts)] = path
    if not models:
        files |= bundled_files()
    for path in files.values():
        if not path.is_file():
            raise PolishgenError(f"a Space needs {path}, which is missing")
    return {CARD_FILE: space_card(cards).encode()} | files


def bundled_files() -> dict[str, Path]:
    """The checkpoints that come with the code, and their cards, which the page shows."""
    names = bundled_names()
    if not names:
        raise PolishgenError(f"there are no models in {BUNDLED}: name repositories with --models")
    paths = [find_folder(name) / file for name in names for file in (*FILES, CARD_FILE)]
    return {f"{BUNDLED.name}/{p.parent.name}/{p.name}": p for p in paths if p.is_file()}


def space_card(cards: Sequence[str]) -> str:
    """The Space's README: how the Hub is to build and show it."""
    data = SpaceCardData(
        title="polishgen",
        emoji="🐣",
        colorFrom="red",
        colorTo="gray",
        sdk="gradio",
        sdk_version=pinned_version("gradio"),
        python_version=PYTHON_VERSION,
        app_file=APP_FILE,
        license="mit",
        short_description="Three small models write Polish side by side",
        models=list(cards),
    )
    return str(SpaceCard(f"---\n{data.to_yaml()}\n---\n{TEXT}"))


def pinned_version(package: str) -> str:
    """The version that the app's requirements pin a package to."""
    requirements = (ROOT / REQUIREMENTS_FILE).read_text(encoding="utf-8")
    pin = re.search(rf"^{package}(?:\[\w+\])?==(\S+)$", requirements, re.MULTILINE)
    if pin is None:
        raise PolishgenError(f"{REQUIREMENTS_FILE} pins no version of {package}")
    return pin[1]
