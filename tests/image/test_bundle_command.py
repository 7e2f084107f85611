"""``slurmpy bundle``: what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slurmpy.image.cache import Cache
from slurmpy.image.limits import Limits
from slurmpy.image.reference import parse
from tests.terminals import read_to_end

from .conftest import Person
from .images import layer, layout, member, need
from .ordinary import ask

REPO = Path(__file__).parents[2]


class Site:
    """A cache and an image, and the command over them."""

    def __init__(self, top: Path) -> None:
        self.top, self.cache = top, top / "cache"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "XDG_CACHE"))},
            "SLURMPY_IMAGE_CACHE": str(self.cache), "TZ": "UTC",
        }  # fmt: skip
        self.image = f"oci:{layout(top / 'layout', [layer(member('a', data=bytes(3000)))])}"

    def run(self, *argv: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "slurmpy.cli.slurmpy", "bundle", *argv], capture_output=True, text=True, cwd=REPO,
            env={**self.environment, **environment}, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout.replace(str(self.top), ""), done.stderr.replace(str(self.top), "")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_from_nothing_to_nothing(site: Site) -> None:
    assert site.run("list") == (0, "there are no bundles\n", "")
    assert not site.cache.exists()
    code, path, err = site.run("create", "--name", "mine", site.image)
    assert (code, err) == (0, "")
    key = os.path.basename(path.strip())
    assert path == f"/cache/images/{key}\n"
    assert site.run("path", "mine") == (0, path, "")
    assert site.run("create", site.image) == (0, path, "")
    code, out, _ = site.run("list")
    head, row = out.splitlines()
    assert head.split() == ["KEY", "NAME", "SIZE", "LAST", "USED", "STATE", "REFERENCE"]
    assert row.split()[:2] == [key[:12], "mine"]
    assert row.split()[-1] == "oci:/layout"
    code, out, _ = site.run("list", "--json")
    (record,) = json.loads(out)["bundles"]
    assert {name: record[name] for name in ("key", "names", "layers", "in_use", "damaged")} == {
        "key": key, "names": ["mine"], "layers": 1, "in_use": False, "damaged": False,
    }  # fmt: skip
    assert site.run("gc", "--max-age", "1d")[1].startswith("0 removed, ")
    assert site.run("remove", "mine") == (0, f"removed {key[:12]} (mine)\n", "")
    assert os.listdir(site.cache / "names") == []
    assert site.run("list") == (0, "there are no bundles\n", "")


def test_what_is_in_use_is_not_removed(site: Site) -> None:
    with Cache(str(site.cache), Limits()).use(parse(site.image)) as lease:
        key = os.path.basename(lease.path)[:12]
        assert site.run("remove", lease.path) == (1, "", f"slurmpy: error: {key} (oci:/layout): in use\n")
        assert site.run("gc", "--max-size", "0")[1].endswith(", 1 more are in use\n")
        assert "in use" in site.run("list")[1]
    assert site.run("gc", "--max-size", "0") == (0, f"removed {key} (oci:/layout)\n1 removed, 0 left\n", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("create", "oci:/none"), "oci:/none: /none/oci-layout: No such file or directory"),
        (("create", "sif:x"), "sif:x: sif: is not supported; oci:, oci-archive:, docker-archive:, docker: are"),
        (("create", "/none"), "/none: No such file or directory"),
        (("create", "--name", "a/b", "/"), "a/b: not a name for a bundle (letters, digits and ._-+@)"),
        (("remove", "none"), "none: there is no such bundle in /cache"),
        (("path", "none"), "none: there is no such bundle in /cache"),
        (("gc", "--max-size", "x"), "Invalid size: x"),
        (("gc", "--max-age", "x"), "Invalid age: x"),
    ],
)
def test_errors(site: Site, argv: tuple[str, ...], said: str) -> None:
    assert site.run(*argv) == (1, "", f"slurmpy: error: {said}\n")


def test_bounds_of_the_environment(site: Site) -> None:
    code, out, err = site.run("create", site.image, SLURMPY_IMAGE_LIMITS="bytes=2K")
    assert (code, out) == (1, "")
    assert err == (
        "slurmpy: error: oci:/layout: layer 1: more than 2048 bytes, decompressed"
        " (SLURMPY_IMAGE_LIMITS=bytes=SIZE allows more)\n"
    )
    assert site.run("create", site.image, SLURMPY_IMAGE_LIMITS="byte=2")[2] == (
        "slurmpy: error: SLURMPY_IMAGE_LIMITS: byte=2 is none of bytes=, entries=, ratio=, layers=, cache=\n"
    )


def test_names_of_images_do_not_act_on_terminals(site: Site) -> None:
    evil = layout(site.top / "l", [layer(member("\x1b[2J\nx", uid=0), member("../\x1b[31mx"))])
    _, _, err = site.run("create", f"oci:{evil}")
    assert err == "slurmpy: error: oci:/l: layer 1: ../?[31mx: a name with .. in it\n"


def test_help_teaches(site: Site) -> None:
    code, out, _ = site.run("--help")
    assert code == 0
    for word in ("oci:DIR[:TAG]", "docker-archive:FILE[:NAME]", "slurmpy bundle create --name alpine", "gc"):
        assert word in out


# ---- registries, by skopeo


def fake_skopeo(site: Site, body: str) -> dict[str, str]:
    """A PATH on which skopeo is a script; REAL is the real one."""
    import shutil

    place = site.top / "bin"
    place.mkdir(exist_ok=True)
    script = place / "skopeo"
    script.write_text(f'#!/bin/sh\nREAL={shutil.which("skopeo")}\necho "$@" >>{site.top}/calls\n{body}\n')
    script.chmod(0o755)
    return {"PATH": f"{place}:{os.environ['PATH']}"}


def test_an_image_of_a_registry(site: Site) -> None:
    """skopeo itself copies, out of a local layout that stands for the registry."""
    need("skopeo")
    tagged = layout(site.top / "registry", [layer(member("a"))])
    path = fake_skopeo(site, f'for last; do :; done; exec $REAL copy --quiet oci:{tagged}:t "$last"')
    code, first, err = site.run("create", "docker://registry.example/me/it:1", **path)
    assert (code, err) == (0, "")
    calls = (site.top / "calls").read_text()
    assert " copy --quiet docker://registry.example/me/it:1 oci:" in calls
    assert os.listdir(site.cache / "tmp") == []
    # asked for again, nobody asks the registry, unless told so
    assert site.run("create", "docker://registry.example/me/it:1", **path) == (0, first, "")
    assert (site.top / "calls").read_text() == calls
    index = site.top / "registry/index.json"
    index.unlink()
    layout(tagged, [layer(member("b"))])
    assert site.run("create", "docker://registry.example/me/it:1", **path)[1] == first
    second = site.run("create", "--fetch", "docker://registry.example/me/it:1", **path)[1]
    assert second != first
    assert site.run("path", "docker://registry.example/me/it:1")[2].startswith("slurmpy: error: docker://registry.ex")
    assert site.run("create", "docker://registry.example/me/it:1", **path)[1] == second


def test_what_skopeo_says_when_it_fails(site: Site) -> None:
    text = 'time="2026" level=fatal msg="Error parsing image: no such host"'
    path = fake_skopeo(site, f"echo warning >&2; echo '{text}' >&2; exit 1")
    assert site.run("create", "docker://none.example/x", **path) == (
        1, "", "slurmpy: error: docker://none.example/x: skopeo: Error parsing image: no such host\n",
    )  # fmt: skip
    assert os.listdir(site.cache / "tmp") == []
    assert site.run("create", "docker://none.example/x", PATH="/nonexistent")[2] == (
        "slurmpy: error: docker://none.example/x: skopeo is not installed; it fetches images of registries\n"
    )


# ---- others


def test_an_ordinary_user(person: Person) -> None:
    where = layout(person.home / "command", [layer(member("a", mode=0o4755))])
    out = ask(person.uid, person.gid, f"""
os.environ["SLURMPY_IMAGE_CACHE"] = "{person.home}/command-cache"
cli(["bundle", "create", "oci:{where}"], prog_name="slurmpy")
""")  # fmt: skip
    seen = os.stat(f"{out.strip()}/rootfs/a")
    assert (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (person.uid, 0o755)
    assert os.stat(person.home / "command-cache").st_mode & 0o777 == 0o700


def test_progress_on_a_terminal_only(site: Site) -> None:
    big = layout(site.top / "big", [layer(member("big", data=os.urandom(8 << 20)))])
    leader, follower = pty.openpty()
    argv = [sys.executable, "-m", "slurmpy.cli.slurmpy", "bundle", "create", f"oci:{big}"]
    with subprocess.Popen(argv, cwd=REPO, env={**site.environment, "TERM": "xterm"}, stderr=follower) as process:
        os.close(follower)
        out = read_to_end(leader).decode()
    os.close(leader)
    assert process.returncode == 0
    assert "unpacking big " in out
    assert "MB" in out
    assert site.run("create", f"oci:{big}")[2] == ""
