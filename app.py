"""Serves the page: `python app.py [--host HOST] [--port PORT]`."""

import argparse
import sys
from collections.abc import Sequence

from polishgen.command_line import command
from polishgen.page import build_page, launch


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the address to serve on, builds the page, and serves it until interrupted."""
    parser = argparse.ArgumentParser("app.py", description=__doc__)
    parser.add_argument("--host", help="GRADIO_SERVER_NAME if left out, or else 127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="GRADIO_SERVER_PORT if left out, or else from 7860"
    )
    options = parser.parse_args(arguments)
    launch(build_page(), options.host, options.port)


if __name__ == "__main__":
    sys.exit(main())
