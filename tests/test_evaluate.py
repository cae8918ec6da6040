"""The evaluation: each measure against hand-counted cases or a slow reference, and the command."""

import json
import lzma
import math
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import NARROW, invented_text, narrow_model
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.checkpoint import read_json, save_checkpoint
from polishgen.chorus import chorus_of
from polishgen.errors import ParameterError, PolishgenError
from polishgen.language_model import LanguageModel, load
from polishgen.parameters import SamplingConfig
from polishgen.sampling import SAMPLING_PRESETS
from training import evaluate, readme
from training import samples as samples_page
from training.corpus.cleaning import Document
from training.measures import compressors, samples, text_figures
from training.measures.copying import (
    compared,
    copied_share,
    copied_texts,
    longest_span,
    shared_lengths,
)
from training.measures.held_out import (
    CorpusTexts,
    measure_chorus,
    measure_kinds,
    read_corpus,
)
from training.measures.real_words import (
    REPORT_COUNTS,
    clustered_share,
    is_real,
    real_word_share,
    wilson_interval,
)
from training.measures.repetition import distinct, longest_loop
from training.measures.text_figures import PASSAGE_WORDS, PASSAGES, all_figures, human_sets
from training.measures.words import passages_of, words_of, words_written


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return read_corpus(tiny_corpus)


def random_model(name: str, tiny_corpus: Path) -> LanguageModel:
    """A narrow model with random weights over the tiny corpus's tokenizer."""
    from training.data import open_corpus

    tokenizer = open_corpus(tiny_corpus).summary.open_tokenizer(tiny_corpus)
    model = narrow_model(name, std=0.3, seed=5, vocab_size=tokenizer.n_vocab)
    return LanguageModel(name, model, tokenizer, {})


# --- words -----------------------------------------------------------------------------------


def test_words_are_runs_of_letters():
    assert words_of("Żółw, wół-byk i 12a; x_y") == ["Żółw", "wół", "byk", "i", "a", "x", "y"]


@pytest.mark.parametrize(
    ("prompt", "continuation", "ended", "words"),
    [
        ("Stary mły", "narz szedł", True, ["młynarz", "szedł"]),
        ("Stary mły", "narz szedł", False, ["młynarz"]),
        ("Stary młynarz", " szedł.", False, ["szedł"]),
        ("", "Dom", False, []),
        ("Dom", "", True, []),
    ],
)
def test_words_cut_off_at_the_borders_are_not_judged(prompt, continuation, ended, words):
    assert words_written(prompt, continuation, ended) == words


def test_passages_are_the_text_without_its_rest():
    assert list(passages_of("a b c, d e f g", 3)) == [["a", "b", "c"], ["d", "e", "f"]]
    assert list(passages_of("a b", 3)) == []


# --- real words ------------------------------------------------------------------------------


def test_real_words_are_those_of_the_dictionary():
    assert all(map(is_real, ["książę", "KSIĄŻĘ", "Warszawa", "zrobiłem", "chciałabym", "żem"]))
    assert not any(map(is_real, ["żyńda", "krzmuł", "warszawaą", "Xqzt"]))


def test_share_counts_words_of_two_letters_or_more():
    share = real_word_share([["Dom", "z", "w", "brzdąkłąg"], ["i"], ["Rzeka", "stoi"]])
    assert (share.share, share.count) == (0.75, 4)
    with pytest.raises(ParameterError, match="two letters"):
        real_word_share([["z", "i"], []])


def test_wilson_interval_of_a_textbook_case():
    # Agresti & Coull's zero of ten: z² / (n + z²) is the upper end.
    low, high = wilson_interval(0.0, 10)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high == pytest.approx(1.959964**2 / (10 + 1.959964**2))
    # The ends are the shares that a test at 5 % just accepts.
    for end in wilson_interval(0.9, 200):
        assert abs(0.9 - end) / math.sqrt(end * (1 - end) / 200) == pytest.approx(1.959964)


def test_interval_of_alike_clusters_is_that_of_independent_words():
    share = clustered_share([(9, 10)] * 20)
    assert (share.low, share.high) == wilson_interval(0.9, 200)


