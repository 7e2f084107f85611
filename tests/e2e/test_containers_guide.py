"""docs/containers.md: what it has people type works, as root and as an ordinary user, and its messages are real.

The blocks are run in their order, in one directory, by bash; only where an image comes from is another place.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmpy.conf import oci_runtimes

from .cluster import Pocket
from .containers import BUSYBOX, why_not
from .site import as_user
from .test_main_job import until

TEXT = (Path(__file__).parents[2] / "docs/containers.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)}
IMAGE_TOOLS = [name for name in ("skopeo", "umoci") if shutil.which(name) is None]

pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"), pytest.mark.xdist_group("guide")]


def blocks(section: str, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody with a pocket cluster who follows the guide in `place`; `user` is "" for who runs the tests."""

    def __init__(self, base: Path, user: str) -> None:
        self.pocket = Pocket(base)
        self.place, self.prefix = self.pocket.home, as_user(user) if user else []
        if user:
            for path in (base, self.place):
                os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        path = f"{self.pocket.environment['PATH']}:/usr/sbin:/sbin"
        self.pocket.environment |= {"HOME": str(self.place), "PATH": path, "TERM": "dumb"}
        for name in [name for name in self.pocket.environment if name.startswith("XDG_")]:
            del self.pocket.environment[name]
        self.types("slurmpy up --cpus=4 --memory=2G")  # the guide's first lines end it

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return self.pocket.run(*self.prefix, "bash", "-euo", "pipefail", "-c", script, timeout=120)

    def types(self, script: str) -> str:
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def types_on_terminal(self, command: str, typed: str) -> str:
        return self.types(f"printf '{typed}' | timeout 60 script -qefc {command!r} /dev/null")

    def left(self) -> list[str]:
        spool = self.pocket.directory / "spool" / "n1"
        return [str(path) for path in (*spool.glob("oci-*"), *spool.glob("containers/*"))]


@pytest.fixture(scope="module", params=["root", "user"])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    if request.param == "user" and os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    base = Path(tempfile.mkdtemp(prefix="guide-"))
    base.chmod(0o755)
    reader = Reader(base, "nobody" if request.param == "user" else "")
    try:
        yield reader
        left = until(reader.left, lambda left: not left, 10)
        assert not left
    finally:
        reader.pocket.environment |= {"SLURM_CONF": ""}
        reader.run("slurmpy down")
        reader.pocket.down()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def begun(reader: Reader) -> Reader:
    """A reader who has had his five minutes, by the test before or here."""
    if not (reader.place / "busy").exists():
        test_in_five_minutes(reader)
    return reader


@pytest.fixture
def prepared(begun: Reader) -> Reader:
    """A reader who has come as far as the bundle of his own."""
    if not (begun.place / "bundle").exists():
        test_a_bundle_of_your_own(begun)
    return begun


def test_all_blocks_are_tried() -> None:
    assert {section: len(blocks(section)) for section in SECTIONS if blocks(section)} == {
        "In five minutes": 2, "A whole distribution": 1, "A saved image": 2, "A bundle of your own": 1, "Jobs": 5,
        "How it is shown": 1,
    }  # fmt: skip


def test_in_five_minutes(reader: Reader) -> None:
    first, second = blocks("In five minutes")
    assert "the pocket cluster is up" in reader.types(first)
    second = second.replace("/bin/busybox busy", f"{BUSYBOX} busy")
    number, *names = reader.types(second).split()
    assert number == "0"
    assert {"bin", "proc", "dev", "sys"} <= set(names)
    assert "etc" not in names


def test_a_bundle_of_your_own(begun: Reader) -> None:
    (script,) = blocks("A bundle of your own")
    assert begun.types(script) == "runc\n"  # what runc spec calls it
    assert '"terminal": true' in (begun.place / "bundle" / "config.json").read_text()


def test_jobs(prepared: Reader) -> None:
    batch, tasks, name, terminal, allocation = blocks("Jobs")
    said = prepared.types(batch)
    assert "in busy\nbin\n" in said
    assert said.endswith("\n4\n")
    said = prepared.types(tasks)
    assert sorted(said.splitlines()) == ["0: 0", "1: 1", "words"]
    prepared.types(name)
    said = prepared.types_on_terminal(terminal.strip(), "ls -d /proc/1 && echo he''re; exit\\n")
    assert "here" in said
    with open(prepared.pocket.directory / "slurm.conf", "a") as file:
        file.write("LaunchParameters=use_interactive_step\n")
    prepared.types("scontrol reconfigure")
    said = prepared.types_on_terminal(allocation.strip(), "[ -e /etc ] || echo he''re; exit\\n")
    assert "here" in said


def test_how_it_is_shown(prepared: Reader) -> None:
    (script,) = blocks("How it is shown")
    prepared.types("sbatch --quiet --wait --container busy --wrap true")
    job = prepared.types("sbatch --parsable --container busy --wrap 'sleep 100'").strip()
    until(lambda: prepared.types("squeue -h -s -o %i"), lambda out: job in out)
    until(lambda: prepared.types("sacct -n -o Container,State"), lambda out: "RUNNING" in out)
    said = prepared.types(script)
    place = prepared.place / "busy"
    assert "   Container=busy ContainerID=" in said
    assert re.search(rf"^{job} +busy ", said, re.MULTILINE), said
    assert re.search(r"^\d+ +busy +COMPLETED +0:0", said, re.MULTILINE), said
    assert '"container": "busy"' in said
    assert place.exists()
    prepared.types(f"scancel {job}; srun -Q --dependency=afterany:{job} true")


