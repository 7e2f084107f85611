"""A bundle's config.json: read by nobody's harm, made into a task's."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.node.oci import bundle
from slurmpy.node.oci.errors import ContainerError
from tests.e2e.containers import root_file_system, why_not

MINIMAL = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}}


def write(place, text) -> str:
    (place / "rootfs").mkdir(exist_ok=True)
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    (place / "config.json").write_bytes(data)
    return str(place)


BROKEN = [
    (b"null", "the document: an object is wanted"),
    (b"[]", "the document: an object is wanted"),
    (b"{", "not JSON: "),
    (b"\xff", "not JSON: "),
    (b"[" * 100000, "not JSON: "),
    (b"1" * 5000, "not JSON: "),
    (b'{"ociVersion": "1"}', "root: is missing"),
    (b'{"ociVersion": "1", "root": null}', "root: is missing"),
    (rb'{"ociVersion": "1", "root": {"path": "a\u0000"}}', "root.path: no path can be so"),
    (rb'{"ociVersion": "1", "root": {"path": "\ud800"}}', "root.path: no path can be so"),
    (rb'{"ociVersion": "1", "annotations": {"\ud800\n\u001b[2J": 1}}', r"annotations.\ud800\n\x1b[2J: text is wanted"),
    (b" " * (bundle.MAX_BYTES + 1), "larger than 4 MiB"),
    (rb'{"ociVersion": "1", "root": {"path": "no\nwhere"}}', r"no\nwhere: no such directory"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), BROKEN, ids=[why[:30] for _, why in BROKEN])
def test_what_cannot_be_used(tmp_path, text, why):
    with pytest.raises(ContainerError) as raised:
        bundle.read(write(tmp_path, text))
    line = str(raised.value)
    assert why in line
    assert line.startswith(str(tmp_path))
    assert "\n" not in line
    line.encode("utf-8", "surrogateescape")


def test_a_place_that_json_cannot_name(tmp_path):
    place = tmp_path / os.fsdecode(b"r\xff")
    place.mkdir()
    with pytest.raises(ContainerError, match="not UTF-8"):
        bundle.read(write(place, {"ociVersion": "1.0.0", "root": {"path": "rootfs"}}))


def test_a_pipe_in_the_place_of_config_json(tmp_path):
    """Its owner may hold it open, and never write."""
    os.mkfifo(tmp_path / "config.json")
    holder = os.open(tmp_path / "config.json", os.O_RDWR | os.O_NONBLOCK)
    try:
        with pytest.raises(ContainerError, match="not a regular file"):
            bundle.read(str(tmp_path))
    finally:
        os.close(holder)


@pytest.mark.parametrize(("make", "why"), [
    (lambda place: None, "bundle: No such file or directory"),
    (lambda place: place.mkdir(), "config.json: No such file or directory"),
    (lambda place: (place / "config.json").mkdir(parents=True), "config.json: "),
    (lambda place: place.write_text("x"), "bundle: Not a directory"),
])  # fmt: skip
def test_what_is_not_there_is_named(tmp_path, make, why):
    make(tmp_path / "bundle")
    with pytest.raises(ContainerError, match=why):
        bundle.read(str(tmp_path / "bundle"))


def test_where_the_root_file_system_is(tmp_path):
    assert bundle.rootfs_of(MINIMAL, "/b") == "/b/rootfs"
    assert bundle.rootfs_of({"root": {"path": "/else/where"}}, "/b") == "/else/where"
    assert bundle.rootfs_of({"root": {"path": "../x"}}, "/a/b") == "/a/x"
    assert bundle.read(write(tmp_path, MINIMAL)) == MINIMAL


# ---------------------------------------------------------------- a task's


def wish(rootless: bool = False, **more: object) -> bundle.Wish:
    made = bundle.Wish(1000, 100, rootless, "n1", ("prestart",))
    for name, value in more.items():
        setattr(made, name, value)
    return made


NAMES = st.sampled_from(["PATH", "HOME", "A", "SLURM_JOB_ID", "SLURMD_NODENAME", "SRUN_DEBUG"])
CONFIGS = st.fixed_dictionaries(
    {"ociVersion": st.just("1.0.2"), "root": st.fixed_dictionaries({"path": st.sampled_from(["rootfs", "/r"])})},
    optional={
        "hostname": st.none() | st.just("own"),
        "process": st.none() | st.fixed_dictionaries({"cwd": st.just("/x")}, optional={
            "args": st.just(["own"]),
            "env": st.lists(st.tuples(NAMES, st.text("ab=", max_size=3)).map("=".join), max_size=4),
            "user": st.none() | st.fixed_dictionaries({"uid": st.integers(0, 5), "additionalGids": st.just([7])}),
            "oomScoreAdj": st.integers(-5, 5), "terminal": st.booleans(),
            "consoleSize": st.just({"height": 1, "width": 2}),
        }),
        "hooks": st.none() | st.just({"prestart": [{"path": "/a"}], "poststop": [{"path": "/b"}]}),
        "mounts": st.none() | st.lists(st.fixed_dictionaries(
            {"destination": st.sampled_from(["/proc", "/sys", "/dev"])},
            optional={"type": st.sampled_from(["sysfs", "tmpfs"]), "options": st.just(["ro", "gid=5"])},
        )),
        "linux": st.none() | st.fixed_dictionaries({}, optional={
            "namespaces": st.none() | st.lists(st.sampled_from(bundle.schema.NAMESPACES), unique=True).map(
                lambda kinds: [{"type": kind} for kind in kinds]),
            "resources": st.just({"memory": {"limit": 1}}), "cgroupsPath": st.sampled_from(["", "/mine"]),
            "uidMappings": st.lists(st.just({"containerID": 0, "hostID": 5, "size": 1}), max_size=2),
        }),
    },
)  # fmt: skip


@given(CONFIGS, st.booleans(), st.booleans())
def test_a_tasks_configuration(config, rootless, terminal):
    before = copy.deepcopy(config)
    found = bundle.task_config(config, "/b", wish(
        rootless, arguments=["sh", "-c", "x"], environment={"A": "job", "SLURM_JOB_ID": "7"}, cgroup="/g",
        terminal=(24, 80) if terminal else None, mounts=[("/from", "/to", True)],
    ))  # fmt: skip
    assert config == before
    assert bundle.schema.wrong(found) is None
    assert found["root"]["path"].startswith("/")
    process = found["process"]
    assert process["args"] == ["sh", "-c", "x"]
    assert process["terminal"] is terminal
    assert process["cwd"] == ((config.get("process") or {}).get("cwd") or "/")
    assert "SLURM_JOB_ID=7" in process["env"]
    assert "prestart" not in (found.get("hooks") or {})
    assert found["mounts"][-1] == {"destination": "/to", "type": "none", "source": "/from", "options": ["rbind", "ro"]}
    linux = found["linux"]
    if not rootless:
        assert linux["cgroupsPath"] == ((config.get("linux") or {}).get("cgroupsPath") or "/g")
        return
    assert {"type": "user"} in linux["namespaces"]
    assert not {"resources", "devices", "cgroupsPath"} & set(linux)
    assert process.get("oomScoreAdj", 0) >= 0
    assert "additionalGids" not in process["user"]
    if len(linux["uidMappings"]) == 1:
        assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
        assert process["user"]["uid"] == 0
    for mount in found["mounts"]:
        assert "gid=5" not in mount.get("options", ())


@given(st.lists(st.tuples(NAMES, st.text("ab=", max_size=3))), st.dictionaries(NAMES, st.text("cd", max_size=2)))
def test_environments_are_merged(own, given_):
    found = dict(item.split("=", 1) for item in bundle.merged_environment([f"{n}={v}" for n, v in own], given_))
    last = dict(own)
    expected = {
        name: given_[name] if name in given_ and (name not in last or name.startswith("S")) else last[name]
        for name in {*last, *given_}
    }
    assert found == expected


def test_a_name_for_those_that_have_none():
    linux = {"namespaces": [{"type": "uts"}]}
    assert bundle.task_config({**MINIMAL, "linux": linux}, "/b", wish())["hostname"] == "n1"
    assert bundle.task_config({**MINIMAL, "linux": linux, "hostname": "own"}, "/b", wish())["hostname"] == "own"
    assert "hostname" not in bundle.task_config(MINIMAL, "/b", wish())  # it would be the node's


# ---------------------------------------------------------------- where the script and the spool directory are seen


@pytest.mark.parametrize(("mounts", "made", "script", "spool"), [
    ([], [], bundle.STARTUP, False),
    ([("/tmp", "tmpfs")], [], bundle.STARTUP, False),
    ([("/dev", "tmpfs")], [], bundle.STARTUP_ELSEWHERE, False),
    ([("/dev", "tmpfs"), ("/tmp", "tmpfs")], [], bundle.STARTUP, False),
    ([("/dev", "tmpfs"), ("/tmp", "none")], [], bundle.STARTUP_ELSEWHERE, False),
    ([("/dev/", "tmpfs")], ["tmp/slurm/startup"], bundle.STARTUP, False),
    ([("/var/run/", "tmpfs")], [], bundle.STARTUP, True),
    ([], ["var/run/slurm"], bundle.STARTUP, True),
])  # fmt: skip
def test_where_things_are_seen(tmp_path, mounts, made, script, spool):
    config = {**MINIMAL, "mounts": [{"destination": place, "type": kind} for place, kind in mounts]}
    for path in made:
        (tmp_path / path).mkdir(parents=True)
    assert bundle.place_of_script(config, str(tmp_path)) == script
    assert bundle.spool_is_mounted(config, str(tmp_path), None) is spool
    assert bundle.spool_is_mounted(config, str(tmp_path), "/x") is True


# ---------------------------------------------------------------- the real runtime


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
@pytest.mark.parametrize("options", [(), ("--rootless",)])
@pytest.mark.parametrize("uid", [0, 7])
def test_an_ordinary_user_runs_what_was_made_for_root(options, uid):
    place = tempfile.mkdtemp(prefix="oci-bundle-")
    name = f"test-{os.getpid()}-{uid}-{len(options)}"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "runc", f"--root={place}/state"]
    try:
        subprocess.run(["runc", "spec", *options], cwd=place, check=True, capture_output=True)
        os.chmod(place, 0o755)
        with open(f"{place}/config.json") as file:
            config = json.load(file)
        root_file_system(Path(place) / "rootfs")
        config["process"]["user"] = {"uid": uid, "gid": uid, "additionalGids": [5]}
        made = bundle.Wish(65534, 65534, True, "n1")
        made.arguments, made.environment = ["sh", "-c", "id -u; echo $A"], {"A": "b"}
        os.mkdir(f"{place}/task", 0o755)
        with open(f"{place}/task/config.json", "w") as file:
            json.dump(bundle.task_config(config, place, made), file)
        os.mkdir(f"{place}/state", 0o700)
        os.chown(f"{place}/state", 65534, 65534)
        done = subprocess.run([*command, "run", "-b", f"{place}/task", name], capture_output=True, text=True,
                              timeout=60, cwd="/", stdin=subprocess.DEVNULL)  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "0\nb\n"), done.stderr
        assert os.listdir(f"{place}/state") == []
    finally:
        subprocess.run([*command, "delete", "--force", name], capture_output=True, cwd="/")
        shutil.rmtree(place)
