"""Trains one model: `python -m training.train --model transformer --preset compact`.

Runs as it is or through `accelerate launch`, on one GPU, several, or CPU processes. The batch and
the dropout of a step follow from the seed, the step and the process alone, so a run that was killed
and resumed ends in the same weights, bit for bit on a CPU, as one that never stopped. A run knows
how it was made: its folder holds its options, its states the hashes of its corpus and tokenizer,
its checkpoint every stage before.
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from threading import Event
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from tqdm import tqdm

from polishgen.checkpoint import LOG_FILE, load_checkpoint
from polishgen.command_line import add_options, command, given
from polishgen.errors import CheckpointError, ParameterError, PolishgenError
from polishgen.evaluation import text_loss
from polishgen.introspection import active_shares
from polishgen.language_model import LanguageModel
from polishgen.models import build_model
from polishgen.tokenizer import Tokenizer
from training.config import CONFIG_FILE, RECIPES, TrainingConfig, check_alike
from training.data import Batches, Corpus, open_corpus
from training.export import export_run, stages_of
from training.launch import missing_processes, run_processes
from training.log import write_log
from training.loss import next_token_loss
from training.measures.held_out import read_documents
from training.memory import keep_freed_memory
from training.optim import learning_rate_factor, make_optimizers, set_learning_rate
from training.state import detach, keep_latest, load_state, save_state, saved_states


@contextmanager
def catch_interrupts() -> Iterator[Event]:
    """While inside, Ctrl-C and SIGTERM only set a flag, to be looked at between steps."""
    interrupt = Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: interrupt.set()) for each in signals]
    try:
        yield interrupt
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


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
            config = config.replace(mixed_precision=native_precision())
        self.config, self.folder = config, folder
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
        )
        self.corpus = open_corpus(config.data)
        self.batches = Batches(
            self.corpus.train,
            config.micro_batch_size * self.accelerator.num_processes,
            config.sequence_length,
            config.seed,
            config.sampling,
            bptt_windows=config.bptt_windows,
            regions=self.corpus.summary.train.regions,
            mix=config.mix,
        )
        set_seed(config.seed)
        self.model_config = config.sizes(self.corpus.summary.vocab_size)
        self.model = build_model(self.model_config)
        self.step = self.tokens = 0
        self.elapsed, self.train_loss = 0.0, math.nan
        self.stages: list[dict] = []
        self.log: list[dict[str, float]] = []
        if config.compile:
            self.model.compile(dynamic=False)
        self.optimizers = make_optimizers(self.model, config)
        self.model, *self.optimizers = self.accelerator.prepare(self.model, *self.optimizers)
        self.carried: Any = None
        self.tokenizer = self.corpus.summary.open_tokenizer(self.corpus.folder)
        self.provenance = {
            "corpus": self.corpus.summary.digest,
            "tokenizer": self.tokenizer.digest,
            "processes": self.accelerator.num_processes,
        }
        self.excerpts = held_out_excerpts(self.corpus, self.tokenizer, config.eval_tokens)
        self.average = self.weights() if config.ema_decay else {}

    def weights(self) -> dict[str, Tensor]:
        """A copy of the model's weights as they are now."""
        model = self.accelerator.unwrap_model(self.model)
        return {name: weight.detach().clone() for name, weight in model.state_dict().items()}

    def init_from(self, checkpoint: Path) -> None:
        """Takes a checkpoint's weights and the record of how it was trained.

        Residual scalars that it has not stay as initialised. `PolishgenError` for another
        architecture, sizes or tokenizer.
        """
        start = load_checkpoint(checkpoint)
        check_alike(checkpoint, start.model.config, self.model_config)
        if start.tokenizer.digest != self.tokenizer.digest:
            raise PolishgenError(f"{checkpoint} and {self.corpus.folder} have other tokenizers")
        model = self.accelerator.unwrap_model(self.model)
        known, own = start.model.state_dict(), model.state_dict()
        if known.keys() - own.keys():
            raise PolishgenError(f"{checkpoint} has weights that this model has not")
        model.load_state_dict(known, strict=False)
        if self.average:
            self.average = self.weights()
        self.stages = stages_of(start.metrics)

    @property
    def learning_rate_factor(self) -> float:
        """Share of the full rate at the next step."""
        return learning_rate_factor(self.step, self.config)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step learns from, over all processes."""
        return self.config.tokens_per_step * self.accelerator.num_processes

    def train_step(self) -> float:
        """One optimizer step; returns its mean loss in nats per token on this process."""
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
                self.carried = None if self.batches.resets_state(batch + 1) else detach(state)
                loss = next_token_loss(logits, targets)
                # accelerate divides the loss; dividing the gradients instead makes a mean of what
                # a model adds to them by itself, too.
                accelerator.backward(loss * config.gradient_accumulation_steps)
                if accelerator.sync_gradients:
                    self.finish_gradients()
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            total += loss.detach()
        self.step += 1
        self.tokens += self.tokens_per_step
        if self.average:
            # Young averages forget their start sooner.
            share = max(1.0 - config.ema_decay, 1.0 / (self.step + 1))
            weights = accelerator.unwrap_model(self.model).state_dict()
            for name, average in self.average.items():
                average.lerp_(weights[name], share)
        return total / config.gradient_accumulation_steps

    def finish_gradients(self) -> None:
        """Turns gradients summed over a step into means; clips them."""
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        for parameter in parameters:
            parameter.grad /= self.config.gradient_accumulation_steps
        if self.config.gradient_clip:
            self.accelerator.clip_grad_norm_(parameters, self.config.gradient_clip)

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The model with the averaged weights, if there are any, while inside."""
        model = self.accelerator.unwrap_model(self.model)
        now = self.weights()
        model.load_state_dict(self.average or now)
        model.eval()
        try:
            yield model
        finally:
            model.load_state_dict(now)
            model.train()

    def evaluate(self) -> None:
        """Adds a row to the log, prints it in the report's columns, rewrites the CSV."""
        if self.accelerator.is_main_process:
            # Other lengths and states than in training: not worth compiling for.
            with self.averaged() as model, torch.compiler.set_stance("force_eager"):
                losses = {
                    kind: text_loss(model, self.tokenizer, documents, genre)
                    for kind, (genre, documents) in self.excerpts.items()
                }
                active = self.active_shares(model)
            bits = {kind: loss.bits_per_byte for kind, loss in losses.items()}
            row = {
                "step": self.step,
                "train_loss": self.train_loss,
                "val_loss": losses["novel"].loss if "novel" in losses else math.nan,
                "val_bits_per_byte": bits.get("novel", math.nan),
                "tale_bits_per_byte": bits.get("tale", math.nan),
                "tokens": self.tokens,
                "elapsed_seconds": self.elapsed,
                "learning_rate_factor": self.learning_rate_factor,
                **active,
            }
            self.log.append(row)
            write_log(self.folder / LOG_FILE, self.log)
            tqdm.write(
                f"| {self.step:>6} | {row['train_loss']:10.4f} | {row['val_loss']:8.4f} "
                f"| {self.elapsed:16.2f} | {row['val_bits_per_byte']:13.4f} "
                f"| {row['tale_bits_per_byte']:8.4f} |"
            )
            sys.stdout.flush()
        self.accelerator.wait_for_everyone()

    def active_shares(self, model: nn.Module) -> dict[str, float]:
        """Share of BDH's neurons x and y that are active, mean of the layers, on an excerpt."""
        lm = LanguageModel(self.config.model, model, self.tokenizer, {})
        for _, (document, *_) in self.excerpts.values():
            shares = active_shares(lm, self.tokenizer.decode(document))
            return {f"{name}_active": fmean(shares[name]) for name in "xy" if shares}
        return {}

    def save(self) -> None:
        """Writes a state to resume from; the two newest are kept, and the last before the decay."""
        leaves = [] if self.carried is None else pytree.tree_leaves(self.carried)
        carried = [
            self.accelerator.gather(leaf[None].contiguous()) if torch.is_tensor(leaf) else leaf
            for leaf in leaves
        ]
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
                    "average": self.average,
                    "provenance": self.provenance,
                    "stages": self.stages,
                    "tokens": self.tokens,
                    "elapsed": self.elapsed,
                    "train_loss": self.train_loss,
                    "log": self.log,
                },
            )
            decay_start = config.max_steps - config.decay_steps
            last_constant = decay_start // config.checkpoint_interval * config.checkpoint_interval
            keep_latest(states, 2, spared={last_constant})
        self.accelerator.wait_for_everyone()

    def restore(self, states: Sequence[Path]) -> None:
        """Goes back to the newest of `states` that can be read, saying so if it is not the last."""
        for path in reversed(states):
            try:
                saved = load_state(path)
                break
            except CheckpointError as error:
                print(f"{error}; trying the state before it", file=sys.stderr)
        else:
            raise PolishgenError(f"no state of {self.folder} can be read")
        for name, value in self.provenance.items():
            if saved["provenance"][name] != value:
                raise PolishgenError(
                    f"{path} was made with {name} {saved['provenance'][name]}, this run has "
                    f"{value}: resume with the same"
                )
        self.accelerator.unwrap_model(self.model).load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            rates = [group["initial_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate
        self.step = int(path.name.removeprefix("step-"))
        self.average, self.stages = saved["average"], saved["stages"]
        self.tokens, self.elapsed, self.log = saved["tokens"], saved["elapsed"], saved["log"]
        self.train_loss = saved["train_loss"]
        if saved["carried"]:
            rank, device = self.accelerator.process_index, self.accelerator.device
            inputs, _ = self.batches.batch(0, rank, self.accelerator.num_processes)
            with torch.no_grad():
                template = self.accelerator.unwrap_model(self.model)(inputs[:, :1].to(device))[1]
            leaves = [
                leaf[rank].to(device) if torch.is_tensor(leaf) else leaf
                for leaf in saved["carried"]
            ]
            self.carried = pytree.tree_unflatten(leaves, pytree.tree_structure(template))

    def interrupted(self, interrupt: Event) -> bool:
        """Whether any process was told to stop."""
        flag = torch.tensor(float(interrupt.is_set()), device=self.accelerator.device)
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
            tqdm.write(
                "|   Step | Train Loss | Val Loss | Time Elapsed (s) | Bits per byte |  (tales) |"
            )
            tqdm.write(
                "| -----: | ---------: | -------: | ---------------: | ------------: | -------: |"
            )
        if self.step == 0 and not self.log:
            self.evaluate()
        step_before, elapsed_before = self.step, self.elapsed
        with catch_interrupts() as interrupt, bar:
            while self.step < config.max_steps:
                started = time.perf_counter()
                loss = self.train_step()
                if self.step % 10 == 0:
                    loss = float(loss)
                    fresh = math.isnan(self.train_loss)
                    self.train_loss = loss if fresh else 0.9 * self.train_loss + 0.1 * loss
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


def held_out_excerpts(
    corpus: Corpus, tokenizer: Tokenizer, n_tokens: int
) -> dict[str, tuple[str | None, list[list[int]]]]:
    """The genre, and about `n_tokens` from the beginnings of its held-out documents, per kind."""
    documents: dict[str, list[list[int]]] = {"novel": [], "tale": []}
    for document in read_documents(corpus.folder / "val.txt.jsonl"):
        if document.meta["kind"] in documents:
            tokens = tokenizer.encode(document.text[: 6 * n_tokens])
            documents[document.meta["kind"]].append(tokens)
    excerpts = {}
    for kind, rows in documents.items():
        if rows:
            genre = kind if kind in tokenizer.genres else None
            share = max(2, n_tokens // len(rows))
            excerpts[kind] = genre, [row[:share] for row in rows]
    return excerpts


def parse_arguments(arguments: Sequence[str] | None) -> tuple[TrainingConfig, argparse.Namespace]:
    """The recipe of the model and preset, with what the command line changes in it."""
    parser = argparse.ArgumentParser(
        "training.train",
        description=__doc__.splitlines()[0],
        epilog="A preset has defaults of its own, see RECIPES in training/config.py.",
    )
    models, presets = (sorted(set(names)) for names in zip(*RECIPES, strict=True))
    parser.add_argument("--model", required=True, choices=models, help="architecture to train")
    parser.add_argument("--preset", default="compact", choices=presets, help="sizes and recipe")
    parser.add_argument("--run", type=Path, help="folder of the run (runs/MODEL-PRESET)")
    parser.add_argument("--export", type=Path, help="folder to export to (RUN/checkpoint)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last state")
    add_options(parser, TrainingConfig, left_out=("model", "preset"))
    options = parser.parse_args(arguments)
    if (options.model, options.preset) not in RECIPES:
        known = ", ".join(p for m, p in RECIPES if m == options.model)
        raise ParameterError("preset", options.preset, f"one of {known} for {options.model}")
    changes = given(options, TrainingConfig)
    options.run = options.run or Path("runs") / f"{options.model}-{options.preset}"
    if options.resume:
        return TrainingConfig.load(options.run / CONFIG_FILE).resumed_with(changes), options
    return RECIPES[options.model, options.preset].replace(**changes), options


def start_or_resume(config: TrainingConfig, folder: Path, resume: bool) -> Run:
    """A run at its last sound state, or in an empty folder at step 0."""
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
        run.restore(states)
    elif config.init_from:
        run.init_from(Path(config.init_from))
    if run.accelerator.is_main_process:
        run.config.save(folder / CONFIG_FILE)
    return run


def train(
    config: TrainingConfig, folder: Path, resume: bool = False, export: Path | None = None
) -> bool:
    """Trains in `folder` and exports to `export` (`folder`/checkpoint); False if stopped before."""
    keep_freed_memory()
    run = start_or_resume(config, folder, resume)
    finished, export = run.train(), export or folder / "checkpoint"
    if run.accelerator.is_main_process:
        if finished:
            export_run(run, export)
            print(f"exported to {export}")
        else:
            print(f"stopped at step {run.step}; the same command with --resume goes on")
    # No process leaves while the main one still exports.
    run.accelerator.wait_for_everyone()
    run.accelerator.end_training()
    return finished


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when trained to the end, 130 when stopped before it."""
    config, options = parse_arguments(arguments)
    return 0 if train(config, options.run, options.resume, options.export) else 130


if __name__ == "__main__":
    if count := missing_processes():
        sys.exit(run_processes(count, "training.train", sys.argv[1:]))
    code = main()
    if "WORLD_SIZE" in os.environ:
        # Threads of the process group may outlive the interpreter, which would abort a good run.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
