"""--container with images, on a cluster whose oci.conf names the real runc: as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import subprocess

import pytest

from tests.image.images import docker_archive, layer, layout, member, small_root
from tests.permissions.people import People, possible

from .containers import container_site, root_file_system, why_not
from .site import as_user
from .test_main_job import until

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run daemons for several users"),
    pytest.mark.xdist_group("images"),
]


class Place:
    """A cluster, a user, images that he may read, and where his bundles are."""

    def __init__(self, site, who: str) -> None:
        self.site, self.who = site, who
        top = site.base / f"images-{who or 'root'}"
        top.mkdir()
        if who:
            os.chown(top, pwd.getpwnam(who).pw_uid, -1)
        self.cache = top / "cache"
        self.environment = {"SLURMPY_IMAGE_CACHE": str(self.cache)}

    def srun(self, reference: str, *command: str, options: tuple[str, ...] = ()):
        return self.site.run(
            "srun", *options, "--container", reference, *command, user=self.who, env=self.environment
        )  # fmt: skip

    def bundles(self, *argv: str):
        return self.site.run("slurmpy", "bundle", *argv, user=self.who, env=self.environment)

    def list(self) -> list[dict]:
        return json.loads(self.bundles("list", "--json").stdout)["bundles"]


@pytest.fixture(scope="module")
def people():
    if possible():
        yield None
        return
    with People(("root", "owner")) as users:
        yield users


@pytest.fixture(scope="module")
def site(people):  # ends before the users do
    with container_site("run") as site:
        upper = layer(member("etc/motd", data=b"the image's\n"), member("etc/.wh.group"))
        layers, config = [small_root(), upper], {"Env": ["GREETING=hello"], "Cmd": ["/bin/false"]}
        layout(site.base / "layout", layers, config)
        docker_archive(site.base / "image.tar", layers, config, "me/it:1")
        root_file_system(site.base / "tree")
        yield site


@pytest.fixture(params=["root", "user"], scope="module")
def place(request, site, people):
    if request.param == "root":
        return Place(site, "")
    if people is None:
        pytest.skip(possible())
    return Place(site, people.names["owner"])


def test_all_tasks_share_one_bundle(place):
    """Many tasks on two nodes meet the image for the first time at once."""
    script = "cat /etc/motd; ls /etc; echo $GREETING $SLURM_PROCID"
    done = place.srun(f"oci:{place.site.base}/layout:t", "sh", "-c", script, options=("-N2", "-n6", "-l"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = ["the image's", "hosts", "motd", "passwd", "resolv.conf"]
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{task}: {line}" for task in range(6) for line in (*lines, f"hello {task}")
    )
    (bundle,) = place.list()
    assert (bundle["in_use"], os.listdir(place.cache / "tmp")) == (False, [])


def test_every_form(place):
    base = place.site.base
    for text in (f"oci:{base}/layout", f"docker-archive:{base}/image.tar:me/it:1", f"docker-archive:{base}/image.tar"):
        done = place.srun(text, "sh", "-c", "id -u; echo $SLURM_CONTAINER")
        assert (done.stdout, done.stderr) == (f"0\n{text}\n", "")
    # a root file system belongs to who made it; it has no variables, and stays where it is
    assert place.srun(f"{base}/tree", "ls", "/bin/busybox").stdout == "/bin/busybox\n"
    assert len(place.list()) == 3  # the archive's configuration is another document than the layout's


def test_what_is_in_use_stays(place):
    """Also a bundle that is named by its path; when the step ends, whoever wants may remove it."""
    path = place.bundles("create", "--name", "mine", f"oci:{place.site.base}/layout").stdout.strip()
    for text in (f"oci:{place.site.base}/layout", path, f"{place.cache}/names/mine"):
        argv = [
            *(as_user(place.who) if place.who else []),
            "srun",
            "--container",
            text,
            "sh",
            "-c",
            "echo up; cat; ls /etc/motd",
        ]
        with subprocess.Popen(
            argv, env=place.site.environment | place.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd="/tmp",
        ) as step:  # fmt: skip
            assert step.stdout.readline() == "up\n"
            done = place.bundles("remove", "mine")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.endswith("(mine): in use\n")
            assert place.bundles("gc", "--max-size", "0").returncode == 0
            assert step.communicate("")[0] == "/etc/motd\n"
        assert step.returncode == 0
    until(lambda: place.bundles("remove", "mine").returncode, lambda code: code == 0, 10)
    assert place.list() == [] or all(one["key"] not in path for one in place.list())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda where: (where / "index.json").unlink(), "index.json: No such file or directory"),
        (lambda where: next(path for path in where.rglob("*") if path.is_file() and path.stat().st_size > 100_000)
         .write_bytes(b"x"), "bytes long, not"),
    ],
)  # fmt: skip
def test_images_that_are_damaged(place, change, said, tmp_path):
    where = place.site.base / f"broken-{place.who}-{tmp_path.name}"
    layout(where, [small_root(member("more", data=tmp_path.name.encode()))])
    change(where)
    done = place.srun(f"oci:{where}", "true")
    assert done.returncode != 0
    assert said in done.stderr + _log(place), done.stderr
    assert place.site.node_state() == "idle"
    assert place.site.is_clean() == []


def _log(place) -> str:
    return "".join(path.read_text(errors="replace") for path in place.site.base.glob("*slurmd*.log"))


def test_an_image_that_harms(place):
    canary = place.site.base / "canary"
    where = layout(place.site.base / f"evil-{place.who}", [small_root(
        member("out", "symlink", linkname=str(place.site.base)), member("out/canary", data=b"evil"),
    )])  # fmt: skip
    done = place.srun(f"oci:{where}", "ls", "/")
    assert "out" in done.stdout.split(), done.stderr
    assert not canary.exists()
