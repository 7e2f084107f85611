"""What the project promises of accounting, measured; beside a real slurmdbd on MariaDB in the same run.

    python benchmarks/accounting.py [--jobs 1000000] [--storage 'StorageType=...;StorageLoc=...']
        [--real PREFIX --real-sql COMMAND] [--only records,queries,text,document]

PREFIX is how a command of the real Slurm is started (see run.py); its cluster is called ``ref``, and its database has
no jobs yet, or, with ``--filled EPOCH``, those that a run at that time has left there. COMMAND is a client of MariaDB
that takes SQL and uses that database, for instance ``mysql -N slurm_acct_db``. ``--storage`` adds a slurmdbd of ours
with these lines in its slurmdbd.conf, whose database must be empty; SQLite is always measured.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from books import USER, Plan, Slurmdbd
from measure import Figures, Side, repeat

#: answers of one kind that are measured
TIMES = 7
#: jobs in one listing of many
LISTING = 4000


class Bench:
    """The slurmdbds that are measured, ours by name, and the real one."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.plan = Plan(options.jobs, options.filled or int(time.time()))
        self.ours: dict[str, Slurmdbd] = {}
        self.sides: dict[str, Side] = {}
        self.real = Side("real", options.real) if options.real else None
        self.places: list[str] = []
        self.rows: list[tuple[str, ...]] = []

    def add(self, name: str, storage: str) -> None:
        place = tempfile.mkdtemp(prefix="bench-")
        self.places.append(place)
        self.ours[name] = server = Slurmdbd(place, storage)
        self.sides[name] = Side(name, environment=server.environment)

    def say(self, what: str, promised: str, *figures: str) -> None:
        self.rows.append((what, promised, *figures))
        print(f"# {what}: {', '.join(figures)}", file=sys.stderr, flush=True)

    def sql(self, text: str) -> str:
        done = subprocess.run(
            shlex.split(self.options.real_sql), input=text, check=True, capture_output=True, text=True
        )
        return done.stdout

    def all_sides(self) -> list[Side]:
        return [*self.sides.values(), *([self.real] if self.real else [])]


def when(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment))


# ---- records in


def bench_records(bench: Bench) -> None:
    """Starts and ends of new jobs, taken by slurmdbd as fast as it will, into the books as they are then."""
    jobs, before = bench.options.records, bench.options.jobs
    promised = "3000 job ends/s in SQLite, not behind real on MariaDB"
    rates = [sent(server, jobs, "0", before) for server in bench.ours.values()]
    bench.say(f"records of {jobs} jobs", promised, *rates, *([real_records(bench)] if bench.real else []))
    rates = [sent(server, jobs, "1", before + jobs) for server in bench.ours.values()]
    bench.say(f"records of {jobs} jobs with a batch step", "", *rates, *(["-"] if bench.real else []))


def sent(server: Slurmdbd, jobs: int, steps: str, before: int) -> str:
    spent = server.cpu_seconds()
    found = server.work("rate", str(jobs), steps, str(before))
    each = (server.cpu_seconds() - spent) / jobs * 1e6
    return f"{jobs / found['seconds']:.0f}/s, {each:.0f} us CPU each"


def real_records(bench: Bench) -> str:
    """Jobs are submitted and cancelled while slurmdbd is down; then that takes them all out of slurmctld's spool."""
    assert bench.real is not None
    jobs = bench.options.real_records
    ended = f"SELECT COUNT(*) FROM ref_job_table WHERE time_end > 0 AND time_submit >= {int(time.time())};"
    submit = f"for n in $(seq {jobs}); do sbatch -Q --hold --mem=10 --wrap=true >/dev/null; done; scancel -u $(id -un)"
    bench.real.run("sacctmgr", "-i", "shutdown")
    bench.real.run("sh", "-c", submit)
    time.sleep(5)  # until slurmctld has noted them all
    bench.real.run("slurmdbd")
    first, began, deadline = 0, time.monotonic(), time.monotonic() + 300
    while (count := int(bench.sql(ended))) < jobs and time.monotonic() < deadline:
        if count and not first:
            first, began = count, time.monotonic()
        time.sleep(0.05)
    if count < jobs:
        return f"not seen ({count} of {jobs})"
    return f"{(count - first) / (time.monotonic() - began):.0f}/s"


# ---- queries


def fill(bench: Bench) -> None:
    for name, server in bench.ours.items():
        server.stop()
        seconds = server.work("fill", str(bench.plan.jobs), str(bench.plan.now))["seconds"]
        print(f"# {name} filled in {seconds:.0f} s", file=sys.stderr, flush=True)
        server.start()
    if bench.real and not bench.options.filled:
        for statement in bench.plan.real_sql():
            bench.sql(statement + ";")


def timed(bench: Bench, what: str, promised: str, *command: str) -> None:
    """A row of what one command takes over the command's own start."""
    figures = []
    for side in bench.all_sides():
        start = repeat(side, TIMES, "sacct", "--version")
        found = repeat(side, TIMES, "sacct", *command)
        figures.append(f"{(found.median - start.median) * 1000:.0f} ms, {found.mib:.0f} MiB")
    bench.say(what, promised, *figures)


