"""The console's files: held in memory, compressed once, cached for good under an address that changes with them."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.clock import Clock
from shared.problem import problem

_VERSIONED = "static"
_FOREVER = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
# Smaller ones do not shrink by a packet.
_WORTH_COMPRESSING = 256
_LOOK_AGAIN_S = 1.0
_REFERENCE = re.compile(r'\b(src|href)="(?!https?:|/|#|data:)([^"]+)"')
# Systems differ in what they call a module; browsers refuse one that is not JavaScript.
_MEDIA_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".webmanifest": "application/manifest+json"}


class StaticFile(NamedTuple):
    """A file as it is sent; `packed` is its gzip form where that is smaller."""

    content: bytes
    packed: bytes | None
    media_type: str
    etag: str


class ConsoleFiles:
    """Serves a folder as one version to requests that no route takes.

    Every file below `/static/<version>/` never changes, `/` names the version. A changed folder, as while the console
    is worked on, is noticed within a second.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._files: Mapping[str, StaticFile] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._looked_at_s = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        self._refresh()
        path = str(scope["path"]).lstrip("/") or "index.html"
        file = self._files.get(path)
        if file is None:
            # Whatever the method: an API's address with a value that no route takes ends here, too.
            return problem(404, "there is nothing at this address")
        if scope["method"] not in ("GET", "HEAD"):
            return problem(405, f"{scope['method']} is not one of GET, HEAD", {"Allow": "GET, HEAD"})
        headers = Headers(scope=scope)
        sent = {
            "Cache-Control": _FOREVER if path.startswith(f"{_VERSIONED}/") else _REVALIDATE,
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
        }
        if file.etag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=sent)
        content = file.content
        if file.packed is not None and "gzip" in headers.get("accept-encoding", ""):
            content, sent["Content-Encoding"] = file.packed, "gzip"
        return Response(content, headers=sent, media_type=file.media_type)

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at_s < _LOOK_AGAIN_S:
            return
        self._looked_at_s = now
        stamps = {}
        for path in self._folder.rglob("*"):
            # A link that leads nowhere is none: editors mark a file that is being edited by one beside it.
            if path.is_file():
                status = path.stat()
                stamps[path] = (status.st_mtime_ns, status.st_size)
        if stamps != self._stamps:
            self._files = load({path.relative_to(self._folder).as_posix(): path.read_bytes() for path in stamps})
            self._stamps = stamps


def load(contents: Mapping[str, bytes]) -> dict[str, StaticFile]:
    """Return the files by path, each also below its versioned address; pages name the versioned ones."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(name.encode() + b"\0" + hashlib.sha256(contents[name]).digest())
    base = f"{_VERSIONED}/{digest.hexdigest()[:16]}"
    files = {}
    for name, content in contents.items():
        if name.endswith(".html"):
            files[name] = _file(name, _REFERENCE.sub(rf'\1="/{base}/\2"', content.decode()).encode())
        else:
            files[name] = files[f"{base}/{name}"] = _file(name, content)
    return files


def _file(name: str, content: bytes) -> StaticFile:
    suffix = PurePosixPath(name).suffix
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(content, 9, mtime=0) if len(content) >= _WORTH_COMPRESSING else content
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return StaticFile(content, packed if len(packed) < len(content) else None, media_type, etag)
