"""scrun: the whole life of a container, by a driver that does what conmon does."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from slurmpy.cli.options.scrun import CONTAINER_VARIABLES

from .cluster import Pocket
from .oci import Driver, Oci, without_containers
from .test_main_job import until

#: a program that says when it can be signalled, and how it is
TRAPS = "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    pocket = Pocket(tmp_path_factory.mktemp("scrun"))
    without_containers(pocket)
    pocket.start("--nodes=2", "--cpus=8", "--memory=8000M")
    yield pocket
    pocket.down()


@pytest.fixture
def oci(pocket, tmp_path):
    oci = Oci(pocket, tmp_path)
    yield oci
    left = oci.left()
    for name in left:
        oci.scrun("delete", "--force", name)
    oci.close()
    assert left == []
    running = [text for text in pocket.processes().values() if str(oci.root) in text]
    assert running == []


def said(driver, text):
    """Waits until the container has written `text`."""
    until(driver.out, lambda out: text in out)


def test_the_whole_life(oci, pocket):
    driver = oci.create(
        "life", "sh", "-c", "cat; echo $COLOUR $SLURM_JOB_NAME $SCRUN_CONTAINER_ID; echo oops >&2; exit 3",
        stdin=subprocess.PIPE, annotations={"a": "b"},
    )  # fmt: skip
    assert oci.state("life") == {
        "ociVersion": "1.0.0",
        "id": "life",
        "status": "created",
        "pid": driver.pid,
        "bundle": str(driver.bundle),
        "annotations": {"a": "b"},
    }
    job = oci.job("life")
    shown = pocket.ok("squeue", "-h", "-j", job, "-O", "Name:20,Container:200,ContainerID:20").split()
    assert shown == ["scrun", str(driver.bundle), "life"]
    oci.ok("start", "life")
    assert oci.status("life") == "running"
    steps = json.loads(pocket.ok("scontrol", "show", "step", f"{job}.0", "--json"))["steps"]
    assert steps[0]["name"] == "sh"
    driver.process.stdin.write("words\n")
    driver.process.stdin.close()
    assert driver.exit() == 3
    assert driver.out() == "words\nblue scrun life\n"
    assert driver.err() == "oops\n"
    state = oci.state("life")
    assert (state["status"], state["pid"]) == ("stopped", 0)
    pocket.wait(job)
    assert pocket.state(job) == "FAILED"
    oci.ok("delete", "life")
    assert oci.left() == []


def test_the_state_machine_refuses_what_cannot_be(oci):
    for words in (("start",), ("state",), ("kill",), ("delete",)):
        assert oci.refused(*words, "nobody") == "fatal: container nobody does not exist"
    oci.ok("delete", "--force", "nobody")
    driver = oci.create("one", "sh", "-c", TRAPS)
    assert oci.refused("create", f"--bundle={driver.bundle}", "one") == "fatal: container one already exists"
    assert oci.refused("delete", "one") == "fatal: cannot delete container one that is not stopped: created"
    oci.ok("start", "one")
    assert oci.refused("start", "one") == "fatal: cannot start an already running container"
    assert oci.refused("delete", "one") == "fatal: cannot delete container one that is not stopped: running"
    assert oci.refused("kill", "one", "NOSUCH") == "fatal: Invalid requested signal: NOSUCH"
    said(driver, "ready")
    oci.ok("kill", "one", "KILL")
    assert driver.exit() == 137
    assert oci.status("one") == "stopped"
    assert oci.refused("start", "one") == "fatal: cannot start a container that has stopped"
    assert oci.refused("kill", "one") == "fatal: container not running"
    assert oci.refused("create", f"--bundle={driver.bundle}", "one") == "fatal: container one already exists"
    oci.ok("delete", "one")
    assert oci.refused("delete", "one") == "fatal: container one does not exist"


def test_signals_arrive_and_make_the_exit_code(oci):
    driver = oci.start("signals", "sh", "-c", TRAPS)
    said(driver, "ready")
    oci.ok("kill", "signals", "SIGUSR1")
    said(driver, "usr1")
    oci.ok("kill", "--all", "signals")
    assert driver.exit() == 9
    assert driver.out() == "ready\nusr1\nterm\n"
    oci.ok("delete", "signals")


def test_a_container_that_never_starts(oci, pocket):
    driver = oci.create("idle", "true")
    job = oci.job("idle")
    oci.ok("kill", "idle", "CONT")
    assert oci.status("idle") == "created"
    oci.ok("kill", "idle")
    assert driver.exit() == 143
    pocket.wait(job)
    assert pocket.state(job) == "CANCELLED"
    oci.ok("delete", "idle")


def test_a_program_that_is_not_there(oci):
    driver = oci.create("absent", "/no/such/program")
    oci.scrun("start", "absent")
    assert driver.exit() != 0
    assert "not found" in driver.err()
    oci.ok("delete", "absent")


def test_a_forced_delete_ends_the_container(oci, pocket):
    driver = oci.start("forced", "sleep", "1000")
    job = oci.job("forced")
    oci.ok("delete", "--force", "forced")
    assert driver.exit() == 137
    assert driver.err() == ""
    assert "CANCELLED" in oci.logged()[-1]["msg"]
    pocket.wait(job)
    idle = oci.create("unstarted", "true")
    oci.ok("delete", "--force", "unstarted")
    assert idle.exit() == 137


@pytest.mark.parametrize("started", [False, True])
def test_a_killed_anchor(oci, pocket, started):
    record = oci.base / "staged-out"
    staging = oci.base / "stage.py"
    staging.write_text(f"def stage_out(container):\n    open({str(record)!r}, 'a').write(container.id + '\\n')\n")
    driver = oci.create("victim", "sh", "-c", TRAPS, env={"SCRUN_STAGING": str(staging)})
    job = oci.job("victim")
    if started:
        oci.ok("start", "victim")
        said(driver, "ready")
    os.kill(driver.pid, signal.SIGKILL)
    assert driver.exit() == -9
    assert oci.status("victim") == "stopped"
    assert oci.refused("start", "victim") == "fatal: cannot start a container that has stopped"
    assert oci.refused("kill", "victim") == "fatal: container not running"
    oci.ok("delete", "victim")
    assert record.read_text() == "victim\n"
    pocket.wait(job)
    assert pocket.state(job) == "CANCELLED"


@pytest.mark.parametrize("started", [False, True])
def test_scancel_of_the_job(oci, pocket, started):
    driver = oci.create("cancelled", "sh", "-c", "echo ready; exec sleep 1000")
    job = oci.job("cancelled")
    if started:
        oci.ok("start", "cancelled")
        said(driver, "ready")
    pocket.ok("scancel", job)
    assert driver.exit() in (137, 143)
    assert oci.status("cancelled") == "stopped"
    pocket.wait(job)
    assert pocket.state(job) == "CANCELLED"
    oci.ok("delete", "cancelled")


def test_create_that_is_killed_while_it_waits(oci, pocket):
    bundle = oci.bundle("late", "true", annotations={"slurm.begin": "now+1hour", "slurm.job-name": "late-one"})
    waiting = Driver(oci, "late", bundle, subprocess.DEVNULL, {}, None)
    jobs = until(lambda: pocket.ok("squeue", "-h", "-n", "late-one", "-o", "%i").split(), bool)
    assert oci.status("late") == "creating"
    create = [pid for pid, text in pocket.processes().items() if "create" in text and "oci_driver" not in text]
    anchor = json.loads((oci.root / "late/state.json").read_text())["pid"]
    for pid in create:
        if pid != anchor:
            os.kill(pid, signal.SIGKILL)
    assert waiting.told("create") == -9
    until(oci.left, lambda left: left == [])
    pocket.wait(*jobs)
    assert pocket.state(jobs[0]) == "CANCELLED"


def test_a_forced_delete_ends_a_create_that_waits(oci, pocket):
    bundle = oci.bundle("long", "true", annotations={"slurm.begin": "now+1hour"})
    waiting = Driver(oci, "long", bundle, subprocess.DEVNULL, {}, None)
    until(oci.left, bool)
    until(lambda: oci.state("long"), lambda state: state["pid"] > 0)
    oci.ok("delete", "--force", "long")
    assert waiting.told("create") == 1
    assert waiting.err() != ""


def test_what_bad_bundles_are_told(oci):
    bundle = oci.bundle("bad", "true")
    for name, text in (
        ("nosuch", f"unable to load {oci.base}/nosuch/config.json: No such file or directory"),
        ("bundle-bad", f"unable to parse {bundle}/config.json"),
    ):
        (bundle / "config.json").write_text("{")
        assert text in oci.refused("create", f"--bundle={oci.base / name}", "bad")
    (bundle / "config.json").write_text(json.dumps({"ociVersion": "1.0.0", "root": {"path": "away"}}))
    assert oci.refused("create", f"--bundle={bundle}", "bad").endswith("process: must be an object")
    (bundle / "config.json").write_text(
        json.dumps({"ociVersion": "1.0.0", "root": {"path": "away"}, "process": {"args": ["a"], "cwd": "/"}})
    )
    assert oci.refused("create", f"--bundle={bundle}", "bad").endswith(f"{bundle}/away is not a directory")
    assert oci.left() == []


def test_job_options_of_variables_and_annotations(oci, pocket):
    driver = oci.start(
        "options", "sh", "-c", "echo $SLURM_PROCID of $SLURM_NTASKS",
        env={"SCRUN_NTASKS": "2", "SCRUN_LABELIO": "1", "SCRUN_JOB_NAME": "from-the-variable"},
        annotations={"slurm.job-name": "from-the-annotation", "slurm.nodes": "2"},
    )  # fmt: skip
    job = oci.job("options")
    assert driver.exit() == 0
    assert sorted(driver.out().splitlines()) == ["0: 0 of 2", "1: 1 of 2"]
    assert pocket.job(job)["name"] == "from-the-annotation"
    oci.ok("delete", "options")
    for annotation, text in (
        ({"slurm.partition": "nosuch"}, "Invalid partition name specified"),
        ({"slurm.frobnicate": "1"}, "annotation slurm.frobnicate: there is no such option"),
        ({"slurm.bcast": "/x"}, "annotation slurm.bcast is not supported: programs are not copied to nodes"),
        ({"slurm.ntasks": "many"}, 'Invalid numeric value "many" for --ntasks.'),
    ):
        name = next(iter(annotation)).partition(".")[2]
        bundle = oci.bundle(name, "true", annotations=annotation)
        done = oci.scrun("create", f"--bundle={bundle}", "wrong")
        assert done.returncode == 1
        assert text in done.stderr
        assert text in oci.logged()[-1]["msg"]
    assert oci.left() == []


def test_the_terminal_goes_to_the_console_socket(oci):
    script = "tty >/dev/null && stty size; read line; echo got $line; exit 5"
    driver = oci.start("tty", "sh", "-c", script, window=[33, 111], stdin=subprocess.PIPE, process={"terminal": True})
    said(driver, "33 111")
    driver.process.stdin.write("hello\n")
    driver.process.stdin.flush()
    assert driver.exit() == 5
    assert "got hello\r\n" in driver.out()
    oci.ok("delete", "tty")


def test_a_terminal_and_a_console_socket_belong_together(oci):
    plain, terminal = oci.bundle("plain", "true"), oci.bundle("terminal", "true", process={"terminal": True})
    message = oci.refused("create", f"--bundle={plain}", "--console-socket=/nowhere", "none")
    assert message == f"fatal: --console-socket needs process.terminal of {plain}/config.json"
    message = oci.refused("create", f"--bundle={terminal}", "none")
    assert message == f"fatal: {terminal}/config.json: process.terminal needs --console-socket"
    message = oci.refused("create", f"--bundle={terminal}", "--console-socket=/nowhere", "none")
    assert message == "fatal: unable to send the terminal to /nowhere: No such file or directory"
    assert oci.left() == []


STAGING = """
import json, os, shutil

