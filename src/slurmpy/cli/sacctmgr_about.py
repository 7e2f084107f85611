"""``sacctmgr show`` of what is no list: runaway jobs, configuration, statistics."""

from __future__ import annotations

import sys
import time

from .errors import Stop, line
from .sacctmgr_words import NAME, Specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .sacctmgr import Session

    Row = dict[str, Any]


SYSTEM_CONF = "/etc/slurm/slurm.conf"


def runaway(session: Session, specs: Specs, columns: Sequence[Any]) -> int:
    """Jobs that slurmdbd holds open and slurmctld does not know; offers to end them."""
    from ..core.states import JobState
    from ..format import sacctmgr_fields

    own = str(session.cluster.conf.ClusterName).lower()
    clusters = specs.where.get("clusters") or (own,)
    if len(clusters) > 1:
        raise Stop(1, err=line(NAME, "You can only fix runaway jobs on one cluster at a time."))
    if not session.is_operator():
        raise Stop(1, err=line(NAME, "You must have an AdminLevel>=Operator to fix runaway jobs"))
    for cluster in clusters:
        fields = ("db_index", "job_id", "name", "partition", "job_state", "submit_time", "start_time", "end_time")
        where = {
            "clusters": (cluster,),
            "states": (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED),
            "start": session.now,
            "end": session.now,
            "duplicates": True,
        }
        rows = [row for row in session.query("jobs", where, fields).dicts() if not row["end_time"]]
        known: set[int] = set()
        if rows and cluster == own:
            known = {row[0] for row in session.cluster.query("jobs", ("job_id",), {"all": True}).rows}
        gone = [row for row in rows if row["job_id"] not in known] if cluster == own else []
        if not gone:
            session.write(f"Runaway Jobs: No runaway jobs found on cluster {cluster}\n")
            continue
        session.write(
            "NOTE: Runaway jobs are jobs that don't exist in the controller but have a start time and no end time"
            " in the database\n"
        )
        for row in gone:
            row["cluster"] = cluster
            row["state"] = JobState.NAMES.get(row["job_state"] & 0xFF, ("?",))[0]
        session.write(
            "".join(
                sacctmgr_fields.render(columns, gone, session.separator, session.trailing, header=not session.noheader)
            )
        )
        question = (
            "\nWould you like to fix these runaway jobs?\n"
            "(This will set the end time for each job to the latest out of the start, eligible, or submit times, and"
            " set the state to completed.\nOnce corrected, this will trigger the rollup to reroll usage from before the"
            " earliest submit time of all the runaway jobs.)\n\n"
        )
        if session.readonly:
            raise Stop(1, err="Can't run this command in readonly mode.\n")
        if not session.immediate and not session.ask(question):
            session.write("Changes Discarded\n")
        else:
            session.call("fix_runaway_jobs", {"cluster": cluster, "db_indexes": tuple(row["db_index"] for row in gone)})
    return 0


def configuration(session: Session) -> int:
    conf = session.cluster.conf
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(session.now))
    rows: list[tuple[str, str]] = [
        ("AccountingStorageBackupHost", str(conf.AccountingStorageBackupHost or "(null)") + "\0"),
        ("AccountingStorageHost", str(conf.AccountingStorageHost or "localhost") + "\0"),
        ("AccountingStorageParameters", _null(conf.AccountingStorageParameters)),
        ("AccountingStoragePass", "(null)"),
        ("AccountingStoragePort", str(conf.AccountingStoragePort) + "\0"),
        ("AccountingStorageType", str(conf.AccountingStorageType) + "\0"),
        ("AccountingStorageUser", "N/A\0"),
        ("AuthType", str(conf.AuthType)),
        ("MessageTimeout", f"{conf.MessageTimeout} sec"),
        ("PluginDir", str(conf.PluginDir)),
        ("PrivateData", str(conf.PrivateData or "none")),
        ("SlurmUserId", _user(str(conf.SlurmUser or "root"))),
        ("SLURM_CONF", SYSTEM_CONF),  # as in Slurm: where it is by default, whatever the variable says
        ("SLURM_VERSION", _release()),
        ("TCPTimeout", f"{conf.TCPTimeout} sec"),
        ("TrackWCKey", "Yes" if conf.TrackWCKey else "No"),
    ]
    out = f"Configuration data as of {now}\n"
    for name, value in rows:
        # some lines of the original have a blank of their own before the sign
        out += f"{name}  = {value[:-1]}\n" if value.endswith("\0") else f"{name:<22} = {value}\n"
    out += "\nSlurmDBD configuration:\n"
    for name, value in session.call("config", {})["rows"]:
        out += f"{name:<22} = {value}\n"
    session.write(out)
    return 0


