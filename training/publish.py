"""Publishes models and the demo on the Hub: `python -m training.publish model | space`.

    python -m training.publish model --model transformer --repo user/polishgen-transformer
    python -m training.publish model --all --repo user/polishgen
    python -m training.publish space --repo user/polishgen

One run is one commit, and a run that changes nothing is none. huggingface_hub finds the token (`hf
auth login` or HF_TOKEN); nothing here ever touches it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from polishgen.checkpoint import (
    FILES,
    MODELS_VARIABLE,
    REPOSITORY,
    bundled_names,
    find_folder,
)
from polishgen.command_line import command
from polishgen.errors import ParameterError, PolishgenError
from polishgen.hub import HUB_ERRORS, explain
from training.model_card import card_files
from training.space import space_files

# The Hub keeps this one itself.
KEPT = ".gitattributes"


@dataclass(frozen=True)
class Upload:
    """What one repository shall hold.

    `kind`: "model" or "space". `files`: by path in the repository, on disk or in memory. `exact`:
    remove whatever else it holds. `variables`: a Space's environment.
    """

    repository: str
    kind: str
    files: dict[str, Path | bytes]
    exact: bool = False
    variables: dict[str, str] = field(default_factory=dict)


def model_upload(model: str, repository: str) -> Upload:
    """A checkpoint with its model card; `PolishgenError` if it cannot be loaded."""
    folder = find_folder(model)
    files: dict[str, Path | bytes] = {
        name: folder / name for name in FILES if (folder / name).is_file()
    }
    return Upload(repository, "model", files | card_files(folder, repository))


def space_upload(repository: str, models: Sequence[str]) -> Upload:
    """The demo: with the bundled checkpoints, or with `models` to load from the Hub."""
    # Where `publish model --all` puts the bundled ones when it is given the same name.
    cards = models or [f"{repository}-{name}" for name in bundled_names()]
    variables = {MODELS_VARIABLE: ",".join(models)} if models else {}
    return Upload(repository, "space", space_files(models, cards), True, variables)


def publish(upload: Upload, private: bool) -> str:
    """Makes the repository if it is missing and brings it up to date in one commit.

    Returns what was done, in a line. Raises `PolishgenError` for whatever the Hub refuses, and
    before anything is sent if `private` is asked for and the repository is there and public.
    """
    # The Hub takes files of this size by plain LFS too, and so does everything that speaks like it.
    constants.HF_HUB_DISABLE_XET = True
    try:
        return bring_up_to_date(HfApi(), upload, private)
    except (*HUB_ERRORS, RuntimeError) as error:
        raise PolishgenError(f"cannot publish {upload.repository}: {explain(error)}") from error


def bring_up_to_date(api: HfApi, upload: Upload, private: bool) -> str:
    """`publish`, with huggingface_hub's own errors."""
    name, kind = upload.repository, upload.kind
    space = {"space_sdk": "gradio"} if kind == "space" else {}
    url = api.create_repo(name, repo_type=kind, private=private or None, exist_ok=True, **space)
    info = api.repo_info(name, repo_type=kind)
    if private and not info.private:
        raise PolishgenError(f"{name} is there already and public: --private cannot change that")
    if kind == "space":
        set_variables(api, name, upload.variables)
    operations = [CommitOperationAdd(path, content) for path, content in upload.files.items()]
    if upload.exact:
        held = api.list_repo_files(name, repo_type=kind, revision=info.sha)
        surplus = sorted(set(held) - upload.files.keys() - {KEPT})
        operations += [CommitOperationDelete(path, is_folder=False) for path in surplus]
    # It leaves out what has not changed; if that is everything, the commit is the last one.
    commit = api.create_commit(
        name,
        operations,
        commit_message=f"Publish {name.split('/')[-1]}",
        repo_type=kind,
        # Nothing that somebody else commits in the meantime is lost.
        parent_commit=info.sha,
    )
    return f"{url}: {'up to date' if commit.oid == info.sha else f'commit {commit.oid[:7]}'}"


def set_variables(api: HfApi, space: str, wanted: dict[str, str]) -> None:
    """Sets or removes the one environment variable of a Space that is ours to set."""
    current = api.get_space_variables(space)
    value = current[MODELS_VARIABLE].value if MODELS_VARIABLE in current else None
    if MODELS_VARIABLE in wanted and wanted[MODELS_VARIABLE] != value:
        api.add_space_variable(space, MODELS_VARIABLE, wanted[MODELS_VARIABLE])
    elif MODELS_VARIABLE not in wanted and value is not None:
        api.delete_space_variable(space, MODELS_VARIABLE)


def describe(upload: Upload, private: bool) -> str:
    """What an upload would send, one line per file."""
    sizes = {
        path: len(content) if isinstance(content, bytes) else content.stat().st_size
        for path, content in upload.files.items()
    }
    lines = [f"{upload.repository} ({'private' if private else 'public'} {upload.kind})"]
    lines += [f"{size:>13,}  {path}" for path, size in sorted(sizes.items())]
    lines.append(f"{sum(sizes.values()):>13,}  bytes in {len(sizes)} files")
    lines += [f"{'':>13}  {name}={value}" for name, value in upload.variables.items()]
    return "\n".join(lines)


def check_repository(parameter: str, name: str) -> str:
    """`name` if the Hub would take it as "user/name"; `ParameterError` otherwise."""
    allowed = '"user/name" of letters, digits, "-", "_" and "."'
    if not REPOSITORY.fullmatch(name):
        raise ParameterError(parameter, name, allowed)
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ParameterError(parameter, name, f"{allowed}: {error}") from error
    return name


def uploads(options: argparse.Namespace) -> list[Upload]:
    """What the command line asks for."""
    repository = check_repository("repo", options.repo)
    if options.command == "space":
        names = [name.strip() for name in options.models.split(",") if name.strip()]
        return [space_upload(repository, [check_repository("models", name) for name in names])]
    if options.model:
        return [model_upload(options.model, repository)]
    if not bundled_names():
        raise PolishgenError("there are no models in checkpoints/")
    return [model_upload(name, f"{repository}-{name}") for name in bundled_names()]


def parser() -> argparse.ArgumentParser:
    """Both commands and their options."""
    top = argparse.ArgumentParser("training.publish", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True)

    model = commands.add_parser("model", help="upload a checkpoint with its model card")
    which = model.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="a bundled name or a checkpoint folder")
    which.add_argument("--all", action="store_true", help="all bundled, each to REPO-name")

    space = commands.add_parser("space", help="upload the demo as a Space")
    space.add_argument(
        "--models",
        default="",
        help="model repositories to load, separated by commas; the bundled ones if left out",
    )
    for each in (model, space):
        each.add_argument("--repo", required=True, help="user/name on the Hub")
        each.add_argument("--private", action="store_true", help="make a new one private")
        each.add_argument("--dry-run", action="store_true", help="say what would be sent")
    return top


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    options = parser().parse_args(arguments)
    for upload in uploads(options):
        print(describe(upload, options.private), flush=True)
        if options.dry_run:
            print("nothing was sent")
        else:
            print(publish(upload, options.private), flush=True)


if __name__ == "__main__":
    sys.exit(main())
