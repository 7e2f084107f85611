"""From a job description to a job: defaults, checks in Slurm's order, and Slurm's error for whatever is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from slurmpy.controller import (
    constraints,
    dependencies,
    gres_request,
    job_sizes,
    licenses,
    limits,
    partition_access,
    preempt,
    priority,
    reservations,
    select,
)
from slurmpy.controller.job_update import apply_update
from slurmpy.controller.permissions import check_submission, is_operator, is_super_user
from slurmpy.controller.state import Job
from slurmpy.core import hostlist, intervals, tres
from slurmpy.core.errors import SlurmError
from slurmpy.core.records.base import INFINITE
from slurmpy.core.states import JobState

if TYPE_CHECKING:
    from slurmpy.controller.assocs import Association
    from slurmpy.controller.state import Partition, State
    from slurmpy.core.records.description import JobDescriptor

__all__ = ["apply_update", "build_job", "link_components", "order_flags"]

#: the order in which Slurm shows the flags of a job
FLAG_ORDER = (
    "KILL_INVALID_DEPENDENCY", "NO_KILL_INVALID_DEPENDENCY", "HAS_STATE_DIRECTORY", "TESTING_BACKFILL",
    "GRES_BINDING_ENFORCED", "TEST_NOW_ONLY", "SEND_JOB_ENVIRONMENT", "SPREAD_JOB", "PREFER_MINIMUM_NODE_COUNT",
    "JOB_KILL_HURRY", "SKIP_TRES_STRING_ACCOUNTING", "SIBLING_CLUSTER_UPDATE_ONLY", "HETEROGENEOUS_JOB",
    "EXACT_TASK_COUNT_REQUESTED", "EXACT_CPU_COUNT_REQUESTED", "TESTING_WHOLE_NODE_BACKFILL", "TOP_PRIORITY_JOB",
    "ACCRUE_COUNT_CLEARED", "GRES_BINDING_DISABLED", "JOB_WAS_RUNNING", "JOB_ACCRUE_TIME_RESET", "CRON_JOB",
    "EXACT_MEMORY_REQUESTED", "USING_DEFAULT_ACCOUNT", "USING_DEFAULT_PARTITION", "USING_DEFAULT_QOS",
    "USING_DEFAULT_WCKEY", "DEPENDENT", "MAGNETIC", "PARTITION_ASSIGNED", "BACKFILL_ATTEMPTED",
    "SCHEDULING_ATTEMPTED", "STEPMGR_ENABLED",
)  # fmt: skip
_FLAG_RANK = {name: rank for rank, name in enumerate(FLAG_ORDER)}

#: how JobDescriptor.shared becomes JobInfo.shared
SHARED = {None: "OK", "none": "NO", "user": "USER", "mcs": "MCS", "topo": "TOPO", "oversubscribe": "YES"}

_MAILS = (
    "BEGIN", "END", "FAIL", "REQUEUE", "TIME=100%", "TIME=90%", "TIME=80%", "TIME=50%", "STAGE_OUT", "ARRAY_TASKS",
    "INVALID_DEPENDENCY",
)  # fmt: skip
MAIL_RANK = {name: rank for rank, name in enumerate(_MAILS)}

#: seconds that a job waits at most for its switches (SchedulerParameters=max_switch_wait)
MAX_SWITCH_WAIT = 300

#: MAX_NICE: the controller's offset of nice values
NICE_OFFSET = 0x80000000
LONGEST_TEXT = 1024


def order_flags(flags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(flags), key=lambda name: _FLAG_RANK.get(name, 99)))


def build_job(
    state: State,
    desc: JobDescriptor,
    who: tuple[int, int, str],
    now: int,
    *,
    groups: Callable[[], frozenset[str]] | None = None,
    group_name: str = "",
) -> Job:
    """A new waiting job, not yet in the state and without a job id.

    `who` is (uid, gid, user name) of the job's owner: the caller, or whom root submits for. `groups` gives the names
    of the owner's groups, where a partition asks for them.

    Raises SlurmError; ``data["user_message"]`` has the lines that the command prints before the error, if any, and
    ``data["uses_job_id"]`` is True where Slurm has given the job its id before refusing it.
    """
    uid, gid, user = who
    job = Job(user_id=uid, group_id=gid, user_name=user, group_name=group_name)
    job._request = desc.copy(script=None, environment=None)
    job.cluster = str(state.conf.ClusterName or "")
    job.submit_time = job.last_sched_evaluation = now
    flags: set[str] = set()
    _check_texts(desc)
    _check_permissions(state, desc, uid, user)
    partitions = partition_access.find(state, desc.partition)
    if desc.partition is None:
        flags |= {"USING_DEFAULT_PARTITION", "PARTITION_ASSIGNED"}
        for one in reservations.requested(state, desc.reservation):
            if one.partition:  # the reservation's partition stands for the default one
                partitions = partition_access.find(state, one.partition)
                flags.discard("PARTITION_ASSIGNED")
    job._partitions = tuple(partition.name for partition in by_tier(partitions))
    job.partition = ",".join(job._partitions)
    _copy_plain(state, job, desc)
    _set_times(state, job, desc, partitions[0], now)
    resv = reservations.requested(state, desc.reservation)
    _set_account(state, job, desc, partitions, flags)
    for one in resv:
        reservations.check_access(state, one, job)
    job.resv_name = desc.reservation or ""
    for partition in partitions:
        partition_access.check(
            state,
            partition,
            uid=uid,
            super_user=is_super_user(state, uid, user),
            account=job.account,
            qos=job.qos,
            reservation=bool(resv),
            groups=groups,
            host=desc.allocation_node_list or "",
        )
    set_nodes(state, job, desc)
    set_features(state, job, desc)
    set_gres(state, job, desc)
    job.flags = tuple(flags | _plain_flags(desc))
    job_sizes.set_sizes(state, job, desc, partitions[0])
    job._licenses = licenses.check(state, desc.licenses)
    job.licenses = desc.licenses or ""
    _set_array(state, job, desc)
    _set_dependency(state, job, desc)
    job.flags = order_flags(job.flags)
    _set_priority(state, job, desc, uid, user)
    if not job._time_limit_set:
        longest = limits.most_minutes(state, job, partitions[0])
        if longest is not None and (job.time_limit is None or job.time_limit > longest):
            job.time_limit = longest
    job._tres_request = job_sizes.request_tres(state, job, partitions[0])
    job.tres_req_str = job_sizes.show(job._tres_request)
    partition_access.enforce(state, job, partitions)
    limits.check_submit(state, job)
    if not job.hold:
        _check_possible(state, job, partitions, now)
    if job.hold:
        job_sizes.show_estimate(state, job)
        job.flags = order_flags((*job.flags, "DEPENDENT"))  # so Slurm marks what is held at submission
    else:
        job.priority = priority.compute(state, job, now, partitions[0])
        priority.set_by_partition(state, job, now)
    return job


def link_components(jobs: list[Job]) -> None:
    """The components of a heterogeneous job get nodes of their own: none may use what another one requires.

    Raises ESLURM_INVALID_NODE_NAME where two require the same node.
    """
    for job in jobs:
        others = [name for one in jobs if one is not job for name in hostlist.expand(one.required_nodes)]
        if set(others) & set(hostlist.expand(job.required_nodes)):
            raise SlurmError("ESLURM_INVALID_NODE_NAME")
        if others:
            excluded = [*hostlist.expand(job.excluded_nodes), *others]
            job.excluded_nodes = hostlist.compress(list(dict.fromkeys(excluded)))


def by_tier(partitions: Iterable[Partition]) -> tuple[Partition, ...]:
    return tuple(sorted(partitions, key=lambda partition: -partition.priority_tier))


# ------------------------------------------------------------------------------------------------ first checks


def _check_texts(desc: JobDescriptor) -> None:
    for name in ("name", "account", "partition", "constraints", "comment", "dependency", "mail_user", "wckey"):
        value = getattr(desc, name)
        if value is not None and len(value) > (LONGEST_TEXT * 64 if name == "dependency" else LONGEST_TEXT):
            raise SlurmError("ESLURM_PATHNAME_TOO_LONG")


def _check_permissions(state: State, desc: JobDescriptor, uid: int, user: str) -> None:
    check_submission(state, desc, uid, user)
    if desc.nice is not None and abs(desc.nice) > NICE_OFFSET - 3:
        raise SlurmError("ESLURM_INVALID_NICE")
    if "RESERVATION_JOB" in (desc.kill_warning_flags or ()) and not preempt.enabled(state):
        raise SlurmError("ESLURM_PREEMPTION_REQUIRED")
    if desc.account_gather_frequency:
        wanted = _task_frequency(desc.account_gather_frequency)
        configured = _task_frequency(str(state.conf.JobAcctGatherFrequency or ""))
        if wanted is not None and configured and wanted > configured:
            raise SlurmError("ESLURMD_INVALID_ACCT_FREQ")


def _task_frequency(text: str) -> int | None:
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if not equals:
            name, value = "task", name
        if name.strip().lower() == "task" and value.strip().isdigit():
            return int(value)
    return None


# ------------------------------------------------------------------------------------------------ fields


#: fields that the job takes from the description as they are
PLAIN_FIELDS = (
    "name", "comment", "admin_comment", "system_comment", "extra", "mcs_label", "nice", "site_factor", "batch_features",
    "required_switches", "segment_size", "network", "burst_buffer", "tres_bind", "tres_freq", "standard_input",
    "standard_output", "standard_error", "current_working_directory", "command", "submit_line", "container",
    "container_id", "selinux_context", "distribution", "mail_type", "kill_warning_signal", "kill_warning_delay",
    "kill_warning_flags", "sockets_per_node", "cores_per_socket", "threads_per_core", "tasks_per_socket",
    "tasks_per_core", "tasks_per_board", "minimum_cpus_per_node", "contiguous", "overcommit", "reboot",
    "kill_on_node_fail", "cluster_constraint",
)  # fmt: skip

#: the job's name of a field where it differs from the description's
RENAMED = {
    "cluster_constraint": "cluster_features",
    "temporary_disk_per_node": "minimum_tmp_disk_per_node",
    "wait_for_switch": "maximum_switch_wait_time",
    "core_specification": "core_spec",
    "thread_specification": "thread_spec",
    "ntasks_per_tres": "tasks_per_tres",
    "allocation_node_list": "allocating_node",
    "allocation_sid": "alloc_sid",
}


def _copy_plain(state: State, job: Job, desc: JobDescriptor) -> None:
    for source in (*PLAIN_FIELDS, *RENAMED):
        value = getattr(desc, source)
        if value is not None:
            setattr(job, RENAMED.get(source, source), value)
    job.shared = SHARED.get(desc.shared, "OK")
    if (desc.core_specification or desc.thread_specification) and job.shared == "OK":
        job.shared = "NO"  # specialized cores can only be had with the whole node
    job.mail_user = desc.mail_user or job.user_name
    job.requeue = desc.requeue if desc.requeue is not None else True
    job.batch_flag = desc.script is not None
    if desc.profile:
        job.profile = tuple(word.upper() for word in desc.profile)
    if desc.crontab:
        job.cron = desc.crontab
    if desc.mail_type:
        job.mail_type = tuple(sorted(desc.mail_type, key=lambda name: MAIL_RANK.get(name, 99)))
    if desc.required_switches:
        longest = state.conf.number_of("SchedulerParameters", "max_switch_wait", MAX_SWITCH_WAIT)
        wait = desc.wait_for_switch
        job.maximum_switch_wait_time = longest if wait is None else min(wait, longest)


def _plain_flags(desc: JobDescriptor) -> set[str]:
    flags = set()
    if desc.spread_job:
        flags.add("SPREAD_JOB")
    if desc.use_min_nodes:
        flags.add("PREFER_MINIMUM_NODE_COUNT")
    if desc.crontab:
        flags.add("CRON_JOB")
    if desc.gres_enforce_binding:
        flags.add("GRES_BINDING_ENFORCED")
    if desc.kill_on_invalid_dependency is not None:
        flags.add("KILL_INVALID_DEPENDENCY" if desc.kill_on_invalid_dependency else "NO_KILL_INVALID_DEPENDENCY")
    return flags


def _set_times(state: State, job: Job, desc: JobDescriptor, partition: Partition, now: int) -> None:
    if not state.conf.JobRequeue and desc.requeue is None:
        job.requeue = False
    if desc.time_limit is not None:
        job.time_limit = desc.time_limit or INFINITE  # 0 asks for none
        job._time_limit_set = True
    else:
        job.time_limit = partition.default_time if partition.default_time is not None else partition.max_time
    if desc.time_minimum:
        if job.time_limit != INFINITE and job.time_limit is not None and desc.time_minimum > job.time_limit:
            raise SlurmError("ESLURM_INVALID_TIME_MIN_LIMIT")
        job.time_minimum = desc.time_minimum
    if desc.begin_time and desc.begin_time > now:
        job._begin_time = desc.begin_time
    if desc.deadline:
        job.deadline = desc.deadline
        shortest = job.time_minimum or (job.time_limit if job._time_limit_set else 0) or 0
        if shortest == INFINITE:
            shortest = 0
        if desc.deadline < max(now, job._begin_time) + shortest * 60:
            raise SlurmError("ESLURM_INVALID_TIME_LIMIT")
    if desc.delay_boot:
        job.delay_boot = desc.delay_boot
    show_begin(job)


def show_begin(job: Job) -> None:
    """A job that waits for its begin time shows it as its start, and the end that comes of it."""
    if not job._begin_time:
        return
    job.start_time = job.eligible_time = job._begin_time
    limited = job.time_limit is not None and job.time_limit != INFINITE
    # endless minutes as seconds, in the 32 bits that Slurm counts them in: its clients show this as no end
    seconds = (job.time_limit or 0) * 60 if limited else INFINITE * 60 & 0xFFFFFFFF
    job.end_time = job._begin_time + seconds


def _set_account(
    state: State, job: Job, desc: JobDescriptor, partitions: tuple[Partition, ...], flags: set[str]
) -> None:
    """Account, association, QOS and WCKey, as slurmdbd's cache knows them."""
    cache = state.assocs
    enforced = partition_access.words(str(state.conf.AccountingStorageEnforce or "").lower())
    if desc.account is not None:
        job.account = desc.account.lower()
    else:
        job.account = cache.default_account(job.user_name)
        flags.add("USING_DEFAULT_ACCOUNT")
    names = [partition.name for partition in partitions]
    assoc = cache.find(job.account, job.user_name, names[0] if len(names) == 1 else "") if job.account else None
    if assoc is None and enforced - {"none", "nojobs", "nosteps", "wckeys"}:
        raise SlurmError("ESLURM_INVALID_ACCOUNT")
    job.association_id = assoc.id if assoc is not None else 0
    _set_qos(state, job, desc, assoc, enforced, flags)
    job.wckey = ""
    if state.conf.TrackWCKey:
        if desc.wckey:
            job.wckey = desc.wckey
            if "wckeys" in enforced and (job.user_name, desc.wckey) not in cache.wckey_ids:
                raise SlurmError("ESLURM_INVALID_WCKEY")
        else:
            known = cache.users.get(job.user_name)
            job.wckey = "*" + (known.default_wckey if known is not None else "")
            flags.add("USING_DEFAULT_WCKEY")
    else:
        job.wckey = desc.wckey or ""
        if not desc.wckey:
            flags.add("USING_DEFAULT_WCKEY")


