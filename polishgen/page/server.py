"""The page's server: Gradio's API engine, with a front end of our own before it.

Gradio serves `generate`, `score` and `compare` over HTTP, to `gradio_client` and over MCP. The page
in web/ (one HTML file, a style sheet, ES modules; no build) asks `/do/NAME` for work and gets
events. Everything that takes time stands in one `Line`, whoever asked for it.
"""

import ctypes
import hashlib
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from functools import lru_cache
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from urllib.parse import urlencode

import gradio as gr
from anyio import to_thread
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polishgen.bench import PROMPT
from polishgen.decoding import compile_in_background, is_cached
from polishgen.errors import ParameterError, PolishgenError, TooManyTokensError
from polishgen.page import api, arena, card, compare, reading
from polishgen.page.line import Event, Line
from polishgen.page.models import default_genre, genres, models, names, title
from polishgen.page.texts import LANGUAGES, TEXTS, language_of, markdown
from polishgen.page.writing import (
    MAX_COLUMNS,
    MAX_TEXT,
    MAX_TOKENS,
    N_WRITERS,
    check_run,
    decode_link,
    encode_link,
    replay,
    text_of,
    write,
)
from polishgen.parameters import GenerationConfig, check, number
from polishgen.sampling import DEFAULT_PRESET, SAMPLING_PRESETS
from polishgen.tokenizer import SURROGATE

WEB = Path(__file__).parent / "web"
TABS = ("write", "arena", "compare", "inside", "about")
# As many runs at once as there are cores; so many more may wait.
LINE = Line(places=N_WRITERS, longest=100)
# Room for four texts of the longest, in characters of four bytes.
LARGEST_BODY = 2**20
# Parameter of mallopt(3).
M_ARENA_MAX = -8
# Chosen among the first sixteen: a seed by which each model begins with a whole sentence.
EXAMPLE_TOKENS, EXAMPLE_SEED = 90, 9
example_is_there = Flag()

Work = Callable[[dict], Iterator[Event]]


def write_columns(request: dict) -> Iterator[Event]:
    """The Write tab's columns, each {"text", "model", "options"}."""
    columns = request.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise ParameterError("columns", columns, f"a list of 1 to {MAX_COLUMNS} objects")
    runs = [check_run(column.get("model"), column.get("options")) for column in columns]
    return write([(column.get("text"), run) for column, run in zip(columns, runs, strict=True)])


WORK: dict[str, Work] = {
    "write": write_columns,
    "replay": lambda request: replay(request.get("run")),
    "read": reading.read,
    "influence": reading.influence_of,
    "neuron": reading.neuron,
    "judge": compare.judge,
    "measure": compare.measure,
    "arena": arena.play,
}
ANSWERS: dict[str, Callable[[dict], object]] = {
    "vote": arena.vote,
    "votes": lambda request: arena.standings(),
}


def build_page() -> gr.Server:
    """The server with all its routes; loads the models first, and writes the example.

    Where code has yet to be compiled, which takes half a minute, the example comes after that.
    """
    share_heaps()
    models()
    # Only now: a process that ends while code is loaded is aborted.
    writer = Thread(target=write_example, args=[compile_in_background()], daemon=True)
    writer.start()
    if is_cached():
        writer.join()
    server = gr.Server(docs_url=None, redoc_url=None, openapi_url=None)
    api.add_endpoints(server, LINE)
    server.add_middleware(SmallBodies)
    server.add_middleware(GZipMiddleware, minimum_size=1000)
    # At an address of this version, so that no browser mixes its modules with another's.
    server.mount(f"/static/{template()[1]}", StaticFiles(directory=WEB), name="static")
    for tab in TABS:
        path = "/" if tab == "write" else f"/{tab}"
        server.add_api_route(path, shown(tab), methods=["GET", "HEAD"])
    server.add_api_route("/do/{name}", do, methods=["POST"])
    server.add_api_route("/plot/{name}", plot, methods=["GET"])
    server.add_api_route("/card.png", card_picture, methods=["GET", "HEAD"])
    return server


def write_example(loading: Thread) -> None:
    """Writes the example when `loading`, of compiled code, has ended."""
    loading.join()
    example()
    example_is_there.set()


