"""The page in a real browser, as a visitor uses it: mouse, keyboard, both languages, a phone."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import polishgen

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="these tests need chromium")

MODELS = ("gru", "transformer", "bdh")
PROMPT = "Pewnego razu młody książe"
TABS = {
    "pl-PL": ("Pisanie", "Porównanie", "Zajrzyj do środka", "O modelach"),
    "en-GB": ("Write", "Compare", "Look inside", "About"),
}
WAIT_MS = 60_000
OpenPage = Callable[..., Page]
expect.set_options(timeout=WAIT_MS)

# Notes when Generate has been disabled and is enabled again, however short the run.
WATCH_RUN = """() => {
    const button = document.querySelector('#generate');
    let begun = false;
    window.runEnded = false;
    new MutationObserver((_, watcher) => {
        if (button.disabled) begun = true;
        else if (begun) { window.runEnded = true; watcher.disconnect(); }
    }).observe(button, {attributes: true});
}"""

# Every piece of visible text with its own colour, the colour behind it, and its size.
# Walks up to the first ancestor that is not transparent; blends what is half transparent.
CONTRASTS = """() => {
    const parse = css => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, under) =>
        [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
    const behind = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) {
            const style = getComputedStyle(e);
            if (style.backgroundImage !== 'none') return null;
            layers.push(parse(style.backgroundColor));
            if (layers.at(-1)[3] === 1) break;
        }
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
    };
    const luminance = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(c => c / 255).map(
            c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true}))
            continue;
        if (element.closest('svg, script, style, :disabled, footer')) continue;
        const box = element.getBoundingClientRect();
        if (!box.width || !box.height) continue;
        const background = behind(element);
        if (!background) continue;
        const style = getComputedStyle(element);
        const [a, b] = [luminance(over(parse(style.color), background)), luminance(background)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const large = parseFloat(style.fontSize) >= 24
            || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return found;
}"""

# Controls that a screen reader could not name.
NAMELESS = """() => [...document.querySelectorAll(
        'button, input, textarea, select, [role=button], [role=tab]')]
    .filter(e => e.checkVisibility() && e.type !== 'hidden' && e.type !== 'file')
    .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
        || e.innerText?.trim() || e.title || e.closest('label')?.innerText.trim()
        || (e.id && document.querySelector(`label[for="${e.id}"]`))))
    .map(e => e.outerHTML.slice(0, 200))"""


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

    def open_one(locale: str = "pl-PL", width: int = 1280, query: str = "", **options) -> Page:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(locale=locale, viewport=viewport, **options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(served_page.url + query)
        # The server has answered the first request: language and seed are there.
        expect(page.locator(".model-header").first).to_contain_text(
            re.compile("mln parametrów|million parameters")
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    own = (served_page.url, "data:", "blob:")
    assert not [url for url in requested if not url.startswith(own)], "another host was asked"
    assert not errors
    assert "Traceback" not in served_page.log.read_text()


def text_of(page: Page, model: str) -> str:
    return page.locator(f"#text-{model} textarea").input_value()


def texts_of(page: Page) -> dict[str, str]:
    """Of the models whose columns are shown."""
    shown = [model for model in MODELS if page.locator(f"#text-{model} textarea").count()]
    return {model: text_of(page, model) for model in shown}


def setting(page: Page, name: str) -> Locator:
    """The field of a setting, with the settings unfolded."""
    field = page.locator(f"#{name} input[type=number], #{name} textarea").first
    if not field.is_visible():
        # A hidden tab draws nothing, and Gradio sets up what was unfolded while it draws: what is
        # typed before that is lost.
        page.bring_to_front()
        page.locator("#settings > button").click()
        field.wait_for()
        page.wait_for_timeout(1000)
    return field


def open_tab(page: Page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True).first
    if not tab.is_visible():
        # On a phone the last tabs are in a menu.
        page.locator(".overflow-menu > button").first.click()
        page.locator(".overflow-dropdown button", has_text=name).first.click()
    else:
        tab.click()


def fits(page: Page) -> bool:
    """Whether nothing sticks out of the window sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def set_up(page: Page, tokens: int, seed: int) -> None:
    for name, value in (("max-new-tokens", tokens), ("seed", seed)):
        setting(page, name).fill(str(value))
        setting(page, name).press("Tab")


