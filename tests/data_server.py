"""A server on loopback that publishes files as SpeakLeash does, and fails as networks do."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """One request: the name that it asked for, and the status of the answer."""

    name: str
    status: int


@dataclass
class DataServer:
    """Serves `files` under `base_url`; everything else says how it misbehaves.

    `statuses` replaces the answer to a name by an error. `cuts` holds, for the next answers that
    carry a data file, how many bytes of the body are sent before the connection breaks. Without
    `length` an answer does not say how long it is.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    length: bool = True
    log: list[Request] = field(default_factory=list)

    def __enter__(self) -> "DataServer":
        handler = type("Handler", (DataHandler,), {"data": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/sets/"


class DataHandler(BaseHTTPRequestHandler):
    """Answers GET for one `DataServer`."""

    data: DataServer

    def do_GET(self) -> None:
        name = self.path.removeprefix("/sets/")
        status = self.data.statuses.get(name, 200 if name in self.data.files else 404)
        self.data.log.append(Request(name, status))
        if status != 200:
            self.send_error(status)
            return
        body = self.data.files[name]
        self.send_response(status)
        if self.data.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.data.cuts.pop(0) if self.data.cuts and name.endswith(".zst") else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *arguments: object) -> None:
        """Keeps the test's output clean."""
