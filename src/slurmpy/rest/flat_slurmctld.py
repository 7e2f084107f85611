"""The endpoints of v0.0.37 and v0.0.38 under /slurm/: jobs, nodes, partitions, reservations and slurmctld itself."""

from __future__ import annotations

import re
from typing import Any

from slurmpy.core import signals
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import LicenseInfo
from slurmpy.core.records.description import JobDescriptor
from slurmpy.data_parser.errors import ERRORS, ParseFailed

from . import slurmctld as newer
from .call import Call, Reply
from .flat import answer, empty, number_of, parser_error, peer, told

_NOT_FOUND = {
    "nodes": "ESLURM_INVALID_NODE_NAME",
    "partitions": "ESLURM_INVALID_PARTITION_NAME",
    "reservations": "ESLURM_RESERVATION_INVALID",
}


async def _unchanged(call: Call, what: str) -> Reply | None:
    """An answer that ends the request: nothing has changed since ``update_time``, or that is no time."""
    text = call.raw_query.get("update_time")
    if text is None:
        return None
    if not text.isdecimal():
        return answer(call, what, 400)
    return Reply(304, None) if await newer._unchanged(call, what, int(text)) else None


# ---- jobs


async def get_jobs(call: Call) -> Reply:
    try:
        return await _unchanged(call, "jobs") or await call.dump(call.slurmctld, "jobs", {"all": True})
    except SlurmError as error:
        number, text = number_of(error)
        told(
            call, description="Failed while looking for jobs", error_number=number, error=text,
            source="slurm_load_jobs",
        )  # fmt: skip
        return answer(call, "jobs", 500)


_LEADING_NUMBER = re.compile(r"\s*(\d+)")
_LARGEST = 2**63 - 1


def _job_id(call: Call, source: str, what: str = "find") -> tuple[int, int | None] | None:
    """(job, task) that the path names; None with the error noted."""
    text = call.path["job_id"]
    match = _LEADING_NUMBER.match(text)
    number = min(int(match[1]), _LARGEST) if match else 0
    _, part, task = text.partition("_")
    if not number or (part and not task.isdecimal()):
        parser_error(call, "ESLURM_REST_INVALID_JOBS_DESC", f"Unable to {what} JobId={text}", source)
        return None
    return number, int(task) if task.isdecimal() else None


async def get_job(call: Call) -> Reply:
    chosen = _job_id(call, "_handle_job_get")
    if chosen is None:
        return empty(call, 400)
    number, task = chosen
    try:
        if number >= 2**32:
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        reply = await call.dump(call.slurmctld, "jobs", {"job_ids": ((number, task, None),), "all": True})
        if isinstance(reply.content, bytes) and _has_none(reply.content, "jobs"):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        return reply
    except SlurmError as error:
        code, text = number_of(error)
        told(
            call, description=f"Unable to find JobId={number}", error_number=code, error=text, source="slurm_load_job",
        )  # fmt: skip
        return answer(call, "jobs", 500)


def _has_none(content: bytes, key: str) -> bool:
    """Whether the document's list is empty; the list is what ends it."""
    return content.rstrip().endswith((f'"{key}": []\n}}'.encode(), f"!!str {key}: !!seq []\n...".encode()))


def _described(call: Call, document: Any) -> JobDescriptor | None:
    """The job that a document describes; None with the errors noted."""
    try:
        found: JobDescriptor = call.plugin.parse("job_properties", document, call.context)
    except ParseFailed:
        return None
    return found


def _no_parsing(call: Call) -> Reply:
    told(call, error_code=ERRORS["ESLURM_REST_FAIL_PARSING"][0], error=ERRORS["ESLURM_REST_FAIL_PARSING"][1])
    return empty(call, 400)


def _jobs_sent(call: Call, body: dict[str, Any]) -> list[JobDescriptor] | None:
    """The jobs of a submission, several for a heterogeneous one; None with the errors noted."""
    several = isinstance(body.get("jobs"), list)
    entries: list[Any] = body["jobs"] if several else [body.get("job")]
    found = []
    for index, entry in enumerate(entries):
        job = _described(call, entry)
        if job is not None and not job.environment:
            told(call, error="environment must be set", error_code=2127)
            job = None
        if job is None:
            if several:
                parser_error(
                    call, "ESLURM_REST_FAIL_PARSING", f"unexpected failure parsing het job: {index}", "_parse_job_desc",
                )  # fmt: skip
            return None
        found.append(job)
    return found


async def submit_job(call: Call) -> Reply:
    body = call.raw_body if isinstance(call.raw_body, dict) else {}
    script = body.get("script")
    if not isinstance(script, str) or not script:
        return _not_submitted(call, SlurmError("ESLURM_JOB_SCRIPT_MISSING"))
    if not isinstance(body.get("job"), dict) and not isinstance(body.get("jobs"), list):
        number, message = ERRORS["ESLURM_REST_INVALID_JOBS_DESC"]
        told(call, error_code=number, error=message)
        return empty(call, 400)
    jobs = _jobs_sent(call, body)
    if jobs is None:
        return _no_parsing(call)
    if not jobs:
        told(call, error_code=-1, error="Unspecified error")
        return empty(call)
    for job in jobs:
        if not job.current_working_directory:
            job.current_working_directory = "/"
    jobs[0].script = script
    if jobs[0].argv is None:
        jobs[0].argv = ()
    try:
        reply = await call.slurmctld.call("submit_batch_job", {"descriptions": newer._sent(call, *jobs)})
    except SlurmError as error:
        return _not_submitted(call, error)
    number, text = int(reply.get("error") or 0), ""
    if not number and jobs[0].hold:
        number, text = newer.HELD
    if number:
        told(call, error_code=number, error=text or SlurmError.from_number(number).message)
    return answer(
        call, "submit", job_id=reply["job_id"], step_id="BATCH", job_submit_user_msg=reply.get("user_message") or ""
    )


