"""scontrol update job: which fields may be changed, by whom, in which state of the job, and what follows from it.

Changes have the names of `JobDescriptor` (and a few of `JobInfo`: array_max_tasks, system_comment, derived_exit_code).
All changes are checked on a copy first, so that a refused request changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurmpy.controller import holds, job_request, permissions
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.records.description import JobDescriptor

if TYPE_CHECKING:
    from slurmpy.controller.state import Job, State
    from slurmpy.rpc.server import Peer

#: changed as they are, in any state: name of the change -> field of the job
SIMPLE = {
    "comment": "comment", "extra": "extra", "mail_type": "mail_type", "mail_user": "mail_user", "name": "name",
    "mcs_label": "mcs_label", "tres_bind": "tres_bind", "tres_freq": "tres_freq", "network": "network",
    "segment_size": "segment_size", "selinux_context": "selinux_context",
}  # fmt: skip
#: changed as they are, by those of an AdminLevel (`permissions.UPDATE_LEVELS`)
ADMIN = {"admin_comment": "admin_comment", "system_comment": "system_comment", "site_factor": "site_factor"}
#: changed as they are, of a waiting job only
WAITING = {
    "burst_buffer": "burst_buffer", "contiguous": "contiguous", "standard_input": "standard_input",
    "standard_output": "standard_output", "standard_error": "standard_error", "container": "container",
    "container_id": "container_id", "current_working_directory": "current_working_directory",
    "kill_on_node_fail": "kill_on_node_fail", "reboot": "reboot", "required_switches": "required_switches",
    "wait_for_switch": "maximum_switch_wait_time", "delay_boot": "delay_boot", "overcommit": "overcommit",
    "core_specification": "core_spec", "thread_specification": "thread_spec", "batch_features": "batch_features",
    "temporary_disk_per_node": "minimum_tmp_disk_per_node", "tasks_per_socket": "tasks_per_socket",
    "tasks_per_core": "tasks_per_core", "sockets_per_node": "sockets_per_node", "cores_per_socket": "cores_per_socket",
    "threads_per_core": "threads_per_core", "cluster_constraint": "cluster_features",
}  # fmt: skip
#: these go through the arithmetic of a submission once more; of a waiting job only
SIZES = (
    "minimum_nodes", "maximum_nodes", "tasks", "cpus_per_task", "tasks_per_node", "minimum_cpus", "maximum_cpus",
    "minimum_cpus_per_node", "memory_per_node", "memory_per_cpu", "memory_per_tres", "cpus_per_tres", "tres_per_job",
    "tres_per_node", "tres_per_socket", "tres_per_task", "ntasks_per_tres", "required_nodes", "excluded_nodes",
    "constraints", "prefer",
)  # fmt: skip


def apply_update(state: State, job: Job, changes: dict[str, Any], peer: Peer, now: int) -> None:
    """Check and make all changes, or none; raises Slurm's error for the first that is refused."""
    update = _Update(state, job, changes, peer, now)
    for name, value in changes.items():
        permissions.check_update(state, peer, name)
        update.change(name, value)
    update.finish()


