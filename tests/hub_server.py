"""A Hub on loopback: repositories, commits, large files and errors in the Hub's own protocol.

Written from the protocol alone, and sharing no code with the client it tests. Two ports, as the Hub
has two hosts: one for the API and small files, one for the storage of large files, which refuses
requests that carry a token. `Hub.faults` makes the next requests fail in a chosen way.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs -text\n"
LARGE_SUFFIXES = (".safetensors", ".png", ".bin")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SIGNATURE = "signature=loopback"


@dataclass(frozen=True)
class Blob:
    """Content of a file at a commit; `large` files live in the storage, named by SHA-256."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        """Name in the storage."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_sha1(self) -> str:
        """Git's name: of the content, or of the pointer that stands for a large file."""
        content = self.content
        if self.large:
            content = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{self.sha256}\nsize {len(self.content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        """What the client's cache names the file by."""
        return self.sha256 if self.large else self.git_sha1


@dataclass(frozen=True)
class Commit:
    """A commit: `files` is the whole tree after it."""

    oid: str
    message: str
    files: dict[str, Blob]


@dataclass
class Repository:
    """A model repository or a Space, from its first commit on."""

    private: bool
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def commit(self, message: str, files: dict[str, Blob]) -> Commit:
        """Adds a commit to main."""
        seed = f"{len(self.commits)} {message} {sorted((k, v.git_sha1) for k, v in files.items())}"
        commit = Commit(hashlib.sha1(seed.encode()).hexdigest(), message, files)
        self.commits.append(commit)
        self.refs["main"] = commit.oid
        return commit

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, tag or hash."""
        oid = self.refs.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)

    @property
    def files(self) -> dict[str, bytes]:
        """Contents at the head of main."""
        return {path: blob.content for path, blob in self.commits[-1].files.items()}


@dataclass
class Fault:
    """How requests of `method` to a path that matches `pattern` go wrong, `times` times.

    `status`: answer this error. `cut`: send so many bytes of the body, then close the connection,
    `hold`: but first wait until `release` is set. `reset`: close it with a TCP reset, without `cut`
    instead of an answer.
    """

    method: str
    pattern: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    hold: bool = False
    times: int = 1
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Request:
    """One request as it came in, with the status it got."""

    method: str
    path: str
    headers: Message
    status: int
    body: bytes


class HubError(Exception):
    """An error to answer with."""

    def __init__(self, status: int, message: str, code: str = "", body: dict | None = None):
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


class Server(ThreadingHTTPServer):
    """Says nothing of clients that went away, which is what some of the tests are about."""

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Prints the traceback of anything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Hub:
    """The state of the Hub and its two servers; a context manager.

    `tokens` maps a token to (user, "read" or "write").
    """

    def __init__(self, tokens: dict[str, tuple[str, str]], part_size: int = 5_000_000):
        self.tokens, self.part_size = tokens, part_size
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.storage: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.connections: list[socket.socket] = []
        self.lock = threading.Lock()
        self.servers = [
            Server(("127.0.0.1", 0), type("Bound", (handler,), {"hub": self}))
            for handler in (ApiHandler, StorageHandler)
        ]
        self.endpoint, self.storage_url = (
            f"http://127.0.0.1:{server.server_port}" for server in self.servers
        )

    def __enter__(self) -> "Hub":
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        for fault in self.faults:
            fault.release.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        # Clients keep connections open for their next request; those must end too.
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def model(self, name: str) -> Repository:
        """A model repository that exists."""
        return self.repositories["model", name]

    def space(self, name: str) -> Repository:
        """A Space that exists."""
        return self.repositories["space", name]

    def add_model(self, name: str, files: dict[str, bytes], private: bool = False) -> Repository:
        """A model repository with these files in one commit after the first."""
        repository = Repository(private)
        self.repositories["model", name] = repository
        self.add_commit(repository, files)
        return repository

    def add_commit(self, repository: Repository, files: dict[str, bytes]) -> Commit:
        """A commit that somebody else made."""
        blobs = {path: Blob(content, is_large(path, content)) for path, content in files.items()}
        self.storage |= {blob.sha256: blob.content for blob in blobs.values() if blob.large}
        return repository.commit("files", blobs)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted."""
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.pattern, path):
                    fault.times -= 1
                    return fault
        return None

    def sent(self, method: str, pattern: str) -> list[Request]:
        """The requests of a method whose path matches."""
        return [r for r in self.requests if r.method == method and re.search(pattern, r.path)]


def is_large(path: str, content: bytes) -> bool:
    """Whether the Hub keeps a file in its storage."""
    return path.endswith(LARGE_SUFFIXES) or len(content) > 10_000_000


class Handler(BaseHTTPRequestHandler):
    """What both servers share: reading a request, meeting a fault, answering."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    ROUTES: tuple[tuple[str, str, str], ...] = ()

    def setup(self) -> None:
        """Lets the Hub know of the connection."""
        super().setup()
        self.hub.connections.append(self.connection)

    def log_message(self, *_) -> None:
        """Keeps the tests' output clean."""

    def do(self) -> None:
        """Reads the request, then hands it to the method of the first route that matches."""
        self.body = b"".join(self.read_body())
        self.url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(self.url.query).items()}
        self.fault = self.hub.take_fault(self.command, self.path)
        try:
            if self.fault and self.fault.status:
                raise HubError(self.fault.status, f"fault {self.fault.status}")
            if self.fault and self.fault.cut is None and self.fault.reset:
                self.record(0)
                self.drop()
                return
            for method, pattern, name in self.ROUTES:
                match = re.fullmatch(pattern, self.url.path)
                if match and self.command in method.split():
                    groups = [group and unquote(group) for group in match.groups()]
                    getattr(self, name)(*groups)
                    return
            raise HubError(404, f"no such route: {self.command} {self.path}")
        except HubError as failure:
            headers = {"X-Error-Message": failure.message}
            if failure.code:
                headers["X-Error-Code"] = failure.code
            if self.fault:
                headers |= self.fault.headers
            self.answer_json(failure.body or {"error": failure.message}, failure.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do  # noqa: N815, the names that http.server calls

    def read_body(self) -> Iterator[bytes]:
        """The body, sent whole or in chunks."""
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def record(self, status: int) -> None:
        """Notes the request for the test to look at."""
        request = Request(self.command, self.path, self.headers, status, self.body)
        with self.hub.lock:
            self.hub.requests.append(request)

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """Sends an answer, as much of it as the fault lets through."""
        self.record(status)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = self.fault
        try:
            if fault and fault.cut is not None:
                self.wfile.write(content[: fault.cut])
                fault.reached.set()
                if fault.hold:
                    fault.release.wait()
                self.drop()
            else:
                self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True

    def drop(self) -> None:
        """Closes the connection without a word, or with a reset."""
        self.close_connection = True
        if self.fault.reset:
            # Lingering for no time at all makes close() send a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def answer_json(self, value: object, status: int = 200, headers: dict | None = None) -> None:
        """Sends JSON."""
        content = json.dumps(value).encode()
        self.answer(status, content, {"Content-Type": "application/json"} | (headers or {}))

    def answer_file(self, content: bytes, headers: dict[str, str]) -> None:
        """Sends a file, or from the byte on that a Range header asks for."""
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not start:
            self.answer(200, content, headers)
            return
        first = int(start[1])
        if first >= len(content):
            raise HubError(416, "range not satisfiable")
        whole = len(content)
        headers = headers | {"Content-Range": f"bytes {first}-{whole - 1}/{whole}"}
        self.answer(206, content[first:], headers)


class StorageHandler(Handler):
    """The storage of large files: signed links in place of tokens."""

    ROUTES = (
        ("GET HEAD", r"/objects/(\w{64})", "get_object"),
        ("PUT", r"/objects/(\w{64})", "put_object"),
        ("PUT", r"/objects/(\w{64})/(\d+)", "put_part"),
    )

    def check_signature(self) -> None:
        """As S3: one way of proving who you are, not two."""
        if self.headers.get("Authorization"):
            raise HubError(400, "only one auth mechanism allowed")
        if SIGNATURE not in self.url.query:
            raise HubError(403, "not signed")

    def get_object(self, sha256: str) -> None:
        """A large file."""
        self.check_signature()
        self.answer_file(self.hub.storage[sha256], {"ETag": f'"{sha256}"'})

    def put_object(self, sha256: str) -> None:
        """A large file in one piece."""
        self.check_signature()
        if hashlib.sha256(self.body).hexdigest() != sha256:
            raise HubError(400, "the content does not match its hash")
        self.hub.storage[sha256] = self.body
        self.answer(200, b"", {})

    def put_part(self, sha256: str, number: str) -> None:
        """A piece of a large file."""
        self.check_signature()
        self.hub.parts[sha256, int(number)] = self.body
        self.answer(200, b"", {"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})


class ApiHandler(Handler):
    """The Hub proper."""

    REPOSITORY = r"([\w.-]+/[\w.-]+)"
    ROUTES = (
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate_card"),
        ("GET", rf"/api/(model|space)s/{REPOSITORY}", "info"),
        ("GET", rf"/api/(model|space)s/{REPOSITORY}/revision/([^/]+)", "info"),
        ("GET", rf"/api/(model|space)s/{REPOSITORY}/tree/([^/]+)", "tree"),
        ("POST", rf"/api/(model|space)s/{REPOSITORY}/preupload/([^/]+)", "preupload"),
        ("POST", rf"/api/(model|space)s/{REPOSITORY}/commit/([^/]+)", "commit"),
        ("GET", rf"/api/(space)s/{REPOSITORY}/variables", "get_variables"),
        ("POST", rf"/api/(space)s/{REPOSITORY}/variables", "set_variable"),
        ("DELETE", rf"/api/(space)s/{REPOSITORY}/variables", "delete_variable"),
        ("POST", rf"/(?:(space)s/)?{REPOSITORY}\.git/info/lfs/objects/batch", "batch"),
        ("POST", r"/complete/(\w{64})", "complete"),
        ("POST", r"/verify/(\w{64})", "verify"),
        ("GET HEAD", rf"/(?:(space)s/)?{REPOSITORY}/resolve/([^/]+)/(.+)", "resolve"),
    )

    def user(self) -> tuple[str, str] | None:
        """Who asks, with which right; None without a token."""
        header = self.headers.get("Authorization")
        if not header:
            return None
        try:
            return self.hub.tokens[header.removeprefix("Bearer ")]
        except KeyError:
            raise HubError(401, "Invalid credentials in Authorization header") from None

    def repository(self, kind: str | None, name: str) -> Repository:
        """A repository that the caller may read."""
        user = self.user()
        repository = self.hub.repositories.get((kind or "model", name))
        owner = name.split("/")[0]
        if repository is None or (repository.private and (not user or user[0] != owner)):
            # Without a token the Hub does not tell a private repository from a missing one.
            raise HubError(404 if user else 401, "Repository not found", "RepoNotFound")
        if repository.gated and not user and self.command != "POST":
            raise HubError(401, "Access is restricted", "GatedRepo")
        return repository

    def writable(self, kind: str | None, name: str) -> Repository:
        """A repository that the caller may write."""
        self.may_write(name.split("/")[0])
        return self.repository(kind, name)

    def may_write(self, owner: str) -> None:
        """Fails unless the caller has a token that writes for `owner`."""
        user = self.user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user != (owner, "write"):
            raise HubError(403, "You don't have the rights to create a repo or commit here")

    def revision(self, repository: Repository, name: str) -> Commit:
        """A commit by branch, tag or hash."""
        commit = repository.at(name)
        if commit is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return commit

    def create(self) -> None:
        """Makes an empty repository, with the first commit that the Hub itself writes."""
        wanted = json.loads(self.body)
        owner = wanted.get("organization") or (self.user() or ("", ""))[0]
        self.may_write(owner)
        kind = wanted.get("type") or "model"
        name = f"{owner}/{wanted['name']}"
        url = f"{self.hub.endpoint}/{'spaces/' if kind == 'space' else ''}{name}"
        if (kind, name) in self.hub.repositories:
            body = {"error": f"You already created this {kind} repo", "url": url}
            raise HubError(409, body["error"], body=body)
        if kind == "space" and wanted.get("sdk") not in ("gradio", "docker", "static"):
            raise HubError(400, "a Space needs an sdk")
        repository = Repository(wanted.get("visibility") == "private")
        repository.variables = {v["key"]: v["value"] for v in wanted.get("variables") or []}
        repository.commit("initial commit", {".gitattributes": Blob(GITATTRIBUTES, False)})
        self.hub.repositories[kind, name] = repository
        self.answer_json({"url": url, "name": name})

    def validate_card(self) -> None:
        """Checks a README's front matter as the Hub does before a commit."""
        request = json.loads(self.body)
        errors = card_errors(request["content"], request["repoType"])
        if errors:
            body = {"errors": [{"message": error} for error in errors], "warnings": []}
            raise HubError(400, "invalid metadata", body=body)
        self.answer_json({"errors": [], "warnings": []})

    def info(self, kind: str, name: str, revision: str = "main") -> None:
        """The repository at a revision; with `blobs`, hashes and sizes of its files."""
        repository = self.repository(kind, name)
        commit = self.revision(repository, revision)
        siblings = []
        for path, blob in commit.files.items():
            sibling = {"rfilename": path}
            if self.query.get("blobs", "").lower() in ("true", "1"):
                sibling |= {"blobId": blob.git_sha1, "size": len(blob.content)}
                if blob.large:
                    sibling["lfs"] = self.pointer(blob) | {"sha256": blob.sha256}
            siblings.append(sibling)
        self.answer_json(
            {"id": name, "sha": commit.oid, "private": repository.private, "siblings": siblings}
        )

    def pointer(self, blob: Blob) -> dict:
        """What stands in git for a large file."""
        return {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}

    def tree(self, kind: str, name: str, revision: str) -> None:
        """All files of a revision."""
        commit = self.revision(self.repository(kind, name), revision)
        entries = []
        for path, blob in sorted(commit.files.items()):
            entry = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.git_sha1}
            entries.append(entry | ({"lfs": self.pointer(blob)} if blob.large else {}))
        self.answer_json(entries)

    def preupload(self, kind: str, name: str, revision: str) -> None:
        """How each file is to be uploaded, and what the repository has under its name."""
        commit = self.revision(self.writable(kind, name), revision)
        answers = []
        for file in json.loads(self.body)["files"]:
            path, old = file["path"], commit.files.get(file["path"])
            large = path.endswith(LARGE_SUFFIXES) or file["size"] > 10_000_000
            answer = {"path": path, "uploadMode": "lfs" if large else "regular"}
            answers.append(answer | {"shouldIgnore": False, "oid": old.etag if old else None})
        self.answer_json({"files": answers})

    def batch(self, kind: str | None, name: str) -> None:
        """Links for the large files that the storage does not have yet."""
        self.writable(kind, name)
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            entry = {"oid": oid, "size": size}
            if oid not in self.hub.storage:
                upload = {"href": f"{self.hub.storage_url}/objects/{oid}?{SIGNATURE}"}
                if size > self.hub.part_size:
                    count = -(-size // self.hub.part_size)
                    links = {
                        str(n): f"{self.hub.storage_url}/objects/{oid}/{n}?{SIGNATURE}"
                        for n in range(1, count + 1)
                    }
                    upload = {"href": f"{self.hub.endpoint}/complete/{oid}"}
                    upload["header"] = {"chunk_size": str(self.hub.part_size)} | links
                verify = {"href": f"{self.hub.endpoint}/verify/{oid}"}
                entry["actions"] = {"upload": upload, "verify": verify}
            objects.append(entry)
        self.answer_json({"transfer": "basic", "objects": objects})

    def complete(self, sha256: str) -> None:
        """Joins the pieces of a large file."""
        content = b""
        for part in json.loads(self.body)["parts"]:
            piece = self.hub.parts.pop((sha256, part["partNumber"]))
            if part["etag"].strip('"') != hashlib.md5(piece).hexdigest():
                raise HubError(400, f"part {part['partNumber']} is not what was sent")
            content += piece
        if hashlib.sha256(content).hexdigest() != sha256:
            raise HubError(400, "the content does not match its hash")
        self.hub.storage[sha256] = content
        self.answer_json({})

    def verify(self, sha256: str) -> None:
        """Confirms that a large file has arrived."""
        if len(self.hub.storage.get(sha256, b"")) != json.loads(self.body)["size"]:
            raise HubError(400, "the storage does not hold it")
        self.answer_json({})

    def commit(self, kind: str, name: str, revision: str) -> None:
        """A commit from a list of operations, one JSON value a line."""
        repository = self.writable(kind, name)
        head = self.revision(repository, revision)
        files, header = dict(head.files), {}
        for line in self.body.splitlines():
            operation = json.loads(line)
            self.apply(operation["key"], operation["value"], files, header)
        if header.get("parentCommit", head.oid) != head.oid:
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        commit = repository.commit(header["summary"], files)
        url = f"{self.hub.endpoint}/{kind}s/{name}/commit/{commit.oid}"
        self.answer_json({"success": True, "commitOid": commit.oid, "commitUrl": url})

    def apply(self, key: str, value: dict, files: dict[str, Blob], header: dict) -> None:
        """One operation of a commit."""
        if key == "header":
            header |= value
        elif key == "file":
            if value["path"].endswith(LARGE_SUFFIXES):
                raise HubError(400, f"{value['path']} must be uploaded as a large file")
            files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
        elif key == "lfsFile":
            if value["oid"] not in self.hub.storage:
                raise HubError(400, f"{value['path']} points to a file that was not uploaded")
            files[value["path"]] = Blob(self.hub.storage[value["oid"]], True)
        elif key == "deletedFile":
            if files.pop(value["path"], None) is None:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
        else:
            raise HubError(400, f"unknown operation {key}")

    def get_variables(self, kind: str, name: str) -> None:
        """A Space's environment."""
        self.answer_variables(self.writable(kind, name))

    def set_variable(self, kind: str, name: str) -> None:
        """Sets one variable of a Space's environment."""
        repository, wanted = self.writable(kind, name), json.loads(self.body)
        repository.variables[wanted["key"]] = wanted["value"]
        self.answer_variables(repository)

    def delete_variable(self, kind: str, name: str) -> None:
        """Removes one variable of a Space's environment."""
        repository = self.writable(kind, name)
        del repository.variables[json.loads(self.body)["key"]]
        self.answer_variables(repository)

    def answer_variables(self, repository: Repository) -> None:
        """Sends a Space's environment."""
        variables = repository.variables.items()
        self.answer_json({key: {"key": key, "value": value} for key, value in variables})

    def resolve(self, kind: str | None, name: str, revision: str, path: str) -> None:
        """A file: a small one at once, a large one by a link to the storage."""
        commit = self.revision(self.repository(kind, name), revision)
        headers = {"X-Repo-Commit": commit.oid}
        if path not in commit.files:
            raise HubError(404, "Entry not found", "EntryNotFound")
        blob = commit.files[path]
        if not blob.large:
            self.answer_file(blob.content, headers | {"ETag": f'"{blob.etag}"'})
            return
        headers |= {
            "Location": f"{self.hub.storage_url}/objects/{blob.sha256}?{SIGNATURE}",
            "X-Linked-Etag": f'"{blob.etag}"',
            "X-Linked-Size": str(len(blob.content)),
        }
        self.answer(302, b"", headers)


def front_matter(card: str) -> dict:
    """The YAML at the top of a README."""
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    return yaml.safe_load(match[1]) if match else {}


def card_errors(card: str, kind: str) -> list[str]:
    """What the Hub finds wrong with a card's front matter."""
    try:
        data = front_matter(card)
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(data, dict):
        return ["the metadata is not a mapping"]
    checks: list[tuple[str, Callable[[], bool]]]
    if kind == "space":
        checks = [
            ("sdk", lambda: data["sdk"] in ("gradio", "docker", "static")),
            ("sdk_version", lambda: bool(re.fullmatch(r"\d+\.\d+\.\d+", data["sdk_version"]))),
            ("python_version", lambda: bool(re.fullmatch(r"3\.\d+", data["python_version"]))),
            ("colorFrom", lambda: {data["colorFrom"], data["colorTo"]} <= COLOURS),
            ("short_description", lambda: len(data.get("short_description", "")) <= 60),
            ("models", lambda: all("/" in name for name in data.get("models", []))),
        ]
    else:
        checks = [
            ("license", lambda: isinstance(data["license"], str)),
            ("language", lambda: data["language"] == "pl"),
            ("pipeline_tag", lambda: data["pipeline_tag"] == "text-generation"),
            ("model-index", lambda: all(map(is_model_index, data.get("model-index", [])))),
        ]
    errors = []
    for name, check in checks:
        try:
            sound = check()
        except (KeyError, TypeError):
            sound = False
        if not sound:
            errors.append(f'"{name}" is missing or not allowed')
    return errors


def is_model_index(entry: dict) -> bool:
    """Whether an entry of model-index has what the Hub's specification demands."""
    return bool(entry["name"]) and all(
        result["task"]["type"]
        and result["dataset"]["type"]
        and result["dataset"]["name"]
        and all(metric["type"] and metric["value"] is not None for metric in result["metrics"])
        for result in entry["results"]
    )
