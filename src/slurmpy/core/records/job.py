"""A job as the commands see it (Slurm's job_info_t), with the field names of data_parser v0.0.42.

Times are seconds since 1970 (0: not set), time limits minutes, memory and disk MiB, exit codes wait statuses
(``code << 8 | signal``), states the numbers of `slurmpy.core.states`. ``None`` is «not set», `INFINITE` «no limit».
"""

from __future__ import annotations

from .base import INFINITE, Record

#: a time that never comes
NOT_YET = 1 << 53

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class JobInfo(Record):
    # who and what
    job_id: int = 0
    name: str = ""
    user_id: int = 0
    user_name: str = ""
    group_id: int = 0
    group_name: str = ""
    account: str = ""
    association_id: int = 0
    cluster: str = ""
    partition: str = ""  # the running job's; a pending one's list as requested: "long,debug"
    qos: str = ""
    wckey: str = ""
    comment: str = ""
    admin_comment: str = ""
    system_comment: str = ""
    extra: str = ""
    mcs_label: str = ""
    # arrays and heterogeneous jobs
    array_job_id: int = 0  # 0: no array
    array_task_id: int | None = None
    array_task_string: str = ""  # tasks that wait in this record: "4-9"; the %limit is array_max_tasks
    array_max_tasks: int = 0
    het_job_id: int = 0
    het_job_id_set: str = ""
    het_job_offset: int = 0
    # state
    job_state: int = 0  # JobState base and flags
    state_reason: str = "None"
    state_description: str = ""
    hold: bool = False
    exit_code: int = 0
    derived_exit_code: int = 0
    failed_node: str = ""
    flags: tuple[str, ...] = ()
    restart_cnt: int = 0
    requeue: bool = True
    reboot: bool = False
    kill_on_node_fail: bool = True
    # times
    submit_time: int = 0
    accrue_time: int = 0
    eligible_time: int = 0
    start_time: int = 0
    end_time: int = 0
    deadline: int = 0
    suspend_time: int = 0
    pre_sus_time: int = 0
    preempt_time: int = 0
    preemptable_time: int = 0
    resize_time: int = 0
    last_sched_evaluation: int = 0
    scheduler: str = ""  # "Main" or "Backfill": which of them looked at it last
    time_limit: int | None = None
    time_minimum: int = 0
    delay_boot: int = 0
    # priority
    priority: int = 0
    priority_by_partition: tuple[tuple[str, int], ...] = ()
    nice: int = 0
    site_factor: int = 0
    # what it asked for
    cpus: int = 1
    max_cpus: int = 0
    node_count: int = 1
    max_nodes: int = 0
    tasks: int = 1
    cpus_per_task: int | None = 1
    tasks_per_node: int = 0
    tasks_per_socket: int | None = INFINITE
    tasks_per_core: int | None = INFINITE
    tasks_per_board: int = 0
    tasks_per_tres: int = 0
    boards_per_node: int = 0
    sockets_per_board: int = 0
    sockets_per_node: int | None = None
    cores_per_socket: int | None = None
    threads_per_core: int | None = None
    core_spec: int | None = None
    thread_spec: int | None = None
    memory_per_node: int | None = None
    memory_per_cpu: int | None = None
    minimum_cpus_per_node: int = 1
    minimum_tmp_disk_per_node: int = 0
    contiguous: bool = False
    shared: str = "OK"  # OverSubscribe as scontrol shows it: OK, NO, YES, USER, MCS, TOPO
    overcommit: bool = False
    features: str = ""
    prefer: str = ""
    cluster_features: str = ""
    batch_features: str = ""
    required_nodes: str = ""
    excluded_nodes: str = ""
    required_switches: int = 0
    maximum_switch_wait_time: int = 0
    segment_size: int = 0
    dependency: str = ""
    licenses: str = ""
    network: str = ""
    resv_name: str = ""
    burst_buffer: str = ""
    burst_buffer_state: str = ""
    cpus_per_tres: str = ""
    memory_per_tres: str = ""
    tres_bind: str = ""
    tres_freq: str = ""
    tres_per_job: str = ""
    tres_per_node: str = ""
    tres_per_socket: str = ""
    tres_per_task: str = ""
    tres_req_str: str = ""
    tres_alloc_str: str = ""
    billable_tres: float | None = None
    cpu_frequency_minimum: int | None = None
    cpu_frequency_maximum: int | None = None
    cpu_frequency_governor: int | None = None
    distribution: str = ""
    profile: tuple[str, ...] = ("NOT_SET",)
    mail_type: tuple[str, ...] = ()
    mail_user: str = ""
    kill_warning_signal: str = ""  # "USR1", with kill_warning_delay seconds and the flag BATCH_JOB ("B:")
    kill_warning_delay: int = 0
    kill_warning_flags: tuple[str, ...] = ()
    container: str = ""
    container_id: str = ""
    cron: str = ""
    selinux_context: str = ""
    # where it is
    nodes: str = ""
    scheduled_nodes: str = ""
    batch_host: str = ""
    batch_flag: bool = False
    allocating_node: str = ""
    alloc_sid: int = 0
    job_size_str: tuple[str, ...] = ()
    gres_detail: tuple[str, ...] = ()  # per node: "gpu:a100:2(IDX:0-1)"
    gres_used: str = ""
    #: None, or {"nodes": hostlist, "whole": bool, "threads_per_core": int|None, "allocation": one dict a node:
    #: {"name", "cpus", "cpus_used", "memory", "memory_used", "sockets", "cores_per_socket", "threads",
    #:  "core_ids": indices over the whole node, "gres": ((name, type, (index, ...)), ...)}}
    job_resources: dict[str, Any] | None = None
    # files
    command: str = ""
    current_working_directory: str = ""
    standard_error: str = ""  # patterns as requested; expanded only for show
    standard_input: str = ""
    standard_output: str = ""
    submit_line: str = ""
    federation_origin: str = ""
    federation_siblings_active: str = ""
    federation_siblings_viable: str = ""


class StepInfo(Record):
    """A running step (job_step_info_t). ``step_id`` may be one of the special ones of `slurmpy.core.ids`."""

    job_id: int = 0
    step_id: int = 0
    step_het_comp: int | None = None
    array_job_id: int = 0
    array_task_id: int | None = None
    het_job_id: int = 0
    het_job_offset: int = 0
    name: str = ""
    user_id: int = 0
    user_name: str = ""
    cluster: str = ""
    partition: str = ""
    state: int = 1
    nodes: str = ""
    node_count: int = 0
    number_cpus: int = 0
    number_tasks: int = 0
    tasks_per_node: tuple[int, ...] = ()
    start_time: int = 0
    run_time: int = 0  # seconds before `resume_time`, if it was suspended
    resume_time: int = 0  # NOT_YET while it is suspended
    time_limit: int = INFINITE
    network: str = ""
    reserved_ports: str = ""
    distribution: str = ""  # "Block", "Cyclic", ... as scontrol shows it
    srun_host: str = ""
    srun_pid: int = 0
    container: str = ""
    container_id: str = ""
    submit_line: str = ""
    current_working_directory: str = ""
    standard_error: str = ""
    standard_input: str = ""
    standard_output: str = ""
    tres_alloc_str: str = ""
    cpus_per_tres: str = ""
    memory_per_tres: str = ""
    tres_bind: str = ""
    tres_freq: str = ""
    tres_per_step: str = ""
    tres_per_node: str = ""
    tres_per_socket: str = ""
    tres_per_task: str = ""
    cpu_frequency_minimum: int | None = None
    cpu_frequency_maximum: int | None = None
    cpu_frequency_governor: int | None = None
