"""The page's functions for programs: `generate`, `score` and `compare`, named and typed.

Gradio serves each over HTTP, to `gradio_client`, and as a tool of the MCP server. What they take
beside the prompt are `GenerationConfig`'s fields, with its descriptions. `generate` and
`compare` stream, each message holding all that has been written so far.
"""

import inspect
import json
import math
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Literal

import gradio as gr
import gradio.mcp

from polishgen.errors import ParameterError, PolishgenError
from polishgen.introspection import whole_characters
from polishgen.page.line import Line
from polishgen.page.models import models, names
from polishgen.page.writing import (
    CONTEXT_TOKENS,
    MAX_COLUMNS,
    MAX_TEXT,
    check_run,
    check_tokens,
    write,
)
from polishgen.parameters import GenerationConfig, check, choice, string

SCORE_TOKENS = 8_000
Parameters = dict[str, tuple[object, object, str]]
KINDS = {"integer": int, "number": float, "boolean": bool, "string": str}


def add_endpoints(server: gr.Server, line: Line) -> None:
    """Adds the three functions, with a schema for the models that are served.

    How many run at once is the line's business, not Gradio's.
    """

    def add(function: Callable[..., AsyncIterator], kind: type, parameters: Parameters) -> None:
        async def endpoint(*values: object) -> AsyncIterator[object]:
            with refused_by_name():
                given = dict(zip(parameters, values, strict=True))
                async with aclosing(function(line, **given)) as results:
                    async for result in results:
                        yield result

        endpoint.__name__ = function.__name__
        endpoint.__doc__ = described(function, parameters)
        endpoint.__annotations__ = {name: kind for name, (kind, _, _) in parameters.items()}
        endpoint.__annotations__["return"] = kind
        place = inspect.Parameter.POSITIONAL_OR_KEYWORD
        endpoint.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, place, default=default, annotation=annotation)
                for name, (annotation, default, _) in parameters.items()
            ],
            return_annotation=kind,
        )
        server.api(endpoint, name=function.__name__, concurrency_limit=None)

    served = Literal[names()]
    needed = inspect.Parameter.empty
    prompt = (str, needed, f"Polish text to continue, at most {CONTEXT_TOKENS:,} tokens.")
    model = (served, names()[0], "One of " + ", ".join(names()) + ".")
    several = (list[served] | None, None, "Some of " + ", ".join(names()) + "; null for all.")
    text = (str, needed, f"Polish text, 1 to {SCORE_TOKENS:,} tokens.")
    genre = options()["genre"]
    add(generate, str, {"prompt": prompt, "model": model} | options())
    add(score, dict, {"text": text, "model": model, "genre": genre})
    add(compare, dict, {"prompt": prompt, "models": several} | options())


def options() -> Parameters:
    """The fields of `GenerationConfig` as parameters: type, default, description."""
    found: Parameters = {}
    for name, schema in GenerationConfig.model_json_schema()["properties"].items():
        kinds = [KINDS.get(each.get("type")) for each in schema.get("anyOf", [schema])]
        kind: Any = list[str] | None if name == "stop" else next(filter(None, kinds))
        if "anyOf" in schema:
            kind = kind | None
        default = schema.get("default") or None if name == "stop" else schema.get("default")
        found[name] = (kind, default, f"{schema['description']} (default {default})")
    return found


def described(function: Callable, parameters: Parameters) -> str:
    """The function's docstring with its parameters, as Gradio reads it for its schemas."""
    lines = [f"    {name}: {text}" for name, (_, _, text) in parameters.items()]
    return "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Args:", *lines])


async def generate(line: Line, prompt: str, model: str, **options: object) -> AsyncIterator[str]:
    """Continue a Polish text with one small language model; streams the continuation so far."""
    check("model", model, choice(*names()))
    async for texts in written(line, prompt, [model], options):
        yield texts[model]["text"]


async def compare(
    line: Line, prompt: str, models: list[str] | None, **options: object
) -> AsyncIterator[dict]:
    """Let several small language models continue the same Polish text, streaming.

    Gives for each model its text so far, tokens, tokens_per_second and finish_reason.
    """
    chosen = list(names()[:MAX_COLUMNS]) if models is None else models
    if not isinstance(chosen, list) or not chosen:
        raise ParameterError("models", chosen, "a list of some of " + ", ".join(names()))
    for name in chosen:
        check("models", name, choice(*names()))
    async for texts in written(line, prompt, chosen, options):
        yield texts


async def written(
    line: Line, prompt: str, models: list[str], options: dict
) -> AsyncIterator[dict[str, dict]]:
    """All models' texts so far, after each update."""
    stop = {} if options.get("stop") is not None else {"stop": ()}
    seed = {} if options.get("seed") is not None else {"seed": secrets.randbelow(2**31)}
    runs = [check_run(name, options | stop | seed) for name in dict.fromkeys(models)]
    check_tokens("prompt", check("prompt", prompt, string(MAX_TEXT)), runs[0].model, CONTEXT_TOKENS)
    texts = {run.model: {"text": "", "tokens": 0} for run in runs}
    work = write([(prompt, run) for run in runs])
    async with aclosing(line.run(lambda: work)) as events:
        async for event in events:
            for index, news in event.get("columns", {}).items():
                of_model = texts[runs[index].model]
                of_model["text"] += "".join(token[1] for token in news["tokens"])
                of_model["tokens"] = news["count"]
                of_model["tokens_per_second"] = round(news["count"] / max(news["seconds"], 1e-6), 1)
                of_model["finish_reason"] = news["end"]
            if "columns" in event:
                yield texts


async def score(line: Line, text: str, model: str, genre: str | None) -> AsyncIterator[dict]:
    """Tell how well a small language model predicts a Polish text.

    Gives perplexity, bits_per_byte, n_bytes, and for each token (tokens that share a character
    together) its text and logprob in nats.
    """
    lm = models()[check("model", model, choice(*names()))]
    check_tokens("text", check("text", text, string(MAX_TEXT)), model, SCORE_TOKENS)
    if not text:
        raise ParameterError("text", text, "at least one character long")
    check_run(model, {"genre": genre})

    def work() -> Iterator[dict]:
        yield {"score": lm.score(text, genre=genre)}

    async with aclosing(line.run(work)) as events:
        [result] = [event["score"] async for event in events if "score" in event]
    groups = whole_characters(lm, result.tokens)
    yield {
        "model": model,
        "perplexity": result.perplexity,
        "bits_per_byte": result.bits_per_byte,
        "n_bytes": result.n_bytes,
        "tokens": [
            {"text": characters, "logprob": math.fsum(result.logprobs[i] for i in group)}
            for group, characters in groups
        ],
    }


@contextmanager
def refused_by_name() -> Iterator[None]:
    """Turns polishgen's errors into Gradio's, which clients get as their message."""
    try:
        yield
    except PolishgenError as error:
        raise gr.Error(str(error), print_exception=False) from error


class JSONTools(gradio.mcp.GradioMCPServer):
    """Gradio's MCP server, its results as JSON rather than as Python prints them."""

    def postprocess_output_data(self, data: Any, root_url: str) -> list:
        """Text stays text; anything else becomes JSON."""
        told = [
            each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in data
        ]
        return super().postprocess_output_data(told, root_url)


def answer_mcp_in_json() -> None:
    """Lets Gradio make its MCP server of `JSONTools`; it has no option for that."""
    gradio.mcp.GradioMCPServer = JSONTools
