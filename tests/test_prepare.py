"""Preparation: the split against a naive one, and the files on disk against the clean texts."""

import json
import random
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from backports import zstd
from conftest import invented_text
from data_server import DataServer
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.errors import CheckpointError, ParameterError, PolishgenError
from polishgen.tokenizer import DOCUMENT_BOUNDARY, TOKENIZER_FILE, Tokenizer
from training import prepare as preparation
from training.corpus.cleaning import Document, clean_all, n_bytes
from training.corpus.sources import SourceError, read_documents
from training.corpus.split import split_documents, take_fraction
from training.corpus.summary import SUMMARY_FILE, load_summary
from training.data import open_corpus, without_marks
from training.prepare import PrepareConfig, main, prepare

FILES = ("train.bin", "val.bin", "train.jsonl", "val.txt.jsonl", TOKENIZER_FILE, SUMMARY_FILE)


def made_up_word(choose: random.Random) -> str:
    """A word of twelve letters that no other text has."""
    return "".join(choose.choices("bcdfghjklmnprstwz", k=12))


def tales(count: int) -> list[Document]:
    """Different documents of different lengths, each with a made-up word of its own in its meta."""
    choose = random.Random(0)
    out = []
    for number in range(count):
        word = made_up_word(choose)
        lines = invented_text(number, choose.randint(20, 60)).split("\n")
        text = "\n".join(f"{line} To był {word}." for line in lines)
        meta = {"title": f"Opowieść {number}", "author": "Nikt, Jan (1801-1870)", "word": word}
        out.append(Document(text, meta))
    return out


def save(documents: Sequence[Document], path: Path) -> str:
    rows = ({"text": document.text, "meta": document.meta} for document in documents)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


TALES = tales(60)


@pytest.fixture
def source(tmp_path) -> str:
    return save(TALES, tmp_path / "tales.jsonl")


def config_for(source: str, out: Path, **changes) -> PrepareConfig:
    return PrepareConfig(
        source=source, out=str(out), **({"vocab_size": 600, "typed_share": 0} | changes)
    )


def texts_in(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def documents_on_disk(folder: Path, split: str) -> list[str]:
    """Texts of a token file, cut at the boundaries, without the genres' codes."""
    summary = load_summary(folder)
    tokenizer = summary.open_tokenizer(folder)
    stream = without_marks(np.memmap(folder / f"{split}.bin", dtype=summary.dtype, mode="r"))
    starts = [*np.flatnonzero(stream == tokenizer.boundary_id), len(stream)]
    assert starts[0] == 0
    codes = range(tokenizer.n_ranks, tokenizer.boundary_id)
    starts = [(a + 1 + (stream[a + 1] in codes), b) for a, b in pairwise(starts)]
    return [tokenizer.decode(stream[a:b].tolist()) for a, b in starts]


# The split

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=60)


def of_sizes(sizes: Sequence[int]) -> list[Document]:
    """A document of each size, no two alike."""
    return [Document(f"{number:04d} " + "ż" * size, {}) for number, size in enumerate(sizes)]


def naive_split(documents: list[Document], share: float, seed: int) -> list[Document]:
    """In the order of their hashes, the small documents until the share is reached."""
    hashed = {
        blake2b(d.text.encode(), digest_size=16, salt=str(seed).encode()).hexdigest(): d
        for d in documents
    }
    target = share * sum(len(document.text.encode()) for document in documents)
    held_out = []
    for key in sorted(hashed):
        if sum(len(document.text.encode()) for document in held_out) >= target:
            break
        if len(hashed[key].text.encode()) <= target / 3:
            held_out.append(hashed[key])
    return held_out


@settings(max_examples=200, deadline=None)
@given(SIZES, st.floats(0.01, 0.5), st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_split_is_fixed_by_the_hashes_of_the_texts(sizes, share, seed, order):
    documents = of_sizes(sizes)
    train, held_out = split_documents(documents, share, seed)
    assert sorted(d.text for d in [*train, *held_out]) == sorted(d.text for d in documents)
    assert not {d.text for d in train} & {d.text for d in held_out}
    assert train and held_out
    order.shuffle(documents)
    assert split_documents(documents, share, seed) == (train, held_out)
    expected = naive_split(documents, share, seed)
    if expected:
        assert held_out == expected
    else:
        assert [len(d.text) for d in held_out] == [min(len(d.text) for d in documents)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.02, 0.3))
