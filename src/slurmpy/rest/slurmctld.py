"""The endpoints under /slurm/: jobs, nodes, partitions, reservations and slurmctld itself."""

from __future__ import annotations

import time
from typing import Any

from slurmpy.core import signals
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.cluster import LicenseInfo
from slurmpy.core.records.description import JobDescriptor
from slurmpy.data_parser import fair_shares
from slurmpy.data_parser.errors import ERRORS

from .call import Call, Refused, Reply

HELD = (2042, "Job is in held state, pending scheduler release")


async def _unchanged(call: Call, what: str, since: int | None) -> bool:
    if not since:
        return False
    async for part in call.slurmctld.stream("query", {"what": what, "fields": (_KEYS[what],), "since": since}):
        return bool(part.get("meta", {}).get("unchanged"))
    return False


_KEYS = {"jobs": "job_id", "nodes": "name", "partitions": "name", "reservations": "name"}


# ---- jobs


async def get_jobs(call: Call) -> Reply:
    since = call.query().get("update_time")
    try:
        if await _unchanged(call, "jobs", since):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
            call.warn(f"No job changes since update_time[{since}]={stamp}", "op_handler_jobs")
            return call.records("jobs", ())
        return await call.dump(call.slurmctld, "jobs", {"all": True})
    except SlurmError as error:
        call.slurm_error(error, "Unable to query jobs", "slurm_load_jobs()")
        return call.records("jobs", ())


def _job_id(call: Call, source: str) -> tuple[int, bool]:
    """The number of a job's id, and whether a task or component was asked for. Raises Refused."""
    number, _, rest = call.path["job_id"].replace("+", "_").partition("_")
    if not number.isdecimal() or not 0 < int(number) < 0x10000000:
        call.refuse("Rejecting request. Failure parsing parameters", source)
    return int(number), bool(rest)


async def get_job(call: Call) -> Reply:
    call.query()
    number, part = _job_id(call, "op_handler_job")
    if part:
        call.warn(
            "Job array Ids are not currently supported for job searches. Showing all jobs in array instead.",
            "_handle_job_get",
        )
    try:
        reply = await call.dump(call.slurmctld, "jobs", {"job_ids": ((number, None, None),), "all": True})
        if isinstance(reply.content, bytes) and _is_empty(reply.content):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        return reply
    except SlurmError as error:
        call.slurm_error(error, f"Unable to query JobId={call.path['job_id']}", "_handle_job_get")
        return call.records("jobs", ())


def _is_empty(content: bytes) -> bool:
    return content[:64].split(b"\n")[1].endswith(b": [],") or b": !!seq []" in content[:64]


async def get_jobs_state(call: Call) -> Reply:
    fields = (
        "job_id", "job_state", "array_job_id", "array_task_id", "array_task_string", "het_job_id", "het_job_offset",
    )  # fmt: skip
    wanted = [int(word) for word in call.query().get("job_id") or () if word.isdecimal()]
    where: dict[str, Any] = {"all": True}
    if wanted:
        where["job_ids"] = tuple((number, None, None) for number in wanted)
    rows: list[dict[str, Any]] = []
    try:
        async for part in call.slurmctld.stream("query", {"what": "jobs", "fields": fields, "where": where}):
            for job, state, array, task, tasks, het, offset in part.get("rows", ()):
                name = str(job)
                if task is not None:
                    name = f"{array}_{task}"
                elif tasks:
                    name = f"{array}_[{tasks}]"
                elif het:
                    name = f"{het}+{offset}"
                rows.append({"job_id": name, "state": state})
    except SlurmError as error:
        call.slurm_error(error, "slurm_load_job_state() failed", "_dump_job_states")
        return call.failed()
    return call.reply("job_states", jobs=rows)


def _sent(call: Call, *described: JobDescriptor) -> tuple[dict[str, Any], ...]:
    origin = {"allocation_node_list": call.daemons.origin()}
    return tuple(origin | job.to_wire() for job in described)


