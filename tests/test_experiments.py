"""The experiments: what each run reads, what it may cost, and a round of tiny ones."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import invented_text, save_tiny_checkpoint

import polishgen
from polishgen.checkpoint import read_json
from polishgen.errors import ParameterError
from training.bench import multiplications_per_token
from training.corpus.cleaning import n_bytes
from training.data import open_corpus, without_marks
from training.experiments import ablations, gap, runs, trials
from training.experiments.runs import Experiment
from training.experiments.subsets import VOCABULARIES, prepare_subset
from training.measures.held_out import read_documents
from training.prepare import PrepareConfig, prepare

AUTHORS = ("Nowak, Anna", "Nowak, Anna (1850-1900)", "Lis, Jan", "Wilk, Ewa", "Sowa, Olga")
TINY = {
    "model_options": {"width": 32, "n_layers": 1, "n_heads": 2, "context_length": 16},
    "micro_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "sequence_length": 16,
    "eval_tokens": 256,
    "warmup_steps": 2,
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
        prepare_subset(base, tmp_path / name, name, "Nowak, Anna")
        documents = read_documents(tmp_path / name / "train.jsonl")
        sizes[name] = sum(n_bytes(document.text) for document in documents)
        authors = {document.meta["author"] for document in documents}
        assert (authors == set(AUTHORS[:2])) == (name == "one-author")
        assert (authors > set(AUTHORS[:2])) == (name != "one-author")
        assert all(document in everything for document in documents)
        # Held-out text and vocabulary are the same everywhere.
        corpus = open_corpus(tmp_path / name)
        assert corpus.held_out.tolist() == open_corpus(base).held_out.tolist()
        # Some documents begin as typed, with fewer bytes.
        assert corpus.summary.train.bytes == pytest.approx(sizes[name], rel=0.01)
        tokens = without_marks(corpus.train[2:200]).tolist()
        text = corpus.summary.open_tokenizer(corpus.folder).decode(tokens)
        assert documents[0].text.startswith(text[:80])
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
        prepare_subset(base, tmp_path / "nobody", "one-author", "Nikt, Nikt")
    assert not (tmp_path / "nobody" / "summary.json").exists()


def test_other_vocabularies_are_trained_on_the_same_text(base, tmp_path, monkeypatch):
    monkeypatch.setitem(VOCABULARIES, "vocabulary-4k", 300)
    prepare_subset(base, tmp_path / "small", "vocabulary-4k")
    small = open_corpus(tmp_path / "small").summary
    tokenizer = small.open_tokenizer(tmp_path / "small")
    assert small.vocab_size == tokenizer.n_vocab == 300
    assert list(tokenizer.genres) == open_corpus(base).summary.genres != []
    assert small.train.bytes == open_corpus(base).summary.train.bytes
    assert small.train.tokens > open_corpus(base).summary.train.tokens


def test_compute_is_counted_as_by_hand(base, tmp_path, monkeypatch):
    monkeypatch.setitem(VOCABULARIES, "vocabulary-16k", 350)
    prepare_subset(base, tmp_path / "wider", "vocabulary-16k")
    vocabulary = open_corpus(base).summary.vocab_size
    # Six blocks of 12 · 256² and the head; queries by keys and weights by values over 512.
    transformer = 6 * (12 * 256**2 + 2 * 512 * 256) + 256 * vocabulary
    for model, expected in {
        "transformer": transformer,
        # Three gates of both layers, the projection, and the embedding once more as head.
        "gru": 3 * 768 * (256 + 768) + 3 * 768 * (768 + 768) + 768 * 256 + 256 * vocabulary,
        # Four layers: two encoders and the decoder; neurons by neurons, weights by vectors.
        "bdh": 4 * (3 * 256 * 4096 + 256 * 4096 + 4 * 256 * 256) + 256 * vocabulary,
    }.items():
        assert multiplications_per_token(runs.recipe(Experiment("", model), base)) == expected
    # The recipe itself reads what it is told to, and so does one with steps of half the rows.
    for model, per_step in {"transformer": 8192, "gru": 2048, "bdh": 2048}.items():
        config = runs.recipe(Experiment("", model), base)
        assert runs.equal_steps(config, base, 2_000_000) == round(2_000_000 / per_step)
    halved = runs.recipe(Experiment("", "bdh", {"micro_batch_size": 4}), base)
    assert runs.equal_steps(halved, base, 2_000_000) == round(2_000_000 / 1024)
    # A wider head leaves fewer tokens.
    config = runs.recipe(Experiment("", "transformer"), tmp_path / "wider")
    wider = transformer + 256 * (350 - vocabulary)
    steps = runs.equal_steps(config, base, 10**9)
    assert steps == round(10**9 / 8192 * transformer / wider) < 10**9 / 8192


def test_the_gap_is_between_what_was_read_and_what_was_not(base, tmp_path, monkeypatch, capsys):
    save_tiny_checkpoint(tmp_path / "tiny", "gru")
    monkeypatch.setattr(gap, "ALL_CHARACTERS", 3000)
    gap.main(["--data", str(base), "--models", str(tmp_path / "tiny")])
    *_, row = capsys.readouterr().out.splitlines()
    lm = polishgen.load(tmp_path / "tiny")
    expected = []
    for split in ("train", "val.txt"):
        documents = read_documents(base / f"{split}.jsonl")
        chosen = gap.excerpts(documents, "novel")
        assert all(any(each.text in d.text for d in documents) for each in chosen)
        assert sum(len(each.text) for each in chosen) >= 3000
        scores = [lm.score(each.text).loss for each in chosen]
        bits = sum(score.nats for score in scores) / math.log(2)
        expected.append(bits / sum(score.n_bytes for score in scores))
    assert row == f"| {lm.name} | novel | {expected[0]:.3f} | {expected[1]:.3f} |"


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


def tokens_alone(config, base: Path, tokens: int) -> int:
    """Steps that read `tokens` tokens, whatever they cost."""
    return tokens // config.tokens_per_step


def test_tiny_ablations_from_data_to_table(base, tmp_path, monkeypatch, capsys):
    tiny = [
        replace(each, changes={**TINY, **each.changes})
        for each in ablations.ABLATIONS
        if each.name in ("all", "one-author", "constant")
    ]
    monkeypatch.setattr(ablations, "ABLATIONS", tiny)
    monkeypatch.setattr(runs, "equal_steps", tokens_alone)
    out = tmp_path / "out"
    arguments = ["--data", str(base), "--out", str(out), "--author", "Nowak, Anna"]
    arguments += ["--tokens", str(20 * 4 * 16)]
    assert ablations.main(arguments) == 0
    printed = capsys.readouterr().out
    for each in tiny:
        metrics = read_json(out / "transformer" / each.name / "checkpoint" / "metrics.json")
        assert metrics["training"]["max_steps"] == 20
        assert metrics["training"]["decay_steps"] == (0 if each.name == "constant" else 8)
        bits = metrics["stages"][-1]["excerpt_bits_per_byte"]
        assert f"| {each.name} |" in printed and f"| {bits:.3f} |" in printed
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    table = (out / "table.md").read_text()
    # What is done is not trained again.
    monkeypatch.setattr(runs, "train", lambda *_: pytest.fail("trained again"))
    assert ablations.main(arguments) == 0
    assert (out / "table.md").read_text() == table
    assert ablations.main(["--data", str(tmp_path), "--out", str(out)]) == 2
    assert "training.prepare" in capsys.readouterr().err


def test_tiny_trials_from_data_to_table(base, tmp_path, monkeypatch, capsys):
    narrow = {"embedding_size": 16, "hidden_size": 16, "n_layers": 1}
    tiny = tuple(
        Experiment(name, "gru", {**TINY, "model_options": narrow, "bptt_windows": 1, **changes})
        for name, changes in {
            "recipe": {},
            "rows-2": {"micro_batch_size": 2},
            "still": {"learning_rate": 0.0},
        }.items()
    )
    monkeypatch.setattr(trials, "TRIALS", tiny)
    monkeypatch.setattr(runs, "equal_steps", tokens_alone)
    arguments = ["--data", str(base), "--out", str(tmp_path), "--model", "gru"]
    arguments += ["--tokens", "1920", "--seed", "3"]
    tmp_path /= "seed-3"
    # One after the other, and both in the table.
    assert trials.main([*arguments, "--only", "recipe", "still"]) == 0
    assert trials.main([*arguments, "--only", "rows-2"]) == 0
    table = (tmp_path / "table.md").read_text()
    assert table in capsys.readouterr().out
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    bits = {
        each.name: read_json(tmp_path / "gru" / each.name / "checkpoint" / "metrics.json")
        for each in tiny
    }
    bits = {name: m["stages"][-1]["excerpt_bits_per_byte"] for name, m in bits.items()}
    assert [row[1] for row in cells] == sorted(bits, key=bits.get)
    assert cells[-1][1] == "still", "a model that learns nothing comes last"
    assert cells[-1][2].endswith("--learning-rate 0.0`")
    config = read_json(tmp_path / "gru" / "still" / "training.json")
    assert config["seed"] == 3 and config["learning_rate"] == 0
    for row in cells:
        assert row[0] == "gru" and row[4] == "1,920"
        assert row[3] == ("60" if row[1] == "rows-2" else "30")
        assert float(row[6]) == pytest.approx(bits[row[1]], abs=5e-4)
        assert float(row[7]) == pytest.approx(bits[row[1]] - bits["recipe"], abs=5e-4)
    assert trials.main([*arguments, "--tokens", "3840", "--only", "still"]) == 2
    assert "holds a run of 30 steps, not 60" in capsys.readouterr().err
    assert trials.main([*arguments, "--tokens", "0"]) == 2
    assert "tokens=0" in capsys.readouterr().err


def test_every_trial_has_a_recipe_to_change():
    base, out = Path("base"), Path("out")
    for trial in trials.TRIALS:
        config = runs.recipe(trial, runs.data_folder(trial, base, out))
        own = runs.recipe(Experiment("", trial.model), base)
        assert (config == own) == (trial.name == trials.RECIPE)
    assert len({(trial.model, trial.name) for trial in trials.TRIALS}) == len(trials.TRIALS)
    changed = [(trial.model, trials.what_changes(trial)) for trial in trials.TRIALS]
    assert len(set(changed)) == len(changed), "the table tells them apart"


def test_a_run_that_was_stopped_is_gone_on_with(base, tmp_path, monkeypatch):
    began = []
    monkeypatch.setattr(runs, "train", lambda *given: began.append(given) or True)
    experiment = Experiment("tiny", "transformer", TINY)
    runs.run(experiment, base, tmp_path, 6400, points=5)
    config, folder, resume = began[0]
    assert folder == tmp_path / "transformer" / "tiny" and not resume
    (folder / "states" / "step-0000010").mkdir(parents=True)
    config.replace(mixed_precision="bf16").save(folder / "training.json")
    runs.run(experiment, base, tmp_path, 6400, points=5)
    assert began[1] == (config.replace(mixed_precision="bf16"), folder, True)
    # Longer is no other run, at another rate it would be.
    runs.run(experiment, base, tmp_path, 12_800, points=5)
    assert began[2][0].max_steps == 2 * config.max_steps
    with pytest.raises(ParameterError, match="learning_rate"):
        faster = replace(experiment, changes={**TINY, "learning_rate": 0.01})
        runs.run(faster, base, tmp_path, 6400, points=5)
