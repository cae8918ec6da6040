"""Sources: files that are whole or an error, and downloads against a server on loopback."""

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from backports import zstd
from data_server import DataServer
from hypothesis import given, settings
from hypothesis import strategies as st

from training.corpus.cleaning import Document
from training.corpus.sources import SourceError, read_documents

NAME = "powiastki"
DATA, MANIFEST = f"{NAME}.jsonl.zst", f"{NAME}.manifest"


def documents(count: int, seed: int = 1) -> list[Document]:
    """Documents that hardly compress, some thousands of letters each."""
    choose = random.Random(seed)
    return [
        Document("".join(choose.choices("aąbcćdeęłńóż \n", k=9000)), {"title": f"Bajka {number}"})
        for number in range(count)
    ]


TALES = documents(40)


def to_jsonl(tales: list[Document]) -> bytes:
    rows = ({"text": tale.text, "meta": tale.meta} for tale in tales)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def pack(data: bytes, options: dict | None = None) -> bytes:
    """One zstd frame, with a checksum."""
    options = {zstd.CompressionParameter.checksum_flag: 1, **(options or {})}
    return zstd.compress(data, options=options)


def manifest_of(data: bytes, count: int | None, **changes) -> bytes:
    """A manifest as SpeakLeash writes it."""
    fields = {"name": NAME, "file_size": len(data), "stats": {"documents": count}} | changes
    return json.dumps(fields).encode()


PACKED = pack(to_jsonl(TALES))


@pytest.fixture
def server() -> Iterator[DataServer]:
    """Publishes `TALES` as the data set `NAME`."""
    with DataServer({DATA: PACKED, MANIFEST: manifest_of(PACKED, len(TALES))}) as server:
        yield server


def fetch(server: DataServer, cache: Path) -> list[Document]:
    return list(read_documents(NAME, server.base_url, cache))


def replace_data(server: DataServer, tales: list[Document]) -> None:
    """Publishes other documents in the place of the old."""
    data = pack(to_jsonl(tales))
    server.files = {DATA: data, MANIFEST: manifest_of(data, len(tales))}


def data_requests(server: DataServer) -> list:
    return [request for request in server.log if request.name == DATA]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# Downloads that end well


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_data_set_arrives_as_published(server, tmp_path, slash):
    base_url = server.base_url.rstrip("/") + slash
    assert list(read_documents(NAME, base_url, tmp_path / "cache")) == TALES
    assert [request.name for request in server.log] == [MANIFEST, DATA]
    assert names_in(tmp_path / "cache") == {DATA, MANIFEST}
    assert (tmp_path / "cache" / DATA).read_bytes() == PACKED


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    assert fetch(server, tmp_path) == TALES
    assert len(data_requests(server)) == 1


def test_a_data_set_published_anew_is_fetched_anew(server, tmp_path):
    fetch(server, tmp_path)
    newer = documents(41, seed=2)
    replace_data(server, newer)
    assert fetch(server, tmp_path) == newer


def test_a_manifest_that_tells_no_sizes_will_do(server, tmp_path):
    server.files[MANIFEST] = manifest_of(PACKED, None, file_size=0)
    assert fetch(server, tmp_path) == TALES


@pytest.mark.parametrize("name", [DATA, MANIFEST])
@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_status_names_the_address(server, tmp_path, name, status):
    server.statuses[name] = status
    with pytest.raises(SourceError, match=rf"{server.base_url}{name} cannot be fetched: {status}"):
        fetch(server, tmp_path)
    assert DATA not in names_in(tmp_path)


def test_a_broken_download_is_an_error_and_leaves_nothing(server, tmp_path):
    server.cuts = [5000]
    with pytest.raises(SourceError, match=f"{DATA} cannot be fetched"):
        fetch(server, tmp_path)
    assert names_in(tmp_path) == {MANIFEST}
    assert fetch(server, tmp_path) == TALES


@pytest.mark.parametrize("url", ["", "no address", "http://[::1/", "ftp://127.0.0.1/"])
def test_a_base_url_that_is_none_is_named(url, tmp_path):
    with pytest.raises(SourceError, match="cannot be fetched"):
        read_documents(NAME, url, tmp_path)


# Downloads that are not what they should be


@pytest.mark.parametrize("difference", [-1, 1, 1000])
def test_a_size_other_than_the_manifests_is_an_error(server, tmp_path, difference):
    said = len(PACKED) + difference
    server.files[MANIFEST] = manifest_of(PACKED, len(TALES), file_size=said)
    with pytest.raises(
        SourceError, match=rf"has {len(PACKED):,} bytes, its manifest says {said:,}"
    ):
        fetch(server, tmp_path)