def first(bench: Bench, what: str, promised: str, *command: str) -> None:
    """The same for a slurmdbd of ours that has been started anew before each run, and has kept nothing; the real one
    keeps nothing anyway."""
    figures = []
    for side in bench.all_sides():
        start = repeat(side, TIMES, "sacct", "--version")
        found = []
        for _ in range(TIMES):
            if side.name in bench.ours:
                bench.ours[side.name].stop()
                bench.ours[side.name].start()
                side.run("sacct", "-j", "1", "--json", keep=False)  # loaded is all, made nothing
            found.append(side.run("sacct", *command, keep=False))
        took = Figures(found)
        figures.append(f"{(took.median - start.median) * 1000:.0f} ms, {took.mib:.0f} MiB")
    bench.say(what, promised, *figures)


def bench_queries(bench: Bench) -> None:
    plan, limit = bench.plan, "start + 150 ms"
    last = ("-a", "-S", when(plan.now - 3600), "-E", when(plan.now))
    timed(bench, "sacct -S now-1hour, 1000 jobs", limit, *last)
    timed(bench, "sacct -j JOB", limit, "-j", str(plan.old // 3))
    timed(bench, "sacct -j ARRAY of 1000 tasks", limit, "-j", str(plan.array))
    his = ("-S", when(plan.began - 86400), "-u", USER)
    timed(bench, "sacct -u USER, 1000 jobs", limit, *his)
    timed(bench, "sacct -u USER --json, 1000 jobs", limit, *his, "--json")
    first(bench, "the same, the first time", limit, *his, "--json")


def window(bench: Bench, jobs: int) -> tuple[str, ...]:
    start, end = bench.plan.window(jobs)
    return "-a", "-s", "CD", "-S", when(start), "-E", when(end)


def bench_text(bench: Bench) -> None:
    timed(bench, f"sacct, {LISTING} jobs", "> real", *window(bench, LISTING))
    timed(bench, f"sacct -X, {LISTING} jobs", "> real", "-X", *window(bench, LISTING))


def bench_document(bench: Bench) -> None:
    """The long document, once: seconds and memory of the command, and what slurmdbd had at most meanwhile."""
    ours, jobs = [], bench.options.document
    rates = []
    for name, server in bench.ours.items():
        server.peak_mib(reset=True)
        found = Figures([bench.sides[name].run("sacct", "--json", *window(bench, jobs), keep=False)])
        rates.append(jobs / found.median)
        ours.append(f"{rates[-1]:.0f} jobs/s, {found.mib:.0f} MiB, slurmdbd {server.peak_mib():.0f} MiB")
    if bench.real:
        fewer = min(jobs, bench.options.real_document)
        found = Figures([bench.real.run("sacct", "--json", *window(bench, fewer), keep=False)])
        rate = fewer / found.median
        ours = [f"{text}, {mine / rate:.1f} x real" for text, mine in zip(ours, rates, strict=True)]
        ours.append(f"{rate:.0f} jobs/s, {found.mib:.0f} MiB ({fewer} jobs)")
    bench.say(f"sacct --json, {jobs} jobs", "5 x real, < 150 MiB", *ours)


BENCHES: dict[str, Callable[[Bench], None]] = {
    "queries": bench_queries,
    "text": bench_text,
    "document": bench_document,
    "records": bench_records,  # what it leaves behind would be in the others' way
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="finished jobs in the books")
    parser.add_argument("--records", type=int, default=10_000, help="jobs whose records are sent")
    parser.add_argument("--document", type=int, default=100_000, help="jobs in the long document")
    parser.add_argument(
        "--storage", action="append", default=[], help="lines of slurmdbd.conf, with semicolons between"
    )
    parser.add_argument("--real", metavar="PREFIX", help="how a command of the real Slurm is started")
    parser.add_argument("--real-sql", metavar="COMMAND", help="a client of the real slurmdbd's database")
    parser.add_argument("--real-records", type=int, default=3000, help="the same of the real one")
    parser.add_argument("--real-document", type=int, default=10_000, help="the same of the real one: 200 MB a thousand")
    parser.add_argument("--filled", type=int, metavar="EPOCH", help="when the real database was filled")
    parser.add_argument("--only", default=",".join(BENCHES), help=f"of {', '.join(BENCHES)}")
    options = parser.parse_args()
    if options.real and not options.real_sql:
        parser.error("--real needs --real-sql")
    for name in [name for name in os.environ if name.startswith(("SLURM", "SACCT"))]:
        del os.environ[name]
    bench = Bench(options)
    try:
        bench.add("sqlite", "")
        for number, lines in enumerate(options.storage, 1):
            bench.add(f"storage {number}", lines.replace(";", "\n"))
        for server in bench.ours.values():
            server.start()
            server.work("register")
        fill(bench)
        wanted = options.only.split(",")
        for name, measure in BENCHES.items():
            if name in wanted:
                measure(bench)
    finally:
        for server in bench.ours.values():
            server.stop()
        for place in bench.places:
            shutil.rmtree(place, ignore_errors=True)
    table = [("what", "promised", *bench.ours, *(["real"] if bench.real else [])), *bench.rows]
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
