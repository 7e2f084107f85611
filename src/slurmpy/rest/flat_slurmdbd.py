"""The endpoints of v0.0.37 and v0.0.38 under /slurmdb/: accounts, users, associations, QOS, jobs of the past."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from slurmpy.core import times
from slurmpy.core.errors import SlurmError
from slurmpy.core.records import accounting as records
from slurmpy.data_parser.errors import Context
from slurmpy.data_parser.kinds import JOB_STATE

from . import slurmdbd as newer
from . import slurmdbd_diag
from .call import Call, Reply
from .flat import answer, empty, number_of, parser_error, told
from .slurmdbd_jobs import job_id

Where = dict[str, Any]

# ---- what the endpoints share


def nothing(call: Call, function: str) -> None:
    parser_error(call, "ESLURM_REST_EMPTY_RESULT", "Nothing found", function)


def failed(call: Call, error: SlurmError, function: str, kind: str = "slurmdb_none", **values: Any) -> Reply:
    number, text = number_of(error)
    told(call, error_number=number, error=text, source=function)
    return answer(call, kind, 500, **values)


async def _listed(
    call: Call, kind: str, function: str, found: Awaitable[list[Any]], *, status: int = 500, bare: bool = False
) -> Reply:
    """The list that ``found`` brings; none at all is an error with that status, told with the empty list unless
    ``bare``."""
    values: dict[str, Any] = {kind: ()}
    try:
        values[kind] = tuple(await found)
    except SlurmError as error:
        return failed(call, error, function, kind, **values)
    if not values[kind] and status:
        nothing(call, function)
        return empty(call, status) if bare else answer(call, kind, status, **values)
    return answer(call, kind, **values)


def _flags(call: Call) -> Where | None:
    """What ``with_deleted`` asks for; None, with the error noted, for any other word. The older version hears none."""
    if call.plugin.version == "v0.0.37":
        return {}
    if set(call.raw_query) - {"with_deleted"}:
        parser_error(call, "ESLURM_REST_INVALID_QUERY", "Unknown query field")
        return None
    return {"with_deleted": True} if call.raw_query.get("with_deleted", "").lower() in _TRUE else {}


_TRUE = ("true", "yes", "1", "on", "t", "y")

# ---- accounts, users


async def get_accounts(call: Call) -> Reply:
    """A word that is not known is told, and the list given all the same."""
    where = _flags(call) or {}
    return await _listed(call, "accounts", "slurmdb_accounts_get", newer._accounts(call, where, True, True))


async def get_account(call: Call) -> Reply:
    where = (_flags(call) or {}) | {"names": (call.path["account_name"],)}
    return await _listed(call, "accounts", "slurmdb_accounts_get", newer._accounts(call, where, True, True))


async def get_users(call: Call) -> Reply:
    where = _flags(call)
    if where is None:
        return empty(call, 400)
    return await _listed(call, "users", "slurmdb_users_get", newer._users(call, where, True, True, True))


async def get_user(call: Call) -> Reply:
    where = _flags(call)
    if where is None:
        return empty(call, 400)
    where["names"] = (call.path["user_name"],)
    return await _listed(call, "users", "slurmdb_users_get", newer._users(call, where, True, True, True))


# ---- associations, QOS, clusters, WCKeys, TRES


def association_where(call: Call) -> Where:
    """By cluster, account, user and partition; an empty one is that of an account itself. Other words say nothing."""
    asked = call.raw_query
    where: Where = {}
    if call.plugin.version == "v0.0.37" and call.endpoint.path == "/associations":
        return where  # it knows none there
    for name, theirs in (("cluster", "clusters"), ("account", "accounts"), ("partition", "partitions")):
        if asked.get(name):
            where[theirs] = (asked[name],)
    if "user" in asked:
        where["users"] = (asked["user"],)
    return where


async def found_associations(call: Call) -> list[Any]:
    await newer._learn(call)
    where = association_where(call)
    accounts_alone = where.get("users") == ("",)
    if accounts_alone:
        del where["users"]
    found = await newer._simple(call, "associations", records.Association, where)
    return [one for one in found if not one.user] if accounts_alone else found


async def get_associations(call: Call) -> Reply:
    return await _listed(call, "associations", "slurmdb_associations_get", found_associations(call), bare=True)


async def get_association(call: Call) -> Reply:
    try:
        found = await found_associations(call)
    except SlurmError as error:
        return failed(call, error, "slurmdb_associations_get", "associations", associations=())
    if len(found) > 1 and call.plugin.version != "v0.0.37":
        description = "Ambiguous request: More than 1 association would have been dumped."
        parser_error(call, "ESLURM_REST_INVALID_QUERY", description)
        return answer(call, "associations", 400, associations=())
    if not found:
        nothing(call, "slurmdb_associations_get")
        return empty(call)
    return answer(call, "associations", associations=found)


async def _qos(call: Call, where: Where) -> list[Any]:
    await newer._learn(call)
    return await newer._simple(call, "qos", records.Qos, where)


async def get_qos(call: Call) -> Reply:
    where = _flags(call)
    if where is None:
        return empty(call, 400)
    return await _listed(call, "qos", "slurmdb_qos_get", _qos(call, where))


async def get_single_qos(call: Call) -> Reply:
    """No error if there is none: an empty list."""
    where = _flags(call)
    if where is None:
        return empty(call, 400)
    where["names"] = (call.path["qos_name"],)
    return await _listed(call, "qos", "slurmdb_qos_get", _qos(call, where), status=0)


async def get_clusters(call: Call) -> Reply:
    return await _listed(call, "clusters", "slurmdb_clusters_get", newer._clusters(call, {}))


async def get_cluster(call: Call) -> Reply:
    where = {"names": (call.path["cluster_name"],)}
    return await _listed(call, "clusters", "slurmdb_clusters_get", newer._clusters(call, where))


async def get_wckeys(call: Call) -> Reply:
    return await _listed(call, "wckeys", "slurmdb_wckeys_get", newer._all_wckeys(call, {}))


async def get_wckey(call: Call) -> Reply:
    where = {"names": (call.path["wckey"],)}
    return await _listed(call, "wckeys", "slurmdb_wckeys_get", newer._all_wckeys(call, where))


async def get_tres(call: Call) -> Reply:
    return await _listed(call, "tres", "slurmdb_tres_get", newer._tres(call))


async def get_config(call: Call) -> Reply:
    """Everything in one document. What may not be seen is left out and told; the rest is there."""
    await _learned(call)
    parts: tuple[tuple[str, str, Callable[[], Awaitable[list[Any]]]], ...] = (
        ("clusters", "slurmdb_clusters_get", lambda: newer._clusters(call, {})),
        ("tres", "slurmdb_tres_get", lambda: newer._tres(call)),
        ("accounts", "slurmdb_accounts_get", lambda: newer._accounts(call, {}, True, True)),
        ("users", "slurmdb_users_get", lambda: newer._users(call, {}, True, True, True)),
        ("qos", "slurmdb_qos_get", lambda: newer._simple(call, "qos", records.Qos)),
        ("wckeys", "slurmdb_wckeys_get", lambda: newer._all_wckeys(call, {})),
        ("associations", "slurmdb_associations_get", lambda: newer._simple(call, "associations", records.Association)),
    )
    found: dict[str, Any] = {}
    status = 200
    for key, function, read in parts:
        try:
            found[key] = tuple(await read())
        except SlurmError as error:
            number, text = number_of(error)
            told(call, error_number=number, error=text, source=function)
            status = 500
            break
    return answer(call, "config", status, **found)


async def _learned(call: Call) -> None:
    try:
        await newer._learn(call)
    except SlurmError:
        return  # the first list will tell


# ---- jobs


class _BadQuery(Exception):
    pass


def _bad(call: Call, description: str, source: str = "") -> _BadQuery:
    parser_error(call, "ESLURM_REST_INVALID_QUERY", description, source)
    return _BadQuery()


_LISTS = {
    "account": "accounts", "cluster": "clusters", "constraints": "constraints", "job_name": "names",
    "partition": "partitions", "qos": "qos", "reservation": "reservations", "wckey": "wckeys",
}  # fmt: skip
#: taken as numbers
_NUMBERS = ("cpus_max", "cpus_min", "exit_code", "nodes_max", "nodes_min")
_KNOWN = {
    *_LISTS, *_NUMBERS, "association", "reason", "state", "step", "node", "start_time", "end_time", "submit_time",
    "skip_steps", "disable_wait_for_result", "format",
}  # fmt: skip


def _time(call: Call, name: str) -> int:
    text = call.raw_query[name]
    if text.isdecimal():
        return int(text)
    try:
        return times.parse_time(text, int(time.time()), True)
    except ValueError:
        raise _bad(call, "Unable to parse time format", name) from None


def _states(call: Call, text: str) -> tuple[int, ...]:
    context = Context()
    found = [JOB_STATE.parse([word], "", context) for word in text.split(",") if word]
    if context.errors and call.plugin.version != "v0.0.37":
        raise _bad(call, "Unable to parse CSV list", "state")
    return (-1,) if context.errors else tuple(found)  # the oldest looks for what nothing is in


def _jobs_where(call: Call) -> Where:
    """Raises _BadQuery with the error noted."""
    asked = call.raw_query
    if set(asked) - _KNOWN:
        raise _bad(call, "Unknown Query field")
    where: Where = {theirs: tuple(asked[name].split(",")) for name, theirs in _LISTS.items() if asked.get(name)}
    for name in _NUMBERS:
        if name in asked and not asked[name].lstrip("-").isdecimal():
            raise _bad(call, "must be an integer", name)
    if "exit_code" in asked:
        raise _bad(call, "not supported", "exit_code")
    for name, theirs in (("cpus", "cpus"), ("nodes", "node_counts")):
        if f"{name}_min" in asked or f"{name}_max" in asked:
            most = asked.get(f"{name}_max")
            where[theirs] = (int(asked.get(f"{name}_min", 0)), None if most is None else int(most))
    if asked.get("association"):
        where["associations"] = tuple(int(word) if word.isdecimal() else 0 for word in asked["association"].split(","))
    if asked.get("step"):
        chosen = [job_id(word.partition(".")[0]) for word in asked["step"].split(",")]
        if None in chosen:
            raise _bad(call, "Unable to parse CSV list", "step")
        where["jobs"] = tuple(chosen)
    if asked.get("reason"):
        where["reasons"] = tuple(asked["reason"].split(","))
    if asked.get("node"):
        where["nodes"] = asked["node"]
    now = int(time.time())
    if "start_time" in asked:
        where["start"] = _time(call, "start_time")
    elif "jobs" not in where:
        where["start"] = now - now % 86400
    if "end_time" in asked:
        where["end"] = _time(call, "end_time")
    if asked.get("state"):
        where["states"] = _states(call, asked["state"])
        where.setdefault("end", where.get("start", now))  # the state of one moment, as with sacct
    if asked.get("skip_steps", "").lower() in _TRUE:
        where["allocations"] = True
    return where


async def get_jobs(call: Call) -> Reply:
    try:
        where = _jobs_where(call)
    except _BadQuery:
        return empty(call)
    return await _jobs(call, where)


async def get_job(call: Call) -> Reply:
    """22.05 ends itself when that is no number; here it finds nothing."""
    chosen = job_id(call.path["job_id"])
    if chosen is None:
        nothing(call, "slurmdb_jobs_get")
        return answer(call, "slurmdb_jobs", jobs=())
    return await _jobs(call, {"jobs": (chosen,)})


async def _jobs(call: Call, where: Where) -> Reply:
    try:
        reply = await call.dump(call.slurmdbd, "jobs", {**where, "order": "job_id"})
    except SlurmError as error:
        return failed(call, error, "slurmdb_jobs_get", "slurmdb_jobs", jobs=())
    from .flat_slurmctld import _has_none

    if isinstance(reply.content, bytes) and _has_none(reply.content, "jobs"):
        nothing(call, "slurmdb_jobs_get")
        return answer(call, "slurmdb_jobs", jobs=())
    return reply


# ---- slurmdbd itself


async def get_diag(call: Call) -> Reply:
    try:
        found = await call.slurmdbd.call("stats", {})
    except SlurmError as error:
        return failed(call, error, "slurmdb_get_stats")
    return answer(call, "slurmdb_diag", statistics=slurmdbd_diag.statistics(found))
