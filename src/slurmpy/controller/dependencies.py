"""--dependency: after, afterany, afterok, afternotok, aftercorr, afterburstbuffer, singleton; with ``,`` or ``?``.

A job's dependencies are a tuple of `Entry`, of msgpack types only: ``(kind, job_id, task, minutes, status, either)``.
``task`` is an array task, ``ALL_TASKS``, or None; ``minutes`` is after's ``+time``; ``either`` says that the entries
are joined by ``?``, so that one is enough. Entries that are fulfilled leave the tuple, as Slurm shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State

UNFULFILLED, FULFILLED, FAILED = "unfulfilled", "fulfilled", "failed"
ALL_TASKS = -1

Entry = tuple[str, int, int | None, int, str, bool]

#: kinds that name jobs
JOB_KINDS = ("after", "afterany", "afternotok", "afterok", "aftercorr", "afterburstbuffer")


def parse(state: State, text: str | None, job_id: int = 0) -> tuple[Entry, ...]:
    """Read a --dependency value; raises ESLURM_DEPENDENCY for what cannot be read or names no job of ours.

    `job_id` is the job that is to wait: it may not wait for itself (ESLURM_DEPENDENCY) or for a job that waits
    for it (ESLURM_CIRCULAR_DEPENDENCY).
    """
    if not text or text.strip().lower() in ("", "0", "(null)"):
        return ()
    either = "?" in text
    entries: list[Entry] = []
    for piece in text.replace("?", ",").split(","):
        piece = piece.strip()
        if not piece:
            continue
        if piece.lower() == "singleton":
            entries.append(("singleton", 0, None, 0, UNFULFILLED, either))
            continue
        kind, colon, ids = piece.partition(":")
        kind = kind.lower()
        if not colon and kind.isdigit():  # the old form: a job id alone is afterany
            kind, ids = "afterany", kind
        if kind == "expand":
            raise SlurmError("ESLURM_NOT_SUPPORTED", "Jobs can not be expanded here (--dependency=expand)")
        if kind not in JOB_KINDS or not ids:
            raise SlurmError("ESLURM_DEPENDENCY")
        for item in ids.split(":"):
            entry = _job_entry(state, kind, item, either, job_id)
            if entry is not None:
                entries.append(entry)
            elif either:
                return ()  # that one is fulfilled, and one is enough
    if job_id:
        _refuse_circles(state, job_id, entries)
    return tuple(entries)


def _job_entry(state: State, kind: str, item: str, either: bool, job_id: int) -> Entry | None:
    """One entry; None for a job that is not known, and so has ended long ago, where its end is all that counts."""
    item = item.split("(", 1)[0]
    number, plus, minutes = item.partition("+")
    number, underscore, task_text = number.partition("_")
    if not number.isdigit() or (plus and (kind != "after" or not minutes.isdigit())):
        raise SlurmError("ESLURM_DEPENDENCY")
    wanted = int(number)
    task: int | None = None
    if underscore:
        if task_text == "*":
            task = ALL_TASKS
        elif task_text.isdigit():
            task = int(task_text)
            if state.find_task(wanted, task) is None:
                _refuse_unknown(kind)
                return None
        else:
            raise SlurmError("ESLURM_DEPENDENCY")
    elif wanted in state.by_array:
        task = ALL_TASKS
    if wanted not in state.jobs and wanted not in state.by_array:
        _refuse_unknown(kind)
        return None
    if wanted == job_id:
        raise SlurmError("ESLURM_DEPENDENCY")
    return (kind, wanted, task, int(minutes) if plus else 0, UNFULFILLED, either)


def _refuse_unknown(kind: str) -> None:
    """Of a job that nobody knows it cannot be said whether it succeeded: raise ESLURM_DEPENDENCY if that counts."""
    if kind in ("afterok", "afternotok"):
        raise SlurmError("ESLURM_DEPENDENCY")


def _refuse_circles(state: State, job_id: int, entries: list[Entry]) -> None:
    seen: set[int] = set()
    stack = [entry[1] for entry in entries if entry[1]]
    while stack:
        current = stack.pop()
        if current == job_id:
            raise SlurmError("ESLURM_CIRCULAR_DEPENDENCY")
        if current in seen:
            continue
        seen.add(current)
        waiting = state.jobs.get(current)
        if waiting is not None and waiting.is_pending:
            stack.extend(entry[1] for entry in waiting._dependencies if entry[1])


def show(entries: tuple[Entry, ...]) -> str:
    """As squeue and scontrol show it: ``afterany:40(unfulfilled)?afternotok:42(unfulfilled)``."""
    shown = []
    for kind, job_id, task, minutes, status, _ in entries:
        if kind == "singleton":
            shown.append(f"singleton({status})")
            continue
        where = "" if task is None else "_*" if task == ALL_TASKS else f"_{task}"
        plus = f"+{minutes}" if minutes else ""
        shown.append(f"{kind}:{job_id}{where}{plus}({status})")
    return ("?" if entries and entries[0][5] else ",").join(shown)


def watch(state: State, job: Job) -> None:
    """Enter the job in the index of those that wait for others (`State.dependents`), or for their own name."""
    for entry in job._dependencies:
        if entry[0] == "singleton":
            _singletons(state).setdefault((job.user_id, job.name), set()).add(job.job_id)
        else:
            state.dependents.setdefault(entry[1], set()).add(job.job_id)


def unwatch(state: State, job: Job) -> None:
    for entry in job._dependencies:
        if entry[0] == "singleton":
            _drop(_singletons(state), (job.user_id, job.name), job.job_id)
        else:
            _drop(state.dependents, entry[1], job.job_id)


def _singletons(state: State) -> dict[tuple[int, str], set[int]]:
    """Waiting singletons by user and job name."""
    found: dict[tuple[int, str], set[int]] = state.__dict__.setdefault("_singletons", {})
    return found


def _drop(index: dict[Any, set[int]], key: Any, job_id: int) -> None:
    waiting = index.get(key)
    if waiting is not None:
        waiting.discard(job_id)
        if not waiting:
            del index[key]


def evaluate(state: State, job: Job, now: int) -> str:
    """Look at the job's dependencies: FULFILLED, UNFULFILLED or FAILED (can never be). Changes job._dependencies.

    The job's shown dependency is brought up to date; the caller sets its state reason.
    """
    if not job._dependencies:
        return FULFILLED
    left: list[Entry] = []
    any_fulfilled = False
    failed = 0
    for entry in job._dependencies:
        status = entry[4] if entry[4] == FAILED else _status(state, job, entry, now)
        if status == FULFILLED:
            any_fulfilled = True
            continue
        failed += status == FAILED
        left.append((*entry[:4], status, entry[5]))
    either = job._dependencies[0][5]
    if not left or (either and any_fulfilled):
        verdict: str = FULFILLED
        left = []
    elif failed and (not either or failed == len(left)):
        verdict = FAILED
    else:
        verdict = UNFULFILLED
    entries = tuple(left)
    if entries != job._dependencies:
        unwatch(state, job)
        job._dependencies = entries
        if verdict != FULFILLED:
            watch(state, job)
        job.dependency = show(entries)
        state.touch_job(job)
    return verdict


def next_look(state: State, job: Job, now: int) -> int:
    """When time alone fulfils a dependency (``after:40+10``): the earliest such moment, or 0."""
    moments = []
    for kind, job_id, _, minutes, _, _ in job._dependencies:
        other = state.jobs.get(job_id)
        if kind == "after" and minutes and other is not None and not other.is_pending:
            start = other.start_time or other.end_time
            if start and start + minutes * 60 > now:
                moments.append(start + minutes * 60)
    return min(moments, default=0)


def _status(state: State, job: Job, entry: Entry, now: int) -> str:
    kind, job_id, task, minutes, _, _ = entry
    if kind == "singleton":
        same = state.by_user_name.get((job.user_id, job.name), {})
        for other in same.values():
            if other is job or (other.is_finished and not other.is_completing):
                continue
            own_array = job.array_job_id and other.array_job_id == job.array_job_id
            if other.is_running or other.is_completing or (other.job_id < job.job_id and not own_array):
                return UNFULFILLED
        return FULFILLED
    if kind == "aftercorr":
        own_task = job.array_task_id
        if own_task is not None:
            twin = state.find_task(job_id, own_task)
            if twin is not None:
                return _status_of(kind, twin, minutes, now)
        task = ALL_TASKS if job_id in state.by_array else None
    if task == ALL_TASKS:
        members = list(state.by_array.get(job_id, {}).values())
        return _status_of_all(kind, members, minutes, now)
    base = state.find_task(job_id, task) if task is not None else state.jobs.get(job_id)
    if base is None:  # gone from the records: it has ended long ago
        return FULFILLED if kind in ("after", "afterany", "afterburstbuffer") else FAILED
    return _status_of(kind, base, minutes, now)


def _status_of_all(kind: str, members: list[Job], minutes: int, now: int) -> str:
    if kind == "afternotok":  # one failed task is enough, once all have ended
        if any(not member.is_finished or member.is_completing for member in members):
            return UNFULFILLED
        return FULFILLED if any(not _succeeded(member) for member in members) else FAILED
    statuses = [_status_of(kind, member, minutes, now) for member in members]
    if FAILED in statuses:
        return FAILED
    return UNFULFILLED if UNFULFILLED in statuses else FULFILLED


def _succeeded(job: Job) -> bool:
    return job.base_state == JobState.COMPLETED


def _status_of(kind: str, other: Job, minutes: int, now: int) -> str:
    ended = other.is_finished and not other.is_completing
    if kind == "after":
        if other.is_pending:
            return UNFULFILLED
        started = other.start_time or other.end_time
        return FULFILLED if (ended and not minutes) or started + minutes * 60 <= now else UNFULFILLED
    if kind in ("afterany", "afterburstbuffer"):
        return FULFILLED if ended else UNFULFILLED
    if not ended:
        return UNFULFILLED
    good = _succeeded(other)
    if kind == "afternotok":
        good = not good
    return FULFILLED if good else FAILED


def on_job_start(state: State, job: Job) -> tuple[Job, ...]:
    """Waiting jobs that the start of this one concerns (kind ``after``); they want another look."""
    return _concerned(state, job)


def on_job_end(state: State, job: Job) -> tuple[Job, ...]:
    """Waiting jobs that the end of this one concerns; `scheduler` looks at them again."""
    concerned = {waiting.job_id: waiting for waiting in _concerned(state, job)}
    same_name = _singletons(state).get((job.user_id, job.name))
    if same_name:  # the oldest may start now, the others have to wait for it
        oldest = state.jobs.get(min(same_name - {job.job_id}, default=0))
        if oldest is not None and oldest.is_pending:
            concerned[oldest.job_id] = oldest
    return tuple(concerned.values())


def _concerned(state: State, job: Job) -> tuple[Job, ...]:
    found: dict[int, Job] = {}
    for key in (job.job_id, job.array_job_id):
        for waiting_id in sorted(state.dependents.get(key, ())):
            waiting = state.jobs.get(waiting_id)
            if waiting is not None and waiting.is_pending:
                found[waiting_id] = waiting
    return tuple(found.values())
