"""Text to tokens and back, always through tiktoken.

Two vocabularies: OpenAI's `cl100k_base`, and byte-level BPE trained on Polish prose, kept in
tiktoken's own format (a `.tiktoken` file of base64 token and rank). Every byte is a token of its
own, so any text survives encoding and decoding. Special tokens, to which no text ever encodes,
whatever it says: the document boundary, which stands before every document, and after it, in a
tokenizer with genres, a control code that says what kind of text follows (CTRL, arXiv 1909.05858).
"""

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from numbers import Integral
from pathlib import Path

import numpy as np
import requests
import tiktoken

from polishgen.errors import CheckpointError, ParameterError, PolishgenError
from polishgen.files import write_bytes

DOCUMENT_BOUNDARY = "<|endoftext|>"
GENRES = ("tale", "novel", "drama", "scripture")
CL100K = "cl100k_base"
TOKENIZER_FILE = "tokenizer.tiktoken"
COUNTS_FILE = "token_counts.json"

# Words with the space or quote before them, numbers by three digits, runs of signs, white space.
# Unlike in cl100k_base's pattern, an accent written as a combining mark stays inside its word, and
# no English contractions are cut off.
PRETOKEN_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)

# tiktoken's regular expressions and merges take more than linear time over one unbroken run, and a
# run long enough exhausts their limits; no Polish word comes near this length.
LONGEST_RUN = 512
LONG_RUN = re.compile(rf"\S{{{LONGEST_RUN + 1},}}|\s{{{LONGEST_RUN + 1},}}")
SURROGATE = re.compile("[\ud800-\udfff]")