def _not_submitted(call: Call, error: SlurmError) -> Reply:
    number, text = number_of(error)
    told(call, error_code=number, error=text)
    return empty(call)


async def update_job(call: Call) -> Reply:
    """What cannot be read is told in an answer that is a success all the same, and nothing is changed."""
    chosen = _job_id(call, "_handle_job_post", "update")
    if chosen is None:
        return empty(call, 400)
    record = _described(call, {} if call.raw_body is None else call.raw_body)
    if record is None:
        parser_error(
            call, "ESLURM_REST_FAIL_PARSING", f"job parsing failed for {peer(call)}", "_parse_job_list",
        )  # fmt: skip
        return empty(call, 200)
    changes = record.to_wire()
    try:
        if changes:
            job = call.path["job_id"] if chosen[1] is not None else str(chosen[0])
            await call.slurmctld.call("update_job", {"job_id": job, "changes": changes})
    except SlurmError as error:
        number, text = number_of(error)
        told(
            call, description=f"job update from {peer(call)} failed", error_number=number, error=text,
            source="_parse_job_list",
        )  # fmt: skip
        return empty(call)
    return empty(call, 200)


async def delete_job(call: Call) -> Reply:
    text = call.raw_query.get("signal", "")
    number = 9
    if text:
        try:
            number = signals.parse(text)
        except ValueError:
            number = int(text) if text.isdecimal() else 0
        if not 0 < number < 65:
            parser_error(
                call, "ESLURM_REST_INVALID_QUERY", f"invalid signal: {number}", "HTTP request: signal",
            )  # fmt: skip
            return empty(call, 400)
    chosen = _job_id(call, "_handle_job_delete")
    if chosen is None:
        return empty(call, 400)
    job = call.path["job_id"] if chosen[1] is not None else str(chosen[0])
    try:
        result = await call.slurmctld.call("kill_jobs", {"job_ids": (job,), "signal": number, "flags": ()})
        refused = next((one for one in result["jobs"] if one["error"]), None)
        if refused is not None and refused["error"] != _OVER:
            raise SlurmError.from_number(refused["error"])
    except SlurmError as error:
        code, message = number_of(error)
        told(
            call, description=f"unable to kill JobId={job} with signal {number}: {message}", error_number=code,
            error=message, source="slurm_kill_job",
        )  # fmt: skip
        return empty(call)
    return empty(call, 200)


#: a job that is over already: not an error for who wants it to be
_OVER = SlurmError("ESLURM_ALREADY_DONE").number


# ---- nodes, partitions, reservations, licenses


async def _listing(call: Call, what: str, name: str = "") -> Reply:
    where: dict[str, Any] = {"names": (name,), "all": True} if name else {"all": True}
    heard = not name or what != "nodes"  # of one node it says nothing
    try:
        reply = (await _unchanged(call, what) if heard else None) or await call.dump(call.slurmctld, what, where)
        if name and isinstance(reply.content, bytes) and reply.status == 200 and _has_none(reply.content, what):
            raise SlurmError(_NOT_FOUND[what])
        return reply
    except SlurmError as error:
        number, text = number_of(error)
        told(call, error=text, errno=number)
        return answer(call, what, 500)


async def get_nodes(call: Call) -> Reply:
    return await _listing(call, "nodes")


async def get_node(call: Call) -> Reply:
    return await _listing(call, "nodes", call.path["node_name"])


async def get_partitions(call: Call) -> Reply:
    return await _listing(call, "partitions")


async def get_partition(call: Call) -> Reply:
    return await _listing(call, "partitions", call.path["partition_name"])


async def get_reservations(call: Call) -> Reply:
    return await _listing(call, "reservations")


async def get_reservation(call: Call) -> Reply:
    return await _listing(call, "reservations", call.path["reservation_name"])


async def get_licenses(call: Call) -> Reply:
    found: list[LicenseInfo] = []
    columns: tuple[str, ...] = ()
    try:
        async for part in call.slurmctld.stream("query", {"what": "licenses", "fields": LicenseInfo.FIELDS}):
            columns = part.get("columns", columns)
            found += [LicenseInfo(**dict(zip(columns, row, strict=True))) for row in part.get("rows", ())]
    except SlurmError as error:
        number, text = number_of(error)
        told(call, description="slurm_load_licenses() failed", error_number=number, error=text)
        return answer(call, "licenses", 500)
    return answer(call, "licenses", licenses=sorted(found, key=lambda one: one.name))


# ---- slurmctld itself


async def get_ping(call: Call) -> Reply:
    """Whether each controller answers. A token that it refuses is told as a configuration that cannot be had."""
    conf = call.daemons.conf
    hosts = [host[0] for host in conf.SlurmctldHost or ()] or ["localhost"]
    up = True
    try:
        await call.slurmctld.call("ping", {}, timeout=float(conf.MessageTimeout or 10))
    except SlurmError as error:
        if error.number in (1007, 6000):
            told(
                call, description="slurmctld config is unable to load", error_number=-1, error="Unspecified error",
                source="slurm_load_ctl_conf",
            )  # fmt: skip
            return empty(call)
        up = False
    return answer(call, "pings", pings=({"hostname": hosts[0], "responding": up, "mode": "primary"},))


async def get_diag(call: Call) -> Reply:
    try:
        return await call.dump(call.slurmctld, "stats")
    except SlurmError as error:
        number, text = number_of(error)
        told(call, error=text, errno=number)
        return empty(call)