def _set_qos(
    state: State, job: Job, desc: JobDescriptor, assoc: Association | None, enforced: frozenset[str], flags: set[str]
) -> None:
    cache = state.assocs
    if desc.qos:
        qos = cache.qos.get(desc.qos) or cache.qos.get(desc.qos.lower())
        if qos is None:
            if cache.filled:
                raise SlurmError("ESLURM_INVALID_QOS")
            job.qos = desc.qos
            return
        checked = assoc is not None and enforced & {"qos", "limits", "safe", "all", "associations"}
        if checked and assoc is not None and qos.name not in allowed_qos(state, assoc):
            raise SlurmError("ESLURM_INVALID_QOS")
        job.qos = qos.name
        return
    flags.add("USING_DEFAULT_QOS")
    job.qos = default_qos(state, assoc)


def default_qos(state: State, assoc: Association | None) -> str:
    """The QOS of a job that names none: the association's default, its only one, or ``normal``."""
    if assoc is not None:
        for one in state.assocs.chain(assoc):
            if one.default_qos:
                return str(one.default_qos)
        allowed = allowed_qos(state, assoc)
        if len(allowed) == 1:
            return next(iter(allowed))
        if allowed and "normal" not in allowed:
            return ""
    return "normal" if "normal" in state.assocs.qos else ""


