"""The models that the page serves: loaded once, shared by every visitor."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

import torch

from polishgen.checkpoint import bundled_names, configured_models
from polishgen.errors import PolishgenError, check_choice
from polishgen.language_model import LanguageModel, load
from polishgen.tokenizer import Tokenizer

TITLES = {"gru": "GRU", "transformer": "Transformer", "bdh": "Dragon Hatchling"}
CHORUS = "chorus"


@lru_cache(maxsize=1)
def models() -> dict[str, LanguageModel]:
    """All configured models by name, loaded side by side and warmed up by two tokens each.

    The chorus of the bundled models comes last, where they are what is served. torch gets one
    thread, as two visitors are served at once. `PolishgenError` where there is no model at all.
    """
    torch.set_num_threads(1)
    names = configured_models()
    if not names:
        raise PolishgenError("there are no models: checkpoints/ is empty (see README)")
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        loaded = dict(zip(names, pool.map(load_warm, names), strict=True))
    if names == bundled_names():
        with suppress(PolishgenError):
            loaded[CHORUS] = load_warm(CHORUS)
    return loaded


def load_warm(name: str) -> LanguageModel:
    """A model that has already written a token, so that the first visitor does not wait for it."""
    model = load(name)
    model.generate("Pewnego razu", max_new_tokens=2, seed=0)
    return model


def names() -> tuple[str, ...]:
    """Names of all models that are served, in the order they are shown."""
    return tuple(models())


def single_names() -> tuple[str, ...]:
    """`names` without the chorus."""
    return tuple(name for name in models() if name != CHORUS)


def model_named(name: object) -> LanguageModel:
    """The model `name`; `ParameterError` if it is none of the page's."""
    return models()[check_choice("model", name, names())]


def title(name: str) -> str:
    """The name that the page shows for a model: of a repository or folder, its last part."""
    return TITLES.get(name, name.rstrip("/").split("/")[-1])


def genres() -> tuple[str, ...]:
    """The genres that every served model knows."""
    known = [tuple(getattr(lm.tokenizer, "genres", ())) for lm in models().values()]
    return tuple(genre for genre in known[0] if all(genre in others for others in known))


def last_tokens(tokenizer: Tokenizer, text: str, limit: int) -> str:
    """The end of `text` that `limit` tokens make, whole characters of it."""
    tokens = tokenizer.encode(text)
    if len(tokens) <= limit:
        return text
    return tokenizer.decode_bytes(tokens[-limit:]).decode("utf-8", errors="ignore")
