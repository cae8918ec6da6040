"""Whole training runs on a tiny corpus: resumed, killed, spread over processes."""

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from conftest import NARROW
from safetensors.torch import load_file

import polishgen
from training import bench
from training.config import TrainingConfig
from training.export import command_of, earlier_log
from training.prepare import PrepareConfig, prepare
from training.state import load_state, saved_states
from training.train import Run, main, parse_arguments

ROOT = Path(__file__).parent.parent
MODELS = tuple(NARROW)
DROPOUT = {name: {"dropout": 0.2} for name in ("gru", "bdh")}


@pytest.fixture(autouse=True)
def any_precision():
    """accelerate keeps to the precision that it was first asked for, in whatever test that was."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


def arguments(model: str, corpus: Path, run: Path, **changes: object) -> list[str]:
    """A command line for a short run of a narrow model."""
    options = {
        "data": corpus,
        "run": run,
        "max_steps": 24,
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "sequence_length": 24,
        "eval_interval": 8,
        "eval_tokens": 400,
        "checkpoint_interval": 4,
        "warmup_steps": 3,
        "mixed_precision": "no",
        "model_options": json.dumps(NARROW[model] | DROPOUT.get(model, {})),
        **changes,
    }
    flags = [["--" + name.replace("_", "-"), str(value)] for name, value in options.items()]
    return ["--model", model, *(part for flag in flags for part in flag)]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The weights of a run's last state, in full precision."""
    state = json.loads((sorted((run / "states").glob("step-*"))[-1] / "state.json").read_text())
    tensors = load_file(sorted((run / "states").glob("step-*"))[-1] / "tensors.safetensors")
    model = dict(state["items"])["model"]["items"]
    return {name: tensors[leaf["tensor"]] for name, leaf in model}


def assert_same_weights(a: Path, b: Path) -> None:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("model", MODELS)
def test_run_learns_logs_and_exports_a_complete_folder(model, tiny_corpus, tmp_path, capsys):
    options = arguments(model, tiny_corpus, tmp_path / "run", max_steps=60, learning_rate=0.01)
    assert main(options) == 0
    folder = tmp_path / "run" / "checkpoint"
    names = {"config.json", "model.safetensors", "tokenizer.tiktoken", "metrics.json"}
    assert names | {"training_log.csv"} <= {path.name for path in folder.iterdir()}
    rows = list(csv.DictReader((folder / "training_log.csv").open()))
    assert [int(row["step"]) for row in rows] == [0, 8, 16, 24, 32, 40, 48, 56, 60]
    assert float(rows[0]["val_loss"]) == pytest.approx(math.log(320), rel=0.1)
    assert float(rows[-1]["val_loss"]) < 0.8 * float(rows[0]["val_loss"])
    printed = capsys.readouterr().out
    assert "Train Loss" in printed and f"{float(rows[-1]['val_loss']):.4f}" in printed
    lm = polishgen.load(str(folder))
    score = lm.score("Stary młynarz szedł przez wieś aż do świtu.")
    assert score.perplexity < 200
    (stage,) = lm.metrics["stages"]
    assert stage["tokens"] == lm.metrics["training_tokens"] == 60 * 4 * 24
    assert stage["excerpt_bits_per_byte"] == float(rows[-1]["val_bits_per_byte"])
    assert stage["excerpt_tale_bits_per_byte"] is None


@pytest.mark.parametrize("model", MODELS)
def test_the_log_reads_each_text_from_one_boundary_to_its_end(model, tiny_corpus, tmp_path):
    config, options = parse_arguments(arguments(model, tiny_corpus, tmp_path))
    run = Run(config, options.run)
    torch.manual_seed(0)
    for parameter in run.model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    run.evaluate()
    genre, documents = run.excerpts["novel"]
    nats, n_bytes = 0.0, 0
    for tokens in documents:
        assert len(tokens) > 2 * config.sequence_length
        prefix = run.tokenizer.prefix(genre)
        row = torch.tensor([[*prefix, *tokens]])
        with torch.inference_mode():
            logs = run.model.eval()(row)[0][0, len(prefix) - 1 : -1].log_softmax(-1)
        nats -= logs.gather(1, torch.tensor(tokens)[:, None]).sum().item()
        n_bytes += len(run.tokenizer.decode_bytes(tokens))
    measured = run.log[-1]["val_bits_per_byte"]
    assert measured == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-4)


