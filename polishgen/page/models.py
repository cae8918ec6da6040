"""The models that the page serves: loaded once, shared by every visitor."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import torch

from polishgen.checkpoint import NO_MODELS, bundled_names, configured_models
from polishgen.chorus import chorus_of
from polishgen.errors import CheckpointError
from polishgen.language_model import CHORUS, LanguageModel, load
from polishgen.models import TITLES
from polishgen.parameters import check, choice
from polishgen.tokenizer import Tokenizer

# The one that models of this size write best, and the example's.
DEFAULT_GENRE = "tale"


def served_names() -> tuple[str, ...]:
    """Names of the models to serve: those configured, and the bundled ones' chorus beside them."""
    names = configured_models()
    return (*names, CHORUS) if names == bundled_names() and len(names) > 1 else names


@lru_cache(maxsize=1)
def models() -> dict[str, LanguageModel]:
    """All models of `served_names`, loaded side by side.

    torch gets one thread, as two visitors are served at once. `CheckpointError` where there is no
    model at all.
    """
    torch.set_num_threads(1)
    names = configured_models()
    if not names:
        raise CheckpointError(NO_MODELS)
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        loaded = dict(zip(names, pool.map(load, names), strict=True))
    if served_names() != names:
        loaded[CHORUS] = chorus_of(list(loaded.values()))
    return loaded


def names() -> tuple[str, ...]:
    """Names of all models that are served, in the order they are shown."""
    return tuple(models())


def single_names() -> tuple[str, ...]:
    """`names` without the chorus."""
    return tuple(name for name in models() if name != CHORUS)


def model_named(name: object) -> LanguageModel:
    """The model `name`; `ParameterError` if it is none of the page's."""
    return models()[check("model", name, choice(*names()))]


def title(name: str) -> str:
    """The name that the page shows for a model: of a repository or folder, its last part."""
    return TITLES.get(name, name.rstrip("/").split("/")[-1])


def file_of(name: str, file: str) -> Path | None:
    """A file of a model's folder, if it is there."""
    path = (models()[name].folder or Path()) / file
    return path if models()[name].folder and path.is_file() else None


def genres() -> tuple[str, ...]:
    """The genres that every served model knows."""
    known = [lm.tokenizer.genres for lm in models().values()]
    return tuple(genre for genre in known[0] if all(genre in others for others in known))


def default_genre() -> str | None:
    """What the page writes unless the visitor chooses: a tale, where the models know it."""
    return DEFAULT_GENRE if DEFAULT_GENRE in genres() else None


def last_tokens(tokenizer: Tokenizer, text: str, limit: int) -> str:
    """The end of `text` that `limit` tokens make, whole characters of it."""
    tokens = tokenizer.encode(text)
    if len(tokens) <= limit:
        return text
    return tokenizer.decode_bytes(tokens[-limit:]).decode("utf-8", errors="ignore")
