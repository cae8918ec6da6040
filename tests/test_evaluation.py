"""Loss over a text, against the same loss computed token by token."""

import math

import pytest
import torch

from polishgen.errors import ParameterError
from polishgen.evaluation import byte_lengths, text_loss
from polishgen.models import build_model, preset_config
from training.data import open_corpus

NARROW = {
    "transformer": {"width": 32, "n_layers": 2, "n_heads": 2, "context_length": 16},
    "gru": {"embedding_size": 16, "hidden_size": 24, "context_length": 16},
    "bdh": {"width": 16, "n_neurons": 64, "n_layers": 2, "context_length": 16},
}


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return open_corpus(tiny_corpus)


def random_model(name, vocab_size):
    torch.manual_seed(0)
    model = build_model(preset_config(name, "compact", vocab_size=vocab_size, **NARROW[name]))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize("name", sorted(NARROW))
@pytest.mark.parametrize("lanes", [1, 3])
def test_every_token_counts_once_with_a_context_before_it(name, lanes, corpus):
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    model = random_model(name, tokenizer.n_vocab).eval()
    stream = torch.from_numpy(corpus.held_out[:500].astype("int64"))
    result = text_loss(model, tokenizer, stream, lanes=lanes)
    lane = -(-(len(stream) - 1) // lanes)
    nats, tokens, size = 0.0, 0, 0
    with torch.inference_mode():
        for r in range(lanes):
            start = r * lane
            before = stream[max(0, start - 16) : start + 1]
            missing = torch.full((17 - len(before),), tokenizer.boundary_id)
            targets = stream[start + 1 : start + lane + 1]
            row = torch.cat([missing, before, targets])
            logs = model(row[None, :-1])[0][0].double().log_softmax(-1)[16:]
            for place, target in enumerate(targets.tolist()):
                if target != tokenizer.boundary_id:
                    nats -= logs[place, target].item()
                    tokens += 1
                    size += len(tokenizer.token_bytes(target))
    assert (result.tokens, result.n_bytes) == (tokens, size)
    assert result.nats == pytest.approx(nats, rel=1e-5)


def test_a_model_that_knows_nothing_needs_log2_of_the_vocabulary(corpus):
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    model = random_model("gru", tokenizer.n_vocab)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    stream = torch.from_numpy(corpus.held_out.astype("int64"))
    result = text_loss(model, tokenizer, stream)
    assert result.perplexity == pytest.approx(tokenizer.n_vocab, rel=1e-4)
    assert result.n_bytes == corpus.summary.val.bytes
    per_byte = math.log2(tokenizer.n_vocab) * result.tokens / result.n_bytes
    assert result.bits_per_byte == pytest.approx(per_byte, rel=1e-4)


def test_byte_lengths_are_those_of_the_text(corpus):
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    text = "Zażółć gęślą jaźń — „tak”."
    lengths = byte_lengths(tokenizer)
    assert lengths[tokenizer.encode(text)].sum() == len(text.encode())
    assert lengths[tokenizer.boundary_id] == 0


def test_too_short_a_text_is_refused(corpus):
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    with pytest.raises(ParameterError, match="stream"):
        text_loss(random_model("gru", tokenizer.n_vocab), tokenizer, torch.tensor([1]))
