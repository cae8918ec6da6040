"""What a training run is: one typed record per model and preset, saved with every run."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from polishgen.errors import ParameterError, PolishgenError
from polishgen.files import write_json
from polishgen.models import MODELS, ModelConfig, preset_config
from polishgen.parameters import Float, Int, Record, number
from training.corpus.summary import DEFAULT_FOLDER

CONFIG_FILE = "training.json"
Steps = number(int, ge=1, le=10**9)
Rate = number(float, ge=0, le=1)

# What may change when a run is resumed.
CHANGEABLE = (
    "max_steps",
    "decay_steps",
    "eval_interval",
    "eval_tokens",
    "checkpoint_interval",
    "compile",
    "data",
)


class TrainingConfig(Record):
    """One run, all of it but the folder that it is kept in."""

    model: str = Field(description="architecture to train")
    preset: str = Field("compact", description="sizes and recipe to start from")
    data: str = Field(DEFAULT_FOLDER, description="folder made by training.prepare")
    max_steps: Steps = Field(2000, description="optimizer steps in all")
    micro_batch_size: Steps = Field(8, description="sequences per device and forward pass")
    sequence_length: Int = Field(
        256, ge=2, le=65_536, description="tokens per sequence and forward pass"
    )
    gradient_accumulation_steps: Steps = Field(1, description="forward passes per optimizer step")
    bptt_windows: Steps = Field(
        1,
        description="truncated backpropagation through time: sequences, one per step, through "
        "which the state is carried before it is reset and reading goes on elsewhere",
    )
    sampling: Literal["epochs", "random"] = Field(
        "epochs", description="which windows: each one once per epoch, or any that are drawn"
    )
    optimizer: Literal["muon", "adamw"] = Field(
        "muon",
        description="optimizer of the matrices; embedding, head and vectors always have AdamW",
    )
    learning_rate: Rate = Field(3e-3, description="learning rate of AdamW")
    matrix_learning_rate: Rate = Field(0.02, description="learning rate of Muon")
    weight_decay: Rate = Field(
        0.0, description="decoupled weight decay of matrices, embedding and output layer"
    )
    beta2: Float = Field(
        0.95, ge=0, le=0.99999, description="AdamW's β₂, for the average of squared gradients"
    )
    warmup_steps: Int = Field(
        20, ge=0, le=10**9, description="first steps, over which the learning rate rises from zero"
    )
    decay_steps: Int = Field(
        0, ge=0, le=10**9, description="last steps, over which the learning rate falls to zero"
    )
    gradient_clip: Float = Field(
        1.0, ge=0, le=1e6, description="largest norm of the gradient; 0 does not clip"
    )
    eval_interval: Steps = Field(200, description="steps between rows of the log")
    eval_tokens: Steps = Field(
        16_384, description="held-out tokens of each kind that a row of the log is measured on"
    )
    checkpoint_interval: Steps = Field(200, description="steps between states to resume from")
    mixed_precision: Literal["auto", "no", "bf16"] = Field(
        "auto",
        description="bf16 multiplies matrices in bfloat16, no in float32; auto takes bf16 where "
        "the hardware has it",
    )
    compile: bool = Field(
        False, description="fuse operations with torch.compile, which needs a C++ compiler"
    )
    init_from: str = Field(
        "", description="checkpoint folder whose weights to start from, with a new optimizer"
    )
    mix: dict[str, number(float, ge=0, le=1000)] = Field(
        {},
        description="JSON: how often an epoch reads each genre (other for none), 1 if not named",
    )
    ema_decay: Float = Field(
        0.0,
        ge=0,
        le=0.99999,
        description="weight of the past, per step, in the average of the weights that is "
        "evaluated and exported; 0 takes the weights themselves",
    )
    seed: Int = Field(
        1, ge=0, le=2**31 - 1, description="seed of initial weights, order of reading and dropout"
    )
    model_options: dict[str, Any] = Field(
        {}, description="JSON: fields of the model's own configuration to change"
    )

    @model_validator(mode="after")
    def check_model_options(self) -> "TrainingConfig":
        """Only the tokenizer decides on the vocabulary."""
        config, _ = MODELS.get(self.model, (None, None))
        known = [name for name in config.model_fields if name != "vocab_size"] if config else ()
        if config and self.model_options.keys() - set(known):
            raise ParameterError(
                "model_options", self.model_options, "a JSON object of any of " + ", ".join(known)
            )
        return self

    @model_validator(mode="after")
    def check_mix(self) -> "TrainingConfig":
        """Windows drawn anywhere follow no mix."""
        if self.mix and self.sampling != "epochs":
            raise ParameterError("mix", self.mix, "empty with sampling='random'")
        return self

    @model_validator(mode="after")
    def check_state_can_be_carried(self) -> "TrainingConfig":
        """Windows drawn anywhere do not follow one another."""
        if self.bptt_windows > 1 and self.sampling != "epochs":
            raise ParameterError("bptt_windows", self.bptt_windows, "1 with sampling='random'")
        return self

    def resumed_with(self, changes: dict[str, object]) -> "TrainingConfig":
        """This run's record for going on with it, longer or watched otherwise.

        `ParameterError` for an option that cannot change within a run.
        """
        changed = self.replace(**changes)
        for name in changes:
            value, before = getattr(changed, name), getattr(self, name)
            if name not in CHANGEABLE and value != before:
                allowed = f"{before!r}, as the run began (or start another run from its checkpoint)"
                raise ParameterError(name, value, allowed)
        return changed

    def sizes(self, vocab_size: int) -> ModelConfig:
        """The model's own configuration."""
        preset = self.preset.removesuffix("-first")
        return preset_config(self.model, preset, vocab_size=vocab_size, **self.model_options)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that a process learns from in one optimizer step."""
        rows = self.micro_batch_size * self.gradient_accumulation_steps
        return rows * self.sequence_length

    def save(self, path: Path) -> None:
        """Writes the record as JSON, whole or not at all."""
        write_json(path, self.model_dump())

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Reads a record that `save` wrote; unknown fields are a `ParameterError`.

        `PolishgenError` for a folder that holds no run, or a damaged record.
        """
        if not path.is_file():
            raise PolishgenError(f"nothing to resume in {path.parent}: no run began there")
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            if isinstance(error, ParameterError):
                raise
            raise PolishgenError(f"{path} is damaged: {error}") from error