class Tokenizer:
    """A vocabulary: `name`, `n_vocab` (special tokens included), `boundary_id` and `genres`.

    `counts`: how often each token comes in the models' training text, (n_vocab,) int64, or None.
    """

    def __init__(
        self,
        encoding: tiktoken.Encoding,
        genres: Sequence[str] = (),
        counts: np.ndarray | None = None,
    ):
        self.encoding, self.counts = encoding, counts
        self.genres = tuple(genres)
        self.name: str = encoding.name
        self.n_vocab: int = encoding.n_vocab
        self.boundary_id: int = encoding.eot_token
        self._bytes = [bytes_of(encoding, token) for token in range(self.n_vocab)]

    @classmethod
    def cl100k(cls) -> "Tokenizer":
        """OpenAI's cl100k_base; `CheckpointError` where tiktoken can neither find nor fetch it."""
        try:
            return cls(tiktoken.get_encoding(CL100K))
        except (OSError, ValueError, requests.RequestException) as error:
            raise CheckpointError(
                f"{CL100K} could not be loaded: without a network, TIKTOKEN_CACHE_DIR must name "
                f"a folder that holds tiktoken's copy of it ({error})"
            ) from error

    @classmethod
    def from_file(cls, path: str | Path, genres: Sequence[str] = ()) -> "Tokenizer":
        """The Polish BPE in a `.tiktoken` file; `CheckpointError` if missing or damaged.

        With its counts, if there is a `token_counts.json` beside.
        """
        tokenizer = cls.from_ranks(read_ranks(Path(path)), genres)
        if (counts := Path(path).with_name(COUNTS_FILE)).is_file():
            tokenizer.counts = read_counts(counts, tokenizer.n_vocab)
        return tokenizer

    @classmethod
    def from_ranks(cls, ranks: dict[bytes, int], genres: Sequence[str] = ()) -> "Tokenizer":
        """The Polish BPE with these tokens; after the last come the genres, then the boundary."""
        names = [*(f"<|{genre}|>" for genre in genres), DOCUMENT_BOUNDARY]
        return cls(
            tiktoken.Encoding(
                name=f"polish-{len(ranks) + len(names)}",
                pat_str=PRETOKEN_PATTERN,
                mergeable_ranks=ranks,
                special_tokens={name: len(ranks) + place for place, name in enumerate(names)},
            ),
            genres,
        )

    @property
    def digest(self) -> str:
        """Hash of every token and its id: equal for equal vocabularies alone."""
        parts = (b"%d:%b" % (len(token), token) for token in self._bytes)
        return blake2b(b"".join(parts), digest_size=16).hexdigest()

    @property
    def n_ranks(self) -> int:
        """Tokens of text; ids from here to the boundary are special."""
        return self.boundary_id - len(self.genres)

    def genre_id(self, genre: str) -> int:
        """Id of a genre's control code; `ParameterError` for one that the vocabulary has not."""
        if genre not in self.genres:
            known = ", ".join(self.genres) or "no genre is known to this tokenizer"
            raise ParameterError("genre", genre, f"None, or one of: {known}")
        return self.n_ranks + self.genres.index(genre)

    def prefix(self, genre: str | None = None) -> list[int]:
        """What stands before a document: the boundary and, unless None, the genre's code."""
        return [self.boundary_id] if genre is None else [self.boundary_id, self.genre_id(genre)]

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`, which may be anything; lone surrogates count as U+FFFD."""
        text = SURROGATE.sub("\ufffd", text)
        tokens = []
        for piece in pieces(text):
            tokens += self.encoding.encode_ordinary(piece)
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of `tokens`; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Bytes of `tokens`; `ParameterError` for an id outside the vocabulary."""
        return b"".join(self.token_bytes(token) for token in tokens)

    def token_bytes(self, token: int) -> bytes:
        """Bytes of one token: the name of a special one, none for an id that nothing uses."""
        if isinstance(token, bool) or not isinstance(token, Integral):
            raise ParameterError("token", token, "a whole number")
        if not 0 <= token < self.n_vocab:
            raise ParameterError("token", token, f"from 0 to {self.n_vocab - 1}")
        return self._bytes[token]

    def save(self, path: str | Path) -> None:
        """Writes the `.tiktoken` file of a Polish BPE, and its counts beside, if it has them.

        Each file appears whole or not at all.

        `PolishgenError` for cl100k_base, which is known by its name and has another pattern.
        """
        if self.name == CL100K:
            raise PolishgenError(f"{CL100K} is not saved: its name is all that is needed")
        ranked = enumerate(self._bytes[: self.n_ranks])
        lines = (b"%b %d\n" % (base64.b64encode(token), rank) for rank, token in ranked)
        write_bytes(Path(path), b"".join(lines))
        if self.counts is not None:
            counts = Path(path).with_name(COUNTS_FILE)
            write_bytes(counts, (json.dumps(self.counts.tolist()) + "\n").encode())


class StreamingDecoder:
    """Text of tokens as they come, never half a character.

    What `push` and the closing `flush` return, joined, is `Tokenizer.decode` of all the tokens.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The characters that `token` completes, perhaps none."""
        return self._decoder.decode(self.tokenizer.token_bytes(token))

    @property
    def begun(self) -> bytes:
        """Bytes of a character that the last token left unfinished, none mostly."""
        return self._decoder.getstate()[0]

    def copy(self) -> "StreamingDecoder":
        """A decoder that has seen the same tokens and goes on by itself."""
        other = StreamingDecoder(self.tokenizer)
        other._decoder.setstate(self._decoder.getstate())
        return other

    def flush(self) -> str:
        """U+FFFD if the tokens ended inside a character; the decoder then starts anew."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def bytes_of(encoding: tiktoken.Encoding, token: int) -> bytes:
    """Bytes of a token; cl100k_base leaves some ids below `n_vocab` unused, and they have none."""
    try:
        return encoding.decode_single_token_bytes(token)
    except KeyError:
        return b""


def pieces(text: str) -> Sequence[str]:
    """`text` cut so that no run of `LONGEST_RUN` characters lacks a word border."""
    cuts = [0]
    for run in LONG_RUN.finditer(text):
        cuts += range(run.start() + LONGEST_RUN, run.end(), LONGEST_RUN)
    cuts.append(len(text))
    return [text[start:end] for start, end in pairwise(cuts)]


def read_counts(path: Path, n_vocab: int) -> np.ndarray:
    """The counts in a `token_counts.json`; `CheckpointError` unless it has one for each token."""
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    whole = isinstance(counts, list) and all(type(n) is int and 0 <= n < 2**63 for n in counts)
    if not whole or len(counts) != n_vocab:
        raise CheckpointError(f"{path} is damaged: it must hold {n_vocab} whole numbers from 0")
    return np.array(counts)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Tokens and ranks of a `.tiktoken` file; `CheckpointError` unless it is whole and sound."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CheckpointError(f"the tokenizer {path} cannot be read: {error.strerror}") from error
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise CheckpointError(
                f"the tokenizer {path} is damaged: line {number} is not a token and its rank"
            ) from error
    if sorted(ranks.values()) != list(range(len(lines))):
        raise CheckpointError(f"the tokenizer {path} is damaged: its ranks are not 0, 1, 2, …")
    if not all(bytes([byte]) in ranks for byte in range(256)):
        raise CheckpointError(f"the tokenizer {path} is damaged: a single byte has no token")
    return ranks
