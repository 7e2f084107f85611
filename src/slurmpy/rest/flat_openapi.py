"""What the OpenAPI document says of the operations of v0.0.37 and v0.0.38."""

from __future__ import annotations

import re
from typing import Any

from slurmpy.data_parser.flat.documented import ref, versioned

from .flat_endpoints import FlatEndpoint

_PLACE = re.compile(r"\{(\w+)\}")


#: what the oldest version calls otherwise
_OLDEST = {"get_config": "get_db_config", "set_config": "set_db_config"}


def operation(endpoint: FlatEndpoint, version: str) -> dict[str, Any]:
    made: dict[str, Any] = versioned(_oldest(endpoint) if version == "v0.0.37" else _newest(endpoint, version), version)
    return made


def _oldest(endpoint: FlatEndpoint) -> dict[str, Any]:
    """As `_newest`, less what that version does not tell: most parameters, bodies, and what failures bring."""
    daemon = "slurmctld" if endpoint.family == "slurm" else "slurmdbd"
    found = _newest(endpoint, "v0.0.37")
    found["operationId"] = f"{daemon}_{_OLDEST.get(endpoint.operation, endpoint.operation)}"
    parameters = [one for one in found.pop("parameters", ()) if _heard(endpoint, one["name"])]
    for one in parameters:
        if one["name"] == "update_time":
            one["style"] = "simple"
        if endpoint.method == "DELETE" and one["name"] in ("account", "user"):
            one["required"] = True
        if endpoint.family == "slurmdb" and one["name"] == "job_id":
            one |= {"style": "label", "schema": {"type": "integer", "format": "int64"}}
    if parameters:
        found["parameters"] = parameters
    if endpoint.family == "slurmdb":
        found.pop("requestBody", None)
    if "default" in found["responses"]:
        found["responses"]["default"] = {}
    if endpoint.told == "dbV_response_associations_delete":
        found["responses"]["200"] = _content("dbV_response_association_delete")
    return found


def _heard(endpoint: FlatEndpoint, name: str) -> bool:
    return name != "with_deleted" and (endpoint.path != "/associations" or name in endpoint.path)


def _newest(endpoint: FlatEndpoint, version: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{endpoint.family}_{version.replace('.', '_')}_{endpoint.operation}",
        "tags": ["slurm"],
        "parameters": [
            *(_parameter(name, "path", {"type": "string"}) for name in _PLACE.findall(endpoint.path)),
            *(_parameter(name, "query", schema) for name, schema in endpoint.asked.items()),
        ],
        "responses": _responses(endpoint),
    }
    if not found["parameters"]:
        del found["parameters"]
    if endpoint.sent is not None:
        component, required = endpoint.sent
        found["requestBody"] = {**_content(component), "required": required}
    return found


def _responses(endpoint: FlatEndpoint) -> dict[str, Any]:
    success = _content(endpoint.told) if endpoint.told else {}
    if endpoint.fails == "500":
        return {"200": success, "500": {}}
    errors = "V_errors" if endpoint.family == "slurm" else "dbV_errors"
    return {"200": success, "default": _content(errors) if endpoint.fails == "errors" else {}}


def _content(component: str) -> dict[str, Any]:
    return {"content": {media: {"schema": ref(component)} for media in ("application/json", "application/x-yaml")}}


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "style": "simple" if where == "path" else "form",
        "explode": name == "signal",
        "schema": schema,
    }
