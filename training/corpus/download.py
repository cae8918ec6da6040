"""Downloads over HTTP that resume, show progress, and are whole or an error.

What has arrived lies in `<name>.part`, beside it `<name>.part.version` with the server's name for
this version of the file. Only that version is gone on with; of any other the download starts anew.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import requests
from tqdm import tqdm

from polishgen.errors import PolishgenError

TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 16
ATTEMPTS = 3
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class SourceError(PolishgenError):
    """A source that is missing, cut, corrupt, or smaller than its manifest says."""


def fetch_small(url: str) -> bytes:
    """The body at `url`; `SourceError` naming it otherwise."""
    try:
        response = requests.get(url, timeout=TIMEOUT_SECONDS)
    except (requests.RequestException, ValueError) as error:
        raise SourceError(f"{url} cannot be reached: {error}") from error
    check_status(response, url)
    return response.content


def check_status(response: requests.Response, url: str) -> None:
    """`SourceError` for a status that is not success."""
    if not response.ok:
        raise SourceError(f"{url} answered {response.status_code} {response.reason}")


def download(url: str, path: Path, size: int | None) -> None:
    """Brings `url` to `path`, which exists only once it is whole; goes on from a `.part` file.

    `size` in bytes is what the file must have. `SourceError` if it has not; what arrived of a
    broken connection stays in the `.part` file, for the next attempt or the next call.
    """
    if path.is_file() and size in (None, size_of(path)):
        return
    part = path.with_name(path.name + ".part")
    if size is None or size_of(part) != size:
        size = fetch_part(url, part, size)
    got = size_of(part)
    if size is not None and got != size:
        part.unlink()
        raise SourceError(f"{url} brought {got:,} bytes instead of {size:,}")
    part.replace(path)
    version_file(part).unlink(missing_ok=True)


def fetch_part(url: str, part: Path, size: int | None) -> int | None:
    """Fetches what `part` lacks, in `ATTEMPTS`; the size it should have then, if anybody says."""
    failure = None
    for _ in range(ATTEMPTS):
        try:
            total = fetch_rest(url, part, size)
            return total if size is None else size
        except requests.RequestException as error:
            failure = error
    raise SourceError(f"{url} was cut off after {size_of(part):,} bytes: {failure}") from failure


def fetch_rest(url: str, part: Path, size: int | None) -> int | None:
    """One request that adds to `part`; the whole size, where the server gives it.

    `RequestException` if the connection breaks or the server's file is another than `part`'s.
    """
    have, version = size_of(part), read_version(part)
    headers = {"Accept-Encoding": "identity"}
    if have and version and (size is None or have < size):
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        # 416: the server's file ends where `part` does, or before.
        refused = response.status_code == 416
        if refused or (response.status_code == 206 and not continues(response, have, version)):
            version_file(part).unlink(missing_ok=True)
            raise requests.ConnectionError("the server does not go on with the same file")
        check_status(response, url)
        goes_on = response.status_code == 206
        if not goes_on:
            have = 0
            start_anew(part, version_of(response.headers))
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        with part.open("ab") as file, progress_bar(url, have, total) as bar:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
        return total


def continues(response: requests.Response, have: int, version: str | None) -> bool:
    """Whether a partial answer is the rest, from byte `have` on, of the same version."""
    span = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return bool(span and int(span[1]) == have and version_of(response.headers) in (None, version))


def progress_bar(url: str, have: int, total: int | None) -> tqdm:
    """Bytes of a download, shown where standard error is a terminal."""
    name = url.rsplit("/", 1)[-1]
    return tqdm(total=total, initial=have, desc=name, unit="B", unit_scale=True, disable=None)


def size_of(path: Path) -> int:
    """Size of a file in bytes, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0


def version_file(part: Path) -> Path:
    """Where the version of a `.part` file is kept."""
    return part.with_name(part.name + ".version")


def read_version(part: Path) -> str | None:
    """The ETag or date of the file that `part` is the start of, None if unknown."""
    file = version_file(part)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def version_of(headers: Mapping[str, str]) -> str | None:
    """The ETag, or the date, by which a server recognises this version of the file."""
    etag = headers.get("ETag", "")
    # A weak ETag does not promise the same bytes.
    return headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag


def start_anew(part: Path, version: str | None) -> None:
    """Empties `part` and keeps `version`, in an order that never pairs it with older bytes."""
    version_file(part).unlink(missing_ok=True)
    part.write_bytes(b"")
    if version:
        version_file(part).write_text(version, encoding="utf-8")
