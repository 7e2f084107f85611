"""What slurmctld and slurmdbd say to each other.

slurmctld -> slurmdbd, method ``records``::

    {"cluster": "ref", "source": "5bd1...", "first_seq": 17, "seqs": (17, 18, 20), "items": ({"kind": ..., ...}, ...)}
    ->  {"confirmed": 20}

``confirmed`` (sequence number of the last item) is answered after the commit. Whatever is not confirmed is sent again,
in order. slurmdbd knows by ``source`` (a random name under which numbers are given once only) and number what it has,
and leaves it out; ``seqs`` are the items' numbers, ascending, where they do not follow one another. Without ``source``
all is merged again, to the same rows as long as nothing else has changed them. An item of a job carries the job's key,
``job_id`` and ``submit_time``; the order of a job's start and its end does not matter. The kinds and their fields are
the table
`KINDS`; the functions below build them from the controller's own records.

``register_controller`` {"cluster", "host", "port", "tres": "cpu=44,mem=144000,...", "nodes": hostlist,
"tres_types": AccountingStorageTRES names, "time", "sizes_follow": whether records of the cluster's size are on their
way, each with its own time} -> {"cluster_id"}: makes the cluster known (with its root association
and the QOS normal when the database has never seen it).

``assoc_updates`` {"cluster"} is a stream for slurmctld. The first part is the whole picture::

    {"event": "snapshot", "associations": ({Association}, ...), "qos": ({Qos}, ...), "users": ({User}, ...),
     "accounts": ({Account}, ...), "wckeys": ({Wckey}, ...), "tres": ({Tres}, ...),
     "coordinators": ({Coordinator}, ...), "resources": ({Resource}, ...), "usage": ()}

then after every change a part ``{"event": "update", "changed": {"associations": ({...}, ...), ...}, "removed":
{"associations": (id, ...), "qos": (id, ...), "users": (name, ...), "accounts": (name, ...), "wckeys": (id, ...),
"coordinators": ((account, user), ...), "tres": (), "resources": (id, ...)}}``. Dictionaries are `Record.to_wire()` of
`slurmpy.core.records.accounting`; only what differs from a record's defaults is in them.

``shutdown`` {} ends slurmdbd; ``ping`` {} -> {"hostname", "version"}; ``reconfigure`` {}; ``stats`` {}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurmpy.core.ids import STEP_BATCH
from slurmpy.data_parser import job_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slurmpy.core.records.job import JobInfo, StepInfo

#: what every item of a job may carry: the columns of `DbJob` that the controller knows
JOB_FIELDS = (
    "job_id",
    "submit_time",
    "name",
    "user_id",
    "user_name",
    "group_id",
    "group_name",
    "account",
    "association_id",
    "partition",
    "qos",
    "qosreq",
    "wckey",
    "comment",
    "admin_comment",
    "system_comment",
    "extra",
    "mcs_label",
    "container",
    "array_job_id",
    "array_task_id",
    "array_task_string",
    "array_max_tasks",
    "het_job_id",
    "het_job_offset",
    "job_state",
    "state_reason",
    "exit_code",
    "derived_exit_code",
    "kill_request_user",
    "kill_request_user_id",
    "failed_node",
    "flags",
    "restart_cnt",
    "priority",
    "eligible_time",
    "start_time",
    "end_time",
    "time_limit",
    "required_cpus",
    "required_memory_per_cpu",
    "required_memory_per_node",
    "tres_requested",
    "tres_allocated",
    "allocation_nodes",
    "nodes",
    "used_gres",
    "constraints",
    "licenses",
    "reservation_name",
    "reservation_id",
    "current_working_directory",
    "standard_input",
    "standard_output",
    "standard_error",
    "submit_line",
    "script",
    "environment",
)

STEP_USAGE_FIELDS = tuple(
    f"tres_usage_{direction}_{part}"
    for direction in ("in", "out")
    for part in ("ave", "max", "max_node", "max_task", "min", "min_node", "min_task", "tot")
)

STEP_FIELDS = (
    "job_id",
    "submit_time",
    "step_id",
    "step_het_comp",
    "name",
    "job_state",
    "exit_code",
    "kill_request_user",
    "kill_request_user_id",
    "start_time",
    "end_time",
    "time_limit",
    "nodes",
    "node_count",
    "number_tasks",
    "distribution",
    "container",
    "submit_line",
    "current_working_directory",
    "standard_input",
    "standard_output",
    "standard_error",
    "tres_allocated",
    "cpu_frequency_minimum",
    "cpu_frequency_maximum",
    "cpu_frequency_governor",
    "actual_cpu_frequency",
    "consumed_energy",
    "user_cpu_usec",
    "system_cpu_usec",
    *STEP_USAGE_FIELDS,
)

#: kind: (fields that must be there, further fields). A job that waits, changes or starts is a job_start (start_time 0
#: while it waits); so is an update of a running job. What an item leaves out stays as it was.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "job_start": (("job_id", "submit_time", "user_id"), JOB_FIELDS),
    "job_complete": (("job_id", "submit_time", "job_state", "end_time"), JOB_FIELDS),
    "step_start": (("job_id", "submit_time", "step_id", "start_time"), STEP_FIELDS),
    "step_complete": (("job_id", "submit_time", "step_id", "job_state", "end_time"), STEP_FIELDS),
    # a stretch of suspension: sent with end 0 when it begins, again with its end
    "suspend": (("job_id", "submit_time", "start"), ("end", "job_state")),
    # event of a node; end 0 while it lasts, the same item again with its end (or a node_up)
    "node_down": (("node", "start"), ("end", "state", "reason", "user_id", "user_name", "tres")),
    "node_up": (("node", "end"), ()),
    "cluster_tres": (("time", "tres", "nodes"), ()),
    # slurmctld has forgotten all jobs (option -c, a lost state): whatever is open in the books has ended
    "flush_jobs": (("time",), ()),
    "reservation": (
        ("id", "start_time"),
        ("name", "end_time", "nodes", "tres", "flags", "associations", "comment", "removed_at"),
    ),
}


def job_record(job: JobInfo, kind: str, **extra: Any) -> dict[str, Any]:
    """The item ``job_start`` or ``job_complete`` of a job as it stands. `extra` adds or replaces fields.

    `JobInfo` does not know these, so the controller gives them where they apply: ``qosreq``,
    ``kill_request_user(_id)``, ``script`` and ``environment`` (AccountingStoreFlags), ``reservation_id``, ``flags`` of
    the database (STARTED_ON_SCHEDULE, ...), ``allocation_nodes`` when it differs from the job's node_count.
    """
    item: dict[str, Any] = {"kind": kind}
    have = job.__dict__
    for name in JOB_FIELDS:
        if name in have and name != "flags":
            item[name] = have[name]
    item["job_id"] = job.job_id
    item["submit_time"] = job.submit_time
    item["user_id"] = job.user_id
    item["job_state"] = job.job_state
    base = job.job_state & 0xFF
    item["end_time"] = job.end_time if base > 2 else 0
    item["start_time"] = job.start_time if base else 0  # a waiting job's is only expected
    item["required_cpus"] = job.cpus
    item["required_memory_per_cpu"] = job.memory_per_cpu
    item["required_memory_per_node"] = job.memory_per_node
    item["tres_requested"] = job.tres_req_str
    item["tres_allocated"] = job.tres_alloc_str
    item["allocation_nodes"] = job.node_count if job.tres_alloc_str else 0  # what it asks for is in tres_requested
    item["used_gres"] = job.gres_used
    item["constraints"] = job.features
    item["reservation_name"] = job.resv_name
    item["state_reason"] = job.state_reason
    item.update(job_paths.patterns(job))
    item["array_task_string"] = job.array_task_string  # empty again once its last task runs
    if job.het_job_id:
        item["het_job_offset"] = job.het_job_offset
    item.update(extra)
    return item


def step_record(step: StepInfo, submit_time: int, kind: str, **extra: Any) -> dict[str, Any]:
    """The item ``step_start`` or ``step_complete`` of a step as it stands.

    For a step's end give ``end_time``, ``exit_code`` (wait status), ``job_state`` and ``**usage_fields(usage)``.
    """
    item: dict[str, Any] = {"kind": kind}
    have = step.__dict__
    for name in STEP_FIELDS:
        if name in have:
            item[name] = have[name]
    item["job_id"] = step.job_id
    item["submit_time"] = submit_time
    item["step_id"] = step.step_id
    item["job_state"] = step.state
    item["start_time"] = step.start_time
    item["tres_allocated"] = step.tres_alloc_str
    if step.step_id == STEP_BATCH:  # it is never asked; Slurm says 0, and "Unknown" for steps of srun
        item["cpu_frequency_minimum"] = item["cpu_frequency_maximum"] = item["cpu_frequency_governor"] = 0
    item.update(extra)
    return item


# --------------------------------------------------------------------------------------------------------------------
# What the tasks of a step used, as slurmstepd measures it, summed over nodes by whoever collects them:
#
#   {"user_cpu_usec": 12, "system_cpu_usec": 3, "tasks": 4,
#    "in":  {"cpu": (total, max, node of max, task of max, min, node of min, task of min), "mem": ..., ...},
#    "out": {"energy": ..., "fs/disk": ...}}
#
# cpu in milliseconds, mem (peak RSS), vmem (peak) and fs/disk (read: in, written: out) in bytes, pages (major faults).

USAGE_ORDER = ("cpu", "mem", "energy", "fs/disk", "vmem", "pages")


def task_usage(
    node: str, task: int, user_usec: int, system_usec: int, taken: Mapping[str, int], given: Mapping[str, int]
) -> dict[str, Any]:
    """The usage of one task; `taken` and `given` are the counts per TRES of the in and the out side."""
    return {
        "user_cpu_usec": user_usec,
        "system_cpu_usec": system_usec,
        "tasks": 1,
        "in": {name: (count, count, node, task, count, node, task) for name, count in taken.items()},
        "out": {name: (count, count, node, task, count, node, task) for name, count in given.items()},
    }


def merge_usage(left: dict[str, Any] | None, right: dict[str, Any] | None) -> dict[str, Any]:
    """Usage of two sets of tasks (of two nodes, for instance) as that of all of them."""
    if not left or not right:
        return dict(left or right or {"user_cpu_usec": 0, "system_cpu_usec": 0, "tasks": 0, "in": {}, "out": {}})
    merged: dict[str, Any] = {name: left[name] + right[name] for name in ("user_cpu_usec", "system_cpu_usec", "tasks")}
    for side in ("in", "out"):
        both = dict(left[side])
        for name, b in right[side].items():
            a = both.get(name)
            if a is None:
                both[name] = b
                continue
            top = a if a[1] >= b[1] else b
            low = a if a[4] <= b[4] else b
            both[name] = (a[0] + b[0], *top[1:4], *low[4:7])
        merged[side] = both
    return merged


def usage_fields(usage: dict[str, Any] | None) -> dict[str, Any]:
    """The step's columns (``user_cpu_usec``, ``tres_usage_in_max``, ...) for a usage as above."""
    if not usage:
        return {}
    fields: dict[str, Any] = {
        "user_cpu_usec": usage["user_cpu_usec"],
        "system_cpu_usec": usage["system_cpu_usec"],
    }
    tasks = max(1, usage["tasks"])
    for side in ("in", "out"):
        rows = [(name, usage[side][name]) for name in USAGE_ORDER if name in usage[side]]
        prefix = f"tres_usage_{side}_"
        fields[prefix + "tot"] = ",".join(f"{name}={row[0]}" for name, row in rows)
        fields[prefix + "ave"] = ",".join(f"{name}={row[0] // tasks}" for name, row in rows)
        for at, part in enumerate(("max", "max_node", "max_task", "min", "min_node", "min_task"), start=1):
            fields[prefix + part] = ",".join(f"{name}={row[at]}" for name, row in rows)
    return fields


