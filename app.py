"""Serves the page: `python app.py [--host HOST] [--port PORT]`."""

import argparse

from polishgen.errors import PolishgenError
from polishgen.page import build_page, launch


def main() -> None:
    """Reads the address to serve on, builds the page, and serves it until interrupted.

    Exits with a message if a model cannot be loaded.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="GRADIO_SERVER_NAME if left out, or else 127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="GRADIO_SERVER_PORT if left out, or else from 7860"
    )
    arguments = parser.parse_args()
    try:
        page = build_page()
    except PolishgenError as error:
        parser.exit(2, f"error: {error}\n")
    launch(page, arguments.host, arguments.port)


if __name__ == "__main__":
    main()
