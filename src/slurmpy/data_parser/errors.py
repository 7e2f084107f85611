"""What goes wrong while a document is read: Slurm's numbers, and where in the document it was."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from slurmpy.core.errors import SlurmError

from . import json_text
from .parser_flags import COMPLEX, FAST

#: name -> (number, text); the numbers of slurm_errno that a data parser and the REST daemon answer with
ERRORS: dict[str, tuple[int, str]] = {
    "ESLURM_REST_INVALID_QUERY": (9000, "Query empty or not RFC7320 compliant"),
    "ESLURM_REST_FAIL_PARSING": (9001, "Failure during parsing"),
    "ESLURM_REST_INVALID_JOBS_DESC": (9002, "Jobs description entry not found, empty or not dictionary or list"),
    "ESLURM_REST_EMPTY_RESULT": (9003, "Nothing found with query"),
    "ESLURM_DATA_PATH_NOT_FOUND": (9200, "Unable to resolve path"),
    "ESLURM_DATA_PTR_NULL": (9201, "Data pointer is NULL"),
    "ESLURM_DATA_CONV_FAILED": (9202, "Unable to convert Data type"),
    "ESLURM_DATA_REGEX_COMPILE": (9203, "Unable to compile regex"),
    "ESLURM_DATA_UNKNOWN_MIME_TYPE": (9204, "MIME type is unknown and unsupported by plugin"),
    "ESLURM_DATA_TOO_LARGE": (9205, "Data is too large or contains too many nodes"),
    "ESLURM_DATA_FLAGS_INVALID_TYPE": (9206, "Data parser expects flags as a string or list of strings"),
    "ESLURM_DATA_FLAGS_INVALID": (9207, "Data parser unable to parse invalid flag"),
    "ESLURM_DATA_EXPECTED_LIST": (9208, "Data parser expected a list or array"),
    "ESLURM_DATA_EXPECTED_DICT": (9209, "Data parser expected a dictionary or object"),
    "ESLURM_DATA_AMBIGUOUS_MODIFY": (9210, "Object can not be matched to a single unique entity for modification"),
    "ESLURM_DATA_AMBIGUOUS_QUERY": (9211, "Object can not be matched to a single unique entity for query"),
    "ESLURM_DATA_PARSE_NOTHING": (9212, "Data parser unable to parse empty source"),
}


class ParseFailed(Exception):
    """The document cannot be used at all; what there is to say is in the context's errors or warnings."""


class Context:
    """Collects the errors and warnings of one parse as the documents ``errors`` and ``warnings`` carry them.

    By the flags (`parser_flags`): «fast» tells no warnings, nor where errors are; «complex» nothing of a value that is
    of another type than the one wanted, as long as it can be had from it."""

    def __init__(self, version: str = "", flags: Container[str] = ()) -> None:
        self.fast = FAST in flags
        self.complex = COMPLEX in flags
        #: the first of the versions here is stricter, and its messages do not quote the value that is wrong
        self.strict = version == "v0.0.40"
        #: whether a time may be a number of seconds
        self.epochs = version not in ("v0.0.40", "v0.0.41")
        self.errors: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []

    def error(self, name: str, description: str, source: str) -> None:
        number, text = ERRORS[name]
        self.errors.append(
            {
                "description": description,
                "error_number": number,
                "error": text,
                "source": "" if self.fast else source,
                "name": name,
            }
        )

    def warn(self, description: str, source: str) -> None:
        """Of the document that is read; what is to be told of anything else goes to ``warnings`` itself."""
        if self.fast:
            return
        self.warnings.append({"description": description, "source": source})

    def raise_first(self) -> None:
        """Raise the first error, if there is one, as a SlurmError whose ``data`` holds all of them."""
        if self.errors:
            first = self.errors[0]
            raise SlurmError(
                first["name"],
                f"{first['description']} ({first['source']})",
                data={"errors": self.errors, "warnings": self.warnings},
            )


def openapi_kind(value: Any) -> str:
    """How messages call the type of a value in a document: the OpenAPI one and Slurm's own."""
    openapi, slurm = _kinds(value)
    return f"OpenAPI type={openapi} (Slurm type={slurm})"


def slurm_kind(value: Any) -> str:
    return _kinds(value)[1]


def _kinds(value: Any) -> tuple[str, str]:
    if value is None:
        return "null", "null"
    if isinstance(value, bool):
        return "boolean", "boolean"
    if isinstance(value, str):
        return "string", "string"
    if isinstance(value, int):
        return "integer", "64 bit integer"
    if isinstance(value, float):
        return "number", "floating point number"
    if isinstance(value, dict):
        return "object", "dictionary"
    return "array", "list"


def quote(value: Any) -> str:
    return json_text.compact(value)