class _Update:
    def __init__(self, state: State, job: Job, changes: dict[str, Any], peer: Peer, now: int) -> None:
        self.state = state
        self.job = job
        self.copy = job.copy()
        self.copy._request = (job._request or JobDescriptor()).copy()
        self.changes = changes
        self.now = now
        self.peer = peer
        self.operator = permissions.is_operator(state, peer.uid, peer.name)
        self.resized = False
        self.reprioritise = self.released = False
        self.counts_elsewhere = False
        self.keys: dict[str, Any] = {}  # changes of fields that indexes of the state go by

    def waiting_only(self) -> None:
        if not self.job.is_pending:
            raise SlurmError("ESLURM_JOB_NOT_PENDING")

    def change(self, name: str, value: Any) -> None:
        special: Callable[[Any], None] | None = getattr(self, f"set_{name}", None)
        if special is not None:
            special(value)
        elif name in SIMPLE:
            setattr(self.copy, SIMPLE[name], value)
        elif name in ADMIN:
            setattr(self.copy, ADMIN[name], value)
        elif name in WAITING:
            self.waiting_only()
            setattr(self.copy, WAITING[name], value)
        elif name in SIZES:
            self.waiting_only()
            self.request(name, value)
            self.resized = True
        else:
            raise SlurmError("ESLURM_NOT_SUPPORTED")

    def request(self, name: str, value: Any) -> None:
        assert self.copy._request is not None
        setattr(self.copy._request, name, value)

    # ------------------------------------------------------------ time

    def set_time_limit(self, minutes: int | None) -> None:
        job = self.job
        minutes = minutes or INFINITE
        if not job.is_pending and not self.operator and job.time_limit is not None and minutes > job.time_limit:
            raise SlurmError("ESLURM_ACCESS_DENIED")
        if job.is_pending and not self.operator:
            limits = [p.max_time for p in map(self.state.partitions.get, job._partitions) if p is not None]
            if limits and minutes > max(limits) and minutes > (job.time_limit or 0):
                raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
        if job.time_minimum and minutes < job.time_minimum:
            raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
        self.copy.time_limit = minutes
        self.copy._time_limit_set = True
        if job.is_pending and self.copy._begin_time > self.now:
            from slurmpy.controller import submission

            submission.show_begin(self.copy)
        self.request("time_limit", minutes)

    def set_time_minimum(self, minutes: int | None) -> None:
        self.waiting_only()
        limit = self.changes.get("time_limit", self.job.time_limit)
        if minutes and limit not in (None, INFINITE) and minutes > limit:
            raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
        self.copy.time_minimum = minutes or 0

    def set_begin_time(self, when: int | None) -> None:
        self.waiting_only()
        from slurmpy.controller import submission

        self.copy._begin_time = when if when and when > self.now else 0
        self.copy.eligible_time = self.copy.start_time = self.copy.end_time = 0
        submission.show_begin(self.copy)
        self.request("begin_time", when)

    def set_deadline(self, when: int | None) -> None:
        if when and when <= self.now:
            raise SlurmError("ESLURM_INVALID_TIME_VALUE")
        self.copy.deadline = when or 0
        self.request("deadline", when)

    def set_end_time(self, when: int) -> None:
        if not (self.job.is_running or self.job.is_suspended):
            raise SlurmError("ESLURM_JOB_NOT_RUNNING")
        minutes = max(1, -(-(when - self.job.start_time) // 60))
        self.set_time_limit(minutes)

    # ------------------------------------------------------------ who and where

    def set_partition(self, text: str) -> None:
        from slurmpy.controller import partition_access, submission

        self.waiting_only()
        found = partition_access.find(self.state, text)
        for partition in found:
            partition_access.check(
                self.state,
                partition,
                uid=self.job.user_id,
                super_user=self.operator,
                account=self.changes.get("account") or self.job.account,
                qos=self.changes.get("qos") or self.job.qos,
                reservation=bool(self.changes.get("reservation", self.job.resv_name)),
                groups=None,
                host=self.job.allocating_node,
            )
        names = tuple(one.name for one in submission.by_tier(found))
        self.keys["_partitions"] = self.copy._partitions = names
        self.keys["partition"] = self.copy.partition = ",".join(names)
        gone = ("USING_DEFAULT_PARTITION", "PARTITION_ASSIGNED")
        self.copy.flags = tuple(flag for flag in self.copy.flags if flag not in gone)
        self.request("partition", text)
        self.resized = self.reprioritise = True

    def set_account(self, account: str) -> None:
        self.waiting_only()
        from slurmpy.controller import partition_access

        account = account.lower()
        cache = self.state.assocs
        assoc = cache.find(account, self.job.user_name)
        enforced = partition_access.words(str(self.state.conf.AccountingStorageEnforce or "").lower())
        if assoc is None and enforced - {"none", "nojobs", "nosteps", "wckeys"}:
            raise SlurmError("ESLURM_INVALID_ACCOUNT")
        self.recount()
        self.copy.account = account
        self.copy.association_id = assoc.id if assoc is not None else 0
        self.copy.flags = tuple(flag for flag in self.copy.flags if flag != "USING_DEFAULT_ACCOUNT")
        self.reprioritise = True

    def set_qos(self, name: str) -> None:
        self.waiting_only()
        from slurmpy.controller import submission

        cache = self.state.assocs
        qos = cache.qos.get(name) or cache.qos.get(name.lower())
        assoc = cache.assocs.get(self.job.association_id)
        if qos is None or (assoc is not None and qos.name not in submission.allowed_qos(self.state, assoc)):
            raise SlurmError("ESLURM_INVALID_QOS")
        self.recount()
        self.copy.qos = qos.name
        self.copy.flags = tuple(flag for flag in self.copy.flags if flag != "USING_DEFAULT_QOS")
        self.reprioritise = True

    def set_wckey(self, name: str) -> None:
        self.copy.wckey = name
        self.copy.flags = tuple(flag for flag in self.copy.flags if flag != "USING_DEFAULT_WCKEY")

    def set_reservation(self, name: str | None) -> None:
        from slurmpy.controller import reservations

        self.waiting_only()
        for one in reservations.requested(self.state, name):
            reservations.check_access(self.state, one, self.copy)
        self.copy.resv_name = name or ""

    def set_name(self, name: str) -> None:
        self.keys["name"] = self.copy.name = name

    def set_user_id(self, uid: int) -> None:
        if uid != self.job.user_id:
            raise SlurmError("ESLURM_NOT_SUPPORTED")

    def recount(self) -> None:
        """The job will count for somebody else: it leaves the old counters, and enters the new ones in `finish`."""
        self.counts_elsewhere = True

    # ------------------------------------------------------------ rank

    def set_priority(self, value: int) -> None:
        job = self.job
        if value == 0:
            holds.hold(self.copy, self.operator, self.now)
            return
        if job.hold or job.priority == 0:
            if not self.operator:
                if job._hold_admin:
                    raise SlurmError("ESLURM_ACCESS_DENIED")
                if value != INFINITE:
                    raise SlurmError("ESLURM_JOB_HELD")
            self.release()
            if value == INFINITE:
                return
            self.released = False
        if not self.operator and value > job.priority:
            raise SlurmError("ESLURM_ACCESS_DENIED")
        if value == INFINITE:
            self.copy._limits = {name: one for name, one in self.copy._limits.items() if name != "priority"}
            self.reprioritise = True
            return
        self.copy.priority = value
        self.copy._limits = {**self.copy._limits, "priority": value}
        self.copy.priority_by_partition = ()

    def set_hold(self, value: bool) -> None:
        if value:
            holds.hold(self.copy, self.operator, self.now)
        else:
            if self.job._hold_admin and not self.operator:
                raise SlurmError("ESLURM_ACCESS_DENIED")
            self.release()

    def release(self) -> None:
        holds.release(self.copy)
        if self.job.is_pending:
            self.copy.job_state = holds.unmarked(self.job)
        self.released = True

    def set_nice(self, value: int | None) -> None:
        value = value or 0
        if value < 0 and not self.operator:
            raise SlurmError("ESLURM_ACCESS_DENIED")
        self.copy.nice = value
        self.reprioritise = True

    # ------------------------------------------------------------ the rest

    def set_requeue(self, value: bool) -> None:
        self.copy.requeue = bool(value)

    def set_dependency(self, text: str | None) -> None:
        from slurmpy.controller import dependencies

        self.waiting_only()
        self.copy._dependencies = dependencies.parse(self.state, text, self.job.job_id)
        self.copy.dependency = dependencies.show(self.copy._dependencies)

    def set_licenses(self, text: str | None) -> None:
        from slurmpy.controller import licenses

        self.waiting_only()
        self.copy._licenses = licenses.check(self.state, text)
        self.copy.licenses = text or ""
        self.resized = True

    def set_shared(self, word: str | None) -> None:
        from slurmpy.controller import submission

        self.waiting_only()
        self.copy.shared = submission.SHARED.get(word, "OK")

    def set_array_max_tasks(self, value: int | None) -> None:
        if not self.job.array_job_id:
            raise SlurmError("ESLURM_NOT_SUPPORTED")
        self.copy.array_max_tasks = value or 0

    def set_derived_exit_code(self, value: int) -> None:
        self.copy.derived_exit_code = value

    # ------------------------------------------------------------ all at once

    def finish(self) -> None:
        from slurmpy.controller import limits

        copy, job = self.copy, self.job
        if self.resized:
            self.resize()
        counted = self.counts_elsewhere and job._sched.get("counted_submit")
        if counted:
            limits.on_end(self.state, job)
        keep = ("_steps", "_sched", "_version")
        values = {
            name: value
            for name, value in copy.__dict__.items()
            if name not in keep and name not in self.keys and job.__dict__.get(name, self) is not value
        }
        job.__dict__.update(values)
        if self.keys:
            self.state.rekey(job, **self.keys)
        if counted:
            limits.on_submit(self.state, job)
        job_request.forget(job)
        if not job.hold and (self.released or (self.reprioritise and job.is_pending)):
            holds.prioritise(self.state, job, self.now)

    def resize(self) -> None:
        """Work out size, memory, devices and TRES of the copy as for a new job."""
        from slurmpy.controller import job_sizes, submission

        copy = self.copy
        desc = copy._request
        assert desc is not None
        partition = self.state.partitions[copy._partitions[0]]
        for name in ("required_nodes", "excluded_nodes", "features", "prefer"):
            setattr(copy, name, "")
        for name in ("tres_per_job", "tres_per_node", "tres_per_socket", "cpus_per_tres", "memory_per_tres"):
            setattr(copy, name, "")
        submission.set_nodes(self.state, copy, desc)
        submission.set_features(self.state, copy, desc)
        submission.set_gres(self.state, copy, desc)
        sized = ("EXACT_TASK_COUNT_REQUESTED", "EXACT_CPU_COUNT_REQUESTED", "EXACT_MEMORY_REQUESTED")
        copy.flags = tuple(flag for flag in copy.flags if flag not in sized)
        job_sizes.set_sizes(self.state, copy, desc, partition)
        copy.flags = submission.order_flags(copy.flags)
        copy._tres_request = job_sizes.request_tres(self.state, copy, partition)
        copy.tres_req_str = job_sizes.show(copy._tres_request)
