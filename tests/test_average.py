"""Weights between two checkpoints."""

import pytest
import torch
from conftest import narrow_model

from polishgen.checkpoint import load_checkpoint, read_json, save_checkpoint
from polishgen.errors import ParameterError, PolishgenError
from polishgen.tokenizer import Tokenizer
from training.average import AverageConfig, average, main
from training.export import stages_of

BYTES = Tokenizer.from_ranks({bytes([value]): value for value in range(256)})


def saved(path, model: str, seed: int, stages: int, **changes):
    """A checkpoint folder of random weights that some stages have made."""
    torch.manual_seed(seed)
    metrics = {
        "training_tokens": 10 * stages,
        "bits_per_byte": 1.0,
        "stages": [{"command": "train", "steps": 1, "tokens": 10, "seconds": 2.0}] * stages,
    }
    network = narrow_model(model, vocab_size=BYTES.n_vocab, **changes)
    save_checkpoint(path, network, BYTES, metrics=metrics)
    return path


@pytest.mark.parametrize("model", ["gru", "transformer", "bdh"])
def test_every_weight_lies_between(model, tmp_path):
    before, after = saved(tmp_path / "a", model, 1, 1), saved(tmp_path / "b", model, 2, 2)
    (after / "training_log.csv").write_text("step\n1\n")
    out = tmp_path / "out"
    assert main([str(before), str(after), "--share", "0.25", "--out", str(out)]) == 0
    a, b, between = (load_checkpoint(path).model.state_dict() for path in (before, after, out))
    for name in a:
        expected = 0.75 * a[name].double() + 0.25 * b[name].double()
        assert torch.allclose(between[name].double(), expected, rtol=2**-8, atol=1e-6), name
    metrics = read_json(out / "metrics.json")
    assert metrics["training_tokens"] == 20
    *_, stage = stages_of(metrics)
    assert len(stages_of(metrics)) == 3
    command = f"python -m training.average {before} {after} --share 0.25 --out {out}"
    assert stage["tokens"] == 0 and stage["command"] == command
    # What was measured was measured of other weights.
    assert "bits_per_byte" not in metrics
    assert (out / "training_log.csv").read_text() == "step\n1\n"


def test_the_ends_are_the_checkpoints_themselves(tmp_path):
    before, after = saved(tmp_path / "a", "gru", 1, 1), saved(tmp_path / "b", "gru", 2, 2)
    for share, end in ((0.0, before), (1.0, after)):
        average(before, after, tmp_path / "out", AverageConfig(share=share))
        weights = load_checkpoint(tmp_path / "out").model.state_dict()
        for name, weight in load_checkpoint(end).model.state_dict().items():
            assert torch.equal(weights[name], weight)


def test_what_does_not_fit_is_refused(tmp_path):
    before, after = saved(tmp_path / "a", "gru", 1, 1), saved(tmp_path / "b", "bdh", 2, 2)
    with pytest.raises(PolishgenError, match="holds a gru, not a bdh"):
        average(before, after, tmp_path / "out", AverageConfig())
    # As many weights, shared out among other heads.
    before = saved(tmp_path / "c", "transformer", 2, 2, n_heads=2)
    after = saved(tmp_path / "d", "transformer", 2, 2, n_heads=1)
    with pytest.raises(PolishgenError, match="n_heads 2, not 1"):
        average(before, after, tmp_path / "out", AverageConfig())
    with pytest.raises(ParameterError, match="share"):
        AverageConfig(share=1.5)