def allowed_qos(state: State, assoc: Association) -> tuple[str, ...]:
    """The names of the QOS that an association may use; its own list, or the nearest one above it."""
    for one in state.assocs.chain(assoc):
        if one.qos:
            return tuple(one.qos.split(",")) if isinstance(one.qos, str) else tuple(one.qos)
    return ()


def set_nodes(state: State, job: Job, desc: JobDescriptor) -> None:
    for source in ("required_nodes", "excluded_nodes"):
        text = getattr(desc, source)
        if not text:
            continue
        names = expand_nodes(state, text)
        for name in names:
            if name not in state.nodes:
                raise SlurmError("ESLURM_INVALID_NODE_NAME")
        setattr(job, source, hostlist.compress(list(dict.fromkeys(names))))
    both = set(hostlist.expand(job.required_nodes)) & set(hostlist.expand(job.excluded_nodes))
    if both:
        raise SlurmError("ESLURM_INVALID_NODE_NAME")


def expand_nodes(state: State, text: str) -> list[str]:
    """A node list in which ``ALL`` stands for every node. Raises ESLURM_INVALID_NODE_NAME."""
    if text.strip().upper() == "ALL":
        return list(state.nodes)
    return hostlist.expand(text)


def set_features(state: State, job: Job, desc: JobDescriptor) -> None:
    for source, target, error in (
        ("constraints", "features", "ESLURM_INVALID_FEATURE"),
        ("prefer", "prefer", "ESLURM_INVALID_PREFER"),
        ("batch_features", "batch_features", "ESLURM_BATCH_CONSTRAINT"),
    ):
        text = getattr(desc, source)
        if text:
            check_features(state, text, error)
            setattr(job, target, text)
    if desc.batch_features is not None:
        wanted = constraints.parse(desc.batch_features).names if desc.batch_features else frozenset()
        offered = constraints.parse(desc.constraints).names if desc.constraints else frozenset()
        if not wanted or not wanted <= offered:
            raise SlurmError("ESLURM_BATCH_CONSTRAINT")


