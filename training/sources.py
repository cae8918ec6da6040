"""Where documents come from: a SpeakLeash data set, a local file, or a folder of text files.

SpeakLeash publishes each data set as `<name>.manifest` (JSON: sizes and counts) and
`<name>.jsonl.zst` (a document a line, `{"text": …, "meta": {…}}`). Downloads resume where they
stopped and are checked against the manifest; whatever is cut, corrupt or short is an error that
names it, never a smaller corpus.
"""

import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
import zstandard
from tqdm import tqdm

from polishgen.errors import PolishgenError
from training.cleaning import Document

DEFAULT_NAME = "wolne_lektury_corpus"
DEFAULT_BASE_URL = "https://d6t0.c15.e2-2.dev/speakleash-ds-pub/datasets_text/"
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
ATTEMPTS = 3
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
REMEDY = "delete it to download it anew"
FILE_SUFFIXES = (".jsonl.zst", ".jsonl")


class SourceError(PolishgenError):
    """A source that is missing, cut, corrupt, or smaller than its manifest says."""


@dataclass(frozen=True)
class Manifest:
    """What a manifest promises; None where it says nothing."""

    file_size: int | None = None
    documents: int | None = None

    @classmethod
    def parse(cls, content: bytes, name: str) -> "Manifest":
        """Reads a manifest's JSON; `SourceError` naming it if it is not one."""
        try:
            data = json.loads(content)
            stats = data.get("stats") or {}
            return cls(count_of(data.get("file_size")), count_of(stats.get("documents")))
        except (ValueError, AttributeError) as error:
            raise SourceError(f"the manifest {name} is not a SpeakLeash manifest") from error


def count_of(value: object) -> int | None:
    """A positive whole number, or None for anything else (SpeakLeash writes 0 for "unknown")."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return int(value)


def read_documents(
    source: str, base_url: str = DEFAULT_BASE_URL, cache: Path = Path("runs/downloads")
) -> Iterator[Document]:
    """Documents of `source`: a path to a file or folder, or else the name of a data set.

    A file's manifest is used when it lies beside it. Raises `SourceError`.
    """
    path = Path(source)
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_file(path, local_manifest(path))
    if os.sep in source or source.endswith((*FILE_SUFFIXES, ".txt")):
        raise SourceError(f"there is no file or folder {source}")
    return read_data_set(source, base_url, cache)


def read_data_set(name: str, base_url: str, cache: Path) -> Iterator[Document]:
    """Documents of a SpeakLeash data set, downloaded into `cache` unless they are there already."""
    base_url = base_url.rstrip("/") + "/"
    manifest_url = f"{base_url}{name}.manifest"
    content = fetch_small(manifest_url)
    manifest = Manifest.parse(content, manifest_url)
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{name}.jsonl.zst"
    download(f"{base_url}{name}.jsonl.zst", path, manifest.file_size)
    path.with_name(f"{name}.manifest").write_bytes(content)
    return read_file(path, manifest)


# --- local -----------------------------------------------------------------------------------


def local_manifest(path: Path) -> Manifest:
    """The manifest beside a data file, or one that promises nothing."""
    for suffix in FILE_SUFFIXES:
        beside = path.with_name(path.name.removesuffix(suffix) + ".manifest")
        if path.name.endswith(suffix) and beside.is_file():
            return Manifest.parse(beside.read_bytes(), str(beside))
    return Manifest()


def read_folder(folder: Path) -> Iterator[Document]:
    """Every `.txt` file under a folder, in UTF-8, by name; the file's name is the title."""
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise SourceError(f"the folder {folder} holds no .txt file")
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not UTF-8: {error.reason}") from error
        yield Document(text, {"title": path.stem, "file": str(path.relative_to(folder))})


def read_file(path: Path, manifest: Manifest) -> Iterator[Document]:
    """Documents of a `.jsonl.zst` or `.jsonl` file, checked against its manifest."""
    if not path.name.endswith(FILE_SUFFIXES):
        raise SourceError(f"{path} is not a .jsonl.zst or .jsonl file")
    size = path.stat().st_size
    if path.name.endswith(".zst") and manifest.file_size not in (None, size):
        raise SourceError(f"{path} has {size:,} bytes, its manifest says {manifest.file_size:,}")
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        yield parse_line(line, f"{path}, line {number}")
    if manifest.documents not in (None, number):
        raise SourceError(
            f"{path} holds {number:,} documents, its manifest says {manifest.documents:,}"
        )
    if not number:
        raise SourceError(f"{path} holds no documents")


