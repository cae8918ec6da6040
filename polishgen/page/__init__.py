"""The web page: three models write side by side, are compared, and are looked into.

`build_page` makes it, `launch` serves it. Nothing on the page asks another host for
anything, Gradio's own telemetry included; that has to be said before Gradio is first imported.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from polishgen.page.server import build_page, launch

__all__ = ["build_page", "launch"]