# Fields of a model's configuration in which weights may be taken on by another.
FREE = (
    "context_length",
    "dropout",
    "half_lives",
    "activity_penalty",
    "activity_target",
    "residual_scalars",
)


def check_alike(checkpoint: Path, theirs: ModelConfig, ours: ModelConfig) -> None:
    """`PolishgenError` if a checkpoint's weights mean something else in a model like `ours`."""
    if theirs.architecture != ours.architecture:
        raise PolishgenError(
            f"{checkpoint} holds a {theirs.architecture}, not a {ours.architecture}"
        )
    for name, value in ours:
        if name not in FREE and getattr(theirs, name) != value:
            raise PolishgenError(f"{checkpoint} has {name} {getattr(theirs, name)}, not {value}")


def as_options(values: dict[str, Any]) -> list[str]:
    """Fields of a record as the command line takes them, in the order in which they stand."""
    parts = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            parts += [f"--{flag}", text]
    return parts


# The report trained with AdamW at a constant rate on windows drawn anywhere in the text.
REPORT = TrainingConfig(
    model="transformer",
    preset="report",
    data="runs/data/cl100k",
    max_steps=50_000,
    micro_batch_size=32,
    sequence_length=128,
    sampling="random",
    optimizer="adamw",
    learning_rate=3e-4,
    weight_decay=0.01,
    beta2=0.999,
    warmup_steps=0,
    decay_steps=0,
    gradient_clip=0.0,
    eval_interval=1000,
    eval_tokens=200 * 32 * 128,
    checkpoint_interval=5000,
    mixed_precision="no",
)
COMPACT = TrainingConfig(model="transformer")

RECIPES: dict[tuple[str, str], TrainingConfig] = {
    ("transformer", "report"): REPORT,
    # Its own first run: half the batch, four heads.
    ("transformer", "report-first"): REPORT.replace(
        micro_batch_size=16, eval_tokens=50 * 16 * 128, model_options={"n_heads": 4}
    ),
    ("gru", "report"): REPORT.replace(model="gru", learning_rate=1e-3),
    # The authors' defaults.
    ("bdh", "report"): REPORT.replace(
        model="bdh",
        max_steps=10_000,
        sequence_length=512,
        learning_rate=1e-3,
        weight_decay=0.1,
        eval_interval=100,
        eval_tokens=10 * 32 * 512,
        checkpoint_interval=1000,
    ),
    ("transformer", "compact"): COMPACT.replace(
        micro_batch_size=4, sequence_length=512, gradient_accumulation_steps=4
    ),
    ("gru", "compact"): COMPACT.replace(
        model="gru",
        micro_batch_size=32,
        sequence_length=64,
        bptt_windows=8,
        optimizer="adamw",
        learning_rate=4e-3,
    ),
    ("bdh", "compact"): COMPACT.replace(model="bdh"),
}