def check_features(state: State, text: str, error: str = "ESLURM_INVALID_FEATURE") -> None:
    """Raise `error` for an expression that cannot be read or that names a feature which no node has."""
    try:
        names = constraints.parse(text).names
    except SlurmError:
        raise SlurmError(error) from None
    known = {feature for node in state.nodes.values() for feature in node.features}
    if not names <= known:
        raise SlurmError(error)


def set_gres(state: State, job: Job, desc: JobDescriptor) -> None:
    known = known_gres(state)
    for name in ("tres_per_job", "tres_per_node", "tres_per_socket", "cpus_per_tres", "memory_per_tres"):
        text = getattr(desc, name)
        if text:
            gres_request.check_names(text, known)
            setattr(job, name, gres_request.canonical(gres_request.parse(text)))
    devices = job.tres_per_job or job.tres_per_node or job.tres_per_socket
    if desc.tres_bind and not _is_binding(desc.tres_bind):
        raise SlurmError("ESLURM_INVALID_TRES")
    if desc.ntasks_per_tres and "gpu" not in (devices or "") and desc.tasks is None and desc.minimum_nodes is None:
        message = (
            "gres_job_state_validate: --ntasks-per-tres needs either a GRES GPU specification or a node/ntask "
            "specification"
        )
        raise SlurmError("ESLURM_INVALID_GRES", data={"user_message": message})
    if job.tres_per_socket and not desc.sockets_per_node:
        message = "--gpus-per-socket option requires --sockets-per-node specification"
        raise SlurmError("ESLURM_INVALID_GRES", data={"user_message": message})
    if desc.tres_per_task:
        _check_task_tres(desc.tres_per_task)
        from slurmpy.controller.job_request import split_task_tres

        per_task, _ = split_task_tres(desc.tres_per_task)
        for name, _, _ in per_task:
            if name not in known:
                raise SlurmError("ESLURM_INVALID_GRES")
        if per_task and desc.tasks is None and not job.tres_per_job:
            message = (
                "Failed to validate job spec. --gpus-per-task or --tres-per-task used without either --gpus or "
                "-n/--ntasks is not allowed."
            )
            raise SlurmError("ESLURM_INVALID_GRES", data={"user_message": message})
        devices = devices or desc.tres_per_task
        gpus = [count for name, _, count in per_task if name == "gpu"]
        if gpus and not job.tres_bind:
            job.tres_bind = f"gres/gpu:per_task:{gpus[0]}"
    for name, text in (("cpus_per_tres", job.cpus_per_tres), ("mem_per_tres", job.memory_per_tres)):
        if "gres/" in text and "gpu" not in (devices or ""):
            message = f"Requested {name}={text} but did not request any GPU."
            raise SlurmError("ESLURM_INVALID_GRES", data={"user_message": message})


