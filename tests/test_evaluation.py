"""Loss over documents, against the definition written out and against scoring each alone."""

import math

import pytest
import torch
from conftest import narrow_model
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen import evaluation
from polishgen.errors import ParameterError
from polishgen.evaluation import byte_lengths, text_loss
from polishgen.language_model import LanguageModel
from polishgen.models import ARCHITECTURES
from polishgen.normalise import normalise
from polishgen.tokenizer import Tokenizer

BYTES = {bytes([byte]): byte for byte in range(256)}
TOKENIZER = Tokenizer.from_ranks(BYTES | {"ą".encode(): 256, "ć".encode(): 257, b" k": 258})


def random_model(name: str) -> LanguageModel:
    model = narrow_model(name, std=0.3, vocab_size=TOKENIZER.n_vocab).double()
    return LanguageModel(name, model, TOKENIZER, {})


MODELS = {name: random_model(name) for name in ARCHITECTURES}


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(
    st.lists(st.text("aąć k.ż", max_size=90), min_size=1, max_size=7).filter(
        lambda texts: any(map(normalise, texts))
    ),
    st.integers(1, 4),
    st.sampled_from([5, 16, 64]),
)
@settings(max_examples=25, deadline=None)
def test_documents_side_by_side_have_the_loss_of_each_alone(name, documents, batch_size, chunk):
    lm = MODELS[name]
    documents = [normalise(document) for document in documents]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "CHUNK_TOKENS", chunk)
        patch.setattr(evaluation, "SHORTEST_CHUNK", 1)
        result = text_loss(lm.model, TOKENIZER, documents, batch_size=batch_size)
        scores = [lm.score(document) for document in documents if document]
    assert result.nats == pytest.approx(-math.fsum(p for s in scores for p in s.logprobs))
    assert result.tokens == sum(len(score.tokens) for score in scores)
    assert result.n_bytes == sum(len(document.encode()) for document in documents)
    # By definition: one boundary, then the text, the whole of it before each token.
    nats = 0.0
    for document in filter(None, documents):
        row = torch.tensor([[TOKENIZER.boundary_id, *TOKENIZER.encode(document)]])
        with torch.inference_mode():
            logs = lm.model(row)[0][0, :-1].log_softmax(-1)
        nats -= logs.gather(1, row[0, 1:, None]).sum().item()
    assert result.nats == pytest.approx(nats)


def test_tokens_may_stand_for_their_text():
    lm, texts = MODELS["gru"], ["ąć k", "a"]
    tokens = [TOKENIZER.encode(text) for text in texts]
    assert text_loss(lm.model, TOKENIZER, tokens) == text_loss(lm.model, TOKENIZER, texts)


def test_a_model_that_knows_nothing_needs_log2_of_the_vocabulary():
    model = random_model("gru").model
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    result = text_loss(model, TOKENIZER, ["ąć k" * 9, "kot"])
    assert result.perplexity == pytest.approx(TOKENIZER.n_vocab)
    assert (result.tokens, result.n_bytes) == (9 * 3 + 3, 9 * 6 + 3)
    per_byte = math.log2(TOKENIZER.n_vocab) * result.tokens / result.n_bytes
    assert result.bits_per_byte == pytest.approx(per_byte)


def test_byte_lengths_are_those_of_the_text():
    text = "Zażółć gęślą jaźń — „tak”."
    lengths = byte_lengths(TOKENIZER)
    assert lengths[TOKENIZER.encode(text)].sum() == len(text.encode())
    assert lengths[TOKENIZER.boundary_id] == 0 and len(lengths) == TOKENIZER.n_vocab


def test_nothing_to_read_and_a_model_in_training_are_refused():
    lm = random_model("gru")
    for documents in ([], ["", ""]):
        with pytest.raises(ParameterError, match="documents"):
            text_loss(lm.model, TOKENIZER, documents)
    with pytest.raises(ParameterError, match="evaluation mode"):
        text_loss(lm.model.train(), TOKENIZER, ["a"])
