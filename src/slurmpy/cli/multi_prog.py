"""The configuration file of ``srun --multi-prog``: which task runs what.

A line is task numbers (``0``, ``1-3,7``, ``*`` for all that no line names), a program, and its arguments, in which
``%t`` is the task's number and ``%o`` its place among the line's tasks. ``#`` begins a comment, a backslash at the end
of a line continues it, and single quotes keep white space together.
"""

from __future__ import annotations

from slurmpy.core.errors import SlurmError


def _fail(text: str) -> SlurmError:
    return SlurmError("SLURM_ERROR", text)


def words(line: str) -> list[str]:
    """The line's words; single quotes keep white space together."""
    found: list[str] = []
    word, quoted, begun = "", False, False
    for letter in line:
        if letter == "'":
            quoted, begun = not quoted, True
        elif letter.isspace() and not quoted:
            if begun:
                found.append(word)
            word, begun = "", False
        else:
            word += letter
            begun = True
    if begun:
        found.append(word)
    return found


def task_numbers(text: str) -> list[int]:
    """ "0,2-4" -> [0, 2, 3, 4]. Raises SlurmError."""
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or (dash and int(high) < int(low)):
            raise _fail(f"Invalid task range specification ({text})")
        found.extend(range(int(low), int(high if dash else low) + 1))
    return found


def parse(text: str, name: str, tasks: int) -> dict[int, tuple[str, ...]]:
    """Arguments (program first) by task number. Raises SlurmError with srun's messages."""
    programs: dict[int, tuple[str, ...]] = {}
    others: list[str] | None = None
    number, pending = 0, ""
    for raw in text.split("\n"):
        number += 1
        if raw.endswith("\\"):
            pending += raw[:-1]
            continue
        line, pending = (pending + raw).strip(), ""
        if not line or line.startswith("#"):
            continue
        found = words(line)
        if found[0] == "*":
            if len(found) < 2:
                raise _fail(f"Line {number} of configuration file {name} invalid")
            others = found[1:]
            continue
        try:
            wanted = task_numbers(found[0])
            if len(found) < 2:
                raise _fail("No program specified")
        except SlurmError as error:
            raise _fail(f"{error.message}\nLine {number} of configuration file {name} invalid") from error
        for offset, task in enumerate(wanted):
            if task < tasks:
                programs.setdefault(task, _filled(found[1:], task, offset))
    for task in range(tasks):
        if task not in programs:
            if others is None:
                raise _fail(f"Configuration file {name} invalid, no record for task id {task}")
            programs[task] = _filled(others, task, task)
    return programs


def _filled(found: list[str], task: int, offset: int) -> tuple[str, ...]:
    program, *arguments = found
    return (program, *(word.replace("%t", str(task)).replace("%o", str(offset)) for word in arguments))


def load(path: str, tasks: int) -> dict[int, tuple[str, ...]]:
    """Reads a file as `parse` does. Raises SlurmError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        raise _fail(f"Could not open multi_prog config file {path}") from None
    return parse(text, path, tasks)
