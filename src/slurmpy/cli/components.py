"""Steps in several components of a heterogeneous job at once (``srun --het-group=0,1`` and ``srun A : B``).

Each component gets a step of its own, run by a process of its own: this one runs the first, children the others.
Standard input is the first component's; tasks are numbered within their component.
"""

from __future__ import annotations

import os
import sys

from .errors import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .job_options import JobOptions


def numbers(text: str, count: int, options: JobOptions) -> list[int]:
    """The components that ``0,2-3`` names, of `count` that there are. Raises Stop."""
    from ..core.intervals import IntervalSet

    try:
        found = list(IntervalSet.parse(text.strip("[]")))
    except ValueError:
        found = []
    if not found or found[-1] >= count:
        raise options.stop(f"Invalid het group value: {text}", 1)
    return found


def chosen(reply: Mapping[str, Any], lines: Sequence[JobOptions]) -> list[tuple[Mapping[str, Any], JobOptions]]:
    """(component's allocation, options) of every step to start in the allocation `reply`. Raises Stop.

    Several option sets belong to the components they name, or one after the other; one set may name several.
    """
    components = [reply, *(reply.get("het_components") or ())]
    found: list[tuple[Mapping[str, Any], JobOptions]] = []
    for position, options in enumerate(lines):
        wanted = options.get("het-group")
        if len(components) == 1:
            found.append((reply, options))
            break
        if wanted is None:
            which = [position] if len(lines) > 1 else [0]
        else:
            which = numbers(str(wanted), len(components), options)
        if which[-1] >= len(components):
            raise options.stop(f"the job has {len(components)} components, but {len(lines)} are named", 1)
        found += [(components[number], options.twin()) for number in which]
    return found


def run_together(program: str, parts: Sequence[Callable[[], int]]) -> int:
    """Runs all parts at once; the highest of their exit codes. Errors of the first one are raised."""
    children = []
    for part in parts[1:]:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                null = os.open(os.devnull, os.O_RDONLY)
                os.dup2(null, 0)
                code = guarded(program, lambda *_: part(), (), os.environ)  # noqa: B023 - of this very child
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        children.append(pid)
    code = 1
    try:
        code = parts[0]()
    finally:
        for pid in children:
            _, status = os.waitpid(pid, 0)
            code = max(code, (status >> 8) & 0xFF or status & 0x7F)
    return code
