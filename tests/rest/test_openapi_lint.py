"""The OpenAPI documents under the rules of Spectral (``spectral:oas``).

The program is looked for as ``spectral`` in PATH, or as ``SLURMPY_SPECTRAL`` names it (``npm install
@stoplight/spectral-cli``); without it the rules that matter most to clients are still held by the tests below.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.data_parser import registry
from slurmpy.rest import descriptions, openapi
from slurmpy.rest.flat_endpoints import ALL

SPECTRAL = os.environ.get("SLURMPY_SPECTRAL") or shutil.which("spectral")
#: rule, place -> why the documents break it there
BROKEN = {
    ("path-keys-no-trailing-slash", r"^paths"): "the real paths end so; with and without, they lead to the same",
    ("no-$ref-siblings", r"/(watts|instances)/deprecated$"): "where the real documents say that a property is obsolete",
    ("oas3-unused-component", r"/dbv0\.0\.38_meta$"): "22.05 has it and refers to another of the same content",
}


@pytest.mark.skipif(not SPECTRAL, reason="there is no spectral (npm install @stoplight/spectral-cli)")
def test_spectral_finds_what_is_meant_to_be(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text('extends: ["spectral:oas"]\n')
    files = []
    for version in registry.VERSIONS:
        files.append(tmp_path / f"{version}.json")
        files[-1].write_text(json.dumps(openapi.document([registry.get(version)])))
    argv = [str(SPECTRAL), "lint", "-f", "json", "-q", "-r", str(rules), *map(str, files)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    found = json.JSONDecoder().raw_decode(run.stdout[run.stdout.index("[") :])[0]
    places = [(one["code"], "/".join(map(str, one["path"]))) for one in found]
    known = [rule for code, place in places for rule in BROKEN if rule[0] == code and re.search(rule[1], place)]
    assert len(known) == len(places), places
    assert set(known) == set(BROKEN)  # what is no longer broken has no place in the table


def _values(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for one in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _values(one)


def test_what_clients_need_of_the_document_of_all_versions() -> None:
    document = openapi.document([registry.get(version) for version in registry.VERSIONS])
    assert document["info"]["description"]
    assert document["servers"]
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert {tag for one in operations for tag in one["tags"]} <= {tag["name"] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for one in methods.values():
            assert one["description"].endswith(".")
            told = {parameter["name"] for parameter in one.get("parameters", ()) if parameter["in"] == "path"}
            assert told == set(re.findall(r"\{(\w+)\}", path))
            assert all(answer["description"] for answer in one["responses"].values())
    referred = {value["$ref"].rpartition("/")[2] for value in _values(document) if isinstance(value.get("$ref"), str)}
    unused = set(document["components"]["schemas"]) - referred
    assert referred <= set(document["components"]["schemas"])
    assert {re.sub(r"v0\.0\.\d+", "V", name) for name in unused} <= {"dbV_meta"}
    for value in _values(document["components"]["schemas"]):
        if "enum" in value and value.get("type") == "string":
            assert len(set(value["enum"])) == len(value["enum"])


def test_every_operation_has_its_sentence() -> None:
    told = {descriptions.of(one.family, one.method, one.path) for one in ALL}
    assert {about for table in descriptions.OF_FAMILY.values() for about in table.values()} == told