def test_interval_of_clusters_that_hang_together_counts_the_clusters():
    # All or nothing in each text: 40 texts say as much as 40 words (n / (n - 1) apart).
    share = clustered_share([(50, 50)] * 30 + [(0, 50)] * 10)
    low, high = wilson_interval(0.75, 40 * 39 / 40)
    assert (share.low, share.high) == pytest.approx((low, high))


def test_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        # Shares that vary from text to text around 0.8.
        clusters = [(int(rng.binomial(60, rng.beta(16, 4))), 60) for _ in range(25)]
        share = clustered_share(clusters)
        covered += share.low <= 0.8 <= share.high
    assert 0.91 <= covered / 400 <= 0.98


# --- repetition ------------------------------------------------------------------------------


def test_distinct_n_counted_by_hand():
    # ab bc ca ab | ab: three of five bigrams differ; no bigram runs across the border.
    assert distinct(["abcab", "ab"], 2) == 3 / 5
    assert distinct(["abcd"], 3) == 1.0
    assert distinct(["ab", "c"], 3) == 0.0


@pytest.mark.parametrize(
    ("words", "length"),
    [("abcde", 0), ("aab", 2), ("aaaa", 4), ("xabcabcy", 6), ("xabcabcaby", 8), ("abxab", 0)],
)
def test_longest_loop_counted_by_hand(words, length):
    assert longest_loop(words) == length


@given(st.text("ab", max_size=14))
def test_longest_loop_is_what_trying_everything_finds(words):
    def loops(text):
        periods = range(1, len(text) // 2 + 1)
        return any(text == (text[:p] * len(text))[: len(text)] for p in periods)

    spans = [words[i:j] for i in range(len(words)) for j in range(i + 2, len(words) + 1)]
    assert longest_loop(words) == max((len(s) for s in spans if loops(s)), default=0)


# --- copying ---------------------------------------------------------------------------------


def naive_lengths(query: list[str], training: list[list[str]]) -> list[int]:
    def stands(words):
        return any(text[i : i + len(words)] == words for text in training for i in range(len(text)))

    return [
        max((n for n in range(1, len(query) - i + 1) if stands(query[i : i + n])), default=0)
        for i in range(len(query))
    ]


TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=4)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_shared_lengths_are_what_trying_everything_finds(queries, training):
    found = shared_lengths(queries, training)
    assert [list(lengths) for lengths in found] == [naive_lengths(q, training) for q in queries]


def test_a_passage_of_the_training_text_is_found_whole_and_only_it():
    training = [words_of(invented_text(seed, 40)) for seed in range(5)]
    foreign = [f"obce{i}" for i in range(30)]
    copied = training[3][50:62]
    lengths = shared_lengths([[*foreign, *copied, *foreign], foreign], training)
    assert longest_span(lengths) == 12
    # Twelve of 72 words, which is less than a fifth; the other text has 30 of its own.
    assert copied_share(lengths) == 12 / (72 + 30)
    assert copied_texts(lengths) == 0
    assert copied_texts(shared_lengths([[*copied, *foreign]], training)) == 1
    # Spans of seven words are nobody's; two that overlap are counted once.
    assert (copied_share([np.array([7, 6])]), longest_span([])) == (0.0, 0)
    assert copied_share([np.array([9, 8, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1])]) == 10 / 12


def test_a_tale_with_other_names_and_animals_is_a_copy():
    tale = words_of("Pewnego dnia Hania spotkała lisa i dała lisowi trzy duże jabłka na drogę")
    other = words_of("Pewnego dnia Zosia spotkała wilka i dała wilkowi trzy duże jabłka na drogę")
    assert longest_span(shared_lengths([compared(other)], [compared(tale)])) == len(tale)
    assert longest_span(shared_lengths([compared(other)], [other])) < len(tale)


