"""The documents around the records: meta, errors, then what was asked for."""

from __future__ import annotations

from ..lists import ListOf
from ..tables import Field as F
from ..types import STRING, Type
from . import accounts, cluster, jobs, past_jobs
from .types import INT, TEXT, TEXTS, FlatTable, Plain

#: the release whose documents these are
RELEASE = "22.05.8"
_NUMBERS = tuple(int(part) for part in RELEASE.split("."))

_ERROR_TEXT = {"error_number": {"type": "integer"}, "error": {"type": "string"}}
_DB_ERROR_TEXT = {**_ERROR_TEXT, "source": {"type": "string"}, "description": {"type": "string"}}
ERROR = Plain("error", {"type": "object", "properties": _ERROR_TEXT})
DB_ERROR = Plain("db_error", {"type": "object", "properties": _DB_ERROR_TEXT})


class _Errors(ListOf):
    """At most what a request has met; each may have properties of its own."""


ERRORS = _Errors(ERROR)
DB_ERRORS = _Errors(DB_ERROR)


def meta(version: str, family: str) -> FlatTable:
    """Who answers: the release and the plugin of the family ("slurm" or "slurmdb")."""
    db = family == "slurmdb"
    type = f"openapi/{'db' if db else ''}{version}"
    name = f"Slurm OpenAPI {'DB ' if db else ''}{version}"
    text = {"type": "string"}
    return FlatTable(
        "db_meta" if db else "meta",
        dict,
        (
            F("plugin/type", STRING, get=lambda _: type),
            F("plugin/name", STRING, get=lambda _: name),
            F("Slurm/version/major", INT, get=lambda _: _NUMBERS[0]),
            F("Slurm/version/micro", INT, get=lambda _: _NUMBERS[2]),
            F("Slurm/version/minor", INT, get=lambda _: _NUMBERS[1]),
            F("Slurm/release", STRING, get=lambda _: RELEASE),
        ),
        documented={f"Slurm/version/{part}": text for part in ("major", "micro", "minor")},
    )


#: kind of answer -> (family, key, type of what is under it); "" where there is nothing but errors
KINDS: dict[str, tuple[str, str, Type | None]] = {
    "jobs": ("slurm", "jobs", ListOf(jobs.JOB_INFO)),
    "nodes": ("slurm", "nodes", ListOf(cluster.NODE)),
    "partitions": ("slurm", "partitions", ListOf(cluster.PARTITION)),
    "reservations": ("slurm", "reservations", ListOf(cluster.RESERVATION)),
    "licenses": ("slurm", "licenses", ListOf(cluster.LICENSE)),
    "pings": ("slurm", "pings", ListOf(cluster.PING)),
    "diag": ("slurm", "statistics", cluster.STATISTICS),
    "none": ("slurm", "", None),
    "slurmdb_none": ("slurmdb", "", None),
    "slurmdb_jobs": ("slurmdb", "jobs", ListOf(past_jobs.JOB)),
    "slurmdb_diag": ("slurmdb", "statistics", accounts.STATISTICS),
    "accounts": ("slurmdb", "accounts", ListOf(accounts.ACCOUNT)),
    "users": ("slurmdb", "users", ListOf(accounts.USER)),
    "associations": ("slurmdb", "associations", ListOf(accounts.ASSOCIATION)),
    "qos": ("slurmdb", "QOS", ListOf(accounts.QOS)),
    "clusters": ("slurmdb", "clusters", ListOf(accounts.CLUSTER)),
    "wckeys": ("slurmdb", "wckeys", ListOf(accounts.WCKEY)),
    "tres": ("slurmdb", "TRES", ListOf(accounts.TRES_RECORD)),
    "associations_removed": ("slurmdb", "removed_associations", TEXTS),
    "users_removed": ("slurmdb", "removed_users", TEXTS),
    "qos_removed": ("slurmdb", "removed_qos", TEXTS),
    "clusters_removed": ("slurmdb", "removed_clusters", TEXTS),
    "wckeys_removed": ("slurmdb", "deleted_wckeys", TEXTS),
}


def envelopes(version: str) -> dict[str, FlatTable]:
    """The document of each kind of answer; what is asked for is the field behind meta and errors."""
    heads = {
        family: (F("meta", meta(version, family)), F("errors", ERRORS if family == "slurm" else DB_ERRORS))
        for family in ("slurm", "slurmdb")
    }
    found = {
        kind: FlatTable(f"{kind}_answer", dict, (*heads[family], *((F(key, type, key.lower()),) if type else ())))
        for kind, (family, key, type) in KINDS.items()
    }
    found["submit"] = FlatTable(
        "submit_answer", dict, (*heads["slurm"], F("job_id", INT), F("step_id", TEXT), F("job_submit_user_msg", TEXT))
    )
    parts = ("clusters", "tres", "accounts", "users", "qos", "wckeys", "associations")
    lists = [(part, *KINDS[part][1:]) for part in parts]
    found["config"] = FlatTable(
        "config_answer", dict, (*heads["slurmdb"], *(F(key, type, part) for part, key, type in lists if type))
    )
    return found
