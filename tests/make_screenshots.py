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


def open_page(browser: Browser, served: ServedPage, path: str = "", **options) -> Page:
    """A new visitor's page."""
    context = browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(served.url + path)
    page.locator("html[data-ready]").wait_for()
    return page


def generate(browser: Browser, served: ServedPage, **options) -> Page:
    """The Write tab after a run that a link has started."""
    query = f"?prompt=Pewnego+razu+młody+książe&seed={SEED}&max_new_tokens=110&genre=tale"
    page = open_page(browser, served, query, **options)
    page.locator("#columns .token").first.wait_for()
    page.locator("#stop[aria-disabled=true]").wait_for()
    for paper in page.locator("#columns .paper").all():
        paper.evaluate("paper => paper.scrollTop = 0")
    return page


def photograph(page: Page, path: Path, full_page: bool = True) -> None:
    """The page as it stands, from its top."""
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=path, full_page=full_page)
    print(path)


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
        page.locator("#columns .token").nth(12).click()
        photograph(page, folder / "write.png", full_page=False)

        page = open_page(browser, served, "compare", **desk)
        # Drawing beside would slow down what is measured.
        page.locator("#curves svg").wait_for()
        page.locator("#measure").click()
        page.locator("#measured tbody tr").nth(2).wait_for()
        page.locator("#measure-stop[aria-disabled=true]").wait_for()
        page.locator("#speed-plot svg", has_text="ours").wait_for()
        page.locator("#curves svg").wait_for()
        photograph(page, folder / "compare.png")

        page = open_page(browser, served, "inside", **desk)
        page.locator("#firing span").first.wait_for()
        page.locator("#reading-transformer .token").nth(12).click()
        page.locator("#expected h4").nth(2).wait_for()
        photograph(page, folder / "look-inside.png")

        page = open_page(browser, served, "about", **desk)
        photograph(page, folder / "about.png")

        photograph(generate(browser, served, **phone), folder / "phone.png", full_page=False)
        browser.close()


if __name__ == "__main__":
    make_screenshots(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