def test_figures_tell_a_copyist_from_a_writer_and_a_parrot(corpus):
    human = human_sets([" ".join(f"słowo{chr(97 + i % 26)}{i}" for i in range(5000))])
    # Digits are no letters: make the words differ by letters alone.
    fresh = [[f"s{'abcdefghij'[i % 10] * (i // 10 + 1)}" for i in range(100)]] * 2
    copied = [words_of(corpus.training[0])[:100], words_of(corpus.training[1])[:100]]
    loop = [["raz", "dwa"] * 50] * 2
    fresh, copied, loop, first = all_figures([fresh, copied, loop, human[0]], corpus.training)
    assert (fresh.copied_words, copied.copied_words) == (0.0, 1.0)
    assert (fresh.copied_texts, copied.copied_texts) == (0, 2)
    assert (fresh.longest_loop, loop.longest_loop) == (0, 100)
    assert copied.longest_copied_span == 100
    assert loop.distinct_2 == 2 / 198 and first.distinct_2 < 1


def test_human_sets_are_as_long_as_the_models_and_use_nothing_twice():
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + c for a in letters for b in letters for c in letters]
    texts = [" ".join(words[:9000]), " ".join(words[9000:])]
    sets = human_sets(texts)
    assert len(sets) == len(words) // PASSAGE_WORDS // PASSAGES
    assert all(len(passages) == PASSAGES for passages in sets)
    assert {len(passage) for passages in sets for passage in passages} == {PASSAGE_WORDS}
    used = [word for passages in sets for passage in passages for word in passage]
    assert len(used) == len(set(used))
    # Each set has passages of both texts.
    assert all(p[0][0][0] < "n" < p[-1][0][0] for p in sets)
    with pytest.raises(ParameterError, match="held-out text"):
        human_sets(["za mało"])


# --- compressors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "measure", [compressors.xz_bits_per_byte, compressors.ppmd_bits_per_byte], ids=["xz", "ppmd"]
)
def test_compressors_know_what_they_have_read(measure):
    # 64 signs at random hold six bits each, and next to none where they stood before.
    text, other = (bytes(random.Random(seed).choices(range(64), k=100_000)) for seed in (1, 2))
    assert measure(other, text) == pytest.approx(6, rel=0.08)
    assert measure(other + text, text) < 1.5
    with pytest.raises(ParameterError, match="text"):
        measure(other, b"")


def test_xz_agrees_with_the_difference_of_two_files():
    context, text = (invented_text(seed, 4000).encode() for seed in (1, 2))
    size = len(lzma.compress(context + text, preset=9)) - len(lzma.compress(context, preset=9))
    assert compressors.xz_bits_per_byte(context, text) == pytest.approx(
        8 * size / len(text), rel=0.05
    )


def test_compressors_are_measured_once_a_corpus(corpus, tmp_path, monkeypatch):
    file = tmp_path / "docs" / "compressors.json"
    rows = compressors.compressor_rows(corpus, file)
    assert 0 < rows["PPMd, order 12"] < rows["xz -9"] < 3
    monkeypatch.setattr(compressors, "xz_bits_per_byte", lambda *_: pytest.fail("measured again"))
    assert compressors.compressor_rows(corpus, file) == rows
    write = read_json(file) | {"corpus": "another"}
    file.write_text(json.dumps(write))
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        compressors.compressor_rows(corpus, file)


# --- samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NARROW))
def test_samples_are_what_generate_writes(name, tiny_corpus):
    lm = random_model(name, tiny_corpus)
    sampling = SamplingConfig(temperature=1.1, top_k=40, min_p=0.01, repetition_penalty=1.2)
    prompts = ("", "Stary młynarz", "Ktoś")
    found = samples.generate_samples(lm, sampling, prompts, min_words=1, new_tokens=40)
    assert [(s.prompt, s.seed) for s in found] == [(p, seed) for seed in (0, 1) for p in prompts]
    for sample in found:
        options = dict(sampling) | {"seed": sample.seed, "max_new_tokens": 40}
        assert sample.text == lm.generate(sample.prompt, **options)
        *_, last = lm.stream(sample.prompt, **options)
        assert sample.ended == (last.token_ids[0] >= lm.tokenizer.n_ranks)