def read_lines(path: Path) -> Iterator[bytes]:
    """Lines of a file, decompressed if its name ends in .zst; blank ones are left out."""
    with path.open("rb") as file:
        packed = path.name.endswith(".zst")
        lines = io.BufferedReader(Frames(file, path), CHUNK_BYTES) if packed else file
        for line in lines:
            if line.strip():
                yield line


class Frames(io.RawIOBase):
    """Decompressed bytes of a zstd file of any number of frames.

    Unlike zstandard's own reader it does not take the end of the file within a frame for the end
    of the data: that raises `SourceError`.
    """

    def __init__(self, file: io.BufferedReader, path: Path):
        self._file, self._path = file, path
        self._frame = None
        self._rest, self._ready = b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._ready:
            data = self._rest or self._file.read(CHUNK_BYTES)
            if not data and self._frame:
                raise SourceError(
                    f"{self._path} is cut off: its last zstd frame is not whole; {REMEDY}"
                )
            if not data:
                return 0
            self._ready = self._decompress(data)
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _decompress(self, data: bytes) -> bytes:
        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        try:
            out = self._frame.decompress(data)
        except zstandard.ZstdError as error:
            raise SourceError(f"{self._path} is corrupt: {error}; {REMEDY}") from error
        self._rest = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return out


def parse_line(line: bytes, place: str) -> Document:
    """One document; `SourceError` naming `place` if the line is not one."""
    try:
        data = json.loads(line)
    except ValueError as error:
        raise SourceError(f"{place}: not JSON ({error})") from error
    text = data.get("text") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise SourceError(f'{place}: no "text"')
    meta = data.get("meta")
    return Document(text, meta if isinstance(meta, dict) else {})


# --- downloads -------------------------------------------------------------------------------


def fetch_small(url: str) -> bytes:
    """The body at `url`; `SourceError` naming it otherwise."""
    try:
        response = requests.get(url, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
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
    expected = size if size and size_of(part) == size else fetch_part(url, part, size)
    if size_of(part) != (size or expected or size_of(part)):
        got = size_of(part)
        part.unlink()
        raise SourceError(f"{url} brought {got:,} bytes instead of {size or expected:,}")
    part.replace(path)
    validator_file(part).unlink(missing_ok=True)


def fetch_part(url: str, part: Path, size: int | None) -> int | None:
    """Fetches what `part` lacks, in `ATTEMPTS`; the whole size, where the server gives it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return fetch_rest(url, part, size)
        except requests.RequestException as error:
            if attempt == ATTEMPTS:
                got = size_of(part)
                raise SourceError(f"{url} was cut off after {got:,} bytes: {error}") from error
    return None


def fetch_rest(url: str, part: Path, size: int | None) -> int | None:
    """One request that adds to `part`; the whole size, where the server gives it."""
    have = size_of(part)
    headers = {"Accept-Encoding": "identity"}
    validator = read_validator(part)
    if have and validator and have < (size or have + 1):
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == 416:
            # The file on the server is no longer than what is here: not the file of before.
            validator_file(part).unlink()
            raise requests.ConnectionError("the server's file has changed")
        check_status(response, url)
        span = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        goes_on = response.status_code == 206 and span and int(span[1]) == have
        if response.status_code == 206 and not goes_on:
            validator_file(part).unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part than was asked for")
        if not goes_on:
            have = 0
            write_validator(part, response.headers)
        length = count_of(int(response.headers.get("Content-Length", 0)))
        total = length and have + length
        with part.open("ab" if goes_on else "wb") as file, progress_bar(url, have, total) as bar:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
        return total


def progress_bar(url: str, have: int, total: int | None) -> tqdm:
    """Bytes of a download, shown where standard error is a terminal."""
    name = url.rsplit("/", 1)[-1]
    return tqdm(total=total, initial=have, desc=name, unit="B", unit_scale=True, disable=None)


def size_of(path: Path) -> int:
    """Size of a file in bytes, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0


def validator_file(part: Path) -> Path:
    """Where the version of a `.part` file is kept."""
    return part.with_name(part.name + ".version")


def read_validator(part: Path) -> str | None:
    """The ETag or date of the file that `part` is the start of, None if unknown."""
    file = validator_file(part)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def write_validator(part: Path, headers: Mapping[str, str]) -> None:
    """Keeps the ETag, or the date, by which a server recognises this version of the file."""
    etag = headers.get("ETag", "")
    # A weak ETag does not promise the same bytes.
    validator = headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag
    validator_file(part).unlink(missing_ok=True)
    if validator:
        validator_file(part).write_text(validator, encoding="utf-8")