def test_of_many_documents_about_the_share_is_held_out(seed, share):
    choose = random.Random(seed)
    documents = of_sizes([choose.randint(10, 90) for _ in range(600)])
    train, held_out = split_documents(documents, share, seed)
    sizes = [sum(n_bytes(document.text) for document in part) for part in (train, held_out)]
    # Over it by less than the last document, 190 bytes at most.
    assert 0 <= sizes[1] - share * sum(sizes) < 190


def test_another_seed_holds_out_other_documents():
    documents = of_sizes([20] * 300)
    chosen = [{d.text for d in split_documents(documents, 0.1, seed)[1]} for seed in (1, 2)]
    assert 0 < len(chosen[0] & chosen[1]) < 0.5 * len(chosen[0])


def test_the_split_knows_nothing_but_the_text():
    documents = of_sizes([20] * 50)
    renamed = [Document(document.text, {"title": "x"}) for document in documents]
    splits = [split_documents(batch, 0.2, 4)[1] for batch in (documents, renamed)]
    assert [d.text for d in splits[0]] == [d.text for d in splits[1]]


def test_no_document_is_held_out_that_would_be_most_of_what_is():
    documents = of_sizes([10] * 200 + [400] * 3)
    for seed in range(20):
        assert max(len(d.text) for d in split_documents(documents, 0.1, seed)[1]) < 400


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_documents_cannot_be_split(count):
    with pytest.raises(PolishgenError, match=f"{count} documents are left"):
        split_documents(of_sizes([5] * count), 0.04, 4)


