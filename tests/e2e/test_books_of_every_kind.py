"""Arrays, steps, heterogeneous jobs, requeues, suspensions and cancellations, while slurmdbd and its database's server
are killed again and again: the books have everything exactly once."""

import os
import random
import re
import signal
import time
from collections import Counter

import pytest

from ..accounting.servers import KINDS, own
from .test_main_job import until

#: tasks of arrays beside the others; SLURMPY_FIRE_JOBS asks for more
TASKS = int(os.environ.get("SLURMPY_FIRE_JOBS", "300"))
EACH = 4
FIELDS = "JobID,State,ExitCode,Submit,Eligible,Start,End,ElapsedRaw,Suspended"

STEPS = """#!/bin/sh
for code in 0 3 0; do srun -n2 sh -c "exit $code"; done
exit 0
"""
AGAIN = '#!/bin/sh\n[ -n "$SLURM_RESTART_COUNT" ] && [ "$SLURM_RESTART_COUNT" -gt 0 ] && exit 0\nexec sleep 1000\n'
PAUSED = "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.1; done\n"
DATABASES = [
    pytest.param("sqlite"),
    *(
        pytest.param(kind, marks=pytest.mark.skipif(bool(KINDS[kind].missing()), reason=KINDS[kind].missing() or "-"))
        for kind in KINDS
    ),
]


@pytest.fixture(params=DATABASES)
def server(request):
    made = None if request.param == "sqlite" else own(request.param)
    yield made
    if made is not None:
        made.close()


def store_in(pocket, server) -> None:
    """Gives slurmdbd another database, before anything stands in the one that it has."""
    if server is None:
        return
    path = pocket.directory / "slurmdbd.conf"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("Storage")]
    path.write_text("\n".join(kept) + "\n" + server.lines("slurm_fire"))
    until(lambda: (pocket.directory / "run" / "slurmdbd.pid").exists(), bool)
    until(lambda: pocket.run("sacctmgr", "-n", "list", "cluster").stdout, lambda text: "pocket" in text)
    kill(pocket)
    until(lambda: pocket.run("sacctmgr", "-n", "list", "cluster").stdout, lambda text: "pocket" in text, 60)


def kill(pocket) -> None:
    try:
        os.kill(pocket.pid("slurmdbd"), signal.SIGKILL)
    except (OSError, ValueError):
        pass  # it is dead already, from the kill before


def harm(pocket, server, chance) -> None:
    victim = chance.choice(("", "slurmdbd", "slurmdbd", "server", "both"))
    if server is not None and victim in ("server", "both"):
        server.kill()
        if victim == "both":
            kill(pocket)
        server.start()
    elif victim:
        kill(pocket)


