"""The import budget: what each command costs over a bare ``python -c pass``, in milliseconds of CPU time.

Every command runs for real on a small pocket cluster of its own. ``--check`` fails if one is over its budget or imports
on its way a module that has no business there. It is CPU time, the least of several runs, so that other work on the
machine hardly counts; the modules are exact.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

BIN = os.path.dirname(sys.executable)
#: command line: milliseconds over a bare start
BUDGET = {
    "squeue": 60,
    "squeue --json": 60,
    "sinfo": 60,
    "scontrol show job 1": 60,
    "scancel --state=SUSPENDED": 60,
    "sbatch --hold --wrap=true": 60,
    "srun true": 60,
    "salloc --quiet true": 60,
    "sacct": 60,
    "sacctmgr --noheader show cluster": 60,
    "sdiag": 60,
    "sshare": 60,
}
#: what no command imports before it knows that it needs it
HEAVY = {"asyncio", "sqlalchemy", "click", "yaml", "orjson", "jwt", "rich", "dataclasses", "inspect", "json", "logging"}
HEAVY |= {"subprocess", "tempfile", "pathlib"}


def least(argv: list[str], runs: int) -> float:
    best = 1e9
    for _ in range(runs):
        null = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, n) for n in (0, 1, 2)]
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        os.close(null)
        if status:
            raise SystemExit(f"{' '.join(argv)}: exit code {os.waitstatus_to_exitcode(status)}")
        best = min(best, usage.ru_utime + usage.ru_stime)
    return best * 1000


def imported(argv: list[str]) -> set[str]:
    """The names of all modules that a run of the command imports."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if a budget is not held")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    for name in list(os.environ):
        if name.startswith(("SLURM", "SBATCH", "SQUEUE")):
            del os.environ[name]
    directory = os.environ["SLURMPY_POCKET"] = tempfile.mkdtemp(prefix="imports-")
    wrong = []
    try:
        subprocess.run([f"{BIN}/slurmpy", "up", "--cpus=4"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([f"{BIN}/sbatch", "--hold", "--wrap=true"], check=True, stdout=subprocess.DEVNULL)
        bare = least([sys.executable, "-c", "pass"], options.runs)
        print(f"bare start {bare:.1f} ms")
        for line, budget in BUDGET.items():
            command, *words = line.split()
            argv = [f"{BIN}/{command}", *words]
            cost = least(argv, options.runs) - bare
            heavy = sorted(imported(argv) & HEAVY)
            print(f"{line:34} {cost:6.1f} ms of {budget} {' '.join(heavy)}")
            if heavy:
                wrong.append(f"{line} imports {', '.join(heavy)}")
            if cost > budget * max(1.0, bare / 12):  # on a slower machine the bare start takes longer as well
                wrong.append(f"{line} costs {cost:.1f} ms, its budget is {budget}")
    finally:
        subprocess.run([f"{BIN}/slurmpy", "down"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)
    for text in wrong:
        print("over budget:", text)
    return 1 if wrong and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
