"""The decoding loop and the public API, on small random models and on scripted ones."""

import math
import unicodedata

import numpy as np
import pytest
import torch
from conftest import narrow_model
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.bench import WindowDecoder, measure_decoding
from polishgen.decoding import TorchDecoder, make_decoder
from polishgen.errors import ParameterError
from polishgen.evaluation import text_loss
from polishgen.generate import StopWatcher, may_come_first, stream_pieces
from polishgen.introspection import read_tokens
from polishgen.language_model import LanguageModel
from polishgen.models import ARCHITECTURES
from polishgen.normalise import normalise
from polishgen.parameters import GenerationConfig
from polishgen.tokenizer import Tokenizer

BYTES = Tokenizer.from_ranks({bytes([value]): value for value in range(256)})
PROMPT = "Żółw szedł"


def byte_model(architecture: str, std: float = 0.5) -> LanguageModel:
    """A narrow random model over single bytes."""
    model = narrow_model(architecture, std=std)
    return LanguageModel(architecture, model.double(), BYTES, {})


class Scripted(torch.nn.Module):
    """Says the bytes of `script` one after another, whatever it reads; then the boundary."""

    def __init__(self, script: bytes, prompt_length: int):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.script, self.prompt_length = [*script, BYTES.boundary_id], prompt_length

    def forward(self, tokens, state):
        read = (state or 0) + tokens.shape[1]
        logits = torch.zeros(1, tokens.shape[1], BYTES.n_vocab)
        place = read - self.prompt_length - 1
        logits[0, -1, self.script[min(place, len(self.script) - 1)]] = 50.0
        return logits, read


def say(script: str | bytes, prompt: str = "", **options) -> list:
    """Pieces that a model which says `script` generates."""
    script = script.encode() if isinstance(script, str) else script
    options = {"max_new_tokens": 500, "starts_new_word": False, "drafts": 1, **options}
    model = Scripted(script, len(prompt.removesuffix(" ").encode()))
    return list(stream_pieces(TorchDecoder(model), BYTES, prompt, GenerationConfig(**options)))


def text_of(pieces) -> str:
    return "".join(piece.text for piece in pieces)


