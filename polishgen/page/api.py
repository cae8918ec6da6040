"""The page's functions for programs: `generate`, `score` and `compare`, named and typed.

Gradio serves each over HTTP, to `gradio_client`, and as a tool of the MCP server, with the
docstrings below as their description. Notable: `generate` and `compare` stream, each message
holding all that has been written so far; a value that is not allowed is refused by name.
"""

from collections.abc import Iterator, Sequence

import gradio as gr

from polishgen.checkpoint import configured_models
from polishgen.errors import check_choice, check_str
from polishgen.page.failures import told_to_visitor
from polishgen.page.models import model_named
from polishgen.page.run_settings import RunSettings, new_seed
from polishgen.page.turns import Progress, take_turns
from polishgen.parameters import GenerationConfig

# A second or two of work.
TEXT_LIMIT = 20_000
DEFAULTS = GenerationConfig()


def add_endpoints() -> None:
    """Adds the three endpoints to the page under construction."""
    for function in (generate, score, compare):
        gr.api(function, api_name=function.__name__, concurrency_id="models")


def generate(
    prompt: str,
    model: str = "transformer",
    max_new_tokens: int = DEFAULTS.max_new_tokens,
    temperature: float = DEFAULTS.temperature,
    top_k: int = DEFAULTS.top_k,
    top_p: float = DEFAULTS.top_p,
    min_p: float = DEFAULTS.min_p,
    repetition_penalty: float = DEFAULTS.repetition_penalty,
    stop: list[str] | None = None,
    seed: int | None = None,
    genre: str | None = None,
    starts_new_word: bool = DEFAULTS.starts_new_word,
) -> Iterator[str]:
    """Continue a Polish text with one small language model, streaming the continuation.

    Args:
        prompt: Polish text to continue, at most 4,000 characters; may be empty.
        model: One of gru, transformer, bdh.
        max_new_tokens: 1 to 1,000; a Polish word is about two tokens.
        temperature: 0 (always the likeliest token) to 5.
        top_k: Keep this many of the likeliest tokens, 0 for all.
        top_p: Keep the likeliest tokens that together reach this probability, above 0 to 1.
        min_p: Drop tokens less likely than this share of the likeliest, 0 to 1.
        repetition_penalty: Above 1 makes tokens that have already come less likely, 0.5 to 3.
        stop: Strings that end the text and are left out of it.
        seed: The same seed gives the same text; null takes a new one.
        genre: One of the model's genres; null lets the model guess.
        starts_new_word: Whether the prompt's last word is complete.

    Returns:
        The continuation so far, without the prompt.
    """
    with told_to_visitor("en"):
        check_choice("model", model, configured_models())
        progresses = run(
            prompt,
            [model],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop=stop,
            seed=seed,
            genre=genre,
            starts_new_word=starts_new_word,
        )
        for progress in progresses:
            yield progress[model].text


def compare(
    prompt: str,
    models: list[str] | None = None,
    max_new_tokens: int = DEFAULTS.max_new_tokens,
    temperature: float = DEFAULTS.temperature,
    top_k: int = DEFAULTS.top_k,
    top_p: float = DEFAULTS.top_p,
    min_p: float = DEFAULTS.min_p,
    repetition_penalty: float = DEFAULTS.repetition_penalty,
    stop: list[str] | None = None,
    seed: int | None = None,
    genre: str | None = None,
    starts_new_word: bool = DEFAULTS.starts_new_word,
) -> Iterator[dict[str, dict]]:
    """Let several small language models continue the same Polish text side by side, streaming.

    Args:
        prompt: Polish text to continue, at most 4,000 characters; may be empty.
        models: Some of gru, transformer, bdh; null for all.
        max_new_tokens: 1 to 1,000, for each model.
        temperature: 0 (always the likeliest token) to 5.
        top_k: Keep this many of the likeliest tokens, 0 for all.
        top_p: Keep the likeliest tokens that together reach this probability, above 0 to 1.
        min_p: Drop tokens less likely than this share of the likeliest, 0 to 1.
        repetition_penalty: Above 1 makes tokens that have already come less likely, 0.5 to 3.
        stop: Strings that end a text and are left out of it.
        seed: The same seed gives the same texts; null takes a new one.
        genre: One of the model's genres; null lets the model guess.
        starts_new_word: Whether the prompt's last word is complete.

    Returns:
        For each model its text so far, tokens, tokens_per_second and finish_reason.
    """
    with told_to_visitor("en"):
        names = configured_models() if models is None else models
        progresses = run(
            prompt,
            names,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop=stop,
            seed=seed,
            genre=genre,
            starts_new_word=starts_new_word,
        )
        for progress in progresses:
            yield {name: summary(of_model) for name, of_model in progress.items()}


def score(text: str, model: str = "transformer") -> dict:
    """Tell how well a small language model predicts a Polish text.

    Args:
        text: The text, 1 to 20,000 characters.
        model: One of gru, transformer, bdh.

    Returns:
        perplexity, bits_per_byte, n_bytes, and for each token its text and its logprob (nats).
    """
    with told_to_visitor("en"):
        lm = model_named(model)
        result = lm.score(check_str("text", text, TEXT_LIMIT))
        pieces = [lm.tokenizer.decode([token]) for token in result.tokens]
        return {
            "model": model,
            "perplexity": result.perplexity,
            "bits_per_byte": result.bits_per_byte,
            "n_bytes": result.n_bytes,
            "tokens": [
                {"text": piece, "logprob": logprob}
                for piece, logprob in zip(pieces, result.logprobs, strict=True)
            ],
        }


def run(
    prompt: str, models: Sequence[str], *, seed: int | None, **options: object
) -> Iterator[dict[str, Progress]]:
    """The progress of all `models`; `options` are fields of `RunSettings`."""
    seed = new_seed() if seed is None else seed
    settings = RunSettings(prompt=prompt, models=models, seed=seed, **options)
    yield from take_turns(settings.streams(dict.fromkeys(settings.models, settings.prompt)))


def summary(progress: Progress) -> dict[str, object]:
    """What `compare` tells about one model."""
    return {
        "text": progress.text,
        "tokens": progress.tokens,
        "tokens_per_second": round(progress.tokens_per_second, 1),
        "finish_reason": progress.finish_reason,
    }
