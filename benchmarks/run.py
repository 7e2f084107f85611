"""What the project promises in speed, measured; beside a real Slurm in the same run where one is given.

    python benchmarks/run.py [--real 'PREFIX'] [--only NAME,...] [--scale 1.0]

PREFIX is how a command of the real Slurm is started, for instance ``env SLURM_CONF=/etc/slurm/slurm.conf`` or
``chroot DIR env SLURM_CONF=...``; its cluster must be empty and have 32 configured CPUs on one node, as ours has then.
Both sides get the same work, one after the other, on the same machine; figures are medians, ratios real / ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from measure import Figures, Result, Side, repeat

BIN = os.path.dirname(sys.executable)


class Row:
    def __init__(self, name: str, promise: str, ours: str, real: str, ratio: str) -> None:
        self.cells = (name, promise, ours, real, ratio)


def show(rows: list[Row]) -> None:
    table = [("what", "promised", "slurmpy", "real Slurm", "ratio"), *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(5)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def ms(figures: Figures | None) -> str:
    return "-" if figures is None else f"{figures.median * 1000:.0f} ms, {figures.mib:.0f} MiB"


def ratio(real: float | None, ours: float) -> str:
    return "-" if real is None else f"{real / ours:.2f}"


def drain_array(side: Side, tasks: int) -> float:
    """Jobs a second of an array of `true`, from submission to the end of the last."""
    begin = time.perf_counter()
    side.run("sbatch", "--wait", f"--array=0-{tasks - 1}", "--mem=10", "--output=/dev/null", "--wrap=true")
    return tasks / (time.perf_counter() - begin)


def fill_queue(side: Side, jobs: int) -> None:
    """`jobs` held jobs, each a record of its own."""
    have = len(side.run("squeue", "-h", "-r", "-o", "%i").out.split())
    for number in range(have, jobs):
        side.run("sbatch", "--hold", "--parsable", f"--job-name=job{number}", "--mem=10", "--wrap=true")


def both(sides: list[Side], work: Callable[[Side], Figures]) -> list[Figures]:
    return [work(side) for side in sides]


def bench_array(sides: list[Side], scale: float) -> list[Row]:
    tasks = max(10, int(1000 * scale))
    rates = [drain_array(side, tasks) for side in sides]
    real = rates[1] if len(rates) > 1 else None
    shown = "-" if real is None else f"{real:.0f} jobs/s"
    gain = "-" if real is None else f"{rates[0] / real:.2f}"
    return [Row(f"array of {tasks} true", ">= 3", f"{rates[0]:.0f} jobs/s", shown, gain)]


def bench_views(sides: list[Side], scale: float) -> list[Row]:
    jobs = max(10, int(3000 * scale))
    for side in sides:
        fill_queue(side, jobs)
    rows = []
    for name, promise, command in (
        (f"squeue --json, {jobs} jobs", ">= 3, a quarter of the memory", ("squeue", "--json")),
        (f"squeue --yaml, {jobs} jobs", ">= 1", ("squeue", "--yaml")),
        (f"squeue, {jobs} jobs", "bare + 60 ms", ("squeue",)),
    ):
        found = both(sides, lambda side, c=command: repeat(side, 7, *c))  # type: ignore[misc]
        real = found[1] if len(found) > 1 else None
        rows.append(Row(name, promise, ms(found[0]), ms(real), ratio(real and real.median, found[0].median)))
    return rows


def bench_books(sides: list[Side], scale: float) -> list[Row]:
    jobs = max(10, int(4000 * scale))
    for side in sides:
        have = len(side.run("sacct", "-a", "-n", "-X", "-S", "00:00", "-o", "jobid").out.split())
        if have < jobs:
            drain_array(side, jobs - have)
    found = both(sides, lambda side: repeat(side, 7, "sacct", "-X", "-S", "00:00"))
    real = found[1] if len(found) > 1 else None
    return [Row(f"sacct -X, {jobs} jobs", "> 1", ms(found[0]), ms(real), ratio(real and real.median, found[0].median))]


def bench_starts(sides: list[Side], scale: float) -> list[Row]:
    bare = repeat(Side("python"), 15, sys.executable, "-c", "pass")
    rows = [Row("bare python -c pass", "", ms(bare), "-", "-")]
    for name, command in (
        ("srun true", ("srun", "--mem=10", "true")),
        ("sbatch", ("sbatch", "--hold", "--mem=10", "--wrap=true")),
        ("sinfo", ("sinfo",)),
    ):
        found = both(sides, lambda side, c=command: repeat(side, 15, *c))  # type: ignore[misc]
        real = found[1] if len(found) > 1 else None
        over = (found[0].median - bare.median) * 1000
        text = f"{ms(found[0])} (bare + {over:.0f} ms)"
        rows.append(Row(name, "bare + 60 ms", text, ms(real), ratio(real and real.median, found[0].median)))
    return rows


def bench_cold_start(sides: list[Side], scale: float) -> list[Row]:
    """From nothing to the output of srun hostname, in pockets of their own."""
    results: list[Result] = []
    for _ in range(3):
        directory = tempfile.mkdtemp(prefix="bench-")
        side = Side("slurmpy", environment=ours_environment(directory))
        try:
            results.append(side.run("srun", "hostname"))
        finally:
            side.run("slurmpy", "down", check=False)
            shutil.rmtree(directory, ignore_errors=True)
    figures = Figures(results)
    return [Row("cold start to srun hostname", "< 1500 ms", ms(figures), "-", "-")]


BENCHES: dict[str, Callable[[list[Side], float], list[Row]]] = {
    "cold": bench_cold_start,
    "starts": bench_starts,
    "array": bench_array,
    "books": bench_books,
    "views": bench_views,
}


def ours_environment(directory: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SQUEUE"))}
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "SLURMPY_POCKET": directory}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", metavar="PREFIX", help="how a command of the real Slurm is started")
    parser.add_argument("--only", default=",".join(BENCHES), help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of jobs")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bench-")
    ours = Side("slurmpy", environment=ours_environment(directory))
    sides = [ours] + ([Side("real", options.real)] if options.real else [])
    rows: list[Row] = []
    try:
        subprocess.run(
            [f"{BIN}/slurmpy", "up", "--nodes=1", "--cpus=32", "--memory=16000M"], env=ours.environment, check=True
        )
        for name in options.only.split(","):
            rows += BENCHES[name](sides, options.scale)
    finally:
        subprocess.run([f"{BIN}/slurmpy", "down"], env=ours.environment, check=False)
        shutil.rmtree(directory, ignore_errors=True)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