def test_more_seeds_until_there_are_words_enough(tiny_corpus):
    lm = random_model("gru", tiny_corpus)
    few, many = (
        samples.generate_samples(lm, SamplingConfig(), ("Ktoś",), words, 60) for words in (1, 60)
    )
    assert samples.count_words(many) >= 60 > samples.count_words(many[:-1])
    assert many[: len(few)] == few and [s.seed for s in many] == list(range(len(many)))


# --- loss ------------------------------------------------------------------------------------


def test_the_loss_is_over_all_of_the_held_out_text_kind_by_kind(corpus, tiny_corpus):
    lm = random_model("transformer", tiny_corpus)
    novel, tale = (
        Document("Dom stoi.", {"kind": "novel"}),
        Document("Żył raz król.", {"kind": "tale"}),
    )
    texts = CorpusTexts([], [tale, novel, tale, novel], "digest")
    losses = measure_kinds(lm, texts, keep=False)
    assert list(losses) == ["novel", "tale"]
    for document, loss in ((novel, losses["novel"]), (tale, losses["tale"])):
        score = lm.score(document.text)
        assert loss["bits_per_byte"] == pytest.approx(score.bits_per_byte)
        assert (loss["documents"], loss["bytes"]) == (2, 2 * len(document.text.encode()))
    assert texts.texts() == [novel.text] * 2
    lm.metrics = {"held_out": losses | {"tale": {"bytes": losses["tale"]["bytes"], "kept": True}}}
    assert measure_kinds(lm, texts, keep=True)["tale"].get("kept")
    assert measure_kinds(lm, texts, keep=False) == losses
    lm.metrics["held_out"]["tale"]["bytes"] -= 1
    assert measure_kinds(lm, texts, keep=True) == losses
    assert list(measure_kinds(lm, corpus, keep=False)) == ["novel"]


def test_a_chorus_and_its_models_are_read_once(tiny_corpus, monkeypatch):
    texts = CorpusTexts(
        [],
        [Document("Dom stoi.", {"kind": "novel"}), Document("Żył raz król.", {"kind": "tale"})],
        "digest",
    )
    lms = [random_model(name, tiny_corpus) for name in ("transformer", "gru")]
    *alone, together = measure_chorus(chorus_of(lms), texts)
    for lm, losses in zip(lms, alone, strict=True):
        own = measure_kinds(lm, texts, keep=False)
        assert {k: v["loss"] for k, v in losses.items()} == pytest.approx(
            {k: v["loss"] for k, v in own.items()}
        )
    for document, loss in zip(texts.held_out, together.values(), strict=True):
        assert loss["loss"] == pytest.approx(chorus_of(lms).score(document.text).loss.loss)
    # What is known of a chorus holds as long as its models are those that it was measured with.
    chorus, now = chorus_of(lms), {"transformer": 5.0, "gru": 6.0}
    monkeypatch.setattr(evaluate, "losses_of_bundled", lambda: now)
    kept = {kind: {"bytes": loss["bytes"], "kept": True} for kind, loss in together.items()}
    for models, expected in (({"transformer": 5.0, "gru": 6.1}, together), (now, kept)):
        chorus.metrics = {"models": models, "held_out": kept}
        assert evaluate.held_out_losses([lms[1], chorus], texts, keep=True)[-1] == expected
    assert evaluate.held_out_losses([lms[1], chorus], texts, keep=False)[-1] == together


def test_a_chorus_is_read_anew_while_a_model_was_not_measured(tiny_corpus, tmp_path, monkeypatch):
    for name, metrics in (("gru", '{"held_out_loss": 6.0}'), ("bdh", "{}"), ("fourth", None)):
        (tmp_path / name).mkdir()
        if metrics:
            (tmp_path / name / "metrics.json").write_text(metrics)
    monkeypatch.setattr(evaluate, "BUNDLED", tmp_path)
    chorus = chorus_of([random_model(name, tiny_corpus) for name in ("transformer", "gru")])
    for names, stand in ((("gru",), True), (("gru", "bdh"), False), (("gru", "fourth"), False)):
        monkeypatch.setattr(evaluate, "bundled_names", lambda names=names: names)
        chorus.metrics = {"models": evaluate.losses_of_bundled()}
        assert evaluate.models_stand(chorus) is stand


