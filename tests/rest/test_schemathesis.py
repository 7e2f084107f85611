"""schemathesis asks for all that the served document offers, and holds the answers against it.

A run is bounded and always the same; ``SLURMPY_SCHEMATHESIS=SECONDS`` asks for new things in all versions for so long.
The cluster is this module's own: what is sent deletes, reconfigures and submits.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from slurmpy.data_parser import registry
from tests.e2e.site import Site

from .conftest import Rest, serving

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

pytestmark = pytest.mark.xdist_group("schemathesis")

SECONDS = float(os.environ.get("SLURMPY_SCHEMATHESIS", "0"))
VERSIONS = [version for version in registry.VERSIONS if version >= "v0.0.40"] if SECONDS else ["v0.0.42", "v0.0.45"]
#: requests as the document has them, and requests that it does not have, for each operation
EXAMPLES = 10 if SECONDS else 2

#: (versions, numbers of errors): why the release that these versions are held to says 500 where the client is at fault.
#: What is not here is a defect.
FIVE_HUNDRED: tuple[tuple[str, range, str], ...] = (
    (
        r"v0\.0\.4[0-5]",
        range(9200, 9300),
        "what the data parser could not read: captures bad/submit-bad-mail and -time",
    ),
    (
        r"v0\.0\.4[0-2]",
        range(2000, 9000),
        "whatever slurmctld and slurmdbd refuse: captures bad/submit-bad-partition, -qos",
    ),
    (r"v0\.0\.4[01]", range(9000, 9001), "a time that is none, of nodes: capture query/nodes-update_time"),
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    site = Site(tmp_path_factory.mktemp("schemathesis"))
    with serving(site) as daemon:
        yield daemon
    assert "Traceback" not in daemon.log
    for log in ("slurmctld.log", "slurmdbd.log"):
        said = (site.base / log).read_text()
        assert "Traceback" not in said
        assert "bad arguments" not in said, said


@pytest.fixture(scope="module")
def documents(own: Rest) -> dict[str, Any]:
    """The served document, by version."""
    served = own("GET", "/openapi/v3").document
    return {
        version: {**served, "paths": {path: one for path, one in served["paths"].items() if f"/{version}/" in path}}
        for version in VERSIONS
    }


def excused(version: str, answer: Any) -> bool:
    """Whether a status of 500 and more is what the release says."""
    try:
        errors = json.loads(answer.content)["errors"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(errors) and all(
        any(re.fullmatch(rule, version) and error["error_number"] in numbers for rule, numbers, _ in FIVE_HUNDRED)
        for error in errors
    )


def only_warned(case: Any, answer: Any) -> bool:
    """Whether a body of wrong types was passed over with warnings alone: a success without anything that was done, as
    the real daemons answer (captures bad/submit-bad-type)."""
    if not isinstance(case.body, (dict, list, str, int, float, bool)) or answer.status_code != 200:
        return False
    told = json.loads(answer.content)
    warned = any(one["description"].startswith("Expected OpenAPI type=") for one in told["warnings"])
    return warned and not told["errors"] and told.keys() == {"errors", "warnings", "meta"}


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_as_the_document_says(own: Rest, documents: dict[str, Any], version: str) -> None:
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(documents[version])
    schema.config.update(base_url=f"http://127.0.0.1:{own.port}")
    headers = {"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": own.token()}
    wanted = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    asked = 0

    def ask(operation: Any, mode: Any) -> None:
        def one(case: Any) -> None:
            nonlocal asked
            answer = case.call(headers=headers)
            asked += 1
            case.validate_response(answer, checks=wanted[:-1] if only_warned(case, answer) else wanted)
            if answer.status_code >= 500 and not excused(version, answer):
                raise AssertionError(f"{case.as_curl_command()}\n{answer.status_code} {answer.text}")

        given(operation.as_strategy(generation_mode=mode))(bound(one))()

    def bound(test: Any) -> Any:
        if SECONDS:
            test = seed(random.getrandbits(64))(test)
        return settings(
            max_examples=EXAMPLES,
            derandomize=not SECONDS,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if SECONDS else [Phase.generate],
        )(test)

    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(one) for one in documents[version]["paths"].values())
    modes = schemathesis.GenerationMode
    work = [(one, modes.POSITIVE) for one in operations]
    # else nothing can be wrong
    work += [(one, modes.NEGATIVE) for one in operations if len(one.body) or len(one.query)]
    until = time.monotonic() + SECONDS / len(VERSIONS)
    for at in itertools.count():
        if SECONDS and at % len(work) == 0:
            random.shuffle(work)
        if time.monotonic() > until if SECONDS else at == len(work):
            break
        ask(*work[at % len(work)])
    assert asked >= (1 if SECONDS else len(operations))
