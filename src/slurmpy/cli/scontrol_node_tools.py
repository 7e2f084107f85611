"""scontrol's keywords about this host: its jobs, steps and processes; and where nodes are."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from ..core.ids import STEP_INTERACTIVE, step_name
from .scontrol import too_many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .scontrol import Session

_NO_STEPS = "No slurmstepd's found on this node"


def local_node(session: Session) -> str | None:
    """The node of this host: that of SLURMD_NODENAME, else the first that has this host's name."""
    named = session.env.get("SLURMD_NODENAME")
    if named:
        return named
    here = os.uname().nodename
    conf = session.cluster.conf
    for line in conf.nodes:
        for name, hostname, _, _ in line.hosts(conf.SlurmdPort):
            if hostname in (here, here.split(".")[0], "localhost"):
                return str(name)
    return None


def _slurmd(session: Session, node: str) -> Any:
    """The slurmd of a node of this host. Raises SlurmError."""
    conf = session.cluster.conf
    for line in conf.nodes:
        for name, _, address, port in line.hosts(conf.SlurmdPort):
            if name == node:
                return session.cluster.node(name, {"unix": True, "host": address, "port": port})
    raise SlurmError("ESLURM_INVALID_NODE_NAME")


def _steps(session: Session, node: str) -> list[tuple[int, int]]:
    """(job, step) of what runs on a node. Raises SlurmError."""
    from ..core.hostlist import expand

    rows = session.cluster.query("steps", ("job_id", "step_id", "nodes"), {}).rows
    found = [(job, step) for job, step, nodes in rows if node in expand(nodes)]
    return sorted(found, key=lambda one: (one[1] < STEP_INTERACTIVE, one))  # batch steps first


def listjobs(session: Session, words: list[str]) -> None:
    found = _found(session, words)
    if found is not None:
        ids = dict.fromkeys(job for job, _ in found)
        session.out("JOBID\n" + "".join(f"{job:<8}\n" for job in ids))


def liststeps(session: Session, words: list[str]) -> None:
    found = _found(session, words)
    if found is not None:
        rows = "".join(f"{job:<8} {step_name(step):<8}\n" for job, step in found)
        session.out(f"{'JOBID':<8} {'STEPID':<8}\n" + rows)


def _found(session: Session, words: list[str]) -> list[tuple[int, int]] | None:
    """The steps of the node that is named, or of this host; None (and a message) if there are none."""
    if len(words) > 2:
        too_many(session, words[0])
        return None
    node = words[1] if len(words) > 1 else local_node(session)
    try:
        found = _steps(session, node) if node else []
    except SlurmError as error:
        session.failed(f"slurm_load_steps error: {error.message}")
        return None
    if not found:
        code = session.code
        session.failed(_NO_STEPS)
        session.code = code
        return None
    return found


def listpids(session: Session, words: list[str]) -> None:
    """``listpids [JOB[.STEP] [NODE]]``"""
    if len(words) > 3:
        too_many(session, words[0])
        return
    job_text, dot, step_text = (words[1] if len(words) > 1 else "").partition(".")
    if job_text in ("*", "all"):
        job_text = ""
    if job_text and not job_text.isdecimal():
        session.failed(f'"{job_text}" does not look like a jobid')
        return
    node = words[2] if len(words) > 2 else local_node(session)
    try:
        found = _steps(session, node) if node else []
        if job_text:
            found = [one for one in found if one[0] == int(job_text)]
            if not found:
                session.failed(f"JobId={job_text} does not exist on node {node or '(null)'}.")
                return
        if dot:
            found = [one for one in found if step_name(one[1]) == step_text]
        if not found or node is None:
            code = session.code
            session.failed("No job steps exist on this node.")
            session.code = code
            return
        rows = _processes(session, node, found)
    except SlurmError as error:
        session.failed(f"{words[0]} error: {error.message}")
        return
    session.out(f"{'PID':<8} {'JOBID':<8} {'STEPID':<8} {'LOCALID':<7} GLOBALID\n" + "".join(rows))


