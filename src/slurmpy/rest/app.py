"""The application: from an HTTP request to a `Call` and from its `Reply` back."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import json_text, registry
from slurmpy.rpc.log import log

from . import openapi
from .call import Call, Refused, Reply
from .daemons import Daemons
from .endpoints import ENDPOINTS, Endpoint

MEDIA = ("application/json", "application/x-yaml", "application/yaml")
#: the largest body that is read
MAX_BODY = 64 << 20

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NOT_FOUND = "Unable find requested URL. Please view /openapi/v3 for API reference."
_OPENAPI_PATHS = ("/openapi", "/openapi/v3", "/openapi.json", "/openapi.yaml", "/openapi.yml")

if TYPE_CHECKING:
    from .main import Settings

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Unreadable(Exception):
    """The body is no document."""


def text(status: int, message: str) -> Response:
    return _closing(Response(message.encode(), status, media_type=None, headers={"content-type": "text/plain"}))


def _closing(response: Response) -> Response:
    """Slurm's daemon ends the connection after a request that failed."""
    response.headers["connection"] = "close"
    return response


class Application:
    """What ``settings`` (see `main.Settings`) opens: ways in (``auth``: "rest_auth/jwt", "rest_auth/local"), parser
    ``versions``, ``families`` of endpoints. ``own`` is this process's user and group by name, as answers tell them."""

    def __init__(self, conf: Any, settings: Settings, own: tuple[str, str]) -> None:
        self.daemons = Daemons(conf)
        self.auth = settings.auth
        self.families = settings.families
        self.own = own
        self.plugins = [registry.get(version) for version in settings.versions]
        self._openapi: bytes | None = None
        routes = [
            Route(f"/{endpoint.family}/{plugin.version}{endpoint.path.rstrip('/')}", self._endpoint(endpoint, plugin),
                  methods=[endpoint.method])
            for plugin in self.plugins
            for endpoint in ENDPOINTS
            if endpoint.family in self.families and endpoint.serves(plugin.version)
        ]  # fmt: skip
        routes += [Route(path, self._document, methods=["GET"]) for path in _OPENAPI_PATHS]
        handlers: Any = {404: _not_found, 405: _not_found, Exception: _defect}
        self._starlette = Starlette(routes=routes, exception_handlers=handlers)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """What stands before the routes: requests that are refused as such, and the normal form of a path."""
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            if scope["method"] == "HEAD":
                await _closing(Response(status_code=411))(scope, receive, send)
                return
            if _BAD_ESCAPE.search(raw):
                await text(400, "Unable to parse URL path.")(scope, receive, send)
                return
            scope = {**scope, "path": "/" + "/".join(part for part in scope["path"].split("/") if part)}
        await self._starlette(scope, receive, send)

    # -- the document about everything -----------------------------------------------------------------------------

    async def _document(self, request: Request) -> Response:
        if self._identify(request) is None:
            return text(401, "Authentication failure")
        if self._openapi is None:
            self._openapi = json_text.write(openapi.document(self.plugins, self.families)).encode()
        return Response(self._openapi, media_type="application/json")

    # -- endpoints ---------------------------------------------------------------------------------------------------

    def _endpoint(self, endpoint: Endpoint, plugin: Any) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            who = self._identify(request)
            if who is None:
                return text(401, "Authentication failure")
            media = accepted(request.headers.get("accept"))
            if media is None:
                return text(415, "Accept content type is unknown")
            try:
                body = await read_body(request)
            except Unreadable:
                return text(400, "Unable to parse query.")
            call = Call(
                endpoint,
                plugin,
                self.daemons,
                who[0],
                who[1],
                path={name: str(value) for name, value in request.path_params.items()},
                query=dict(parse_qsl(request.url.query, keep_blank_values=True)),
                body=body,
                media=media,
                source=_source(request),
                own=self.own,
            )
            try:
                reply = await endpoint.handler(call)
            except Refused:
                reply = call.failed()
            return respond(reply)

        return answer

    def _identify(self, request: Request) -> tuple[str | None, str] | None:
        """(token, user) to speak with; a token of None is this process's own user; None: not let in."""
        headers = request.headers
        if "rest_auth/jwt" in self.auth:
            token = headers.get("x-slurm-user-token")
            if token is not None:
                return token, headers.get("x-slurm-user-name", "")
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip(), headers.get("x-slurm-user-name", "")
        if "rest_auth/local" in self.auth and _local_peer(request):
            return None, ""
        return None


async def _not_found(request: Request, error: Exception) -> Response:
    return text(404, _NOT_FOUND)


async def _defect(request: Request, error: Exception) -> Response:
    log.exception(f"{request.method} {request.url.path}", error)
    return text(500, "Internal error")


def _local_peer(request: Request) -> bool:
    """Whether the request came over a unix socket from this process's own user or root."""
    import os

    connection = request.scope.get("state", {}).get("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return False
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", raw)[1] in (0, os.geteuid())


def _source(request: Request) -> str:
    connection = request.scope.get("state", {}).get("socket")
    number = connection.fileno() if connection is not None else -1
    if request.client is None or (connection is not None and connection.family == socket.AF_UNIX):
        return f"unix:(fd:{number})"
    host, port = request.client
    return f"[{'localhost' if host in ('127.0.0.1', '::1') else host}]:{port}(fd:{number})"


def accepted(header: str | None) -> str | None:
    """The media type to answer in, of those that an Accept header lets; None if there is none."""
    best: tuple[float, str] | None = None
    for entry in (header or "*/*").split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        for media in MEDIA:
            if name in (media, "*/*", media.split("/")[0] + "/*") and weight > 0 and (best is None or weight > best[0]):
                best = (weight, media)
                break
    return best[1] if best else None


async def read_body(request: Request) -> Any:
    """The body as a document by its type; None if there is none. Raises Unreadable."""
    pieces: list[bytes] = []
    length = 0
    async for piece in request.stream():
        pieces.append(piece)
        length += len(piece)
        if length > MAX_BODY:
            raise Unreadable
    data = b"".join(pieces)
    if not data.strip():
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            import json

            return json.loads(data)
        if kind in MEDIA:
            import yaml

            return yaml.load(data, yaml.CBaseLoader)  # noqa: S506 - it makes strings, lists and dicts only
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(data.decode().strip(), keep_blank_values=True))
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable from error
    except Exception as error:  # yaml has its own
        raise Unreadable from error
    raise Unreadable


def respond(reply: Reply) -> Response:
    if reply.content is None:
        return Response(status_code=reply.status)
    if isinstance(reply.content, bytes):
        response = Response(reply.content, reply.status, media_type=None, headers={"content-type": reply.media})
        return response if reply.status == 200 else _closing(response)
    return StreamingResponse(_guarded(reply.content), reply.status, headers={"content-type": reply.media})


async def _guarded(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    except SlurmError as error:
        log.error(f"an answer broke off: {error.message}")
        raise ConnectionError from error
