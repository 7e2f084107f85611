"""An OCI runtime that a test makes: no container at all, its state in a directory, told to fail or to hang.

    fake run|create|start|state|kill|delete ID [BUNDLE] [more words ...]

DIRECTORY/calls      a line of JSON for each call: {"operation", "words", "environment"}
DIRECTORY/does       {"operation": "fail" | "hang" | "lie"}: what it does instead
DIRECTORY/ID.json    {"status", "pid"} of a container
DIRECTORY/pids       of all its processes
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .site import Site
from .test_main_job import until

PROGRAM = """\
#!{python} -SE
import json, os, signal, sys, time
DIRECTORY = {directory!r}
operation, name, *words = sys.argv[1:]
place = f"{{DIRECTORY}}/{{name}}.json"


def note(file, text):
    handle = os.open(f"{{DIRECTORY}}/{{file}}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(handle, (text + "\\n").encode())
    os.close(handle)


def keep(status, pid):
    with open(place + ".new", "w") as file:
        json.dump({{"ociVersion": "1.0.2", "id": name, "status": status, "pid": pid}}, file)
    os.rename(place + ".new", place)


def state():
    with open(place) as file:
        return json.load(file)


def run_it():
    with open(f"{{words[0]}}/config.json") as file:
        config = json.load(file)
    process = config["process"]
    environment = dict(item.split("=", 1) for item in process["env"])
    for mount in config["mounts"]:
        if mount["destination"] == process["args"][0]:  # a batch script
            process["args"][0] = mount["source"]
    try:
        os.execvpe(process["args"][0], process["args"], environment)
    except OSError as error:
        sys.stderr.write(f"fake: {{error}}\\n")
        os._exit(1)


note("calls", json.dumps({{"operation": operation, "words": [name, *words], "environment": dict(os.environ),
                          "files": sorted(os.listdir("/proc/self/fd"), key=int)[:-1]}}))
note("pids", str(os.getpid()))
with open(f"{{DIRECTORY}}/does") as file:
    does = json.load(file).get(operation)
if does == "fail":
    sys.exit(f"fake: {{operation}} will not")
if does == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        note("pids", str(os.getpid()))
        while True:
            time.sleep(1000)
    while True:
        time.sleep(1000)
if does == "lie":
    print("all is well")
    sys.exit(0)
if operation == "run":
    keep("running", os.getpid())
    child = os.fork()
    if child == 0:
        run_it()
    note("pids", str(child))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda which, _: os.kill(child, which))
    _, status = os.waitpid(child, 0)
    os.unlink(place)
    sys.exit(os.waitstatus_to_exitcode(status) if not status & 127 else 128 + (status & 127))
elif operation == "create":
    fifo = place + ".go"
    os.mkfifo(fifo)
    child = os.fork()
    if child == 0:
        os.setsid()
        open(fifo).close()
        run_it()
    note("pids", str(child))
    keep("created", child)
elif operation == "start":
    with open(place + ".go", "w"):
        pass
    os.unlink(place + ".go")
    keep("running", state()["pid"])
elif operation == "state":
    try:
        found = state()
    except OSError:
        sys.exit(f"fake: container {{name}} does not exist")
    try:
        os.kill(found["pid"], 0)
    except OSError:
        found["status"] = "stopped"
    print(json.dumps(found))
elif operation == "kill":
    os.kill(state()["pid"], signal.SIGKILL)
elif operation == "delete":
    for path in (place, place + ".go"):
        if os.path.exists(path):
            os.unlink(path)
"""

CONF = """\
RunTimeQuery="{fake} state %j.%s.%t"
RunTimeKill="{fake} kill %j.%s.%t"
RunTimeDelete="{fake} delete %j.%s.%t"
"""
MODES = {
    "run": 'RunTimeRun="{fake} run %j.%s.%t %b"\n',
    "create": 'RunTimeCreate="{fake} create %j.%s.%t %b"\nRunTimeStart="{fake} start %j.%s.%t"\n',
}
#: What a command may take here.
SECONDS = 1


class FakeSite(Site):
    """A cluster whose containers are those of the fake runtime, which is written here."""

    def __init__(self, base: Path, mode: str) -> None:
        super().__init__(base, f"UnkillableStepTimeout={SECONDS}\nJobRequeue=1\n")
        self.mode, self.runtime, self.fake = mode, base / "runtime", base / "fake"
        self.runtime.mkdir(mode=0o777)
        self.runtime.chmod(0o777)
        self.fake.write_text(PROGRAM.format(python=sys.executable, directory=str(self.runtime)))
        self.fake.chmod(0o755)
        self.conf_text = (CONF + MODES[mode]).format(fake=self.fake)
        self.does()
        self.configure()
        self.bundle = base / "bundle"
        (self.bundle / "rootfs").mkdir(parents=True)
        config = {
            "ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"cwd": "/", "env": ["OWN=image"]},
            "hooks": {"prestart": [{"path": "/a"}], "poststop": [{"path": "/b"}]},
        }  # fmt: skip
        (self.bundle / "config.json").write_text(json.dumps(config))

    def configure(self, more: str = "", text: str | None = None) -> None:
        (self.base / "oci.conf").write_text((self.conf_text if text is None else text) + more)

    def reconfigure(self, more: str = "", text: str | None = None) -> None:
        """oci.conf anew, with `more` lines; returns when both slurmds have read it."""
        self.configure(more, text)
        before = [self.log(node).count("reconfigured at") for node in ("n1", "n2")]
        self.ok("scontrol", "reconfigure")
        until(lambda: [self.log(node).count("reconfigured at") for node in ("n1", "n2")],
              lambda now: all(new > old for new, old in zip(now, before, strict=True)))  # fmt: skip

    def does(self, **operations: str) -> None:
        path = self.runtime / "does"
        (self.runtime / "does.new").write_text(json.dumps(operations))
        os.rename(self.runtime / "does.new", path)

    def calls(self, *operations: str) -> list[dict]:
        path = self.runtime / "calls"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [one for one in found if not operations or one["operation"] in operations]

    def log(self, node: str = "n1") -> str:
        return (self.base / f"slurmd-{node}.log").read_text()

    def node_state(self) -> str:
        return self.ok("sinfo", "-h", "-N", "-n", "n1", "-p", "debug", "-o", "%T").strip()

    def forget(self) -> None:
        """What the runtime has noted of calls and processes."""
        for name in ("calls", "pids"):
            (self.runtime / name).unlink(missing_ok=True)

    def leftovers(self) -> list[str]:
        """State of the runtime, its processes, spool files and notes."""
        found = [path.name for path in self.runtime.iterdir() if path.name not in ("calls", "does", "pids")]
        for spool in self.base.glob("spool-*"):
            found += [str(path) for path in (*spool.glob("oci-*"), *spool.glob("containers/*"), *spool.glob("job*"))]
        pids = self.runtime / "pids"
        for pid in pids.read_text().split() if pids.exists() else ():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if command:
                found.append(f"process {pid}: {command!r}")
        return found

    def is_clean(self) -> list[str]:
        return until(self.leftovers, lambda left: not left, 15)


@contextmanager
def fake_site(mode: str) -> Iterator[FakeSite]:
    base = Path(tempfile.mkdtemp(prefix="fake-"))
    try:
        site = FakeSite(base, mode)
        site.up()
        try:
            until(site.node_state, lambda state: state == "idle")
            yield site
        finally:
            site.down()
    finally:
        shutil.rmtree(base, ignore_errors=True)
