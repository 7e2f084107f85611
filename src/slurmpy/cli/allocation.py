"""Getting, describing and giving back an allocation: what salloc and srun share."""

from __future__ import annotations

import _signal as signal  # the module `signal` costs a command milliseconds
import os
import sys

from ..core.errors import SlurmError
from . import request
from .errors import Stop, exit_code, line, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Any

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster
    from .request import Messages

#: what ends a wait for resources
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Interrupted(Exception):
    """A signal arrived while the allocation was being waited for."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Allocation:
    """A granted allocation: slurmctld's reply, and the stream that tells what becomes of it."""

    def __init__(self, cluster: Cluster, reply: Mapping[str, Any], events: Iterator[dict[str, Any]]) -> None:
        self.cluster = cluster  # its connection carries the events, so other calls need one of their own
        self.reply = reply
        self.events = events

    @property
    def job_id(self) -> int:
        return int(self.reply["job_id"])


def another(cluster: Cluster) -> Cluster:
    """A second connection to the same cluster, for calls beside a stream."""
    return type(cluster)(cluster.conf, cluster.name)


class Waiter:
    """Asks for an allocation and waits until it is granted."""

    #: per program: (what it was doing, as it stands in errors; whether salloc's own messages are printed)
    DOING = {  # noqa: RUF012
        "salloc": "Job submit/allocate failed",
        "srun": "Unable to allocate resources",
        "scrun": "Unable to allocate resources",
    }

    def __init__(self, cluster: Cluster, program: str, messages: Messages, env: Mapping[str, str]) -> None:
        self.cluster = cluster
        self.program = program
        self.messages = messages
        self.env = env
        self.job_id = 0
        self.granted = False
        self.caught = 0

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        if self.job_id and not self.granted:
            raise Interrupted(number)

    def wait(self, jobs: Sequence[JobDescriptor], bound: bool = True) -> Allocation:
        """The allocation. Raises Stop if it is refused, cancelled, not there in time, or a signal ends the wait.

        `bound`: the allocation goes with this process, also if that is killed."""
        before = {number: signal.signal(number, self._on_signal) for number in ENDING_SIGNALS}
        limit = jobs[0].immediate
        if limit is not None and limit > 1:
            before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_signal)
        try:
            return self._wait(jobs, limit, bound)
        except Interrupted as interrupted:
            raise self._give_up(interrupted.number) from None
        finally:
            if limit is not None and limit > 1:
                signal.alarm(0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _wait(self, jobs: Sequence[JobDescriptor], limit: int | None, bound: bool) -> Allocation:
        if len(jobs) == 1:
            args: dict[str, Any] = {"description": jobs[0].to_wire()}
        else:
            args = {"descriptions": tuple(job.to_wire() for job in jobs)}
        args["bound"] = bound
        if any(job.hold for job in jobs):
            self.messages.info("Job is in held state, pending scheduler release")
        waited = False
        try:
            stream = self.cluster.events("allocate_resources", args)
            if self.program == "srun":  # what will be needed is loaded while slurmctld decides
                import resource  # noqa: F401

                from ..core import hostlist  # noqa: F401
                from . import launch, launch_engine  # noqa: F401
            for part in stream:
                if part.get("granted"):
                    self.granted = True
                    self.job_id = int(part["job_id"])
                    if waited:
                        self.messages.info(f"job {self.job_id} has been allocated resources")
                    self._remarks(part)
                    allocation = Allocation(self.cluster, part["job"], stream)
                    if self.caught:
                        complete(another(self.cluster), self.job_id, 0)
                        raise Interrupted(self.caught)
                    return allocation
                if "granted" in part:
                    self.job_id = int(part["job_id"])
                    self._remarks(part)
                    waited = True
                    self._say_waiting()
                    if self.caught:
                        raise Interrupted(self.caught)
                    if limit is not None and limit > 1:
                        signal.alarm(limit)
                elif part.get("event") in ("revoked", "done"):
                    self._revoked(part)
        except SlurmError as error:
            raise self._refused(error) from None
        raise self._refused(SlurmError("ESLURM_ALREADY_DONE"))

    def _remarks(self, part: Mapping[str, Any]) -> None:
        for remark in str(part.get("user_message") or "").split("\n"):
            if remark:
                self.messages.info(remark)

    def _say_waiting(self) -> None:
        if self.program == "salloc":
            self.messages.info(f"Pending job allocation {self.job_id}")
        self.messages.info(f"job {self.job_id} queued and waiting for resources")

    def _revoked(self, _: Mapping[str, Any]) -> None:
        self.messages.info("Job has been cancelled")
        if self.program == "salloc":
            self.messages.info(f"Job allocation {self.job_id} has been revoked.")
        raise self._refused(SlurmError("ESLURM_ALREADY_DONE"))

    def _refused(self, error: SlurmError) -> Stop:
        doing = self.DOING[self.program]
        code = exit_code(self.env)
        if error.name in ("ESLURM_CAN_NOT_START_IMMEDIATELY", "ESLURM_NODES_BUSY", "ESLURM_NOT_TOP_PRIORITY"):
            doing = "Unable to allocate resources"
            wanted = self.env.get("SLURM_EXIT_IMMEDIATE", "")
            if wanted.isdigit() and error.name == "ESLURM_NODES_BUSY":
                code = int(wanted) & 0xFF
        stop = request.refused(self.program, doing, error, self.env)
        stop.code = code
        refused = error.data.get("job_id") if error.data else None
        if self.program == "salloc" and refused and error.name == "ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE":
            # slurmctld had given the request a number before it found that no node will do
            stop.err += line("salloc", f"Job allocation {refused} has been revoked.", "")
        return stop

    def _give_up(self, number: int) -> Stop:
        """Cancels the request that a signal (or -I's time) has ended."""
        complete(another(self.cluster), self.job_id, 0)
        if number == signal.SIGALRM and self.program == "srun":
            return self._refused(SlurmError("ESLURM_NODES_BUSY"))
        if number == signal.SIGALRM:
            text = line(self.program, "Unable to allocate resources: Connection timed out")
            return Stop(exit_code(self.env), err=text)
        dot = "." if self.program == "salloc" else ""
        self.messages.info(f"Job allocation {self.job_id} has been revoked{dot}")
        if self.program == "salloc":
            self.messages.info("Job aborted due to signal")
        return Stop(exit_code(self.env))


def complete(cluster: Cluster, job_id: int, status: int) -> None:
    """Gives the allocation back; `status` is the wait status of what ran in it. A job that is gone is no error."""
    try:
        cluster.call("complete_allocation", {"job_id": job_id, "status": status})
    except SlurmError as error:
        if error.name not in ("ESLURM_ALREADY_DONE", "ESLURM_INVALID_JOB_ID"):
            write(sys.stderr, line(cluster.name, f"Unable to complete job {job_id}: {error.message}"))


def repeated(values: Sequence[Any]) -> str:
    """``2(x3),1`` out of (2, 2, 2, 1) or out of ((2, 3), (1, 1))."""
    pairs: list[list[int]] = []
    for value in values:
        amount, times = (value, 1) if isinstance(value, int) else value
        if pairs and pairs[-1][0] == amount:
            pairs[-1][1] += times
        else:
            pairs.append([amount, times])
    return ",".join(f"{amount}(x{times})" if times > 1 else str(amount) for amount, times in pairs)


def count_of(values: Sequence[Any]) -> int:
    """The sum of such a list."""
    return sum(value if isinstance(value, int) else value[0] * value[1] for value in values)


def job_variables(reply: Mapping[str, Any], conf: Any, suffix: str = "") -> dict[str, str]:
    """SLURM_JOB_... variables of an allocation, for a command of salloc; `suffix` is a het component's _HET_GROUP_n."""
    job_id = str(reply["job_id"])
    nodes = str(reply["nodes"])
    tasks_per_node = reply.get("tasks_per_node") or ()
    found = {
        "SLURM_JOB_ID": job_id,
        "SLURM_JOBID": job_id,
        "SLURM_JOB_ACCOUNT": reply.get("account"),
        "SLURM_JOB_CPUS_PER_NODE": repeated(reply["cpus_per_node"]),
        "SLURM_JOB_NODELIST": nodes,
        "SLURM_NODELIST": nodes,
        "SLURM_JOB_NUM_NODES": str(reply["node_count"]),
        "SLURM_NNODES": str(reply["node_count"]),
        "SLURM_JOB_PARTITION": reply.get("partition"),
        "SLURM_JOB_QOS": reply.get("qos"),
        "SLURM_JOB_RESERVATION": reply.get("resv_name"),
        "SLURM_TASKS_PER_NODE": tasks_per_node if isinstance(tasks_per_node, str) else repeated(tasks_per_node),
        "SLURM_MEM_PER_NODE": _text(reply.get("memory_per_node")),
        "SLURM_MEM_PER_CPU": _text(reply.get("memory_per_cpu")),
    }
    found = {f"{name}{suffix}": value for name, value in found.items() if value}
    if not suffix:
        found["SLURM_CLUSTER_NAME"] = str(conf.ClusterName)
        if conf.path:
            found["SLURM_CONF"] = str(conf.path)
    return {name: str(value) for name, value in found.items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def variables(reply: Mapping[str, Any], conf: Any) -> dict[str, str]:
    """The variables of a whole allocation, with those of every component of a heterogeneous job."""
    found = job_variables(reply, conf)
    components = tuple(reply.get("het_components") or ())
    if components:
        found["SLURM_HET_SIZE"] = str(len(components) + 1)
        for number, component in enumerate((reply, *components)):
            found.update(job_variables(component, conf, f"_HET_GROUP_{number}"))
    return found


def node_names(reply: Mapping[str, Any]) -> list[str]:
    from ..core import hostlist

    return hostlist.expand(str(reply["nodes"]))


def bell(since: float, wanted: str | None, now: float) -> None:
    """Rings the terminal's bell: always, never, or (None) after a wait of ten seconds."""
    if wanted == "never" or (wanted is None and now - since < 10) or not os.isatty(1):
        return
    write(sys.stdout, "\a")
