"""Drafts of each sentence, of which the best is written."""

import json
import math
import re

import numpy as np
import pytest
import torch
from conftest import narrow_model, save_tiny_checkpoint
from hypothesis import given
from hypothesis import strategies as st

from polishgen.decoding import TorchDecoder, make_decoder
from polishgen.drafts import (
    SENTENCE_END,
    Draft,
    log_frequencies,
    log_probability,
)
from polishgen.errors import CheckpointError, ParameterError
from polishgen.generate import stream_pieces
from polishgen.language_model import LanguageModel, load
from polishgen.models import ARCHITECTURES
from polishgen.parameters import GenerationConfig
from polishgen.sampling import sample_token
from polishgen.tokenizer import COUNTS_FILE, StreamingDecoder, Tokenizer

# Letters, a space and a full stop; all other bytes are rare.
RANKS = {bytes([value]): value for value in range(256)}
COUNTS = np.ones(257, np.int64)
COUNTS[list(b"abcdefgh .\n")] = np.arange(10, 120, 10)


def tokenizer(counts=COUNTS) -> Tokenizer:
    made = Tokenizer.from_ranks(RANKS)
    made.counts = counts
    return made


class Letters(torch.nn.Module):
    """Says the eleven characters of `COUNTS`; which of them follows from the last two tokens."""

    def __init__(self, boundary: float = -20.0):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        random = torch.Generator().manual_seed(5)
        self.table = torch.full((64, 257), -20.0)
        places = list(b"abcdefgh .\n")
        self.table[:, places] = 2 * torch.randn(64, len(places), generator=random)
        self.table[:, 256] = boundary

    def forward(self, tokens, state=0):
        before, last = ([state or 0, *tokens[0].tolist()])[-2:]
        return self.table[(7 * before + last) % 64][None, None], last


def written(model, text, **options):
    config = GenerationConfig(starts_new_word=False, **options)
    return list(stream_pieces(TorchDecoder(model), tokenizer(), text, config))


def tokens_of(pieces) -> list[int]:
    return [token for piece in pieces for token in piece.token_ids]


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_the_drafts_is_written(seed):
    """Against drafts made one after another by hand, each read from its beginning."""
    prompt = "ab.ab"
    model, config = Letters(), GenerationConfig(drafts=5, seed=seed, max_new_tokens=90)
    generator, text = np.random.default_rng(seed), list(prompt.encode())
    frequencies = COUNTS / COUNTS.sum()

    def ended(tokens):
        return any(character in bytes(tokens).decode().lstrip() for character in ".\n")

    def logits_after(tokens):
        state = None
        for token in [256, *tokens]:
            logits, state = model(torch.tensor([[token]]), state)
        return logits[0, -1].numpy()

    while len(text) < 5 + 90:
        found = []
        for _ in range(5):
            draft, ratios = [], []
            while not ended(draft):
                logits = logits_after(text + draft)
                seen = np.isin(np.arange(257), text + draft)
                allowed = np.where(np.arange(257) < 128, logits, -np.inf)
                if not draft and not found:
                    allowed[256] = logits[256]
                token = sample_token(allowed, seen, config, generator)
                chances = torch.tensor(logits).double().softmax(-1)
                sentence = re.split(rb"[.\n]", bytes(text + draft))[-1]
                expected = max(frequencies[token], 0.05 * (token in sentence))
                draft.append(token)
                ratios.append(math.log(chances[token] / expected))
                if len(draft) == min(64, 95 - len(text)):
                    break
                # It cannot become the best any more, however it goes on.
                ceiling = np.mean(sorted(ratios)[:3]) + 0.5 * math.log(64)
                if len(draft) >= 3 and found and (True, ceiling) <= max(found)[:2]:
                    break
            score = np.mean(sorted(ratios)[:3]) + 0.5 * math.log(len(draft))
            found.append((ended(draft), score, draft))
            if ended(draft) and score >= 4.3:
                break
        text += max(found)[2]
    pieces = written(model, prompt, drafts=5, seed=seed, max_new_tokens=90)
    assert bytes(tokens_of(pieces)).decode() == bytes(text[5:]).decode()


