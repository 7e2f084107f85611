"""The endpoints of v0.0.37 and v0.0.38 under /slurmdb/ that change something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser.errors import Context, ParseFailed

from . import loading
from . import slurmdbd as newer
from .call import Call, Reply
from .flat import answer, empty, number_of, parser_error, told
from .flat_slurmdbd import association_where, failed, nothing
from .slurmdbd_changes import wckeys_removed

Where = dict[str, Any]

# ---- what a body holds


class Kind:
    """A list in a body: its ``key``, the parser's ``type``, the ``required`` properties, the real daemon's ``function``
    that errors name; ``lacking`` is the status for a body without it, ``refused`` that of an entry that lacks
    something. ``entry`` is the error for an entry that is no object."""

    def __init__(
        self,
        key: str,
        type: str,
        function: str,
        put: Callable[[Call, list[Any]], Awaitable[None]],
        *,
        entry: dict[str, Any],
        required: tuple[str, ...] = (),
        lacking: int = 400,
        refused: int = 500,
        entry_status: int = 400,
    ) -> None:
        self.key = key
        self.type = type
        self.function = function
        self.put = put
        self.entry = entry
        self.required = required
        self.lacking = lacking
        self.refused = refused
        self.entry_status = entry_status


def _each(put: Callable[[Call, Any], Awaitable[None]]) -> Callable[[Call, list[Any]], Awaitable[None]]:
    async def all(call: Call, found: list[Any]) -> None:
        for record in found:
            await put(call, record)

    return all


def _query_error(description: str) -> dict[str, Any]:
    return {"description": description, "error_number": 9000, "error": "Query empty or not RFC7320 compliant"}


_NOT_SUPPORTED = SlurmError("ESLURM_NOT_SUPPORTED")

ACCOUNTS = Kind(
    "accounts", "account", "slurmdb_accounts_add", _each(loading.account),
    entry=_query_error("each account entry must be a dictionary"), lacking=200,
)  # fmt: skip
USERS = Kind(
    "users", "user", "slurmdb_users_add", _each(loading.user), required=("name",),
    entry={
        "description": "each user entry must be a dictionary", "error_number": _NOT_SUPPORTED.number,
        "error": _NOT_SUPPORTED.standard,
    },
)  # fmt: skip
ASSOCIATIONS = Kind(
    "associations", "assoc", "slurmdb_associations_add", _each(loading.association), required=("account",),
    entry=_query_error("Associations must be a list of dictionaries"), lacking=200, refused=400,
)  # fmt: skip
QOS = Kind("QOS", "qos", "slurmdb_qos_add", loading.qos, entry=_query_error("each QOS entry must be a dictionary"))
WCKEYS = Kind(
    "wckeys", "wckey", "slurmdb_wckeys_add", _each(loading.wckey), required=("cluster", "id", "name", "user"),
    entry={"field": "wckey", "error": "each wckey entry must be a dictionary"},
)  # fmt: skip
CLUSTERS = Kind(
    "clusters", "cluster_rec", "slurmdb_clusters_add", _each(loading.cluster),
    entry=_query_error("each cluster entry must be a dictionary"), lacking=200, entry_status=200,
)  # fmt: skip

#: of accounts; no list of their own
COORDINATORS = Kind("", "", "slurmdb_coord_add", _each(loading.account), entry={})


def _entries(call: Call, kind: Kind) -> list[Any] | None:
    """The list of the body; None with the error noted."""
    body = call.raw_body if isinstance(call.raw_body, dict) else {}
    found = body.get(kind.key)
    if found is None:
        parser_error(call, "ESLURM_DATA_PATH_NOT_FOUND", "Query parameter not found", kind.key)
    elif not isinstance(found, list):
        parser_error(call, "ESLURM_DATA_PATH_NOT_FOUND", "Query parameter must be a list", kind.key)
        found = None
    return found


_LEVELS = ("None", "Operator", "Administrator", "Not Set")


def _record(call: Call, kind: Kind, entry: Any) -> tuple[Any, int]:
    """(the record, 0), or (None, the status) with the error noted."""
    if not isinstance(entry, dict):
        told(call, **kind.entry)
        return None, kind.entry_status
    for name in kind.required:
        # the oldest version misses without a word, and WCKeys have no number there
        if entry.get(name) is None and (name != "id" or call.plugin.version != "v0.0.37"):
            if call.plugin.version != "v0.0.37":
                told(call, description=f"Missing required field '{name}'", source="_parser_run")
            return _unspecified(call, kind)
    if kind is ACCOUNTS and not entry.get("name"):
        return _unspecified(call, kind)
    if kind is CLUSTERS and not entry.get("name"):
        return _unspecified(call, kind)
    if kind is QOS and not entry.get("name"):
        parser_error(
            call, "ESLURM_REST_INVALID_QUERY", "Cannot create a QOS without a name", "_foreach_update_qos",
        )  # fmt: skip
        return None, 400
    if kind is ASSOCIATIONS and "user" not in entry:
        told(call, description="Missing required field 'user'", source="_parser_run")  # of an account: taken so
    if kind is USERS and entry.get("administrator_level", "None") not in _LEVELS:
        if call.plugin.version == "v0.0.37":  # which takes a level that it does not know for none
            return _record(call, kind, {name: value for name, value in entry.items() if name != "administrator_level"})
        return _unparsed(call, kind, "administrator_level", "ESLURM_REST_FAIL_PARSING")
    context = Context(call.plugin.version, call.plugin.flags)
    try:
        found = call.plugin.parse(kind.type, entry, context)
    except ParseFailed:
        notes = context.errors or context.warnings
        return _unparsed(call, kind, notes[-1]["source"].strip("#/"), "ESLURM_DATA_CONV_FAILED")
    if context.errors:
        place = context.errors[0]["source"].strip("#/").partition("[")[0]
        parser_error(call, "ESLURM_REST_FAIL_PARSING", "Unknown flag", place)
        return _unparsed(call, kind, place, "ESLURM_REST_FAIL_PARSING")
    if kind is ACCOUNTS:
        for name in ("description", "organization"):
            if name not in entry:
                setattr(found, name, found.name)
    return found, 0


def _unspecified(call: Call, kind: Kind) -> tuple[None, int]:
    told(call, error_number=-1, error="Unspecified error", source=kind.function)
    return None, kind.refused


def _unparsed(call: Call, kind: Kind, place: str, name: str) -> tuple[None, int]:
    parser_error(call, name, f"Failed to parse field '{place}'", "_parser_run")
    if kind is CLUSTERS:
        return _unspecified(call, kind)
    return None, 400


def _read(call: Call, kind: Kind) -> tuple[list[Any] | None, int]:
    """The records that a body lists, all of them or none: (None, status) with the error noted."""
    entries = _entries(call, kind)
    if entries is None:
        return None, kind.lacking
    found = []
    for entry in entries:
        record, status = _record(call, kind, entry)
        if status:
            return None, status
        found.append(record)
    return found, 200


async def _put(call: Call, kind: Kind, found: list[Any]) -> int:
    """The status; 200 when all is there."""
    try:
        if kind is ASSOCIATIONS:
            await newer._learn(call)
        if call.together is not None:
            call.together.label = kind
        await kind.put(call, found)
    except SlurmError as error:
        return _refused(call, kind, error)
    return 200


def _refused(call: Call, kind: Kind, error: SlurmError) -> int:
    number, text = number_of(error)
    told(call, error_number=number, error=text, source=kind.function)
    return 400 if kind is ASSOCIATIONS and error.name != "ESLURM_ACCESS_DENIED" else 500


def _post(kind: Kind) -> Callable[[Call], Awaitable[Reply]]:
    async def post(call: Call) -> Reply:
        found, status = _read(call, kind)
        if found:
            status = await _put(call, kind, found)
        return empty(call, status)

    return post


post_accounts = _post(ACCOUNTS)
post_users = _post(USERS)
post_associations = _post(ASSOCIATIONS)
post_qos = _post(QOS)
post_wckeys = _post(WCKEYS)
post_clusters = _post(CLUSTERS)


async def post_tres(call: Call) -> Reply:
    told(
        call, description="Updating TRES is not currently supported.", error_number=_NOT_SUPPORTED.number,
        error=_NOT_SUPPORTED.standard,
    )  # fmt: skip
    return empty(call)


async def post_config(call: Call) -> Reply:
    """All kinds in one body, in the order in which they need each other: all of it, or nothing."""
    oldest = call.plugin.version == "v0.0.37"
    parts: list[tuple[Kind, list[Any]]] = []
    status = 200
    for kind in (CLUSTERS, ACCOUNTS, USERS, QOS, WCKEYS, ASSOCIATIONS):
        if oldest and kind in (QOS, WCKEYS, ASSOCIATIONS) and not _has(call, kind):
            continue  # not missed there
        found, status = _read(call, kind)
        status = 200 if found is None and oldest and not _has(call, kind) else status
        if status != 200:
            break
        parts.append((kind, found or []))
    if status == 200:
        status = await _put_together(call, parts)
    if status != 200:
        last = call.context.errors[-1]
        if last.get("error_number") == -1:
            told(call, description="refusing to commit after error", error_number=-1, error="Unspecified error")
        else:
            told(call, **_query_error("refusing to commit after error"))
    return empty(call, status)


async def _put_together(call: Call, parts: list[tuple[Kind, list[Any]]]) -> int:
    """All of them, or nothing; the status."""
    call.together = loading.Together()
    # WCKeys hang on users, and users' default accounts on associations
    for kind, found in sorted(parts, key=lambda part: part[0] is WCKEYS):
        status = await _put(call, kind, found)
        if status != 200:
            return status
    for kind, found in parts:
        if kind is ACCOUNTS:
            call.together.label = COORDINATORS
            await loading.coordinators(call, found)
    try:
        await call.together.commit(call)
    except SlurmError as error:
        return _refused(call, call.together.label, error)
    return 200


def _has(call: Call, kind: Kind) -> bool:
    return isinstance(call.raw_body, dict) and kind.key in call.raw_body


# ---- deletions

_UNCHANGED = (1900, "Data has not changed since time specified")


async def _delete(call: Call, method: str, args: Where, function: str) -> dict[str, Any] | None:
    """The daemon's answer; None with the error noted."""
    try:
        found: dict[str, Any] = await call.slurmdbd.call(method, {"commit": True, **args}) or {}
        return found
    except SlurmError as error:
        number, text = number_of(error)
        told(call, error_number=number, error=text, source=function)
        return None


