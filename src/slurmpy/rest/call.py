"""One request on its way: what was asked, by whom, and the answer that is being made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import stream
from slurmpy.data_parser.errors import ERRORS, Context, ParseFailed
from slurmpy.data_parser.parser_flags import COMPLEX

from . import releases

if TYPE_CHECKING:
    from slurmpy.data_parser.plugin import Plugin
    from slurmpy.rpc.aio import AsyncClient

    from .daemons import Daemons
    from .endpoints import Endpoint
    from .loading import Together
    from .releases import Release

#: what comes in one piece, with its length told; longer documents are sent as they arrive
WHOLE = 4 << 20

FAMILIES = {
    "slurm": ("openapi/slurmctld", "Slurm OpenAPI slurmctld"),
    "slurmdb": ("openapi/slurmdbd", "Slurm OpenAPI slurmdbd"),
    "util": ("openapi/util", "Slurm OpenAPI util"),
}


_UNKNOWN_FLAG = ERRORS["ESLURM_DATA_FLAGS_INVALID"][0]


class Reply:
    """An answer: ``content`` is bytes, a stream of bytes, or None for a status alone."""

    def __init__(self, status: int, content: bytes | AsyncIterator[bytes] | None, media: str = "") -> None:
        self.status = status
        self.content = content
        self.media = media


class Refused(Exception):
    """The request ends here with the errors that are in its context."""


class Call:
    def __init__(
        self,
        endpoint: Endpoint,
        plugin: Plugin,
        daemons: Daemons,
        token: str | None,
        user: str,
        *,
        path: dict[str, str],
        query: dict[str, str],
        body: Any,
        media: str,
        source: str,
        own: tuple[str, str],
    ) -> None:
        self.endpoint = endpoint
        self.plugin = plugin
        self.daemons = daemons
        self.token = token
        self.user = user
        self.path = path
        self.raw_query = query
        self.raw_body = body
        self.media = media
        self.source = source
        self.own = own
        self.context = Context(plugin.version, plugin.flags)
        self.together: Together | None = None  # where changes are gathered, if they are to be made all or none
        self.failure = 0  # the status of a refusal, where it is not that of its number

    @property
    def encoding(self) -> str:
        return "json" if self.media == "application/json" else "yaml"

    @property
    def older(self) -> bool:
        """Before v0.0.42."""
        return self.plugin.version in ("v0.0.40", "v0.0.41")

    @property
    def newer(self) -> bool:
        """From v0.0.43 on."""
        return self.release is releases.R26_05

    @property
    def release(self) -> Release:
        """The one whose words and statuses the answer has."""
        return releases.of(self.plugin.version)

    def function(self, name: str) -> str:
        """How messages name a function of the accounting library that was called for this request."""
        return f"{name}({id(self):#x})" if self.release.addresses else f"{name}()"

    @property
    def slurmctld(self) -> AsyncClient:
        return self.daemons.slurmctld(self.token, self.user)

    @property
    def slurmdbd(self) -> AsyncClient:
        return self.daemons.slurmdbd(self.token, self.user)

    # -- what was asked ------------------------------------------------------------------------------------------

    def query(self, source: str = "", what: str = "query.") -> dict[str, Any]:
        """The query parameters by the endpoint's table. Raises Refused."""
        table = self.endpoint.looked_at(self.plugin.version)
        if table is None:
            return {}
        try:
            found: dict[str, Any] = table.parse(dict(self.raw_query), "#/", self.context)
        except ParseFailed:
            self.refuse(f"Rejecting request. Failure parsing {what}", source or self.endpoint.source)
        return found

    def body(self, type: str) -> Any:
        """The body as the type's record. Raises Refused, also for what is not supported or makes no sense; but as with
        Slurm's daemon a flag that is not known is told of, and the rest is done."""
        try:
            found = self.plugin.parse(type, {} if self.raw_body is None else self.raw_body, self.context)
        except ParseFailed:
            raise Refused from None
        if any(entry["error_number"] != _UNKNOWN_FLAG for entry in self.context.errors):
            raise Refused
        return found

    # -- what went wrong -----------------------------------------------------------------------------------------

    def error(self, number: int, text: str, description: str, source: str) -> None:
        self.context.errors.append(
            {"description": description, "error_number": number, "error": text, "source": source}
        )

    def slurm_error(self, error: SlurmError, description: str, source: str) -> None:
        number, text = error.number, error.message
        if number == 6000:  # what the daemons say of a token is what clients know as this
            number, text = 1007, "Protocol authentication error"
        elif error.name == "ESLURM_ACCESS_DENIED":
            text = error.standard  # the reason is for sacctmgr's users
        self.error(number, text, description, source)

    def refuse(self, description: str, source: str, name: str = "ESLURM_REST_INVALID_QUERY") -> None:
        """Ends the request with one of the parser's own errors."""
        number, text = ERRORS[name]
        self.error(number, text, description, source)
        raise Refused

    def warn(self, description: str, source: str) -> None:
        self.context.warnings.append({"description": description, "source": source})

    # -- the answer ----------------------------------------------------------------------------------------------

    def meta(self) -> dict[str, Any]:
        type, name = FAMILIES[self.endpoint.family]
        user, group = self.own if self.endpoint.family == "slurm" else ("", "")
        return {
            "plugin_type": type,
            "plugin_name": name,
            "accounting_storage": str(self.daemons.conf.AccountingStorageType or ""),
            "source": self.source,
            "user": user,
            "group": group,
            "cluster": str(self.daemons.conf.ClusterName or ""),
        }

    def status(self) -> int:
        errors = self.context.errors
        if errors and self.failure:
            return self.failure
        return self.release.status(errors[-1]["error_number"]) if errors else 200

    def reply(self, kind: str, **values: Any) -> Reply:
        """A document of that kind with the call's errors and warnings."""
        content = stream.whole(
            self.plugin,
            kind,
            encoding=self.encoding,
            meta=self.meta(),
            errors=self.context.errors,
            warnings=self.context.warnings,
            **values,
        )
        return Reply(self.status(), content, self.media)

    def records(self, kind: str, records: Iterable[Any], now: float = 0, **values: Any) -> Reply:
        """The same around a list of records."""
        if records == () and self.context.errors and COMPLEX in self.plugin.flags:
            return self.reply(kind, **values)  # which says that nothing was looked at
        pieces = stream.document(
            self.plugin,
            kind,
            records,
            encoding=self.encoding,
            now=now,
            meta=self.meta(),
            errors=self.context.errors,
            warnings=self.context.warnings,
            **values,
        )
        return Reply(self.status(), b"".join(pieces), self.media)

    def failed(self) -> Reply:
        return self.reply("none")

    async def exists(self, what: str, name: str) -> bool:
        """Whether slurmctld has one of that name in its list of `what`. Raises SlurmError."""
        args = {"what": what, "fields": ("name",), "where": {"names": (name,), "all": True}}
        async for part in self.slurmctld.stream("query", args):
            if part.get("rows"):
                return True
        return False

    async def dump(self, client: AsyncClient, what: str, where: dict[str, Any] | None = None, **more: Any) -> Reply:
        """The daemon's own document; `more` are further arguments of its method. Raises SlurmError."""
        told = [{name: entry[name] for name in entry if name != "name"} for entry in self.context.errors]
        meta = {**self.meta(), "errors": told, "warnings": self.context.warnings}
        args = {
            "what": what,
            "where": where or {},
            "parser": self.plugin.asked,
            "encoding": self.encoding,
            "meta": meta,
            **more,
        }
        parts = client.stream("dump", args)
        held: list[bytes] = []
        length = 0
        async for part in parts:
            held.append(part)
            length += len(part)
            if length > WHOLE:
                return Reply(self.status(), _rest(held, parts), self.media)
        return Reply(self.status(), b"".join(held), self.media)


async def _rest(held: list[bytes], parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in held:
        yield piece
    held.clear()
    async for piece in parts:
        yield piece
