"""Trains one model: `python -m training.train --model transformer --preset compact`.

Runs as it is or through `accelerate launch`, on a GPU, several, or CPU processes. Notable: nothing
random is carried from step to step. The batch and the dropout of a step follow from the seed, the
step and the process alone, so a run that was killed and resumed ends in the same weights, bit for
bit on a CPU, as one that never stopped.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree
from tqdm import tqdm

from polishgen.checkpoint import LOG_FILE, load_weights
from polishgen.errors import ParameterError, PolishgenError
from polishgen.models import build_model, preset_config
from training.config import RECIPES, TrainingConfig
from training.data import Batches, Corpus, evenly_spaced, open_corpus
from training.export import export_run
from training.launch import missing_processes, run_processes
from training.log import read_log, write_log
from training.memory import keep_freed_memory
from training.optim import learning_rate_factor, make_optimizers, set_learning_rate
from training.state import detach, keep_latest, load_state, save_state, saved_states


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a flag, looked at between steps."""

    def __init__(self):
        self.received = False

    def __call__(self, signum, frame):
        self.received = True


@contextmanager
def catch_interrupts() -> Iterator[Interrupt]:
    """While inside, the first Ctrl-C or SIGTERM only sets the flag."""
    interrupt = Interrupt()
    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def next_token_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats of `logits` (B, T, V) against `targets` (B, T)."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)


@torch.no_grad()
def mean_loss(model: nn.Module, windows: Tensor, batch_size: int) -> float:
    """Mean nats a token over `windows` (count, T + 1), each read without what went before."""
    model.eval()
    device = next(model.parameters()).device
    total = 0.0
    for rows in windows.split(batch_size):
        rows = rows.to(device)
        total += next_token_loss(model(rows[:, :-1])[0], rows[:, 1:], "sum").item()
    model.train()
    return total / windows[:, 1:].numel()