def _null(value: object) -> str:
    return str(value) if value else "(null)"


def _release() -> str:
    from .. import SLURM_VERSION

    return SLURM_VERSION


def _user(name: str) -> str:
    import pwd

    try:
        return f"{name}({pwd.getpwnam(name).pw_uid})"
    except KeyError:
        return name


def _cycles(label: str, told: Callable[[int], str], figures: Sequence[int]) -> str:
    last_run, cycles, last, longest, total = figures
    return (
        f"{label} last ran {told(last_run)}\n"
        f"\tLast cycle:   {last}\n\tMax cycle:    {longest}\n\tTotal time:   {total}\n"
        f"\tTotal cycles: {cycles}\n\tMean cycle:   {total // max(cycles, 1)}\n"
    )


def _periods(figures: dict[str, Sequence[int]]) -> dict[str, int]:
    """The figures of hours, days and months as the document's dictionary."""
    found: dict[str, int] = {}
    for period, name in (("hour", "hourly"), ("day", "daily"), ("month", "monthly")):
        row = figures.get(period) or (0, 0, 0, 0, 0)
        found |= {
            f"{name}_{key}": value for key, value in zip(("last_run", "count", "last", "max", "time"), row, strict=True)
        }
    return found


def rollup(session: Session, words: Sequence[str]) -> int:
    """``rollup [START [END]]``: slurmdbd rolls usage up, and these hours once more."""
    from ..core.times import parse_time

    if len(words) > 2:
        raise Stop(1, err="too many arguments for keyword:rollup\n")
    args = {}
    for name, text in zip(("start", "end"), words, strict=False):
        try:
            args[name] = parse_time(text, session.now, past=True)
        except ValueError as error:
            raise Stop(1, err=f"{error}\n") from None
    if not session.immediate and not session.ask("Would you like to commit rollup?"):
        session.write(" Rollup Discarded\n")
        return 0
    session.call("roll_up", args)
    sys.stdout.flush()
    sys.stderr.write(f"{NAME}: accounting_storage/slurmdbd: acct_storage_p_roll_usage: SUCCESS\n")
    return 0


def statistics(session: Session) -> int:
    found = session.call("stats", {})
    if session.encoding:
        from . import json_output

        def counters(rows: Iterable[Sequence[Any]], label: str) -> tuple[Row, ...]:
            return tuple(
                {label: name, "count": count, "average": total // count if count else 0, "total": total}
                for name, count, total in rows
            )

        document = {
            "time_start": found["since"],
            "rollups": _periods(found["roll_ups"]),
            "RPCs": counters(found["methods"], "rpc"),
            "users": counters(found["users"], "user"),
        }
        pieces = json_output.single(
            session.cluster.conf, NAME, session.argv, "slurmdb_diag", session.encoding, session.parser,
            statistics=document,
        )  # fmt: skip
        return json_output.write(pieces)
    rule = "*" * 67

    def told(moment: int) -> str:
        return f"{time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(moment))} ({moment})"

    out = f"{rule}\nsacctmgr show stats output at {told(found['now'])}\n"
    out += f"Data since                    {told(found['since'])}\nAll statistics are in microseconds\n{rule}\n\n"
    for label, name in (("Internal DBD rollup", "internal"), ("User RPC rollup call", "user")):
        if name in found["roll_ups"]:
            out += _cycles(label, told, found["roll_ups"][name]) + "\n"
    periods = [one for one in ("hour", "day", "month") if one in found["roll_ups"]]
    for (cluster,) in session.query("clusters", {}, ("name",)).rows if periods else ():
        out += f"Cluster '{cluster}' rollup statistics\n"
        out += "".join(_cycles(f"{one.capitalize():<5}", told, found["roll_ups"][one]) for one in periods) + "\n"
    out += "Remote Procedure Call statistics by message type\n"
    order: Callable[[Sequence[Any]], Any] = lambda row: -row[1]  # noqa: E731
    for name, count, total in sorted(found["methods"], key=order):
        out += f"\t{name:<25}        count:{count:<6} ave_time:{total // count:<6} total_time:{total}\n"
    out += "\nRemote Procedure Call statistics by user\n"
    for name, count, total in sorted(found["users"], key=order):
        uid = _uid_of(name)
        out += f"\t{name:<20}({uid:>10}) count:{count:<6} ave_time:{total // count:<6} total_time:{total}\n"
    session.write(out)
    return 0


def _uid_of(name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else -1