def test_one_draft_is_what_is_drawn():
    tokens, generator, text = tokenizer(), np.random.default_rng(3), list(b"ab")
    model, config = Letters(), GenerationConfig(drafts=1)
    state = None
    for token in [256, *text]:
        logits, state = model(torch.tensor([[token]]), state)
    for _ in range(40):
        seen = np.isin(np.arange(257), text)
        token = sample_token(logits[0, -1].numpy(), seen, config, generator)
        text.append(token)
        logits, state = model(torch.tensor([[token]]), state)
    pieces = written(model, "ab", drafts=1, seed=3, max_new_tokens=40)
    assert tokens.decode(tokens_of(pieces)) == tokens.decode(text[2:])
    assert all(piece.token_ids for piece in pieces)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", [make_decoder, TorchDecoder])
def test_after_drafts_the_model_has_read_what_is_written_and_nothing_else(architecture, kind):
    """The probabilities that the pieces tell against those of the whole text at once."""
    model = narrow_model(architecture, std=0.3)
    lm = LanguageModel(architecture, model, tokenizer(np.ones(257, np.int64)), {})
    options = {"seed": 4, "drafts": 4, "max_new_tokens": 200, "mends_spelling": False}
    pieces = list(lm.stream("Ala.", n_alternatives=1, decoder=kind(model), **options))
    read = [256, *b"Ala.", *tokens_of(pieces)]
    with torch.no_grad():
        logits = model.double()(torch.tensor([read]))[0][0]
    chances = logits[4:-1].softmax(-1).gather(1, torch.tensor(read[5:])[:, None])[:, 0]
    told = [piece.probability for piece in pieces]
    assert len(told) > 20
    assert told == pytest.approx(chances.tolist(), rel=0.15, abs=1e-3)


def test_whether_the_document_ends_is_no_matter_of_rank():
    """A boundary is rare, so that ranked by its frequency it would win nearly always."""

    def share(drafts):
        ends = [
            written(Letters(2.0), "ab.", seed=seed, drafts=drafts, max_new_tokens=1, min_p=0)
            for seed in range(400)
        ]
        return sum(pieces[-1].finish_reason == "boundary" for pieces in ends) / len(ends)

    alone, of_eight = share(1), share(8)
    assert 0.05 < alone < 0.5
    assert of_eight == pytest.approx(alone, abs=0.08)  # three standard deviations


def test_stop_strings_and_the_length_hold():
    for seed in range(20):
        pieces = written(Letters(), "ab.", seed=seed, drafts=3, max_new_tokens=70, stop="c")
        text = "".join(piece.text for piece in pieces)
        assert "c" not in text
        assert pieces[-1].finish_reason in ("stop", "length")
        pieces = written(Letters(), "ab.", seed=seed, drafts=3, max_new_tokens=7)
        assert len(tokens_of(pieces)) == 7 and pieces[-1].finish_reason == "length"


def test_a_draft_that_comes_to_an_end_is_better_than_one_that_does_not():
    whole, cut = Draft([1, 2], "a.", [-9.0, 1.0], complete=True), Draft([1], "a", [9.0])
    assert whole.rank > cut.rank


def test_a_draft_is_as_good_as_its_weakest_places():
    """By hand: the mean of the three least, and half a nat per e-fold of length."""
    draft = Draft(evidence=[5.0, -1.0, 2.0, 0.5, 3.0])
    assert draft.rank[1] == pytest.approx((-1.0 + 0.5 + 2.0) / 3 + 0.5 * math.log(5))
    assert Draft(evidence=[1.0, 2.0]).rank[1] == pytest.approx(1.5 + 0.5 * math.log(2))


@given(
    st.lists(st.floats(-20, 20), min_size=1, max_size=40),
    st.lists(st.floats(-20, 20), min_size=1, max_size=40),
    st.integers(1, 40),
)
def test_no_draft_is_given_up_that_might_have_won(evidence, others, count):
    best, draft = Draft(evidence=others, complete=True), Draft(evidence=evidence[:count])
    whole = Draft(evidence=evidence, complete=True)
    if whole.rank > best.rank:
        assert draft.can_beat(best)
    assert draft.can_beat(Draft(evidence=others))  # which did not come to an end


