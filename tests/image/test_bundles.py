"""Bundles of real images, run by a real runtime, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from slurmpy.image.cache import Cache
from slurmpy.image.reference import parse

from .conftest import Person
from .images import docker_archive, layer, layout, member, need, small_root
from .ordinary import ask, run_in

pytestmark = pytest.mark.xdist_group("runc")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can")
CONFIG = {
    "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["id; pwd; echo $GREETING; cat /etc/motd"], "WorkingDir": "/work/deep",
    "Env": ["GREETING=hello"], "User": "app", "Labels": {"com.example.a": "b"}, "StopSignal": "SIGINT",
    "Volumes": {"/data": {}},
}  # fmt: skip
LAYERS = (
    member("etc/motd", data=b"old\n"), member("etc/gone", data=b"x"), member("data", "dir", uid=1234, mode=0o700),
    member("data/seed", data=b"seeded\n", uid=1234),
)  # fmt: skip


def image(path: Path) -> Path:
    upper = layer(member("etc/motd", data=b"new\n"), member("etc/.wh.gone"))
    return layout(path, [small_root(*LAYERS), upper], CONFIG)


@ROOT
def test_root_runs_an_image(cache: Cache, tmp_path: Path) -> None:
    need("runc")
    with cache.use(parse(f"oci:{image(tmp_path / 'layout')}:t")) as lease:
        # who is asked for, where, with what variables, and the files of the upper layer
        out = run_in(lease.path)
        assert out.splitlines()[0].startswith("uid=1234(app) gid=55 groups=")
        assert "46(plugdev)" in out
        assert "50(staff)" in out
        assert out.splitlines()[1:] == ["/work/deep", "hello", "new"]
        assert run_in(lease.path, "/bin/ls", "/etc").split() == ["group", "hosts", "motd", "passwd", "resolv.conf"]
        assert run_in(lease.path, "/bin/cat", "/data/seed", "/etc/resolv.conf") == "seeded\n" + _resolv_conf()
        spec = json.loads((Path(lease.path) / "config.json").read_text())
        assert spec["annotations"] == {
            "org.opencontainers.image.os": "linux", "org.opencontainers.image.stopSignal": "SIGINT",
            "com.example.a": "b", "org.opencontainers.image.architecture": "amd64",
        }  # fmt: skip
        # the image is read-only, since others use it too; some directories are memory
        check = "touch /x 2>/dev/null && echo bad; touch /tmp/a /var/tmp/a /data/a && echo fine"
        assert run_in(lease.path, "/bin/sh", "-c", check) == "fine\n"


def _resolv_conf() -> str:
    path = Path("/etc/resolv.conf")
    return path.read_text() if path.is_file() else ""


def test_an_ordinary_user_runs_an_image(person: Person, tmp_path: Path) -> None:
    need("runc")
    image(person.home / "layout")
    out = ask(person.uid, person.gid, f"""
path = make({str(person.home / "cache")!r}, "oci:{person.home}/layout:t")
print(run_in(path), run_in(path, "/bin/cat", "/data/seed"), sep="", end="")
print(run_in(path, "/bin/stat", "-c", "%u %a", "/data/seed"), end="")
""")  # fmt: skip
    # he is root inside, and all is his
    assert out.splitlines() == ["uid=0(root) gid=0(root)" + out.splitlines()[0][23:], "/work/deep", "hello", "new",
                                "seeded", "0 644"]  # fmt: skip


@ROOT
def test_a_root_file_system_of_ones_own(cache: Cache, tmp_path: Path) -> None:
    need("runc", "tar")
    rootfs = tmp_path / "tree"
    for name in ("proc", "dev", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True)
    subprocess.run(["tar", "-xC", rootfs], input=small_root(), check=True)
    with cache.use(parse(str(rootfs))) as lease:
        assert run_in(lease.path, "/bin/cat", "/etc/passwd").startswith("root:")
        assert run_in(lease.path, "/bin/sh", "-c", "touch /tmp/x /y; ls /tmp") == "x\n"
        assert sorted(os.listdir(lease.path)) == ["config.json", "image.json", "lease"]


def test_an_ordinary_users_root_file_system(person: Person, tmp_path: Path) -> None:
    need("runc", "tar")
    root = person.home / "tree"
    root.mkdir()
    (person.home / "tree.tar").write_bytes(small_root())
    if os.geteuid() == 0:
        os.chown(root, person.uid, person.gid)
    out = ask(person.uid, person.gid, f"""