def share_heaps() -> None:
    """Two heaps for all threads that are yet to begin, where the C library is glibc.

    It would give each its own, and each heap keeps what the largest run on its thread has freed.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


def launch(server: gr.Server, host: str | None, port: int | None, *, block: bool = True) -> str:
    """Serves the page, the API and the MCP server; returns the local address.

    None for host or port: Gradio's own choice, that is GRADIO_SERVER_NAME and GRADIO_SERVER_PORT,
    or 127.0.0.1 and the first free port from 7860. With `block` it returns once interrupted.
    """
    api.answer_mcp_in_json()
    if "SPACE_ID" in os.environ:
        # The Hub's proxy, by which alone a Space is reached, says what the visitor's address was.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")
    _, address, _ = server.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=not block,
        quiet=not block,
        mcp_server=True,
        max_file_size=LARGEST_BODY,
        share=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
    )
    return address


class SmallBodies:
    """Refuses requests with a body of more than `LARGEST_BODY` bytes, announced or not."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts while the body comes."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > LARGEST_BODY:
            return await Response(status_code=413)(scope, receive, send)
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            return {"type": "http.disconnect"} if got > LARGEST_BODY else message

        return await self.app(scope, counted, send)


async def body_of(request: Request) -> dict:
    """The request's JSON object; `ParameterError` if it is none."""
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise ParameterError("request", "", "JSON") from error
    if not isinstance(body, dict):
        raise ParameterError("request", body, "a JSON object")
    return body


async def do(name: str, request: Request) -> Response:
    """Work as a stream of server-sent events, or an answer at once; 422 for bad values."""
    try:
        if name in ANSWERS:
            return JSONResponse(await to_thread.run_sync(ANSWERS[name], await body_of(request)))
        if name not in WORK:
            return JSONResponse({"error": {"message": "not found"}}, 404)
        work = await to_thread.run_sync(WORK[name], await body_of(request))
    except PolishgenError as error:
        return JSONResponse({"error": told(error)}, 422)
    except ClientDisconnect:
        # Nobody is there to read this answer.
        return Response(status_code=400)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events(work), media_type="text/event-stream", headers=headers)


async def events(work: Iterator[Event]) -> AsyncIterator[str]:
    """Places in the line, then the work's events, then {"done": true}, or {"error": …}."""
    try:
        async with aclosing(LINE.run(lambda: work)) as stream:
            async for event in stream:
                yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        yield 'data: {"done": true}\n\n'
    except PolishgenError as error:
        yield f"data: {json.dumps({'error': told(error)})}\n\n"
    except Exception:
        logging.exception("work for the page failed")
        yield 'data: {"error": {"kind": "failed"}}\n\n'


def told(error: PolishgenError) -> dict[str, object]:
    """An error for the page to say in the visitor's language, by its kind or its parameter."""
    told = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, ParameterError):
        value = SURROGATE.sub("\ufffd", str(error.value)[:60])
        told |= {"parameter": error.parameter, "value": value}
    if isinstance(error, TooManyTokensError):
        told |= {"count": error.count, "most": error.most}
    return told


async def in_line(function: Callable[..., object], *arguments: object) -> object:
    """What `function` returns, once its turn has come."""

    def work() -> Iterator[Event]:
        yield {"result": function(*arguments)}

    async with aclosing(LINE.run(work)) as stream:
        [result] = [event["result"] async for event in stream if "result" in event]
    return result


async def card_picture(request: Request, run: str, column: int = 0, lang: str = "pl") -> Response:
    """A link's text as a picture to post."""
    try:
        check("column", column, number(int, ge=0, le=len(decode_link(run)) - 1))
        text = await in_line(text_of, run, column)
    except PolishgenError as error:
        return JSONResponse({"error": told(error)}, 422)
    language = lang if lang in LANGUAGES else "pl"
    link = f"{str(request.base_url).rstrip('/')}/?run={run}"
    picture = await to_thread.run_sync(card.draw, text, language, link)
    return Response(picture, media_type="image/png", headers={"cache-control": "max-age=3600"})


async def plot(name: str, request: Request) -> Response:
    """A chart as SVG; its letters and lines take the page's own colours."""
    query = dict(request.query_params)
    try:
        drawn = await to_thread.run_sync(compare.plot, name, language_of(request), query)
    except PolishgenError as error:
        return JSONResponse({"error": told(error)}, 422)
    headers = {"cache-control": "no-store"}  # a measurement changes the chart of speeds
    return Response(drawn, media_type="image/svg+xml", headers=headers)