def test_the_log_has_the_share_of_bdhs_neurons_that_are_active(tiny_corpus, tmp_path):
    for model in MODELS:
        config, options = parse_arguments(arguments(model, tiny_corpus, tmp_path))
        run = Run(config, options.run)
        run.evaluate()
        if model != "bdh":
            assert "x_active" not in run.log[0]
            continue
        tokens = run.excerpts["novel"][1][0]
        with torch.inference_mode():
            row = torch.tensor([[*run.tokenizer.prefix(), *tokens]])
            _, _, layers = run.model.eval()(row, return_activity=True)
        for name, place in (("x_active", 0), ("y_active", 1)):
            shares = [(layer[place][:, :, 1:] > 0).float().mean().item() for layer in layers]
            assert run.log[0][name] == pytest.approx(sum(shares) / len(shares), rel=1e-4)
            assert 0.3 < run.log[0][name] < 0.7


@pytest.mark.parametrize("model", MODELS)
def test_resumed_run_ends_in_the_same_weights(model, tiny_corpus, tmp_path, monkeypatch):
    assert main(arguments(model, tiny_corpus, tmp_path / "whole")) == 0
    stopped_after = stop_after(monkeypatch, step=10)
    cut = arguments(model, tiny_corpus, tmp_path / "cut")
    assert main(cut) == 130
    stopped_after.undo()
    assert main([*cut, "--resume"]) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    logs = [
        [row["val_loss"] for row in csv.DictReader((tmp_path / run / "training_log.csv").open())]
        for run in ("whole", "cut")
    ]
    assert logs[0] == logs[1]


