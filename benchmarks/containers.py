"""What --container costs over the OCI runtime's own `run`, and whether hundreds of containers leave anything.

    python benchmarks/containers.py [--runtime runc] [--real PREFIX] [--only NAME,...] [--scale 1.0]

Ours is a pocket cluster of its own, of whoever runs this: root's figures are root's, an ordinary user's his. The bundle
is one of busybox (static), the command `true`. PREFIX is how a command of a real Slurm is started whose oci.conf is for
the same runtime and mode (`RunTimeRun`) and whose nodes see this machine's temporary directory.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

from measure import Side
from run import BIN, Row, ours_environment, show

import slurmpy
from slurmpy.conf import oci_runtimes
from slurmpy.image.runtime_spec import runtime_spec

AT_ONCE = 8
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static")


class Place:
    """A directory with the pocket, the bundle, and the runtime's own state for what is started without Slurm."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.directory = tempfile.mkdtemp(prefix="bench-")
        self.pocket, self.bundle = os.path.join(self.directory, "pocket"), os.path.join(self.directory, "bundle")
        self.ours = Side("slurmpy", environment=ours_environment(self.pocket))
        self.bare = Side(os.path.basename(program))
        rootfs = os.path.join(self.bundle, "rootfs")
        for name in ("bin", "dev", "proc", "sys", "tmp"):
            os.makedirs(os.path.join(rootfs, name))
        shutil.copy(next(path for path in BUSYBOX if os.path.exists(path)), os.path.join(rootfs, "bin", "busybox"))
        for name in ("sh", "true"):
            os.symlink("busybox", os.path.join(rootfs, "bin", name))
        os.symlink("..", os.path.join(rootfs, "usr"))  # the real srun looks for the program on the host first
        user = os.geteuid()
        config = runtime_spec(None, rootfs, uid=user, gid=os.getegid(), rootless=user != 0)
        config["process"]["args"] = ["true"]
        with open(os.path.join(self.bundle, "config.json"), "w") as file:
            json.dump(config, file)
        os.chmod(self.directory, 0o755)

    def up(self) -> None:
        command = [f"{BIN}/slurmpy", "up", "--nodes=1", "--cpus=32", "--memory=16000M", "--container-runtime=none"]
        subprocess.run(command, env=self.ours.environment, check=True)

    def mode(self, create_start: bool) -> None:
        path = os.path.join(self.pocket, "oci.conf")
        with open(f"{path}.new", "w") as file:
            file.write(oci_runtimes.text(self.program, create_start))
        os.rename(f"{path}.new", path)
        self.ours.run("scontrol", "reconfigure")
        end = time.monotonic() + 10
        while self.ours.run(*self.task("sh", "-c", "[ ! -e /etc ]"), check=False).code:  # as in the bundle alone
            if time.monotonic() > end:
                raise RuntimeError("srun --container does not run in the container")
            time.sleep(0.1)

    def task(self, *command: str) -> tuple[str, ...]:
        return ("srun", "--quiet", "--mem=10", "-n1", f"--container={self.bundle}", *command)

    def own_run(self, number: int) -> tuple[str, ...]:
        root = f"--root={self.directory}/state"
        return (self.program, root, "run", f"--bundle={self.bundle}", f"bench-{os.getpid()}-{number}")

    def left(self, cgroups: set[str]) -> list[str]:
        """What there is now that was not there before the first container."""
        found = [path for path in control_groups() - cgroups if not path.endswith("/slurmpy")]
        with open("/proc/self/mounts") as file:
            found += [line for line in file if self.directory in line]
        spool = os.path.join(self.pocket, "spool", "n1")
        found += [name for name in os.listdir(spool) if name.startswith("oci-job")]
        for name in ("spool/n1/containers", "../state"):
            path = os.path.join(self.pocket, name)
            found += os.listdir(path) if os.path.isdir(path) else []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().replace(b"\0", b" ").decode(errors="replace")
                if int(pid) != os.getpid() and ("slurmstepd" in words or self.program in words):
                    with open(f"/proc/{pid}/environ", "rb") as file:
                        if self.pocket.encode() in file.read():
                            found.append(f"process {pid}: {words}")
            except OSError:
                continue
        return found

    def left_at_last(self, cgroups: set[str]) -> list[str]:
        """`left`, once the last step has had its time to end."""
        end = time.monotonic() + 10
        while (found := self.left(cgroups)) and time.monotonic() < end:
            time.sleep(0.05)
        return found


def control_groups() -> set[str]:
    return {directory for directory, _, _ in os.walk("/sys/fs/cgroup")}


def milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms"


