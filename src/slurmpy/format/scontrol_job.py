"""``scontrol show job``: one block, or with -o one line, for each job."""

from __future__ import annotations

from ..core.intervals import DEFAULT_TEXT_LENGTH, format_array
from ..core.records.base import INFINITE
from ..core.sizes import convert_num_unit
from ..core.states import JobState
from ..core.times import format_duration, format_time, format_time_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.records.job import JobInfo

#: what the view needs of a job; -d needs `DETAIL_FIELDS` too
FIELDS = (
    *("job_id", "name", "user_id", "user_name", "group_id", "group_name", "account", "partition", "qos", "wckey"),
    *("comment", "admin_comment", "system_comment", "extra", "mcs_label", "array_job_id", "array_task_id"),
    *("array_task_string", "array_max_tasks", "het_job_id", "het_job_id_set", "het_job_offset", "job_state"),
    *("state_reason", "state_description", "exit_code", "derived_exit_code", "failed_node", "flags", "restart_cnt"),
    *("requeue", "reboot", "submit_time", "accrue_time", "eligible_time", "start_time", "end_time", "deadline"),
    *("suspend_time", "pre_sus_time", "preempt_time", "preemptable_time", "resize_time", "last_sched_evaluation"),
    *("scheduler", "time_limit", "time_minimum", "delay_boot", "priority", "nice", "site_factor", "cpus", "node_count"),
    *("max_nodes", "tasks", "cpus_per_task", "tasks_per_node", "tasks_per_socket", "tasks_per_core", "tasks_per_board"),
    *("sockets_per_board", "sockets_per_node", "cores_per_socket", "threads_per_core", "core_spec", "thread_spec"),
    *("memory_per_node", "memory_per_cpu", "minimum_cpus_per_node", "minimum_tmp_disk_per_node", "contiguous"),
    *("shared", "features", "prefer", "cluster_features", "batch_features", "required_nodes", "excluded_nodes"),
    *("required_switches", "maximum_switch_wait_time", "dependency", "licenses", "network", "resv_name"),
    *("burst_buffer", "burst_buffer_state", "cpus_per_tres", "memory_per_tres", "tres_bind", "tres_freq"),
    *("tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task", "tres_req_str", "tres_alloc_str"),
    *("cpu_frequency_minimum", "cpu_frequency_maximum", "cpu_frequency_governor", "mail_type", "mail_user"),
    *("kill_warning_signal", "kill_warning_delay", "kill_warning_flags", "container", "container_id", "cron"),
    *("selinux_context", "nodes", "scheduled_nodes", "batch_host", "batch_flag", "allocating_node", "alloc_sid"),
    *("command", "current_working_directory", "standard_error", "standard_input", "standard_output"),
    *("federation_origin", "federation_siblings_active", "federation_siblings_viable", "job_size_str"),
)
DETAIL_FIELDS = ("job_resources", "gres_detail", "gres_used")

#: what stands for the task's number in the file names of an array that waits
NO_TASK = 0xFFFFFFFE

#: the order in which scontrol writes what mail is sent for
MAIL_TYPES = {
    "ARRAY_TASKS": "ARRAY_TASKS",
    "INVALID_DEPENDENCY": "INVALID_DEPEND",
    "BEGIN": "BEGIN",
    "END": "END",
    "FAIL": "FAIL",
    "REQUEUE": "REQUEUE",
    "TIME=100%": "TIME_LIMIT",
    "TIME=90%": "TIME_LIMIT_90",
    "TIME=80%": "TIME_LIMIT_80",
    "TIME=50%": "TIME_LIMIT_50",
    "STAGE_OUT": "STAGE_OUT",
}

#: fields that are shown, each on a line of its own, where they are set
OPTIONAL = (
    ("Switches", ""),
    ("CpusPerTres", "cpus_per_tres"),
    ("MemPerTres", "memory_per_tres"),
    ("TresBind", "tres_bind"),
    ("TresFreq", "tres_freq"),
    ("TresPerJob", "tres_per_job"),
    ("TresPerNode", "tres_per_node"),
    ("TresPerSocket", "tres_per_socket"),
    ("TresPerTask", "tres_per_task"),
)


class View:
    """How the records are to be shown.

    `detail` is the number of -d, `one_line` is -o, `now` the server's time; `wckeys` and `preemption`: whether the
    cluster has them, else what concerns them is left out.
    """

    __slots__ = ("bit_length", "detail", "now", "one_line", "preemption", "time_format", "wckeys")

    def __init__(
        self,
        now: int,
        detail: int = 0,
        one_line: bool = False,
        time_format: str | None = None,
        bit_length: int = DEFAULT_TEXT_LENGTH,
        wckeys: bool = True,
        preemption: bool = True,
    ) -> None:
        self.now = now
        self.detail = detail
        self.one_line = one_line
        self.time_format = time_format
        self.bit_length = bit_length
        self.wckeys = wckeys
        self.preemption = preemption

    def time(self, epoch: int, none: str = "Unknown") -> str:
        return format_time(epoch, self.time_format, self.now) if epoch else none

    def block(self, lines: list[str]) -> str:
        """Lines put together as scontrol does: indented below one another, or in one line."""
        if self.one_line:
            return " ".join(lines)
        return "\n   ".join(lines)


