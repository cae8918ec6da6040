"""What a training run is: one typed record a model and preset, saved with every checkpoint."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from polishgen.errors import ParameterError, PolishgenError, check_choice, check_float, check_int

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


@dataclass(frozen=True)
class TrainingConfig:
    """One run. Lengths in tokens, intervals in optimizer steps, rates per step.

    `batch_size` is sequences a process and forward pass. Over the last `decay_steps` the learning
    rate falls linearly to zero (0: it stays constant).
    `carried_windows`: so many windows are read one after the other, a step each, with the state
    carried from one to the next; then it starts afresh elsewhere.
    `mixed_precision`: "bf16" multiplies matrices in bfloat16, "no" in float32; "auto" is "bf16"
    where the hardware multiplies it natively.
    `compile`: fuse the model's operations with torch.compile, which needs a C++ compiler.
    `init_from`: a checkpoint folder whose weights to start from; the optimizer begins anew.
    `mix`: how often an epoch reads each genre of the corpus ("other" for none); 1 if not named.
    `ema_decay`: weight of the past, per step, in the moving average of the weights that is
    evaluated and exported (0: the weights themselves).
    """

    model: str
    preset: str = "compact"
    data: str = "runs/data/polish8k"
    max_steps: int = 2000
    batch_size: int = 8
    sequence_length: int = 256
    gradient_accumulation_steps: int = 1
    carried_windows: int = 1
    sampling: str = "epochs"  # every window once an epoch; or "random", windows anywhere
    optimizer: str = "muon"  # for matrices, AdamW for the rest; or "adamw" for all
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.02
    weight_decay: float = 0.0
    beta2: float = 0.95
    warmup_steps: int = 20
    decay_steps: int = 0
    gradient_clip: float = 1.0
    eval_interval: int = 200
    eval_tokens: int = 16_384
    checkpoint_interval: int = 200
    mixed_precision: str = "auto"
    compile: bool = False
    init_from: str = ""
    mix: dict = field(default_factory=dict)
    ema_decay: float = 0.0
    seed: int = 1
    model_options: dict = field(default_factory=dict)

    def __post_init__(self):
        check_choice("optimizer", self.optimizer, ("muon", "adamw"))
        check_choice("sampling", self.sampling, ("epochs", "random"))
        check_choice("mixed_precision", self.mixed_precision, ("auto", "no", "bf16"))
        for name in (
            "max_steps",
            "batch_size",
            "gradient_accumulation_steps",
            "eval_interval",
            "eval_tokens",
            "checkpoint_interval",
            "carried_windows",
        ):
            check_int(name, getattr(self, name), 1, 10**9)
        check_int("sequence_length", self.sequence_length, 2, 65_536)
        check_int("warmup_steps", self.warmup_steps, 0, 10**9)
        check_int("decay_steps", self.decay_steps, 0, 10**9)
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_float("learning_rate", self.learning_rate, 0.0, 1.0)
        check_float("matrix_learning_rate", self.matrix_learning_rate, 0.0, 1.0)
        check_float("weight_decay", self.weight_decay, 0.0, 1.0)
        check_float("beta2", self.beta2, 0.0, 0.99999)
        check_float("ema_decay", self.ema_decay, 0.0, 0.99999)
        check_float("gradient_clip", self.gradient_clip, 0.0, 1e6)
        if self.carried_windows > 1 and self.sampling != "epochs":
            raise ParameterError(
                "carried_windows", self.carried_windows, "1 with sampling='random'"
            )

    def resumed_with(self, changes: dict[str, object]) -> "TrainingConfig":
        """This run's record for going on with it, longer or watched otherwise.

        `ParameterError` for an option that cannot change within a run.
        """
        for name, value in changes.items():
            if name not in CHANGEABLE and value != getattr(self, name):
                allowed = f"{getattr(self, name)!r}, as the run began; start another run from it"
                raise ParameterError(name, value, allowed)
        return replace(self, **changes)

    def save(self, path: Path) -> None:
        """Writes the record as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Reads a record that `save` wrote; unknown fields are a `ParameterError`.

        `PolishgenError` for a folder that holds no run.
        """
        if not path.is_file():
            raise PolishgenError(f"nothing to resume in {path.parent}: no run began there")
        values = json.loads(path.read_text())
        known = {f.name for f in fields(cls)}
        for name in values.keys() - known:
            raise ParameterError(name, values[name], "one of " + ", ".join(sorted(known)))
        return cls(**values)


# The report trained with AdamW at a constant rate on windows drawn anywhere in the text.
REPORT = TrainingConfig(
    model="transformer",
    preset="report",
    data="runs/data/cl100k",
    max_steps=50_000,
    batch_size=32,
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
    ("transformer", "report-first"): replace(
        REPORT, batch_size=16, eval_tokens=50 * 16 * 128, model_options={"n_heads": 4}
    ),
    ("gru", "report"): replace(REPORT, model="gru", learning_rate=1e-3),
    # The authors' defaults.
    ("bdh", "report"): replace(
        REPORT,
        model="bdh",
        max_steps=10_000,
        sequence_length=512,
        learning_rate=1e-3,
        weight_decay=0.1,
        eval_interval=100,
        eval_tokens=10 * 32 * 512,
        checkpoint_interval=1000,
    ),
    ("transformer", "compact"): replace(
        COMPACT, batch_size=4, sequence_length=512, gradient_accumulation_steps=4
    ),
    ("gru", "compact"): replace(
        COMPACT,
        model="gru",
        batch_size=32,
        sequence_length=64,
        carried_windows=8,
        optimizer="adamw",
        learning_rate=4e-3,
    ),
    ("bdh", "compact"): replace(COMPACT, model="bdh"),
}
