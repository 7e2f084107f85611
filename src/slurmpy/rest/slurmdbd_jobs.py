"""The endpoints of the jobs that slurmdbd knows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from slurmpy.core import hostlist, ids
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState

from .call import Call, Refused, Reply
from .slurmdbd import Where, expanded, failed, listed, numbers, with_named_qos

_JOB_WORDS = {
    "account": "accounts", "cluster": "clusters", "constraints": "constraints", "job_name": "names",
    "partition": "partitions", "qos": "qos", "reason": "reasons", "reservation": "reservations", "wckey": "wckeys",
}  # fmt: skip


#: filter by how a job was started -> the flag that it has then
_JOB_FLAGS = {
    "scheduled_on_submit": "STARTED_ON_SUBMIT",
    "scheduled_by_main": "STARTED_ON_SCHEDULE",
    "scheduled_by_backfill": "STARTED_ON_BACKFILL",
    "job_started": "START_RECEIVED",
}
_JOB_RANGES = {"cpus": "cpus", "nodes": "node_counts", "timelimit": "time_limits"}
#: what slurmdbd does not know of a job
_UNKNOWN_FILTERS = ("job_altered",)


_STEPS = {name: number for number, name in ids.STEP_NAMES.items()}
_NO_JOB, _MOST = 0xFFFFFFFE, 0xFFFFFFFF
_LONGEST = 64  # of a word that names a job and a step
#: job, array task, het offset, step: as far as they are given
Chosen = tuple[int, int | None, int | None, int | None]


def job_id(text: str) -> Chosen | None:
    """Of ``12``, ``12_3``, ``12+1``; with ``.0`` or ``.batch`` behind it one of its steps. None for anything else."""
    whole, dot, step = text.partition(".")
    number, _, task = whole.partition("_")
    number, _, offset = number.partition("+")
    if not all(word.isdecimal() for word in (number, task or "0", offset or "0")):
        return None
    step_id: int | None = None
    if dot:
        step_id = _STEPS.get(step, int(step) if step.isdecimal() else None)
        if step_id is None:
            return None
    return int(number), int(task) if task else None, int(offset) if offset else None, step_id


def _chosen(call: Call, words: Iterable[str], source: str) -> tuple[Chosen, ...]:
    """Raises Refused for what is no job or step."""
    found = [job_id(word) if len(word) <= _LONGEST else None for word in words]
    if not found or any(one is None or not 0 < one[0] < _NO_JOB or max(filter(None, one)) > _MOST for one in found):
        call.refuse("Rejecting request. Failure parsing query parameters", source)
    return tuple(one for one in found if one is not None)


async def get_job(call: Call) -> Reply:
    return await _jobs(call, {"jobs": _chosen(call, (call.path["job_id"],), "op_handler_job")})


async def get_jobs(call: Call) -> Reply:
    asked = call.query("op_handler_jobs", "query parameters")
    for name in _UNKNOWN_FILTERS:
        if asked.get(name):
            call.refuse(f'Filter "{name}" is not supported', "op_handler_jobs")
    where: Where = {theirs: tuple(asked[name]) for name, theirs in _JOB_WORDS.items() if asked.get(name)}
    if asked.get("users"):
        where["users"] = tuple(_ids(asked["users"], "pwd"))
        if -1 in where["users"]:
            call.error(2166, _UNKNOWN_USER, f"Unable to resolve user: {','.join(asked['users'])}", "#/users[0]/")
            call.refuse("Rejecting request. Failure parsing query parameters", "op_handler_jobs")
    if asked.get("groups"):
        where["groups"] = tuple(_ids(asked["groups"], "grp"))
    if asked.get("whole_hetjob") or asked.get("disable_whole_hetjob"):
        where["whole_hetjob"] = bool(asked.get("whole_hetjob"))
    if asked.get("association"):
        where["associations"] = numbers(asked["association"])
    if "step" in asked:
        where["jobs"] = _chosen(call, asked["step"], "op_handler_jobs")
    if asked.get("state"):
        where["states"] = tuple(asked["state"])
        if set(where["states"]) == {JobState.PENDING}:
            where["allocations"] = True  # no step waits
    now = int(time.time())
    if asked.get("start_time"):
        where["start"] = asked["start_time"]
    elif "jobs" not in where:
        where["start"] = now - now % 86400  # as sacct: since midnight
    if asked.get("end_time"):
        where["end"] = asked["end_time"]
    elif asked.get("state"):
        where["end"] = where.get("start", now)  # as with sacct, a state is that of one moment unless an end is given
    elif "jobs" not in where:
        where["end"] = now + 1  # what may not start before another day is not told of
    if asked.get("skip_steps"):
        where["allocations"] = True
    if asked.get("show_duplicates"):
        where["duplicates"] = True
    flags = tuple(flag for word, flag in _JOB_FLAGS.items() if asked.get(word))
    if flags:
        where["flags"] = flags
    for name, theirs in _JOB_RANGES.items():
        low, high = (None if one == INFINITE else one for one in (asked.get(f"{name}_min"), asked.get(f"{name}_max")))
        if low:  # as with sacct: that size alone, unless there is a greatest one too; from none on is no condition
            where[theirs] = (low, high or low)
    try:
        where = await _narrowed(call, asked, await with_named_qos(call, where))
    except hostlist.HostlistError:
        call.refuse(f"Unable to read the host list {asked['node']}", "op_handler_jobs")
    except SlurmError as error:
        return failed(call, error, "slurmdb_jobs_get", "_dump_jobs", "slurmdb_jobs")
    return await _jobs(call, where, _files(call, asked, where))


def _files(call: Call, asked: Where, where: Where) -> str:
    """What is told of the jobs' files: "script", "environment" or nothing. As with sacct, jobs are to be named for it
    (else none is found), and it is one of the two."""
    script, environment = asked.get("show_batch_script"), asked.get("show_job_environment")
    if not script and not environment:
        return ""
    if "jobs" not in where:
        where["db_indexes"] = (-1,)
    elif script and environment:
        call.error(
            _BOTH_FILES, f"Unknown error {_BOTH_FILES}", f"{call.function('slurmdb_jobs_get')} failed", "_dump_jobs"
        )
        raise Refused
    return "script" if script else "environment"


_UNKNOWN_USER = "Unable to resolve user ID to user name"
#: what slurmdbd answers then; the release has no text for it
_BOTH_FILES = 1054


async def _narrowed(call: Call, asked: dict[str, Any], where: Where) -> Where:
    """With the jobs by their numbers in the database, where something is asked of them that SQL cannot tell."""
    node, code = asked.get("node"), asked.get("exit_code")
    reserved = numbers(asked.get("reservation_id", ()))
    since, until = asked.get("submit_time", 0), 0
    if asked.get("usage_time_as_submit_time"):
        since, until = where.get("start", 0), where.get("end", 0)
    if not node and code is None and not asked.get("reservation_id") and not since and not until:
        return where
    if since or until:
        where = {name: value for name, value in where.items() if name not in ("start", "end")}
    wanted = frozenset(hostlist.expand(node)) if node else frozenset()
    args = {"what": "jobs", "fields": _NARROWING, "where": where}
    found = []
    async for part in call.slurmdbd.stream("query", args):
        for index, nodes, status, reservation, submitted in part.get("rows", ()):
            if (
                (not asked.get("reservation_id") or reservation in reserved)
                and (not wanted or not wanted.isdisjoint(expanded(nodes)))
                and (code is None or (status is not None and status & 0x7F == 0 and status >> 8 == code))
                and submitted >= since
                and (not until or submitted <= until)
            ):
                found.append(index)
    return {**where, "db_indexes": tuple(found) or (-1,)}


_NARROWING = ("db_index", "nodes", "exit_code", "reservation_id", "submit_time")


def _ids(names: tuple[str, ...], database: str) -> list[int]:
    """Numbers of users ("pwd") or groups ("grp"); -1, which nothing has, for those that the system does not know."""
    import grp
    import pwd

    found: list[int] = []
    for name in names:
        try:
            if name.isdecimal():
                found.extend(numbers((name,)))
            else:
                found.append(pwd.getpwnam(name).pw_uid if database == "pwd" else grp.getgrnam(name).gr_gid)
        except (KeyError, ValueError):  # a NUL is no part of a name
            found.append(-1)
    return found


async def _jobs(call: Call, where: Where, files: str = "") -> Reply:
    try:
        reply = await call.dump(call.slurmdbd, "jobs", {**where, "order": "job_id"}, files=files)
    except SlurmError as error:
        return failed(call, error, "slurmdb_jobs_get", "_dump_jobs", "slurmdb_jobs")
    if isinstance(reply.content, bytes) and b'"jobs": []' in reply.content[:40]:
        return listed(call, "slurmdb_jobs", [], "slurmdb_jobs_get", "_dump_jobs")
    return reply