def _processes(session: Session, node: str, found: list[tuple[int, int]]) -> list[str]:
    service = _slurmd(session, node)
    wanted = set(found)
    rows = []
    try:
        for job in dict.fromkeys(job for job, _ in found):
            for step in service.call("list_pids", {"job_id": job}):
                if (job, step["step_id"]) not in wanted:
                    continue
                tasks = {pid: (local, number) for number, local, pid in step["tasks"]}
                for pid in [*tasks, *(pid for pid in step["pids"] if pid not in tasks)]:
                    local, number = tasks.get(pid, ("-", "-"))
                    rows.append(f"{pid:<8} {job:<8} {step_name(step['step_id']):<8} {local!s:<7} {number!s:<8} \n")
    finally:
        service.close()
    return rows


def pidinfo(session: Session, words: list[str]) -> None:
    """The job of a process of this host, and when it ends."""
    from ..core.times import format_time

    if len(words) < 2:
        session.failed(f"missing argument for keyword:{words[0]}")
        return
    if len(words) > 2:
        too_many(session, words[0])
        return
    try:
        node = local_node(session)
        found = _steps(session, node) if node else []
        for row in _processes(session, node, found) if node and found else []:
            pid, job = row.split()[:2]
            if pid == words[1]:
                answer = session.cluster.query(
                    "jobs", ("end_time",), {"all": True, "job_ids": ((int(job), None, None),)}
                )
                end = answer.rows[0][0]
                session.out(
                    f"Slurm JobId={job} ends at {format_time(end)}\n"
                    f"slurm_get_rem_time is {max(0, end - answer.meta['now'])}\n"
                )
                return
    except SlurmError as error:
        session.failed(f"{words[0]} error: {error.message}")
        return
    session.failed("Failed to locate job for requested pid")


def getaddrs(session: Session, words: list[str]) -> None:
    """``NODE: ADDRESS:PORT`` of each node."""
    import socket

    from ..core.hostlist import expand

    if len(words) != 2:
        session.failed(f"one argument required for keyword:{words[0]}")
        return
    try:
        rows = session.cluster.query("nodes", ("name", "address", "port"), {}).rows
        places = {name: (address, port) for name, address, port in rows}
        for name in expand(words[1]):
            if name not in places:
                continue
            address, port = places[name]
            try:
                address = socket.gethostbyname(address)
            except OSError:
                pass
            session.out(f"{name}: {address}:{port or session.cluster.conf.SlurmdPort}\n")
    except SlurmError as error:
        session.failed(f"{words[0]} error: {error.message}")


def getent(session: Session, words: list[str]) -> None:
    session.error("getent is not supported: steps see the system's own users and groups")


def slurmd_status(session: Session, words: list[str]) -> None:
    """What the slurmd of this host says of itself."""
    from ..core.times import format_time

    node = words[0] if words else local_node(session)
    try:
        if node is None:
            raise SlurmError("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "Connection refused")
        service = _slurmd(session, node)
        try:
            facts = service.call("node_status", {})
        finally:
            service.close()
        steps = [f"{job}.{step_name(step)}" for job, step in _steps(session, node)]
    except SlurmError as error:
        refused = "CONNECTION" in error.name or "COMMUNICATIONS" in error.name
        text = "Connection refused" if refused else error.message
        session.error(f"slurm_slurmd_info: {text}")
        session.failed(f"slurm_load_slurmd_status: {text}")
        return
    shown = (
        ("Active Steps", ",".join(steps) or "NONE"),
        ("Actual CPUs", facts.get("cpus")),
        ("Actual Boards", facts.get("boards")),
        ("Actual sockets", facts.get("sockets")),
        ("Actual cores", facts.get("cores")),
        ("Actual threads per core", facts.get("threads")),
        ("Actual real memory", _mb(facts.get("real_memory"))),
        ("Actual temp disk space", _mb(facts.get("temporary_disk"))),
        ("Boot time", format_time(int(facts.get("slurmd_start_time") or 0))),
        ("Hostname", facts.get("hostname") or os.uname().nodename),
        ("Version", facts.get("version")),
    )
    session.out("".join(f"{name:<24} = {value}\n" for name, value in shown if value is not None))


def _mb(value: object) -> str | None:
    return None if value is None else f"{value} MB"
