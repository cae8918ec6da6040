"""The page in a real browser, as a visitor uses it: mouse, keyboard, both languages, a phone.

Waits are for what a visitor would see, never for a time.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_server import ROOT
from playwright.sync_api import Browser, CDPSession, Locator, Page, Route, expect, sync_playwright

import polishgen
from polishgen.bench_app import answers
from polishgen.page.texts import TEXTS
from polishgen.page.writing import decode_link, encode_link

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="these tests need chromium"),
    pytest.mark.xdist_group("page"),
]

PROMPT = "Pewnego razu młody książe"
TABS = ("write", "arena", "compare", "inside", "about")
WAIT_MS = 60_000
OpenPage = Callable[..., Page]
expect.set_options(timeout=WAIT_MS)

# Sums layout shifts from before the page's first paint.
WATCH_SHIFT = """
window.shift = 0;
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, served_page) -> Iterator[OpenPage]:
    """Opens the page as a new visitor; afterwards checks what must hold whatever was done there."""
    contexts, requested, errors = [], [], []

    def open_one(
        path: str = "", locale: str = "pl-PL", width: int = 1280, drafts: int | None = 1, **options
    ) -> Page:
        # One draft of each sentence is written sooner; None leaves the setting as visitors find it.
        viewport = {"width": width, "height": 844 if width < 500 else 800}
        context = browser.new_context(locale=locale, viewport=viewport, **options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.add_init_script(WATCH_SHIFT)
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(served_page.url + path)
        page.locator("html[data-ready]").wait_for()
        if drafts and "?" not in path:
            set_drafts = (
                "(field, n) => { field.value = n; field.dispatchEvent(new Event('change')); }"
            )
            page.locator("#drafts").evaluate(set_drafts, drafts)
        return page

    yield open_one
    for context in contexts:
        context.close()
    own = (served_page.url, "data:", "blob:")
    assert not [url for url in requested if not url.startswith(own)], "another host was asked"
    assert not errors
    log = served_page.log.read_text()
    assert "Traceback" not in log, log[-3000:]


def models_of(page: Page) -> list[str]:
    return page.locator("#columns .column").evaluate_all("all => all.map(e => e.dataset.model)")


def paper(page: Page, index: int) -> Locator:
    return page.locator("#columns .column").nth(index).locator(".paper")


def texts_of(page: Page) -> dict[str, str]:
    """The columns' texts; Chromium's innerText would drop spaces."""
    texts = page.locator("#columns .column .paper").evaluate_all(
        "all => all.map(e => e.textContent)"
    )
    return dict(zip(models_of(page), texts, strict=True))


def set_up(page: Page, **settings: object) -> None:
    """Puts values into the settings' fields; a seed stays until another is given."""
    if page.locator("#panel").is_hidden():
        page.locator("#settings-button").click()
    for name, value in settings.items():
        field = page.locator(f"#{name.replace('_', '-')}")
        field.fill(str(value))
        field.press("Tab")
    if "seed" in settings:
        page.locator("#seed-lock").check()


def is_off(page: Page, selector: str) -> bool:
    return page.locator(selector).get_attribute("aria-disabled") == "true"


def until_off(page: Page, selector: str) -> None:
    expect(page.locator(selector)).to_have_attribute("aria-disabled", "true")


def until_ready(page: Page) -> None:
    """A run is over, well or not: Generate and Continue are on, Stop is off."""
    until_off(page, "#stop")
    expect(page.locator("#generate")).to_have_attribute("aria-disabled", "false")
    expect(page.locator("#continue")).to_have_attribute("aria-disabled", "false")


def generate(page: Page) -> dict[str, str]:
    """Presses Generate and waits for the end."""
    page.locator("#columns .column").first.evaluate("e => e.dataset.old = 'true'")
    page.locator("#generate").click()
    expect(page.locator("#columns .column[data-old]")).to_have_count(0)
    until_ready(page)
    return texts_of(page)


def until_running(page: Page) -> None:
    page.wait_for_function(
        """() => document.querySelector('#stop').ariaDisabled === 'false' &&
            document.querySelectorAll('#columns .busy .token').length > 4"""
    )


def slow_down(page: Page) -> CDPSession:
    """Lets answers come in slowly, so that a run lasts some seconds on the fastest server, too.

    Until the session that it returns is detached.
    """
    conditions = {"offline": False, "latency": 0, "downloadThroughput": 3e4, "uploadThroughput": -1}
    session = page.context.new_cdp_session(page)
    session.send("Network.emulateNetworkConditions", conditions)
    # Novels do not end after a page, as tales do.
    page.locator("[name=genre][value=novel]").check(force=True)
    return session


def link_of(page: Page, index: int = 0) -> str:
    page.locator("#columns .column").nth(index).locator(".share").click()
    page.locator("#sharing[open]").wait_for()
    link = page.locator("#link").input_value()
    page.locator("#close-sharing").click()
    return link


def alone(model: str, prompt: str, **options: object) -> str:
    # Tales are what the page writes unless told otherwise.
    return polishgen.load(model).generate(prompt, **{"genre": "tale", "drafts": 1, **options})


def test_a_new_visitor_sees_text_at_once(open_page: OpenPage):
    shown = []
    for locale, width in (("pl-PL", 1280), ("en-GB", 390)):
        page = open_page(locale=locale, width=width)
        language = locale[:2]
        assert page.locator("#prompt").input_value() == PROMPT
        expect(page.locator("#status")).to_have_text(TEXTS[language]["example_note"])
        page.wait_for_function(
            "[...document.querySelectorAll('#columns progress')].every(bar => bar.value === 1)"
        )
        shown.append(texts_of(page))
        assert all(len(text) > 100 and text.startswith(PROMPT) for text in shown[-1].values())
        assert page.evaluate("window.shift") < 0.05
        # Nothing that matters lies below the fold.
        height = page.viewport_size["height"]
        for selector in ("#prompt", "#generate", "#columns .token"):
            box = page.locator(selector).first.bounding_box()
            assert box["y"] + box["height"] < height, selector
        if width > 1000:
            tops = page.locator("#columns .column").evaluate_all(
                "all => all.map(e => Math.round(e.getBoundingClientRect().top))"
            )
            assert len(set(tops)) == 1
    assert shown[0] == shown[1]


def test_texts_are_what_the_library_writes(open_page: OpenPage):
    page = open_page(drafts=None)
    set_up(page, max_new_tokens=20, seed=4)
    texts = generate(page)
    drafts = polishgen.SamplingConfig().drafts
    assert drafts > 1
    for model, text in texts.items():
        assert text == PROMPT + alone(model, PROMPT, max_new_tokens=20, seed=4, drafts=drafts)
    expect(page.locator("#mended")).to_contain_text("książe → książę")
    # Continue takes the settings as they are now.
    set_up(page, max_new_tokens=12, temperature="0,7")
    page.locator("#continue").click()
    until_ready(page)
    options = {"max_new_tokens": 12, "seed": 4, "temperature": 0.7, "starts_new_word": False}
    options["drafts"] = drafts
    longer = texts_of(page)
    for model, text in longer.items():
        assert text == texts[model] + alone(model, texts[model], **options)
    # A link to each text repeats it, for another visitor in another language.
    for index, text in enumerate(longer.values()):
        other = open_page("?" + link_of(page, index).split("?")[1], locale="en-GB")
        expect(paper(other, 0)).to_have_text(text)
        assert list(texts_of(other).values()) == [text]
    with page.expect_download() as download:
        page.locator("#columns .share").first.click()
        page.locator("#download-json").click()
    record = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert {each["model"]: each["text"] for each in record["texts"]} == longer
    page.locator("#close-sharing").click()
    # Unlocked, the seed is drawn anew.
    page.locator("#seed-lock").uncheck()
    assert generate(page) != longer
    assert page.locator("#seed").input_value() != "4"


def test_typos_are_corrected_unless_the_visitor_says_otherwise(open_page: OpenPage):
    page = open_page()
    expect(page.locator("#mended")).to_contain_text("książe → książę")
    page.locator("#prompt").fill("mlody krol")
    set_up(page, max_new_tokens=12, seed=4)
    meant = generate(page)
    expect(page.locator("#mended")).to_contain_text("mlody → młody, krol → król")
    page.locator("[name=mends_spelling]").uncheck()
    as_typed = generate(page)
    expect(page.locator("#mended")).to_be_hidden()
    for texts, mends in ((meant, True), (as_typed, False)):
        for model, text in texts.items():
            options = {"max_new_tokens": 12, "seed": 4, "mends_spelling": mends}
            assert text == "mlody krol" + alone(model, "mlody krol", **options)
    assert meant != as_typed
    other = open_page("?" + link_of(page, 0).split("?")[1])
    expect(paper(other, 0)).to_have_text(next(iter(as_typed.values())))
    expect(other.locator("[name=mends_spelling]")).not_to_be_checked()


def test_stop_keeps_what_stands_there_and_its_link_says_the_same(open_page: OpenPage):
    page = open_page()
    set_up(page, max_new_tokens=1000, seed=2, drafts=1)
    slow_down(page)
    page.locator("#generate").click()
    until_running(page)
    assert page.evaluate("document.activeElement.id") == "generate"
    page.keyboard.press("Escape")
    until_ready(page)
    stopped = texts_of(page)
    # Columns take turns sentence by sentence: not each one has begun.
    model, text = max(stopped.items(), key=lambda column: len(column[1]))
    options = {"max_new_tokens": 1000, "seed": 2, "genre": "novel", "drafts": 1}
    whole = PROMPT + alone(model, PROMPT, **options)
    assert len(PROMPT) < len(text) < len(whole) and whole.startswith(text)
    other = open_page("?" + link_of(page, list(stopped).index(model)).split("?")[1])
    expect(paper(other, 0)).to_have_text(text)
    until_ready(other)
    assert texts_of(other) == {model: text}
    assert texts_of(page) == stopped


def test_no_error_locks_the_page(open_page: OpenPage):
    page = open_page(locale="en-GB")
    set_up(page, max_new_tokens=5)
    status = page.locator("#status")
    boxes = page.locator("[name=models]")
    for index in range(boxes.count()):
        boxes.nth(index).uncheck(force=True)
    page.locator("#generate").click()
    expect(status).to_contain_text("at least one model")
    boxes.first.check(force=True)
    page.locator("#seed-lock").check()
    for name, value, good, told in (
        ("seed", "", "1", "Seed: “” is not allowed"),
        ("seed", "99999999999999999999", "1", "Seed"),
        (
            "temperature",
            "7",
            "1",
            "Temperature: “7” is not allowed; it must be a number from 0 to 5",
        ),
        ("temperature", "hot", "1", "Temperature: “hot”"),
        ("max_new_tokens", "100,000", "5", "“100000” is not allowed; it must be a whole number"),
        ("max_new_tokens", "100000", "5", "from 1 to 1,000"),
        ("top_p", "0", "1", "a number above 0, at most 1"),
        ("stop_strings", "\n".join("abcdefghijklmnopqrst"), "", "up to 16 strings"),
    ):
        set_up(page, **{name: value})
        page.locator("#generate").click()
        expect(status).to_contain_text(told)
        until_ready(page)
        set_up(page, **{name: good})
    texts = generate(page)
    assert len(texts) == 1 and all(len(text) > len(PROMPT) for text in texts.values())
    expect(status).to_have_text("")
    damaged = open_page("?run=AAAA", locale="pl-PL")
    expect(damaged.locator("#columns .token").first).to_be_visible()
    expect(damaged.locator("#status")).to_have_text(TEXTS["pl"]["bad_link"])
    asked = open_page("?prompt=Ala&temperature=9", locale="pl-PL")
    expect(asked.locator("#status")).to_contain_text("Temperatura: wartość „9” jest niedozwolona")
    until_ready(asked)


def test_a_text_outlives_reload_and_lost_connections(open_page: OpenPage):
    page = open_page(locale="en-GB")
    set_up(page, max_new_tokens=1000, drafts=1, seed=9)
    slow = slow_down(page)
    page.locator("#prompt").fill("Wieczorem")
    page.locator("#generate").click()
    until_running(page)
    page.reload()
    page.locator("html[data-ready]").wait_for()
    expect(page.locator("#notice")).to_contain_text("interrupted")
    assert page.locator("#prompt").input_value() == "Wieczorem"
    kept = texts_of(page)
    assert all(text.startswith("Wieczorem") for text in kept.values())
    assert max(map(len, kept.values())) > len("Wieczorem")
    assert page.locator("#max-new-tokens").input_value() == "1000"
    page.locator("#go-on").click()
    until_running(page)
    page.locator("#stop").click()
    until_ready(page)
    longer = texts_of(page)
    assert all(longer[model].startswith(text) for model, text in kept.items())
    # Without a network: a message, the text, and on again.
    slow.detach()
    page.context.set_offline(True)
    page.locator("#continue").click()
    expect(page.locator("#notice")).to_contain_text("connection was lost")
    until_ready(page)
    assert texts_of(page) == longer
    page.context.set_offline(False)
    slow_down(page)
    page.locator("#go-on").click()
    until_running(page)
    page.keyboard.press("Escape")
    until_ready(page)
    # What was written before is in the history.
    set_up(page, max_new_tokens=5)
    page.locator("#prompt").fill("Rano")
    generate(page)
    page.locator("#history summary").click()
    page.locator("#runs button", has_text="Wieczorem").first.click()
    assert all(text.startswith("Wieczorem") for text in texts_of(page).values())


def stored_runs(page: Page) -> list[dict]:
    """What the browser keeps, the latest first."""
    runs = page.evaluate(
        "Object.entries(localStorage).filter(([k]) => k.startsWith('polishgen.run.'))"
        ".map(([_, run]) => JSON.parse(run))"
    )
    return sorted(runs, key=lambda run: -run["time"])


# Fills the browser's storage until there is hardly room for a sentence.
FILL = """() => {
    let length = 0;
    for (let more = 2 ** 22; more >= 256; more /= 2)
        try { localStorage.setItem('filler', 'x'.repeat(length + more)); length += more; } catch {}
}"""


def test_a_full_storage_keeps_the_latest_texts(open_page: OpenPage):
    page = open_page()
    set_up(page, max_new_tokens=15, seed=3)
    generate(page)
    for _ in range(2):
        page.locator("#continue").click()
        until_ready(page)
    # However many branches, each token is there once.
    [run] = stored_runs(page)
    for index, tree in enumerate(run["trees"]):
        shown = page.locator("#columns .column").nth(index).locator(".token").count()
        assert sum(len(s.get("tokens", [])) for s in tree["segments"]) == shown
        assert len(tree["nodes"]) == 3
    page.evaluate(FILL)
    page.locator("#continue").click()
    until_ready(page)
    longer = texts_of(page)
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert texts_of(page) == longer and page.locator("#columns .branches").first.is_visible()
    page.evaluate(FILL)
    page.locator("#prompt").fill("Rano")
    latest = generate(page)
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert texts_of(page) == latest


def test_no_window_and_no_edit_undoes_another(open_page: OpenPage):
    page = open_page()
    column, field = page.locator("#columns .column").first, page.locator(".paper-field")
    # An example that is touched while it is played stands there whole.
    page.locator("#columns .token").first.wait_for()
    column.locator(".edit").click()
    expect(page.locator("#columns .share[aria-disabled=false]")).to_have_count(4)
    column.locator(".edit").click()
    assert not stored_runs(page)
    set_up(page, max_new_tokens=5, seed=3)
    for prompt in ("Wieczorem", "Rano"):
        page.locator("#prompt").fill(prompt)
        generate(page)
    page.locator("#history summary").click()

    def choose(prompt: str) -> None:
        page.locator("#runs button", has_text=prompt).first.click()

    def edit(text: str) -> None:
        column.locator(".edit").click()
        field.fill(text)

    # An edit that is still open counts, whatever comes next.
    choose("Wieczorem")
    edit("Wieczorem pierwszy")
    choose("Rano")
    assert texts_of(page)["gru"].startswith("Rano")
    choose("Wieczorem")
    assert texts_of(page)["gru"] == "Wieczorem pierwszy"
    edit("Wieczorem drugi")
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert texts_of(page)["gru"] == "Wieczorem drugi"
    column.locator(".undo").click()
    edit("Wieczorem trzeci")
    page.locator("#columns .share").nth(1).click()
    expect(field).to_have_count(0)
    page.locator("#close-sharing").click()
    assert texts_of(page)["gru"] == "Wieczorem trzeci"
    # A second window shows the latest run, and leaves it as it is until it changes it.
    other = page.context.new_page()

    def visit() -> None:
        other.goto(page.url)
        other.locator("html[data-ready]").wait_for()

    visit()
    assert texts_of(other) == texts_of(page)
    page.locator("#continue").click()
    until_ready(page)
    longer = texts_of(page)
    other.reload()
    other.goto("about:blank")
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert texts_of(page) == longer
    # Of two that change it, each has its own.
    visit()
    count = len(stored_runs(page))
    for each, text in ((page, "Wieczorem tu"), (other, "Wieczorem tam")):
        each.locator("#columns .edit").first.click()
        each.locator(".paper-field").fill(text)
        each.locator("#columns .edit").first.click()
    for each, text in ((page, "Wieczorem tu"), (other, "Wieczorem tam")):
        each.reload()
        each.locator("html[data-ready]").wait_for()
        assert texts_of(each)["gru"] == text
    assert len(stored_runs(page)) == count + 1
    # What the first one is writing has not been interrupted.
    third = page.context.new_page()
    set_up(page, max_new_tokens=1000, drafts=1)
    slow_down(page)
    page.locator("#generate").click()
    page.wait_for_function("Object.values(localStorage).some(run => run.includes('\"running\":['))")
    third.goto(page.url)
    third.locator("html[data-ready]").wait_for()
    shown = texts_of(third)["gru"]
    expect(third.locator("#notice")).to_be_hidden()
    page.keyboard.press("Escape")
    until_ready(page)
    assert texts_of(page)["gru"].startswith(shown) and shown != "Wieczorem tu"


def test_what_was_not_written_leaves_nothing(open_page: OpenPage):
    page = open_page(locale="en-GB")
    stats = page.locator("#columns .stats").first
    set_up(page, max_new_tokens=5, seed=3)
    texts = generate(page)
    figures = stats.inner_text()
    set_up(page, temperature="7")
    page.locator("#continue").click()
    expect(page.locator("#status")).to_contain_text("Temperature")
    until_ready(page)
    assert texts_of(page) == texts and stats.inner_text() == figures
    expect(page.locator("#columns .branches").first).to_be_hidden()
    [[prompt, run]] = decode_link(link_of(page).split("run=")[1])
    assert prompt == PROMPT and run.config.temperature == 1.05
    for offline in (False, True):
        page.context.set_offline(offline)
        page.locator("#generate").click()
        told = page.locator("#notice" if offline else "#status")
        expect(told).to_contain_text("connection was lost" if offline else "Temperature")
        until_ready(page)
    page.context.set_offline(False)
    assert len(stored_runs(page)) == 1
    page.locator("#history summary").click()
    page.locator("#runs button").first.click()
    assert texts_of(page) == texts


def test_links_say_what_was_written_and_give_way_to_the_visitor(open_page: OpenPage):
    page = open_page()
    options = {"seed": 8, "max_new_tokens": 6}
    text = "Ala" + polishgen.load("gru").generate("Ala", **options)
    run = {"model": "gru", "length": len(text) - 3}

    def visit(columns: list, path: str = "") -> None:
        page.goto(page.url.split("?")[0] + "?run=" + encode_link(columns) + path)
        page.locator("html[data-ready]").wait_for()
        until_ready(page)

    # One of before, which said no more than was not the default, in a window that is set otherwise.
    set_up(page, stop_strings="zzz")
    page.locator("[name=preset][value=wild]").check(force=True)
    visit([["Ala", run | options, " koniec"]])
    expect(paper(page, 0)).to_have_text(text + " koniec")
    expect(page.locator("#columns .own")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("")
    assert page.locator("#stop-strings").input_value() == ""
    expect(page.locator("[name=preset][value=balanced]")).to_be_checked()
    # It stays in the address, and is one text of the visitor's however often it is read.
    page.reload()
    until_ready(page)
    expect(paper(page, 0)).to_have_text(text + " koniec")
    assert len(stored_runs(page)) == 1
    # One that says what it is to say, and a column that is all a person's.
    [[_, again, _]] = decode_link(link_of(page).split("run=")[1])
    assert again.config == polishgen.parameters.GenerationConfig(**options)
    written = page.evaluate(
        """async () => {
            const main = document.querySelector('script[type=module]').src;
            const {hashOf} = await import(main.replace('main.js', 'texts.js'));
            return hashOf(document.querySelector('#columns .paper').textContent);
        }"""
    )
    for told, shown in ((written, ""), ("1abc", TEXTS["pl"]["link_differs"])):
        visit([["Ala", run | options | {"hash": told}, " koniec"], ["Sam to napisałem."]])
        expect(paper(page, 1)).to_have_text("Sam to napisałem.")
        expect(page.locator("#status")).to_have_text(shown)
    # What the visitor does next takes its place.
    set_up(page, max_new_tokens=5)
    assert "?" not in page.url
    page.locator("#prompt").fill("Rano")
    texts = generate(page)
    count = len(stored_runs(page))
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert texts_of(page) == texts and page.locator("#prompt").input_value() == "Rano"
    page.goto(page.url + "?prompt=Ala&max_new_tokens=4")
    expect(paper(page, 0)).to_contain_text("Ala")
    until_ready(page)
    assert "?" not in page.url and len(stored_runs(page)) == count + 1


def test_a_link_that_was_not_read_to_its_end_says_nothing_else(open_page: OpenPage):
    page = open_page()
    options = {"seed": 2, "max_new_tokens": 600, "genre": "novel", "drafts": 1}
    lm = polishgen.load("gru")
    first = lm.generate("Ala", **options)
    short = options | {"max_new_tokens": 10}
    second = lm.generate("Ala" + first + " WTEDY", **short)
    runs = [
        {"model": "gru", "length": len(first)} | options,
        {"model": "gru", "length": len(second)} | short,
    ]
    whole = "Ala" + first + " WTEDY" + second
    code = encode_link([["Ala", runs[0], " WTEDY", runs[1]]])
    slow = slow_down(page)
    page.goto(page.url + "?run=" + code)
    until_running(page)
    page.locator("#stop").click()
    until_ready(page)
    for _ in range(2):
        [shown] = texts_of(page).values()
        assert "Ala" < shown < "Ala" + first and first.startswith(shown[3:])
        # Again, but now the connection is lost.
        if page.locator("#notice").is_hidden():
            page.reload()
            until_running(page)
            page.context.set_offline(True)
            expect(page.locator("#notice")).to_contain_text(TEXTS["pl"]["connection_lost"])
            until_ready(page)
            page.context.set_offline(False)
    slow.detach()
    page.locator("#go-on").click()
    expect(paper(page, 0)).to_have_text(whole)
    until_ready(page)
    assert list(texts_of(page).values()) == [whole]


def test_a_run_is_not_disturbed_by_looking_at_its_words(open_page: OpenPage):
    page = open_page(locale="en-GB")
    popover = page.locator("#popover")
    set_up(page, max_new_tokens=1000, drafts=1, seed=2)
    page.locator("#tint").check()
    slow_down(page)
    page.locator("#generate").click()
    until_running(page)
    token = page.locator("#columns .token").nth(2)
    token.click()
    expect(popover).to_be_visible()
    page.keyboard.press("Escape")
    expect(popover).to_be_hidden()
    assert not is_off(page, "#stop")
    # A word that cannot be taken yet is not lost.
    token.click()
    popover.locator("input").fill("nagle")
    popover.locator("form button").click()
    expect(popover).to_contain_text(TEXTS["en"]["still_writing"])
    assert popover.locator("input").input_value() == "nagle"
    popover.locator("ol button").first.click()
    expect(popover).to_be_visible()
    page.keyboard.press("Escape")
    expect(popover).to_be_hidden()
    page.keyboard.press("Escape")
    until_ready(page)
    page.reload()
    page.locator("html[data-ready]").wait_for()
    expect(page.locator("#tint")).to_be_checked()
    background = page.locator("#columns .token").last.evaluate(
        "e => getComputedStyle(e).background"
    )
    assert "rgba(230, 120, 30" in background


def test_branches_edits_and_other_models(open_page: OpenPage):
    page = open_page()
    set_up(page, max_new_tokens=15, seed=6)
    generate(page)
    column = page.locator("#columns .column").first
    model = models_of(page)[0]
    before = texts_of(page)[model]
    tokens = column.locator(".token")
    tokens.nth(3).click()
    popover = page.locator("#popover")
    expect(popover).to_contain_text("%")
    choices = popover.locator("ol button:not([aria-current])")
    chosen = choices.first.locator(".word").inner_text().replace("␣", " ").replace("⏎", "\n")
    start = PROMPT + "".join(tokens.nth(i).evaluate("e => e.textContent") for i in range(3))
    choices.first.click()
    until_ready(page)
    branched = texts_of(page)[model]
    assert branched.startswith(start + chosen)
    options = {"max_new_tokens": 15, "seed": 6, "starts_new_word": False}
    assert branched == start + chosen + alone(model, start + chosen, **options)
    column.locator(".undo").click()
    assert texts_of(page)[model] == before
    column.locator(".redo").click()
    assert texts_of(page)[model] == branched
    column.locator(".branches").select_option("0")
    assert texts_of(page)[model] == before
    # A word of one's own.
    tokens.nth(2).click()
    popover.locator("input").fill("nagle")
    popover.locator("form button").click()
    until_ready(page)
    expect(column.locator(".own")).to_contain_text("nagle")
    # An edit stays, the rest of the text with it, and another model goes on from there.
    column.locator(".edit").click()
    field = column.locator("textarea")
    edited = field.input_value().replace("nagle", "powoli")
    field.fill(edited)
    column.locator(".edit").click()
    assert texts_of(page)[model] == edited
    guest = models_of(page)[1]
    column.locator(".go-on").select_option(guest)
    until_ready(page)
    expect(column.locator(".guest").first).to_be_visible()
    final = texts_of(page)[model]
    assert final.startswith(edited)
    other = open_page("?" + link_of(page).split("?")[1])
    expect(paper(other, 0)).to_have_text(final)


def test_the_keyboard_alone(open_page: OpenPage):
    page = open_page()
    set_up(page, max_new_tokens=15, seed=1)
    page.locator("#prompt").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Wieczorem")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('#columns .paper').textContent.startsWith('Wieczorem')"
    )
    until_ready(page)
    assert page.evaluate("document.activeElement.id") == "prompt"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.paper')"):
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#popover")).to_contain_text("%")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#popover').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#popover")).to_be_hidden()
    assert page.evaluate("document.activeElement.matches('.paper')")


def test_awkward_prompts(open_page: OpenPage):
    page = open_page(locale="en-GB")
    set_up(page, max_new_tokens=3, seed=2)
    html = "<script>document.title='x'</script><img src=x onerror=\"document.title='x'\">"
    for prompt in ("", html, "Zosia 👩‍👩‍👧 שלום \x07", "👩‍👩‍👧" * 400, "ala ma kota " * 2_000):
        page.locator("#prompt").fill(prompt)
        texts = generate(page)
        shown = page.locator("#prompt").input_value()
        assert all(text.startswith(shown) for text in texts.values())
        assert page.title() != "x"
    for times in (5_001, 30_000):
        page.locator("#prompt").fill("ala ma kota " * times)
        page.locator("#generate").click()
        expect(page.locator("#status")).to_contain_text("at most 60,000 characters")
        until_ready(page)
    # Nor is it taken to be looked into.
    page.locator("nav [data-tab=inside]").click()
    expect(page.locator("#readings .paper")).to_have_count(4)
    expect(page.locator("#inside-status")).to_have_text("")


# Runs of 4 × 1,000 tokens, as many as a browser has connections; resolves once all stand in line.
CROWD = """options => {
    window.crowd = new AbortController();
    const models = [...document.querySelectorAll('#columns .column')].map(e => e.dataset.model);
    const columns = models.map(model => ({model, text: 'Ala', options}));
    const headers = {'content-type': 'application/json'}, body = JSON.stringify({columns});
    const request = {method: 'POST', headers, body, signal: crowd.signal};
    const runs = [1, 2, 3, 4, 5, 6].map(() => fetch('do/write', request).catch(() => {}));
    return Promise.all(runs).then(() => {});
}"""


def test_waiting_visitors_see_their_place(open_page: OpenPage):
    others, page = open_page(), open_page(locale="pl-PL")
    set_up(page, max_new_tokens=20, seed=5)
    others.evaluate(CROWD, {"max_new_tokens": 1000, "seed": 5, "genre": "novel"})
    page.locator("#generate").click()
    expect(page.locator("#status")).to_contain_text("Twoje miejsce w kolejce: ")
    assert is_off(page, "#generate") and not is_off(page, "#stop")
    others.evaluate("crowd.abort()")
    until_ready(page)
    expect(page.locator("#status")).to_have_text("")
    assert all(len(text) > len(PROMPT) for text in texts_of(page).values())
    # Who stops while waiting is out of the queue, too.
    others.evaluate(CROWD, {"max_new_tokens": 1000, "seed": 5, "genre": "novel"})
    page.locator("#generate").click()
    expect(page.locator("#status")).to_contain_text("Twoje miejsce w kolejce: ")
    page.keyboard.press("Escape")
    until_ready(page)
    expect(page.locator("#status")).to_have_text("")
    others.evaluate("crowd.abort()")


@pytest.mark.parametrize(
    ("button", "tab", "status", "field", "shown"),
    [
        ("#arena-play", "arena", "#arena-status", "#arena-prompt", "#arena-texts .vote"),
        ("#measure", "compare", "#measure-status", "#measure-tokens", "#measured td"),
        ("#judge", "compare", "#judge-status", "#own-text", "#judged td"),
        ("#look", "inside", "#inside-status", "#inside-text", "#readings .paper"),
    ],
)
def test_a_lost_connection_loses_nothing(
    open_page: OpenPage, button: str, tab: str, status: str, field: str, shown: str
):
    page, others = open_page(tab), open_page()
    start, status, typed = page.locator(button), page.locator(status), "100"
    if tab == "inside":
        page.locator("#firing span").first.wait_for()
    page.locator(field).fill(typed)
    before = page.locator(shown).count()

    def until_lost() -> None:
        expect(status).to_have_text(TEXTS["pl"]["connection_lost"])
        expect(start).to_have_attribute("aria-disabled", "false")
        assert page.locator(shown).count() == before

    page.context.set_offline(True)
    start.click()
    until_lost()
    page.context.set_offline(False)
    others.evaluate(CROWD, {"max_new_tokens": 1000, "seed": 5, "genre": "novel"})
    start.click()
    expect(status).to_contain_text("Twoje miejsce w kolejce: ")
    page.context.set_offline(True)
    until_lost()
    page.context.set_offline(False)
    others.evaluate("crowd.abort()")
    with page.expect_request("**/do/*"):
        start.click()
    expect(start).to_have_attribute("aria-disabled", "false")
    expect(page.locator(shown).first).to_be_visible()
    expect(status).not_to_have_attribute("data-kind", "error")
    # What was typed outlives a reload, too.
    page.reload()
    assert page.locator(field).input_value() == typed


def test_a_vote_counts_once_however_often_it_is_sent(open_page: OpenPage):
    page = open_page("arena", locale="en-GB")
    votes, status = page.locator("#arena-texts .vote"), page.locator("#arena-status")
    page.locator("#arena-play").click()
    votes.first.wait_for()
    page.context.set_offline(True)
    votes.first.click()
    expect(status).to_contain_text("connection was lost")
    page.context.set_offline(False)
    before = page.request.post(page.url.removesuffix("arena") + "do/votes", data={}).json()["votes"]

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/do/vote", lose_the_answer)
    with page.expect_event("requestfailed"):
        votes.first.click()
    expect(status).to_contain_text("connection was lost")
    page.unroute("**/do/vote")
    votes.nth(1).click()
    expect(status).to_have_text(TEXTS["en"]["arena_thanks"])
    # The first one counts.
    expect(page.locator("#arena-texts .column").first).to_have_class(re.compile("chosen"))
    expect(page.locator("#arena-tables")).to_contain_text(f"votes: {before + 1}")


def test_what_comes_by_itself_comes_once_there_is_a_network(open_page: OpenPage):
    page = open_page("about", locale="en-GB")
    page.context.set_offline(True)
    page.locator("nav [data-tab=arena]").click()
    expect(page.locator("#arena-tables")).to_contain_text("connection was lost")
    page.locator("nav [data-tab=compare]").click()
    charts = ("#bits-plot", "#speed-plot", "#curves", "#sparsity-plot")
    for chart in charts:
        expect(page.locator(chart)).to_contain_text("connection was lost")
    page.context.set_offline(False)
    for chart in charts:
        page.locator(f"{chart} svg").wait_for()
    page.locator("nav [data-tab=arena]").click()
    expect(page.locator("#arena-tables")).not_to_contain_text("connection was lost")


def test_sharing_without_a_network(open_page: OpenPage):
    page = open_page(locale="en-GB")
    set_up(page, max_new_tokens=5)
    generate(page)
    page.context.set_offline(True)
    assert "?run=" in link_of(page)
    page.locator("#columns .share").first.click()
    expect(page.locator("#sharing-status")).to_contain_text("connection was lost")
    expect(page.locator("#card")).to_be_hidden()
    with page.expect_download():
        page.locator("#download-text").click()
    page.keyboard.press("Escape")
    page.context.set_offline(False)
    page.locator("#columns .share").first.click()
    page.locator("#card").wait_for()
    expect(page.locator("#sharing-status")).to_have_text("")
    with page.expect_download() as download:
        page.locator("#download-card").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_presets(open_page: OpenPage):
    page = open_page()
    set_up(page)
    for preset, values in polishgen.SAMPLING_PRESETS.items():
        page.locator(f"[name=preset][value={preset}]").check(force=True)
        for name, value in dict(values).items():
            field = page.locator("#" + name.replace("_", "-"))
            assert float(field.input_value().replace(",", ".")) == value
    set_up(page, temperature="1,3")
    expect(page.locator("[name=preset]:checked")).to_have_count(0)


def test_the_arena(open_page: OpenPage):
    page = open_page("arena", locale="en-GB")
    page.locator("#arena-play").click()
    page.locator("#arena-texts .vote").first.wait_for()
    expect(page.locator("#arena-texts .paper")).to_have_count(2)
    titles = {"GRU", "Transformer", "Dragon Hatchling", "All together"}
    assert not titles & set(page.locator("#arena-texts h2").all_inner_texts())
    page.locator("#arena-texts .vote").first.click()
    expect(page.locator("#arena-texts h2").first).to_contain_text("A was")
    caption = page.locator("#arena-tables caption").first
    counted = caption.inner_text()
    assert re.search(r"votes: [1-9]", counted)
    page.locator("#arena-texts .vote").first.click(force=True)
    with page.expect_response("**/do/votes"):
        page.reload()
    expect(caption).to_have_text(counted)
    # Who came here first finds the example, too.
    page.locator("nav [data-tab=write]").click()
    expect(page.locator("#columns .token").first).to_be_visible()


def test_a_late_answer_does_not_disturb_the_next_round(open_page: OpenPage):
    page = open_page("arena", locale="en-GB")
    counted = page.locator("#arena-tables")
    expect(counted.locator("table, p").first).to_be_visible()
    votes = page.locator("#arena-texts .vote")
    page.locator("#arena-play").click()
    votes.first.wait_for()
    held = Held(page, "**/do/vote")
    vote = held.ask(votes.first.click)
    page.locator("#arena-play").click()
    expect(page.locator("#arena-status")).to_have_text(TEXTS["en"]["arena_choose"])
    with page.expect_response("**/do/vote"):
        held.let_go(vote)
    expect(counted).to_contain_text("votes: ")
    expect(page.locator("#arena-status")).to_have_text(TEXTS["en"]["arena_choose"])
    assert not any(is_off(page, f"#arena-texts .vote >> nth={i}") for i in range(votes.count()))


def test_compare(open_page: OpenPage):
    page = open_page("compare", locale="en-GB")
    table = page.locator("#table")
    for text in (
        "Perplexity",
        "87.80 M",
        "57.52",
        "Dragon Hatchling (report)",
        "55%",
        "Tokens read",
        "All together",
    ):
        expect(table).to_contain_text(text)
    expect(page.locator("#sparsity-plot svg")).to_contain_text("our model")
    page.locator("#measure-tokens").fill("50")
    page.locator("#measure").click()
    expect(page.locator("#measured tbody tr")).to_have_count(4)
    expect(page.locator("#measure-progress")).to_be_hidden()
    page.locator("#measure-tokens").fill("1000")
    page.locator("#measure").click()
    page.locator("#measure-stop").click()
    expect(page.locator("#measure-progress")).to_be_hidden()
    for x in ("tokens", "minutes"):
        for y in ("bits_per_byte", "loss"):
            for whose in ("ours", "report", "both"):
                for name, value in (("x", x), ("y", y), ("whose", whose)):
                    page.locator(f"#curves-form [name={name}][value={value}]").check(force=True)
                axis = "tokens" if x == "tokens" else "minutes"
                expect(page.locator("#curves svg")).to_contain_text(axis)
                expect(page.locator("#curves svg")).to_contain_text(
                    "bits per byte" if y == "bits_per_byte" else "nats per token"
                )
                drawn = page.locator("#curves svg")
                if whose == "ours":
                    expect(drawn).not_to_contain_text("(report)")
                else:
                    expect(drawn).to_contain_text("(report)")
    text = "Szedł dziad przez las."
    page.locator("#own-text").fill(text)
    page.locator("#judge").click()
    for model in ("gru", "transformer", "bdh"):
        expected = polishgen.load(model).score(text)
        expect(page.locator("#judged")).to_contain_text(f"{expected.bits_per_byte:.3f}")
    page.locator("#own-text").fill(" ")
    page.locator("#judge").click()
    expect(page.locator("#judge-status")).to_contain_text("Text: “” is not allowed")


def test_look_inside(open_page: OpenPage):
    page = open_page("inside", locale="en-GB")
    text = "Dawno, dawno temu żył król.\nDawno temu <b>była</b> też królowa."
    page.locator("#firing span").first.wait_for()
    page.locator("#inside-text").fill("👩‍👩‍👧" * 400)
    page.locator("#look").click()
    expect(page.locator("#inside-status")).to_contain_text("tokens; at most 2,000 are allowed")
    page.locator("#inside-text").fill(text)
    page.locator("#look").click()
    for model in ("gru", "transformer", "bdh"):
        score = polishgen.load(model).score(text)
        reading = page.locator(f"#reading-{model}")
        expect(reading).to_contain_text(f"{score.bits_per_byte:.2f} bits per byte")
        assert reading.locator(".paper").evaluate("e => e.textContent") == text
        expect(reading.locator("b")).to_have_count(0)
    page.locator("#reading-bdh .token").nth(5).click()
    expected = page.locator("#expected")
    expect(expected).to_contain_text("Dragon Hatchling before")
    expect(expected.locator("h4")).to_have_text(["GRU", "Transformer", "Dragon Hatchling"])
    expect(page.locator("#reading-bdh .marked")).to_have_count(1)
    page.locator("#reading-gru .paper").focus()
    page.keyboard.press("ArrowRight")
    expect(expected).to_contain_text("GRU before")
    page.locator("#neuron").fill("17")
    page.locator("#neuron-form button").click()
    expect(page.locator("#firing-summary")).to_contain_text("neuron 17 fires at")
    expect(page.locator("#neuron-shares svg")).to_be_visible()
    # Without it nothing is said of its neurons.
    page.locator("[name=inside-models][value=bdh]").uncheck(force=True)
    page.locator("#look").click()
    expect(page.locator("#neurons")).to_be_hidden()


class Held:
    """Requests to an address of the page that wait until they are let go."""

    def __init__(self, page: Page, address: str):
        self.page, self.routes, self.given_up = page, [], []
        page.route(address, lambda route: self.routes.append(route))
        page.on("requestfailed", lambda request: self.given_up.append(request))

    def ask(self, act: Callable[[], object]) -> Route:
        """The request that `act` makes."""
        count = len(self.routes)
        act()
        self.until(lambda: len(self.routes) > count)
        return self.routes[-1]

    def let_go(self, *routes: Route) -> None:
        """Sends requests on in this order, but for those that the page has given up."""
        for route in routes:
            if route.request not in self.given_up:
                route.continue_()

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds."""
        for _ in range(WAIT_MS // 10):
            if holds():
                return
            self.page.wait_for_timeout(10)
        raise AssertionError("waited in vain")


def test_inside_the_latest_wish_counts(open_page: OpenPage):
    page = open_page("inside", locale="en-GB")
    summary, neuron = page.locator("#firing-summary"), page.locator("#neuron")
    show = page.locator("#neuron-form button").click
    page.locator("#firing span").first.wait_for()
    # What is typed while a text is read stays, and what is taken meanwhile is read instead.
    held = Held(page, "**/do/read")
    first = held.ask(page.locator("#look").click)
    neuron.fill("17")
    second = held.ask(page.locator("#take-prose").click)
    held.let_go(second, first)
    expect(page.locator("#reading-bdh .paper")).to_contain_text("ruszył na wiosnę")
    until_off(page, "#look-stop")
    expect(summary).not_to_have_text("")
    assert neuron.input_value() == "17" and page.locator("#readings .paper").count() == 4
    page.unroute("**/do/read")
    # Of two neurons the later one is shown, whichever answer comes first.
    held = Held(page, "**/do/neuron")
    first = held.ask(show)
    neuron.fill("18")
    second = held.ask(show)
    # A token that is clicked meanwhile ends neither.
    page.locator("#reading-gru .token").nth(3).click()
    expect(page.locator("#expected h4")).to_have_count(3)
    held.let_go(second, first)
    expect(summary).to_contain_text("neuron 18 fires at")
    # And it stays for the next text, which is asked about by itself.
    page.locator("#inside-text").fill("Dawno temu żył król.")
    held.let_go(held.ask(page.locator("#look").click))
    expect(summary).to_contain_text("neuron 18 fires at")
    expect(page.locator("#firing")).to_have_text("Dawno temu żył król.")
    # Nor does a neuron end the answer about a token.
    page.unroute("**/do/neuron")
    held = Held(page, "**/do/influence")
    asked = held.ask(page.locator("#reading-gru .token").nth(2).click)
    neuron.fill("19")
    show()
    expect(summary).to_contain_text("neuron 19 fires at")
    held.let_go(asked)
    expect(page.locator("#expected h4")).to_have_count(3)
    # Of two tokens, too, the later one counts.
    first = held.ask(page.locator("#reading-gru .token").nth(2).click)
    second = held.ask(page.locator("#reading-gru .token").nth(3).click)
    held.let_go(second, first)
    expect(page.locator("#expected h4")).to_have_count(3)
    expect(page.locator("#expected h3")).to_contain_text(
        page.locator("#reading-gru .token").nth(3).inner_text().strip()
    )


def test_looking_inside_offers_the_texts_that_are_shown_by_now(open_page: OpenPage):
    page = open_page(locale="en-GB")
    for seed in (3, 4):
        page.locator("nav [data-tab=write]").click()
        set_up(page, max_new_tokens=10, seed=seed)
        text = next(iter(generate(page).values())).strip()
        page.locator("nav [data-tab=inside]").click()
        page.locator("#takes button").first.click()
        expect(page.locator("#reading-gru .paper")).to_have_text(text)


def test_the_latest_choice_is_drawn(open_page: OpenPage):
    page = open_page("compare", locale="en-GB")
    page.locator("#curves svg").wait_for()
    held = Held(page, "**/plot/curves.svg*")

    def choose(value: str) -> Callable[[], None]:
        return lambda: page.locator(f"#curves-form [value={value}]").check(force=True)

    first, second = held.ask(choose("report")), held.ask(choose("ours"))
    held.let_go(second)
    expect(page.locator("#curves svg")).not_to_contain_text("(report)")
    with page.expect_response("**/plot/curves.svg*"):
        held.let_go(first)
    expect(page.locator("#curves svg")).not_to_contain_text("(report)")
    # Without a connection it says so.
    page.unroute("**/plot/curves.svg*")
    page.context.set_offline(True)
    choose("both")()
    expect(page.locator("#curves")).to_contain_text("connection was lost")
    page.context.set_offline(False)
    choose("report")()
    expect(page.locator("#curves svg")).to_contain_text("(report)")


@pytest.mark.parametrize("language", TEXTS)
def test_every_tab_speaks_the_visitors_language(open_page: OpenPage, language: str):
    page = open_page(locale="pl-PL" if language == "pl" else "de-DE")
    set_up(page, max_new_tokens=8, seed=4)
    generate(page)
    own = set(TEXTS[language].values())
    other = TEXTS["en" if language == "pl" else "pl"].values()
    foreign = {t for t in other if t not in own and re.fullmatch(r"[\w ]{6,}", t)}
    for tab in TABS:
        page.locator(f"nav [data-tab={tab}]").click()
        expect(page.locator(f"section#{tab}")).to_be_visible()
        assert page.title() == TEXTS[language][f"title_{tab}"]
        assert page.url.rstrip("/").endswith("" if tab == "write" else tab)
        lines = {line.strip() for line in page.locator("main").inner_text().splitlines()}
        assert not lines & foreign
        assert not re.search(r"\{\w+\}|undefined|NaN", page.locator("main").inner_text())
    page.go_back()
    expect(page.locator("section#inside")).to_be_visible()
    page.locator(".language").click()
    page.locator("html[data-ready]").wait_for()
    switched = page.locator("html").get_attribute("lang")
    assert switched != language
    page.locator("nav [data-tab=write]").click()
    figures = page.locator("#columns .stats").first
    expect(figures).to_contain_text(TEXTS[switched]["stats"].split("}")[-1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(open_page: OpenPage, scheme: str, width: int):
    page = open_page(width=width, color_scheme=scheme, reduced_motion="reduce")
    set_up(page, max_new_tokens=5)
    generate(page)
    for tab in TABS:
        page.locator(f"nav [data-tab={tab}]").click()
        if tab == "inside":
            page.locator("#firing span").first.wait_for()
        if tab == "compare":
            page.locator("#curves svg").wait_for()
        found = Axe().run(page)
        assert not found.response["violations"], found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab


@pytest.mark.parametrize("tab", TABS)
def test_nothing_jumps_while_a_tab_opens(open_page: OpenPage, tab: str):
    for width in (820, 390):
        page = open_page("" if tab == "write" else tab, width=width)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shift") < 0.05, width


def test_what_a_posted_link_shows(open_page: OpenPage):
    page = open_page()
    set_up(page, max_new_tokens=10)
    generate(page)
    link = link_of(page).split("?")[1]
    fetch = page.request.get
    html = fetch(page.url.split("?")[0] + "?" + link).text()
    assert f'property="og:title" content="{PROMPT}' in html
    picture = re.search(r'og:image" content="([^"]*)"', html)[1].replace("&amp;", "&")
    answer = fetch(picture)
    assert answer.headers["content-type"] == "image/png"
    assert answer.body().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_server_restarts_in_mid_run(browser: Browser, tmp_path: Path):
    """Killed and started again on the same port, while the page stays open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, votes = f"http://127.0.0.1:{port}/", str(tmp_path / "votes.sqlite3")

    def start() -> subprocess.Popen:
        command = [sys.executable, "app.py", "--port", str(port)]
        environment = os.environ | {"POLISHGEN_DATA": votes}
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while not answers(url):
            time.sleep(0.2)
        return server

    server = start()
    context = browser.new_context(locale="pl-PL", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MS)
    try:
        page = context.new_page()
        page.goto(url)
        page.locator("nav [data-tab=inside]").click()
        page.locator("#firing span").first.wait_for()
        page.locator("nav [data-tab=arena]").click()
        page.locator("#arena-play").click()
        page.locator("#arena-texts .vote").first.wait_for()
        page.locator("nav [data-tab=write]").click()
        set_up(page, max_new_tokens=1000, seed=8, temperature="0,8")
        page.locator("#prompt").fill("Wieczorem")
        slow_down(page)
        page.locator("#generate").click()
        until_running(page)
        server.kill()
        server.wait()
        lost = TEXTS["pl"]["connection_lost"]
        expect(page.locator("#notice")).to_contain_text(lost)
        until_ready(page)
        kept = texts_of(page)
        assert all(text.startswith("Wieczorem") for text in kept.values())
        # While it is away, every button says so.
        page.locator("nav [data-tab=inside]").click()
        page.locator("#look").click()
        expect(page.locator("#inside-status")).to_have_text(lost)
        page.locator("nav [data-tab=arena]").click()
        page.locator("#arena-texts .vote").first.click()
        expect(page.locator("#arena-status")).to_have_text(lost)
        server = start()
        # A round that was on its way can still be voted on.
        page.locator("#arena-texts .vote").first.click()
        expect(page.locator("#arena-status")).to_have_text(TEXTS["pl"]["arena_thanks"])
        page.locator("#arena-play").click()
        expect(page.locator("#arena-status")).to_have_text(TEXTS["pl"]["arena_choose"])
        page.locator("nav [data-tab=inside]").click()
        page.locator("#look").click()
        expect(page.locator("#inside-status")).to_have_text("")
        expect(page.locator("#readings .paper")).to_have_count(4)
        page.locator("nav [data-tab=write]").click()
        assert page.locator("#prompt").input_value() == "Wieczorem"
        assert page.locator("#temperature").input_value() == "0,8"
        set_up(page, max_new_tokens=5)
        page.locator("#go-on").click()
        expect(page.locator("#notice")).to_be_hidden()
        until_ready(page)
        longer = texts_of(page)
        assert all(longer[model].startswith(text) for model, text in kept.items())
        assert longer != kept
        page.locator("#continue").click()
        until_ready(page)
        assert all(text.startswith("Wieczorem") for text in generate(page).values())
    finally:
        context.close()
        server.kill()
        server.wait()