async def delete_account(call: Call) -> Reply:
    function = "slurmdb_accounts_remove"
    found = await _delete(call, "delete_accounts", {"where": {"names": (call.path["account_name"],)}}, function)
    if found is None:
        return empty(call)
    gone = tuple(found.get("accounts", ()))
    if not gone:
        told(call, error_number=_UNCHANGED[0], error=_UNCHANGED[1], source=function)
        return empty(call, 200)
    return answer(call, "associations_removed", removed_associations=gone)


async def delete_user(call: Call) -> Reply:
    where = {"names": (call.path["user_name"],)}
    found = await _delete(call, "delete_users", {"where": where}, "slurmdb_users_remove")
    if found is None:
        return empty(call)
    gone = tuple(found.get("users", ()))
    return answer(call, "users_removed", removed_users=gone) if gone else Reply(304, None)


async def delete_qos(call: Call) -> Reply:
    """The older version of 22.05 ends itself here."""
    where = {"names": (call.path["qos_name"],)}
    found = await _delete(call, "delete_qos", {"where": where}, "slurmdb_qos_remove")
    if found is None:
        return empty(call)
    gone = tuple(found.get("names", ()))
    if not gone:
        nothing(call, "slurmdb_qos_remove")
        return empty(call)
    return answer(call, "qos_removed", removed_qos=gone)