# --------------------------------------------------------------------------------------------------------------------
# Every method of slurmdbd and the role that it demands (`slurmpy.rpc.methods`). Where coordinators of accounts or
# owners of jobs may as well, the method is open to any and `slurmpy.accounting.permissions` decides.

METHODS: dict[str, str] = {
    "ping": "any",
    "shutdown": "admin",
    "reconfigure": "admin",
    "sign_hello": "any",
    # from slurmctld
    "register_controller": "node",
    "records": "node",
    "assoc_updates": "node",
    # reading
    "query": "any",
    "dump": "any",
    "config": "any",
    "stats": "admin",
    "usage": "any",
    "job_sizes": "any",
    "roll_up": "operator",
    "clear_stats": "admin",
    # changing
    "add_accounts": "any",
    "modify_accounts": "any",
    "delete_accounts": "any",
    "add_users": "any",
    "modify_users": "any",
    "delete_users": "any",
    "add_coordinators": "any",
    "delete_coordinators": "any",
    "add_clusters": "admin",
    "modify_clusters": "operator",
    "delete_clusters": "admin",
    "add_qos": "admin",
    "modify_qos": "admin",
    "delete_qos": "admin",
    "add_resources": "admin",
    "modify_resources": "operator",
    "delete_resources": "admin",
    "add_federations": "admin",
    "modify_federations": "admin",
    "delete_federations": "admin",
    "delete_wckeys": "operator",
    "modify_jobs": "any",
    "fix_runaway_jobs": "operator",
    "change_together": "any",  # each change within demands what it does by itself
    # old records
    "archive_dump": "admin",
    "archive_load": "admin",
    # books of another slurmdbd
    "import_associations": "admin",
    "import_jobs": "admin",
}