def stage_in(container):
    told = {name: getattr(container, name) for name in
            ("id", "bundle", "root_path", "config_file", "spool_dir", "job_id", "user_id", "group_id", "job_env")}
    told["remote"] = container.remote_command("echo on $SLURMD_NODENAME; exit 4")
    told["local"] = container.allocator_command("echo here; exit 3")
    told["minutes"] = container.time_str2mins("1-02")
    place = os.path.join(container.spool_dir, "copy")
    shutil.copytree(container.bundle, place)
    container.set_bundle_path(place)
    container.set_root_path(place + "/rootfs")
    container.error("staging speaks")
    json.dump(told, open(os.environ["TOLD"], "w"))

def stage_out(container):
    told = {name: getattr(container, name) for name in
            ("bundle", "orig_bundle", "root_path", "orig_root_path", "config_file")}
    told["remote"] = container.remote_command("echo out")
    json.dump(told, open(os.environ["TOLD"] + ".out", "w"))
"""


def test_staging_by_a_python_file(oci, pocket):
    (oci.base / "site.py").write_text(STAGING)
    told = oci.base / "told"
    env = {"SCRUN_STAGING": str(oci.base / "site.py"), "TOLD": str(told)}
    driver = oci.create("staged", "sh", "-c", "echo $SCRUN_BUNDLE $SCRUN_SUBMISSION_BUNDLE", env=env)
    found = json.loads(told.read_text())
    spool = oci.root / "staged/spool"
    assert found["id"] == "staged"
    assert found["bundle"] == str(driver.bundle)
    assert found["config_file"] == f"{driver.bundle}/config.json"
    assert found["root_path"] == f"{driver.bundle}/rootfs"
    assert found["spool_dir"] == str(spool)
    assert found["job_id"] == int(oci.job("staged"))
    assert (found["user_id"], found["group_id"]) == (os.getuid(), os.getgid())
    assert {f"SCRUN_BUNDLE={driver.bundle}", "SCRUN_CONTAINER_ID=staged"} <= set(found["job_env"])
    assert f"SLURM_JOB_ID={found['job_id']}" in found["job_env"]
    told_of = {entry.partition("=")[0] for entry in found["job_env"] if entry.startswith("SCRUN_")}
    assert told_of == {name for name, _ in CONTAINER_VARIABLES if name != "SCRUN_ANNOTATION_NAME"}
    assert found["remote"][0] == 4
    assert found["remote"][1].startswith("on n")
    assert found["local"] == [3, "here\n"]
    assert found["minutes"] == 26 * 60
    assert oci.logged()[-1] | {"time": ""} == {"level": "error", "msg": "staging: staging speaks", "time": ""}
    assert oci.state("staged")["bundle"] == str(driver.bundle)
    oci.ok("start", "staged")
    assert driver.exit() == 0
    assert driver.out() == f"{spool}/copy {driver.bundle}\n"
    found = json.loads((oci.base / "told.out").read_text())
    assert found == {
        "bundle": f"{spool}/copy",
        "orig_bundle": str(driver.bundle),
        "root_path": f"{spool}/copy/rootfs",
        "orig_root_path": f"{driver.bundle}/rootfs",
        "config_file": f"{spool}/copy/config.json",
        "remote": [0, "out\n"],
    }
    oci.ok("delete", "staged")


def test_staging_that_fails_cancels_the_job(oci, pocket):
    (oci.base / "site.py").write_text(
        "def stage_in(container):\n"
        "    open(container.bundle + '/job', 'w').write(str(container.job_id))\n"
        "    raise OSError('no room')\n"
    )
    bundle = oci.bundle("unlucky", "true")
    done = oci.scrun("create", f"--bundle={bundle}", "unlucky", env={"SCRUN_STAGING": str(oci.base / "site.py")})
    assert done.returncode == 1
    assert done.stderr == f"scrun: error: stage_in of {oci.base}/site.py failed: OSError: no room\n"
    job = (bundle / "job").read_text()
    pocket.wait(job)
    assert oci.left() == []
    for name, text in (("nosuch", "there is no staging nosuch"), ("/no/file.py", "unable to load /no/file.py")):
        done = oci.scrun("create", f"--bundle={bundle}", "unlucky", env={"SCRUN_STAGING": name})
        assert text in done.stderr
    (oci.base / "site.py").chmod(0o666)
    done = oci.scrun("create", f"--bundle={bundle}", "unlucky", env={"SCRUN_STAGING": str(oci.base / "site.py")})
    assert "it may be written by others than root and you" in done.stderr
    assert oci.left() == []


def test_the_staging_for_a_shared_file_system(oci):
    driver = oci.start(
        "shared", "sh", "-c", "cat $SCRUN_BUNDLE/config.json", env={"SCRUN_STAGING": "local"},
        hooks={"prestart": [{"path": "/bin/false"}]},
        process={"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1 << 20, "soft": 1 << 20}]},
        mounts=[{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["gid=5", "mode=0620"]}],
        linux={"cgroupsPath": "/x", "namespaces": [{"type": "pid"}]},
    )  # fmt: skip
    assert driver.exit() == 0
    config = json.loads(driver.out())
    assert config["root"]["path"] == f"{driver.bundle}/rootfs"
    assert "hooks" not in config
    assert "rlimits" not in config["process"]
    assert config["mounts"][0]["options"] == ["mode=0620"]
    assert "cgroupsPath" not in config["linux"]
    oci.ok("delete", "shared")


def test_the_root_directory_is_ones_own(oci):
    oci.root.mkdir()
    oci.root.chmod(0o777)
    assert oci.refused("state", "mine") == f"fatal: {oci.root} may be written by others than you"
    oci.root.rmdir()
    driver = oci.create("mine", "true")
    assert oci.root.stat().st_mode & 0o777 == 0o700
    assert (oci.root / "mine/anchor.sock").stat().st_mode & 0o777 == 0o600
    oci.ok("kill", "mine", "9")
    assert driver.exit() == 137
    oci.ok("delete", "mine")
    if os.getuid() == 0:
        os.chown(oci.root, 12345, 12345)
        assert oci.refused("state", "mine") == f"fatal: {oci.root} belongs to somebody else"
        os.chown(oci.root, 0, 0)


def test_many_at_once_leave_nothing_behind(oci):
    began = time.monotonic()
    for turn in range(3):
        drivers = [
            Driver(oci, f"c{turn}{n}", oci.bundle(f"c{turn}{n}", "true"), subprocess.DEVNULL, {}, None)
            for n in range(6)
        ]
        for driver in drivers:
            assert driver.told("create") == 0, driver.err()
        for driver in drivers:
            oci.ok("start", driver.name)
        for driver in drivers:
            assert driver.exit() == 0
            oci.ok("delete", driver.name)
    assert time.monotonic() - began < 120


def test_there_is_no_container_without_oci_conf(oci, own_pocket):
    """What podman takes for a container must not run on the host."""
    own_pocket.start("--nodes=1")
    oci.pocket = own_pocket
    bundle = oci.bundle("unsafe", "true")
    path = own_pocket.directory / "oci.conf"
    path.unlink(missing_ok=True)
    message = f"fatal: unable to load {path}: No such file or directory"
    assert oci.refused("create", f"--bundle={bundle}", "unsafe") == message
    path.write_text("SrunArgs=--nosuch\n")
    done = oci.scrun("create", f"--bundle={bundle}", "unsafe")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert oci.left() == []


@pytest.mark.parametrize("started", [False, True])
def test_slurmctld_is_killed_meanwhile(oci, own_pocket, started):
    without_containers(own_pocket)
    own_pocket.start("--nodes=1")
    oci.pocket = own_pocket
    driver = oci.create("survivor", "sh", "-c", TRAPS)
    job = oci.job("survivor")
    if started:
        oci.ok("start", "survivor")
        said(driver, "ready")
    os.kill(own_pocket.pid("slurmctld"), signal.SIGKILL)
    until(lambda: own_pocket.run("scontrol", "ping").returncode, lambda code: code == 0)
    if not started:
        oci.ok("start", "survivor")
        said(driver, "ready")
    oci.ok("kill", "survivor")
    assert driver.exit() == 9
    oci.ok("delete", "survivor")
    own_pocket.wait(job)
    assert own_pocket.state(job) == "FAILED"


def test_the_socket_takes_no_nonsense(oci):
    driver = oci.create("plain", "true")
    for data in (b"", b"\n", b"{}\n", b"[1]\n", b"x" * 100000, b'{"what": "kill", "signal": 9999}\n', b"\xff\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            directory = os.open(oci.root / "plain", os.O_PATH)
            connection.connect(f"/proc/self/fd/{directory}/anchor.sock")
            os.close(directory)
            with contextlib.suppress(OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)
    assert oci.status("plain") == "created"
    oci.ok("start", "plain")
    assert driver.exit() == 0
    oci.ok("delete", "plain")
