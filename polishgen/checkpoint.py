"""Model folders: what is in one, writing it, reading it, and finding it by name.

A folder is complete in itself: `config.json` (architecture, sizes, which tokenizer),
`model.safetensors`, the tokenizer's `.tiktoken` file (cl100k_base is known by name alone),
`metrics.json` and, after training, `training_log.csv` and `token_counts.json`. Weights are stored
as bfloat16 and computed with as float32. Nothing is ever unpickled. A model is built without memory
for weights first, so that a configuration that does not fit them costs nothing before it is
refused. The caller's torch settings (default device and type, gradients) make no difference.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from polishgen.errors import CheckpointError, ParameterError
from polishgen.files import whole, write_json
from polishgen.hub import fetch_repository
from polishgen.models import ARCHITECTURES, build_model, config_from_dict
from polishgen.tokenizer import CL100K, COUNTS_FILE, TOKENIZER_FILE, Tokenizer

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
METRICS_FILE = "metrics.json"
LOG_FILE = "training_log.csv"
FILES = (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE, COUNTS_FILE, METRICS_FILE, LOG_FILE)

BUNDLED = Path(__file__).parent.parent / "checkpoints"
MODELS_VARIABLE = "POLISHGEN_MODELS"
NO_MODELS = (
    f"no models are bundled (in {BUNDLED}): run from a checkout of the repository, which has some, "
    'or name a folder or a repository "user/repo" on the Hub'
)
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Checkpoint:
    """A loaded folder: the model (float32, in evaluation mode), its tokenizer, its metrics."""

    model: nn.Module
    tokenizer: Tokenizer
    metrics: dict


def bundled_names() -> tuple[str, ...]:
    """Names of the models that come with the code, in the order they are shown."""
    order = {name: place for place, name in enumerate(ARCHITECTURES)}
    found = [path.parent.name for path in BUNDLED.glob(f"*/{CONFIG_FILE}")]
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name)))


def is_bundled(folder: Path) -> bool:
    """Whether a checkpoint folder is one of those that come with the code."""
    return folder.resolve().parent == BUNDLED.resolve()


def configured_models() -> tuple[str, ...]:
    """The models to serve: bundled names, folders and "user/repo", separated by commas, from the
    environment variable POLISHGEN_MODELS; the bundled ones if it is not set."""
    names = [name.strip() for name in os.environ.get(MODELS_VARIABLE, "").split(",")]
    return tuple(dict.fromkeys(name for name in names if name)) or bundled_names()


def find_folder(name: str | Path, revision: str | None = None) -> Path:
    """The folder of a bundled name, a path, or a repository "user/name" on the Hub.

    `revision` is a branch, tag or commit and goes with repositories alone. Raises
    `CheckpointError` where there is nothing, `ParameterError` for a name of no such form.
    """
    if not isinstance(name, str | Path) or not str(name):
        raise ParameterError("model", name, 'a bundled name, a folder, or "user/repo"')
    if isinstance(name, str) and name in bundled_names():
        folder = BUNDLED / name
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    elif isinstance(name, str) and REPOSITORY.fullmatch(name):
        return fetch_repository(name, revision, FILES)
    elif isinstance(name, Path) or os.sep in name:
        raise CheckpointError(f"there is no folder {name}")
    else:
        if not bundled_names():
            raise CheckpointError(f"there is no model {name}: {NO_MODELS}")
        known = ", ".join(bundled_names())
        raise ParameterError("model", name, f'a bundled name ({known}), a folder, or "user/repo"')
    if revision is not None:
        raise ParameterError("revision", revision, f"None for {name}, which is not on the Hub")
    return folder


def load_checkpoint(folder: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Reads a folder; `CheckpointError` naming the file that is missing, damaged or ill-fitting.

    `ParameterError` for a device that torch cannot use here.
    """
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        return read_folder(Path(folder), check_device(device))


def check_device(device: str | torch.device) -> torch.device:
    """The device, if it can hold a number and give it back."""
    try:
        checked = torch.device(device)
        torch.zeros(1, device=checked).item()
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        raise ParameterError(
            "device", device, "one that torch can use here, such as cpu"
        ) from error
    return checked


