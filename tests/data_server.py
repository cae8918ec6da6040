"""A server on loopback that publishes files as SpeakLeash does, and fails as networks do."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Mon, 02 Jun 2025 08:00:00 GMT"


@dataclass(frozen=True)
class Request:
    """One request as it came, and the status of the answer."""

    name: str
    range: str | None
    if_range: str | None
    status: int


@dataclass
class DataServer:
    """Serves `files` under `base_url`; everything else says how it misbehaves.

    `statuses` replaces the answer to a name by an error. `cuts` holds, for the next answers that
    carry a data file, how many bytes of the body are sent before the connection breaks (None:
    all); after a break `after_cut` is called. `versions` are the headers that name a version:
    "etag", "weak", "date" or none. `careless` ignores If-Range, `shifted` answers with a part
    that starts a byte late.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    cuts: list[int | None] = field(default_factory=list)
    after_cut: Callable[[], None] = lambda: None
    versions: tuple[str, ...] = ("etag",)
    ranges: bool = True
    careless: bool = False
    shifted: bool = False
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

    def version_headers(self, body: bytes) -> dict[str, str]:
        """What names this version of a file."""
        digest = sha256(body).hexdigest()[:16]
        names = {"etag": ("ETag", f'"{digest}"'), "weak": ("ETag", f'W/"{digest}"')}
        return dict((names | {"date": ("Last-Modified", DATE)})[kind] for kind in self.versions)


class DataHandler(BaseHTTPRequestHandler):
    """Answers GET for one `DataServer`."""

    data: DataServer

    def do_GET(self) -> None:
        name = self.path.removeprefix("/sets/")
        status = self.data.statuses.get(name, 200 if name in self.data.files else 404)
        if status != 200:
            self.note(name, status)
            self.send_error(status)
            return
        body = self.data.files[name]
        version = self.data.version_headers(body)
        start = self.first_byte(version)
        if start is not None and start >= len(body):
            self.note(name, 416)
            self.send_error(416)
            return
        status = 200 if start is None else 206
        self.note(name, status)
        self.send_response(status)
        start = (start or 0) + (self.data.shifted and status == 206)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        for header, value in version.items():
            self.send_header(header, value)
        if self.data.length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = self.data.cuts.pop(0) if self.data.cuts and name.endswith(".zst") else None
        self.wfile.write(body[start:] if cut is None else body[start:][:cut])
        if cut is not None:
            self.data.after_cut()

    def first_byte(self, version: dict[str, str]) -> int | None:
        """Where the part asked for starts; None for the whole file."""
        asked = self.headers.get("Range")
        if asked is None or not self.data.ranges:
            return None
        condition = self.headers.get("If-Range")
        if condition and condition not in version.values() and not self.data.careless:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def note(self, name: str, status: int) -> None:
        range_, if_range = self.headers.get("Range"), self.headers.get("If-Range")
        self.data.log.append(Request(name, range_, if_range, status))

    def log_message(self, *arguments: object) -> None:
        """Keeps the test's output clean."""
