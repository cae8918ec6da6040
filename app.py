"""Serves the page: `python app.py [--host HOST] [--port PORT]`."""

import argparse

from polishgen.page import build_page, launch


def main() -> None:
    """Reads the address to serve on, builds the page, and serves it until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="GRADIO_SERVER_NAME if left out, or else 127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="GRADIO_SERVER_PORT if left out, or else from 7860"
    )
    arguments = parser.parse_args()
    launch(build_page(), arguments.host, arguments.port)


if __name__ == "__main__":
    main()
