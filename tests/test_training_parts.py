"""Batches, optimizer, schedule, saved states: each against something independent."""

import math
import platform
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polishgen.errors import CheckpointError, ParameterError
from polishgen.evaluation import NO_TARGET
from polishgen.models import build_model, preset_config
from training.config import RECIPES, TrainingConfig
from training.data import Batches, mark_unlearned, without_marks
from training.launch import WORLD_SIZES, missing_processes, processes_asked_for
from training.loss import ROWS_AT_ONCE, next_token_loss
from training.muon import Muon, orthogonalise
from training.optim import learning_rate_factor, make_optimizers
from training.state import keep_latest, load_state, save_state, saved_states


def stream(length: int) -> np.ndarray:
    """Tokens that tell their own place."""
    return np.arange(length, dtype=np.uint16)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 6),
    length=st.integers(1, 9),
    seed=st.integers(0, 99),
    extra=st.integers(0, 200),
)
def test_an_epoch_reads_every_window_once(rows, length, seed, extra):
    tokens = stream((rows + 2) * length + 1 + extra)
    batches = Batches(tokens, rows, length, seed)
    windows = (len(tokens) - 1) // length - 1
    starts = [s for step in range(-(-windows // rows)) for s in batches.offsets(step)][:windows]
    assert len(set(starts)) == windows
    assert {b - a for a, b in zip(sorted(starts), sorted(starts)[1:], strict=False)} <= {length}
    assert min(starts) >= 0 and max(starts) + length < len(tokens)


def test_targets_are_the_inputs_one_further():
    inputs, targets = Batches(stream(500), 4, 16, seed=3).batch(7)
    assert inputs.shape == targets.shape == (4, 16)
    assert torch.equal(inputs + 1, targets)


@pytest.mark.parametrize("sampling", ["epochs", "random"])
def test_batches_depend_on_seed_and_step_alone(sampling):
    def make(seed):
        return Batches(stream(2000), 4, 16, seed, sampling)

    later = make(1).batch(11)[0]
    walked = make(1)
    for step in range(11):
        walked.batch(step)
    assert torch.equal(walked.batch(11)[0], later)
    assert not torch.equal(make(2).batch(11)[0], later)
    assert not torch.equal(make(1).batch(12)[0], later)


def test_processes_share_out_the_rows_of_one_batch():
    batches = Batches(stream(2000), 6, 16, seed=1)
    parts = [batches.batch(5, rank, 3)[0] for rank in range(3)]
    assert torch.equal(torch.cat(parts), batches.batch(5)[0])


def test_windows_in_a_row_read_on_where_they_stopped_and_then_start_elsewhere():
    batches = Batches(stream(2000), 3, 10, seed=1, bptt_windows=4)
    for step in range(40):
        now, after = batches.batch(step), batches.batch(step + 1)
        continues = after[0][:, 0] == now[1][:, -1]
        assert continues.all() != batches.resets_state(step + 1)
        assert batches.resets_state(step + 1) == ((step + 1) % 4 == 0)


def test_windows_in_a_row_read_every_span_once_an_epoch():
    batches = Batches(stream(1 + 40 * 13), 3, 10, seed=1, bptt_windows=4)
    read = torch.cat([batches.batch(step)[0].flatten() for step in range(16)])
    assert len(read) == len(read.unique()) == 480


REGIONS = {"drama": (0, 700), "novel": (700, 3000), "tale": (3700, 1101)}
MIX = {"tale": 2.5, "drama": 0.5}


def mixed_batches(**changes) -> Batches:
    options = {"rows": 4, "length": 10, "seed": 3, "regions": REGIONS, "mix": MIX}
    return Batches(stream(4801), **options | changes)


@pytest.mark.parametrize("bptt_windows", [1, 4])
def test_an_epoch_reads_each_genre_as_often_as_the_mix_says(bptt_windows):
    batches, span = mixed_batches(bptt_windows=bptt_windows), 10 * bptt_windows
    starts = batches.epoch_starts(0)
    for genre, (first, length) in REGIONS.items():
        inside = [s for s in starts if first <= s < first + length]
        # Every window, with the token after it, lies within its genre.
        assert all(s + span < first + length for s in inside)
        spans = (length - 1) // span - 1
        times = MIX.get(genre, 1.0)
        assert len(inside) == int(times) * spans + round(times % 1 * spans)
        # Whole readings read every window once, each reading from another first token.
        counts = Counter((s - first) % span for s in inside)
        assert len(counts) <= math.ceil(times)
        assert sorted(counts.values(), reverse=True)[: int(times)] == [spans] * int(times)
        assert len(set(inside)) >= min(len(inside), spans)
    assert len(starts) == sum(
        first <= s < first + length for s in starts for first, length in REGIONS.values()
    )


def test_mixed_batches_depend_on_the_step_alone():
    later = mixed_batches(bptt_windows=2)
    walked = mixed_batches(bptt_windows=2)
    # Steps far enough for the third epoch, in order, and asked for out of order.
    for step in range(300):
        walked.batch(step)
    for step in (250, 3, 299, 120):
        assert torch.equal(walked.batch(step)[0], later.batch(step)[0])
        assert torch.equal(mixed_batches(bptt_windows=2).batch(step)[0], later.batch(step)[0])


def test_a_genre_left_out_of_the_mix_is_not_read():
    batches = mixed_batches(mix={"novel": 0})
    read = {int(t) for step in range(100) for t in batches.batch(step)[0].flatten()}
    assert read and not any(700 <= token < 3700 for token in read)
    with pytest.raises(ParameterError, match="mix"):
        mixed_batches(mix={"poem": 2})


@pytest.mark.parametrize("dtype", ["<u2", "<u4"])
def test_marked_tokens_are_read_and_not_learned(dtype):
    tokens = np.arange(1, 1001, dtype=dtype)
    mark_unlearned(tokens[100:200])
    assert (without_marks(tokens) == np.arange(1, 1001)).all()
    batches = Batches(tokens, rows=4, length=10, seed=1)
    marked = 0
    for step in range(20):
        inputs, targets = batches.batch(step)
        assert inputs.min() >= 1 and inputs.max() <= 1000
        after = inputs + 1
        skipped = (after > 100) & (after <= 200)
        assert (targets == torch.where(skipped, NO_TARGET, after)).all()
        marked += skipped.sum().item()
    assert marked > 50


def test_a_corpus_shorter_than_a_batch_is_refused():
    with pytest.raises(ParameterError, match="100 tokens"):
        Batches(stream(100), 8, 16, seed=1)


@pytest.mark.parametrize("shape", [(64, 256), (256, 64), (3, 32, 80), (48, 48)])
def test_orthogonalise_is_the_plain_newton_schulz_iteration(shape):
    matrix = torch.randn(shape, dtype=torch.float64)
    x = matrix / matrix.norm(dim=(-2, -1), keepdim=True)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    assert (orthogonalise(matrix) - x).abs().max() < 1e-4


def test_orthogonalise_keeps_directions_and_evens_out_their_sizes():
    u, _ = torch.linalg.qr(torch.randn(32, 32, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(64, 32, dtype=torch.float64))
    sizes = torch.logspace(-2, 0, 32, dtype=torch.float64)
    result = orthogonalise(u @ torch.diag(sizes) @ v.mT)
    along = u.mT @ result @ v
    assert (along - torch.diag(along.diagonal())).abs().max() < 1e-3
    assert (along.diagonal()[-20:] > 0.6).all() and (along.diagonal() < 1.25).all()


@pytest.mark.parametrize("shape", [(64, 256), (256, 64), (3, 32, 80)])
def test_orthogonalise_in_bfloat16_brings_singular_values_to_1(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    result = orthogonalise(matrix, precision=torch.bfloat16)
    assert result.dtype == torch.float32
    sizes = torch.linalg.svdvals(result.double())
    assert sizes.min() > 0.6 and sizes.max() < 1.3
    # The directions are those of the exact polar factor, of which it is an approximation.
    u, _, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    exact = u @ vh
    cosine = (result * exact).sum() / result.norm() / exact.norm()
    assert cosine > 0.97


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, ROWS_AT_ONCE, 3 * ROWS_AT_ONCE + 5])
def test_training_loss_is_the_cross_entropy_with_its_gradient(dtype, rows):
    torch.manual_seed(rows)
    logits = (5 * torch.randn(1, rows, 300)).to(dtype).requires_grad_()
    targets = torch.randint(0, 300, (1, rows))
    # What is marked does not count.
    targets[0, 1 : rows // 2] = NO_TARGET
    exact = logits.detach().double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact.flatten(0, 1), targets.flatten())
    (2.5 * expected).backward()
    loss = next_token_loss(logits, targets)
    (2.5 * loss).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=2e-6)
    assert logits.grad.dtype == dtype
    error = (logits.grad.double() - exact.grad).abs()
    # The gradient is rounded once, to the precision of the logits.
    precision = max(torch.finfo(dtype).eps, 1e-6)
    assert (error <= precision * exact.grad.abs() + 1e-6 / rows).all()


def test_training_loss_of_huge_logits_is_finite():
    logits = torch.tensor([[[3e38, -3e38, 0.0]]]).bfloat16().requires_grad_()
    loss = next_token_loss(logits, torch.tensor([[0]]))
    loss.backward()
    assert loss.item() == 0 and logits.grad.isfinite().all()


def test_muon_step_written_out():
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(8, 4))
    start, gradients = parameter.detach().clone(), [torch.randn(8, 4), torch.randn(8, 4)]
    optimizer = Muon([parameter], lr=0.1, momentum=0.9, weight_decay=0.5)
    expected, buffer = start.clone(), torch.zeros(8, 4)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        buffer = 0.9 * buffer + 0.1 * gradient
        update = orthogonalise(0.1 * gradient + 0.9 * buffer)
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * math.sqrt(2) * update
    assert torch.allclose(parameter, expected, atol=1e-6)


@pytest.mark.parametrize("model", ["transformer", "gru", "bdh"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_parameter_has_exactly_one_optimizer(model, optimizer):
    network = build_model(preset_config(model, "compact", vocab_size=300))
    config = RECIPES[model, "compact"].replace(optimizer=optimizer)
    held = [
        id(p)
        for opt in make_optimizers(network, config)
        for group in opt.param_groups
        for p in group["params"]
    ]
    assert sorted(held) == sorted(id(p) for p in network.parameters())


def test_muon_gets_bdhs_three_matrices_and_no_table():
    network = build_model(preset_config("bdh", "compact", vocab_size=300))
    muon = make_optimizers(network, RECIPES["bdh", "compact"])[0]
    assert isinstance(muon, Muon)
    held = {id(p) for group in muon.param_groups for p in group["params"]}
    assert held == {id(network.encoder), id(network.encoder_v), id(network.decoder)}


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    config = TrainingConfig(model="gru", max_steps=100, warmup_steps=10, decay_steps=50)
    factors = [learning_rate_factor(step, config) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and factors[4] == pytest.approx(0.5)
    assert set(factors[10:50]) == {1.0}
    assert factors[75] == pytest.approx(0.5) and factors[99] == pytest.approx(0.02)
    assert learning_rate_factor(99, config.replace(decay_steps=0)) == 1.0


def test_state_comes_back_bit_for_bit(tmp_path):
    tree = {
        "model": {"a.weight": torch.randn(3, 2), "half": torch.randn(4).bfloat16()},
        "optimizers": [{"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.95)}],
        "none": None,
        "log": [{"loss": 0.1 + 0.2}],
    }
    back = load_state(save_state(tmp_path, 12, tree))
    assert torch.equal(back["model"]["a.weight"], tree["model"]["a.weight"])
    assert back["model"]["half"].dtype == torch.bfloat16
    assert back["optimizers"][0]["state"][0]["step"] == 3.0
    assert back["optimizers"][0]["betas"] == [0.9, 0.95]
    assert back["none"] is None and back["log"] == [{"loss": 0.1 + 0.2}]


def test_only_complete_states_are_seen_and_the_newest_kept(tmp_path):
    for step in (5, 10, 15, 20):
        save_state(tmp_path, step, {"step": torch.tensor(step)})
    (tmp_path / ".partial-0000025").mkdir()
    keep_latest(tmp_path, 2, spared={5})
    names = [path.name for path in saved_states(tmp_path)]
    assert names == ["step-0000005", "step-0000015", "step-0000020"]


def test_damaged_state_is_named(tmp_path):
    path = save_state(tmp_path, 1, {"x": torch.zeros(1000)})
    file = path / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="step-0000001"):
        load_state(path)


def test_training_configuration_round_trips_and_refuses_the_unknown(tmp_path):
    path = tmp_path / "training.json"
    RECIPES["gru", "compact"].save(path)
    assert TrainingConfig.load(path) == RECIPES["gru", "compact"]
    path.write_text('{"model": "gru", "speed": 3}')
    with pytest.raises(ParameterError, match="speed"):
        TrainingConfig.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_steps", 0),
        ("learning_rate", float("nan")),
        ("decay_steps", -1),
        ("optimizer", "sgd"),
        ("sequence_length", 1),
        ("micro_batch_size", 2.5),
    ],
)
def test_out_of_range_settings_are_refused_by_name(field, value):
    with pytest.raises(ParameterError) as caught:
        TrainingConfig(model="gru", **{field: value})
    assert caught.value.parameter == field


@pytest.mark.parametrize(
    ("launcher", "count"),
    [
        ("python /bin/accelerate launch --cpu --num_processes 2 -m training.train --model gru", 2),
        ("python -m accelerate.commands.launch --cpu --num_processes=3 train.py", 3),
        ("/venv/bin/accelerate-launch --cpu -m training.train --num_processes 4", 1),
        ("python /bin/accelerate launch --mpirun_hostfile h --num_processes 2 train.py", 1),
        ("bash -c something", 1),
    ],
)
def test_how_many_processes_a_launcher_was_asked_for(launcher, count):
    assert processes_asked_for(launcher.split()) == count


def test_only_a_process_that_was_left_alone_starts_the_others(monkeypatch):
    for name in ("ACCELERATE_USE_CPU", "MASTER_ADDR", *WORLD_SIZES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("training.launch.processes_asked_for", lambda launcher: 2)
    assert missing_processes() == 0
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert missing_processes() == 0
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert missing_processes() == 2
    monkeypatch.setenv("PMI_SIZE", "2")
    assert missing_processes() == 0


MEMORY_KEPT = """
import psutil, torch
from training.memory import keep_freed_memory

def kept():
    before = psutil.Process().memory_info().rss
    torch.ones(2**24)
    return psutil.Process().memory_info().rss - before

kept()
print(kept(), keep_freed_memory(), kept())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that it tells")
def test_memory_that_was_freed_is_kept_for_the_next_step():
    # In a process of its own, as the setting is for good. A tensor of 64 MiB.
    command = [sys.executable, "-c", MEMORY_KEPT]
    before, done, after = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    assert done == "True"
    assert int(before) < 2**25, "glibc keeps large blocks by itself now"
    assert int(after) > 2**25
