"""How srun speaks of tasks: their numbers, their states, their ends, and what they make of its exit code. Pure."""

from __future__ import annotations

import _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

SIGKILL, SIGTERM = 9, 15


def ranges(tasks: Iterable[int]) -> str:
    """(0, 1, 2, 5) -> "0-2,5"."""
    found: list[list[int]] = []
    for task in sorted(tasks):
        if found and found[-1][1] == task - 1:
            found[-1][1] = task
        else:
            found.append([task, task])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def bracketed(tasks: Collection[int]) -> str:
    """ "0" for one task, "[0-2]" for several."""
    return ranges(tasks) if len(tasks) == 1 else f"[{ranges(tasks)}]"


def named(tasks: Collection[int]) -> str:
    """ "task 0", "tasks 0-2,5"."""
    return f"task{'s' if len(tasks) > 1 else ''} {ranges(tasks)}"


def ended(status: int, out_of_memory: bool) -> str:
    """What is said of a task that has ended with a wait status other than 0."""
    number = status & 0x7F
    if not number:
        return f"Exited with exit code {status >> 8}"
    if out_of_memory and number == SIGKILL:
        return "Out Of Memory"
    return _signal.strsignal(number) or f"Unknown signal {number}"


def states(count: int, started: Collection[int], statuses: Mapping[int, int]) -> Iterator[str]:
    """ "tasks 0-1: running" and so on, for the tasks 0 to `count` - 1."""
    found: dict[str, list[int]] = {}
    for task in range(count):
        status = statuses.get(task)
        if status is None:
            state = "running" if task in started else "unknown"
        else:
            state = "exited abnormally" if status & 0x7F else "exited"
        found.setdefault(state, []).append(task)
    for state in ("unknown", "running", "exited abnormally", "exited"):
        if state in found:
            yield f"{named(found[state])}: {state}"


def exit_code(statuses: Iterable[int]) -> int:
    """The highest of the tasks': 128 and the signal's number for those that a signal has ended."""
    return max((128 + (status & 0x7F) if status & 0x7F else status >> 8 for status in statuses), default=0)


def was_killed(statuses: Iterable[int]) -> bool:
    """Whether SIGTERM or SIGKILL has ended a task."""
    return any(status & 0x7F in (SIGTERM, SIGKILL) for status in statuses)