subprocess.run(["tar", "-xf", "{person.home}/tree.tar", "-C", "{root}"], check=True)
print(run_in(make({str(person.home / "cache")!r}, "{root}"), "/bin/id", "-u"))
""")  # fmt: skip
    assert out.strip() == "0"


def test_a_root_file_system_without_places_to_mount_upon(person: Person) -> None:
    root = person.home / "bare"
    (root / "bin").mkdir(parents=True)
    (root / "dev").mkdir()
    root.chmod(0o555)
    out = ask(person.uid, person.gid, f"""
from slurmpy.image.errors import ImageError
try:
    make("{person.home}/cache", "{root}")
except ImageError as error:
    print(error)
""")  # fmt: skip
    assert out == f"{root}: has no proc and no sys to mount upon, and you cannot make it\n"


@ROOT
def test_every_form_of_an_image_is_one_bundle(cache: Cache, tmp_path: Path) -> None:
    """umoci makes it, skopeo turns it into all forms; all are the same bundle, equal to umoci's extraction."""
    need("umoci", "skopeo", "runc")
    where = tmp_path / "layout"

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, cwd=tmp_path)

    run("umoci", "init", "--layout", "layout")
    run("umoci", "new", "--image", "layout:one")
    (tmp_path / "base.tar").write_bytes(small_root())
    run("umoci", "raw", "add-layer", "--image", "layout:one", "base.tar")
    run("umoci", "unpack", "--image", "layout:one", "unpacked")
    root = tmp_path / "unpacked/rootfs"
    (root / "etc/group").unlink()
    (root / "new").mkdir()
    os.link(root / "etc/passwd", root / "new/linked")
    os.setxattr(root / "new/linked", "user.color", b"red")
    os.chown(root / "new", 5, 6)
    run("umoci", "repack", "--image", "layout:one", "unpacked")
    run("umoci", "config", "--image", "layout:one", "--config.cmd", "/bin/id")
    run("skopeo", "copy", "oci:layout:one", "oci-archive:oci.tar:one")
    run("skopeo", "copy", "oci:layout:one", "docker-archive:docker.tar:example/one:two")
    run("gzip", "-k", "docker.tar")
    paths = set()
    docker = f"docker-archive:{tmp_path}/docker.tar"
    for text in (f"oci:{where}:one", f"oci:{where}", f"oci-archive:{tmp_path}/oci.tar", f"{docker}:example/one:two",
                 f"{docker}.gz"):  # fmt: skip
        with cache.use(parse(text)) as lease:
            paths.add(lease.path)
    assert len(paths) == 1
    assert run_in(paths.pop()).startswith("uid=0(root)")
    run("umoci", "unpack", "--image", "layout:one", "again")
    mine, theirs = shape(Path(lease.path) / "rootfs"), shape(tmp_path / "again/rootfs")
    for made in ("proc", "dev", "sys", "tmp", "run", "var", "var/tmp", "etc/hosts", "etc/resolv.conf"):
        assert made not in theirs
        del mine[made]
    assert mine == theirs


def shape(root: Path) -> dict[str, object]:
    """All that can be seen of a tree, but for its own directory."""
    found: dict[str, object] = {}
    numbers: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        seen, name = path.lstat(), str(path.relative_to(root))
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes(), numbers.setdefault(seen.st_ino, name)
        xattrs = {key: os.getxattr(path, key) for key in os.listxattr(path, follow_symlinks=False)}
        found[name] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, content, xattrs)
    return found


@ROOT
def test_docker_archives_of_old(cache: Cache, tmp_path: Path) -> None:
    need("runc")
    docker_archive(tmp_path / "a.tar", [small_root()], {"Cmd": ["/bin/echo", "hi"]}, "busy:1")
    with cache.use(parse(f"docker-archive:{tmp_path}/a.tar:docker.io/library/busy:1")) as lease:
        assert run_in(lease.path) == "hi\n"