@lru_cache(maxsize=1)
def example() -> list[Event]:
    """The default sentence's continuation by every model: what a new visitor sees first."""
    config = GenerationConfig(
        seed=EXAMPLE_SEED, max_new_tokens=EXAMPLE_TOKENS, genre=default_genre()
    )
    options = dict(config)
    served = names()[:MAX_COLUMNS]
    mended, *_ = events = list(write([(PROMPT, check_run(name, options)) for name in served]))
    written = []
    for index, name in enumerate(served):
        own = [event["columns"][index] for event in events if index in event["columns"]]
        columns = [{"columns": {0: news}} for news in own]
        columns[0]["mended"] = mended["mended"]
        run = {"model": name, "options": options, "backend": own[-1]["backend"], "events": columns}
        written.append(run)
    return written


def example_picture() -> str:
    """Address of the first example's card."""
    first = example()[-1]
    news = [event["columns"][0] for event in first["events"]]
    length = sum(len(token[1]) for each in news for token in each["tokens"])
    run = {"model": first["model"], "length": length, "backend": first["backend"]} | first[
        "options"
    ]
    return "card.png?" + urlencode({"run": encode_link([[PROMPT, run]])})


@lru_cache(maxsize=1)
def settings() -> dict:
    """What the page's scripts need to know of models, parameters and limits."""
    return {
        "models": {
            name: {
                "title": title(name),
                "architecture": lm.architecture,
                "parameters": lm.parameters,
            }
            for name, lm in models().items()
        },
        "parameters": GenerationConfig.model_json_schema()["properties"],
        "presets": {name: dict(preset) for name, preset in SAMPLING_PRESETS.items()},
        "genres": genres(),
        "default_genre": default_genre(),
        "prompt": PROMPT,
        "max_tokens": MAX_TOKENS,
        "max_text": MAX_TEXT,
        "max_columns": MAX_COLUMNS,
        "read_tokens": reading.READ_TOKENS,
        "neurons": reading.neuron_sizes(),
    }


@lru_cache(maxsize=1)
def template() -> tuple[Environment, str]:
    """The page's template, and a name for this version of web/'s files to cache by."""
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters["md"] = markdown
    files = b"".join(path.read_bytes() for path in sorted(WEB.glob("*.*")))
    return environment, hashlib.sha256(files).hexdigest()[:8]


def shown(tab: str) -> Callable:
    """The handler that serves the page with `tab` open."""

    async def serve(request: Request) -> HTMLResponse:
        environment, version = template()
        language = language_of(request)
        root = request.scope.get("root_path", "").rstrip("/")
        run = request.query_params.get("run")
        about = {"title": TEXTS[language][f"title_{tab}"], "text": TEXTS[language]["subtitle"]}
        picture = example_picture() if example_is_there.is_set() else None
        if run:
            try:
                column = decode_link(run)[0]
                prompt = next((s for s in column if isinstance(s, str)), "")
                about["title"] = f"{prompt[:70]}… – polishgen"
                picture = "card.png?" + urlencode({"run": run, "lang": language})
            except PolishgenError:
                pass  # the page's script will say what is wrong with the link
        html = environment.get_template("page.html").render(
            t=TEXTS[language],
            language=language,
            other=next(each for each in LANGUAGES if each != language),
            tab=tab,
            tabs=TABS,
            root=root,
            base=str(request.base_url).rstrip("/"),
            version=version,
            about=about,
            picture=picture,
            settings=settings() | {"language": language, "texts": TEXTS[language], "tab": tab},
            example=example() if example_is_there.is_set() else [],
            models=models(),
            columns=names()[:MAX_COLUMNS],
            default_preset=DEFAULT_PRESET,
            title_of=title,
            cards=compare.cards(),
            pictures=compare.pictures(),
            prose=reading.PROSE,
            rows=compare.rows(),
        )
        response = HTMLResponse(html, headers={"vary": "accept-language, cookie"})
        if "lang" in request.query_params:
            response.set_cookie("lang", language, max_age=31_536_000, samesite="lax")
        return response

    return serve