@given(st.lists(st.sampled_from(["a", " ", ".", "\n", "…", "b?"]), min_size=1, max_size=12))
def test_a_draft_ends_with_the_first_end_after_its_beginning(parts):
    draft = Draft()
    for count, part in enumerate(parts, start=1):
        draft.add(0, part, 0.0, ends_text=False)
        text = "".join(parts[:count])
        assert draft.complete == bool(SENTENCE_END.search(text.lstrip()))
        if draft.complete:
            break


def test_each_drafted_token_is_told_to_who_asks():
    lm = LanguageModel("letters", Letters(), tokenizer(), {})
    options = {"seed": 1, "drafts": 3, "max_new_tokens": 30, "decoder": TorchDecoder(lm.model)}
    told = list(lm.stream("ab.", tells_drafts=True, **options))
    plain = list(lm.stream("ab.", **options | {"decoder": TorchDecoder(lm.model)}))
    assert tokens_of(told) == tokens_of(plain) and all(piece.token_ids for piece in plain)
    drafted = [piece for piece in told if not piece.token_ids]
    # Three drafts of each sentence, all of them longer than nothing.
    assert len(drafted) > 2 * len(plain)
    assert {(piece.text, piece.finish_reason) for piece in drafted} == {("", None)}


def test_at_temperature_0_there_is_nothing_to_choose():
    options = {"temperature": 0.0, "max_new_tokens": 20, "seed": 1}
    many, one = (written(Letters(), "ab", drafts=n, **options) for n in (8, 1))
    assert [p.token_ids for p in many] == [p.token_ids for p in one]


@pytest.mark.parametrize("drafts", [0, 65, 1.5, "many", None])
def test_a_number_of_drafts_out_of_range_is_refused(drafts):
    with pytest.raises(ParameterError, match=r"drafts=.* whole number from 1 to 64"):
        GenerationConfig(drafts=drafts)


@given(st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=30), st.data())
def test_log_probability_is_log_softmax(logits, data):
    token = data.draw(st.integers(0, len(logits) - 1))
    expected = torch.tensor(logits, dtype=torch.float64).log_softmax(-1)[token].item()
    got = log_probability(np.array(logits, np.float32), token)
    assert got == pytest.approx(expected, abs=1e-4)


def test_frequencies_are_shares_of_the_counts():
    made = log_frequencies(tokenizer(np.arange(257)))
    assert made[4] == pytest.approx(math.log(4 / (256 * 257 / 2 + 1)))
    assert made[0] == made[1]  # what never came counts once
    assert np.exp(log_frequencies(tokenizer(None))).sum() == pytest.approx(1)
    assert np.ptp(log_frequencies(tokenizer(None))) == 0


def test_counts_are_kept_with_the_tokenizer(tmp_path):
    tokenizer().save(tmp_path / "own.tiktoken")
    kept = Tokenizer.from_file(tmp_path / "own.tiktoken")
    assert np.array_equal(kept.counts, COUNTS)
    assert kept.digest == Tokenizer.from_ranks(RANKS).digest
    assert Tokenizer.from_ranks(RANKS).counts is None


@pytest.mark.parametrize("damage", ["{", "[1, 2]", "[]", '{"a": 1}', json.dumps([-1] * 257)])
def test_damaged_counts_are_named(damage, tmp_path):
    folder = tmp_path / "gru"
    save_tiny_checkpoint(folder, "gru")
    assert load(folder).tokenizer.counts is None
    n_vocab = load(folder).tokenizer.n_vocab
    (folder / COUNTS_FILE).write_text(json.dumps([3] * n_vocab))
    assert load(folder).tokenizer.counts.tolist() == [3] * n_vocab
    (folder / COUNTS_FILE).write_text(damage.replace("257", str(n_vocab)))
    with pytest.raises(CheckpointError, match=f"{COUNTS_FILE} is damaged"):
        load(folder)


def test_a_copied_stream_decoder_goes_on_by_itself():
    first = StreamingDecoder(tokenizer())
    assert first.push("ż".encode()[0]) == ""
    other = first.copy()
    assert first.push("ż".encode()[1]) == other.push("ż".encode()[1]) == "ż"
    other.push("ż".encode()[0])
    assert first.begun == b"" and other.begun == "ż".encode()[:1]