def native_precision() -> str:
    """What "auto" means here: "bf16" where the hardware multiplies it natively, else "no"."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    instructions = torch.cpu.get_capabilities()
    native = instructions.get("avx512_bf16") or instructions.get("amx_bf16")
    return "bf16" if native else "no"


class Run:
    """One training run: what is trained, on what, and where it is kept."""

    def __init__(self, config: TrainingConfig, folder: Path):
        if config.mixed_precision == "auto":
            config = replace(config, mixed_precision=native_precision())
        self.config, self.folder = config, folder
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
        )
        self.corpus = open_corpus(config.data)
        self.batches = Batches(
            self.corpus.train,
            config.batch_size * self.accelerator.num_processes,
            config.sequence_length,
            config.seed,
            config.sampling,
            in_a_row=config.carried_windows,
        )
        set_seed(config.seed)
        model_config = preset_config(
            config.model,
            config.preset.removesuffix("-first"),
            vocab_size=self.corpus.summary.vocab_size,
            **config.model_options,
        )
        self.model = build_model(model_config)
        self.step = self.first_step = 0
        self.elapsed = 0.0
        self.log: list[dict[str, float]] = []
        if config.compile:
            self.model.compile(dynamic=False)
        self.optimizers = make_optimizers(self.model, config)
        self.model, *self.optimizers = self.accelerator.prepare(self.model, *self.optimizers)
        self.carried: Any = None
        self.eval_windows = {
            split: evenly_spaced(tokens, config.eval_sequences, config.sequence_length)
            for split, tokens in (("train", self.corpus.train), ("val", self.corpus.held_out))
        }
        self.bytes_per_val_token = bytes_per_token(self.corpus, self.eval_windows["val"])

    def go_on_from(self, checkpoint: Path) -> None:
        """Starts where the run that was exported to `checkpoint` ended, without its optimizer."""
        load_weights(self.accelerator.unwrap_model(self.model), checkpoint)
        self.log = read_log(checkpoint / LOG_FILE)
        self.step = self.first_step = self.log[-1]["step"]
        if self.step >= self.config.max_steps:
            allowed = f"above {self.step}, the steps of {checkpoint}"
            raise ParameterError("max_steps", self.config.max_steps, allowed)
        self.elapsed = self.log[-1]["elapsed_seconds"]

    @property
    def learning_rate_factor(self) -> float:
        """Share of the full rate at the next step."""
        return learning_rate_factor(self.step, self.config, self.first_step)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step learns from, over all processes."""
        rows = self.batches.rows * self.config.gradient_accumulation_steps
        return rows * self.config.sequence_length

    def train_step(self) -> float:
        """One optimizer step; returns its mean loss in nats a token on this process."""
        config, accelerator = self.config, self.accelerator
        set_learning_rate(self.optimizers, self.learning_rate_factor)
        # Dropout's randomness follows from seed, step and process, whatever happened before.
        torch.manual_seed(hash((config.seed, self.step, accelerator.process_index)) % 2**63)
        total = 0.0
        for micro in range(config.gradient_accumulation_steps):
            batch = self.step * config.gradient_accumulation_steps + micro
            inputs, targets = self.batches.batch(
                batch,
                accelerator.process_index,
                accelerator.num_processes,
            )
            inputs, targets = inputs.to(accelerator.device), targets.to(accelerator.device)
            with accelerator.accumulate(self.model):
                logits, state = self.model(inputs, self.carried)
                self.carried = None if self.batches.starts_afresh(batch + 1) else detach(state)
                loss = next_token_loss(logits, targets)
                accelerator.backward(loss)
                if accelerator.sync_gradients and config.gradient_clip:
                    accelerator.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            total += loss.detach()
        self.step += 1
        return total / config.gradient_accumulation_steps

    def evaluate(self) -> None:
        """Adds a row to the log, prints it in the report's columns, rewrites the CSV."""
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model)
            with self.accelerator.autocast():
                losses = {
                    split: mean_loss(model, windows, self.config.batch_size)
                    for split, windows in self.eval_windows.items()
                }
            row = {
                "step": self.step,
                "train_loss": losses["train"],
                "val_loss": losses["val"],
                "val_bits_per_byte": losses["val"] / math.log(2) / self.bytes_per_val_token,
                "tokens": self.step * self.tokens_per_step,
                "elapsed_seconds": self.elapsed,
                "learning_rate_factor": self.learning_rate_factor,
            }
            self.log.append(row)
            write_log(self.folder / LOG_FILE, self.log)
            tqdm.write(
                f"| {self.step:>6} | {losses['train']:10.4f} | {losses['val']:8.4f} "
                f"| {self.elapsed:16.2f} | {row['val_bits_per_byte']:13.4f} |"
            )
            sys.stdout.flush()
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Writes a state to resume from; the two newest are kept, and the last before the decay."""
        leaves = [leaf for leaf in pytree.tree_leaves(self.carried) if leaf is not None]
        carried = [self.accelerator.gather(leaf[None].contiguous()) for leaf in leaves]
        if self.accelerator.is_main_process:
            config = self.config
            states = self.folder / "states"
            save_state(
                states,
                self.step,
                {
                    "model": self.accelerator.unwrap_model(self.model).state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                    "carried": carried,
                    "processes": self.accelerator.num_processes,
                    "first_step": self.first_step,
                    "elapsed": self.elapsed,
                    "log": self.log,
                },
            )
            decay_start = config.max_steps - round(config.decay_share * config.max_steps)
            last_constant = decay_start // config.checkpoint_interval * config.checkpoint_interval
            keep_latest(states, 2, spared={last_constant})
        self.accelerator.wait_for_everyone()

    def restore(self, path: Path) -> None:
        """Goes back to the moment `path` was saved at."""
        saved = load_state(path)
        if saved["processes"] != self.accelerator.num_processes:
            raise PolishgenError(
                f"{path} was saved by {saved['processes']} processes, this run has "
                f"{self.accelerator.num_processes}: resume with the same number"
            )
        self.accelerator.unwrap_model(self.model).load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            rates = [group["initial_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate
        self.step = int(path.name.removeprefix("step-"))
        self.first_step = saved.get("first_step", 0)
        self.elapsed, self.log = saved["elapsed"], saved["log"]
        if saved["carried"]:
            rank, device = self.accelerator.process_index, self.accelerator.device
            inputs, _ = self.batches.batch(0, rank, self.accelerator.num_processes)
            with torch.no_grad():
                template = self.accelerator.unwrap_model(self.model)(inputs[:, :1].to(device))[1]
            leaves = [leaf[rank].to(device) for leaf in saved["carried"]]
            self.carried = pytree.tree_unflatten(leaves, pytree.tree_structure(template))

    def interrupted(self, interrupt: Interrupt) -> bool:
        """Whether any process was told to stop."""
        flag = torch.tensor(float(interrupt.received), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())

    def train(self) -> bool:
        """Trains to the last step; False if it was told to stop before."""
        config, main = self.config, self.accelerator.is_main_process
        bar = tqdm(
            total=config.max_steps,
            initial=self.step,
            disable=not main,
            desc=f"{config.model} {config.preset}",
            mininterval=5,
        )
        if main and not self.log:
            tqdm.write("|   Step | Train Loss | Val Loss | Time Elapsed (s) | Bits per byte |")
            tqdm.write("| -----: | ---------: | -------: | ---------------: | ------------: |")
        if self.step == 0 and not self.log:
            self.evaluate()
        step_before, elapsed_before = self.step, self.elapsed
        with catch_interrupts() as interrupt, bar:
            while self.step < config.max_steps:
                started = time.perf_counter()
                loss = self.train_step()
                if self.step % 10 == 0:
                    loss = float(loss)
                self.elapsed += time.perf_counter() - started
                bar.update()
                if self.step % 10 == 0:
                    tokens = (self.step - step_before) * self.tokens_per_step
                    rate = tokens / (self.elapsed - elapsed_before)
                    bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} tokens/s", refresh=False)
                done = self.step == config.max_steps
                if self.step % config.eval_interval == 0 or done:
                    self.evaluate()
                stop = self.interrupted(interrupt)
                if self.step % config.checkpoint_interval == 0 or done or stop:
                    self.save()
                if stop and not done:
                    return False
        return True


def bytes_per_token(corpus: Corpus, windows: Tensor) -> float:
    """Mean UTF-8 bytes that a predicted token of `windows` (count, T + 1) stands for."""
    tokenizer = corpus.summary.open_tokenizer(corpus.folder)
    lengths = torch.zeros(tokenizer.n_vocab)
    targets = windows[:, 1:].flatten()
    for token in targets.unique().tolist():
        lengths[token] = 0 if token == tokenizer.boundary_id else len(tokenizer.token_bytes(token))
    return lengths[targets].double().mean().item()


def parse_arguments(arguments: list[str] | None) -> tuple[TrainingConfig, argparse.Namespace]:
    """The recipe of the model and preset, with what the command line changes in it."""
    parser = argparse.ArgumentParser("training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, choices=sorted({m for m, _ in RECIPES}))
    parser.add_argument("--preset", default="compact", choices=sorted({p for _, p in RECIPES}))
    parser.add_argument("--run", type=Path, help="folder of the run (runs/MODEL-PRESET)")
    parser.add_argument("--export", type=Path, help="folder to export to (RUN/checkpoint)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last state")
    for entry in fields(TrainingConfig):
        if entry.name in ("model", "preset"):
            continue
        option = "--" + entry.name.replace("_", "-")
        if entry.type is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None)
        else:
            kind = json.loads if entry.default is MISSING else entry.type
            parser.add_argument(option, type=kind, default=None)
    options = parser.parse_args(arguments)
    if (options.model, options.preset) not in RECIPES:
        known = ", ".join(p for m, p in RECIPES if m == options.model)
        raise ParameterError("preset", options.preset, f"one of {known} for {options.model}")
    changes = {
        entry.name: getattr(options, entry.name)
        for entry in fields(TrainingConfig)
        if entry.name not in ("model", "preset") and getattr(options, entry.name) is not None
    }
    options.run = options.run or Path("runs") / f"{options.model}-{options.preset}"
    options.export = options.export or options.run / "checkpoint"
    return replace(RECIPES[options.model, options.preset], **changes), options


def start_or_resume(config: TrainingConfig, folder: Path, resume: bool) -> Run:
    """A run at its last state, or in an empty folder: at step 0 or where a checkpoint ended."""
    states = saved_states(folder / "states")
    if states and not resume:
        raise PolishgenError(
            f"{folder} holds a run at {states[-1].name}: add --resume to go on, or choose --run"
        )
    if resume and not states:
        raise PolishgenError(f"nothing to resume in {folder}: no complete state there")
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(config, folder)
    if resume:
        run.restore(states[-1])
    elif config.go_on_from:
        run.go_on_from(Path(config.go_on_from))
    if run.accelerator.is_main_process:
        run.config.save(folder / "training.json")
    return run


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 when trained to the end, 130 when stopped before it."""
    keep_freed_memory()
    try:
        config, options = parse_arguments(arguments)
        run = start_or_resume(config, options.run, options.resume)
        finished = run.train()
        if run.accelerator.is_main_process:
            if finished:
                model = run.accelerator.unwrap_model(run.model)
                export_run(model, run.config, run.corpus, run.log, options.export)
                print(f"exported to {options.export}")
            else:
                print(f"stopped at step {run.step}; the same command with --resume goes on")
        run.accelerator.end_training()
    except PolishgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if finished else 130


if __name__ == "__main__":
    if count := missing_processes():
        sys.exit(run_processes(count, "training.train", sys.argv[1:]))
    sys.exit(main())
