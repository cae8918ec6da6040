"""What a prepared corpus holds: `summary.json`, written last and read by everything after."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from polishgen.errors import PolishgenError
from polishgen.files import write_json
from polishgen.tokenizer import CL100K, TOKENIZER_FILE, Tokenizer
from training.corpus.cleaning import RuleCount

SUMMARY_FILE = "summary.json"
# Where `training.prepare` writes and all others read, unless told otherwise.
DEFAULT_FOLDER = "runs/data/polish8k"


@dataclass(frozen=True)
class SplitSummary:
    """Size of one split; `tokens` count the boundary (and genre) before each document.

    `regions`: first token and length of each genre's documents in the stream ("other" for none).
    """

    documents: int
    bytes: int
    tokens: int
    regions: dict[str, tuple[int, int]]

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes of text per token, boundaries and genres counted as tokens."""
        return self.bytes / max(1, self.tokens)


@dataclass(frozen=True)
class Summary:
    """What a prepared folder holds.

    `held_out` names the novels of the evaluation split; `digest` is a hash of all tokens.
    """

    source: str
    tokenizer: str
    genres: list[str]
    vocab_size: int
    dtype: str
    fraction: float
    train: SplitSummary
    val: SplitSummary
    held_out: list[str]
    seed: int
    digest: str
    rules: list[RuleCount] = field(default_factory=list)

    def open_tokenizer(self, folder: str | Path) -> Tokenizer:
        """The tokenizer of the corpus in `folder`; `CheckpointError` if it cannot be loaded."""
        if self.tokenizer == CL100K:
            return Tokenizer.cl100k()
        return Tokenizer.from_file(Path(folder) / TOKENIZER_FILE, self.genres)


def load_summary(folder: str | Path) -> Summary:
    """Reads a prepared folder's summary; `PolishgenError` if the folder is not complete."""
    path = Path(folder) / SUMMARY_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = {key.name: data[key.name] for key in fields(Summary)}
        for split in ("train", "val"):
            values = {k.name: data[split][k.name] for k in fields(SplitSummary)}
            values["regions"] = {g: tuple(span) for g, span in values["regions"].items()}
            kept[split] = SplitSummary(**values)
        kept["rules"] = [RuleCount(**rule) for rule in data["rules"]]
        return Summary(**kept)
    except FileNotFoundError as error:
        raise PolishgenError(
            f"{folder} is not a prepared corpus: run `python -m training.prepare --out {folder}`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolishgenError(f"{path} is damaged: prepare the corpus anew") from error


def write_summary(path: Path, summary: Summary) -> None:
    """Writes the summary, whole or not at all."""
    data = asdict(summary)
    for split in ("train", "val"):
        data[split]["bytes_per_token"] = getattr(summary, split).bytes_per_token
    write_json(path, data, indent=1)
