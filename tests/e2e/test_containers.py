"""--container with the real runc: as root and as an ordinary user, by RunTimeRun and by RunTimeCreate and Start."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.permissions.people import People, possible

from .containers import bundle, container_site, fingerprint, on_terminal, why_not
from .site import as_user
from .started import Started, all_ended
from .test_main_job import until

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.xdist_group("containers"),
]


@pytest.fixture(scope="module")
def people():
    if possible():
        yield None
        return
    with People(("root", "owner")) as users:
        yield users


@pytest.fixture(scope="module", params=["run", "create"])
def site(request):
    with container_site(request.param) as site:
        yield site


@pytest.fixture(autouse=True)
def nothing_goes_on():
    with all_ended():
        yield


@pytest.fixture(params=["root", "user"])
def who(request, people, site):
    """The name to run commands as; "" is who runs the tests."""
    if request.param == "root":
        return ""
    if people is None:
        pytest.skip(possible())
    return people.names["owner"]


def srun(site, who, *command, options=(), **more):
    return site.run("srun", *options, "--container", str(site.bundle), *command, user=who, **more)


def test_a_task_is_in_the_container(site, who):
    before = fingerprint(site.bundle)
    done = srun(
        site, who, "sh", "-c", "id -u; pwd; hostname; ls /; echo $SLURM_CONTAINER $SLURM_CONF; echo $PATH; exit 3"
    )
    number, place, name, *listed, container, path = done.stdout.split()
    assert (number, place, name, container) == ("0", "/", "runc", str(site.bundle))
    assert {"bin", "proc"} <= set(listed)
    assert path == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert done.returncode == 3
    assert done.stderr == "srun: error: n1: task 0: Exited with exit code 3\n"
    assert fingerprint(site.bundle) == before


def test_input_output_and_labels(site, who):
    text = "".join(f"line {number}\n" for number in range(5000))
    assert srun(site, who, "cat", stdin=text).stdout == text
    done = srun(site, who, "sh", "-c", "echo out $SLURM_PROCID; echo err >&2", options=("-N2", "-n4", "-l"))
    assert sorted(done.stdout.splitlines()) == [f"{task}: out {task}" for task in range(4)]
    assert sorted(done.stderr.splitlines()) == [f"{task}: err" for task in range(4)]


def test_a_batch_script_that_is_not_in_the_image(site, who, tmp_path):
    out = f"/tmp/containers-{os.getpid()}-{who or 'root'}.out"
    script = '#!/bin/sh\nread -r name < /proc/1/cmdline; echo "$1 $2"; ls /bin/busybox; id -u; exit 4\n'
    try:
        done = site.run("sbatch", "-W", "-o", out, "--container", str(site.bundle), "/dev/stdin", "one", "two words",
                        user=who, stdin=script)  # fmt: skip
        assert done.returncode == 4, done.stderr
        assert Path(out).read_text() == "one two words\n/bin/busybox\n0\n"
    finally:
        Path(out).unlink(missing_ok=True)


def test_an_array(site, who):
    out = f"/tmp/containers-{os.getpid()}-{who or 'root'}"
    script = "#!/bin/sh\necho $SLURM_ARRAY_TASK_ID; exit $SLURM_ARRAY_TASK_ID\n"
    try:
        done = site.run(
            "sbatch", "-W", "-a", "0-3", "-o", f"{out}-%a", "--container", str(site.bundle), user=who, stdin=script
        )
        assert done.returncode == 3, done.stderr
        assert [Path(f"{out}-{task}").read_text() for task in range(4)] == ["0\n", "1\n", "2\n", "3\n"]
    finally:
        for task in range(4):
            Path(f"{out}-{task}").unlink(missing_ok=True)


def test_a_step_of_a_job_without_container(site, tmp_path):
    """Steps do not inherit a container, and have their own. (Root's alone: an ordinary user's job may not read the
    Python of these tests.)"""
    script = f"#!/bin/sh\nsrun --container {site.bundle} hostname; srun hostname; echo $SLURM_CONTAINER.\n"
    site.ok("sbatch", "-W", "-o", str(tmp_path / "out"), stdin=script)
    assert (tmp_path / "out").read_text().split() == ["runc", os.uname().nodename, "."]
    script = "#!/bin/sh\necho $SLURM_CONTAINER\n"
    site.ok("sbatch", "-W", "-o", str(tmp_path / "out"), "--container", str(site.bundle), stdin=script)
    assert (tmp_path / "out").read_text() == f"{site.bundle}\n"


def test_a_slurmstepd_that_had_a_container_is_as_before(site, who):
    """It may take the next step, whoever's that is."""
    look = (
        "ls /proc/$PPID/fd | wc -l; readlink /proc/$PPID/cwd /proc/$PPID/root; cat /proc/$PPID/cgroup;"
        " grep -E '^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|CapEff|Threads):' /proc/$PPID/status"
    )
    first = site.ok("srun", "-w", "n1", "sh", "-c", look)
    for command in ("true", "exit 3", "kill -9 $$"):
        srun(site, who, "sh", "-c", command, options=("-w", "n1"))
        # slurmd may ask it something just then, which is one file more
        assert until(lambda: site.ok("srun", "-w", "n1", "sh", "-c", look), lambda said: said == first) == first