def read_folder(folder: Path, device: torch.device) -> Checkpoint:
    config = read_json(folder / CONFIG_FILE)
    try:
        model_config = config_from_dict(config["architecture"], config["model"])
        tokenizer_name, genres = config["tokenizer"], config.get("genres", [])
    except (KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} lacks a field: {error}") from error
    except ParameterError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error
    tokenizer = open_tokenizer(folder, tokenizer_name, genres)
    if tokenizer.n_vocab != model_config.vocab_size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokenizer.n_vocab} tokens, "
            f"{CONFIG_FILE} says vocab_size {model_config.vocab_size}"
        )
    with torch.device("meta"), SkipInitialisation():
        model = build_model(model_config).float()
    load_weights(model, folder, device)
    model.eval().requires_grad_(False)
    metrics = read_json(folder / METRICS_FILE) if (folder / METRICS_FILE).is_file() else {}
    return Checkpoint(model, tokenizer, metrics)


class SkipInitialisation(TorchFunctionMode):
    """While active, `torch.nn.init` does nothing: the weights come from a file.

    On the meta device, drawing nothing takes a second, for torch brings its compiler along.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def open_tokenizer(folder: Path, name: object, genres: object) -> Tokenizer:
    """The tokenizer that a configuration names."""
    if not isinstance(genres, list) or not all(isinstance(genre, str) for genre in genres):
        raise CheckpointError(f"{folder / CONFIG_FILE}: genres={genres!r} must be a list of names")
    if name == CL100K:
        return Tokenizer.cl100k()
    if name == TOKENIZER_FILE:
        return Tokenizer.from_file(folder / TOKENIZER_FILE, genres)
    raise CheckpointError(
        f"{folder / CONFIG_FILE}: tokenizer={name!r} must be {TOKENIZER_FILE!r} or {CL100K!r}"
    )


def load_weights(model: nn.Module, folder: Path, device: str | torch.device | None = None) -> None:
    """Copies a folder's weights into `model`, whatever precision either has.

    With a `device`, the model gets its memory there, once the file is known to fit. Raises
    `CheckpointError` if the file is damaged, or a tensor is missing, unknown, of another shape or
    not finite.
    """
    path = folder / WEIGHTS_FILE
    parameters = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            for name in names:
                stored = file.get_slice(name)
                check_tensor(path, name, stored.get_shape(), parameters)
                if stored.get_dtype() not in ("BF16", "F16", "F32", "F64"):
                    raise CheckpointError(f"{path}: {name} is of type {stored.get_dtype()}")
            if missing := parameters.keys() - names:
                raise CheckpointError(f"{path} does not fit its configuration: no {min(missing)}")
            if device is not None:
                parameters = model.to_empty(device=device).state_dict()
            with torch.no_grad():
                for name, parameter in parameters.items():
                    tensor = file.get_tensor(name)
                    if not tensor.isfinite().all():
                        raise CheckpointError(f"{path} is damaged: {name} is not finite")
                    parameter.copy_(tensor)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def check_tensor(path: Path, name: str, shape: list[int], parameters: dict[str, Tensor]) -> None:
    """`CheckpointError` unless the model has a parameter of this name and shape."""
    if name not in parameters:
        raise CheckpointError(f"{path} does not fit its configuration: unknown tensor {name}")
    if list(parameters[name].shape) != list(shape):
        raise CheckpointError(
            f"{path} does not fit its configuration: {name} is {tuple(shape)}, "
            f"must be {tuple(parameters[name].shape)}"
        )


def save_checkpoint(folder: Path, model: nn.Module, tokenizer: Tokenizer, metrics: dict) -> None:
    """Writes the four files; each appears whole or not at all, the weights as bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = tokenizer.name == CL100K
    if not by_name:
        tokenizer.save(folder / TOKENIZER_FILE)
    weights = {
        name: weight.detach().to("cpu", torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
    }
    with whole(folder / WEIGHTS_FILE) as partial:
        save_file(weights, partial, metadata={"format": "pt"})
        # safetensors lets the owner alone read it; a server may run as somebody else.
        partial.chmod(0o644)
    config = {
        "architecture": model.config.architecture,
        "tokenizer": CL100K if by_name else TOKENIZER_FILE,
        "genres": list(tokenizer.genres),
        "model": dict(model.config),
    }
    write_json(folder / METRICS_FILE, metrics)
    write_json(folder / CONFIG_FILE, config)


def read_json(path: Path) -> dict:
    """The object in a JSON file; `CheckpointError` naming the file otherwise."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is damaged: it holds no JSON object")
    return value
