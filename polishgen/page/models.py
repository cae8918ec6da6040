"""The models that the page serves: loaded once, shared by every visitor."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

from polishgen.checkpoint import configured_models
from polishgen.errors import check_choice
from polishgen.language_model import LanguageModel, load

TITLES = {"gru": "GRU", "transformer": "Transformer", "bdh": "Dragon Hatchling"}
# Okabe and Ito's colours, which stay apart for colour-blind eyes.
COLOURS = {"gru": "#0072b2", "transformer": "#d55e00", "bdh": "#009e73"}


@lru_cache(maxsize=1)
def models() -> dict[str, LanguageModel]:
    """All configured models by name, loaded side by side and warmed up by one token each.

    Each decoding step is a few small matrix products, which more threads only slow down, and two
    visitors are served at once; so torch gets one thread.
    """
    torch.set_num_threads(1)
    names = configured_models()
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return dict(zip(names, pool.map(load_warm, names), strict=True))


def load_warm(name: str) -> LanguageModel:
    """A model that has already written a token, so that the first visitor does not wait for it."""
    model = load(name)
    model.generate("Pewnego razu", max_new_tokens=2, seed=0)
    return model


def model_named(name: str) -> LanguageModel:
    """The model `name`; `ParameterError` if it is none of the page's."""
    return models()[check_choice("model", name, configured_models())]


def title(name: str) -> str:
    """The name that the page shows for a model: of a repository or folder, its last part."""
    return TITLES.get(name, name.rstrip("/").split("/")[-1])


def short_title(name: str) -> str:
    """A name for narrow places."""
    return "BDH" if name == "bdh" else title(name)


def model_choices() -> list[tuple[str, str]]:
    """(shown name, name) of each model, for a choice in the page."""
    return [(title(name), name) for name in configured_models()]
