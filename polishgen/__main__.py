"""Command line: `python -m polishgen generate | score | models | bench`."""

import argparse
import sys
from collections.abc import Sequence

import torch

from polishgen.bench import PROMPT, measure_decoding, speed_table
from polishgen.checkpoint import bundled_names
from polishgen.errors import CheckpointError, PolishgenError, check_int
from polishgen.language_model import LanguageModel, load
from polishgen.sampling import DEFAULT_SAMPLING


def generate(options: argparse.Namespace) -> None:
    """Writes the prompt and, as it comes, its continuation."""
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    pieces = load(options.model, options.revision).stream(
        prompt,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        repetition_penalty=options.repetition_penalty,
        stop=options.stop,
        seed=options.seed,
    )
    print(printable(prompt), end="", flush=True)
    tokens, seconds = 0, 0.0
    for piece in pieces:
        print(printable(piece.text), end="", flush=True)
        tokens, seconds = tokens + len(piece.token_ids), piece.seconds
    print()
    print(f"{tokens} tokens, {tokens / seconds:.1f} tokens/s", file=sys.stderr)


def score(options: argparse.Namespace) -> None:
    """Prints how well each model predicts the text."""
    text = sys.stdin.read() if options.text == "-" else options.text
    print(f"{'model':<12} {'tokens':>7} {'perplexity':>11} {'bits/byte':>10}")
    for name in options.model or bundled_names():
        result = load(name, options.revision).score(text)
        print(
            f"{name:<12} {len(result.tokens):>7} {result.perplexity:>11.2f} "
            f"{result.bits_per_byte:>10.3f}"
        )


def models(options: argparse.Namespace) -> None:
    """Prints the bundled models and what is known of them."""
    print(
        f"{'name':<12} {'architecture':<12} {'parameters':>11} {'tokenizer':<12} {'bits/byte':>9}"
    )
    for lm in load_bundled():
        bits = lm.metrics.get("bits_per_byte")
        shown = "unknown" if bits is None else f"{bits:.3f}"
        print(
            f"{lm.name:<12} {lm.architecture:<12} {lm.parameters:>11,} "
            f"{lm.tokenizer.name:<12} {shown:>9}"
        )


def bench(options: argparse.Namespace) -> None:
    """Prints how fast the models decode, or how the page holds up."""
    if options.app:
        # Here, as it brings the page's packages.
        from polishgen.page.measure import app_table, measure_app

        print(app_table(measure_app()))
        return
    torch.set_num_threads(check_int("threads", options.threads, 1, 256))
    loaded = [load(name) for name in options.model] if options.model else load_bundled()
    print(speed_table([measure_decoding(lm, options.tokens, options.repeats) for lm in loaded]))


def load_bundled() -> list[LanguageModel]:
    """All models that come with the code; `CheckpointError` if there are none."""
    if not bundled_names():
        raise CheckpointError("there are no models in checkpoints/")
    return [load(name) for name in bundled_names()]


def printable(text: str) -> str:
    """`text` as the terminal's encoding can show it."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def parser() -> argparse.ArgumentParser:
    """All commands and their options; the defaults are those of `LanguageModel.stream`."""
    top = argparse.ArgumentParser("polishgen", description="Small Polish language models.")
    commands = top.add_subparsers(dest="command", required=True)
    model_help = 'a bundled name, a folder, or "user/repo" on the Hub'

    make = commands.add_parser("generate", help="continue a text")
    make.add_argument("prompt", nargs="?", default=PROMPT, help="- reads standard input")
    make.add_argument("--model", default="transformer", help=model_help)
    make.add_argument("--revision", help="branch, tag or commit on the Hub")
    make.add_argument("--max-new-tokens", type=int, default=200)
    for name, what in (
        ("temperature", "0 is greedy"),
        ("top_k", "0 keeps all"),
        ("top_p", "1 keeps all"),
        ("min_p", "0 keeps all"),
        ("repetition_penalty", "1 changes nothing"),
    ):
        default = getattr(DEFAULT_SAMPLING, name)
        make.add_argument(
            "--" + name.replace("_", "-"),
            type=type(default),
            default=default,
            help=f"{what} (%(default)s)",
        )
    make.add_argument("--stop", action="append", help="end before this text; may be repeated")
    make.add_argument("--seed", type=int, help="the same seed gives the same text")
    make.set_defaults(run=generate)

    judge = commands.add_parser("score", help="perplexity and bits per byte of a text")
    judge.add_argument("text", help="- reads standard input")
    judge.add_argument("--model", action="append", help=model_help + "; all bundled if not given")
    judge.add_argument("--revision", help="branch, tag or commit on the Hub")
    judge.set_defaults(run=score)

    commands.add_parser("models", help="the bundled models").set_defaults(run=models)

    speed = commands.add_parser("bench", help="decoding speed, with state and without")
    speed.add_argument("--model", action="append", help=model_help + "; all bundled if not given")
    speed.add_argument("--tokens", type=int, default=200)
    speed.add_argument("--repeats", type=int, default=3)
    speed.add_argument("--threads", type=int, default=1, help="of torch; 1, as on the page")
    speed.add_argument("--app", action="store_true", help="measure the page instead")
    speed.set_defaults(run=bench)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 with a one-line message for an error of the user's, 130 for Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except PolishgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone; Python would complain once more while closing.
        sys.stderr.close()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
