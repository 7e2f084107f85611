"""What newer versions do with jobs: where one runs, and changes of those of the past."""

from __future__ import annotations

import re
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.core.hostlist import compress
from slurmpy.core.states import JobState

from .call import Call, Reply

#: (job, array task or None, component or None), as slurmctld's and slurmdbd's queries know a job
JobKey = tuple[int, int | None, int | None]

_JOB_ID = re.compile(r"(\d{1,9})(?:_(\d{1,9})|\+(\d{1,9}))?")


def job_key(text: str) -> JobKey | None:
    """A job as the commands name it: "12", "12_3", "12+1"; None for what is no job."""
    match = _JOB_ID.fullmatch(text.strip())
    if match is None or not 0 < int(match[1]) < 0x10000000:
        return None
    return int(match[1]), *(int(part) if part else None for part in match.group(2, 3))  # type: ignore[return-value]


def asked_for(call: Call, source: str) -> JobKey:
    """The job of the path. Raises Refused."""
    key = job_key(call.path["job_id"])
    if key is None:
        call.refuse("Rejecting request. Failure parsing parameters", source)
        raise AssertionError
    return key


def _ranges(numbers: Any) -> str:
    """Numbers as "0-3,8"."""
    return compress(f"{number}" for number in sorted(numbers)).strip("[]")


def _layout(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "node": node["name"],
        "sockets_per_node": node.get("sockets", 0),
        "cores_per_socket": node.get("cores_per_socket", 0),
        "mem_alloc": node.get("memory", 0),
        "core_bitmap": _ranges(node.get("core_ids", ())),
        "gres": tuple(
            {"name": name, "type": kind, "count": len(indices), "index": _ranges(indices)}
            for name, kind, indices in node.get("gres", ())
        ),
    }


async def get_resources(call: Call) -> Reply:
    """Node by node what a running job holds."""
    key = asked_for(call, "op_handler_resources")
    found: list[tuple[int, Any]] = []
    args = {"what": "jobs", "fields": ("job_state", "job_resources"), "where": {"job_ids": (key,), "all": True}}
    layouts: tuple[dict[str, Any], ...] = ()
    try:
        async for part in call.slurmctld.stream("query", args):
            found += [tuple(row) for row in part.get("rows", ())]
        if not found:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        held = [
            resources
            for state, resources in found
            if resources and state & JobState.BASE in (JobState.RUNNING, JobState.SUSPENDED)
        ]
        if not held:
            raise SlurmError("ESLURM_JOB_NOT_RUNNING")
        layouts = tuple(_layout(node) for resources in held for node in resources["allocation"])
    except SlurmError as error:
        call.slurm_error(error, f"Unable to query JobId={call.path['job_id']}", "_handle_get")
    return call.reply("resources", nodes=layouts)


# ---- once more


def _requeued(flags: Any) -> dict[str, bool]:
    special = "SpecialExit" in flags
    return {"incomplete": "Incomplete" in flags, "hold": special or "Hold" in flags, "special_exit": special}


async def _requeue(call: Call, name: str, flags: Any) -> tuple[dict[str, Any], ...]:
    """What became of it: nothing to tell where all went well."""
    try:
        await call.slurmctld.call("requeue", {"job_id": name, **_requeued(flags)})
    except SlurmError as error:
        call.slurm_error(error, f"Requeue JobID={name} failed", call.endpoint.source)
        told = {"step_id": name, "error_code": error.number, "error": error.standard or error.message}
        return ({"job_id": int(name.partition("_")[0].partition("+")[0]), **told, "why": error.message},)
    return ()


async def get_requeue(call: Call) -> Reply:
    asked = call.query()
    key = asked_for(call, call.endpoint.source)
    await _requeue(call, _text(key), [flag for flag, given in asked.items() if given])
    return call.reply("job_requeued", status=())


async def post_requeue(call: Call) -> Reply:
    """Each of them, whatever becomes of the others."""
    body = call.body("openapi_jobs_requeue_query")
    keys = [job_key(name) for name in body.get("jobs") or ()]
    if not call.context.errors and (not keys or None in keys):
        call.refuse("Rejecting request. Failure parsing jobs", call.endpoint.source)
    if call.context.errors:
        return call.reply("jobs_requeued", status=())
    flags = body.get("flags") or ()
    return call.reply("jobs_requeued", status=tuple([await _requeue(call, _text(key), flags) for key in keys if key]))


def _text(key: JobKey) -> str:
    number, task, component = key
    return f"{number}_{task}" if task is not None else f"{number}+{component}" if component is not None else f"{number}"


# ---- jobs of the past


async def post_jobs(call: Call) -> Reply:
    body = call.body("openapi_job_modify_req")
    names = body.get("job_id_list") or ()
    keys = [job_key(name) for name in names]
    if not call.context.errors and (not keys or None in keys):
        call.refuse("Rejecting request. Failure parsing job_id_list", "op_handler_jobs")
    return await _modify(call, tuple(key for key in keys if key is not None), body.get("job_rec") or {})


async def post_job(call: Call) -> Reply:
    key = asked_for(call, "op_handler_job")
    return await _modify(call, (key,), call.body("job_modify"))


async def _modify(call: Call, keys: tuple[JobKey, ...], changes: dict[str, Any]) -> Reply:
    done: tuple[str, ...] = ()
    if not changes and not call.context.errors:
        call.refuse("Nothing to change was given", call.endpoint.source)
    if not call.context.errors:
        where = {"jobs": keys, "clusters": (str(call.daemons.conf.ClusterName or "").lower(),)}
        try:
            answer = await call.slurmdbd.call("modify_jobs", {"where": where, "set": changes})
            done = tuple(str(number) for number, _ in answer["jobs"])
            if not done:
                call.warn(f"{call.function('slurmdb_job_modify')} changed nothing", "slurmdb_job_modify()")
        except SlurmError as error:
            call.slurm_error(error, f"{call.function('slurmdb_job_modify')} failed", "slurmdb_job_modify()")
    return call.reply("jobs_modified", results=done)
