"""Everything a run needs to go on, as safetensors and JSON.

Why not accelerate's `save_state` or `torch.distributed.checkpoint`: both unpickle on loading, which
this project never does. Tensors go into one safetensors file, plain values into JSON beside it. A
state appears under its final name only when it is complete.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils import _pytree as pytree

from polishgen.errors import CheckpointError


def pack(tree: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """Takes the tensors out of nested dicts and lists, leaving `{"tensor": name}` there."""
    tensors: dict[str, torch.Tensor] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, torch.Tensor):
            name = str(len(tensors))
            tensors[name] = node.detach().cpu().contiguous()
            return {"tensor": name}
        if isinstance(node, dict):
            return {"items": [[walk_key(k), walk(v)] for k, v in node.items()]}
        if isinstance(node, list | tuple):
            return {"list": [walk(v) for v in node]}
        return {"value": node}

    return tensors, walk(tree)


def walk_key(key: Any) -> Any:
    """Keys are parameter names or, in optimizer states, whole numbers; JSON keeps both apart."""
    if not isinstance(key, str | int):
        raise TypeError(f"a state's key must be str or int, not {type(key).__name__}")
    return key


def unpack(tensors: dict[str, torch.Tensor], node: Any) -> Any:
    """Inverse of `pack` (tuples come back as lists)."""
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "items" in node:
        return {key: unpack(tensors, value) for key, value in node["items"]}
    if "list" in node:
        return [unpack(tensors, value) for value in node["list"]]
    return node["value"]


def save_state(folder: Path, step: int, tree: Any) -> Path:
    """Writes `tree` as `folder/step-<n>`; readers see all of it or nothing."""
    target = folder / f"step-{step:07d}"
    partial = folder / f".partial-{step:07d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors, rest = pack(tree)
    save_file(tensors, partial / "tensors.safetensors")
    (partial / "state.json").write_text(json.dumps(rest))
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def saved_states(folder: Path) -> list[Path]:
    """Complete states under `folder`, oldest first."""
    return sorted(folder.glob("step-*"))


def load_state(path: Path) -> Any:
    """Reads what `save_state` wrote; `CheckpointError` if it is damaged."""
    try:
        rest = json.loads((path / "state.json").read_text())
        return unpack(load_file(path / "tensors.safetensors"), rest)
    except Exception as error:
        raise CheckpointError(f"cannot read the training state {path}: {error}") from error


def keep_latest(folder: Path, count: int, spared: set[int] = frozenset()) -> None:
    """Deletes all but the `count` newest states, and those of the `spared` steps."""
    for path in saved_states(folder)[:-count]:
        if int(path.name.removeprefix("step-")) not in spared:
            shutil.rmtree(path)


def detach(state: Any) -> Any:
    """A model's state, cut off from the graph that made it."""
    return pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, state)