@pytest.mark.slow
@pytest.mark.xdist_group("under-fire")  # not beside the other one: a machine has only so much
def test_jobs_of_every_kind_while_slurmdbd_and_its_server_die(own_pocket, server):
    pocket = own_pocket.start("--nodes=2", "--cpus=32", "--memory=32000M")
    store_in(pocket, server)
    seed = int(os.environ.get("SLURMPY_CHAOS_SEED", time.time_ns() % 100000))
    print("seed", seed)
    chance = random.Random(seed)
    began = int(time.time())

    def submit(script: str, *options: str) -> str:
        return pocket.submit("--mem=10", "-o", "/dev/null", *options, script=script).split(";")[0]

    again = [submit(AGAIN, "--requeue") for _ in range(EACH)]
    paused = [submit(PAUSED) for _ in range(EACH)]
    cancelled = [submit("#!/bin/sh\nexec sleep 1000\n") for _ in range(EACH)]
    stepped = [submit(STEPS, "-n2") for _ in range(EACH)]
    het = [submit("#!/bin/sh\nexit 0\n", "-n1", ":", "-n2", "--mem=10") for _ in range(EACH)]
    array = submit("#!/bin/sh\nexit $((SLURM_ARRAY_TASK_ID % 3))\n", f"--array=0-{TASKS - 1}")

    never = [submit("#!/bin/sh\ntrue\n", "-N2", "--exclusive") for _ in range(EACH)]

    running = [*again, *paused, *cancelled]
    wanted = ",".join(running)

    def states() -> Counter[str]:
        return Counter(pocket.run("squeue", "-h", "-j", wanted, "-o", "%T").stdout.split())

    until(states, lambda found: found["RUNNING"] == len(running), 60)
    for job in paused:
        pocket.ok("scontrol", "suspend", job)
    suspended = time.time()
    harm(pocket, server, chance)
    for group, command in ((again, ("scontrol", "requeue")), (never + cancelled, ("scancel",))):
        for job in group:
            pocket.ok(*command, job)
        harm(pocket, server, chance)
    # the books count whole seconds, and a quick machine is here within the first
    until(lambda: time.time() - suspended, lambda passed: passed > 1.5, 10)
    for job in paused:
        pocket.ok("scontrol", "resume", job)
    (pocket.home / "go").touch()
    for job in again:  # a requeued job waits a while before it may start
        pocket.run("scontrol", "update", f"jobid={job}", "starttime=now")

    def waiting() -> str:
        harm(pocket, server, chance)
        done = pocket.run("squeue", "-h", "-o", "%i %T %r")
        return done.stdout if done.returncode == 0 else "no answer"

    assert until(waiting, lambda text: not text, 300 + TASKS / 5) == "", f"seed {seed}"
    ended = int(time.time()) + 1

    expected: Counter[tuple[str, str, str]] = Counter()

    def expect(name: str, state: str, code: str, batch: str = "", batch_code: str = "") -> None:
        expected[name, state, code] += 1
        if batch:
            expected[f"{name}.batch", batch, batch_code or code] += 1

    for task in range(TASKS):
        state = "FAILED" if task % 3 else "COMPLETED"
        expect(f"{array}_{task}", state, f"{task % 3}:0", state)
    for job in stepped:
        expect(job, "COMPLETED", "0:0", "COMPLETED")
        for number, code in enumerate((0, 3, 0)):
            expect(f"{job}.{number}", "FAILED" if code else "COMPLETED", f"{code}:0")
    for job in het:
        expect(f"{job}+0", "COMPLETED", "0:0", "COMPLETED")
        expect(f"{job}+1", "COMPLETED", "0:0")
    for job in paused:
        expect(job, "COMPLETED", "0:0", "COMPLETED")
    for job in cancelled:
        expect(job, "CANCELLED", "0:0", "CANCELLED", "0:15")
    for job in never:
        expect(job, "CANCELLED", "0:0")
    for job in again:
        expect(job, "REQUEUED", "0:0", "CANCELLED", "0:15")
        expect(job, "COMPLETED", "0:0", "COMPLETED")

    def booked() -> list[list[str]]:
        done = pocket.run("sacct", "-a", "-D", "-n", "-P", "--array", "-S", "now-1hour", "-o", FIELDS)
        return [line.split("|") for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def found(rows: list[list[str]]) -> Counter[tuple[str, str, str]]:
        return Counter((row[0], row[1].split()[0], row[2]) for row in rows)

    rows = until(booked, lambda rows: found(rows) == expected and all(row[6] != "Unknown" for row in rows), 60)
    seen = found(rows)
    assert (seen - expected, expected - seen) == (Counter(), Counter()), f"seed {seed}"
    wrong = []
    for name, state, _, *times, elapsed, suspended in rows:
        moments = [time.mktime(time.strptime(one, "%Y-%m-%dT%H:%M:%S")) for one in times if one[:1].isdigit()]
        right = moments == sorted(moments) and began <= moments[0] and moments[-1] <= ended
        pause = sum(
            int(one) * unit for one, unit in zip(re.split("[:-]", suspended)[::-1], (1, 60, 3600), strict=False)
        )
        if len(times) == len(moments) and int(elapsed) != moments[-1] - moments[-2] - pause:
            right = False
        if (pause > 0) != (name.partition(".")[0] in paused) and "." not in name:
            right = False
        if not right:
            wrong.append((name, state, times, elapsed, suspended))
    assert not wrong, f"seed {seed}: {wrong[:10]}"