def press(page: Page, button: str) -> dict[str, str]:
    """Presses a button that starts a run and waits until it is over; the three texts."""
    page.evaluate(WATCH_RUN)
    page.locator(button).click()
    page.wait_for_function("window.runEnded")
    return texts_of(page)


def wait_until_all_write(page: Page) -> None:
    page.wait_for_function(
        """models => models.every(
            m => document.querySelector(`#text-${m} textarea`).value.length > 40)""",
        arg=list(MODELS),
    )


def share(page: Page) -> str:
    """The link to the last run."""
    link = page.locator("#link textarea, #link input").first
    if not link.is_visible():
        page.locator("#share > button").click()
    expect(link).not_to_have_value("")
    return link.input_value()


def test_a_run_can_be_continued_repeated_shared_and_kept(open_page: OpenPage):
    page = open_page()
    set_up(page, tokens=20, seed=4)
    texts = press(page, "#generate")
    for model, text in texts.items():
        alone = polishgen.load(model).generate(PROMPT, max_new_tokens=20, seed=4)
        assert text == PROMPT + alone
        expect(page.locator(f"#stats-{model}")).to_contain_text("tokenów/s")

    longer = press(page, "#continue")
    for model, text in longer.items():
        alone = polishgen.load(model).generate(texts[model], max_new_tokens=20, seed=4)
        assert text == texts[model] + alone

    # The link repeats the run, the continuation included, for another visitor.
    link = share(page)
    assert link.startswith(page.url)
    other = open_page(locale="en-GB", query=link.removeprefix(page.url))
    assert share(other) == link
    assert texts_of(other) == longer
    assert setting(other, "seed").input_value() == "4"

    with page.expect_download() as download:
        page.locator("#download-text").click()
    kept = Path(download.value.path()).read_text(encoding="utf-8")
    assert all(text in kept for text in longer.values())
    with page.expect_download() as download:
        page.locator("#download-json").click()
    record = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert record["texts"] == longer
    assert record["link"] == link
    assert record["settings"]["seed"] == 4

    different = press(page, "#again")
    assert setting(page, "seed").input_value() != "4"
    assert all(different[model] != texts[model] for model in MODELS)
    # Reloading leaves nothing behind that would go on.
    page.reload()
    expect(page.locator("#generate")).to_be_enabled()


def test_two_tabs_at_once_get_each_their_own(open_page: OpenPage):
    page = open_page()
    other = page.context.new_page()
    other.goto(page.url)
    tabs = {4: page, 5: other}
    for seed, tab in tabs.items():
        expect(tab.locator(".model-header").first).to_contain_text("mln parametrów")
        set_up(tab, tokens=40, seed=seed)
        tab.evaluate(WATCH_RUN)
    for tab in tabs.values():
        tab.locator("#generate").click()
    for seed, tab in tabs.items():
        tab.wait_for_function("window.runEnded")
        for model, text in texts_of(tab).items():
            assert text == PROMPT + polishgen.load(model).generate(
                PROMPT, max_new_tokens=40, seed=seed
            )


def test_columns_stream_side_by_side_and_stop_at_once(open_page: OpenPage, served_page):
    page = open_page()
    set_up(page, tokens=1000, seed=2)
    page.locator("#generate").click()
    wait_until_all_write(page)
    # All are under way and none is done: the columns take turns.
    shown = page.evaluate(
        "models => models.map(m => document.querySelector(`#stats-${m}`).innerText)", list(MODELS)
    )
    counts = [int(re.search(r"\d+", text)[0]) for text in shown]
    assert max(counts) < 1000 and max(counts) - min(counts) <= 60
    page.locator("#stop").click()
    expect(page.locator("#generate")).to_be_enabled(timeout=WAIT_MS)
    stopped = texts_of(page)
    assert share(page)
    server = psutil.Process(served_page.pid)
    page.wait_for_timeout(2000)
    before = sum(server.cpu_times()[:2])
    page.wait_for_timeout(1000)
    assert sum(server.cpu_times()[:2]) - before < 0.2, "the processor is not free"
    assert texts_of(page) == stopped


