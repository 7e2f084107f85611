"""What differs between our OpenAPI document and the real daemon's of the same version.

    python -m tests.rest.openapi_difference [VERSION...]

prints it line by line, the agreed differences with their reasons after the others, and exits 1 if there are others.
Compared are paths, methods, operation ids, tags, parameters, bodies and answers; and of the schemas names, properties,
types, formats, enumerations, what is required and what is deprecated. Where only one side writes a schema in place and
the other refers to it, what is referred to counts; a path among what is required ("nodes/count"), as real documents
have them, counts where it leads (`openapi.valid`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from slurmpy.data_parser import registry
from slurmpy.rest import openapi
from tests.data_parser.reference import openapi as reference

_TYPED = ("v0.0.40", "v0.0.41", "v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45")

#: (versions, pattern of the line) -> why it is to be so. Lines have V for the version.
AGREED: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("v0.0.38",),
        r"^DBV_TRES_UPDATE /slurmdb/V/accounts: missing$",
        "that release has a schema among the methods of a path, which no reader of the document understands",
    ),
    (
        _TYPED,
        r"/responses/(304|default/content/(text/plain|application/json/schema(: V_|/\S+: missing)))",
        "the real documents have failures bring the same records as successes; real daemons answer with errors alone, "
        "with a line of text where they could not read the request, or with nothing (304), and so do we",
    ),
    (
        _TYPED,
        r"/V_(job_state_entr(y|ies)|openapi_job_states_resp): only|^GET /slurm/V/jobs/state//responses/200/",
        "the real documents promise whole jobs there; what comes are ids as text (7_1, 9+0) and states",
    ),
    (
        _TYPED[3:],
        r"/V_openapi_partition_resp/required: missing ",
        "a partition that there is not is a success without the list",
    ),
    (
        _TYPED,
        r"/V_openapi_(nodes|instances)_resp/required: missing |/(V_job_array_response_array|results)/nullable: ",
        "a node that there is not, and no instances, are a success without these lists; no results at all are null",
    ),
)

Line = str


def differences(version: str) -> list[Line]:
    """One line for each difference, agreed or not."""
    return between(openapi.document([registry.get(version)]), reference(version), version)


def between(our_document: dict[str, Any], their_document: dict[str, Any], version: str) -> list[Line]:
    """The same for two documents of a version."""
    ours = _neutral(our_document, version)
    theirs = _neutral(openapi.valid(their_document), version)
    mine, real = ours["components"]["schemas"], theirs["components"]["schemas"]
    walk = _Walk(mine, real)
    found = []
    for name in sorted({*mine, *real}):
        at = f"schemas/{name}"
        if name not in real:
            found.append(f"{at}: only ours")
        elif name not in mine:
            found.append(f"{at}: missing")
        else:
            found += walk.schemas(mine[name], real[name], at)
    mine, real = _operations(ours), _operations(theirs)
    for key in sorted({*mine, *real}):
        if key not in real:
            found.append(f"{key}: only ours")
        elif key not in mine:
            found.append(f"{key}: missing")
        else:
            found += walk.schemas(_by_name(mine[key]), _by_name(real[key]), key)
    return found


def agreed(version: str, line: Line) -> str:
    """Why a difference is agreed; "" if it is not."""
    return next((why for versions, rule, why in AGREED if version in versions and re.search(rule, line)), "")


def _neutral(document: Any, version: str) -> Any:
    """With V for the version, in names and operation ids alike, and without prose, of which the references have
    none."""
    if isinstance(document, dict):
        return {
            _neutral(key, version): _neutral(value, version)
            for key, value in document.items()
            if not (key == "deprecated" and value is False)
            and not (key in ("description", "summary") and isinstance(value, str))
        }
    if isinstance(document, list):
        return [_neutral(value, version) for value in document]
    return (
        document.replace(version, "V").replace(version.replace(".", ""), "V") if isinstance(document, str) else document
    )


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": one
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }


def _by_name(operation: dict[str, Any]) -> dict[str, Any]:
    """The order of parameters means nothing."""
    parameters = {f"{one['in']} {one['name']}": one for one in operation.get("parameters", ())}
    return {**operation, "parameters": parameters}


class _Walk:
    def __init__(self, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        self.components = (ours, theirs)

    def schemas(self, ours: Any, theirs: Any, at: str) -> Iterator[Line]:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            names = (_referred(ours), _referred(theirs))
            if names[0] and names[0] == names[1]:  # the component itself is compared once
                ours, theirs = _without_reference(ours), _without_reference(theirs)
            elif all(names) and any(
                self.schemas(*(side[name] for side, name in zip(self.components, names, strict=True)), at)
            ):
                yield f"{at}: {names[0]} instead of {names[1]}"  # another thing altogether
                return
            elif any(names):
                ours, theirs = (
                    {**side[name], **_without_reference(schema)} if name else schema
                    for side, name, schema in zip(self.components, names, (ours, theirs), strict=True)
                )
            for key in sorted({*ours, *theirs}):
                here = f"{at}/{key}"
                if key not in theirs:
                    yield f"{here}: only ours ({_brief(ours[key])})"
                elif key not in ours:
                    yield f"{here}: missing ({_brief(theirs[key])})"
                elif key in ("enum", "required") and isinstance(ours[key], list):
                    yield from _sets(ours[key], theirs[key], here)
                else:
                    yield from self.schemas(ours[key], theirs[key], here)
        elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            for index, pair in enumerate(zip(ours, theirs, strict=True)):
                yield from self.schemas(*pair, f"{at}[{index}]")
        elif ours != theirs:
            yield f"{at}: {_brief(ours)} instead of {_brief(theirs)}"


def _sets(ours: list[str], theirs: list[str], at: str) -> Iterator[Line]:
    """The order of names means nothing."""
    missing, more = (sorted({*one} - {*other}) for one, other in ((theirs, ours), (ours, theirs)))
    if missing:
        yield f"{at}: missing {', '.join(missing)}"
    if more:
        yield f"{at}: only ours {', '.join(more)}"


def _referred(schema: dict[str, Any]) -> str:
    target = schema.get("$ref")
    return target.rpartition("/")[2] if isinstance(target, str) else ""


def _without_reference(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$ref"} if _referred(schema) else schema


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:97] + "..."


def main(versions: list[str]) -> int:
    left = 0
    for version in versions or sorted(one for one in registry.VERSIONS if one >= "v0.0.40"):
        lines = differences(version)
        reasons = {line: agreed(version, line) for line in lines}
        others = [line for line in lines if not reasons[line]]
        print(f"{version}: {len(others)} differences, {len(lines) - len(others)} agreed")
        for line in others:
            print(f"  {line}")
        for why in dict.fromkeys(reason for reason in reasons.values() if reason):
            print(f"  agreed, as {why}:")
            for line in lines:
                if reasons[line] == why:
                    print(f"    {line}")
        left += len(others)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