@pytest.mark.skipif(bool(IMAGE_TOOLS), reason=f"{' and '.join(IMAGE_TOOLS)} not installed")
def test_a_saved_image(prepared: Reader) -> None:
    """The image comes from a layout instead of a registry."""
    first, second = blocks("A saved image")
    prepared.types(
        "mkdir -p busy-etc && cp -r busy/. busy-etc && mkdir -p busy-etc/etc && echo ID=tiny >busy-etc/etc/os-release;"
        "umoci init --layout source; umoci new --image source:latest;"
        "umoci insert --rootless --image source:latest busy-etc /"
    )
    place = "docker://docker.io/library/alpine"
    assert place in first
    said = prepared.types(first.replace(place, "oci:source:latest"))
    assert said.count("ID=tiny\n") == 2
    assert re.search(r"^[0-9a-f]{12} +alpine ", said, re.MULTILINE), said
    assert prepared.types(second).endswith("blue\n")


@pytest.mark.skipif(
    "SLURMPY_TEST_DEBOOTSTRAP" not in os.environ or os.geteuid() != 0,
    reason="it fetches 50 MB: root, with SLURMPY_TEST_DEBOOTSTRAP set to the address of a Debian mirror",
)
def test_a_whole_distribution(reader: Reader) -> None:
    (script,) = blocks("A whole distribution")
    if reader.prefix:
        pytest.skip("debootstrap is root's")
    assert "ID=debian" in reader.types(
        script.replace("http://deb.debian.org/debian", os.environ["SLURMPY_TEST_DEBOOTSTRAP"])
    )


def test_on_a_site() -> None:
    run, create = blocks("On a site: oci.conf", "")
    assert run == oci_runtimes.text("/usr/sbin/runc")
    common = run.splitlines(keepends=True)[:-1]
    assert "".join(common) + create == oci_runtimes.text("/usr/sbin/runc", create_start=True)


#: (what is done in the guide's directory, the message of the table)
FAULTS = [
    ("srun --container nowhere true", r"container setup failed: DIR: No such file or directory"),
    ("mkdir f1; srun --container f1 true", r"neither an OCI bundle (no config.json) nor a root file system"),
    ("mkdir f2; echo '{' >f2/config.json; srun --container f2 true", r"config.json: not JSON"),
    (
        "mkdir f3; sed 's/\"args\": .*/\"args\": 1, \"x\": [/' bundle/config.json >f3/config.json;"
        "srun --container f3 true",
        r"process.args: a list is wanted",
    ),
    ("mkdir f4; cp bundle/config.json f4; srun --container f4 true", r"no such directory (root.path of"),
    ("srun --container busy no-such-program", r"executable file not found in $PATH"),
    (
        "printf '#!/no/shell\\n' >f5; sbatch -Q -W -o f5.out --container busy f5 || { cat f5.out >&2; false; }",
        r"/dev/slurm/startup: no such file or directory",
    ),
    ("srun --container busy sh -c 'echo >/file'", r"Read-only file system"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "message"), FAULTS, ids=range(len(FAULTS)))
def test_what_goes_wrong(prepared: Reader, script: str, message: str) -> None:
    rows = [line for line in SECTIONS["What goes wrong"].splitlines() if line.startswith("| `")]
    assert any(message in row for row in rows)
    done = prepared.run(script)
    assert done.returncode == 1
    assert re.search(re.escape(message).replace("DIR", r"/\S+"), done.stderr), done.stderr
    assert prepared.types("sinfo -h -o %T") in ("idle\n", "mixed\n")


def test_without_a_runtime(prepared: Reader) -> None:
    """The last: it takes the reader's oci.conf away."""
    conf = prepared.pocket.directory / "oci.conf"
    conf.write_text(conf.read_text().replace('RunTimeRun="', 'RunTimeRun="/PATH'))
    prepared.types("scontrol reconfigure")
    done = until(lambda: prepared.run("srun --container busy true"), lambda done: done.returncode != 0)
    assert re.search(r"RunTimeRun: /PATH\S+: No such file or directory", done.stderr)
    conf.unlink()
    prepared.types("scontrol reconfigure")
    done = prepared.run("srun --container busy true")
    assert done.stderr == "srun: there is no oci.conf: the step runs on the host, not in container busy\n"
    with open(prepared.pocket.directory / "slurm.conf", "a") as file:
        file.write("OCIRequired=yes\n")
    prepared.types("scontrol reconfigure")
    done = prepared.run("srun --container busy true")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "srun: error: Unable to allocate resources: Container support is not configured\n"


def test_the_table_has_no_other_messages() -> None:
    shown = re.findall(r"^\| `([^|]*)` \|", SECTIONS["What goes wrong"], re.MULTILINE)
    tried = {message for _, message in FAULTS}
    elsewhere = {
        "this node has no oci.conf: the step runs on the host",  # tests/e2e/test_container_settings.py
        "there is no oci.conf: the step runs on the host", "Container support is not configured",
        "RunTimeRun: /PATH: No such file or directory",
        "--container-runtime: PROGRAM runs no container here: REASON",  # tests/pocket/test_container_runtime.py
    }  # fmt: skip
    assert set(shown) == tried | elsewhere
