"""Our OpenAPI document of a version differs from the real one only where it is agreed."""

from __future__ import annotations

import pytest

from slurmpy.data_parser import registry
from tests.data_parser.reference import needs_reference

from . import openapi_difference

pytestmark = needs_reference

VERSIONS = [version for version in registry.VERSIONS if version >= "v0.0.40"]


@pytest.mark.parametrize("version", VERSIONS)
def test_only_agreed_differences(version: str) -> None:
    lines = openapi_difference.differences(version)
    assert [line for line in lines if not openapi_difference.agreed(version, line)] == []


@pytest.mark.parametrize("rule", openapi_difference.AGREED, ids=lambda rule: rule[1])
def test_what_is_agreed_is_there(rule: tuple[tuple[str, ...], str, str]) -> None:
    """A difference that is gone has no place in the list."""
    for version in rule[0]:
        assert any(
            openapi_difference.agreed(version, line) == rule[2] for line in openapi_difference.differences(version)
        )


def test_the_program_sees_differences() -> None:
    walk = openapi_difference._Walk({"a": {"type": "string"}}, {"b": {"type": "string"}})
    ours = {"properties": {"x": {"$ref": "#/a"}, "y": {"type": "integer", "format": "int32"}}, "required": ["x"]}
    theirs = {"properties": {"x": {"$ref": "#/b"}, "y": {"type": "integer", "format": "int64"}}, "required": ["y"]}
    assert list(walk.schemas(ours, theirs, "s")) == [
        "s/properties/y/format: int32 instead of int64",
        "s/required: missing y",
        "s/required: only ours x",
    ]
