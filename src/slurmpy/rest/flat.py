"""What the endpoints of v0.0.37 and v0.0.38 have in common: how they answer, and how they tell what went wrong."""

from __future__ import annotations

from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import stream
from slurmpy.data_parser.errors import ERRORS

from .call import Call, Reply

#: the versions that are served so
VERSIONS = ("v0.0.37", "v0.0.38")


class Stop(Exception):
    """The request ends here: ``status``, and a document of ``kind`` with the errors so far."""

    def __init__(self, status: int, kind: str = "none") -> None:
        super().__init__(status)
        self.status = status
        self.kind = kind


def answer(call: Call, kind: str, status: int = 200, **values: Any) -> Reply:
    """A document of that kind with the call's errors."""
    content = stream.whole(call.plugin, kind, encoding=call.encoding, errors=call.context.errors, **values)
    return Reply(status, content, call.media)


def empty(call: Call, status: int = 500) -> Reply:
    """Errors alone, as the family of the endpoint has them."""
    return answer(call, "none" if call.endpoint.family == "slurm" else "slurmdb_none", status)


def told(call: Call, **entry: Any) -> None:
    """One more error; its properties are told in the order given."""
    call.context.errors.append(entry)


def number_of(error: SlurmError) -> tuple[int, str]:
    """An error's number and text as 22.05 has them: what it did not know yet, and a token that is refused, have no
    number of their own."""
    if error.number in (1007, 6000) or error.number >= 9000:
        return -1, "Unspecified error"
    return error.number, error.standard or error.message


def parser_error(call: Call, name: str, description: str = "", source: str = "") -> None:
    number, text = ERRORS[name]
    entry: dict[str, Any] = {"description": description} if description else {}
    entry |= {"error_number": number, "error": text}
    if source:
        entry["source"] = source
    told(call, **entry)


def peer(call: Call) -> str:
    """Who asks, as messages tell it: "[localhost]:1234"."""
    return call.source.partition("(fd:")[0]
