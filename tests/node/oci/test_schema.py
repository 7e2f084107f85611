"""config.json that is wrong: each message names the place; what runc makes is right; nothing raises."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.node.oci import schema

MINIMAL = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}}

WRONG = [
    ({"ociVersion": None}, "ociVersion: is missing"),
    ({"ociVersion": 1}, "ociVersion: text is wanted"),
    ({"hostname": ["a"]}, "hostname: text is wanted"),
    ({"root": {}}, "root.path: is missing"),
    ({"root": {"path": 7}}, "root.path: text is wanted"),
    ({"root": "rootfs"}, "root: an object is wanted"),
    ({"root": {"path": "a", "readonly": "yes"}}, "root.readonly: true or false is wanted"),
    ({"process": {}}, "process.cwd: is missing"),
    ({"process": {"cwd": "/", "args": "sh"}}, "process.args: a list is wanted"),
    ({"process": {"cwd": "/", "args": ["sh", 1]}}, "process.args[1]: text is wanted"),
    ({"process": {"cwd": "/", "args": ["sh", None]}}, "process.args[1]: is null"),
    ({"process": {"cwd": "/", "env": [{}]}}, "process.env[0]: text is wanted"),
    ({"process": {"cwd": "/", "terminal": 1}}, "process.terminal: true or false is wanted"),
    ({"process": {"cwd": "/", "consoleSize": {"height": 1}}}, "process.consoleSize.width: is missing"),
    ({"process": {"cwd": "/", "user": {"uid": "root"}}}, "process.user.uid: a number is wanted"),
    ({"process": {"cwd": "/", "user": {"uid": True}}}, "process.user.uid: a number is wanted"),
    ({"process": {"cwd": "/", "user": {"additionalGids": [1, "x"]}}}, "process.user.additionalGids[1]: a number is "
     "wanted"),
    ({"process": {"cwd": "/", "capabilities": ["CAP_KILL"]}}, "process.capabilities: an object is wanted"),
    ({"process": {"cwd": "/", "capabilities": {"ambient": [0]}}}, "process.capabilities.ambient[0]: text is wanted"),
    ({"process": {"cwd": "/", "rlimits": [{"type": "A", "hard": 1}]}}, "process.rlimits[0].soft: is missing"),
    ({"mounts": {}}, "mounts: a list is wanted"),
    ({"mounts": [{"source": "a"}]}, "mounts[0].destination: is missing"),
    ({"mounts": [{"destination": "/a", "options": "ro"}]}, "mounts[0].options: a list is wanted"),
    ({"mounts": [None]}, "mounts[0]: is null"),
    ({"hooks": {"prestart": {"path": "/a"}}}, "hooks.prestart: a list is wanted"),
    ({"hooks": {"poststop": [{"args": []}]}}, "hooks.poststop[0].path: is missing"),
    ({"annotations": {"a": 1}}, "annotations.a: text is wanted"),
    ({"linux": []}, "linux: an object is wanted"),
    ({"linux": {"namespaces": [{"type": "pids"}]}}, "linux.namespaces[0].type: one of pid, network, mount, ipc, uts, "
     "user, cgroup, time is wanted"),
    ({"linux": {"namespaces": [{"type": ["pid"]}]}}, "linux.namespaces[0].type: one of pid, network, mount, ipc, uts, "
     "user, cgroup, time is wanted"),
    ({"linux": {"uidMappings": [{"containerID": 0, "hostID": 0}]}}, "linux.uidMappings[0].size: is missing"),
    ({"linux": {"devices": [{"type": "c"}]}}, "linux.devices[0].path: is missing"),
    ({"linux": {"rootfsPropagation": "mine"}}, "linux.rootfsPropagation: one of private, shared, slave, unbindable, "
     "rprivate, rshared, rslave is wanted"),
    ({"linux": {"sysctl": {"net.a": 1}}}, "linux.sysctl.net.a: text is wanted"),
    ({"linux": {"maskedPaths": [1]}}, "linux.maskedPaths[0]: text is wanted"),
    ({"linux": {"resources": 1}}, "linux.resources: an object is wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "why"), WRONG, ids=[why[:45] for _, why in WRONG])
def test_the_place_is_named(change, why):
    assert schema.wrong(MINIMAL) is None
    assert schema.wrong({**MINIMAL, **change}) == why


@pytest.mark.parametrize("document", [[], 1, "text", True, 1.5])
def test_what_is_no_object(document):
    assert schema.wrong(document) == "the document: an object is wanted"


def test_what_may_be_there():
    assert schema.wrong({**MINIMAL, "linux": None, "org.example": {"x": [1]}, "hooks": {"prestart": None}}) is None


@pytest.mark.skipif(not shutil.which("runc"), reason="runc is not installed")
@pytest.mark.parametrize("options", [(), ("--rootless",)])
def test_what_runc_makes(tmp_path, options):
    subprocess.run(["runc", "spec", *options], cwd=tmp_path, check=True, capture_output=True)
    assert schema.wrong(json.loads((tmp_path / "config.json").read_text())) is None


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(
    ["ociVersion", "root", "process", "mounts", "linux", "hooks", "path", "cwd", "args", "env", "user", "uid", "type",
     "namespaces", "uidMappings", "size", "prestart", "annotations", "destination", "rootfsPropagation", "rlimits"]
) | st.text(max_size=3)  # fmt: skip
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=25
)


@given(DOCUMENTS)
def test_nothing_raises(document):
    found = schema.wrong(document)
    assert found is None or ": " in found


@given(st.dictionaries(NAMES, DOCUMENTS, max_size=4))
def test_nothing_raises_below(changes):
    found = schema.wrong({**MINIMAL, **changes})
    assert found is None or ": " in found
