"""The application: from an HTTP request to a `Call` and from its `Reply` back."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import json_text, registry, yaml_text
from slurmpy.rpc.log import log

from . import explorer, openapi, releases
from .call import Call, Refused, Reply
from .compact import squeeze, squeezed
from .daemons import Daemons
from .endpoints import Endpoint
from .flat import VERSIONS as FLAT
from .flat_endpoints import ALL
from .http import Request, Response, text
from .identity import Identity
from .negotiation import MEDIA, UnknownType, Unreadable, accepted, compressed, pairs, parse_body, segments, split_target
from .routes import Routes

_NO_METHOD = "Requested REST method is not defined at URL. Please view /openapi/v3 for API reference."
_OPENAPI_PATHS = ("/openapi", "/openapi/v3", "/openapi.json", "/openapi.yaml", "/openapi.yml")
#: bytes from which on an answer is worth compressing; of those above the second, another thread does it
COMPRESS, ASIDE = 1024, 256 << 10

if TYPE_CHECKING:
    from .options import Settings

Answer = Callable[[Request, Identity, dict[str, str], str], Awaitable[Response]]


class Application:
    """What ``settings`` opens: ways in (``auth``: "rest_auth/jwt", "rest_auth/local"), parser ``versions``,
    ``families`` of endpoints. ``own`` is this process's user and group by name, as answers tell them."""

    def __init__(self, conf: Any, settings: Settings, own: tuple[str, str]) -> None:
        self.daemons = Daemons(conf)
        self.settings = settings
        self.families = settings.families
        self.own = own
        self._network = "Network" in str(conf.DebugFlags or "").split(",")
        self.plugins = [registry.get(version) for version in settings.versions]
        self._openapi: dict[str, bytes] = {}
        self.explorer = explorer.Explorer()
        self._documents: dict[str, explorer.Packed] = {}
        self._routes: Routes[Answer] = Routes()
        for plugin in self.plugins:
            for endpoint in ALL:
                if endpoint.family in self.families and endpoint.serves(plugin.version):
                    path = f"/{endpoint.family}/{plugin.version}{endpoint.path}"
                    self._routes.add(endpoint.method, path, self._endpoint(endpoint, plugin))
        for path in _OPENAPI_PATHS:
            self._routes.add("GET", path, self._document)
        self._routes.add("GET", f"{explorer.PATH}/versions", self._versions)
        self._routes.add("GET", f"{explorer.PATH}/versions/{{version}}", self._document_of)

    # -- the connection's calls ------------------------------------------------------------------------------------

    def admit(self, request: Request) -> Response | None:
        """Refuses what is refused without a look at the body. Slurm's daemon wants every request's length told, and a
        HEAD's answer has none."""
        if request.method == "HEAD":
            return text(*releases.of_path(split_target(request.target)[0]).head, hollow=True)
        if self.explorer.open(request) is not None and explorer.empty(request):
            return None
        if Identity.of(request, self.settings.auth) is None:
            self._log(request, 401)
            return text(401, "Authentication failure")
        return None

    async def answer(self, request: Request) -> Response:
        try:
            response = await self._answer(request)
        except Exception as error:
            log.exception(f"{request.method} {request.target.decode('latin-1')!a}", error)
            response = text(500, "Internal error")
        self._log(request, response.status)
        return response

    def _log(self, request: Request, status: int) -> None:
        """No header is ever logged: they hold tokens."""
        tell = log.info if self._network else log.verbose
        tell(f"[{request.connection.source}] {request.method} {request.target.decode('latin-1')!a} {status}")

    async def _answer(self, request: Request) -> Response:
        page = self.explorer.open(request)
        if page is not None:
            return self.explorer.file(page, request)
        who = Identity.of(request, self.settings.auth)
        if who is None:
            return text(401, "Authentication failure")
        path, query = split_target(request.target)
        try:
            parts = segments(path)
        except Unreadable:
            return text(*releases.of_path(path).bad_path)
        found = self._routes.find(request.method, parts)
        if found is None:
            # a path that has other methods is an answer of its own in the oldest versions only
            other = parts[1:2] and parts[1] in FLAT and self._routes.known(parts)
            return text(405, _NO_METHOD) if other else text(*releases.of_path(path).not_found)
        answer, values = found
        response = await answer(request, who, values, query)
        if self.settings.compact and not response.encoding and response.media == "application/json":
            content = response.content
            response.content = squeeze(content) if isinstance(content, bytes) else content and squeezed(content)
        if not response.encoding and compressed(request.headers.get("accept-encoding")):
            await _compress(response)
        return response

    # -- the document about everything -----------------------------------------------------------------------------

    async def _document(self, request: Request, who: Identity, values: dict[str, str], query: str) -> Response:
        media = accepted(request.headers.get("accept"))
        if media is None:
            return text(*releases.R24_11.not_acceptable)
        form = "json" if media == "application/json" else "yaml"
        if form not in self._openapi:
            document = openapi.document(self.plugins, self.families, self.settings.statuses)
            if form == "json":
                self._openapi[form] = json_text.write(document).encode()
            else:
                self._openapi[form] = ("%YAML 1.1\n---" + yaml_text.mapping(document, 0) + "\n...\n").encode()
        return Response(200, self._openapi[form], media)

    async def _versions(self, request: Request, who: Identity, values: dict[str, str], query: str) -> Response:
        """Those that the explorer can show."""
        return explorer.json(list(self.settings.versions)).response(request)

    async def _document_of(self, request: Request, who: Identity, values: dict[str, str], query: str) -> Response:
        """The document of one version, which is a small part of the whole."""
        version = values["version"]
        plugin = next((one for one in self.plugins if one.version == version), None)
        if plugin is None:
            return text(*releases.R24_11.not_found)
        if version not in self._documents:
            self._documents[version] = explorer.json(openapi.document([plugin], self.families, self.settings.statuses))
        return self._documents[version].response(request)

    # -- endpoints ---------------------------------------------------------------------------------------------------

    def _endpoint(self, endpoint: Endpoint, plugin: Any) -> Answer:
        release = releases.of(plugin.version)

        async def answer(request: Request, who: Identity, values: dict[str, str], query: str) -> Response:
            if endpoint.flat and who.token is not None and not who.named:
                return text(401, "Authentication failure")  # the oldest take a token with its user beside it only
            media = accepted(request.headers.get("accept"), MEDIA[:2] if endpoint.flat else MEDIA)
            if media is None:
                return text(*release.not_acceptable, close=not release.patient)
            kind = request.headers.get("content-type", "")
            try:
                body = parse_body(kind, bytes(request.body))
                parameters = pairs(query)
            except UnknownType:
                return text(*(release.other_type if kind else release.no_type))
            except Unreadable:
                return text(*release.bad_body)
            call = Call(
                endpoint,
                plugin,
                self.daemons,
                who.token,
                who.user,
                path=values,
                query=parameters,
                body=body,
                media=media,
                source=request.connection.source,
                own=self.own,
            )
            try:
                reply = await endpoint.handler(call)
            except Refused:
                reply = call.failed()
            return respond(reply)

        return answer


def respond(reply: Reply) -> Response:
    if reply.content is None:
        return Response(reply.status, close=False)
    if isinstance(reply.content, bytes):
        return Response(reply.status, reply.content, reply.media)
    return Response(reply.status, _guarded(reply.content), reply.media, close=False)


async def _guarded(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    except SlurmError as error:
        log.error(f"an answer broke off: {error.message}")
        raise ConnectionError from error


async def _compress(response: Response) -> None:
    content = response.content
    if content is None or (isinstance(content, bytes) and len(content) < COMPRESS):
        return
    response.encoding = "gzip"
    if not isinstance(content, bytes):
        response.content = _gzipped(content)
    elif len(content) < ASIDE:
        response.content = _gzip(content)
    else:
        response.content = await asyncio.to_thread(_gzip, content)


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()


async def _gzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    async for piece in pieces:
        small = packer.compress(piece) if len(piece) < ASIDE else await asyncio.to_thread(packer.compress, piece)
        if small:
            yield small
    yield packer.flush()