def test_starts_from_a_checkpoint_and_keeps_the_record_of_its_stages(tiny_corpus, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(arguments("gru", tiny_corpus, first, max_steps=12)) == 0
    on = arguments("gru", tiny_corpus, second, max_steps=8, init_from=first / "checkpoint", seed=5)
    assert main(on) == 0
    before, after = (list(csv.DictReader((r / "training_log.csv").open())) for r in (first, second))
    # The checkpoint's weights are rounded to bfloat16.
    assert float(after[0]["val_loss"]) == pytest.approx(float(before[-1]["val_loss"]), rel=0.01)
    assert float(after[-1]["val_loss"]) < float(after[0]["val_loss"])
    metrics = json.loads((second / "checkpoint" / "metrics.json").read_text())
    assert [stage["tokens"] for stage in metrics["stages"]] == [12 * 4 * 24, 8 * 4 * 24]
    assert metrics["training_tokens"] == 20 * 4 * 24
    commands = [stage["command"] for stage in metrics["stages"]]
    assert "--max-steps 12" in commands[0] and "--init-from" not in commands[0]
    assert "--max-steps 8" in commands[1] and f"--init-from {first}/checkpoint" in commands[1]
    # The checkpoint's log goes from the first token to the last, also through a third stage.
    third = tmp_path / "third"
    on = arguments("gru", tiny_corpus, third, max_steps=4, init_from=second / "checkpoint")
    assert main(on) == 0
    for run, tokens in ((second, (12, 20)), (third, (12, 20, 24))):
        joined = list(csv.DictReader((run / "checkpoint" / "training_log.csv").open()))
        assert [row["val_loss"] for row in joined[: len(before)]] == [r["val_loss"] for r in before]
        counted = [int(row["tokens"]) // (4 * 24) for row in joined]
        assert counted == [int(row["step"]) for row in joined] == sorted(counted)
        assert set(tokens) <= set(counted) and counted[0] == 0 and counted[-1] == tokens[-1]
        seconds = [float(row["elapsed_seconds"]) for row in joined]
        assert seconds == sorted(seconds)
    # What the first run has read since then is no part of the second.
    assert main(arguments("gru", tiny_corpus, first, max_steps=24, resume="")[:-1]) == 0
    assert [row["tokens"] for row in earlier_log(second / "checkpoint")][-1] == 20 * 4 * 24
    shutil.copy(second / "training_log.csv", second / "checkpoint")
    tokens = [row["tokens"] // (4 * 24) for row in earlier_log(second / "checkpoint")]
    assert tokens == [0, 8, 12, 12, 20]
    # Without an earlier stage's log, tokens count from its start all the same.
    (first / "checkpoint" / "training_log.csv").unlink()
    joined = earlier_log(second / "checkpoint")
    assert [row["tokens"] // (4 * 24) for row in joined] == [12, 20]
    capsys.readouterr()
    wider = json.dumps(NARROW["gru"] | {"hidden_size": 32})
    refused = arguments(
        "gru", tiny_corpus, tmp_path / "no", init_from=first / "checkpoint", model_options=wider
    )
    assert main(refused) == 2
    assert "hidden_size 24, not 32" in capsys.readouterr().err


@pytest.mark.parametrize("native", [True, False])
def test_precision_follows_the_hardware(native, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    run = arguments("transformer", tiny_corpus, tmp_path / "run", mixed_precision="auto")
    assert main(run) == 0
    config = json.loads((tmp_path / "run" / "training.json").read_text())
    assert config["mixed_precision"] == ("bf16" if native else "no")
    assert all(weight.dtype == torch.float32 for weight in weights(tmp_path / "run").values())


@pytest.mark.parametrize("model", MODELS)
def test_half_precision_learns_as_much(model, tiny_corpus, tmp_path):
    losses = {}
    for precision in ("no", "bf16"):
        AcceleratorState._reset_state()
        run = tmp_path / precision
        assert main(arguments(model, tiny_corpus, run, mixed_precision=precision)) == 0
        rows = list(csv.DictReader((run / "training_log.csv").open()))
        losses[precision] = float(rows[-1]["val_loss"])
    assert losses["bf16"] != losses["no"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02)


def stop_after(monkeypatch, step: int):
    """Makes the run send itself Ctrl-C once it has done `step` steps."""
    original = Run.train_step

    def train_step(self):
        loss = original(self)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    monkeypatch.setattr(Run, "train_step", train_step)
    return monkeypatch


def killed_at_a_state(command: list[str], run: Path) -> None:
    """Starts a run and kills it, SIGKILL, as soon as it has left some state but not the last."""
    process = subprocess.Popen(command, env=environment(), cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not list((run / "states").glob("step-*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "transformer", "bdh"])
def test_killed_and_resumed_is_exact(model, tiny_corpus, tmp_path):
    command = [sys.executable, "-m", "training.train"]
    cut = arguments(model, tiny_corpus, tmp_path / "cut", max_steps=200)
    killed_at_a_state([*command, *cut], tmp_path / "cut")
    last = sorted((tmp_path / "cut" / "states").glob("step-*"))[-1]
    assert last.name < "step-0000200"
    subprocess.run([*command, *cut, "--resume"], env=environment(), cwd=ROOT, check=True)
    whole = arguments(model, tiny_corpus, tmp_path / "whole", max_steps=200)
    subprocess.run([*command, *whole], env=environment(), cwd=ROOT, check=True)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def launch_two(options: list[str]) -> None:
    """The same run as two processes on the CPU."""
    accelerate = str(Path(sys.executable).with_name("accelerate"))
    launch = [accelerate, "launch", "--cpu", "--num_processes", "2", "-m", "training.train"]
    subprocess.run([*launch, *options], env=environment(), cwd=ROOT, check=True, timeout=240)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "transformer", "bdh"])
def test_two_processes_train_as_one_with_the_doubled_batch(model, tiny_corpus, tmp_path):
    narrow = json.dumps(NARROW[model] | {"dropout": 0.0})
    common = {"max_steps": 8, "model_options": narrow, "checkpoint_interval": 4}
    launch_two(arguments(model, tiny_corpus, tmp_path / "two", micro_batch_size=2, **common))
    assert main(arguments(model, tiny_corpus, tmp_path / "one", micro_batch_size=4, **common)) == 0
    assert load_state(tmp_path / "two/states/step-0000008")["provenance"]["processes"] == 2
    metrics = json.loads((tmp_path / "two" / "checkpoint" / "metrics.json").read_text())
    recorded = metrics["stages"][-1]["command"]
    assert recorded.startswith(
        "accelerate launch --cpu --num_processes 2 -m training.train --model"
    )
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one:
        assert torch.allclose(one[name], two[name], atol=2e-4, rtol=1e-3), name


def test_gradient_accumulation_equals_the_larger_batch(tiny_corpus, tmp_path):
    narrow = json.dumps(NARROW["transformer"])
    common = {"max_steps": 5, "optimizer": "adamw", "model_options": narrow}
    run = arguments("transformer", tiny_corpus, tmp_path / "a", micro_batch_size=8, **common)
    assert main(run) == 0
    run = arguments("transformer", tiny_corpus, tmp_path / "b", micro_batch_size=4, **common)
    assert main([*run, "--gradient-accumulation-steps", "2"]) == 0
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    for name in a:
        assert torch.allclose(a[name], b[name], atol=2e-4, rtol=1e-3), name


def test_what_a_model_adds_to_its_gradients_is_accumulated_as_the_loss_is(tiny_corpus, tmp_path):
    """BDH's penalty: two passes over one batch make the step that one pass makes."""
    penalty = {"activity_penalty": 100.0, "activity_target": 0.0}
    options = {"model_options": json.dumps(NARROW["bdh"] | penalty), "warmup_steps": 0}
    ends = []
    for passes in (1, 2):
        line = arguments(
            "bdh", tiny_corpus, tmp_path, gradient_accumulation_steps=passes, **options
        )
        config, _ = parse_arguments([*line, "--gradient-clip", "0", "--optimizer", "adamw"])
        AcceleratorState._reset_state()
        run = Run(config, tmp_path)
        batch = run.batches.batch(0)
        object.__setattr__(run.batches, "batch", lambda *_, batch=batch: batch)
        gradients = []
        run.optimizers[0].step = lambda run=run, gradients=gradients: gradients.append(
            [p.grad.clone() for p in run.model.parameters()]
        )
        run.train_step()
        ends.append(gradients[-1])
    for one, two in zip(*ends, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-7)


def test_a_resumed_run_goes_on_with_its_mean_loss(tiny_corpus, tmp_path):
    line = arguments("gru", tiny_corpus, tmp_path / "run", max_steps=20, eval_interval=1000)
    assert main(line) == 0
    config, options = parse_arguments([*line, "--resume"])
    run = Run(config, options.run)
    run.restore(saved_states(options.run / "states"))
    rows = list(csv.DictReader((options.run / "training_log.csv").open()))
    assert run.train_loss == pytest.approx(float(rows[-1]["train_loss"]), rel=1e-4)


def test_options_that_would_be_ignored_or_taken_amiss_are_refused(tiny_corpus, tmp_path, capsys):
    for name, value, allowed in (
        ("model_options", '{"vocab_size": 100}', "any of embedding_size, hidden_size"),
        ("model_options", '{"preset": "report"}', "any of embedding_size, hidden_size"),
        ("mix", '{"tale": -1}', "a JSON object of numbers from 0 to 1000"),
        ("mix", '{"novel": 0}', "at least one window"),
    ):
        assert main(arguments("gru", tiny_corpus, tmp_path / "no", **{name: value})) == 2
        assert allowed in capsys.readouterr().err
    random = arguments("gru", tiny_corpus, tmp_path / "no", mix='{"novel": 2}', sampling="random")
    assert main(random) == 2
    assert "mix={'novel': 2.0}" in capsys.readouterr().err


def test_errors_are_one_line_and_nothing_is_overwritten(tiny_corpus, tmp_path, capsys):
    run = arguments("gru", tiny_corpus, tmp_path / "run", max_steps=2)
    assert main([*run, "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert main(run) == 0
    before = weights(tmp_path / "run")
    assert main(run) == 2
    assert "--resume" in capsys.readouterr().err
    assert all(torch.equal(before[name], w) for name, w in weights(tmp_path / "run").items())
    assert main(arguments("gru", tmp_path / "none", tmp_path / "other")) == 2
    assert "training.prepare" in capsys.readouterr().err
    assert main(arguments("gru", tiny_corpus, tmp_path / "x", learning_rate=7)) == 2
    assert "learning_rate" in capsys.readouterr().err


# A run knows how it was made


@pytest.fixture(scope="module")
def stopped_run(tiny_corpus, tmp_path_factory) -> Path:
    """A run of the GRU, trained for 12 steps."""
    AcceleratorState._reset_state()
    run = tmp_path_factory.mktemp("stopped") / "run"
    assert main(arguments("gru", tiny_corpus, run, max_steps=12, learning_rate=0.01)) == 0
    return run


def resumed(run: Path, *options: str) -> list[str]:
    return ["--model", "gru", "--run", str(run), "--resume", *options]


def test_resume_takes_over_the_options_that_the_run_had(stopped_run, tiny_corpus, tmp_path):
    shutil.copytree(stopped_run, tmp_path / "on")
    assert main(resumed(tmp_path / "on", "--max-steps", "24")) == 0
    whole = arguments("gru", tiny_corpus, tmp_path / "whole", max_steps=24, learning_rate=0.01)
    assert main(whole) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "on")
    config = json.loads((tmp_path / "on" / "training.json").read_text())
    assert config == json.loads((tmp_path / "whole" / "training.json").read_text())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "0.02"),
        ("micro_batch_size", "2"),
        ("sequence_length", "12"),
        ("optimizer", "muon"),
        ("seed", "2"),
        ("mix", '{"novel": 2}'),
        ("model_options", '{"hidden_size": 32}'),
        ("init_from", "elsewhere"),
    ],
)
def test_resume_refuses_by_name_what_cannot_change(stopped_run, capsys, name, value):
    assert main(resumed(stopped_run, "--" + name.replace("_", "-"), value)) == 2
    assert f"error: {name}=" in capsys.readouterr().err


def with_other_tokenizer(corpus: Path, folder: Path) -> Path:
    """A copy of a corpus, two tokens of its vocabulary exchanged: the size stays the same."""
    shutil.copytree(corpus, folder)
    path = folder / "tokenizer.tiktoken"
    lines = [line.split() for line in path.read_text().splitlines()]
    lines[300][0], lines[301][0] = lines[301][0], lines[300][0]
    path.write_text("".join(f"{token} {rank}\n" for token, rank in lines))
    return folder


def test_resume_refuses_another_corpus_and_another_tokenizer(
    stopped_run, tiny_corpus, tmp_path, capsys
):
    source = str(tiny_corpus.parent / "invented.jsonl")
    prepare(
        PrepareConfig(source=source, out=str(tmp_path / "typed"), vocab_size=320, typed_share=1)
    )
    assert main(resumed(stopped_run, "--data", str(tmp_path / "typed"))) == 2
    assert re.search(r"was made with corpus \w+, this run has", capsys.readouterr().err)
    other = with_other_tokenizer(tiny_corpus, tmp_path / "other")
    assert main(resumed(stopped_run, "--data", str(other))) == 2
    assert re.search(r"was made with tokenizer \w+, this run has", capsys.readouterr().err)
    # The same corpus may have moved.
    shutil.copytree(tiny_corpus, tmp_path / "moved")
    shutil.copytree(stopped_run, tmp_path / "run")
    on = resumed(tmp_path / "run", "--data", str(tmp_path / "moved"), "--max-steps", "13")
    assert main(on) == 0


def test_a_checkpoint_of_another_tokenizer_is_no_start(stopped_run, tiny_corpus, tmp_path, capsys):
    other = with_other_tokenizer(tiny_corpus, tmp_path / "other")
    on = arguments("gru", other, tmp_path / "run", init_from=stopped_run / "checkpoint")
    assert main(on) == 2
    assert "other tokenizers" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_damaged_state_falls_back_to_the_one_before(
    stopped_run, tiny_corpus, tmp_path, capsys, file
):
    run = tmp_path / "run"
    shutil.copytree(stopped_run, run)
    newest = sorted((run / "states").iterdir())[-1]
    content = (newest / file).read_bytes()
    (newest / file).write_bytes(content[: len(content) // 2])
    assert main(resumed(run, "--max-steps", "12")) == 0
    assert "step-0000012" in (told := capsys.readouterr().err) and "the state before it" in told
    assert_same_weights(stopped_run, run)
    for state in (run / "states").iterdir():
        (state / file).write_bytes(b"?")
    assert main(resumed(run, "--max-steps", "14")) == 2
    assert "can be read" in capsys.readouterr().err


def test_tokens_read_are_counted(stopped_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped_run, run)
    assert main(resumed(run, "--max-steps", "20")) == 0
    rows = list(csv.DictReader((run / "training_log.csv").open()))
    assert [int(row["tokens"]) for row in rows] == [int(row["step"]) * 4 * 24 for row in rows]
    metrics = json.loads((run / "checkpoint" / "metrics.json").read_text())
    assert metrics["training_tokens"] == 20 * 4 * 24


def test_averaged_weights_are_the_mean_written_out(tiny_corpus, tmp_path, monkeypatch):
    seen, train_step = [], Run.train_step

    def remember(self):
        if not seen:
            seen.append(self.weights())
        loss = train_step(self)
        seen.append(self.weights())
        return loss

    monkeypatch.setattr(Run, "train_step", remember)
    run = tmp_path / "run"
    assert main(arguments("gru", tiny_corpus, run, max_steps=30, ema_decay=0.9)) == 0
    expected = {name: weight.double() for name, weight in seen[0].items()}
    for step, weights_now in enumerate(seen[1:], start=1):
        share = max(0.1, 1 / (step + 1))
        for name, weight in weights_now.items():
            expected[name] = (1 - share) * expected[name] + share * weight.double()
    exported = polishgen.load(run / "checkpoint").model.state_dict()
    for name, mean in expected.items():
        assert torch.allclose(exported[name].double(), mean, atol=1e-3, rtol=2**-8), name
    assert not torch.allclose(expected["embedding.weight"], seen[-1]["embedding.weight"].double())
    # The run itself goes on with its own weights.
    assert torch.equal(weights(run)["embedding.weight"], seen[-1]["embedding.weight"])


@pytest.mark.parametrize("model", MODELS)
def test_a_stopped_run_with_everything_goes_on_bit_for_bit(
    model, tiny_corpus, tmp_path, monkeypatch
):
    options = {
        "bptt_windows": 4,
        "ema_decay": 0.9,
        "mix": '{"novel": 1.5}',
        "gradient_accumulation_steps": 2,
        "decay_steps": 6,
        "eval_interval": 100,
        "mixed_precision": "bf16",
        "max_steps": 10,
    }
    assert main(arguments(model, tiny_corpus, tmp_path / "whole", **options)) == 0
    stopped_after = stop_after(monkeypatch, step=6)
    assert main(arguments(model, tiny_corpus, tmp_path / "cut", **options)) == 130
    stopped_after.undo()
    assert main(["--model", model, "--run", str(tmp_path / "cut"), "--resume"]) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    exported = [load_file(tmp_path / r / "checkpoint/model.safetensors") for r in ("whole", "cut")]
    assert all(torch.equal(exported[0][name], exported[1][name]) for name in exported[0])


def test_bench_prints_the_speed_and_the_share_of_the_machines(tiny_corpus, tmp_path, capsys):
    own = ["--seconds", "0.2", "--threads", str(torch.get_num_threads())]
    assert bench.main([*own, *arguments("gru", tiny_corpus, tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    line = r"gru compact: ([\d,]+) tokens per second, (\d+) of (\d+) GFLOP/s \((\d+)%\), float32, "
    rate, reached, possible, share = re.match(line, printed).groups()
    assert int(rate.replace(",", "")) > 0 and 0 <= int(share) <= 100
    assert int(reached) <= int(possible)
    assert not (tmp_path / "run").exists()
    assert bench.main(["--seconds", "0", "--model", "gru"]) == 2
    assert "seconds=" in capsys.readouterr().err


def test_a_recorded_command_names_no_folder_outside_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainingConfig(
        model="gru", data=str(tmp_path / "runs/data"), init_from=str(tmp_path / "runs/first")
    )
    command = command_of(config)
    assert "--data runs/data " in command and "--init-from runs/first" in command
    assert str(tmp_path) not in command
