"""What a user asks for: a job (Slurm's job_desc_msg_t) or a step, with the field names of data_parser v0.0.42.

``None`` means that the user said nothing, so the controller's default holds. Units as in `job`.
"""

from __future__ import annotations

from .base import Record


class JobDescriptor(Record):
    job_id: int | None = None
    name: str | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    wckey: str | None = None
    user_id: int | None = None  # asked for by root (--uid); the caller's own otherwise
    group_id: int | None = None
    comment: str | None = None
    admin_comment: str | None = None
    system_comment: str | None = None
    extra: str | None = None
    mcs_label: str | None = None
    array: str | None = None  # "0-9%2" as written
    crontab: str | None = None
    begin_time: int | None = None
    deadline: int | None = None
    delay_boot: int | None = None
    time_limit: int | None = None
    time_minimum: int | None = None
    end_time: int | None = None
    hold: bool | None = None
    immediate: int | None = None  # seconds (salloc/srun -I)
    priority: int | None = None
    nice: int | None = None
    site_factor: int | None = None
    requeue: bool | None = None
    reboot: bool | None = None
    kill_on_node_fail: bool | None = None
    kill_on_invalid_dependency: bool | None = None  # None: what DependencyParameters say
    wait_all_nodes: bool | None = None
    minimum_cpus: int | None = None
    maximum_cpus: int | None = None
    minimum_nodes: int | None = None
    maximum_nodes: int | None = None
    job_size_str: str | None = None
    tasks: int | None = None
    cpus_per_task: int | None = None
    tasks_per_node: int | None = None
    tasks_per_socket: int | None = None
    tasks_per_core: int | None = None
    tasks_per_board: int | None = None
    ntasks_per_tres: int | None = None
    minimum_cpus_per_node: int | None = None
    minimum_boards_per_node: int | None = None
    minimum_sockets_per_board: int | None = None
    sockets_per_node: int | None = None
    cores_per_socket: int | None = None
    threads_per_core: int | None = None
    core_specification: int | None = None
    thread_specification: int | None = None
    memory_per_node: int | None = None
    memory_per_cpu: int | None = None
    memory_per_tres: str | None = None
    temporary_disk_per_node: int | None = None
    contiguous: bool | None = None
    overcommit: bool | None = None
    shared: str | None = None  # "none" (--exclusive), "user", "mcs", "topo", "oversubscribe"
    spread_job: bool | None = None
    use_min_nodes: bool | None = None
    gres_enforce_binding: bool | None = None
    constraints: str | None = None
    prefer: str | None = None
    cluster_constraint: str | None = None
    batch_features: str | None = None
    required_nodes: str | None = None
    excluded_nodes: str | None = None
    required_switches: int | None = None
    wait_for_switch: int | None = None
    segment_size: int | None = None
    distribution: str | None = None
    distribution_plane_size: int | None = None
    dependency: str | None = None
    licenses: str | None = None
    network: str | None = None
    reservation: str | None = None
    burst_buffer: str | None = None
    cpus_per_tres: str | None = None
    tres_bind: str | None = None
    tres_freq: str | None = None
    tres_per_job: str | None = None
    tres_per_node: str | None = None
    tres_per_socket: str | None = None
    tres_per_task: str | None = None
    cpu_frequency: str | None = None
    cpu_binding: str | None = None
    memory_binding: str | None = None
    account_gather_frequency: str | None = None
    profile: tuple[str, ...] | None = None
    power_flags: tuple[str, ...] | None = None
    mail_type: tuple[str, ...] | None = None
    mail_user: str | None = None
    kill_warning_signal: str | None = None
    kill_warning_delay: int | None = None
    kill_warning_flags: tuple[str, ...] | None = None
    oom_kill_step: int | None = None
    stepmgr: bool | None = None
    x11: tuple[str, ...] | None = None
    container: str | None = None
    container_id: str | None = None
    clusters: str | None = None
    # a batch job's
    script: str | None = None  # as text; bytes that are no UTF-8 travel as surrogate escapes
    argv: tuple[str, ...] | None = None
    environment: tuple[str, ...] | None = None  # "NAME=value"
    get_user_env: str | None = None
    standard_input: str | None = None
    standard_output: str | None = None
    standard_error: str | None = None
    open_mode: str | None = None  # "a" or "t"
    current_working_directory: str | None = None
    command: str | None = None  # shown by scontrol: the script's path and its arguments
    rlimits: dict[str, int] | None = None  # by name ("RLIMIT_NOFILE"), soft limits to propagate
    umask: int | None = None
    # where it came from
    submit_line: str | None = None
    allocation_node_list: str | None = None  # the submitting host
    allocation_sid: int | None = None
    selinux_context: str | None = None


class StepDescriptor(Record):
    """What srun asks of an allocation (job_step_create_request)."""

    job_id: int = 0
    step_id: int | None = None  # None: the next; else one of the special ids (interactive)
    step_het_comp: int | None = None
    name: str | None = None
    minimum_nodes: int | None = None
    maximum_nodes: int | None = None
    required_nodes: str | None = None
    excluded_nodes: str | None = None
    relative: int | None = None
    tasks: int | None = None
    cpus_per_task: int | None = None
    tasks_per_node: int | None = None
    tasks_per_core: int | None = None
    tasks_per_socket: int | None = None
    threads_per_core: int | None = None
    cpu_count: int | None = None
    memory_per_node: int | None = None
    memory_per_cpu: int | None = None
    exclusive: bool = True  # CPUs of its own within the job (the default since 20.11)
    exact: bool = False
    overlap: bool = False
    overcommit: bool = False
    whole: bool = False
    interactive: bool = False
    immediate: int | None = None
    time_limit: int | None = None
    constraints: str | None = None
    network: str | None = None
    distribution: str | None = None
    distribution_plane_size: int | None = None
    cpus_per_tres: str | None = None
    memory_per_tres: str | None = None
    tres_bind: str | None = None
    tres_freq: str | None = None
    tres_per_step: str | None = None
    tres_per_node: str | None = None
    tres_per_socket: str | None = None
    tres_per_task: str | None = None
    container: str | None = None
    container_id: str | None = None
    cpu_frequency: str | None = None
    kill_on_bad_exit: bool | None = None
    no_kill: bool = False
    submit_line: str | None = None
    srun_host: str | None = None
    srun_pid: int | None = None
    current_working_directory: str | None = None
    standard_error: str | None = None
    standard_input: str | None = None
    standard_output: str | None = None