#: what --tres-bind may say of a kind of device
_BINDINGS = re.compile(
    r"(verbose,)?(closest|none|per_gpu|single:\d+|per_task:\d+|map:[\dx,a-fA-F]+|mask:[\dx,a-fA-F]+|map_gpu:[\d,*]+"
    r"|mask_gpu:[\dx,a-fA-F*]+)"
)


def _is_binding(text: str) -> bool:
    """``gres/gpu:none``, several joined by ``+``."""
    for item in text.split("+"):
        name, colon, how = item.partition(":")
        if not name.startswith("gres/") or not colon or not _BINDINGS.fullmatch(how):
            return False
    return True


def _check_task_tres(text: str) -> None:
    """Raise ESLURM_INVALID_TRES for ``gpu=1``: devices are written ``gres/gpu``."""
    for item in text.split(","):
        name, equals, _ = item.partition("=")
        if equals and name not in tres.STATIC and not name.startswith(("gres/", "gres:", "license/", "bb/")):
            raise SlurmError("ESLURM_INVALID_TRES")


def known_gres(state: State) -> frozenset[str]:
    types = state.conf.GresTypes or ()
    return frozenset(types.split(",") if isinstance(types, str) else types)


def _set_array(state: State, job: Job, desc: JobDescriptor) -> None:
    if not desc.array:
        return
    try:
        tasks, limit = intervals.parse_array(desc.array)
    except ValueError:
        raise SlurmError("ESLURM_INVALID_ARRAY") from None
    most = int(state.conf.MaxArraySize or 0)
    if not tasks or tasks.last() >= most or len(tasks) > max(most, 1):
        raise SlurmError("ESLURM_INVALID_ARRAY")
    job._array_tasks = tasks
    job.array_max_tasks = limit
    job.array_task_string = tasks.format()


