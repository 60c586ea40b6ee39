"""A Hugging Face hub of one repository on loopback, for the real huggingface_hub client.

It answers what the client asks when it downloads a snapshot: the description of a revision (with
sizes and hashes), the tree, and HEAD and GET of each file with `ETag`, `X-Repo-Commit`, the
`X-Linked-*` headers of large files, and `Range`. Faults are switched on by methods.

    with LoopbackHub({"config.json": b"{}"}) as hub:
        environment = hub.environment(tmp_path)   # HF_ENDPOINT, HF_HOME, ...
        ...run a process in it: huggingface_hub reads these when it is imported
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

# The real hub keeps these as large files, which have a SHA-256; the others have a git hash.
LARGE_SUFFIXES = (".safetensors", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: `token` is whether it sent one, `first_byte` where its Range began."""

    method: str
    path: str
    first_byte: int
    authorization: str | None


@dataclass
class Faults:
    """What the hub does wrong, by file name."""

    cut_at: dict[str, tuple[int, int]] = field(default_factory=dict)  # byte, times left
    damaged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    claimed_sizes: dict[str, int] = field(default_factory=dict)
    status: int | None = None  # of every reply
    token: str | None = None  # needed by a gated repository


class LoopbackHub:
    """Serves `files` (name → content, or a directory) as the only commit of `repository`."""

    def __init__(
        self, files: Mapping[str, bytes] | Path, repository: str = "acme/tiny-moe-4bit"
    ) -> None:
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes()
                for path in sorted(files.rglob("*"))
                if path.is_file()
            }
        self.files = dict(files)
        self.repository = repository
        digests = [[name, hashlib.sha1(data).hexdigest()] for name, data in self.files.items()]
        self.commit = hashlib.sha1(json.dumps(digests).encode()).hexdigest()
        self.revisions = {"main": self.commit, self.commit: self.commit}
        self.requests: list[Request] = []
        self.faults = Faults()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """The variables of a process that uses this hub and keeps everything under `home`."""
        foreign = ("HF_", "HUGGING", "XDG_", "TRANSFORMERS_")
        mine = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **mine,
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "MLXBENCH_HOME": str(home / "mlxbench"),
            **more,
        }

    def cut_after(self, name: str, count: int, times: int = 1) -> None:
        """Close the connection once byte `count` of `name` was sent, for the next `times` GETs."""
        self.faults.cut_at[name] = (count, times)

    def damage(self, name: str) -> None:
        """Serve `name` with one bit of its last byte flipped, under the old hash."""
        self.faults.damaged.add(name)

    def lose(self, name: str) -> None:
        """List `name` but answer 404 for it."""
        self.faults.lost.add(name)

    def claim_size(self, name: str, size: int) -> None:
        """Describe `name` as `size` bytes long."""
        self.faults.claimed_sizes[name] = size

    def require_token(self, token: str) -> None:
        """Make the repository gated: nothing without this token."""
        self.faults.token = token

    def fail_with(self, status: int) -> None:
        """Answer everything with this status."""
        self.faults.status = status

    def mend(self) -> None:
        """Switch all faults off."""
        self.faults = Faults()

    def downloads(self, name: str) -> list[Request]:
        """The GETs of one file so far."""
        return [r for r in self.requests if r.method == "GET" and r.path.endswith(f"/{name}")]

    def described(self, name: str) -> dict[str, Any]:
        """Size and hashes of a file, as both kinds of listing carry them."""
        data = self.files[name]
        size = self.faults.claimed_sizes.get(name, len(data))
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if not name.endswith(LARGE_SUFFIXES):
            return {"size": size, "git": git, "lfs": None}
        sha256 = hashlib.sha256(data).hexdigest()
        return {"size": size, "git": git, "lfs": {"size": size, "sha256": sha256}}


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Print nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        authorization = self.headers.get("Authorization")
        with self.hub.lock:
            self.hub.requests.append(Request(self.command, path, self._first_byte(), authorization))
        faults = self.hub.faults
        api, files = f"/api/models/{self.hub.repository}", f"/{self.hub.repository}/resolve/"
        if faults.status is not None:
            self._refuse(faults.status, "", "the hub has trouble")
        elif not path.startswith((f"{api}/", files)) and path != api:
            self._refuse(404, "RepoNotFound", "Repository not found")
        elif faults.token is not None and authorization != f"Bearer {faults.token}":
            self._refuse(401, "GatedRepo", "Access to this model is restricted")
        elif path.startswith(files):
            self._file(*path.removeprefix(files).split("/", 1))
        else:
            kind, _, revision = path.removeprefix(api).strip("/").partition("/")
            self._listing(kind, revision or "main", "blobs" in parse_qs(parts.query))

    def _listing(self, kind: str, revision: str, with_blobs: bool) -> None:
        commit = self.hub.revisions.get(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif kind == "tree":
            self._json([self._tree_entry(name) for name in self.hub.files])
        else:
            siblings = [self._sibling(name, with_blobs) for name in self.hub.files]
            name = self.hub.repository
            self._json(
                {"_id": "1", "id": name, "modelId": name, "sha": commit, "siblings": siblings}
            )

    def _tree_entry(self, name: str) -> dict[str, Any]:
        file = self.hub.described(name)
        entry = {"type": "file", "path": name, "size": file["size"], "oid": file["git"]}
        if lfs := file["lfs"]:
            entry["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": 134}
        return entry

    def _sibling(self, name: str, with_blobs: bool) -> dict[str, Any]:
        if not with_blobs:
            return {"rfilename": name}
        file = self.hub.described(name)
        entry = {"rfilename": name, "size": file["size"], "blobId": file["git"]}
        if lfs := file["lfs"]:
            entry["lfs"] = {"size": lfs["size"], "sha256": lfs["sha256"], "pointerSize": 134}
        return entry

    def _file(self, revision: str, name: str) -> None:
        commit = self.hub.revisions.get(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif name not in self.hub.files or name in self.hub.faults.lost:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            self._send_file(name, commit)

    def _send_file(self, name: str, commit: str) -> None:
        described, data = self.hub.described(name), self.hub.files[name]
        if name in self.hub.faults.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        first = self._first_byte()
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        etag = described["lfs"]["sha256"] if described["lfs"] else described["git"]
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        if described["lfs"]:
            self.send_header("X-Linked-ETag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(described["size"]))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        if self.command == "GET":
            self._send_body(name, data, first)

    def _send_body(self, name: str, data: bytes, first: int) -> None:
        byte, times = self.hub.faults.cut_at.get(name, (0, 0))
        if times:
            self.hub.faults.cut_at[name] = (byte, times - 1)
            data = data[:byte]
            self.close_connection = True
        self.wfile.write(data[first:])

    def _first_byte(self) -> int:
        wanted = self.headers.get("Range", "bytes=0-")
        return int(wanted.removeprefix("bytes=").split("-")[0])

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()
