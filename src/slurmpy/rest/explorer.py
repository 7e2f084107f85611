"""/docs: the API explorer, a page of our own around Swagger UI, out of the package and nowhere else.

The page and what it consists of are open to everybody: they are the same in every installation. What tells of this one,
the versions served and their documents, is given to whom /openapi is given.
"""

from __future__ import annotations

import gzip
from importlib import resources
from typing import Any

from .http import Request, Response
from .negotiation import compressed

PATH = "/docs"
#: the only places that a browser may take anything from or send anything to; Swagger UI has pictures in its style sheet
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STRICT = (
    f"Content-Security-Policy: {POLICY}",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
)
_VARY = "Vary: Accept-Encoding"
#: name below `PATH`: (media type, whether it is packaged compressed). What is asked for again is told unchanged.
FILES = {
    "explorer.css": ("text/css; charset=utf-8", False),
    "explorer.js": ("text/javascript; charset=utf-8", False),
    "icon.svg": ("image/svg+xml", False),
    "swagger-ui-bundle.js": ("text/javascript; charset=utf-8", True),
    "swagger-ui.css": ("text/css; charset=utf-8", True),
}


class Packed:
    """Content that stays the same while the process lives, held compressed (as ``packed`` content comes already)."""

    def __init__(self, content: bytes, media: str, *, packed: bool = False, public: bool = False) -> None:
        from hashlib import sha256

        self.content = content if packed else gzip.compress(content, 9, mtime=0)
        self.media = media
        self.tag = sha256(self.content).hexdigest()[:32]
        self.caching = "Cache-Control: no-cache" if public else "Cache-Control: private, no-cache"

    def response(self, request: Request) -> Response:
        small = compressed(request.headers.get("accept-encoding"))
        tag = f'"{self.tag}-gzip"' if small else f'"{self.tag}"'
        more = (self.caching, f"ETag: {tag}", *_STRICT)
        known = [word.strip().removeprefix("W/") for word in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Response(304, close=False, more=(*more, _VARY))
        if small:
            return Response(200, self.content, self.media, encoding="gzip", more=more)
        return Response(200, gzip.decompress(self.content), self.media, more=(*more, _VARY))


class Explorer:
    def __init__(self) -> None:
        self._files: dict[str, Packed] = {}

    def open(self, request: Request) -> str | None:
        """The file that a request wants which anybody may have; None if it wants something else."""
        if request.method != "GET" or not request.target.startswith(b"/docs"):
            return None
        path = request.target.partition(b"?")[0].decode("latin-1")
        if path in (PATH, PATH + "/"):
            return path
        name = path.removeprefix(PATH + "/")
        return name if name in FILES else None

    def file(self, name: str, request: Request) -> Response:
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = self._load(name)
        return found.response(request)

    def _load(self, name: str) -> Packed:
        folder = resources.files(__package__).joinpath("assets")
        if name not in FILES:  # the page: where the rest is depends on whether its own address ends with a slash
            page = folder.joinpath("page.html").read_bytes()
            return Packed(
                page.replace(b"{HERE}", b"" if name.endswith("/") else b"docs/"),
                "text/html; charset=utf-8",
                public=True,
            )
        media, packed = FILES[name]
        return Packed(folder.joinpath(name + ".gz" * packed).read_bytes(), media, packed=packed, public=True)


def empty(request: Request) -> bool:
    """Whether a request has no body."""
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def json(content: Any) -> Packed:
    import orjson

    return Packed(orjson.dumps(content), "application/json")