async def delete_cluster(call: Call) -> Reply:
    where = {"names": (call.path["cluster_name"],)}
    found = await _delete(call, "delete_clusters", {"where": where}, "slurmdb_clusters_remove")
    if found is None:
        return empty(call)
    gone = tuple(found.get("names", ()))
    return answer(call, "clusters_removed", removed_clusters=gone) if gone else Reply(304, None)


async def delete_wckey(call: Call) -> Reply:
    function = "slurmdb_wckeys_remove"
    try:
        rows = await newer.rows(call, "wckeys", {"names": (call.path["wckey"],)})
    except SlurmError as error:
        return failed(call, error, function)
    ids = tuple((row["cluster"], row["id"]) for row in rows)
    found = await _delete(call, "delete_wckeys", {"ids": ids}, function) if ids else {}
    if found is None:
        return empty(call)
    gone = wckeys_removed(found)
    if not gone:
        nothing(call, function)
        return answer(call, "wckeys_removed", 500, deleted_wckeys=())
    return answer(call, "wckeys_removed", deleted_wckeys=gone)


async def delete_association(call: Call) -> Reply:
    return await _delete_associations(call, True)


async def delete_associations(call: Call) -> Reply:
    return await _delete_associations(call, False)


async def _delete_associations(call: Call, one: bool) -> Reply:
    """What the query chooses; without a query nothing is, though 22.05 would take everything."""
    function = "slurmdb_associations_remove"
    where = association_where(call)
    if not where:
        parser_error(call, "ESLURM_REST_INVALID_QUERY", "Refusing to remove every association", function)
        return answer(call, "associations_removed", 500, removed_associations=())
    if where.get("users") == ("",):
        del where["users"]
    try:
        found = await newer.rows(call, "associations", where)
    except SlurmError as error:
        return failed(call, error, function, "associations_removed", removed_associations=())
    if call.raw_query.get("user", None) == "":
        found = [row for row in found if not row["user"]]
    if not found:
        if call.plugin.version == "v0.0.37" and not {"account", "user"} <= set(call.raw_query):
            nothing(call, function)
            return empty(call)
        return Reply(304, None)
    if one and len(found) > 1:
        description = "Ambiguous request: More than 1 association would have been deleted."
        parser_error(call, "ESLURM_REST_INVALID_QUERY", description)
        return answer(call, "associations_removed", 400, removed_associations=())
    users = [row for row in found if row["user"]]
    narrowed: Where = {
        "names": tuple({row["user"] if users else row["account"] for row in found}),
        "clusters": tuple({row["cluster"] for row in found}),
    }
    if users:
        narrowed["accounts"] = tuple({row["account"] for row in users})
        partitions = tuple({row["partition"] for row in users if row["partition"]})
        if partitions:
            narrowed["partitions"] = partitions
    method = "delete_users" if users else "delete_accounts"
    done = await _delete(call, method, {"where": narrowed, "only_associations": True}, function)
    if done is None:
        last = call.context.errors[-1]
        told(
            call, description="unable to query associations", error_number=last["error_number"], error=last["error"],
        )  # fmt: skip
        return answer(call, "associations_removed", 500, removed_associations=())
    from .slurmdbd_changes import _line

    gone = tuple(_line(one) for one in done.get("assocs", ()))
    return answer(call, "associations_removed", removed_associations=gone) if gone else Reply(304, None)