# --- the report ------------------------------------------------------------------------------


def last_samples(report: str) -> dict[str, str]:
    """The last code block without a language under each model's heading or bold line."""
    models = {"gru": "gru", "transformer": "transformer", "dragon hatchling": "bdh"}
    samples, model, block = {}, None, None
    for line in report.splitlines():
        if line.startswith("```"):
            if block and block[0] == "```" and model:
                samples[model] = "\n".join(block[1:]).removeprefix("Sample generation:")
            block = [line.strip()] if block is None else None
        elif block is not None:
            block.append(line)
        elif line.startswith(("#", "**")):
            named = re.search("|".join(models), line.lower())
            model = models[named.group()] if named else model
    return samples


def test_the_counts_of_the_report_are_those_of_its_samples(shared):
    (report,) = (shared / "seed").glob("*.txt")
    for model, text in last_samples(report.read_text(encoding="utf-8")).items():
        counted = real_word_share([words_of(text)])
        assert clustered_share([REPORT_COUNTS[model]]) == counted


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def bundle(tiny_corpus, tmp_path, monkeypatch):
    """Two random models bundled with a README, and everything else kept out of the way."""
    folder = tmp_path / "checkpoints"
    for name in ("gru", "transformer"):
        lm = random_model(name, tiny_corpus)
        stages = [{"command": "train it", "steps": 3, "tokens": 1234, "seconds": 60}]
        metrics = {"training_seconds": 60, "stages": stages}
        save_checkpoint(folder / name, lm.model, lm.tokenizer, metrics)
    page = tmp_path / "README.md"
    page.write_text(
        "before\n<!-- evaluation -->\nold\n<!-- /evaluation -->\nafter\n"
        "<!-- stages --><!-- /stages -->"
    )
    monkeypatch.setattr("polishgen.checkpoint.BUNDLED", folder)
    monkeypatch.setattr(evaluate, "BUNDLED", folder)
    monkeypatch.setattr(evaluate, "README", page)
    monkeypatch.setattr(evaluate, "MIN_WORDS", 10)
    monkeypatch.setattr(evaluate, "NEW_TOKENS", 20)
    monkeypatch.setattr(evaluate, "PROMPTS", samples.PROMPTS[:3])
    monkeypatch.setattr(text_figures, "PASSAGES", 4)
    measured = compressors.compressor_rows
    monkeypatch.setattr(
        evaluate, "compressor_rows", lambda corpus: measured(corpus, tmp_path / "rows.json")
    )
    return tmp_path


def test_the_command_writes_metrics_and_readme(bundle, tiny_corpus, capsys):
    assert evaluate.main(["--data", str(tiny_corpus)]) == 0
    metrics = {
        n: read_json(bundle / "checkpoints" / n / "metrics.json") for n in NARROW if n != "bdh"
    }
    page = (bundle / "README.md").read_text()
    assert page.startswith("before\n<!-- evaluation -->\n")
    assert "evaluation -->\nafter\n<!-- stages -->" in page
    assert "| GRU | 3 | 1,234 | 1 | `train it` |" in page
    assert "old" not in page
    for name, values in metrics.items():
        assert values["tokens_per_second"] > 0
        assert values["training_seconds"] == 60
        lm = load(bundle / "checkpoints" / name)
        assert values["parameters"] == lm.parameters
        bits, loss = values["bits_per_byte"], values["held_out_loss"]
        assert f"| {bits:.3f} | {loss:.3f} |" in page
        assert values["held_out"]["novel"]["bits_per_byte"] == bits
        assert set(values["evaluation"]["presets"]) == set(SAMPLING_PRESETS)
        for figures in values["evaluation"]["presets"].values():
            share = figures["real_words"]
            assert share["low"] <= share["share"] <= share["high"] and share["count"] >= 10
            assert f"{100 * share['share']:.1f} % (" in page
        card = (bundle / "checkpoints" / name / "README.md").read_text()
        share = values["evaluation"]["presets"]["balanced"]["real_words"]
        assert f"| {100 * share['share']:.1f} % (" in card
        assert "| 1 | 3 | 1,234 | 1 | `train it` |" in card
        shown = values["evaluation"]["first_sample"]
        assert shown["text"] == lm.generate(shown["prompt"], seed=0)
    together = read_json(bundle / "checkpoints" / "chorus" / "metrics.json")
    assert f"| together | {together['bits_per_byte']:.3f} |" in page
    assert together["parameters"] == sum(values["parameters"] for values in metrics.values())
    human = metrics["gru"]["evaluation"]["human"]
    # The invented documents repeat a handful of phrases, held out or not.
    assert human["real_words"]["share"] > 0.9 and human["copied_words"] > 0.5
    before = page
    assert evaluate.main(["--data", str(tiny_corpus), "--keep-loss", "--models", "gru"]) == 0
    assert (bundle / "README.md").read_text() == before
    assert "bits per byte" in capsys.readouterr().out


