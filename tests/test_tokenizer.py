"""Text to tokens and back, against byte-pair encoding written naively and the files on disk."""

import base64
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import tiktoken
from conftest import invented_text
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.errors import CheckpointError, ParameterError, PolishgenError
from polishgen.tokenizer import (
    DOCUMENT_BOUNDARY,
    LONGEST_RUN,
    PRETOKEN_PATTERN,
    StreamingDecoder,
    Tokenizer,
)
from training.corpus.bpe import LARGEST, SMALLEST, train_bpe

BYTES_ONLY = Tokenizer.from_ranks({bytes([byte]): byte for byte in range(256)})
POLISH = train_bpe([invented_text(seed, 40) for seed in range(8)], 400)
# An emoji of seven code points, a letter with two combining marks, controls, the boundary, …
AWKWARD = (
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "z\u0307\u0301",
    "\u200d",
    "\x00\x1c\x85",
    DOCUMENT_BOUNDARY,
    "\r\n",
    "  ",
    "١٢٣",
    "żółć",
)
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(AWKWARD)), max_size=8).map("".join)
WITH_SURROGATES = st.text(st.characters(categories=["L", "Cs", "Zs", "So"]), max_size=30)


def naive_encode(text: str, tokenizer: Tokenizer) -> list[int]:
    """Byte-pair encoding as defined: in every word, merge the pair of least rank until none is."""
    ranks = {tokenizer.token_bytes(token): token for token in range(tokenizer.boundary_id)}
    out = []
    for word in regex.findall(PRETOKEN_PATTERN, text):
        parts = [bytes([byte]) for byte in word.encode()]
        while len(parts) > 1:
            pairs = [ranks.get(a + b, len(ranks)) for a, b in pairwise(parts)]
            best = pairs.index(min(pairs))
            if pairs[best] == len(ranks):
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        out += [ranks[part] for part in parts]
    return out


# Encoding and decoding


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_any_text_round_trips_and_no_text_is_the_boundary(text):
    for tokenizer in (POLISH, BYTES_ONLY):
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert tokenizer.boundary_id not in tokens
        assert all(0 <= token < tokenizer.n_vocab for token in tokens)


@settings(max_examples=50, deadline=None)
@given(WITH_SURROGATES)
def test_lone_surrogates_become_replacement_characters(text):
    expected = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
    assert POLISH.decode(POLISH.encode(text)) == expected


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_tokens_are_those_of_naive_byte_pair_encoding(text):
    assert POLISH.encode(text) == naive_encode(text, POLISH)


def test_the_polish_bpe_merges_what_it_was_trained_on():
    text = invented_text(99, 10)
    tokens = POLISH.encode(text)
    assert tokens == naive_encode(text, POLISH)
    assert len(tokens) < len(text.encode()) / 2


def test_words_take_their_space_and_their_combining_marks():
    text = "Że 'z\u0307o\u0301łw', 12345 don't\n\n  Pa"
    words = [
        "Że",
        " '",
        "z\u0307o\u0301łw",
        "',",
        " ",
        "123",
        "45",
        " don",
        "'t",
        "\n\n",
        " ",
        " Pa",
    ]
    assert regex.findall(PRETOKEN_PATTERN, text) == words


@pytest.mark.parametrize("sign", [" ", "\n", "\x85", "a", "ż", "7", "—", "\u0301", "-\x1c", "👩"])
def test_long_runs_round_trip_in_reasonable_time(sign):
    text = "Oto " + sign * 100_000 + " koniec."
    started = time.process_time()
    tokens = POLISH.encode(text)
    assert time.process_time() - started < 5
    assert POLISH.decode(tokens) == text


def test_a_run_that_tiktoken_alone_cannot_encode():
    text = " " * 1_000_000
    assert POLISH.decode(POLISH.encode(text)) == text


def test_only_runs_beyond_the_limit_are_cut():
    word = "młynarz" * 200
    text = f"Stary {word[:LONGEST_RUN]} i {word[: LONGEST_RUN + 1]}"
    uncut, cut = f"Stary {word[:LONGEST_RUN]} i ", word[: LONGEST_RUN + 1]
    expected = naive_encode(uncut + cut[:LONGEST_RUN], POLISH) + naive_encode(cut[-1], POLISH)
    assert POLISH.encode(text) == expected