def bench_starts(place: Place, real: Side | None, scale: float) -> list[Row]:
    """One after the other, in turn: the runtime itself, `srun true`, `srun --container true`. The least of each is what
    a busy machine cannot hide."""
    rows, times = [], max(3, int(40 * scale))
    for create_start in (False, True):
        place.mode(create_start)
        seconds: dict[str, list[float]] = {"own": [], "plain": [], "ours": [], "real": []}
        for number in range(times + 1):
            seconds["own"].append(place.bare.run(*place.own_run(number)).seconds)
            seconds["plain"].append(place.ours.run("srun", "--quiet", "--mem=10", "-n1", "true").seconds)
            seconds["ours"].append(place.ours.run(*place.task("true")).seconds)
            if real is not None and not create_start:
                seconds["real"].append(real.run(*place.task("true")).seconds)
        seconds = {name: found[1:] for name, found in seconds.items()}  # the first does not count
        own, ours = statistics.median(seconds["own"]), statistics.median(seconds["ours"])
        least = {name: min(found) * 1000 for name, found in seconds.items() if found}
        over = (
            f"{milliseconds(seconds['ours'])}, {(ours - own) * 1000:.0f} ms over"
            f" (least: {least['ours']:.0f}, {least['ours'] - least['own']:.0f} over)"
        )
        shown, ratio = "-", "-"
        if seconds["real"]:
            measured = statistics.median(seconds["real"])
            shown, ratio = f"{milliseconds(seconds['real'])}, {(measured - own) * 1000:.0f} ms over", measured / ours
            ratio = f"{ratio:.2f}"
        how = "RunTimeCreate, RunTimeStart" if create_start else "RunTimeRun"
        rows.append(Row(f"srun --container true, {how}", "own run + 60 ms", over, shown, ratio))
        name = f"beside it: {place.bare.name} run; srun true"
        beside = f"{milliseconds(seconds['own'])}; {milliseconds(seconds['plain'])}"
        beside += f" (least: {least['own']:.0f}; {least['plain']:.0f})"
        rows.append(Row(name, "", beside, "-", "-"))
    return rows


def bench_many(place: Place, real: Side | None, scale: float) -> list[Row]:
    """Tasks by the hundred, some at once: by srun, each timed, and as an array whose script runs in the container."""
    rows, tasks = [], max(AT_ONCE, int(200 * scale) // AT_ONCE * AT_ONCE)
    place.mode(False)
    cgroups = control_groups()
    seconds = by_srun(place, tasks)
    quarter = max(1, tasks // 4)
    first, last = seconds[:quarter], seconds[-quarter:]
    text = f"{milliseconds(first)} -> {milliseconds(last)}, {slope(seconds) * 1000:+.2f} ms a task"
    rows.append(
        Row(f"{tasks} srun --container, {AT_ONCE} at a time: first and last quarter", "no slowdown", text, "-", "-")
    )
    rates = []
    for _ in range(2):
        begin = time.perf_counter()
        array = f"--array=0-{tasks - 1}%{AT_ONCE}"
        place.ours.run("sbatch", "--wait", array, "--mem=10", "-o", "/dev/null", f"--container={place.bundle}",
                       "--wrap=[ ! -e /etc ]")  # fmt: skip
        rates.append(tasks / (time.perf_counter() - begin))
    name = f"array of {tasks} in containers, {AT_ONCE} at a time: first and second"
    rows.append(Row(name, "no slowdown", f"{rates[0]:.1f} -> {rates[1]:.1f} jobs/s", "-", "-"))
    left = place.left_at_last(cgroups)
    rows.append(Row("what is left of them", "nothing", "; ".join(left)[:300] or "nothing", "-", "-"))
    return rows


def by_srun(place: Place, tasks: int) -> list[float]:
    """Seconds of each, in the order of their starts."""
    took: list[float] = [0.0] * tasks
    lock, numbers = threading.Lock(), iter(range(tasks))

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            begin = time.perf_counter()
            argv = place.ours.argv(*place.task("true"))
            subprocess.run(argv, env=place.ours.environment, check=True, stdin=subprocess.DEVNULL)
            took[number] = time.perf_counter() - begin

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(took):
        raise RuntimeError("a task has failed")
    return took


def slope(seconds: list[float]) -> float:
    """Of the straight line that fits best: seconds more a task."""
    return statistics.linear_regression(range(len(seconds)), seconds).slope


BENCHES: dict[str, Callable[[Place, Side | None, float], list[Row]]] = {"starts": bench_starts, "many": bench_many}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", default="runc", help="name or path (runc)")
    parser.add_argument("--real", metavar="PREFIX", help="how a command of the real Slurm is started")
    parser.add_argument("--only", default=",".join(BENCHES), help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="of all numbers")
    options = parser.parse_args()
    program = oci_runtimes.find(options.runtime)
    if program is None:
        parser.error(f"{options.runtime}: no such program")
    compileall.compile_dir(
        os.path.dirname(slurmpy.__file__), quiet=2
    )  # where Python is told not to keep what it compiles
    place = Place(program)
    rows: list[Row] = []
    try:
        place.up()
        for name in options.only.split(","):
            rows += BENCHES[name](place, Side("real", options.real) if options.real else None, options.scale)
    finally:
        subprocess.run([f"{BIN}/slurmpy", "down"], env=place.ours.environment, check=False)
        shutil.rmtree(place.directory, ignore_errors=True)
    show(rows)
    print(f"load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}, {time.strftime('%Y-%m-%d %H:%M')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