@settings(max_examples=100, deadline=None)
@given(SIZES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_smaller_fraction_is_the_start_of_a_larger(sizes, one, other):
    documents = of_sizes(sizes)
    small, large = (take_fraction(documents, fraction) for fraction in sorted((one, other)))
    assert documents[: len(small)] == small == large[: len(small)]
    total = sum(n_bytes(document.text) for document in documents)
    taken = [n_bytes(document.text) for document in small]
    assert sum(taken[:-1]) < min(one, other) * total <= sum(taken)
    assert take_fraction(documents, 1.0) == documents


# What lies on disk


def test_tokens_on_disk_are_the_clean_texts_with_their_boundaries(source, tmp_path):
    out = tmp_path / "out"
    summary = prepare(config_for(source, out, held_out=0.1))
    assert {path.name for path in out.iterdir()} == set(FILES)
    clean, _ = clean_all(read_documents(source))
    train, held_out = split_documents(clean, 0.1, 4)
    for split, texts_file, documents in (
        ("train", "train.jsonl", train),
        ("val", "val.txt.jsonl", held_out),
    ):
        texts = [document.text for document in documents]
        assert documents_on_disk(out, split) == texts == texts_in(out / texts_file)
        counts = getattr(summary, split)
        tokens = (out / f"{split}.bin").stat().st_size // 2
        size = sum(len(text.encode()) for text in texts)
        assert (counts.documents, counts.bytes, counts.tokens) == (len(texts), size, tokens)
        assert counts.bytes_per_token == pytest.approx(size / tokens)
    assert (summary.tokenizer, summary.vocab_size, summary.dtype) == ("polish-600", 600, "<u2")
    assert 0.1 <= summary.val.bytes / (summary.val.bytes + summary.train.bytes) < 0.14


def test_text_that_names_the_boundary_makes_none(tmp_path):
    documents = [
        Document(f"{document.text} {DOCUMENT_BOUNDARY} i tak dalej.", {}) for document in TALES[:9]
    ]
    source = save(documents, tmp_path / "a.jsonl")
    summary = prepare(config_for(source, tmp_path / "out", held_out=0.3))
    on_disk = [
        *documents_on_disk(tmp_path / "out", "train"),
        *documents_on_disk(tmp_path / "out", "val"),
    ]
    assert len(on_disk) == summary.train.documents + summary.val.documents == 9


def test_neither_order_nor_repeats_of_the_source_change_a_byte(source, tmp_path):
    shuffled = TALES + TALES[:7]
    random.Random(1).shuffle(shuffled)
    again = save(shuffled, tmp_path / "again.jsonl")
    first = prepare(config_for(source, tmp_path / "one"))
    second = prepare(config_for(again, tmp_path / "two"))
    assert first.digest == second.digest
    for name in FILES[:-1]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [rule.documents_after for rule in (first.rules[-1], second.rules[-1])] == [60, 60]
    assert second.rules[-1].documents_before == 67


def test_the_bpe_has_seen_the_training_split_alone(source, tmp_path):
    out = tmp_path / "out"
    summary = prepare(config_for(source, out, vocab_size=1500, held_out=0.2))
    tokenizer = summary.open_tokenizer(out)
    known = [tokenizer.token_bytes(token) for token in range(256, tokenizer.boundary_id)]
    held_out = set(texts_in(out / "val.txt.jsonl"))
    words = {document.text: document.meta["word"] for document in TALES}
    seen = {words[text] for text in words if text not in held_out}
    unseen = {words[text] for text in held_out}
    assert len(unseen) > 5
    # A word of a training document became one token; of the others no stretch of five letters did.
    assert all(f" {word}".encode() in known for word in seen)
    stretches = [word[i : i + 5].encode() for word in unseen for i in range(8)]
    assert not [stretch for stretch in stretches if any(stretch in token for token in known)]


def test_a_fraction_keeps_the_held_out_split(source, tmp_path):
    whole = prepare(config_for(source, tmp_path / "whole"))
    part = prepare(config_for(source, tmp_path / "part", fraction=0.3))
    assert (part.held_out, part.val.bytes) == (whole.held_out, whole.val.bytes)
    assert 0.3 <= part.train.bytes / whole.train.bytes < 0.35
    texts = [texts_in(tmp_path / folder / "train.jsonl") for folder in ("part", "whole")]
    assert texts[0] == texts[1][: len(texts[0])]


def test_held_out_documents_are_named(source, tmp_path):
    summary = prepare(config_for(source, tmp_path / "out"))
    titles = {document.text: document.meta["title"] for document in TALES}
    held_out = texts_in(tmp_path / "out" / "val.txt.jsonl")
    assert summary.held_out == [f"Nikt, Jan: {titles[text]}" for text in held_out]


def test_odd_meta_is_written_all_the_same(tmp_path):
    metas = [{"title": "Ko\ud800t"}, {"title": None}, {"title": 5, "author": ["Jan"]}, {}]
    documents = [Document(d.text, meta) for d, meta in zip(TALES, metas, strict=False)]
    source = save(documents, tmp_path / "odd.jsonl")
    summary = prepare(config_for(source, tmp_path / "out", held_out=0.5))
    rows = [
        json.loads(line)
        for name in ("train.jsonl", "val.txt.jsonl")
        for line in (tmp_path / "out" / name).read_text(encoding="utf-8").splitlines()
    ]
    assert {(row["author"], row["title"]) for row in rows} == {
        ("", "Ko?t"),
        ("", ""),
        ("['Jan']", "5"),
    }
    assert load_summary(tmp_path / "out") == summary


# Kinds, genres, augmentation

KINDS = {"tale": "tale", "novel": "novel", "drama": "drama", "essay": None, "children": "novel"}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> Path:
    """A corpus of 40 documents of each kind, and a Bible; four of the tales' texts in variants."""
    folder = tmp_path_factory.mktemp("kinds")
    documents = []
    for place, kind in enumerate(KINDS):
        for number in range(40):
            text = invented_text(100 * place + number, 30).replace("wieś", f"wieś {kind}")
            documents.append(Document(text, {"title": f"{kind} {number}", "kind": kind}))
    chapters = "\n".join(f"Rozdział taki. {invented_text(n, 5)}" for n in range(900, 920))
    bible = f"Księga Rodzaju\n{chapters}"
    documents.append(Document(bible, {"title": "Biblia", "kind": "bible"}))
    # A novel held out by its name, another by the same author that is not.
    documents.append(Document(invented_text(777, 50), {"title": "Marta", "kind": "novel"}))
    prepare(
        PrepareConfig(
            source=save(documents, folder / "kinds.jsonl"),
            out=str(folder / "out"),
            vocab_size=600,
            variants=2,
            typed_share=0.5,
        )
    )
    return folder / "out"


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_of_every_kind_some_is_held_out_and_nothing_stands_on_both_sides(kinds):
    train, held_out = (rows_of(kinds / name) for name in ("train.jsonl", "val.txt.jsonl"))
    assert not {row["text"] for row in train} & {row["text"] for row in held_out}
    sizes = {
        kind: [
            sum(len(r["text"].encode()) for r in side if r["kind"] == kind)
            for side in (train, held_out)
        ]
        for kind in [*KINDS, "bible"]
    }
    for kind in set(sizes) - {"novel"}:
        # A document is a fortieth of its kind, the shortest a bit less.
        assert 0.02 <= sizes[kind][1] / sum(sizes[kind]) < 0.16, kind
    # Of novels those known by name alone.
    assert [row["title"] for row in held_out if row["kind"] == "novel"] == ["Marta"]
    assert load_summary(kinds).held_out == ["Marta"]


def test_the_bible_is_a_document_per_chapter_without_titles_of_books(kinds):
    train, held_out = (rows_of(kinds / name) for name in ("train.jsonl", "val.txt.jsonl"))
    chapters = [row for row in train + held_out if row["kind"] == "bible"]
    assert len(chapters) == 20
    assert all(row["genre"] == "scripture" for row in chapters)
    assert {row["title"] for row in chapters} == {f"Biblia, {n}" for n in range(1, 21)}
    assert all(row["text"].startswith("Rozdział taki.") for row in chapters)


@pytest.mark.parametrize("split", ["train", "val"])
def test_codes_of_genres_stand_before_nine_documents_in_ten(kinds, split):
    summary = load_summary(kinds)
    tokenizer = summary.open_tokenizer(kinds)
    assert tokenizer.genres == ("tale", "novel", "drama", "scripture")
    ids = [tokenizer.genre_id(genre) for genre in tokenizer.genres]
    last = summary.vocab_size - 1
    assert ids == [last - 4, last - 3, last - 2, last - 1] and tokenizer.boundary_id == last
    stream = without_marks(np.fromfile(kinds / f"{split}.bin", dtype=summary.dtype))
    regions = getattr(summary, split).regions
    # The regions follow one another and make up the stream.
    assert sum(length for _, length in regions.values()) == len(stream)
    told = {}
    for genre, (first, length) in regions.items():
        inside = stream[first : first + length]
        assert inside[0] == tokenizer.boundary_id
        after = inside[np.flatnonzero(inside == tokenizer.boundary_id) + 1]
        codes = set(after[after >= tokenizer.n_ranks].tolist())
        assert codes <= ({tokenizer.genre_id(genre)} if genre in tokenizer.genres else set())
        told[genre] = (after >= tokenizer.n_ranks).mean()
        # A code stands nowhere else.
        assert np.isin(inside, ids).sum() == (after >= tokenizer.n_ranks).sum()
    assert told["other"] == 0
    if split == "train":
        assert 0.8 < told["tale"] < 1 and 0.8 < told["novel"] < 1


def test_prefix_is_boundary_and_code():
    tokenizer = Tokenizer.from_ranks(
        {bytes([byte]): byte for byte in range(256)}, ("tale", "novel")
    )
    assert tokenizer.prefix() == [258] and tokenizer.prefix("novel") == [258, 257]
    with pytest.raises(ParameterError, match="genre='poem'"):
        tokenizer.prefix("poem")


def test_training_documents_are_varied_and_typed_and_held_out_ones_are_not(kinds):
    train = rows_of(kinds / "train.jsonl")
    # Held-out documents stand on disk as they are.
    held_out = {row["text"] for row in rows_of(kinds / "val.txt.jsonl")}
    assert set(documents_on_disk(kinds, "val")) == held_out
    on_disk = documents_on_disk(kinds, "train")
    tales = sum(row["kind"] == "tale" for row in train)
    assert len(on_disk) == load_summary(kinds).train.documents == len(train) + 2 * tales
    clean = {row["text"] for row in train}
    untouched = [text for text in on_disk if text in clean]
    # About half of those that are no variants; each differs in its first sentence alone.
    assert 0.3 * len(train) < len(untouched) < 0.7 * len(train)
    endings = {text.split(".", 1)[1] for text in clean}
    whole = [text for text in on_disk if text.split(".", 1)[1] in endings]
    assert len(whole) >= len(train)
    typed = [text for text in whole if text not in clean]
    assert all(n_bytes(text) for text in typed) and len(typed) > 0.3 * len(train)
    # What is marked as not to be learned is the beginning of the typed texts: where they differ.
    corpus, marked = open_corpus(kinds), []
    tokenizer, ids = corpus.summary.open_tokenizer(kinds), without_marks(corpus.train)
    assert (without_marks(corpus.held_out) == corpus.held_out).all()
    starts = np.flatnonzero(ids == tokenizer.boundary_id)
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        unlearned = np.flatnonzero(ids[start:end] != corpus.train[start:end])
        text = tokenizer.decode(ids[start:end].tolist())
        if len(unlearned):
            assert (np.diff(unlearned) == 1).all() and unlearned[0] in (1, 2)
            marked.append(tokenizer.decode(ids[start:end][unlearned].tolist()))
            assert marked[-1] in text
    # Variants are typed, too.
    assert len(marked) >= len(typed)
    assert all(any(text.startswith(beginning) for beginning in marked) for text in typed)


def test_the_tales_that_come_with_the_code_are_read_by_name():
    assert PrepareConfig().source == ("wolne_lektury_corpus", "bajki")
    tales = list(read_documents("bajki"))
    assert len(tales) == 3326
    assert {document.meta["kind"] for document in tales} == {"tale"}


# Tokenizers


def test_cl100k_takes_four_bytes_per_token(cl100k, source, tmp_path):
    out = tmp_path / "out"
    prepare(config_for(source, out))
    summary = prepare(config_for(source, out, tokenizer="cl100k_base", overwrite=True))
    assert (summary.tokenizer, summary.vocab_size) == ("cl100k_base", 100_277)
    assert summary.dtype == "<u4"
    assert not (out / TOKENIZER_FILE).exists()
    assert documents_on_disk(out, "val") == texts_in(out / "val.txt.jsonl")
    assert summary.train.tokens == (out / "train.bin").stat().st_size // 4


def test_a_tokenizer_file_is_taken_as_it_is(source, tmp_path):
    prepare(config_for(source, tmp_path / "one"))
    given = tmp_path / "one" / TOKENIZER_FILE
    summary = prepare(config_for(source, tmp_path / "two", tokenizer=str(given), fraction=0.5))
    assert summary.tokenizer == "polish-600"
    assert (tmp_path / "two" / TOKENIZER_FILE).read_bytes() == given.read_bytes()


def test_a_missing_tokenizer_file_leaves_nothing_behind(source, tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.tiktoken cannot be read"):
        prepare(config_for(source, tmp_path / "out", tokenizer=str(tmp_path / "none.tiktoken")))
    assert not (tmp_path / "out").exists()


# Summaries and folders


def test_a_summary_is_read_back_as_written(source, tmp_path):
    summary = prepare(config_for(source, tmp_path / "out"))
    assert load_summary(tmp_path / "out") == summary
    data = json.loads((tmp_path / "out" / SUMMARY_FILE).read_text(encoding="utf-8"))
    assert data["train"]["bytes_per_token"] == summary.train.bytes_per_token
    assert {rule["rule"] for rule in data["rules"]} >= {"HTML tags", "duplicate", "not Polish"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: "{",
        lambda data: "[]",
        lambda data: json.dumps({key: data[key] for key in data if key != "digest"}),
        lambda data: json.dumps(data | {"train": {"documents": 3}}),
        lambda data: json.dumps(data | {"rules": [{"name": "x"}]}),
        lambda data: json.dumps(data | {"val": None}),
    ],
)
def test_a_damaged_summary_is_named(tiny_corpus, tmp_path, damage):
    data = json.loads((tiny_corpus / SUMMARY_FILE).read_text(encoding="utf-8"))
    (tmp_path / SUMMARY_FILE).write_text(damage(data), encoding="utf-8")
    with pytest.raises(PolishgenError, match=rf"{SUMMARY_FILE} is damaged"):
        load_summary(tmp_path)


def test_a_folder_without_a_summary_is_no_corpus(tmp_path):
    with pytest.raises(
        PolishgenError, match=r"not a prepared corpus: run `python -m training\.pre"
    ):
        load_summary(tmp_path)


@pytest.mark.parametrize("tokenizer", ["polish", "tokenizer.tiktoken"])
def test_a_vocabulary_has_room_for_every_byte(source, tmp_path, tokenizer):
    prepare(config_for(source, tmp_path / "a", vocab_size=261))
    if tokenizer != "polish":
        tokenizer = str(tmp_path / "a" / tokenizer)
    with pytest.raises(ParameterError, match=r"vocab_size=260 .* a whole number from 261"):
        prepare(config_for(source, tmp_path / "b", vocab_size=260, tokenizer=tokenizer))


def test_a_prepared_folder_is_replaced_only_when_told(source, tmp_path):
    out = tmp_path / "out"
    prepare(config_for(source, out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(PolishgenError, match="pass --overwrite to replace it"):
        prepare(config_for(source, out, vocab_size=300))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert prepare(config_for(source, out, vocab_size=300, overwrite=True)).vocab_size == 300
    assert load_summary(out).vocab_size == 300
    assert documents_on_disk(out, "train") == texts_in(out / "train.jsonl")


def test_a_failing_source_leaves_the_old_corpus(source, tmp_path):
    out = tmp_path / "out"
    summary = prepare(config_for(source, out))
    Path(source).write_text(Path(source).read_text()[:-20])
    with pytest.raises(SourceError, match=r"tales\.jsonl, line 60: not JSON"):
        prepare(config_for(source, out, overwrite=True))
    assert load_summary(out) == summary


def test_a_run_that_stops_half_way_leaves_no_corpus(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    prepare(config_for(source, out))
    write_tokens = preparation.write_tokens

    def fail_at_held_out(path, *rest):
        if path.name == "val.bin":
            raise OSError(28, "No space left on device", str(path))
        return write_tokens(path, *rest)

    monkeypatch.setattr(preparation, "write_tokens", fail_at_held_out)
    with pytest.raises(OSError, match="No space left"):
        prepare(config_for(source, out, vocab_size=300, overwrite=True))
    with pytest.raises(PolishgenError, match="not a prepared corpus"):
        load_summary(out)


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("vocab_size", 256),
        ("vocab_size", 70_000),
        ("fraction", 0.0),
        ("fraction", 1.5),
        ("fraction", float("nan")),
        ("held_out", 0.0),
        ("held_out", 0.6),
        ("seed", -1),
        ("seed", 1.5),
    ],
)
def test_values_out_of_range_are_refused_by_name(parameter, value):
    with pytest.raises(ParameterError, match=f"{parameter}="):
        PrepareConfig(**{parameter: value})


# The command line


def test_the_command_fetches_a_data_set_and_tells_what_it_did(tmp_path, monkeypatch, capsys):
    rows = "".join(json.dumps({"text": d.text, "meta": d.meta}) + "\n" for d in TALES)
    data = zstd.compress(rows.encode())
    manifest = {"file_size": len(data), "stats": {"documents": len(TALES)}}
    monkeypatch.chdir(tmp_path)
    with DataServer(
        {"set.jsonl.zst": data, "set.manifest": json.dumps(manifest).encode()}
    ) as server:
        arguments = ["--source", "set", "--base-url", server.base_url, "--out", "out"]
        assert main([*arguments, "--vocab-size", "400"]) == 0
        printed = capsys.readouterr().out
        assert main(arguments) == 2
    summary = load_summary("out")
    assert (summary.source, summary.vocab_size) == ("set", 400)
    assert (tmp_path / "runs" / "downloads" / "set.jsonl.zst").read_bytes() == data
    lines = printed.splitlines()
    duplicates = next(line for line in lines if line.startswith("duplicate"))
    assert duplicates.split()[1:4] == ["60", "→", "60"]
    assert f"train: {summary.train.documents:,} documents, {summary.train.bytes:,} bytes" in printed
    assert f"{summary.val.bytes_per_token:.3f} bytes per token" in printed
    assert lines[-1] == "  tokens: novel " + f"{summary.val.tokens:,}"
    assert capsys.readouterr().err == (
        "error: out holds a prepared corpus: pass --overwrite to replace it\n"
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--source", "none.jsonl.zst"], "there is no file or folder none.jsonl.zst"),
        (["--fraction", "2"], "fraction=2 is not allowed: it must be a number from 0.0001 to 1"),
        (["--source", "tales.jsonl", "--out", "tales.jsonl"], "exists: 'tales.jsonl'"),
    ],
)
def test_the_command_says_what_is_wrong(source, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("error: ") and message in printed.err


# The real corpus


@pytest.mark.slow
def test_the_novels_are_split_without_a_common_text(shared):
    path = shared / "data" / "polish_novels.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"no corpus {path}")
    clean, rules = clean_all(read_documents(str(path)))
    assert [rules[0].documents_before, rules[-1].documents_after, len(clean)] == [113, 113, 113]
    assert 0.99 < rules[-1].bytes_after / rules[0].bytes_before < 1
    train, held_out = split_documents(clean, 0.04, PrepareConfig().seed)
    sizes = [sum(len(document.text.encode()) for document in part) for part in (train, held_out)]
    assert 0.04 <= sizes[1] / sum(sizes) < 0.05
    assert len(train) + len(held_out) == len({document.text for document in clean}) == 113
    # No held-out page stands in a training document either.
    paragraphs = [
        {line for document in part for line in document.text.split("\n") if len(line) >= 200}
        for part in (train, held_out)
    ]
    assert len(paragraphs[1]) > 1000
    assert not paragraphs[0] & paragraphs[1]
