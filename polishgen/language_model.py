"""One model with its tokenizer, ready to write and to judge text.

`load` finds it by name; `LanguageModel.generate`, `.stream` and `.score` are the whole public API.
A `LanguageModel` keeps nothing between calls: any number of threads may share one, and each call
gets what it would get alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from polishgen.checkpoint import find_folder, load_checkpoint
from polishgen.decoding import Decoder, make_decoder
from polishgen.errors import ParameterError
from polishgen.evaluation import NO_TARGET, TextLoss, predictions
from polishgen.generate import Piece, stream_pieces
from polishgen.models import parameter_count
from polishgen.normalise import normalise
from polishgen.parameters import GenerationConfig, check, number, string
from polishgen.spelling import mend
from polishgen.tokenizer import Tokenizer

TEXT = string(max_length=1_000_000)
CHORUS = "chorus"


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text.

    `tokens`: the text's token ids; `logprobs`: natural logarithm of each one's probability, given
    all text before it (the document boundary, for the first); `n_bytes`: its length in UTF-8.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    n_bytes: int

    @property
    def loss(self) -> TextLoss:
        """The text's loss in all."""
        return TextLoss(-math.fsum(self.logprobs), len(self.tokens), self.n_bytes)

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability per token."""
        return self.loss.perplexity

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs per byte of the text; compares across tokenizers."""
        return self.loss.bits_per_byte


class LanguageModel:
    """A loaded model: `name`, `model` (the network), `tokenizer`, `metrics` as measured.

    `folder` is where it was read from, None if it was put together otherwise.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        tokenizer: Tokenizer,
        metrics: dict,
        folder: Path | None = None,
    ):
        self.name, self.model, self.tokenizer, self.metrics = name, model, tokenizer, metrics
        self.folder = folder

    @property
    def architecture(self) -> str:
        """ "gru", "transformer", "bdh" or "chorus"."""
        return self.model.config.architecture

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return parameter_count(self.model)

    def stream(
        self,
        prompt: str,
        *,
        n_alternatives: int = 0,
        decoder: Decoder | None = None,
        tells_drafts: bool = False,
        **options: object,
    ) -> Iterator[Piece]:
        """Continues `prompt` (at most 1,000,000 characters) and yields the text as it comes.

        The model reads the prompt as `normalise` and, unless told otherwise, `mend` make it.
        n_alternatives: 0 to 100, how many likeliest tokens each piece names beside its own.
        decoder: one at the start of a text that takes the place of `make_decoder`'s.
        tells_drafts: also yields a piece without text or token for each token of a draft, so that
        whoever serves many is never kept waiting for a whole sentence.
        options: the fields of `GenerationConfig`. Raises `ParameterError` at once, before the first
        piece, for anything out of range.
        """
        check("prompt", prompt, TEXT)
        config = GenerationConfig(**options)
        self.tokenizer.prefix(config.genre)  # refuses a genre that it does not know
        alternatives = check("n_alternatives", n_alternatives, number(int, ge=0, le=100))
        decoder = decoder or make_decoder(self.model)
        read = normalise(prompt)
        if config.mends_spelling:
            read = mend(read, last_word_complete=config.starts_new_word)
        pieces = stream_pieces(decoder, self.tokenizer, read, config, alternatives)
        return pieces if tells_drafts else (piece for piece in pieces if piece.token_ids)

    def generate(self, prompt: str | Sequence[str], **options: object) -> str | list[str]:
        """The continuation of `prompt` without the prompt itself; a list of them for several.

        Takes what `stream` takes. Of several prompts each gets what it would get alone.
        """
        if isinstance(prompt, str):
            return "".join(piece.text for piece in self.stream(prompt, **options))
        if not isinstance(prompt, Sequence) or isinstance(prompt, bytes | bytearray):
            raise ParameterError("prompt", prompt, "a str or a sequence of str")
        if options.get("decoder") is not None:
            raise ParameterError("decoder", options["decoder"], "None with several prompts")
        for single in prompt:
            check("prompt", single, TEXT)
        return [self.generate(single, **options) for single in prompt]

    def score(self, text: str, genre: str | None = None) -> Score:
        """How well the model predicts `text` of 1 to 1,000,000 characters, as one of `genre`.

        What is scored is the text as `normalise` makes it.
        """
        *_, score = self.score_by_chunks(text, genre)
        return score

    def score_by_chunks(self, text: str, genre: str | None = None) -> Iterator[Score]:
        """`score` of the part of `text` that has been read so far, chunk by chunk."""
        logprobs: list[float] = []
        n_bytes, tokens = 0, self.text_tokens(text)
        for targets, log_probabilities in self.log_probabilities(tokens, genre):
            read = len(logprobs)
            logprobs += log_probabilities.gather(1, targets[:, None])[:, 0].tolist()
            n_bytes += len(self.tokenizer.decode_bytes(tokens[read : len(logprobs)]))
            yield Score(tuple(tokens[: len(logprobs)]), tuple(logprobs), n_bytes)

    def text_tokens(self, text: str) -> list[int]:
        """Tokens of a text to be read, normalised; `ParameterError` if it is empty or too long."""
        check("text", text, TEXT)
        if not (normalised := normalise(text)):
            raise ParameterError("text", text, "text of which normalising leaves something")
        return self.tokenizer.encode(normalised)

    def log_probabilities(
        self, tokens: Sequence[int], genre: str | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """What the model expected at each of a text's `tokens`, chunk by chunk.

        Yields the tokens (n,) int64 and log-probabilities (n, vocab_size) float64.
        """
        prefix = self.tokenizer.prefix(genre)
        for logits, targets in predictions(self.model, prefix, [tokens]):
            read = targets[0] != NO_TARGET
            yield targets[0][read].cpu(), logits[0][read].double().log_softmax(-1).cpu()


def load(
    name: str | Path, revision: str | None = None, device: str | torch.device = "cpu"
) -> LanguageModel:
    """A model by its bundled name, from a folder, or from a repository "user/repo" on the Hub.

    "chorus" is all bundled models as one. Raises `CheckpointError` for a model that is missing or
    damaged, `ParameterError` for a name of no such form.
    """
    if name == CHORUS and revision is None:
        # Here, as the chorus is made of language models.
        from polishgen.chorus import chorus_of, load_bundled

        return chorus_of(load_bundled(device))
    folder = find_folder(name, revision)
    read = load_checkpoint(folder, device)
    return LanguageModel(str(name), read.model, read.tokenizer, read.metrics, folder)
