"""The page's API through the clients that people use: gradio_client, plain HTTP, MCP."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
import pytest
from conftest import save_tiny_checkpoint
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool
from page_server import serve_page

import polishgen
from polishgen.page.writing import encode_link

pytestmark = pytest.mark.xdist_group("page")
PROMPT = "Pewnego razu młody książe"
MODELS = ["gru", "transformer", "bdh", "chorus"]
AWKWARD_PROMPTS = {
    "empty": "",
    "emoji": "Zosia 👩‍👩‍👧 i 🐈",
    "control characters": "raz\x00dwa\x07trzy\x1b[31m",
    "right to left": "مرحبا שלום",
    "HTML": "<script>alert(1)</script><b>&amp;",
    "spaces": "   \n\n  ",
}


@pytest.fixture(scope="module")
def client(served_page) -> Client:
    return Client(served_page.url, verbose=False)


def stream(url: str, function: str, body: str | dict) -> Iterator[tuple[str, object]]:
    """(event, data) as curl would show them."""
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json"}
    post = httpx.post(f"{url}gradio_api/call/v2/{function}", content=content, headers=headers)
    post.raise_for_status()
    event_url = f"{url}gradio_api/call/v2/{function}/{post.json()['event_id']}"
    with httpx.stream("GET", event_url, timeout=120) as response:
        event = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield event, json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize("model", MODELS)
def test_generate_gives_what_the_python_api_gives(client: Client, model: str):
    options = {"max_new_tokens": 30, "temperature": 0.9, "top_p": 0.9, "seed": 11, "stop": ["."]}
    text = client.predict(PROMPT, model=model, **options, api_name="/generate")
    assert text == polishgen.load(model).generate(PROMPT, **options)


def test_generate_streams_to_gradio_client(client: Client):
    job = client.submit(PROMPT, max_new_tokens=80, seed=1, api_name="/generate")
    job.result()
    texts = job.outputs()
    assert len(texts) > 1
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_generate_streams_over_plain_http(served_page):
    events = list(
        stream(served_page.url, "generate", {"prompt": PROMPT, "seed": 1, "model": "gru"})
    )
    texts = [data[0] for event, data in events if event == "generating"]
    assert len(texts) > 1
    assert texts[0] != texts[-1] and texts[-1].startswith(texts[0])
    assert events[-1][0] == "complete"
    assert events[-1][1] == [polishgen.load("gru").generate(PROMPT, seed=1)]


def test_score_gives_what_the_python_api_gives(client: Client):
    text = "Żółw szedł powoli przez łąkę."
    result = client.predict(text, model="bdh", api_name="/score")
    score = polishgen.load("bdh").score(text)
    assert result["perplexity"] == pytest.approx(score.perplexity)
    assert result["bits_per_byte"] == pytest.approx(score.bits_per_byte)
    assert result["n_bytes"] == len(text.encode())
    assert sum(token["logprob"] for token in result["tokens"]) == pytest.approx(sum(score.logprobs))
    assert "".join(token["text"] for token in result["tokens"]) == text


def test_compare_lets_every_model_write_what_it_would_write_alone(client: Client):
    result = client.predict(PROMPT, max_new_tokens=25, seed=5, api_name="/compare")
    assert list(result) == MODELS
    for model, written in result.items():
        alone = polishgen.load(model).generate(PROMPT, max_new_tokens=25, seed=5)
        assert written["text"] == alone
        assert written["tokens"] <= 25
        assert written["tokens_per_second"] > 0


def test_compare_takes_some_of_the_models(client: Client):
    result = client.predict(PROMPT, models=["bdh"], max_new_tokens=2, api_name="/compare")
    assert list(result) == ["bdh"]


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        ("generate", {"temperature": -1}, "temperature"),
        ("generate", {"temperature": "hot"}, "temperature"),
        ("generate", {"top_p": 2}, "top_p"),
        ("generate", {"top_k": -3}, "top_k"),
        ("generate", {"min_p": 1.5}, "min_p"),
        ("generate", {"repetition_penalty": 0}, "repetition_penalty"),
        ("generate", {"max_new_tokens": 0}, "max_new_tokens"),
        ("generate", {"max_new_tokens": 100_000}, "max_new_tokens"),
        ("generate", {"max_new_tokens": 2.5}, "max_new_tokens"),
        ("generate", {"genre": "essay"}, "genre"),
        ("generate", {"starts_new_word": "maybe"}, "starts_new_word"),
        ("score", {"text": "👩‍👩‍👧" * 1_500}, "text"),
        ("generate", {"model": "gpt"}, "model"),
        ("generate", {"model": "../gru"}, "model"),
        ("generate", {"seed": -1}, "seed"),
        ("generate", {"stop": [""]}, "stop"),
        ("generate", {"stop": 7}, "stop"),
        ("generate", {"prompt": "a" * 100_000}, "prompt"),
        ("generate", {"prompt": 3}, "prompt"),
        ("compare", {"models": []}, "models"),
        ("compare", {"models": "gru"}, "models"),
        ("compare", {"models": [{}]}, "models"),
        ("score", {"text": ""}, "text"),
        ("score", {"text": "a" * 100_000}, "text"),
        ("score", {"text": "a", "model": "gpt"}, "model"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(client: Client, function, arguments, name):
    given = ({} if function == "score" else {"prompt": PROMPT}) | arguments
    with pytest.raises(AppError, match=f"^{name}=.* is not allowed: it must be "):
        client.predict(**given, api_name=f"/{function}")


def test_not_a_number_is_refused(served_page):
    body = '{"prompt": "raz", "temperature": NaN}'
    event, data = list(stream(served_page.url, "generate", body))[-1]
    assert event == "error"
    assert data["error"].startswith("temperature=nan ")


@pytest.mark.parametrize("prompt", AWKWARD_PROMPTS.values(), ids=AWKWARD_PROMPTS)
def test_awkward_prompts_are_continued(client: Client, prompt: str):
    options = {"max_new_tokens": 5, "seed": 3, "model": "gru"}
    text = client.predict(prompt, **options, api_name="/generate")
    assert text == polishgen.load("gru").generate(prompt, max_new_tokens=5, seed=3)


def test_a_lone_surrogate_is_taken_for_an_unknown_character(served_page):
    body = '{"prompt": "raz \\ud800 dwa", "max_new_tokens": 5, "seed": 3}'
    event, data = list(stream(served_page.url, "generate", body))[-1]
    assert event == "complete"
    expected = polishgen.load("gru").generate("raz \ufffd dwa", max_new_tokens=5, seed=3)
    assert data == [expected]


@asynccontextmanager
async def mcp_tools(url: str) -> AsyncIterator[tuple[ClientSession, dict[str, Tool]]]:
    """An MCP client's session with the page, and its tools by name."""
    async with (
        streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session, {tool.name: tool for tool in (await session.list_tools()).tools}


def test_mcp_tools(served_page):
    async def use_tools():
        async with mcp_tools(served_page.url) as (session, tools):
            generate = next(name for name in tools if name.endswith("generate"))
            options = {"max_new_tokens": 10, "seed": 2, "model": "gru"}
            written = await session.call_tool(generate, {"prompt": PROMPT, **options})
            refused = await session.call_tool(generate, {"prompt": PROMPT, "top_p": 7})
            score = next(name for name in tools if name.endswith("score"))
            scored = await session.call_tool(score, {"text": "Ó", "model": "gru"})
            return tools, generate, written, refused, scored

    tools, generate, written, refused, scored = asyncio.run(use_tools())
    assert len(tools) == 3
    assert {"generate", "score", "compare"} == {name.rsplit("_", 1)[-1] for name in tools}
    schema = tools[generate].inputSchema
    assert schema["properties"]["temperature"]["type"] == "number"
    assert "likeliest" in schema["properties"]["temperature"]["description"]
    expected = polishgen.load("gru").generate(PROMPT, max_new_tokens=10, seed=2)
    assert written.content[0].text == expected
    assert refused.isError
    assert "top_p" in refused.content[0].text
    # Two tokens that share a character come as one; results are JSON.
    [token] = json.loads(scored.content[0].text)["tokens"]
    assert token["text"] == "Ó"
    assert token["logprob"] == pytest.approx(sum(polishgen.load("gru").score("Ó").logprobs))


def test_whole_floats_are_integers(client: Client):
    options = {"seed": 3.0, "max_new_tokens": 5.0, "top_k": 40.0}
    text = client.predict(PROMPT, **options, api_name="/generate")
    assert text == polishgen.load("gru").generate(PROMPT, max_new_tokens=5, seed=3, top_k=40)


def test_other_models_than_the_bundled_ones(tmp_path):
    folder = save_tiny_checkpoint(tmp_path / "my-gru", "gru")
    with serve_page({"POLISHGEN_MODELS": str(folder)}) as page:
        client = Client(page.url, verbose=False)
        options = {"max_new_tokens": 5, "seed": 1}
        expected = polishgen.load(str(folder)).generate("a", **options)
        assert client.predict("a", **options, api_name="/generate") == expected
        assert list(client.predict("a", max_new_tokens=5, api_name="/compare")) == [str(folder)]
        info = httpx.get(f"{page.url}gradio_api/info").json()["named_endpoints"]
        for function in ("/generate", "/score"):
            by_name = {p["parameter_name"]: p for p in info[function]["parameters"]}
            assert by_name["model"]["type"] in ({"enum": [str(folder)]}, {"const": str(folder)})
            assert by_name["model"]["parameter_default"] == str(folder)
        with pytest.raises(AppError, match=r"^model='bdh' is not allowed"):
            client.predict("a", model="bdh", api_name="/generate")
        for path in ("", "compare", "inside", "about", "arena"):
            answer = httpx.get(page.url + path)
            assert answer.is_success and "my-gru" in answer.text
        schema, written = asyncio.run(generate_by_mcp(page.url, {"prompt": "a", **options}))
        assert schema["properties"]["model"].get("default") == str(folder)
        assert written == expected


async def generate_by_mcp(url: str, arguments: dict) -> tuple[dict, str]:
    """The schema of the tool `generate`, and what it gives."""
    async with mcp_tools(url) as (session, tools):
        generate = next(name for name in tools if name.endswith("generate"))
        written = await session.call_tool(generate, arguments)
        return tools[generate].inputSchema, written.content[0].text


def test_bodies_and_uploads_are_small(served_page):
    big = b"a" * 1_100_000
    assert httpx.post(f"{served_page.url}do/write", content=big).status_code == 413
    upload = httpx.post(f"{served_page.url}gradio_api/upload", files={"files": ("a", big)})
    assert upload.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"a" * 40_000

    try:
        answer = httpx.post(f"{served_page.url}do/write", content=chunks())
        assert answer.status_code >= 400
    except httpx.TransportError:
        pass  # hung up on


@pytest.mark.parametrize(
    "body", ["", "[]", "7", '{"columns": 7}', '{"columns": [7]}', "{", "[" * 100_000]
)
def test_requests_that_make_no_sense_are_refused(served_page, body: str):
    answer = httpx.post(f"{served_page.url}do/write", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["parameter"] in ("request", "columns")
    assert httpx.post(f"{served_page.url}do/nothing", content="{}").status_code == 404


def test_nothing_that_is_sent_breaks_an_answer(served_page):
    url = served_page.url
    for columns in ([[]], json.loads("[" * 500 + "]" * 500), [["a"], []]):
        code = encode_link(columns)
        assert httpx.get(url, params={"run": code}).is_success
        assert httpx.get(f"{url}card.png", params={"run": code}).status_code == 422
    # Lone surrogates, which browsers can send.
    run = {"model": "gru", "length": 2, "seed": 1}
    code = encode_link([["raz \ud800", run]])
    assert "raz \ufffd" in httpx.get(url, params={"run": code}).text
    assert httpx.get(f"{url}card.png", params={"run": code}).is_success
    long = httpx.post(f"{url}do/read", content='{"text": "%s"}' % ("\\ud800" * 60_001))
    assert long.status_code == 422 and long.json()["error"]["parameter"] == "text"
    round_ = httpx.post(f"{url}do/arena", content='{"prompt": "raz \\ud800", "count": 2}')
    assert round_.text.endswith('data: {"done": true}\n\n')
    read = httpx.post(f"{url}do/read", content='{"text": "raz \\ud800", "models": ["gru"]}')
    assert "bits_per_byte" in read.text and read.text.endswith('{"done": true}\n\n')
    shares = {"active": "nan", "firing": "0.1"}
    assert httpx.get(f"{url}plot/neurons.svg", params=shares).status_code == 422
    assert httpx.get(f"{url}plot/speed.svg").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=app.py",
        "gradio_api/file=checkpoints/gru/config.json",
        "gradio_api/file=../../../../etc/passwd",
        "gradio_api/file=..%2f..%2f..%2f..%2fetc%2fpasswd",
        "gradio_api/file=/proc/self/environ",
        "static/..%2f..%2f..%2fblocks.py",
        "assets/..%2f..%2f..%2fblocks.py",
    ],
)
def test_no_file_can_be_read_through_the_page(served_page, path: str):
    assert httpx.get(served_page.url + path).status_code in (400, 403, 404)


def test_nothing_but_the_three_functions_can_be_called(client: Client, served_page):
    named = httpx.get(f"{served_page.url}gradio_api/info").json()
    assert set(named["named_endpoints"]) == {"/generate", "/score", "/compare"}
    assert not named["unnamed_endpoints"]
