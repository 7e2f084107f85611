"""The OpenAPI document, out of the table of endpoints and the tables of the data parsers."""

from __future__ import annotations

import re
from typing import Any

from slurmpy.data_parser.envelopes import RELEASE
from slurmpy.data_parser.plugin import Plugin
from slurmpy.data_parser.types import BOOLEAN, Type

from .endpoints import ENDPOINTS, Endpoint

_PLACE = re.compile(r"\{(\w+)\}")


def document(plugins: list[Plugin], families: tuple[str, ...] = ("slurm", "slurmdb")) -> dict[str, Any]:
    """The whole document for these versions."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for plugin in plugins:
        schemas |= plugin.schemas()
        for endpoint in ENDPOINTS:
            if endpoint.family in families and endpoint.serves(plugin.version):
                path = f"/{endpoint.family}/{plugin.version}{endpoint.path}"
                paths.setdefault(path, {})[endpoint.method.lower()] = operation(endpoint, plugin)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Slurm REST API",
            "version": "&".join([f"Slurm-{RELEASE}", *_PLUGINS]),
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"},
        },
        "tags": [{"name": family} for family in (*families, "openapi")],
        "servers": [{"url": "/"}],
        "security": [{"user": [], "token": []}, {"token": []}, {"bearerAuth": []}, {}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "user": {"type": "apiKey", "in": "header", "name": "X-SLURM-USER-NAME"},
                "token": {"type": "apiKey", "in": "header", "name": "X-SLURM-USER-TOKEN"},
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "schemas": schemas,
        },
    }


_PLUGINS = ("openapi/slurmctld", "openapi/slurmdbd")


def operation(endpoint: Endpoint, plugin: Plugin) -> dict[str, Any]:
    """What the document says of one method of one path."""
    version = plugin.version.replace(".", "")
    answer = _content(plugin, _published(plugin, endpoint.answer))
    found: dict[str, Any] = {
        "operationId": f"{endpoint.family}_{version}_{endpoint.operation}",
        "tags": [endpoint.family],
        "parameters": [
            *(_parameter(name, "path", {"type": "string"}) for name in _PLACE.findall(endpoint.path)),
            *(
                _parameter(field.path, "query", _query_schema(field.type), field.type is BOOLEAN)
                for field in (endpoint.query.fields if endpoint.query is not None else ())
            ),
        ],
        "responses": {"200": answer, "default": answer},
    }
    if not found["parameters"]:
        del found["parameters"]
    if endpoint.body:
        found["requestBody"] = _content(plugin, plugin.type(endpoint.body))
    return found


def _published(plugin: Plugin, kind: str) -> Type:
    return plugin.envelopes[kind]


def _content(plugin: Plugin, type: Type) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": plugin.reference(type)}}}


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