async def submit_job(call: Call) -> Reply:
    request = call.body("job_submit_req")
    script = request.get("script")
    jobs: tuple[JobDescriptor, ...] | None = request.get("jobs")
    if jobs is not None and not jobs:
        call.error(0, "No error", "Refusing HetJob submission without any components", "_job_post_het_submit")
        return call.failed()
    described = jobs or ((request["job"],) if "job" in request else ())
    script = script or (described[0].script if described else None)
    if not script:
        call.refuse('Populated "script" field is required for job submission', "_job_post")
    if not described:
        call.refuse('Specify only one "job" or "jobs" fields for job submission', "_job_post")
    first = described[0].copy(script=script)
    if first.argv is None:
        first.argv = ()
    sent = _sent(call, first, *described[1:])
    try:
        if not all(job.current_working_directory for job in (first, *described[1:])):
            raise SlurmError("ESLURM_MISSING_WORK_DIR")
        answer = await call.slurmctld.call("submit_batch_job", {"descriptions": sent})
    except SlurmError as error:
        if error.name == "ESLURM_ENVIRONMENT_MISSING" and not call.newer:  # clients of REST are told what became of it
            error = SlurmError("ESLURM_WRITING_TO_FILE")
        call.slurm_error(error, "Batch job submission failed", "slurm_submit_batch_job()")
        return call.failed()
    number, text = int(answer.get("error") or 0), ""
    if not number and (first.hold or first.priority == 0):
        number, text = HELD
    if number:
        text = text or SlurmError.from_number(number).message
        source = "slurm_submit_batch_job()"
        call.warn(f"Job submission resulted in non-zero return code: {text}", source)
        call.warn(text, source)
    return call.reply(
        "submit",
        job_id=answer["job_id"],
        step_id="batch",
        job_submit_user_msg=answer.get("user_message") or "",
        error_code=number,
        error=text or "No error",
    )


async def allocate_job(call: Call) -> Reply:
    """An allocation without a script, which lasts until somebody cancels it or its time is over."""
    request = call.body("job_alloc_req")
    described = request.get("hetjob") or ((request["job"],) if "job" in request else ())
    if not described:
        call.refuse('Specify only one "job" or "hetjob" fields for job allocation', "_job_post_alloc")
    args = {"descriptions": _sent(call, *described)}
    client = call.daemons.own_slurmctld(call.token, call.user)
    try:
        async for part in client.stream("allocate_resources", args):
            job = part.get("job") or {}
            return call.reply("allocate", job_id=part["job_id"], job_submit_user_msg=job.get("user_message") or "")
    except SlurmError as error:
        call.slurm_error(error, "Job allocation request failed", "slurm_allocate_resources()")
    finally:
        client.close()
    return call.failed()


async def update_job(call: Call) -> Reply:
    number, _ = _job_id(call, "op_handler_job")
    try:
        record = call.body("job_desc_msg")
    except Refused:
        if call.newer:
            raise
        text = ERRORS["ESLURM_REST_INVALID_QUERY"]
        call.error(*text, "Rejecting request. Failure parsing job update request.", "_job_post_update")
        call.failure = 500
        return call.reply("update", results=())
    changes = record.to_wire()
    changes.pop("job_id", None)
    try:
        await call.slurmctld.call("update_job", {"job_id": call.path["job_id"] or str(number), "changes": changes})
    except SlurmError as error:
        call.slurm_error(error, "Job update requested failed", "slurm_update_job2()")
    return call.reply("update", results=())


def _signal(call: Call, text: str | None) -> int | None:
    """Its number; None if there is no such signal, which is then in the errors."""
    if not text:
        return 9
    try:
        return signals.parse(text)
    except ValueError:
        if call.plugin.version == "v0.0.40":
            call.error(22, "Invalid argument", "Unknown signal (null)", "#/signal/")
        else:
            call.error(0, "No error", "Unknown signal (null)", "#/signal/")
        return None


#: flag of a request -> the controller's word
_KILL_FLAGS = {"BATCH_JOB": "batch", "FULL_JOB": "full", "FULL_STEPS_ONLY": "steps_only", "HURRY": "hurry"}


def _kill_flags(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_KILL_FLAGS[name] for name in names if name in _KILL_FLAGS)


def _killed(results: Any) -> list[dict[str, Any]]:
    return [
        {
            "error_string": entry["message"],
            "error_code": entry["error"],
            "error_message": entry["message"],
            "step_id": str(entry["job_id"]),
            "job_id": entry["number"] or None,
            "sibling": "",
        }
        for entry in results
        if entry["error"]
    ]


async def delete_job(call: Call) -> Reply:
    asked = call.query()
    _job_id(call, "op_handler_job")
    number = _signal(call, asked.get("signal"))
    if number is None:
        if call.plugin.version in ("v0.0.40", "v0.0.41"):
            return call.reply("kill_job", status=())
        number = 0  # it is told how the job stands, and no signal is sent
    args = {"job_ids": (call.path["job_id"],), "signal": number, "flags": _kill_flags(asked.get("flags", ()))}
    try:
        answer = await call.slurmctld.call("kill_jobs", args)
    except SlurmError as error:
        call.slurm_error(error, "Failure during kill request", "slurm_kill_jobs()")
        return call.reply("kill_job", status=())
    return call.reply("kill_job", status=_killed(answer["jobs"]))


