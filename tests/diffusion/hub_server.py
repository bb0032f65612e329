"""A hub on the loopback address: the interface of the Hugging Face hub over folders, as the client library asks it.

Listing of a repository at a revision, and files with ETag, commit and ranges. What a hub does on bad days is a setting:
gated repositories, connections that break off in the middle of a file.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/models/(?P<name>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<revision>[^/]+))?\Z")
_FILE = re.compile(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)\Z")
LARGE = 10 * 2**20
"""Bytes. The client keeps what it received in pieces of this size."""


@dataclass
class Hub:
    """Repositories, and what was asked of them."""

    repositories: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Name -> commit -> folder; the last one is `main`."""
    tags: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = ""
    """Whoever sends it may read what is gated."""
    cut: int = 0
    """How many further answers break off a thousand bytes before the end of a large file."""
    address: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of every request."""

    def commit(self, name: str, revision: str) -> str | None:
        """The commit of a revision; none where there is no such revision."""
        commits = self.repositories[name]
        revision = self.tags.get(revision, revision)
        return list(commits)[-1] if revision == "main" else revision if revision in commits else None

    def fetched(self) -> list[str]:
        """Names of the files whose bytes were asked for."""
        return [m["file"] for how, path, _ in self.asked if how == "GET" and (m := _FILE.match(path))]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub, listening while the context lasts."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        found = _API.match(path) or _FILE.match(path)
        if found is None or found["name"] not in self.hub.repositories:
            # The hub does not tell what is private from what is not there.
            return self._send(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"})
        name = found["name"]
        commit = self.hub.commit(name, found["revision"] or "main")
        if commit is None:
            return self._send(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        folder = self.hub.repositories[name][commit]
        if found.re is _API:
            return self._list(name, commit, folder, found["what"] == "tree")
        if name in self.hub.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._send(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        file = folder / found["file"]
        if not file.is_file():
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        return self._give(file, commit)

    def _list(self, name: str, commit: str, folder: Path, tree: bool) -> None:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        names = [p.relative_to(folder).as_posix() for p in files]
        if tree:
            rows = [
                {"type": "file", "path": n, "size": p.stat().st_size, "oid": hashlib.sha1(p.read_bytes()).hexdigest()}
                for n, p in zip(names, files, strict=True)
            ]
            return self._send(200, {"Content-Type": "application/json"}, json.dumps(rows).encode())
        said = {"id": name, "sha": commit, "siblings": [{"rfilename": n} for n in names], "private": False}
        return self._send(200, {"Content-Type": "application/json"}, json.dumps(said).encode())

    def _give(self, file: Path, commit: str) -> None:
        data = file.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
        }
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(start[1]) if start else 0
        if start:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        cut = self.command == "GET" and self.hub.cut > 0 and len(data) > LARGE
        self._send(206 if start else 200, headers, data[first:], cut=cut)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", *, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut:
            self.hub.cut -= 1
            body = body[:-1000]
            self.close_connection = True
        self.wfile.write(body)
