"""The import budget: what starting each command costs over a bare ``python -c pass``, in milliseconds.

``--check`` fails if a command is over its budget or loads a module that has no business there. The time is the
least CPU time of several runs, so that other work on the machine hardly counts; the modules are exact.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

#: command: milliseconds over a bare start that its imports may cost
BUDGET = {
    "squeue": 30,
    "sinfo": 30,
    "scontrol": 35,
    "scancel": 30,
    "sbatch": 35,
    "srun": 40,
    "salloc": 40,
    "sacct": 35,
    "sacctmgr": 40,
    "sprio": 35,
    "sdiag": 35,
    "sshare": 35,
    "sstat": 35,
}
#: what no command imports before it knows that it needs it
HEAVY = ("asyncio", "sqlalchemy", "click", "yaml", "orjson", "jwt", "rich", "dataclasses", "inspect", "json", "logging")


def least(code: str, runs: int) -> float:
    best = 1e9
    for _ in range(runs):
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise SystemExit(f"python -c {code!r} failed")
        best = min(best, usage.ru_utime + usage.ru_stime)
    return best * 1000


def loaded(command: str) -> set[str]:
    code = f"import slurmpy.cli.{command}, sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if a budget is not held")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    bare = least("pass", options.runs)
    print(f"bare start {bare:.1f} ms")
    wrong = []
    for command, budget in BUDGET.items():
        cost = least(f"import slurmpy.cli.{command}", options.runs) - bare
        heavy = sorted(loaded(command) & set(HEAVY))
        print(f"{command:10} {cost:6.1f} ms of {budget} {' '.join(heavy)}")
        if heavy:
            wrong.append(f"{command} imports {', '.join(heavy)}")
        # a loaded machine slows the bare start as well: the budget grows with it
        if cost > budget * max(1.0, bare / 12):
            wrong.append(f"{command} costs {cost:.1f} ms, its budget is {budget}")
    for text in wrong:
        print("over budget:", text)
    return 1 if wrong and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