async def delete_jobs(call: Call) -> Reply:
    asked = call.body("kill_jobs_msg")
    number = _signal(call, asked.get("signal"))
    if number is None:
        return call.reply("kill_jobs", status=())
    args: dict[str, Any] = {"signal": number, "flags": _kill_flags(asked.get("flags", ()))}
    for name, theirs in (
        ("account", "account"), ("job_name", "name"), ("nodes", "nodes"), ("partition", "partition"), ("qos", "qos"),
        ("reservation", "reservation"), ("user_name", "user_name"), ("wckey", "wckey"), ("jobs", "job_ids"),
    ):  # fmt: skip
        if asked.get(name):
            args[theirs] = asked[name]
    if asked.get("user_id") is not None:
        args["users"] = (asked["user_id"],)
    if asked.get("job_state") is not None:
        args["states"] = (asked["job_state"],)
    if set(args) == {"signal", "flags"}:
        call.refuse("Refusing to kill every job: no filter was given", "op_handler_jobs")
    try:
        answer = await call.slurmctld.call("kill_jobs", args)
    except SlurmError as error:
        call.slurm_error(error, "Failure during kill request", "slurm_kill_jobs()")
        return call.reply("kill_jobs", status=())
    return call.reply("kill_jobs", status=_killed(answer["jobs"]))


# ---- nodes, partitions, reservations, licenses


async def _listing(call: Call, what: str, failure: str, source: str, where: dict[str, Any] | None = None) -> Reply:
    nodes = what == "nodes"
    if nodes and call.older:
        call.failure = 500
    since = call.query("_dump_nodes" if nodes else "").get("update_time")
    call.failure = 0
    try:
        if await _unchanged(call, what, since):
            return Reply(304, None)
        return await call.dump(call.slurmctld, what, where or {"all": True})
    except SlurmError as error:
        call.slurm_error(error, failure, source)
        return call.failed()


async def get_nodes(call: Call) -> Reply:
    return await _listing(call, "nodes", "Failure to query nodes", "slurm_load_node()")


async def get_node(call: Call) -> Reply:
    name = call.path["node_name"]
    reply = await _listing(call, "nodes", f"Failure to query node {name}", "slurm_load_node()", {"names": (name,)})
    if isinstance(reply.content, bytes) and reply.status == 200 and _is_empty(reply.content):
        call.error(0, "No error", f"Failure to query node {name}", "_dump_nodes")
        return call.failed()
    return reply


async def _one(call: Call, what: str, word: str, name: str, source: str) -> Reply:
    reply = await _listing(call, what, f"Unable to query {word} {name}", source, {"names": (name,), "all": True})
    if isinstance(reply.content, bytes) and reply.status == 200 and _is_empty(reply.content):
        if call.newer and word == "partition":
            call.warn(f"Unable to find partition {name}", "_partition_get")
            return call.failed()
        call.refuse(f"Unable to find {word} {name}", _NEWER_SOURCES.get(source, source) if call.newer else source)
    return reply


_NEWER_SOURCES = {"op_handler_reservation": "_get_single_reservation"}


async def get_partitions(call: Call) -> Reply:
    return await _listing(call, "partitions", "Unable to query partitions", "slurm_load_partitions()")


async def get_partition(call: Call) -> Reply:
    return await _one(call, "partitions", "partition", call.path["partition_name"], "op_handler_partition")


async def get_reservations(call: Call) -> Reply:
    return await _listing(call, "reservations", "Unable to query reservations", "slurm_load_reservations()")


async def get_reservation(call: Call) -> Reply:
    return await _one(call, "reservations", "reservation", call.path["reservation_name"], "op_handler_reservation")


async def get_licenses(call: Call) -> Reply:
    """The cluster's own, then those that slurmdbd lends to it."""
    call.query()
    found: list[LicenseInfo] = []
    columns: tuple[str, ...] = ()
    updated = 0
    try:
        async for part in call.slurmctld.stream("query", {"what": "licenses", "fields": LicenseInfo.FIELDS}):
            columns = part.get("columns", columns)
            updated = part.get("meta", {}).get("last_update", updated)
            found += [LicenseInfo(**dict(zip(columns, row, strict=True))) for row in part.get("rows", ())]
    except SlurmError as error:
        call.slurm_error(error, "Unable to query licenses", "slurm_load_licenses()")
        return call.failed()
    return call.records("licenses", sorted(found, key=lambda one: one.remote), last_update=updated)