def null(text: str) -> str:
    return text or "(null)"


def star(value: int | None) -> str:
    return "*" if value is None or value in (INFINITE, 0xFFFF, 0xFFFE) else str(value)


def code(status: int) -> str:
    return f"{status >> 8 & 0xFF}:{status & 0x7F}"


def state_name(state: int) -> str:
    """The one word that scontrol shows for a job's state."""
    for flag, (name, _) in JobState.FLAG_NAMES.items():
        if state & flag:
            return name
    return JobState.NAMES.get(state & JobState.BASE, ("?", "?"))[0]


def run_time(job: JobInfo, now: int) -> int:
    """Seconds that the job has run, without those it was suspended."""
    base = job.job_state & JobState.BASE
    if base == JobState.PENDING or not job.start_time:
        return 0
    if base == JobState.SUSPENDED:
        return job.pre_sus_time
    end = now if base == JobState.RUNNING else job.end_time
    if job.suspend_time:
        return max(0, end - job.suspend_time + job.pre_sus_time)
    return max(0, end - job.start_time)


def show(job: JobInfo, view: View) -> str:
    """The text of one job, with its final newlines."""
    lines = [*_identity(job, view), *_times(job, view), *_place(job, view), *_request(job), *_details(job, view)]
    lines += _conditions(job)
    lines += _files(job)
    lines += _extras(job)
    if view.one_line:
        return view.block(lines) + " \n"
    return view.block(lines) + "\n   \n\n"


def _identity(job: JobInfo, view: View) -> list[str]:
    first = f"JobId={job.job_id} "
    if job.array_job_id:
        task = (
            str(job.array_task_id)
            if job.array_task_id is not None
            else format_array(job.array_task_string, job.array_max_tasks, view.bit_length)
        )
        first += f"ArrayJobId={job.array_job_id} ArrayTaskId={task} "
        if job.array_max_tasks:
            first += f"ArrayTaskThrottle={job.array_max_tasks} "
    if job.het_job_id:
        first += f"HetJobId={job.het_job_id} HetJobOffset={job.het_job_offset} "
    lines = [f"{first}JobName={job.name}"]
    if job.het_job_id:
        lines.append(f"HetJobIdSet={job.het_job_id_set}")
    lines.append(
        f"UserId={job.user_name}({job.user_id}) GroupId={job.group_name}({job.group_id}) "
        f"MCS_label={job.mcs_label or 'N/A'}"
    )
    lines.append(
        f"Priority={job.priority} Nice={job.nice} Account={null(job.account)} QOS={null(job.qos)}"
        + (f" WCKey={null(job.wckey)}" if view.wckeys else "")
    )
    reason = job.state_description.replace(" ", "_") or job.state_reason
    failed = f"FailedNode={job.failed_node} " if job.failed_node else ""
    lines.append(f"JobState={state_name(job.job_state)} Reason={reason} {failed}Dependency={null(job.dependency)}")
    lines.append(
        f"Requeue={job.requeue:d} Restarts={job.restart_cnt} BatchFlag={job.batch_flag:d} Reboot={job.reboot:d} "
        f"ExitCode={code(job.exit_code)}"
    )
    if view.detail:
        lines.append(f"DerivedExitCode={code(job.derived_exit_code)}")
    return lines


def _times(job: JobInfo, view: View) -> list[str]:
    minimum = format_time_limit(job.time_minimum) if job.time_minimum else "N/A"
    lines = [
        f"RunTime={format_duration(run_time(job, view.now))} TimeLimit={format_time_limit(job.time_limit)} "
        f"TimeMin={minimum}",
        f"SubmitTime={view.time(job.submit_time)} EligibleTime={view.time(job.eligible_time)}",
        f"AccrueTime={view.time(job.accrue_time)}",
    ]
    end = job.end_time
    if job.time_limit == INFINITE and end > view.now:
        ended = "Unknown"
    else:
        if not end and job.start_time and job.time_limit not in (None, INFINITE):
            end = job.start_time + (job.time_limit or 0) * 60
        ended = view.time(end)
    if job.resize_time:
        lines.append(f"ResizeTime={view.time(job.resize_time)}")
    lines.append(f"StartTime={view.time(job.start_time)} EndTime={ended} Deadline={view.time(job.deadline, 'N/A')}")
    if view.preemption and job.job_state & JobState.BASE != JobState.PENDING:
        eligible = view.time(job.preemptable_time or job.start_time)
        lines.append(f"PreemptEligibleTime={eligible} PreemptTime={view.time(job.preempt_time, 'None')}")
    if job.cron:
        lines.append(f'CronJob=Yes CrontabSpec="{job.cron}"')
    lines.append(
        f"SuspendTime={view.time(job.suspend_time, 'None')} SecsPreSuspend={job.pre_sus_time} "
        f"LastSchedEval={view.time(job.last_sched_evaluation)}"
        f" Scheduler={job.scheduler or 'Main'}"
    )
    return lines


