"""Where documents come from: our tales, a SpeakLeash data set, a file, or a folder of text files.

SpeakLeash publishes each data set as `<name>.manifest` (JSON: sizes and counts) and
`<name>.jsonl.zst` (one document per line, `{"text": …, "meta": {…}}`). Files are checked against
their manifest; whatever is cut, corrupt or short is an error that names it, never a smaller corpus.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pooch
from backports import zstd

from polishgen.errors import PolishgenError
from training.corpus.cleaning import Document

DEFAULT_NAME = "wolne_lektury_corpus"
# The tales that come with the code.
TALES = "bajki"
TALES_PATH = Path(__file__).parent / "data" / f"{TALES}.jsonl.zst"
DEFAULT_BASE_URL = "https://d6t0.c15.e2-2.dev/speakleash-ds-pub/datasets_text/"
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
        except (ValueError, AttributeError, RecursionError) as error:
            raise SourceError(f"the manifest {name} is not a SpeakLeash manifest") from error


def count_of(value: object) -> int | None:
    """A positive whole number, or None for anything else (SpeakLeash writes 0 for "unknown")."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < float("inf") else None


def read_documents(
    source: str, base_url: str = DEFAULT_BASE_URL, cache: Path = Path("runs/downloads")
) -> Iterator[Document]:
    """Documents of `source`: "bajki", a path to a file or folder, or the name of a data set.

    A file's manifest is used when it lies beside it. Raises `SourceError`.
    """
    path = TALES_PATH if source == TALES else Path(source)
    if not source:
        raise SourceError("the source is empty: it must be a path or the name of a data set")
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
    path, manifest_path = cache / f"{name}.jsonl.zst", cache / f"{name}.manifest"
    manifest_path.unlink(missing_ok=True)
    download(base_url + manifest_path.name, manifest_path)
    manifest = Manifest.parse(manifest_path.read_bytes(), base_url + manifest_path.name)
    if path.is_file() and manifest.file_size not in (None, path.stat().st_size):
        path.unlink()
    download(base_url + path.name, path)
    return read_download(path, manifest)


def download(url: str, path: Path) -> None:
    """Brings `url` to `path`, which exists only once it is whole, unless it exists already."""
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, None, path.name, path.parent, progressbar=sys.stderr.isatty())
    except (OSError, ValueError) as error:
        raise SourceError(f"{url} cannot be fetched: {error}") from error


def read_download(path: Path, manifest: Manifest) -> Iterator[Document]:
    """`read_file`, whose errors say how to get the file again."""
    try:
        yield from read_file(path, manifest)
    except SourceError as error:
        raise SourceError(f"{error}; delete {path} to download it anew") from error


def local_manifest(path: Path) -> Manifest:
    """The manifest beside a data file, or one that promises nothing."""
    for suffix in FILE_SUFFIXES:
        beside = path.with_name(path.name.removesuffix(suffix) + ".manifest")
        if path.name.endswith(suffix) and beside.is_file():
            return Manifest.parse(beside.read_bytes(), str(beside))
    return Manifest()


def read_folder(folder: Path) -> Iterator[Document]:
    """Every text file (.txt, .TXT) under a folder, in UTF-8, by name; its name is the title.

    Hidden files and folders, which other systems leave behind, are passed over.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == ".txt"
        and not path.is_dir()
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise SourceError(f"the folder {folder} holds no .txt file")
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not UTF-8: {error.reason}") from error
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
        yield Document(text, {"title": path.stem, "file": str(path.relative_to(folder))})


def read_file(path: Path, manifest: Manifest) -> Iterator[Document]:
    """Documents of a `.jsonl.zst` or `.jsonl` file, checked against its manifest."""
    if not path.name.endswith(FILE_SUFFIXES):
        raise SourceError(f"{path} is not a .jsonl.zst or .jsonl file")
    size = path.stat().st_size
    if path.name.endswith(".zst") and manifest.file_size not in (None, size):
        raise SourceError(f"{path} has {size:,} bytes, its manifest says {manifest.file_size:,}")
    documents = 0
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield parse_line(line, f"{path}, line {number}")
            documents += 1
    if manifest.documents not in (None, documents):
        raise SourceError(
            f"{path} holds {documents:,} documents, its manifest says {manifest.documents:,}"
        )
    if not documents:
        raise SourceError(f"{path} holds no documents")


def read_lines(path: Path) -> Iterator[bytes]:
    """Lines of a file, decompressed if its name ends in .zst."""
    if not path.name.endswith(".zst"):
        with path.open("rb") as file:
            yield from file
        return
    try:
        # Frames made with zstd's --long need a window beyond the decompressor's default limit.
        with zstd.open(path, options={zstd.DecompressionParameter.window_log_max: 31}) as file:
            yield from file
    except EOFError as error:
        raise SourceError(f"{path} is cut off: its last zstd frame is not whole") from error
    except zstd.ZstdError as error:
        raise SourceError(f"{path} is corrupt: {error}") from error


def parse_line(line: bytes, place: str) -> Document:
    """One document; `SourceError` naming `place` if the line is not one."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{place}: not JSON ({error})") from error
    text = data.get("text") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise SourceError(f'{place}: no "text"')
    meta = data.get("meta")
    return Document(text, meta if isinstance(meta, dict) else {})