def _set_dependency(state: State, job: Job, desc: JobDescriptor) -> None:
    if desc.dependency:
        job._dependencies = dependencies.parse(state, desc.dependency)
        job.dependency = dependencies.show(job._dependencies)


def _set_priority(state: State, job: Job, desc: JobDescriptor, uid: int, user: str) -> None:
    operator = is_operator(state, uid, user)
    if desc.hold or desc.priority == 0:
        job.hold = True
        job.priority = 0
        job._hold_admin = False
        job.state_reason = "JobHeldUser"
        return
    if desc.priority is not None and operator:
        job._limits = {**job._limits, "priority": desc.priority}  # set by hand: not computed any more
    if not job._dependencies:
        job.eligible_time = job._begin_time or job.submit_time
    if job._begin_time:
        job.state_reason = "BeginTime"
    elif job._dependencies:
        job.state_reason = "Dependency"


# ------------------------------------------------------------------------------------------------ is it possible?


#: what is said before ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE where no single node has enough of something
UNSATISFIED = {
    "cpus": "CPU count per node can not be satisfied",
    "memory": "Memory specification can not be satisfied",
    "disk": "Temporary disk specification can not be satisfied",
}


def _check_possible(state: State, job: Job, partitions: tuple[Partition, ...], now: int) -> None:
    """Refuse what no state of the cluster could ever satisfy (release 24.11 does not let such jobs wait)."""
    misfit = ""
    for partition in partitions:
        reason = partition_access.limit_reason(job, partition, limits.qos_flags(state, job))
        if reason and reason not in ("PartitionDown", "PartitionInactive"):
            return  # it waits for somebody to lift the limit
        if not isinstance(select.place(state, job, partition, now, empty=True), str):
            return
        misfit = misfit or _misfit(state, job, partition)
    data: dict[str, Any] = {"uses_job_id": True}
    if misfit in UNSATISFIED:
        data["user_message"] = UNSATISFIED[misfit]
    raise SlurmError("ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE", data=data)


def _misfit(state: State, job: Job, partition: Partition) -> str:
    """What it is that no node of the partition has enough of: "cpus", "memory", "disk" or ""."""
    from slurmpy.controller import job_request

    request = job_request.of(job)
    counts_memory = select.rules(state).memory
    found = {
        select.fits_ever(state.nodes[name], request, counts_memory)
        for name in partition._node_names
        if name in state.nodes
    }
    for kind in ("cpus", "memory", "disk"):
        if kind in found and "" not in found and found <= {"cpus", "memory", "disk"} | {kind}:
            return kind
    return ""


def is_waiting_state(job: Job) -> bool:
    return job.job_state & JobState.BASE == JobState.PENDING
