"""Model repositories on the Hub, fetched into huggingface_hub's cache.

Where the Hub does not serve, a complete cached copy is used.
"""

import json
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from polishgen.errors import CheckpointError, ParameterError

COMMIT = re.compile(r"[0-9a-f]{40}")
# What a call fails with: an answer, no answer, no permission on disk, an answer that is not JSON.
HUB_ERRORS = (httpx2.HTTPError, LocalEntryNotFoundError, OSError, ValueError)

logger = logging.getLogger(__name__)


def fetch_repository(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    """The folder with those of `files` that the model repository "user/name" has.

    `revision` is a branch, a tag or a full commit hash; None is the branch "main". Where the Hub
    cannot be reached, refuses or fails, a cached copy is used and a warning logged. Raises
    `CheckpointError` with the reason if there is none, and for a revision that does not exist.
    """
    if revision is not None and not (isinstance(revision, str) and revision):
        raise ParameterError("revision", revision, "a branch, a tag, a commit hash, or None")
    place = repository + (f" at revision {revision}" if revision else "")
    download = partial(snapshot_download, repository, allow_patterns=list(files))
    cached = None
    try:
        with suppress(LocalEntryNotFoundError):
            cached = download(revision=revision, local_files_only=True)
        # A commit never changes, so what is cached of it is all there is to know.
        if cached and (constants.is_offline_mode() or COMMIT.fullmatch(revision or "")):
            return Path(cached)
        commit = (
            HfApi()
            .model_info(repository, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
            .sha
        )
        # The branch's name comes last: until all is there, the cache has it at the commit before.
        download(revision=commit)
        return Path(download(revision=revision))
    except HUB_ERRORS as error:
        if cached is None or isinstance(error, RevisionNotFoundError):
            raise CheckpointError(f"cannot load {place}: {explain(error)}") from error
        logger.warning("%s: %s; the cached copy is used", place, explain(error))
        return Path(cached)


def explain(error: BaseException) -> str:
    """The reason of one of `HUB_ERRORS` in a sentence for whoever called."""
    while isinstance(error, LocalEntryNotFoundError | RuntimeError) and error.__cause__:
        error = error.__cause__
    reasons = {
        GatedRepoError: "it is gated: ask for access on its page, then log in with `hf auth login`",
        RepositoryNotFoundError: "there is no such repository, or it is private and "
        "`hf auth login` is needed",
        RevisionNotFoundError: "there is no such revision",
        OfflineModeIsEnabled: "HF_HUB_OFFLINE is set, and no complete copy is cached",
        httpx2.TransportError: "the Hub cannot be reached, or the connection broke "
        f"({type(error).__name__})",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, HfHubHTTPError):
        response = error.response
        reason = response.headers.get("X-Error-Message") or response.reason_phrase
        hint = ": log in with `hf auth login`" if response.status_code == 401 else ""
        return f"the Hub answers {response.status_code} {reason}{hint}"
    if isinstance(error, json.JSONDecodeError):
        return "what answered is not the Hub: is a proxy or a log-in page in between?"
    return " ".join(str(error).split()) or type(error).__name__