def test_a_model_elsewhere_leaves_readme_alone(bundle, tiny_corpus, tmp_path, capsys):
    page = (bundle / "README.md").read_text()
    shutil.move(bundle / "checkpoints" / "gru", tmp_path / "mine")
    assert evaluate.main(["--data", str(tiny_corpus), "--models", str(tmp_path / "mine")]) == 0
    assert "evaluation" in read_json(tmp_path / "mine" / "metrics.json")
    assert (bundle / "README.md").read_text() == page
    assert evaluate.main(["--data", str(tmp_path)]) == 2
    assert "training.prepare" in capsys.readouterr().err
    assert evaluate.main(["--models", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_readme_without_its_markers_is_left_alone():
    start, end = "<!-- x -->", "<!-- /x -->"
    for text in ("nothing", end + start, start * 2 + end):
        with pytest.raises(PolishgenError, match="once each"):
            readme.replace_section(text, "x", "new")
    assert readme.replace_section(f"a{start}b{end}c", "x", "new") == f"a{start}\nnew\n{end}c"


def test_a_sample_cannot_leave_its_block():
    block = readme.text_block("Dom\x07 i ```\n# las\u2028x")
    assert block == "```text\nDom\ufffd i '''\n# las\ufffdx\n```"


@pytest.mark.parametrize(
    ("words", "texts", "said"),
    [
        (0.031, 0, "nowhere 2 points more"),
        (0.0, 2, "nowhere 2 points more"),
        (0.05, 0, "GRU at careful"),
        (0.0, 3, "GRU at careful"),
    ],
)
def test_copying_is_said_plainly(words, texts, said):
    row = {"copied_words": words, "copied_texts": texts}
    human = {"copied_words": 0.012, "copied_texts": 1.5}
    evaluation = {"human": human, "human_by_genre": {}, "presets": {"careful": row}}
    assert said in readme.copying_verdict({"gru": {"evaluation": evaluation}})
    tales = evaluation | {"presets": {}, "genres": {"tale": row}, "human_by_genre": {"tale": human}}
    said = said.replace("at careful", "in genre tale")
    assert said in readme.copying_verdict({"gru": {"evaluation": tales}})


def test_activity_is_a_table_by_layer():
    shares = {"x": [0.155, 0.05], "y": [0.1, 0.06], "x·y": [0.02, 0.01]}
    _, rows = readme.activity({"bdh": {"activity": shares}, "gru": {}})
    assert "layer 2" in rows and "| x | 15.5 % | 5.0 % |" in rows


def test_the_page_of_samples_has_every_prompt_model_genre_and_seed(bundle, capsys):
    out = bundle / "samples.md"
    assert (
        samples_page.main(["--models", str(bundle / "checkpoints" / "gru"), "--out", str(out)]) == 0
    )
    page = out.read_text(encoding="utf-8")
    assert page.count("```text\n") == 3 * 3 * 3
    for prompt in samples_page.PROMPTS:
        assert page.count(f"### {prompt}") == 3
    assert samples_page.main(["--models", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
