"""The shape of config.json: the OCI runtime specification's rules (config.md, config-linux.md), as a table. Pure.

A shape is one of: a Python type; ``[shape]``, a list; ``{"*": shape}``, any names; ``{"name": shape, ...}``, where
"name!" must be there; a tuple of texts, one of them; a string, the name of another shape of the table. What the table
does not name may be there: runtimes have extensions, and the specification grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STRING, NUMBER, TRUTH = str, int, bool
STRINGS = [STRING]

NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")

SHAPES: Mapping[str, Any] = {
    "config": {
        "ociVersion!": STRING,
        "hostname": STRING,
        "domainname": STRING,
        "root": {"path!": STRING, "readonly": TRUTH},
        "process": "process",
        "mounts": ["mount"],
        "hooks": {
            "prestart": ["hook"], "createRuntime": ["hook"], "createContainer": ["hook"],
            "startContainer": ["hook"], "poststart": ["hook"], "poststop": ["hook"],
        },
        "annotations": {"*": STRING},
        "linux": "linux",
    },
    "process": {
        "cwd!": STRING,
        "args": STRINGS,
        "env": STRINGS,
        "terminal": TRUTH,
        "consoleSize": {"height!": NUMBER, "width!": NUMBER},
        "user": {"uid": NUMBER, "gid": NUMBER, "umask": NUMBER, "additionalGids": [NUMBER], "username": STRING},
        "capabilities": {
            "bounding": STRINGS, "permitted": STRINGS, "effective": STRINGS, "inheritable": STRINGS, "ambient": STRINGS,
        },
        "apparmorProfile": STRING,
        "selinuxLabel": STRING,
        "noNewPrivileges": TRUTH,
        "oomScoreAdj": NUMBER,
        "rlimits": [{"type!": STRING, "hard!": NUMBER, "soft!": NUMBER}],
    },
    "mount": {
        "destination!": STRING, "source": STRING, "type": STRING, "options": STRINGS,
        "uidMappings": ["mapping"], "gidMappings": ["mapping"],
    },
    "hook": {"path!": STRING, "args": STRINGS, "env": STRINGS, "timeout": NUMBER},
    "mapping": {"containerID!": NUMBER, "hostID!": NUMBER, "size!": NUMBER},
    "linux": {
        "namespaces": [{"type!": NAMESPACES, "path": STRING}],
        "uidMappings": ["mapping"],
        "gidMappings": ["mapping"],
        "devices": [
            {
                "type!": STRING, "path!": STRING, "major": NUMBER, "minor": NUMBER, "fileMode": NUMBER, "uid": NUMBER,
                "gid": NUMBER,
            },
        ],
        "cgroupsPath": STRING,
        "resources": {"*": object},
        "rootfsPropagation": ("private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", ""),
        "seccomp": {"*": object},
        "sysctl": {"*": STRING},
        "maskedPaths": STRINGS,
        "readonlyPaths": STRINGS,
        "mountLabel": STRING,
    },
}  # fmt: skip

_WORDS: Mapping[Any, str] = {str: "text", int: "a number", bool: "true or false"}


def wrong(value: object, shape: Any = "config", place: str = "") -> str | None:
    """What does not fit, as one line with its place ("process.args[0]: text is wanted"); None if all does.

    `null` stands for what is not there: runtimes written in Go write and take it so.
    """
    if isinstance(shape, str):
        shape = SHAPES[shape]
    if value is None or shape is object:
        return None
    if isinstance(shape, type):
        fits = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        return None if fits else f"{place}: {_WORDS[shape]} is wanted"
    if isinstance(shape, tuple):
        return None if value in shape else f"{place}: one of {', '.join(filter(None, shape))} is wanted"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place}: a list is wanted"
        for index, item in enumerate(value):
            if item is None:
                return f"{place}[{index}]: is null"
            found = wrong(item, shape[0], f"{place}[{index}]")
            if found:
                return found
        return None
    if not isinstance(value, dict):
        return f"{place or 'the document'}: an object is wanted"
    return _object(value, shape, place)


def _object(value: dict[str, object], shape: Mapping[str, Any], place: str) -> str | None:
    dot = f"{place}." if place else ""
    every = shape.get("*")
    if every is not None:
        for name, item in value.items():
            found = wrong(item, every, f"{dot}{name}")
            if found:
                return found
        return None
    for key, inner in shape.items():
        name = key.rstrip("!")
        if value.get(name) is not None:
            found = wrong(value[name], inner, f"{dot}{name}")
            if found:
                return found
        elif key.endswith("!"):
            return f"{dot}{name}: is missing"
    return None
