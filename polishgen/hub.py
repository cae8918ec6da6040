"""Model repositories on the Hub, fetched into huggingface_hub's cache.

Notable: whenever the Hub does not serve, a complete cached copy does; what comes out of the cache
is checked against the hashes that its files are named by; and large files come by plain HTTP into
a file of their own, so that a download that was killed goes on where it stopped.
"""

import json
import logging
import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers, tqdm
from huggingface_hub.utils.sha import git_hash, sha_fileobj

from polishgen.errors import CheckpointError, ParameterError

COMMIT = re.compile(r"[0-9a-f]{40}")
# The cache names a file by its SHA-256 if it is large, by git's hash of it if it is not.
SHA256 = re.compile(r"[0-9a-f]{64}")
GIT_SHA1 = re.compile(r"[0-9a-f]{40}")

LONGEST_WAIT_SECONDS = 30
ATTEMPTS = 3

# What a call fails with: an answer, no answer, no permission on disk, an answer that is not JSON.
HUB_ERRORS = (httpx2.HTTPError, EntryNotFoundError, OSError, ValueError)

logger = logging.getLogger(__name__)


class NoProgressBar(tqdm):
    """For the small files: the weights alone take long enough for a bar."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **(options | {"disable": True}))


def fetch_repository(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    """The folder with those of `files` that the model repository "user/name" has.

    `revision` is a branch, a tag or a full commit hash; None is the branch "main". Where the Hub
    cannot be reached, refuses or fails, a complete cached copy is used and a warning logged.
    Raises `CheckpointError` with the reason if there is none, for a revision that does not exist,
    and for a cached file that is damaged.
    """
    if revision is not None and not (isinstance(revision, str) and revision):
        raise ParameterError("revision", revision, "a branch, a tag, a commit hash, or None")
    place = repository + (f" at revision {revision}" if revision else "")
    folder = None
    try:
        folder = cached_folder(repository, revision, files)
        # A commit never changes, so what is cached of it is all there is to know.
        if folder is None or not (COMMIT.fullmatch(revision or "") or constants.is_offline_mode()):
            wait = LONGEST_WAIT_SECONDS if folder is None else 0
            folder = download_repository(repository, revision, files, wait)
    except HUB_ERRORS as error:
        if folder is None or isinstance(error, RevisionNotFoundError):
            raise CheckpointError(f"cannot load {place}: {explain(error)}") from error
        logger.warning("%s: %s; the cached copy is used", place, explain(error))
    for name in files:
        check_hash(folder / name)
    return folder


def cached_folder(repository: str, revision: str | None, files: Sequence[str]) -> Path | None:
    """The complete cached copy of a revision, as far as one can tell without asking the Hub."""
    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=list(files), local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        return None


def download_repository(
    repository: str, revision: str | None, files: Sequence[str], wait_seconds: float
) -> Path:
    """Brings the cache up to date with the Hub; raises one of `HUB_ERRORS`."""
    info = repository_info(repository, revision, wait_seconds)
    for sibling in info.siblings or []:
        if sibling.rfilename in files and sibling.lfs:
            name, pointer = sibling.rfilename, sibling.lfs
            fetch_large(repository, info.sha, name, pointer.sha256, pointer.size)
    # The branch's name comes last. Until then the cache still has it at the commit before, whose
    # copy is complete.
    for name in (info.sha, revision):
        folder = snapshot_download(
            repository, revision=name, allow_patterns=list(files), tqdm_class=NoProgressBar
        )
    return Path(folder)


def repository_info(repository: str, revision: str | None, wait_seconds: float) -> ModelInfo:
    """What the Hub says of a revision: its commit and files.

    If it asks to come back later, in at most `wait_seconds`, this does.
    """
    ask = partial(
        HfApi().model_info,
        repository,
        revision=revision,
        files_metadata=True,
        timeout=constants.HF_HUB_ETAG_TIMEOUT,
    )
    for _ in range(ATTEMPTS - 1):
        try:
            return ask()
        except HfHubHTTPError as error:
            retry_after = error.response.headers.get("Retry-After", "")
            if not retry_after.isdigit() or int(retry_after) > wait_seconds:
                raise
            logger.warning("the Hub is busy: waiting %s seconds, as it asks", retry_after)
            time.sleep(int(retry_after))
    return ask()


def fetch_large(repository: str, commit: str, name: str, sha256: str, size: int) -> None:
    """Puts a large file into the cache, going on from where an earlier download was cut off."""
    if not SHA256.fullmatch(sha256):
        raise ValueError(f"the Hub names {name} by {sha256!r}, which is no SHA-256")
    cache = Path(constants.HF_HUB_CACHE)
    storage = cache / repo_folder_name(repo_id=repository, repo_type="model")
    blob = storage / "blobs" / sha256
    lock = cache / ".locks" / storage.name / f"{sha256}.lock"
    for folder in (blob.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():
            return
        begun = blob.with_name(f"{sha256}.partial")
        for resumed in (begun.exists(), False):
            with begun.open("ab" if resumed else "wb") as file:
                http_get(
                    hf_hub_url(repository, name, revision=commit),
                    file,
                    resume_size=min(file.tell(), size),
                    headers=build_hf_headers(),
                    expected_size=size,
                    displayed_filename=name,
                )
            if hash_of(begun) == sha256:
                begun.replace(blob)
                return
        begun.unlink()
        raise OSError(f"{name} was damaged on the way: load it again")


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return sha_fileobj(file).hex()


def check_hash(path: Path) -> None:
    """`CheckpointError` if a cached file is not what the cache names it by; passes if missing."""
    name = path.resolve().name
    if not path.exists():
        return
    if SHA256.fullmatch(name):
        sound = hash_of(path) == name
    elif GIT_SHA1.fullmatch(name):
        sound = git_hash(path.read_bytes()) == name
    else:
        # Without symbolic links the cache holds plain copies under their own names.
        sound = True
    if not sound:
        raise CheckpointError(
            f"{path} is damaged: it is not what the Hub sent. "
            f"Delete {path.resolve()} to fetch it anew"
        )


def explain(error: BaseException) -> str:
    """The reason of one of `HUB_ERRORS` in a sentence for whoever called."""
    while isinstance(error, LocalEntryNotFoundError | RuntimeError) and error.__cause__:
        error = error.__cause__
    if isinstance(error, GatedRepoError):
        return "it is gated: ask for access on its page, then log in with `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return "there is no such repository, or it is private and `hf auth login` is needed"
    if isinstance(error, RevisionNotFoundError):
        return "there is no such revision"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, and no complete copy is cached"
    if isinstance(error, httpx2.TransportError):
        return f"the Hub cannot be reached, or the connection broke ({type(error).__name__})"
    if isinstance(error, HfHubHTTPError):
        return explain_status(error.response)
    if isinstance(error, json.JSONDecodeError):
        return "what answered is not the Hub: is a proxy or a log-in page in between?"
    return " ".join(str(error).split()) or type(error).__name__


def explain_status(response: httpx2.Response) -> str:
    """The reason in an answer of the Hub that is an error."""
    status = response.status_code
    if status == 401:
        return "the Hub does not accept the token, or wants one: log in with `hf auth login`"
    if status == 403:
        return "the token does not allow it (403 Forbidden): it needs another scope or owner"
    if status == 429:
        wait = response.headers.get("Retry-After")
        later = f"in {wait} seconds" if wait else "later"
        return f"too many requests: the Hub asks to come back {later} (429)"
    if status >= 500:
        return f"the Hub has a fault of its own ({status}): try again later"
    message = response.headers.get("X-Error-Message") or response.reason_phrase
    return f"the Hub answers {status}: {message}"