def _place(job: JobInfo, view: View) -> list[str]:
    lines = [f"Partition={null(job.partition)} AllocNode:Sid={null(job.allocating_node)}:{job.alloc_sid}"]
    lines.append(f"ReqNodeList={null(job.required_nodes)} ExcNodeList={null(job.excluded_nodes)}")
    planned = f" SchedNodeList={job.scheduled_nodes}" if job.scheduled_nodes else ""
    lines.append(f"NodeList={job.nodes}{planned}")
    if job.batch_host:
        lines.append(f"BatchHost={job.batch_host}")
    if job.federation_siblings_active or job.federation_siblings_viable:
        lines.append(
            f"FedOrigin={null(job.federation_origin)} FedViableSiblings={null(job.federation_siblings_viable)} "
            f"FedActiveSiblings={null(job.federation_siblings_active)}"
        )
    return lines


def _request(job: JobInfo) -> list[str]:
    pending = job.job_state & JobState.BASE == JobState.PENDING
    nodes = str(job.node_count)
    if pending and job.max_nodes:
        nodes += f"-{convert_num_unit(job.max_nodes)}"
    tasks = "N/A" if job.tasks is None else str(job.tasks)
    per_task = "N/A" if job.cpus_per_task is None else str(job.cpus_per_task)
    lines = [
        f"NumNodes={nodes} NumCPUs={convert_num_unit(job.cpus)} NumTasks={tasks} CPUs/Task={per_task} "
        f"ReqB:S:C:T=0:{job.sockets_per_board}:{star(job.cores_per_socket)}:{star(job.threads_per_core)}",
        f"ReqTRES={null(job.tres_req_str)}",
        f"AllocTRES={null(job.tres_alloc_str)}",
    ]
    if job.core_spec:
        spec = f"CoreSpec={job.core_spec}"
    elif job.thread_spec and job.thread_spec < 0x7FFE:
        spec = f"ThreadSpec={job.thread_spec}"
    else:
        spec = "CoreSpec=*"
    lines.append(
        f"Socks/Node={star(job.sockets_per_node)} NtasksPerN:B:S:C={job.tasks_per_node}:{job.tasks_per_board}:"
        f"{star(job.tasks_per_socket)}:{star(job.tasks_per_core)} {spec}"
    )
    return lines


def _details(job: JobInfo, view: View) -> list[str]:
    """With -d: what the job has on each node; neighbours with the same share a line."""
    if not view.detail or not job.job_resources:
        return []
    lines = [f"JOB_GRES={_gres_total(job.gres_detail, job.tres_alloc_str)}"]
    groups: list[tuple[list[str], tuple[str, int, str]]] = []
    for at, node in enumerate(job.job_resources["allocation"]):
        gres = job.gres_detail[at] if at < len(job.gres_detail) else ""
        what = (cpu_ids(node), node["memory"], gres)
        if groups and groups[-1][1] == what:
            groups[-1][0].append(node["name"])
        else:
            groups.append(([node["name"]], what))
    from ..core.hostlist import compress

    for names, (cpus, memory, gres) in groups:
        lines.append(f"  Nodes={compress(names)} CPU_IDs={cpus} Mem={memory} GRES={gres}")
    return lines


def cpu_ids(node: dict[str, Any]) -> str:
    """The numbers of all threads of the allocated cores: ``0-1,6-7``."""
    from ..core.intervals import IntervalSet

    threads = int(node.get("threads") or 1)
    ids = IntervalSet(core * threads + thread for core in node["core_ids"] for thread in range(threads))
    text = ids.format()
    return text if ":" not in text else ",".join(map(str, ids))


def _gres_total(details: tuple[str, ...], allocated: str) -> str:
    """``gpu:a100:2`` of what the nodes hold together; of an ended job, of its TRES."""
    totals: dict[str, int] = {}
    for detail in details:
        for item in _items(detail):
            name, _, count = item.partition("(")[0].rpartition(":")
            if name and count.isdecimal():
                totals[name] = totals.get(name, 0) + int(count)
    if not totals:
        counts = [item[5:].rsplit("=", 1) for item in allocated.split(",") if item.startswith("gres/")]
        typed = {name.partition(":")[0] for name, _ in counts if ":" in name}
        totals = {name: int(count) for name, count in counts if ":" in name or name not in typed}
    return ",".join(f"{name}:{count}" for name, count in totals.items()) or "(null)"


