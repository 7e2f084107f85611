"""The OpenAPI document, out of the table of endpoints and the tables of the data parsers."""

from __future__ import annotations

import re
from typing import Any

from slurmpy.data_parser.envelopes import RELEASE
from slurmpy.data_parser.plugin import Plugin
from slurmpy.data_parser.types import Boolean, Type

from . import descriptions, flat_openapi
from .endpoints import Endpoint
from .flat_endpoints import ALL, FlatEndpoint

_PLACE = re.compile(r"\{(\w+)\}")


def document(
    plugins: list[Plugin],
    families: tuple[str, ...] = ("slurm", "slurmdb", "util"),
    statuses: tuple[str, ...] = ("200", "default"),
) -> dict[str, Any]:
    """The whole document for these versions; of ``families`` those that have an endpoint in one of them. Answers
    are told of at each of ``statuses`` (the oldest versions have their own)."""
    families = tuple(
        family
        for family in families
        if any(one.family == family and one.serves(plugin.version) for one in ALL for plugin in plugins)
    )
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for plugin in plugins:
        schemas |= plugin.schemas()
        for endpoint in ALL:
            if endpoint.family in families and endpoint.serves(plugin.version):
                path = f"/{endpoint.family}/{plugin.version}{endpoint.path}"
                told = _described(endpoint, operation(endpoint, plugin, statuses))
                paths.setdefault(path, {})[endpoint.method.lower()] = told
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Slurm REST API",
            "version": "&".join([f"Slurm-{RELEASE}", *_PLUGINS]),
            "description": _ABOUT,
            "contact": {"name": "Whoever runs this cluster"},
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"},
        },
        "tags": [{"name": family} for family in (*families, "openapi")],
        "servers": [{"url": "/"}],
        "security": [{"user": [], "token": []}, {"token": []}, {"bearerAuth": []}, {}],
        "paths": valid(dict(sorted(paths.items()))),
        "components": {
            "securitySchemes": {
                "user": {"type": "apiKey", "in": "header", "name": "X-SLURM-USER-NAME"},
                "token": {"type": "apiKey", "in": "header", "name": "X-SLURM-USER-TOKEN"},
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "schemas": valid(schemas),
        },
    }


_ABOUT = "What slurmctld (/slurm) and slurmdbd (/slurmdb) answer, in the versions of the data parsers that are served."
_PLUGINS = ("openapi/slurmctld", "openapi/slurmdbd")


def operation(endpoint: Endpoint, plugin: Plugin, statuses: tuple[str, ...]) -> dict[str, Any]:
    """What the document says of one method of one path."""
    if isinstance(endpoint, FlatEndpoint):
        return flat_openapi.operation(endpoint, plugin.version)
    version = plugin.version.replace(".", "")
    query = endpoint.parameters(plugin.version)
    found: dict[str, Any] = {
        "operationId": f"{endpoint.family}_{version}_{endpoint.operation}",
        "tags": [endpoint.family],
        "parameters": [
            *(_parameter(name, "path", {"type": "string"}) for name in _PLACE.findall(endpoint.path)),
            *(
                _parameter(field.path, "query", _query_schema(field.type), isinstance(field.type, Boolean))
                | ({"deprecated": True} if field.deprecated else {})
                for field in (query.fields if query is not None else ())
            ),
        ],
        "responses": _responses(endpoint, plugin, statuses),
    }
    if not found["parameters"]:
        del found["parameters"]
    if endpoint.body:
        found["requestBody"] = _content(plugin, plugin.type(endpoint.body))
    return found


def _responses(endpoint: Endpoint, plugin: Plugin, statuses: tuple[str, ...]) -> dict[str, Any]:
    """What comes at each status. The real documents describe failures as if the records came all the same: there are
    errors alone, or a line of text from where requests are read. Nothing at all comes where nothing has changed since a
    time, and where there was nothing to delete or to add."""
    if endpoint.family == "slurmdb":
        idle = endpoint.method == "DELETE" or endpoint.path.endswith("s_association/")
    else:
        query = endpoint.parameters(plugin.version)
        idle = query is not None and any(field.path == "update_time" for field in query.fields)
    answer = _content(plugin, _published(plugin, endpoint.answer))
    failed = _content(plugin, _published(plugin, "none"))
    failed["content"]["text/plain"] = {"schema": {"type": "string"}}
    found = {status: answer if status[0] == "2" else failed for status in statuses}
    return {**found, "304": {}} if idle and found.keys() & {"304", "default"} else found


def _described(endpoint: Endpoint, operation: dict[str, Any]) -> dict[str, Any]:
    """With a word on it and on each answer, which OpenAPI asks for."""
    answers = {
        status: {"description": _SAID.get(status, _REFUSED), **answer}
        for status, answer in operation["responses"].items()
    }
    body = {"requestBody": {"description": _ASKED, **operation["requestBody"]}} if "requestBody" in operation else {}
    about = descriptions.of(endpoint.family, endpoint.method, endpoint.path)
    return {**operation, "description": about, "responses": answers, **body}


_SAID = {
    "200": "What was asked for; warnings tell what was left out of account.",
    "304": "Nothing has changed.",
}
_REFUSED = "The request failed: errors tell why, each with its number and where it comes from."
_ASKED = "What is asked for. Properties that are not known are left out of account, and told of in warnings."


def valid(schema: Any) -> Any:
    """As a validator and a client can use it. The plugins have what is required as the real documents do: an empty list
    where nothing is, which OpenAPI forbids, and paths ("nodes/count") where a property within another one is meant,
    which no answer could have; here it is required where it stands. The oldest have a style that no query has, and a
    default in words."""
    if isinstance(schema, list):
        return [valid(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: valid(value) for key, value in schema.items() if not (key == "required" and value == [])}
    if found.get("in") == "query" and found.get("style") == "simple":
        found["style"] = "form"  # which is how the query is read
    if found.get("type") == "boolean" and isinstance(found.get("default"), str):
        found["default"] = found["default"] == "true"
    required, properties = found.get("required"), found.get("properties")
    if isinstance(required, list) and isinstance(properties, dict):
        own = [name for name in required if "/" not in name]
        found["required"] = own
        if not own:
            del found["required"]
        for *groups, last in (name.split("/") for name in required if "/" in name):
            inner = found
            for group in groups:
                inner = inner["properties"][group]
            inner.setdefault("required", []).append(last)
    return found


def _published(plugin: Plugin, kind: str) -> Type:
    return plugin.envelopes[kind]


def _content(plugin: Plugin, type: Type) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": valid(plugin.reference(type))}}}


def _parameter(name: str, where: str, schema: dict[str, Any], may_be_empty: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "style": "simple" if where == "path" else "form",
        "explode": False,
        "allowEmptyValue": may_be_empty,
        "allowReserved": False,
        "schema": schema,
    }


def _query_schema(type: Type) -> dict[str, Any]:
    """In a query everything is text."""
    choices = getattr(type, "choices", None)
    return {"type": "string", "enum": list(choices)} if choices else {"type": "string"}