def test_presets_and_choice_of_models(open_page: OpenPage):
    page = open_page()
    temperature = setting(page, "temperature")
    for preset, value, min_p in (
        ("szaleńczo", "1.2", "0.02"),
        ("ostrożnie", "0.8", "0.08"),
        ("jak w raporcie", "1", "0"),
    ):
        page.locator("#preset").get_by_text(preset, exact=True).click()
        expect(temperature).to_have_value(value)
        expect(setting(page, "min-p")).to_have_value(min_p)
    expect(setting(page, "top-p")).to_have_value("1")
    temperature.fill("1.3")
    temperature.press("Tab")
    # No preset has this temperature.
    expect(page.locator("#preset input:checked")).to_have_count(0)

    page.locator("#models").get_by_text("GRU", exact=True).click()
    expect(page.locator("#text-gru")).to_be_hidden()
    set_up(page, tokens=5, seed=1)
    press(page, "#generate")
    assert text_of(page, "bdh").startswith(PROMPT)
    for name in ("Transformer", "Dragon Hatchling"):
        page.locator("#models").get_by_text(name, exact=True).click()
    page.locator("#generate").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Wybierz przynajmniej jeden model")


def test_awkward_prompts(open_page: OpenPage):
    page = open_page(locale="en-GB")
    set_up(page, tokens=3, seed=2)
    html = "<script>document.title='x'</script><img src=x onerror=\"document.title='x'\">"
    for prompt in ("", html, "Zosia 👩‍👩‍👧 שלום \x07", "ala ma kota " * 8_400):
        page.locator("#prompt textarea").fill(prompt)
        expect(page.get_by_test_id("toast-body")).to_have_count(0)
        texts = press(page, "#generate")
        assert all(text.startswith(prompt[-4_000:]) for text in texts.values())
        assert page.title() != "x"
    # It is the last that had to be cut.
    expect(page.get_by_test_id("toast-body")).to_contain_text("last 4,000")


def test_the_keyboard_alone(open_page: OpenPage):
    page = open_page()
    set_up(page, tokens=1000, seed=1)
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.closest('#prompt') !== null"):
            break
    page.keyboard.press("Control+a")
    page.keyboard.type("Wieczorem")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_enabled(timeout=WAIT_MS)
    wait_until_all_write(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id === 'stop'"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#generate")).to_be_enabled(timeout=WAIT_MS)
    assert text_of(page, "gru").startswith("Wieczorem")
    # Tabs of the page by arrow or Enter.
    page.get_by_role("tab", name="O modelach", exact=True).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Trzy sposoby pamiętania")).to_be_visible()


@pytest.mark.parametrize("locale", TABS)
def test_every_tab_speaks_the_visitors_language(open_page: OpenPage, locale: str):
    page = open_page(locale=locale)
    polish = locale == "pl-PL"
    assert page.title() == "polishgen"
    from polishgen.page.texts import TEXTS

    other = TEXTS["en" if polish else "pl"]
    own = set(TEXTS["pl" if polish else "en"].values())
    foreign = [
        text for text in other.values() if text not in own and re.fullmatch(r"[\w ]{6,}", text)
    ]
    for name in TABS[locale]:
        open_tab(page, name)
        expect(page.get_by_role("tab", name=name, exact=True).first).to_have_attribute(
            "aria-selected", "true"
        )
        shown = page.locator("body").inner_text()
        assert "__i18n__" not in shown
        assert not re.search(r"\b(?:about|tab|stats|column|allowed|take|text)_[a-z_]+\b", shown)
        lines = {line.strip() for line in shown.splitlines()}
        assert not lines & set(foreign)


