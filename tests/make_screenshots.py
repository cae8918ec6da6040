"""Makes README's pictures from the running app: `python tests/make_screenshots.py [FOLDER]`.

Serves the page, uses it as a visitor would, and photographs each tab in English, and the first one
also in Polish on a phone in dark mode.
"""

import sys
from pathlib import Path

from page_server import ROOT, ServedPage, serve_page
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
WAIT_MS = 300_000
SEED = 7


def open_page(browser: Browser, page: ServedPage, query: str = "", **options) -> Page:
    """A new visitor's page."""
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MS)
    visitor = context.new_page()
    visitor.goto(page.url + query)
    visitor.locator(".model-header", has_text="8").first.wait_for()
    return visitor


def wait_for_text(page: Page, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).first.wait_for()


def photograph(page: Page, path: Path) -> None:
    """The whole page, once its charts have settled."""
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    page.screenshot(path=path, full_page=True)
    print(path)


def generate(browser: Browser, served: ServedPage, **options) -> Page:
    """The Write tab after a run that a link has started."""
    query = f"?prompt=Pewnego+razu+młody+książe&seed={SEED}&max_new_tokens=110"
    page = open_page(browser, served, query, **options)
    page.wait_for_function("!document.querySelector('#stop').disabled")
    page.wait_for_function("document.querySelector('#stop').disabled")
    return page


def make_screenshots(folder: Path) -> None:
    """Writes all pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    desk = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}}
    phone = {
        "locale": "pl-PL",
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
    }
    with serve_page() as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = generate(browser, served, **desk)
        photograph(page, folder / "write.png")

        page.get_by_role("tab", name="Compare", exact=True).first.click()
        page.locator("#measure").click()
        page.wait_for_function("!document.querySelector('#measured').innerText.includes('–')")
        photograph(page, folder / "compare.png")

        page.get_by_role("tab", name="Look inside", exact=True).first.click()
        page.locator("#firing .token").first.wait_for()
        page.locator("#surprise-transformer .token").nth(12).click()
        wait_for_text(page, "#alternatives", "%")
        photograph(page, folder / "look-inside.png")

        page.get_by_role("tab", name="About", exact=True).first.click()
        photograph(page, folder / "about.png")

        photograph(generate(browser, served, **phone), folder / "phone.png")
        browser.close()


if __name__ == "__main__":
    make_screenshots(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