def begins_utf8(text: bytes) -> bool:
    """Whether `text` is UTF-8, or would be if it went on."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_same_seed_same_text_and_streaming_changes_nothing(architecture):
    lm = byte_model(architecture)
    texts = [lm.generate(PROMPT, max_new_tokens=60, seed=seed) for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]
    pieces = list(lm.stream(PROMPT, max_new_tokens=60, seed=7))
    assert text_of(pieces) == texts[0]
    assert [len(piece.token_ids) for piece in pieces] == [1] * len(pieces)
    times = [piece.seconds for piece in pieces]
    assert times == sorted(times) and times[0] > 0
    assert {piece.finish_reason for piece in pieces[:-1]} <= {None}
    assert pieces[-1].finish_reason in ("length", "boundary")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_decoding_with_state_is_decoding_without(architecture):
    """Greedy tokens against reading the whole text anew for each of them."""
    lm = byte_model(architecture)
    pieces = lm.stream(PROMPT, max_new_tokens=80, temperature=0.0, starts_new_word=False)
    tokens, text = [BYTES.boundary_id, *PROMPT.encode()], b""
    for piece in pieces:
        with torch.no_grad():
            ranked = lm.model(torch.tensor([tokens]))[0][0, -1].argsort(descending=True).tolist()
        expected = next(t for t in ranked if begins_utf8(text + BYTES.token_bytes(t)))
        assert piece.token_ids == (expected,)
        tokens.append(expected)
        text += BYTES.token_bytes(expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bench_compares_the_ways_on_one_text(architecture):
    lm = byte_model(architecture)
    with_state, window = measure_decoding(lm, new_tokens=10, repeats=2, prompt="Ala")
    assert (with_state.backend, window.backend) == ("PyTorch", "re-running the window")
    assert with_state.tokens == window.tokens and with_state.divergence < 1e-9
    assert with_state.tokens_per_second > 0 and window.first_token_seconds > 0
    # Beyond a context of 16 the window forgets; the transformer's own window is not the same.
    decoder = WindowDecoder(lm.model)
    decoder.prefill([65] * 40)
    assert len(decoder.tokens) == 16


def test_several_prompts_each_get_what_they_would_get_alone():
    lm = byte_model("bdh")
    prompts = [PROMPT, "", "Kot"]
    together = lm.generate(prompts, max_new_tokens=20, seed=3)
    assert together == [lm.generate(prompt, max_new_tokens=20, seed=3) for prompt in prompts]
    assert lm.generate([], seed=3) == []
    with pytest.raises(ParameterError, match="decoder"):
        lm.generate(prompts, decoder=make_decoder(lm.model))


def test_ends_at_the_boundary_and_at_the_length():
    pieces = say("Koniec.")
    assert (text_of(pieces), pieces[-1].finish_reason) == ("Koniec.", "boundary")
    pieces = say("Koniec.", max_new_tokens=4)
    assert (text_of(pieces), pieces[-1].finish_reason) == ("Koni", "length")


def test_characters_come_whole():
    pieces = say("żółć 🐢!")
    assert [piece.text for piece in pieces if piece.text] == list("żółć 🐢!")
    assert text_of(say("aż", max_new_tokens=2)) == "a"
    assert text_of(say("aż🐢", max_new_tokens=6)) == "aż"


@given(st.integers(0, 2**31), st.sampled_from(["", "Kot", "Kot ", "🐢"]), st.floats(0.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_whatever_a_model_says_is_utf8(seed, prompt, temperature):
    """A model that says any byte at random writes whole characters alone."""
    decoder = TorchDecoder(Anything(seed))
    options = {"max_new_tokens": 50, "seed": seed, "temperature": temperature, "min_p": 0.0}
    options |= {"drafts": 1}  # the next logits of this model depend on the last alone
    pieces = list(stream_pieces(decoder, AWKWARD, prompt, GenerationConfig(**options)))
    ids = [piece.token_ids[0] for piece in pieces if piece.finish_reason != "boundary"]
    written = AWKWARD.decode_bytes(ids)
    assert begins_utf8(written)
    text = written.decode(errors="ignore")
    assert text_of(pieces) == (text[1:] if prompt.endswith(" ") else text)


class Anything(torch.nn.Module):
    """Logits drawn anew for every token."""

    def __init__(self, seed: int):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, tokens, state):
        logits = torch.randn(1, tokens.shape[1], AWKWARD.n_vocab, generator=self.generator)
        # Bytes of several characters' halves are as likely as all the letters.
        logits[..., 128:256] += 1.0
        return logits, state


def test_what_cannot_follow_is_never_drawn_however_likely():
    pieces = say("ż".encode()[:1] + b"a", temperature=0.0, max_new_tokens=2)
    assert begins_utf8(BYTES.decode_bytes(token for piece in pieces for token in piece.token_ids))


def test_a_space_at_the_end_of_the_prompt_is_the_first_tokens_own():
    assert text_of(say(" kot", prompt="Był sobie ")) == "kot"
    ranks = {bytes([value]): value for value in range(256)} | {b" k": 256}
    tokenizer = Tokenizer.from_ranks(ranks)
    lm = LanguageModel("gru", narrow_model("gru", seed=1, vocab_size=258), tokenizer, {})
    for seed in range(10):
        first = next(lm.stream("Ala ", seed=seed, temperature=2.0, min_p=0.0))
        assert tokenizer.token_bytes(first.token_ids[0]).startswith(b" ")
        assert not first.text.startswith(" ")


# Words, marks, spaces, whole and half characters; a lone z with a combining dot is a letter, too.
TOKENS = [" kot", "kot", ".", ", a", "\n", "—", "żó", "\u0307", "7", "_x", " \u0307", "…"]
HALVES = ["—".encode()[:2], "ż".encode()[:1], b"\x80 "]
AWKWARD = Tokenizer.from_ranks(
    {
        token: rank
        for rank, token in enumerate(
            [bytes([value]) for value in range(256)]
            + [token.encode() for token in TOKENS if len(token.encode()) > 1]
            + [token for token in HALVES if len(token) > 1]
        )
    }
)


@pytest.mark.parametrize(
    ("prompt", "masked"),
    [
        ("Ala", True),
        ("książe", True),
        ("rok 1863", True),
        ("z\u0307", True),  # ż in two characters
        ("kot\u0301", True),
        ("²", True),
        ("", False),
        ("Ala,", False),
        ("Ala\n", False),
        ("(", False),
        ("snake_", False),
        ("biało-", False),
        ("🐢", False),
        ("\ud800", False),
    ],
)
def test_the_text_goes_on_with_a_new_word(prompt, masked):
    may = may_come_first(AWKWARD, prompt, starts_new_word=True).tolist()
    free = may_come_first(AWKWARD, prompt, starts_new_word=False).tolist()
    for token in range(AWKWARD.n_vocab):
        text, sound = AWKWARD.decode([token]), begins_utf8(AWKWARD.token_bytes(token))
        # What ends inside its first character might become a letter.
        goes_on = text[0].isalnum() or unicodedata.combining(text[0]) or text[0] == "\ufffd"
        assert may[token] == (sound and not (masked and goes_on)), (token, text)
        assert free[token] == sound, (token, text)


def test_a_space_at_the_end_of_the_prompt_counts_whatever_was_said_of_words():
    for starts_new_word in (True, False):
        allowed = may_come_first(AWKWARD, "Ala ", starts_new_word).nonzero()[0].tolist()
        assert {AWKWARD.decode([t]) for t in allowed} == {" ", " kot", " \u0307"}


@pytest.mark.parametrize("seed", range(8))
def test_no_model_writes_on_the_last_word(seed):
    first = next(byte_model("gru").stream("Pewnego razu młody książe", seed=seed, min_p=0.0))
    byte = AWKWARD.token_bytes(first.token_ids[0]) if first.token_ids[0] < 256 else b"<"
    assert not byte.isalnum() and byte[0] < 0x80
    going_on = lambda seed: byte_model("gru").generate(  # noqa: E731
        "Ala", seed=seed, max_new_tokens=1, min_p=0.0, starts_new_word=False, drafts=1
    )
    assert any(going_on(seed).isalnum() for seed in range(20))


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("abż", max_size=20),
    stop=st.lists(st.text("abż", min_size=1, max_size=4), min_size=1, max_size=3),
    data=st.data(),
)
def test_stop_strings_end_the_text_however_it_is_cut(text, stop, data):
    # The first place at which the text so far holds a stop string, and what stands before that.
    expected, stopped = text, False
    for end in range(1, len(text) + 1):
        complete = [s for s in stop if text[:end].endswith(s)]
        if complete:
            expected, stopped = text[: end - max(map(len, complete))], True
            break
    watcher, shown, rest = StopWatcher(tuple(stop)), "", text
    while rest and not watcher.stopped:
        size = data.draw(st.integers(1, len(rest)))
        shown += watcher.push(rest[:size])
        assert expected.startswith(shown)
        rest = rest[size:]
    shown += "" if watcher.stopped else watcher.flush()
    assert (shown, watcher.stopped) == (expected, stopped)


def test_stop_strings_in_the_stream():
    pieces = say("Raz. Dwa. Trzy.", stop="Dw")
    assert (text_of(pieces), pieces[-1].finish_reason) == ("Raz. ", "stop")
    assert len(pieces) == len("Raz. Dw")
    assert text_of(say("Raz. D", stop=["Dwa", "xyz"])) == "Raz. D"
    assert text_of(say("Raz. Dwa", stop="Dwa!", max_new_tokens=8)) == "Raz. Dwa"


@pytest.mark.parametrize(
    "prompt", ["", " ", "\ud800x", "🐢" * 300, "<|endoftext|>", "a\x00b\u202e"]
)
def test_any_prompt_works(prompt):
    text = byte_model("gru").generate(prompt, max_new_tokens=5, seed=1)
    assert isinstance(text, str)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("seed", -1),
        ("stop", ["a"] * 17),
        ("genre", "poem"),
        ("prompt", None),
        ("prompt", b"abc"),
        ("prompt", "x" * 1_000_001),
    ],
)
def test_bad_arguments_are_refused_at_once_and_by_name(name, value):
    arguments = {"prompt": PROMPT, name: value}
    with pytest.raises(ParameterError) as caught:
        byte_model("gru").stream(**arguments)
    assert caught.value.parameter == name
    with pytest.raises(ParameterError):
        byte_model("gru").generate(**arguments)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_score_is_the_models_own_probability(architecture):
    lm = byte_model(architecture, std=0.2)
    text = "Zażółć gęślą jaźń. " * 20
    score = lm.score(text)
    inputs = torch.tensor([[BYTES.boundary_id, *text.encode()]])
    with torch.no_grad():
        logs = lm.model(inputs)[0][0, :-1].log_softmax(-1)
    expected = logs.gather(1, inputs[0, 1:, None])[:, 0].tolist()
    assert score.tokens == tuple(text.encode()) and len(score.tokens) > 256
    assert score.logprobs == pytest.approx(expected, rel=1e-9)
    mean = sum(expected) / len(expected)
    assert score.perplexity == pytest.approx(math.exp(-mean))
    # One token is one byte here, so both measures say the same.
    assert score.bits_per_byte == pytest.approx(math.log2(score.perplexity))


def test_prompts_and_scored_texts_are_normalised():
    lm = byte_model("gru")
    typed, meant = '\ufeffKsia\u0328z\u0307e\u00a0 mo\u0301wi: "Idź"\r\n', "Książe mówi: „Idź”\n"
    assert lm.generate(typed, max_new_tokens=9, seed=1) == lm.generate(
        normalise(typed), max_new_tokens=9, seed=1
    )
    assert lm.score(typed) == lm.score(meant)
    assert text_loss(lm.model, BYTES, [typed]) == text_loss(lm.model, BYTES, [meant])


@pytest.mark.parametrize("five", [5, 5.0, np.int64(5), np.float32(5)])
def test_whole_numbers_of_any_type_are_taken_everywhere(five):
    lm = byte_model("gru")
    options = {"max_new_tokens": 3, "seed": five, "top_k": five, "min_p": np.float32(0)}
    pieces = list(lm.stream("Ala", n_alternatives=five, **options))
    assert [len(piece.alternatives) for piece in pieces] == [5] * len(pieces)
    plain = lm.generate("Ala", max_new_tokens=3, seed=5, top_k=5, min_p=0)
    assert text_of(pieces) == plain
    assert len(next(read_tokens(lm, "a", n_alternatives=five)).alternatives) == 5


def test_score_refuses_nothing_and_no_text():
    for text in ("", "\ufeff", "\ud800", None, 3):
        with pytest.raises(ParameterError, match="text"):
            byte_model("gru").score(text)


def test_pieces_tell_what_else_the_model_expected():
    lm = byte_model("gru")
    pieces = list(lm.stream(PROMPT, max_new_tokens=20, seed=7, min_p=0.3, n_alternatives=5))
    plain = list(lm.stream(PROMPT, max_new_tokens=20, seed=7, min_p=0.3))
    assert text_of(pieces) == text_of(plain)
    assert all(piece.probability is None and piece.alternatives == () for piece in plain)
    tokens = [BYTES.boundary_id, *BYTES.encode(PROMPT)]
    for piece in pieces:
        # The model's own distribution, whatever min-p filtered out of it.
        logits, _ = lm.model(torch.tensor([tokens]))
        expected = logits[0, -1].softmax(0).detach()
        assert piece.probability == pytest.approx(expected[piece.token_ids[0]].item())
        likeliest = expected.topk(5)
        assert [token for token, _ in piece.alternatives] == likeliest.indices.tolist()
        shares = [share for _, share in piece.alternatives]
        assert shares == pytest.approx(likeliest.values.tolist())
        tokens += piece.token_ids
    with pytest.raises(ParameterError, match="n_alternatives"):
        lm.stream(PROMPT, n_alternatives=-1)


KNOWS_GENRES = Tokenizer.from_ranks(
    {bytes([value]): value for value in range(256)}, ("tale", "novel")
)


def test_a_genre_stands_before_the_text():
    model = narrow_model("gru", std=0.5, vocab_size=KNOWS_GENRES.n_vocab).double()
    lm = LanguageModel("gru", model, KNOWS_GENRES, {})
    prefix = [KNOWS_GENRES.boundary_id, 256]
    tokens = torch.tensor([[*prefix, *PROMPT.encode()]])
    with torch.inference_mode():
        logs = model(tokens)[0][0].log_softmax(-1)
    expected = logs[1:-1].gather(1, tokens[0, 2:, None])[:, 0].tolist()
    assert lm.score(PROMPT, genre="tale").logprobs == pytest.approx(expected)
    assert lm.score(PROMPT).logprobs != pytest.approx(expected)
    loss = text_loss(model, KNOWS_GENRES, [PROMPT], genre="tale")
    assert loss.nats == pytest.approx(-sum(expected))
    options = {"temperature": 0.0, "max_new_tokens": 1, "starts_new_word": False}
    (first,) = lm.stream(PROMPT, genre="tale", **options)
    assert first.token_ids == (logs[-1].argmax().item(),)
    for call in (lm.score, lm.stream):
        with pytest.raises(ParameterError, match=r"genre='poem'.*tale, novel"):
            call(PROMPT, genre="poem")


def test_special_tokens_end_the_text_and_are_never_shown():
    model = narrow_model("gru", std=0.5, vocab_size=KNOWS_GENRES.n_vocab)
    lm = LanguageModel("gru", model, KNOWS_GENRES, {})
    ends = set()
    for seed in range(60):
        pieces = list(lm.stream("A", seed=seed, temperature=5.0, min_p=0.0, max_new_tokens=40))
        assert "<|" not in text_of(pieces)
        if pieces[-1].finish_reason == "boundary":
            ends.add(pieces[-1].token_ids[0])
    assert ends == {256, 257, KNOWS_GENRES.boundary_id}
