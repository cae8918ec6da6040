"""Any number of threads may share a model: every public function at once gives what it gives alone.

In float64, which PyTorch decodes; compiled decoders have their own such test in test_decoding.py.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import narrow_model

from polishgen.chorus import Chorus
from polishgen.evaluation import text_loss
from polishgen.introspection import NeuronActivity, neuron_activity, read_tokens
from polishgen.language_model import LanguageModel
from polishgen.models import ARCHITECTURES
from polishgen.page import reading
from polishgen.tokenizer import Tokenizer

TEXT = "Dawno temu żył król, a z nim królowa. " * 4


def random_model(name: str) -> LanguageModel:
    """A narrow model over single bytes, or the chorus of one of each architecture."""
    tokenizer = Tokenizer.from_ranks({bytes([value]): value for value in range(256)})
    parts = ARCHITECTURES if name == "chorus" else (name,)
    models = [narrow_model(each, std=0.5).double() for each in parts]
    return LanguageModel(
        name, Chorus(models).eval() if len(parts) > 1 else models[0], tokenizer, {}
    )


def calls_of(lm: LanguageModel) -> dict[str, Callable[[], object]]:
    """Calls of all that can be asked of a model."""
    calls: dict[str, Callable[[], object]] = {
        "generate": lambda: lm.generate("żółw", max_new_tokens=30, seed=1, drafts=2),
        "several prompts": lambda: lm.generate(["Ala", "Ola"], max_new_tokens=10, seed=3, drafts=1),
        "stream": lambda: [
            (piece.text, piece.probability, piece.alternatives)
            for piece in lm.stream("ma", max_new_tokens=30, n_alternatives=3, seed=2, drafts=2)
        ],
        "score": lambda: lm.score(TEXT),
        "read_tokens": lambda: list(read_tokens(lm, TEXT, n_alternatives=3)),
        "text_loss": lambda: text_loss(lm.model, lm.tokenizer, [TEXT, "za" * 40]),
    }
    if lm.architecture != "chorus":
        calls["influence"] = lambda: reading.influence.__wrapped__(lm.name, TEXT, 40)
    if lm.architecture == "bdh":
        calls["neuron_activity"] = lambda: neuron_activity(lm, TEXT)
    return calls


def same(one: object, other: object) -> bool:
    """Whether two results are equal, whatever they hold."""
    if isinstance(one, NeuronActivity) and isinstance(other, NeuronActivity):
        return one.shares == other.shares and torch.equal(one.firing, other.firing)
    return one == other


@pytest.mark.parametrize("name", (*ARCHITECTURES, "chorus"))
def test_everything_at_once_gives_what_it_gives_alone(name, monkeypatch):
    lm = random_model(name)
    monkeypatch.setattr(reading, "models", lambda: {name: lm})
    calls = calls_of(lm)
    alone = {called: call() for called, call in calls.items()}
    with ThreadPoolExecutor(8) as pool:
        runs = [(called, pool.submit(calls[called])) for _ in range(4) for called in calls]
        for called, run in runs:
            assert same(run.result(), alone[called]), called
