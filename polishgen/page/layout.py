"""The page as a whole: its tabs, its queue, and how it is served."""

import gradio as gr

from polishgen.page import about_tab, api, compare_tab, inside_tab, style, write_tab
from polishgen.page.models import models
from polishgen.page.texts import I18N

# Visitors served at the same time; others see their place in the queue. One for each of two cores.
CONCURRENT_RUNS = 2
QUEUE_LENGTH = 100
# Gradio keeps copies of files to download; checked for every so often, kept so long, in seconds.
CACHE_CHECK, CACHE_LIFETIME = 600, 3600
# Gradio calls every page English; a screen reader is to know better.
SET_LANGUAGE = """() => {
    document.documentElement.lang = navigator.language.startsWith("pl") ? "pl" : "en";
}"""


def build_page() -> gr.Blocks:
    """All tabs in one page, with a queue; loads the models first."""
    models()
    with gr.Blocks(
        title="polishgen",
        analytics_enabled=False,
        delete_cache=(CACHE_CHECK, CACHE_LIFETIME),
    ) as page:
        gr.Markdown(I18N("heading"))
        gr.Markdown(I18N("subtitle"))
        with gr.Tabs():
            with gr.Tab(I18N("tab_write"), id="write"):
                written = write_tab.build(page)
            with gr.Tab(I18N("tab_compare"), id="compare"):
                compare_tab.build(page)
            with gr.Tab(I18N("tab_inside"), id="inside") as inside:
                inside_tab.build(inside, written)
            with gr.Tab(I18N("tab_about"), id="about"):
                about_tab.build()
        api.add_endpoints()
    return page.queue(default_concurrency_limit=CONCURRENT_RUNS, max_size=QUEUE_LENGTH)


def launch(page: gr.Blocks, host: str | None, port: int | None, *, block: bool = True) -> str:
    """Serves `page`, the API and the MCP server; returns the local address.

    None for host or port: Gradio's own choice, that is GRADIO_SERVER_NAME and GRADIO_SERVER_PORT,
    or 127.0.0.1 and the first free port from 7860. With `block` it returns once interrupted.
    """
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=not block,
        quiet=not block,
        theme=style.THEME,
        css=style.CSS,
        js=SET_LANGUAGE,
        i18n=I18N,
        mcp_server=True,
        share=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        footer_links=["api"],
    )
    return address