def test_an_end_without_a_promised_length_is_checked_by_the_manifest(server, tmp_path):
    server.length, server.cuts = False, [5000]
    with pytest.raises(SourceError, match="has 5,000 bytes, its manifest says"):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path) == TALES


def test_an_end_that_nobody_can_check_shows_in_the_frame(server, tmp_path):
    server.files[MANIFEST] = manifest_of(PACKED, None, file_size=None)
    server.length, server.cuts = False, [5000]
    with pytest.raises(SourceError, match=rf"{DATA} is cut off.*delete .*{DATA}"):
        fetch(server, tmp_path)


def test_a_corrupt_file_is_named_with_what_to_do(server, tmp_path):
    data = bytearray(PACKED)
    data[len(data) // 2] ^= 0xFF
    server.files[DATA] = bytes(data)
    with pytest.raises(SourceError, match=rf"{DATA}.*; delete .*{DATA}"):
        fetch(server, tmp_path)


def test_a_file_truncated_at_its_source_is_an_error(server, tmp_path):
    server.files = {DATA: PACKED[:-1], MANIFEST: manifest_of(PACKED[:-1], len(TALES))}
    with pytest.raises(SourceError, match=f"{DATA} is cut off"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("said", [39, 41])
def test_a_document_count_other_than_the_manifests_is_an_error(server, tmp_path, said):
    server.files[MANIFEST] = manifest_of(PACKED, said)
    with pytest.raises(SourceError, match=f"{DATA} holds 40 documents, its manifest says {said}"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>Not here</html>", b"[1]", b'"x"', b'{"stats": [1]}', b"[" * 10_000]
)
def test_a_manifest_that_is_none_is_named(server, tmp_path, content):
    server.files[MANIFEST] = content
    with pytest.raises(SourceError, match=f"{MANIFEST} is not a SpeakLeash manifest"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("value", ["1", None, True, -5, 0, float("nan"), float("inf"), [3]])
def test_a_size_that_is_no_count_says_nothing(server, tmp_path, value):
    server.files[MANIFEST] = manifest_of(PACKED, value, file_size=value)
    assert fetch(server, tmp_path) == TALES


# Local files


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("name, packed", [(DATA, True), (f"{NAME}.jsonl", False)])
def test_a_local_file_is_read_packed_or_not(tmp_path, name, packed):
    data = to_jsonl(TALES)
    source = write(tmp_path / name, pack(data) if packed else data)
    assert list(read_documents(source)) == TALES


@pytest.mark.parametrize("name, packed", [(DATA, True), (f"{NAME}.jsonl", False)])
def test_a_manifest_beside_a_local_file_is_heeded(tmp_path, name, packed):
    source = write(tmp_path / name, PACKED if packed else to_jsonl(TALES))
    write(tmp_path / MANIFEST, manifest_of(PACKED, len(TALES)))
    assert list(read_documents(source)) == TALES
    write(tmp_path / MANIFEST, manifest_of(PACKED, len(TALES) + 1))
    with pytest.raises(SourceError, match=f"{name} holds 40 documents, its manifest says 41"):
        list(read_documents(source))


def test_a_local_file_shorter_than_its_manifest_is_refused_before_it_is_read(tmp_path):
    write(tmp_path / MANIFEST, manifest_of(PACKED, len(TALES)))
    source = write(tmp_path / DATA, PACKED[:-7])
    with pytest.raises(SourceError, match=rf"{DATA} has .* bytes, its manifest says"):
        next(read_documents(source))


def test_many_frames_are_one_file(tmp_path):
    data = to_jsonl(TALES)
    # Frames end within lines and within letters; two are empty, one is to be skipped.
    cuts = [0, 1, 1, 5000, 5003, len(data) // 2, len(data), len(data)]
    frames = [pack(data[a:b]) for a, b in pairwise(cuts)]
    skipped = b"\x50\x2a\x4d\x18" + (6).to_bytes(4, "little") + b"a note"
    source = write(tmp_path / DATA, b"".join([frames[0], skipped, *frames[1:]]))
    assert list(read_documents(source)) == TALES


def test_frames_with_a_long_window_are_read(tmp_path):
    parameter = zstd.CompressionParameter
    options = {parameter.window_log: 28, parameter.enable_long_distance_matching: 1}
    # Without its size a frame does not shrink its window.
    packer = zstd.ZstdCompressor(options=options)
    data = to_jsonl(TALES)
    source = write(tmp_path / DATA, packer.compress(data) + packer.flush())
    assert list(read_documents(source)) == TALES


SMALL_TALES = [Document(f"Był sobie {number}. kot.", {}) for number in range(30)]
SMALL_PACKED = pack(to_jsonl(SMALL_TALES))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(SMALL_PACKED) - 1))
def test_a_frame_cut_anywhere_is_an_error(tmp_path_factory, cut):
    source = write(tmp_path_factory.mktemp("cut") / DATA, SMALL_PACKED[:cut])
    with pytest.raises(SourceError, match=DATA):
        list(read_documents(source))


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, len(SMALL_PACKED) - 1), flip=st.integers(1, 255))
def test_a_damaged_byte_is_an_error_or_does_no_harm(tmp_path_factory, place, flip):
    data = bytearray(SMALL_PACKED)
    data[place] ^= flip
    source = write(tmp_path_factory.mktemp("damage") / DATA, bytes(data))
    try:
        assert list(read_documents(source)) == SMALL_TALES
    except SourceError as error:
        assert DATA in str(error)


def test_what_follows_the_last_frame_is_an_error(tmp_path):
    source = write(tmp_path / DATA, SMALL_PACKED + b"more of something")
    with pytest.raises(SourceError, match=f"{DATA} is corrupt"):
        list(read_documents(source))


@pytest.mark.parametrize(
    "line, complaint",
    [
        (b'{"text": "Kot', "not JSON"),
        (b'{"text": "Kot"} x', "not JSON"),
        (b'{"text": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'["Kot"]', 'no "text"'),
        (b'{"txt": "Kot"}', 'no "text"'),
        (b'{"text": 5}', 'no "text"'),
        (b"null", 'no "text"'),
    ],
)
def test_a_line_that_is_no_document_is_named(tmp_path, line, complaint):
    source = write(tmp_path / "a.jsonl", b'{"text": "Pies"}\n\n' + line + b'\n{"text": "Lis"}\n')
    with pytest.raises(SourceError, match=rf"a\.jsonl, line 3: {complaint}"):
        list(read_documents(source))


def test_blank_lines_and_odd_meta_are_passed_over(tmp_path):
    data = (
        b'\n{"text": "Pies", "meta": [1]}\n  \r\n{"text": "Lis"}\r\n{"text": "", "meta": {"a": 1}}'
    )
    expected = [Document("Pies", {}), Document("Lis", {}), Document("", {"a": 1})]
    assert list(read_documents(write(tmp_path / "a.jsonl", data))) == expected


@pytest.mark.parametrize("name, data", [("a.jsonl", b"\n"), (DATA, pack(b""))])
def test_a_file_without_documents_is_an_error(tmp_path, name, data):
    with pytest.raises(SourceError, match=f"{name} holds no documents"):
        list(read_documents(write(tmp_path / name, data)))


def test_a_folder_gives_its_text_files_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "c.txt").mkdir()
    write(tmp_path / "b" / "druga.txt", "Żuk\r\nidzie.".encode())
    write(tmp_path / "a.txt", b"\xef\xbb\xbf" + "Łoś.".encode())
    write(tmp_path / "notes.md", b"\xff")
    write(tmp_path / "D.TXT", "Ćma.".encode())
    # What macOS and editors leave behind.
    write(tmp_path / "._a.txt", b"\x00\x05\x16\x07\xff")
    for hidden in (".cache", "__MACOSX"):
        (tmp_path / hidden).mkdir()
        write(tmp_path / hidden / "._a.txt", b"\xff")
        write(tmp_path / hidden / "b.txt", b"\xff")
    write(tmp_path / "c.txt" / "trzecia.txt", b"Lis.")
    assert list(read_documents(str(tmp_path))) == [
        Document("Ćma.", {"title": "D", "file": "D.TXT"}),
        Document("Łoś.", {"title": "a", "file": "a.txt"}),
        Document("Żuk\nidzie.", {"title": "druga", "file": "b/druga.txt"}),
        Document("Lis.", {"title": "trzecia", "file": "c.txt/trzecia.txt"}),
    ]


def test_a_text_file_that_cannot_be_read_is_named(tmp_path):
    write(tmp_path / "a.txt", "żółć".encode("cp1250"))
    with pytest.raises(SourceError, match=r"a\.txt is not UTF-8"):
        list(read_documents(str(tmp_path)))
    (tmp_path / "a.txt").unlink()
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(SourceError, match=r"a\.txt cannot be read"):
        list(read_documents(str(tmp_path)))


def test_sources_that_are_nothing_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"holds no \.txt file"):
        list(read_documents(str(tmp_path)))
    for missing in (str(tmp_path / "none"), "none.jsonl.zst", "none.jsonl", "none.txt"):
        with pytest.raises(SourceError, match=f"there is no file or folder {missing}"):
            read_documents(missing)
    with pytest.raises(SourceError, match=r"a\.csv is not a \.jsonl\.zst or \.jsonl file"):
        list(read_documents(write(tmp_path / "a.csv", b"x")))
    with pytest.raises(SourceError, match="the source is empty"):
        read_documents("")
