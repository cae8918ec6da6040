"""The ablations: what each run reads, what it may cost, and a round of tiny ones."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import invented_text

from polishgen.checkpoint import read_json
from polishgen.errors import ParameterError
from training import ablations
from training.corpus.cleaning import n_bytes
from training.data import open_corpus
from training.measures.held_out import read_documents
from training.prepare import PrepareConfig, prepare

AUTHORS = ("Nowak, Anna", "Nowak, Anna (1850-1900)", "Lis, Jan", "Wilk, Ewa", "Sowa, Olga")
TINY = {
    "model_options": json.dumps({"width": 32, "n_layers": 1, "n_heads": 2, "context_length": 16}),
    "batch_size": "4",
    "sequence_length": "16",
    "eval_sequences": "8",
    "warmup_steps": "2",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A prepared corpus of 40 documents by four authors, one written in two ways."""
    folder = tmp_path_factory.mktemp("authors")
    with (folder / "invented.jsonl").open("w", encoding="utf-8") as file:
        for seed in range(40):
            meta = {"title": f"Opowieść {seed}", "author": AUTHORS[seed % len(AUTHORS)]}
            row = {"text": invented_text(seed, 40), "meta": meta}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    source = str(folder / "invented.jsonl")
    out = folder / "prepared"
    prepare(PrepareConfig(source=source, out=str(out), vocab_size=320, held_out=0.2))
    return out


def test_each_run_reads_what_its_name_says(base, tmp_path):
    everything = read_documents(base / "train.jsonl")
    sizes = {}
    for name in ("all", "half", "quarter", "one-author", "mixed"):
        ablations.prepare_data(base, tmp_path / name, name, "Nowak, Anna")
        documents = read_documents(tmp_path / name / "train.jsonl")
        sizes[name] = sum(n_bytes(document.text) for document in documents)
        authors = {document.meta["author"] for document in documents}
        assert (authors == set(AUTHORS[:2])) == (name == "one-author")
        assert (authors > set(AUTHORS[:2])) == (name != "one-author")
        assert all(document in everything for document in documents)
        # Held out and vocabulary are everywhere the same.
        corpus = open_corpus(tmp_path / name)
        assert corpus.held_out.tolist() == open_corpus(base).held_out.tolist()
        assert corpus.summary.train.bytes == sizes[name]
        tokens = corpus.summary.open_tokenizer(corpus.folder).decode(corpus.train[1:200].tolist())
        assert documents[0].text.startswith(tokens[:80])
    one = max(n_bytes(document.text) for document in everything)
    assert sizes["all"] == sum(n_bytes(document.text) for document in everything)
    assert 0 <= sizes["half"] - sizes["all"] / 2 < one
    assert 0 <= sizes["quarter"] - sizes["all"] / 4 < one
    hers = sizes["one-author"]
    assert hers == sum(
        n_bytes(d.text) for d in everything if d.meta["author"].startswith("Nowak, Anna")
    )
    assert 0 <= sizes["mixed"] - hers < hers / 8
    with pytest.raises(ParameterError, match="Nikt"):
        ablations.prepare_data(base, tmp_path / "nobody", "one-author", "Nikt, Nikt")
    assert not (tmp_path / "nobody" / "summary.json").exists()


def test_a_larger_vocabulary_gets_fewer_steps():
    # Width 256: six blocks of 12 · 256², and a head of 256 a token of the vocabulary.
    assert ablations.cost_per_token(8192) == 6 * 12 * 256**2 + 8192 * 256
    steps = ablations.steps_for(600, 100_277, 8192)
    assert steps * ablations.cost_per_token(100_277) == pytest.approx(
        600 * ablations.cost_per_token(8192), rel=0.01
    )
    assert ablations.steps_for(600, 8192, 8192) == 600


def test_slope_of_a_straight_line():
    log = [
        {"tokens": 100.0 * k, "val_bits_per_byte": 3 - 0.25 * math.log2(100.0 * k)}
        for k in range(1, 20)
    ]
    # What came before the second half does not count.
    log[0]["val_bits_per_byte"] = 9.0
    assert ablations.slope(log) == pytest.approx(-0.25)
    with pytest.raises(ParameterError, match="log"):
        ablations.slope(log[:1])


def test_tiny_ablations_from_data_to_table(base, tmp_path, monkeypatch, capsys):
    tiny = [
        replace(each, options={**TINY, **each.options})
        for each in ablations.ABLATIONS
        if each.name in ("all", "one-author", "constant")
    ]
    monkeypatch.setattr(ablations, "ABLATIONS", tiny)
    monkeypatch.setattr(ablations, "steps_for", lambda steps, *_: steps)
    out = tmp_path / "out"
    arguments = ["--data", str(base), "--out", str(out), "--author", "Nowak, Anna", "--steps", "20"]
    assert ablations.main(arguments) == 0
    printed = capsys.readouterr().out
    for each in tiny:
        metrics = read_json(out / each.name / "checkpoint" / "metrics.json")
        assert metrics["training"]["max_steps"] == 20
        assert metrics["training"]["decay_share"] == (0 if each.name == "constant" else 0.6)
        assert f"| {each.name} |" in printed and f"| {metrics['bits_per_byte']:.3f} |" in printed
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    table = (out / "table.md").read_text()
    # What is done is not trained again.
    monkeypatch.setattr(ablations, "train", lambda _: pytest.fail("trained again"))
    assert ablations.main(arguments) == 0
    assert (out / "table.md").read_text() == table
    assert ablations.main(["--data", str(tmp_path), "--out", str(out)]) == 2
    assert "training.prepare" in capsys.readouterr().err


def test_a_run_that_was_stopped_is_gone_on_with(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(ablations, "train", lambda arguments: commands.append(arguments) or 0)
    ablation = ablations.ABLATIONS[0]
    ablations.run(ablation, tmp_path, 100)
    (tmp_path / ablation.name / "states" / "step-0000010").mkdir(parents=True)
    ablations.run(ablation, tmp_path, 100)
    assert commands[1] == [*commands[0], "--resume"]
    assert commands[0][:4] == ["--model", "transformer", "--preset", "compact"]