def test_the_boundary_decodes_to_its_name():
    assert POLISH.boundary_id == POLISH.n_vocab - 1
    assert POLISH.decode([*POLISH.encode("a"), POLISH.boundary_id]) == "a" + DOCUMENT_BOUNDARY


@pytest.mark.parametrize("token", [-1, 257, 10**9, True, 1.0, "a", None])
def test_ids_outside_the_vocabulary_are_refused(token):
    with pytest.raises(ParameterError, match="token="):
        BYTES_ONLY.decode([65, token])


# Streaming


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_streaming_gives_whole_characters_only(text):
    for tokenizer in (POLISH, BYTES_ONLY):
        decoder, seen = StreamingDecoder(tokenizer), ""
        for token in tokenizer.encode(text):
            seen += decoder.push(token)
            assert text.startswith(seen)
        assert (seen, decoder.flush()) == (text, "")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, POLISH.n_vocab - 1), max_size=30))
def test_streaming_joined_is_decode_for_any_tokens(tokens):
    decoder = StreamingDecoder(POLISH)
    pieces = [decoder.push(token) for token in tokens]
    assert "".join(pieces) + decoder.flush() == POLISH.decode(tokens)


def test_a_token_that_ends_inside_a_letter_waits():
    decoder = StreamingDecoder(BYTES_ONLY)
    assert [decoder.push(byte) for byte in "aż!".encode()] == ["a", "", "ż", "!"]


def test_flush_ends_an_unfinished_letter_and_starts_anew():
    decoder = StreamingDecoder(BYTES_ONLY)
    first, second = "ż".encode()
    assert decoder.push(first) == ""
    assert decoder.flush() == "\ufffd"
    assert decoder.push(second) == "\ufffd"
    assert decoder.flush() == ""


# Files


def test_a_saved_tokenizer_is_the_same(tmp_path):
    path = tmp_path / "t.tiktoken"
    POLISH.save(path)
    again = Tokenizer.from_file(path)
    assert (again.name, again.n_vocab) == (POLISH.name, POLISH.n_vocab) == ("polish-400", 400)
    assert again.boundary_id == POLISH.boundary_id
    assert all(again.token_bytes(t) == POLISH.token_bytes(t) for t in range(POLISH.n_vocab))
    assert again.encode(invented_text(5, 5)) == POLISH.encode(invented_text(5, 5))
    assert [file.name for file in tmp_path.iterdir()] == ["t.tiktoken"]


def test_the_file_is_in_tiktokens_format(tmp_path):
    POLISH.save(tmp_path / "t.tiktoken")
    rows = [line.split(" ") for line in (tmp_path / "t.tiktoken").read_text().splitlines()]
    assert [int(rank) for _, rank in rows] == list(range(399))
    assert [base64.b64decode(token) for token, _ in rows] == POLISH._bytes[:399]


def lines_of(path: Path) -> list[str]:
    POLISH.save(path)
    return path.read_text().splitlines()


def row(token: bytes, rank: int) -> str:
    return f"{base64.b64encode(token).decode()} {rank}"


