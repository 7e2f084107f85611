"""config.json of an image: who, what, where, and the users of the image itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.image.errors import ImageError
from slurmpy.image.runtime_spec import runtime_spec
from slurmpy.image.users import user_of

PASSWD = b"root:x:0:0::/root:/bin/sh\n# remark\nbroken:x:a:b\napp:x:1000:50::/:/bin/sh\n+nis\nodd:x:7:7\nn:x:8:9::/:\n"
GROUP = b"root:x:0:\nstaff:x:50:app\naudio:x:29:app,other\nvideo:x:44:app\nbad:x:z:app\n"


@pytest.mark.parametrize(
    ("text", "uid", "gid", "more"),
    [
        ("", 0, 0, []),
        ("root", 0, 0, []),
        ("app", 1000, 50, [29, 44]),
        ("1000", 1000, 50, [29, 44]),
        ("app:audio", 1000, 29, []),
        ("app:5", 1000, 5, []),
        ("1000:audio", 1000, 29, []),
        ("4321", 4321, 0, []),
        ("4321:55", 4321, 55, []),
        ("app:", 1000, 50, [29, 44]),
        (":29", 0, 29, []),
        ("n", 8, 9, []),
    ],
)
def test_users(text: str, uid: int, gid: int, more: list[int]) -> None:
    assert user_of(text, PASSWD, GROUP) == (uid, gid, more)


@pytest.mark.parametrize("text", ["nobody", "broken", "app:none", "app:bad", "99999999999", "-1", "+nis"])
def test_users_that_the_image_does_not_have(text: str) -> None:
    with pytest.raises(ImageError, match="has no such"):
        user_of(text, PASSWD, GROUP)
    with pytest.raises(ImageError):
        user_of("app", None, None)


@given(st.text(max_size=12), st.binary(max_size=80), st.binary(max_size=80))
def test_any_user_is_one_or_an_error(text: str, passwd: bytes, group: bytes) -> None:
    try:
        uid, gid, more = user_of(text, passwd, group)
    except ImageError:
        return
    assert all(0 <= one < 1 << 32 for one in (uid, gid, *more))


def spec(root: Path, config: dict[str, Any] | None = None, rootless: bool = False) -> dict[str, Any]:
    document = None if config is None else {"os": "linux", "config": config}
    return runtime_spec(document, str(root), uid=7, gid=8, rootless=rootless, passwd=PASSWD, group=GROUP)


def test_a_bare_root(tmp_path: Path) -> None:
    found = spec(tmp_path)
    assert found["process"]["args"] == ["/bin/sh"]
    assert found["process"]["cwd"] == "/"
    assert found["root"] == {"path": str(tmp_path), "readonly": True}
    assert "annotations" not in found
    assert {one["destination"] for one in found["mounts"]} == {
        "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup",
    }  # fmt: skip
    assert {one["type"] for one in found["linux"]["namespaces"]} == {"pid", "ipc", "uts", "mount"}


def test_an_ordinary_user_is_root_inside(tmp_path: Path) -> None:
    linux = spec(tmp_path, {"User": "nobody"}, rootless=True)["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 7, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 8, "size": 1}]
    assert {"type": "user"} in linux["namespaces"]
    assert "resources" not in linux
    with pytest.raises(ImageError, match="User is nobody"):
        spec(tmp_path, {"User": "nobody"})


def test_mounts_only_where_the_image_has_a_place(tmp_path: Path) -> None:
    for name in ("tmp", "etc", "data", "var", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "var/tmp").symlink_to("/etc")
    (tmp_path / "run").symlink_to("elsewhere")
    (tmp_path / "etc/hosts").symlink_to("/etc/shadow")
    (tmp_path / "etc/resolv.conf").write_text("")
    os.chmod(tmp_path / "data", 0o2770)
    volumes = {
        "/data/": {},
        "/none": {},
        "/proc/x": {},
        "/": {},
        "relative": {},
        "/tmp": {},
        "/var/tmp/x": {},
        "/../etc": {},
    }
    mounts = {one["destination"]: one for one in spec(tmp_path, {"Volumes": volumes})["mounts"]}
    assert set(mounts) - {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"} == {
        "/tmp", "/data", "/etc", *(["/etc/resolv.conf"] if os.path.isfile("/etc/resolv.conf") else []),
    }  # fmt: skip
    assert "mode=2770" in mounts["/data"]["options"]
    assert f"uid={os.getuid()}" in mounts["/data"]["options"]


def test_what_the_image_says(tmp_path: Path) -> None:
    found = spec(tmp_path, {
        "Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1", "nothing", "B=2", "A=3", "=x"], "WorkingDir": "a/../b/",
        "Labels": {"l": "m", "n": 5, "run.oci.handler": "x", "slurm.time": "1", "org.opencontainers.image.os": "mine"},
        "StopSignal": "TERM",
        "ExposedPorts": {"80/tcp": {}, "22": {}},
    })  # fmt: skip
    process = found["process"]
    assert process["args"] == ["/e", "c"]
    assert process["env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=3", "B=2"]
    assert process["cwd"] == "/b"
    assert found["annotations"] == {
        "l": "m", "org.opencontainers.image.os": "mine", "org.opencontainers.image.stopSignal": "TERM",
        "org.opencontainers.image.exposedPorts": "22,80/tcp",
    }  # fmt: skip
    assert spec(tmp_path, {"Env": ["PATH=/x"]})["process"]["env"] == ["PATH=/x"]