def _items(text: str) -> list[str]:
    """The items of a list, cut at the commas outside parentheses."""
    items, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            items.append(text[start:at])
            start = at + 1
    return [*items, text[start:]] if text[start:] else items


def _conditions(job: JobInfo) -> list[str]:
    if job.memory_per_tres:
        amount = job.memory_per_tres.rpartition(":")[2]
        memory = f"MinMemoryTRES={convert_num_unit(int(amount), 'M') if amount.isdecimal() else amount}"
    elif job.memory_per_cpu is not None:
        memory = f"MinMemoryCPU={convert_num_unit(job.memory_per_cpu, 'M')}"
    else:
        memory = f"MinMemoryNode={convert_num_unit(job.memory_per_node or 0, 'M')}"
    lines = [
        f"MinCPUsNode={job.minimum_cpus_per_node} {memory} "
        f"MinTmpDiskNode={convert_num_unit(job.minimum_tmp_disk_per_node, 'M')}",
        f"Features={null(job.features)} DelayBoot={format_duration(job.delay_boot)}",
    ]
    if job.cluster_features:
        lines.append(f"ClusterFeatures={job.cluster_features}")
    if job.prefer:
        lines.append(f"Prefer={job.prefer}")
    if job.resv_name:
        lines.append(f"Reservation={job.resv_name}")
    lines.append(
        f"OverSubscribe={job.shared} Contiguous={job.contiguous:d} Licenses={null(job.licenses)} "
        f"Network={null(job.network)}"
    )
    return lines


def _files(job: JobInfo) -> list[str]:
    lines = [f"Command={null(job.command)}", f"WorkDir={job.current_working_directory}"]
    for name, text in (
        ("AdminComment", job.admin_comment),
        ("SystemComment", job.system_comment),
        ("Comment", job.comment),
        ("Extra", job.extra),
    ):
        if text:
            lines.append(f"{name}={text} ")
    if job.batch_flag:
        out = _path(job, job.standard_output)
        lines.append(f"StdErr={_path(job, job.standard_error) if job.standard_error else out}")
        lines.append(f"StdIn={_path(job, job.standard_input or '/dev/null')}")
        lines.append(f"StdOut={out}")
    return lines


def _path(job: JobInfo, pattern: str) -> str:
    """Where a stream of the job is. Only patterns that somebody wrote cost the import of what fills them in."""
    if not pattern:
        task = NO_TASK if job.array_task_id is None else job.array_task_id
        pattern = f"slurm-{job.array_job_id}_{task}.out" if job.array_job_id else f"slurm-{job.job_id}.out"
    elif "%" in pattern or "\\" in pattern:
        from ..data_parser.job_paths import fill

        pattern = fill(job, pattern)
    return pattern if pattern[:1] == "/" else f"{job.current_working_directory}/{pattern}"


def _extras(job: JobInfo) -> list[str]:
    lines = []
    if job.batch_features:
        lines.append(f"BatchFeatures={job.batch_features}")
    if job.burst_buffer:
        lines.append(f"BurstBuffer={job.burst_buffer}")
    if job.burst_buffer_state:
        lines.append(f"BurstBufferState={job.burst_buffer_state}")
    for name, field in OPTIONAL:
        if name == "Switches":
            if job.required_switches:
                lines.append(f"Switches={job.required_switches}@{format_duration(job.maximum_switch_wait_time)}")
        elif getattr(job, field):
            lines.append(f"{name}={getattr(job, field)}")
    if job.container or job.container_id:
        lines.append(f"Container={null(job.container)} ContainerID={null(job.container_id)}")
    flags = job.flags
    if "GRES_ENFORCE_BIND" in flags or "GRES_BINDING_ENFORCED" in flags:
        lines.append("GresEnforceBind=Yes")
    if "KILL_INVALID_DEPENDENCY" in flags:
        lines.append("KillOInInvalidDependent=Yes")
    if "NO_KILL_INVALID_DEPENDENCY" in flags:
        lines.append("KillOInInvalidDependent=No")
    if "SPREAD_JOB" in flags:
        lines.append("SpreadJob=Yes")
    if job.mail_type:
        order = list(MAIL_TYPES.values())
        types = sorted({MAIL_TYPES.get(name, name) for name in job.mail_type} & set(order), key=order.index)
        lines.append(f"MailUser={null(job.mail_user)} MailType={','.join(types)}")
    if job.cron:
        lines.append("OOMKillStep=0")  # a crontab has no word for it
    if job.selinux_context:
        lines.append(f"SELinuxContext={job.selinux_context}")
    return lines
