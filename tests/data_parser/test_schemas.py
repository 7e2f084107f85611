"""The OpenAPI components that follow from the tables are those of the real daemon."""

from __future__ import annotations

from typing import Any

import pytest

from slurmpy.data_parser import registry

from .reference import needs_reference, openapi


def _sorted(schema: Any) -> Any:
    """The order of required properties means nothing."""
    if isinstance(schema, dict):
        return {key: sorted(value) if key == "required" else _sorted(value) for key, value in schema.items()}
    return [_sorted(value) for value in schema] if isinstance(schema, list) else schema


#: what the real documents describe as something else than comes (tests.rest.openapi_difference has the reasons)
OURS = {f"v0.0.42_{name}" for name in ("job_state_entries", "job_state_entry", "openapi_job_states_resp")}
NOT_ALWAYS = ("openapi_nodes_resp", "openapi_instances_resp")


def _real(name: str, schema: Any) -> Any:
    found = _sorted(schema)
    if name.endswith(NOT_ALWAYS):
        found["required"] = []
    if name.endswith("job_array_response_array"):
        found["nullable"] = True
    return found


@needs_reference
def test_components_of_v0_0_42_are_equal() -> None:
    ours = registry.get("v0.0.42").schemas()
    theirs = openapi("v0.0.42")["components"]["schemas"]
    assert {*ours} == {*theirs} | OURS
    for name, schema in theirs.items():
        assert _sorted(ours[name]) == _real(name, schema), name


@pytest.mark.parametrize("version", registry.VERSIONS)
def test_every_reference_leads_somewhere(version: str) -> None:
    schemas = registry.get(version).schemas()

    def references(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(references, schema)) if schema else set()
        if not isinstance(schema, dict):
            return set()
        own = {schema["$ref"].removeprefix("#/components/schemas/")} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*(references(value) for value in schema.values()))

    assert schemas
    assert references(schemas) <= set(schemas)


def _resolved(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolved(value, components) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return _resolved(components[schema["$ref"].rpartition("/")[2]], components)
    return {key: _resolved(value, components) for key, value in schema.items()}


@needs_reference
def test_answers_of_v0_0_41_are_equal() -> None:
    ours = registry.get("v0.0.41").schemas()
    theirs = openapi("v0.0.41")["components"]["schemas"]
    assert set(theirs) <= set(ours)
    for name, schema in theirs.items():
        assert _sorted(_resolved(ours[name], ours)) == _real(name, _resolved(schema, theirs)), name