async def update_node(call: Call) -> Reply:
    asked = call.body("update_node_msg")
    changes = {
        theirs: asked[name]
        for name, theirs in (
            ("comment", "comment"), ("extra", "extra"), ("features", "features"), ("features_act", "active_features"),
            ("gres", "gres"), ("reason", "reason"), ("resume_after", "resume_after"), ("state", "state"),
            ("weight", "weight"), ("address", "address"), ("hostname", "hostname"), ("cpu_bind", "cpu_binding"),
        )
        if asked.get(name) is not None
    }  # fmt: skip
    if "state" in changes:
        names = call.plugin.dump("node", _node_with(changes["state"]))["state"]
        changes["state"] = names[-1] if names[0] in ("UNKNOWN", "INVALID") else names[0]
    names = call.path.get("node_name") or asked.get("name") or ""
    try:
        await call.slurmctld.call("update_node", {"names": names, "changes": changes})
    except SlurmError as error:
        call.slurm_error(error, "Failure to update node", "slurm_update_node()")
    return call.failed()


def _node_with(state: int) -> Any:
    from slurmpy.core.records.cluster import NodeInfo

    return NodeInfo(state=state)


async def create_node(call: Call) -> Reply:
    """From a line as slurm.conf has it ("NodeName=... State=CLOUD ..."), as scontrol create takes it."""
    line = str(call.body("openapi_create_node_req").get("node_conf") or "")
    if not line and not call.context.errors:
        call.refuse('Populated "node_conf" field is required', call.endpoint.source)
    if call.context.errors:
        return call.failed()
    try:
        await call.slurmctld.call("create_node", {"line": line})
    except SlurmError as error:
        call.slurm_error(error, "Failure to create node", "slurm_create_node()")
    return call.failed()


async def delete_node(call: Call) -> Reply:
    try:
        await call.slurmctld.call("delete_node", {"names": call.path["node_name"]})
    except SlurmError as error:
        call.slurm_error(error, f"Failure to delete node {call.path['node_name']}", "slurm_delete_node()")
    return call.failed()


# ---- slurmctld itself


async def get_diag(call: Call) -> Reply:
    try:
        return await call.dump(call.slurmctld, "stats")
    except SlurmError as error:
        call.slurm_error(error, "slurm_get_statistics() failed to get slurmctld statistics", "slurm_get_statistics()")
        return call.failed()


async def get_ping(call: Call) -> Reply:
    conf = call.daemons.conf
    hosts = [host[0] for host in conf.SlurmctldHost or ()] or ["localhost"]
    pings = []
    for index, host in enumerate(hosts[:1]):
        began = time.monotonic()
        try:
            await call.slurmctld.call("ping", {}, timeout=float(conf.MessageTimeout or 10))
            up, status = True, ""
        except SlurmError as error:
            up, status = False, error.standard or error.message
        pings.append(
            {
                "hostname": host,
                "responding": up,
                "latency": int((time.monotonic() - began) * 1_000_000),
                "mode": "backup" if index else "primary",
                "primary": not index,
                "status": status,
            }
        )
    return call.reply("pings", pings=pings)


async def get_shares(call: Call) -> Reply:
    asked = call.query()
    users, accounts = asked.get("users") or (), asked.get("accounts") or ()
    try:
        rows = await _shares(call)
        labels = await _tres_labels(call)
    except SlurmError as error:
        call.slurm_error(error, "slurm_associations_get_shares() failed", "slurm_associations_get_shares()")
        return call.failed()
    chosen = [
        row
        for row in rows
        if (not users or not row["user"] or row["user"] in users) and (not accounts or row["account"] in accounts)
    ]
    found = fair_shares.documents(chosen, str(call.daemons.conf.ClusterName or ""), labels)
    return call.reply("shares", shares={"shares": tuple(found), "total_shares": 0})


async def _shares(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    columns: tuple[str, ...] = ()
    async for part in call.slurmctld.stream("query", {"what": "shares"}):
        columns = part.get("columns", columns)
        found.extend(dict(zip(columns, row, strict=True)) for row in part.get("rows", ()))
    return found


async def _tres_labels(call: Call) -> list[str]:
    """Every TRES of the database in the order of their numbers; none without a database."""
    found: list[str] = []
    try:
        fields = ("type", "name")
        async for part in call.slurmdbd.stream("query", {"what": "tres", "fields": fields, "where": {}}):
            found.extend(f"{type}/{name}" if name else type for type, name in part.get("rows", ()))
    except SlurmError:
        return []
    return found


async def get_reconfigure(call: Call) -> Reply:
    try:
        await call.slurmctld.call("reconfigure", {})
    except SlurmError as error:
        call.slurm_error(error, "slurm_reconfigure() failed", "slurm_reconfigure()")
    return call.failed()
