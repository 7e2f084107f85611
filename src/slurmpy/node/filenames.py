"""The patterns in names of output and input files: ``slurm-%A_%a.out``, ``job%4j-%2t.out`` (sbatch(1), srun(1))."""

from __future__ import annotations

from collections.abc import Mapping

#: letter: (what it stands for, whether a width pads it with zeros)
PATTERNS: dict[str, tuple[str, bool]] = {
    "%": ("a percent sign", False),
    "A": ("the array's job id, or the job id", True),
    "a": ("the array task's number", True),
    "b": ("the array task's number modulo 10", True),
    "J": ("the job id and the step: 128.0", False),
    "j": ("the job id", True),
    "N": ("the node's short host name: one file a node", False),
    "n": ("the node's number in the job: one file a node", True),
    "s": ("the step id", True),
    "t": ("the task's number: one file a task", True),
    "u": ("the user's name", False),
    "x": ("the job's name", False),
}
#: patterns that make several files out of one name
PER_NODE = frozenset("Nn")
PER_TASK = frozenset("t")
MAX_WIDTH = 10
#: what %a is outside an array (NO_VAL)
NO_TASK = 4294967294


def letters(pattern: str) -> set[str]:
    """The pattern letters that `pattern` uses; none after a backslash."""
    if "\\" in pattern:
        return set()
    found, at = set(), 0
    while (at := pattern.find("%", at)) >= 0:
        at += 1
        while at < len(pattern) and pattern[at].isdigit():
            at += 1
        if at < len(pattern):
            found.add(pattern[at])
            at += 1
    return found


def expand(pattern: str, values: Mapping[str, object]) -> str:
    """`pattern` with the values of its letters. A name with a backslash is taken literally, without the backslashes.

    Letters that are none (``%q``) stay as they are; a width above ten counts as ten.
    """
    if "\\" in pattern:
        return pattern.replace("\\", "")
    if "%" not in pattern:
        return pattern
    result, at = [], 0
    while True:
        mark = pattern.find("%", at)
        if mark < 0:
            result.append(pattern[at:])
            return "".join(result)
        result.append(pattern[at:mark])
        at = mark + 1
        while at < len(pattern) and pattern[at].isdigit():
            at += 1
        letter = pattern[at : at + 1]
        if letter not in PATTERNS or (letter != "%" and letter not in values):
            result.append(pattern[mark : at + 1])
        elif letter == "%":
            result.append("%")
        else:
            text = str(values[letter])
            if PATTERNS[letter][1] and at > mark + 1:
                text = text.zfill(min(int(pattern[mark + 1 : at]), MAX_WIDTH))
            result.append(text)
        at += 1


def values_of(
    *,
    job_id: int,
    step_id: str,
    array_job_id: int = 0,
    array_task_id: int | None = None,
    user_name: str = "",
    job_name: str = "",
    host: str = "",
    node: int = 0,
    task: int = 0,
) -> dict[str, object]:
    """The letters' values. `step_id` is "batch" or a number; %J has no step in a batch script's file names."""
    return {
        "A": array_job_id or job_id,
        "a": NO_TASK if array_task_id is None else array_task_id,
        "b": (NO_TASK if array_task_id is None else array_task_id) % 10,
        "J": str(job_id) if step_id == "batch" else f"{job_id}.{step_id}",
        "j": job_id,
        "N": host.split(".")[0],
        "n": node,
        "s": step_id,
        "t": task,
        "u": user_name,
        "x": job_name,
    }
