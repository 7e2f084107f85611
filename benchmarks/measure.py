"""Runs a command many times and says how long it took and how much memory it needed."""

from __future__ import annotations

import os
import shlex
import statistics
import time


class Side:
    """One of the two Slurms: how a command of it is started, and with which environment."""

    def __init__(self, name: str, prefix: str = "", environment: dict[str, str] | None = None) -> None:
        self.name, self.prefix = name, shlex.split(prefix)
        self.environment = {**os.environ, **(environment or {})}

    def argv(self, *command: str) -> list[str]:
        return [*self.prefix, *command]

    def run(self, *command: str, check: bool = True, keep: bool = True) -> Result:
        """One run; standard error is thrown away, standard output, too, unless `keep`.

        The largest resident size of a process begins with that of the one that started it, so this one must stay small:
        figures below about 15 MiB say nothing.
        """
        reader, writer = os.pipe()
        argv = self.argv(*command)
        begin = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                os.dup2(writer, 1)
                null = os.open("/dev/null", os.O_RDWR)
                os.dup2(null, 0)
                os.dup2(null, 2)
                os.execvpe(argv[0], argv, self.environment)
            finally:
                os._exit(127)
        os.close(writer)
        pieces, size = [], 0
        while piece := os.read(reader, 1 << 17):
            size += len(piece)
            if keep:
                pieces.append(piece)
        os.close(reader)
        _, status, usage = os.wait4(pid, 0)
        took = time.perf_counter() - begin
        code = os.waitstatus_to_exitcode(status)
        if check and code:
            raise RuntimeError(f"{self.name}: {shlex.join(argv)}: exit code {code}")
        return Result(took, usage.ru_maxrss / 1024, b"".join(pieces), code, size)


class Result:
    def __init__(self, seconds: float, mib: float, out: bytes, code: int, size: int) -> None:
        self.seconds, self.mib, self.out, self.code, self.size = seconds, mib, out, code, size


class Figures:
    """Many runs of one command."""

    def __init__(self, results: list[Result]) -> None:
        self.seconds = sorted(r.seconds for r in results)
        self.mib = max(r.mib for r in results)
        self.size = results[-1].size

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return self.seconds[0]


def repeat(side: Side, times: int, *command: str) -> Figures:
    """`times` runs after one that does not count (caches, first conversions)."""
    side.run(*command, keep=False)
    return Figures([side.run(*command, keep=False) for _ in range(times)])