def test_a_terminal(site, who):
    command = ("srun", "--pty", "--container", str(site.bundle), "sh", "-c", "tty; stty size")
    text = on_terminal(site, who, *command, rows=33, columns=77)
    assert "/dev/pts/" in text if site.mode == "run" else text
    assert "33 77" in text


def test_signals_and_the_time_limit(site, who):
    process = Started(site, who, "sh", "-c", "trap 'echo got; exit 5' USR1; echo up; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "up\n"
    job = process.job
    site.ok("scancel", "--signal=USR1", job, user=who)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("got\n", 5)
    # the first process of a container has no signal's default action: what does not catch SIGTERM is killed
    process = Started(site, who, "sleep", "1000")
    job = process.job
    site.ok("scancel", job, user=who)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "CANCELLED" in err
    assert until(lambda: site.ok("sacct", "-X", "-n", "-P", "-j", job, "-o", "State", user=who).split()[:1],
                 lambda state: state == ["CANCELLED"]) == ["CANCELLED"]  # fmt: skip


def test_suspended_and_resumed(site, who):
    process = Started(site, who, "sh", "-c", "n=0; while [ $n -lt 1000000 ]; do n=$((n+1)); echo $n; sleep 0.02; done")
    assert process.stdout.readline() == "1\n"
    job = process.job
    site.ok("scontrol", "suspend", job)

    def states() -> set[str]:
        return {process_state(pid) for pid in inside(site)}

    assert until(states, lambda found: found == {"T"}, 20) == {"T"}
    site.ok("scontrol", "resume", job)
    assert until(states, lambda found: "T" not in found, 20) != {"T"}
    site.ok("scancel", "--signal=KILL", job)
    process.communicate(timeout=20)


def inside(site) -> list[int]:
    """Processes whose root is the bundle's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    os.readlink(entry / "root") == "/"
                    and str(site.bundle / "rootfs") in (entry / "mountinfo").read_text()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def process_state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def test_daemons_of_a_container_end_with_it(site, who):
    done = srun(site, who, "sh", "-c", "(setsid sleep 98765 >/dev/null 2>&1 </dev/null &); sleep 0.1; echo done")
    assert done.stdout == "done\n"
    assert until(lambda: with_word("98765"), lambda found: not found, 10) == []


def with_word(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if word.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("victim", ["runtime", "slurmstepd", "slurmd"])
def test_killed_in_the_middle(site, who, victim):
    """kill -9 of the process that holds the container, of slurmstepd, of slurmd: what was begun ends, all goes."""
    process = Started(site, who, "sh", "-c", "echo up; exec sleep 4321", options=("-w", "n1"))
    assert process.stdout.readline() == "up\n"
    job = process.job
    pids = site.ok("scontrol", "listpids", job).splitlines()
    assert len(pids) > 1
    if victim == "slurmd":
        os.kill(site.pid("slurmd-n1"), signal.SIGKILL)
        site.ok("slurmd", "-N", "n1")
        assert until(site.node_state, lambda state: state in ("allocated", "mixed"), 20) in ("allocated", "mixed")
        assert process.poll() is None
        site.ok("scancel", job, user=who)
    else:
        task = next(int(line.split()[0]) for line in pids[1:] if line.split()[3] == "0")
        stepd = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{task}/status").read_text())[1])
        os.kill(task if victim == "runtime" else stepd, signal.SIGKILL)
    _, err = process.communicate(timeout=40)
    assert process.returncode != 0, err
    assert until(lambda: with_word("4321"), lambda found: not found, 20) == []
    assert site.is_clean() == []
    assert srun(site, who, "echo", "again", options=("-w", "n1")).stdout == "again\n"


def test_slurmstepd_and_slurmd_killed(site, who):
    """Nobody was there to clean up: the next slurmd of the node does."""
    process = Started(site, who, "sh", "-c", "echo up; exec sleep 4322", options=("-w", "n1"))
    assert process.stdout.readline() == "up\n"
    job = process.job
    lines = site.ok("scontrol", "listpids", job).splitlines()
    task = next(int(line.split()[0]) for line in lines[1:] if line.split()[3] == "0")
    stepd = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{task}/status").read_text())[1])
    os.kill(site.pid("slurmd-n1"), signal.SIGKILL)
    os.kill(stepd, signal.SIGKILL)
    assert site.leftovers()
    site.ok("slurmd", "-N", "n1")
    process.communicate(timeout=40)
    assert until(lambda: with_word("4322"), lambda found: not found, 20) == []
    assert site.is_clean() == []


def test_it_is_shown(site, who):
    process = Started(site, who, "sleep", "1000", options=("--container-id", "the-id"))
    job = process.job
    wanted = f"Container={site.bundle} ContainerID=the-id"
    assert wanted in site.ok("scontrol", "show", "job", job, user=who)
    step = site.ok("scontrol", "show", "step", f"{job}.0", user=who)
    assert wanted in step
    assert site.ok("scontrol", "show", "step", "ContainerID=the-id", user=who) == step
    other = site.run("scontrol", "show", "step", "containerid=other", user=who)
    assert (other.returncode, other.stdout) == (1, "No job steps found\n")
    row = site.ok("squeue", "-h", "-j", job, "-O", "Container:200,ContainerID:20", user=who).split()
    assert row == [str(site.bundle), "the-id"]
    found = json.loads(site.ok("squeue", "-j", job, "--json", user=who))["jobs"][0]
    assert (found["container"], found["container_id"]) == (str(site.bundle), "the-id")
    site.ok("scancel", job, user=who)
    process.communicate(timeout=30)
    rows = until(
        lambda: site.ok("sacct", "-n", "-P", "-j", job, "-o", "JobID,Container", user=who).split(),
        lambda rows: len(rows) == 2,
    )
    assert rows == [f"{job}|{site.bundle}", f"{job}.0|{site.bundle}"]
    books = json.loads(site.ok("sacct", "-j", job, "--json", user=who))["jobs"][0]
    assert books["container"] == str(site.bundle)
    for daemon, line in (
        ("slurmctld", f"JobId={job} container={site.bundle} container_id=the-id"),
        ("slurmctld", f"StepId={job}.0 container={site.bundle} container_id=the-id"),
        ("slurmd-n1", f"launched {job}.0 for UID "),
        ("slurmdbd", f"JobId={job} container={site.bundle}"),
    ):
        assert line in (site.base / f"{daemon}.log").read_text()


def test_figures_of_a_container(site, who):
    work = (
        "x=a; while [ ${#x} -lt 30000000 ]; do x=$x$x; done; dd if=/dev/zero of=/dev/null bs=1M count=30000 2>/dev/null"
    )
    done = srun(site, who, "sh", "-c", f"{work}; echo $SLURM_JOB_ID", options=("--mem=1000", "--acctg-freq=1"))
    job = done.stdout.strip()
    row = until(lambda: site.ok("sacct", "-n", "-P", "-j", f"{job}.0", "-o", "TotalCPU,MaxRSS,State", user=who).strip(),
                lambda row: row.endswith("COMPLETED"))  # fmt: skip
    used, most, _ = row.split("|")
    assert used > "00:00.100", row
    assert int(most.rstrip("K")) << 10 > 30_000_000, row


def wrong_bundles(site) -> dict[str, tuple[str, str]]:
    """name: (what --container says, what the error says)"""
    base = site.base / "wrong"
    for name in ("empty", "text", "shape", "rootless"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "text" / "config.json").write_text("{not json")
    (base / "shape" / "config.json").write_text('{"ociVersion": "1.0.2", "root": {"path": 7}}')
    (base / "rootless" / "config.json").write_text('{"ociVersion": "1.0.2", "root": {"path": "nowhere"}}')
    return {
        "none": (str(base / "none"), f"{base}/none: No such file or directory"),
        "empty": (str(base / "empty"), f"{base}/empty: neither an OCI bundle"),
        "text": (str(base / "text"), f"{base}/text/config.json: not JSON"),
        "shape": (str(base / "shape"), f"{base}/shape/config.json: root.path: text is wanted"),
        "rootless": (str(base / "rootless"), f"{base}/rootless/nowhere: no such directory"),
        "relative": ("no/such/bundle", "/no/such/bundle: No such file or directory"),
    }


def test_bundles_that_cannot_be_run(site, who):
    for name, (said, why) in wrong_bundles(site).items():
        done = site.run("srun", "--container", said, "true", user=who)
        assert done.returncode == 1, (name, done)
        assert "slurmstepd-n1: error: container setup failed: " in done.stderr, (name, done.stderr)
        assert why in done.stderr, (name, done.stderr)
    job = site.run("sbatch", "--parsable", "-W", "-o", "/dev/null", "--container", str(site.base / "wrong" / "text"),
                   user=who, stdin="#!/bin/sh\n")  # fmt: skip
    assert job.returncode == 1
    assert until(site.node_state, lambda state: state == "idle", 10) == "idle"
    assert site.is_clean() == []


def test_a_program_that_is_not_in_the_container(site, who):
    done = srun(site, who, "no-such-program")
    assert done.returncode == 1, done
    assert "no-such-program" in done.stderr
    assert site.is_clean() == []


def test_memory_is_limited_inside(site, who):
    if not list(Path("/sys/fs/cgroup").glob(f"*/slurmpy_site{site.port}_n1")):
        pytest.skip("control groups are not writable here")
    eater = "x=a; while :; do x=$x$x; done"
    done = srun(site, who, "sh", "-c", eater, options=("--mem=50",))
    assert done.returncode != 0
    assert "oom" in done.stderr.lower(), done.stderr
    assert site.is_clean() == []


def test_an_interactive_step(site, who):
    typed = b"hostname; echo rc=$((40+2)); exit 0\n"
    text = on_terminal(site, who, "salloc", "--container", str(site.bundle), typed=typed, after=b"Nodes n")
    assert "runc" in text
    assert "rc=42" in text


def test_chdir_goes_into_the_container(site, who):
    assert srun(site, who, "pwd").stdout == "/\n"
    assert srun(site, who, "pwd", options=("--chdir", "/tmp")).stdout == "/tmp\n"


def test_many_at_once(site, who):
    """Tasks side by side on both nodes, each with its own container."""
    done = srun(site, who, "sh", "-c", "ps | wc -l; exit 0", options=("-N2", "-n8", "--overcommit", "--mem=0"))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 8
    assert site.is_clean() == []


def test_a_private_bundle_of_a_user(site, who, people):
    """A bundle made rootless, by the user, that nobody else can read."""
    place = bundle(site.base / f"private-{who or 'root'}", *(("--rootless",) if who else ()))
    if who:
        subprocess.run(["chown", "-R", who, str(place)], check=True)
    place.chmod(0o700)
    done = site.run("srun", "--container", str(place), "id", "-u", user=who)
    assert (done.stdout, done.stderr) == ("0\n", "")
    if who:
        place.chmod(0o700)
        subprocess.run(["chown", "0:0", str(place)], check=True)
        done = site.run("srun", "--container", str(place), "id", "-u", user=who)
        assert done.returncode == 1
        assert "Permission denied" in done.stderr


def test_an_image_that_takes_its_time(site, who):
    """Whoever makes the image's bundle holds up the step, not slurmd: the step answers, and can be cancelled."""
    image = f"oci:{site.base}/slow-{who or 'root'}"
    make_layout(site, Path(image[4:]))
    argv = [*(as_user(who) if who else []), "srun", "-w", "n1", "--container", image, "echo", "in"]
    home = site.base / f"home-{who or 'root'}"
    home.mkdir(exist_ok=True)
    if who:
        subprocess.run(["chown", who, str(home)], check=True)
    more = {"env": site.environment | {"HOME": str(home)}, "cwd": "/tmp", "text": True}
    typed = [*argv[:-2], "cat"]
    done = subprocess.run(typed, capture_output=True, timeout=60, input="typed ahead\n", **more)
    assert (done.stdout, done.stderr) == ("typed ahead\n", "")
    lock = next((home / ".cache" / "slurmpy" / "images" / "locks").iterdir())
    for made in (home / ".cache" / "slurmpy" / "images" / "images").iterdir():
        shutil.move(made, home / "away")
    with lock.open("r+b") as held:  # as if somebody was at it
        fcntl.flock(held, fcntl.LOCK_EX)
        process = Started(site, who, "echo", "in", container=image, options=("-w", "n1"), home=str(home))
        job = process.job
        assert until(lambda: site.ok("scontrol", "ping"), lambda said: "UP" in said)
        site.ok("scancel", job, user=who)
        _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "CANCELLED" in err
    assert site.is_clean() == []


def make_layout(site, place: Path) -> None:
    """An OCI image layout of one layer: the root file system of the bundle."""
    blobs = place / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    said = io.BytesIO()
    with tarfile.open(fileobj=said, mode="w") as archive:
        archive.add(site.bundle / "rootfs", arcname=".")
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(said.getvalue())}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    kind = "application/vnd.oci.image.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "config": {"mediaType": kind, **put(json.dumps(config).encode())},
        "layers": [layer],
    }
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", **put(json.dumps(manifest).encode())}
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