def test_compare(open_page: OpenPage):
    page = open_page(locale="en-GB")
    open_tab(page, "Compare")
    table = page.locator("#table")
    for text in ("Perplexity", "87.80M", "57.52", "Dragon Hatchling (report)", "55%"):
        expect(table).to_contain_text(text)
    field = page.locator("#measure-tokens input[type=number]")
    field.fill("50")
    field.press("Tab")
    page.locator("#measure").click()
    expect(page.locator("#measure-progress progress")).to_be_visible()
    expect(page.locator("#measured")).not_to_contain_text("–")
    expect(page.locator("#measure-progress progress")).to_have_count(0)
    rates = page.locator("#measured").inner_text().split()
    assert sum(bool(re.fullmatch(r"[\d,]+\.\d", word)) for word in rates) == len(MODELS)
    # A second measurement can be stopped.
    page.locator("#measure").click()
    expect(page.locator("#measure-progress progress")).to_be_visible()
    page.locator("#measure-stop").click()
    expect(page.locator("#measure-progress progress")).to_have_count(0)

    for choice in ("minutes", "validation loss", "report"):
        page.get_by_label(choice, exact=True).last.click()
    expect(page.locator("#curves")).to_contain_text("validation loss")

    text = "Szedł dziad przez las."
    page.locator("#own-text textarea").fill(text)
    page.locator("#judge").click()
    for model in MODELS:
        expected = polishgen.load(model).score(text)
        expect(page.locator("#judged")).to_contain_text(f"{expected.bits_per_byte:.3f}")
        expect(page.locator("#judged")).to_contain_text(f"{expected.perplexity:,.2f}")
    page.locator("#own-text textarea").fill(" ")
    page.locator("#judge").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("There is no text")


def test_look_inside(open_page: OpenPage):
    page = open_page(locale="en-GB")
    open_tab(page, "Look inside")
    text = "Dawno, dawno temu żył król.\nDawno temu <b>była</b> też królowa."
    page.locator("#inside-text textarea").fill(text)
    expect(page.locator("#firing .token").first).to_be_visible()
    page.locator("#look").click()
    for model in MODELS:
        score = polishgen.load(model).score(text)
        heading = page.locator(f"#reading-{model}")
        expect(heading).to_contain_text(f"{score.bits_per_byte:.2f} bits per byte")
    # The tokens are the text, and HTML in it is only text.
    expect(page.locator("#surprise-gru")).to_contain_text(re.compile(r"<\s*b\s*>"))
    expect(page.locator("#surprise-gru b")).to_have_count(0)

    page.locator("#surprise-bdh .token").nth(1).click()
    expect(page.locator("#alternatives-of")).to_contain_text("Dragon Hatchling before")
    expect(page.locator("#alternatives")).to_contain_text("%")
    # The same with the keyboard.
    page.locator("#surprise-gru .token").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#alternatives-of")).to_contain_text("GRU before")

    expect(page.locator("#firing-summary")).to_contain_text("fires at")
    neuron = page.locator("#neuron input")
    neuron.fill("17")
    neuron.press("Enter")
    expect(page.locator("#firing-summary")).to_contain_text("neuron 17 fires at")
    expect(page.locator("#neuron-shares canvas, #neuron-shares svg").first).to_be_visible()

    page.locator("#take-prose").click()
    expect(page.locator("#inside-text textarea")).to_have_value(re.compile("ruszył na wiosnę"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_light_and_dark(open_page: OpenPage, scheme: str):
    page = open_page(width=390, color_scheme=scheme, has_touch=True, is_mobile=True)
    set_up(page, tokens=5, seed=1)
    press(page, "#generate")
    for name in TABS["pl-PL"]:
        open_tab(page, name)
        if name == "Zajrzyj do środka":
            expect(page.locator("#firing .token").first).to_be_visible()
        page.wait_for_timeout(300)
        assert fits(page), name
        assert page.evaluate(CONTRASTS) == [], name
        assert page.evaluate(NAMELESS) == [], name
