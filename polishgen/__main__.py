"""Command line: `python -m polishgen generate | score | models | bench`."""

import argparse
import sys
from collections.abc import Sequence

import torch

from polishgen.bench import (
    PROMPT,
    BenchConfig,
    measure_decoding,
    measure_sparsity,
    sparsity_table,
    speed_table,
)
from polishgen.chorus import load_all
from polishgen.command_line import add_options, command, given
from polishgen.errors import ParameterError, PolishgenError
from polishgen.language_model import LanguageModel, load
from polishgen.parameters import GenerationConfig


def generate(options: argparse.Namespace) -> None:
    """Writes the prompt and, as it comes, its continuation."""
    prompt = standard_input() if options.prompt == "-" else options.prompt
    chosen = given(options, GenerationConfig)
    pieces = load(options.model, options.revision).stream(prompt, **chosen)
    print(printable(prompt), end="", flush=True)
    tokens, seconds = 0, 0.0
    for piece in pieces:
        print(printable(piece.text), end="", flush=True)
        tokens, seconds = tokens + len(piece.token_ids), piece.seconds
    print()
    print(f"{tokens} tokens, {tokens / seconds:.1f} tokens/s", file=sys.stderr)


def score(options: argparse.Namespace) -> None:
    """Prints how well each model predicts the text."""
    text = standard_input() if options.text == "-" else options.text
    if options.revision and not options.model:
        raise ParameterError("revision", options.revision, "left out unless --model is given")
    models = load_models(options.model, options.revision)
    print(f"{'model':<12} {'tokens':>7} {'perplexity':>11} {'bits/byte':>10}")
    for lm in models:
        result = lm.score(text)
        print(
            f"{lm.name:<12} {len(result.tokens):>7} {result.perplexity:>11.2f} "
            f"{result.bits_per_byte:>10.3f}"
        )


def models(options: argparse.Namespace) -> None:
    """Prints the bundled models and what is known of them."""
    print(
        f"{'name':<12} {'architecture':<12} {'parameters':>11} {'tokenizer':<12} {'bits/byte':>9}"
    )
    for lm in load_models(None):
        bits = lm.metrics.get("bits_per_byte")
        shown = f"{bits:.3f}" if isinstance(bits, float) else "unknown"
        print(
            f"{lm.name:<12} {lm.architecture:<12} {lm.parameters:>11,} "
            f"{lm.tokenizer.name:<12} {shown:>9}"
        )


def bench(options: argparse.Namespace) -> None:
    """Prints how fast the models decode, or how the page holds up."""
    chosen = given(options, BenchConfig)
    if options.app and chosen:
        name, value = next(iter(chosen.items()))
        raise ParameterError(name, value, "left out with --app")
    if options.app:
        # Here, as it brings the page's packages.
        from polishgen.bench_app import app_table, measure_app

        print(app_table(measure_app()))
        return
    config = BenchConfig(**chosen)
    torch.set_num_threads(config.threads)
    if options.sparsity:
        print(sparsity_table(measure_sparsity(config.tokens)))
        return
    loaded = load_models(options.model)
    speeds = [measure_decoding(lm, config.tokens, config.repeats) for lm in loaded]
    print(speed_table([speed for of_model in speeds for speed in of_model]))


def load_models(names: list[str] | None, revision: str | None = None) -> list[LanguageModel]:
    """The models of these names; if None, the bundled ones and the chorus that they make."""
    return [load(name, revision) for name in names] if names else load_all()


def standard_input() -> str:
    """All of standard input, as UTF-8; `PolishgenError` if it is not."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise PolishgenError(f"standard input is not UTF-8: {wrong}") from error


def printable(text: str) -> str:
    """`text` as the terminal's encoding can show it."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser("polishgen", description="Small Polish language models.")
    commands = top.add_subparsers(dest="command", required=True)
    model_help = 'a bundled name, "chorus" (all bundled), a folder, or "user/repo" on the Hub'
    several = model_help + "; may be given several times (all bundled models, and the chorus)"

    make = commands.add_parser("generate", help="continue a text")
    make.add_argument(
        "prompt", nargs="?", default=PROMPT, help=f"to continue; - reads standard input ({PROMPT})"
    )
    make.add_argument("--model", default="transformer", help=model_help)
    make.add_argument("--revision", help="branch, tag or commit on the Hub")
    add_options(make, GenerationConfig)
    make.set_defaults(run=generate)

    judge = commands.add_parser("score", help="perplexity and bits per byte of a text")
    judge.add_argument("text", help="to score; - reads standard input")
    judge.add_argument("--model", action="append", help=several)
    judge.add_argument("--revision", help="branch, tag or commit on the Hub")
    judge.set_defaults(run=score)

    commands.add_parser("models", help="the bundled models").set_defaults(run=models)

    speed = commands.add_parser("bench", help="decoding speed, with state and without")
    subject = speed.add_mutually_exclusive_group()
    subject.add_argument("--model", action="append", help=several)
    subject.add_argument(
        "--sparsity", action="store_true", help="BDH instead, with fewer and fewer neurons active"
    )
    subject.add_argument("--app", action="store_true", help="measure the page instead")
    add_options(speed, BenchConfig)
    speed.set_defaults(run=bench)
    return top


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command."""
    options = parser().parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    sys.exit(main())