DAMAGE = {
    "empty": lambda lines: [],
    "not base64": lambda lines: [*lines[:-1], "ż# 398"],
    "bad padding": lambda lines: [*lines[:-1], "YWJ 398"],
    "no rank": lambda lines: [*lines[:-1], lines[-1].split()[0]],
    "rank no number": lambda lines: [*lines[:-1], lines[-1] + "x"],
    "third column": lambda lines: [*lines[:-1], lines[-1] + " 5"],
    "blank line": lambda lines: [*lines[:300], "", *lines[300:]],
    "line lost": lambda lines: [*lines[:300], *lines[301:]],
    "byte lost": lambda lines: [*lines[:65], row(b"never seen", 65), *lines[66:]],
    "line twice": lambda lines: [*lines, lines[-1]],
    "token twice": lambda lines: [*lines[:-1], row(POLISH.token_bytes(300), 398)],
    "rank twice": lambda lines: [*lines[:-1], row(b"never seen", 300)],
    "negative rank": lambda lines: [*lines[:-1], row(b"never seen", -1)],
    "cut within the last rank": lambda lines: [*lines[:-1], lines[-1][:-1]],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused_by_name(tmp_path, damage):
    path = tmp_path / "t.tiktoken"
    path.write_text("\n".join(DAMAGE[damage](lines_of(path))) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"t\.tiktoken is damaged"):
        Tokenizer.from_file(path)


def test_binary_and_unreadable_files_are_refused_by_name(tmp_path):
    (tmp_path / "b.tiktoken").write_bytes(bytes(range(256)))
    with pytest.raises(CheckpointError, match=r"b\.tiktoken is damaged"):
        Tokenizer.from_file(tmp_path / "b.tiktoken")
    for path in (tmp_path, tmp_path / "none.tiktoken"):
        with pytest.raises(CheckpointError, match=f"{path.name} cannot be read"):
            Tokenizer.from_file(path)


# cl100k_base


def test_cl100k_gives_the_tokens_that_openai_documents(cl100k):
    assert cl100k.encode("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]
    assert (cl100k.n_vocab, cl100k.boundary_id) == (100_277, 100_257)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_cl100k_round_trips_and_streams(cl100k, text):
    tokens, decoder = cl100k.encode(text), StreamingDecoder(cl100k)
    assert cl100k.boundary_id not in tokens
    assert cl100k.decode(tokens) == text
    assert "".join(decoder.push(token) for token in tokens) == text


def test_cl100k_has_ids_that_stand_for_nothing(cl100k):
    assert cl100k.token_bytes(100_261) == b""
    assert cl100k.token_bytes(100_257) == DOCUMENT_BOUNDARY.encode()


def test_cl100k_is_not_saved(cl100k, tmp_path):
    with pytest.raises(PolishgenError, match="cl100k_base is not saved"):
        cl100k.save(tmp_path / "t.tiktoken")
    assert not list(tmp_path.iterdir())


def test_cl100k_without_cache_and_network_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    # A proxy that nobody serves keeps the request off any network.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"cl100k_base could not .* TIKTOKEN_CACHE_DIR"):
        Tokenizer.cl100k()


# Training


def test_every_merge_is_of_the_most_frequent_pair():
    texts = [invented_text(seed, 60) for seed in range(3)]
    tokenizer = train_bpe(texts, 330)
    words = Counter(word for text in texts for word in regex.findall(PRETOKEN_PATTERN, text))
    parts = {word: [bytes([byte]) for byte in word.encode()] for word in words}
    assert [tokenizer.token_bytes(token) for token in range(256)] == [
        bytes([b]) for b in range(256)
    ]
    for token in range(256, tokenizer.boundary_id):
        pairs = Counter()
        for word, count in words.items():
            for pair in pairwise(parts[word]):
                pairs[pair] += count
        merged = tokenizer.token_bytes(token)
        most = max(pairs.values())
        best = [a for a, b in pairs if a + b == merged and pairs[a, b] == most]
        assert best, f"{merged} is not one of the pairs that occur {most} times"
        parts = {word: merge(split, best[0], merged) for word, split in parts.items()}


def merge(parts: list[bytes], first: bytes, merged: bytes) -> list[bytes]:
    """`parts` with every neighbouring pair that makes `merged`, from `first` on, made one."""
    out = []
    for part in parts:
        if out and out[-1] == first and first + part == merged:
            out[-1] = merged
        else:
            out.append(part)
    return out


def test_the_vocabulary_has_the_size_asked_for_or_what_the_text_gives():
    assert train_bpe([invented_text(1, 50)], 300).n_vocab == 300
    assert train_bpe([invented_text(1, 50)], 300.0).n_vocab == 300
    # "aa" has one pair to merge.
    assert train_bpe(["aa"], 300).n_vocab == 258
    assert train_bpe([], 300).n_vocab == 257


@pytest.mark.parametrize("size", [SMALLEST - 1, LARGEST + 1, 300.5, True, "8192"])
def test_vocabulary_sizes_out_of_range_are_refused(size):
    with pytest.raises(ParameterError, match="vocab_size"):
        train_bpe(["aa"], size)


@pytest.mark.slow
def test_training_gives_the_same_vocabulary_on_one_core_as_on_many():
    code = (
        "import sys\n"
        "from training.corpus.bpe import train_bpe\n"
        "tokenizer = train_bpe(sys.stdin.read().splitlines(keepends=True), 390)\n"
        "print(*(tokenizer.token_bytes(token).hex() for token in range(tokenizer.n_vocab)))"
    )
    text = "\n".join(invented_text(seed, 100) for seed in range(9))
    tokenizer = train_bpe(text.splitlines(keepends=True), 390)
    alone = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "RAYON_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        input=text,
        encoding="utf-8",
        capture_output=True,
        check=True,
    )
    assert alone.stdout.split() == [tokenizer.token_bytes(t).hex() for t in range(390)]
