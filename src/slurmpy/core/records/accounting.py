"""What slurmdbd keeps: jobs and steps of the past, and who may use what (associations, QOS, TRES, ...).

Names are those of `JobInfo` where the thing is the same, else those of data_parser v0.0.42's slurmdb schemas (flat),
and for limits the words of sacctmgr (``GrpTRES`` -> ``grp_tres``). Units: times are seconds since 1970 (0: not set),
time limits and wall limits minutes, exit codes wait statuses, states the numbers of `slurmpy.core.states`.

TRES are text: ``"cpu=2,mem=1000,node=1,gres/gpu=2"`` with plain counts, mem in MiB (step usage: bytes, cpu
milliseconds), in the order of TRES ids. A limit that is not set is ``None`` (numbers) or ``""`` (TRES).
"""

from __future__ import annotations

from .base import Record


class DbJob(Record):
    # key: cluster, job_id, submit_time (a requeued job gets a new submit_time, hence a record of its own)
    cluster: str = ""
    job_id: int = 0
    submit_time: int = 0
    db_index: int = 0
    # who and what
    name: str = ""
    user_id: int = 0
    user_name: str = ""
    group_id: int = 0
    group_name: str = ""
    account: str = ""
    association_id: int = 0
    association_user: str = ""  # association.{account,user,partition,cluster} of the schema, filled in by slurmdbd
    association_account: str = ""
    association_partition: str = ""
    partition: str = ""
    qos: str = ""
    qosreq: str = ""  # the QOS that the submission asked for, "" when it was the default
    wckey: str = ""  # "*name" when it was the default
    wckey_id: int = 0
    comment: str = ""
    admin_comment: str = ""
    system_comment: str = ""
    extra: str = ""
    mcs_label: str = ""
    container: str = ""
    block: str = ""
    # arrays and heterogeneous jobs
    array_job_id: int = 0
    array_task_id: int | None = None
    array_task_string: str = ""
    array_max_tasks: int = 0
    het_job_id: int = 0
    het_job_offset: int | None = None
    # state
    job_state: int = 0
    state_reason: str = "None"  # while it waits, or why it last waited
    exit_code: int = 0
    derived_exit_code: int = 0
    kill_request_user: str = ""  # who cancelled it, by name
    kill_request_user_id: int | None = None
    failed_node: str = ""
    flags: tuple[str, ...] = ()  # STARTED_ON_SUBMIT, STARTED_ON_SCHEDULE, STARTED_ON_BACKFILL, START_RECEIVED
    hold: bool = False
    restart_cnt: int = 0
    priority: int | None = None
    # times
    eligible_time: int = 0
    start_time: int = 0
    end_time: int = 0
    suspended: int = 0  # seconds in all
    time_limit: int | None = None
    # what it asked for and got
    required_cpus: int = 0
    required_memory_per_cpu: int | None = None
    required_memory_per_node: int | None = None
    tres_requested: str = ""
    tres_allocated: str = ""
    allocation_nodes: int = 0
    nodes: str = ""
    used_gres: str = ""
    constraints: str = ""
    licenses: str = ""
    reservation_id: int = 0
    reservation_name: str = ""
    # processor time over all steps, microseconds
    user_cpu_usec: int = 0
    system_cpu_usec: int = 0
    # files
    current_working_directory: str = ""
    standard_input: str = ""  # patterns as requested
    standard_output: str = ""
    standard_error: str = ""
    submit_line: str = ""
    script: str = ""
    environment: str = ""  # one NAME=value a line
    steps: tuple[DbStep, ...] = ()


class DbStep(Record):
    # key: that of its job, step_id (special ids of `slurmpy.core.ids` included), step_het_comp
    step_id: int = 0
    step_het_comp: int | None = None
    name: str = ""
    job_state: int = 0
    exit_code: int = 0
    kill_request_user: str = ""
    kill_request_user_id: int | None = None
    start_time: int = 0
    end_time: int = 0
    suspended: int = 0
    time_limit: int | None = None
    nodes: str = ""
    node_count: int = 0
    number_tasks: int = 0
    distribution: str = ""  # "Block", "Cyclic", ..., "Unknown" for the batch step
    container: str = ""
    submit_line: str = ""
    current_working_directory: str = ""
    standard_input: str = ""
    standard_output: str = ""
    standard_error: str = ""
    tres_allocated: str = ""
    cpu_frequency_minimum: int | None = None  # kHz; None: not asked for
    cpu_frequency_maximum: int | None = None
    cpu_frequency_governor: int | None = None
    actual_cpu_frequency: int = 0
    consumed_energy: int = 0
    user_cpu_usec: int = 0
    system_cpu_usec: int = 0
    # usage of its tasks per TRES; _node: "mem=n3", _task: "mem=0"
    tres_usage_in_ave: str = ""
    tres_usage_in_max: str = ""
    tres_usage_in_max_node: str = ""
    tres_usage_in_max_task: str = ""
    tres_usage_in_min: str = ""
    tres_usage_in_min_node: str = ""
    tres_usage_in_min_task: str = ""
    tres_usage_in_tot: str = ""
    tres_usage_out_ave: str = ""
    tres_usage_out_max: str = ""
    tres_usage_out_max_node: str = ""
    tres_usage_out_max_task: str = ""
    tres_usage_out_min: str = ""
    tres_usage_out_min_node: str = ""
    tres_usage_out_min_task: str = ""
    tres_usage_out_tot: str = ""


class Tres(Record):
    id: int = 0
    type: str = ""
    name: str = ""
    count: int = 0

    @property
    def label(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type


#: the TRES that every database knows, by id; GRES, licenses and so on get ids from 1001 in the order they appear
STANDARD_TRES: tuple[tuple[int, str, str], ...] = (
    (1, "cpu", ""),
    (2, "mem", ""),
    (3, "energy", ""),
    (4, "node", ""),
    (5, "billing", ""),
    (6, "fs", "disk"),
    (7, "vmem", ""),
    (8, "pages", ""),
)


class Cluster(Record):
    id: int = 0
    name: str = ""
    control_host: str = ""
    control_port: int = 0
    rpc_version: int = 0
    classification: str = ""
    flags: tuple[str, ...] = ()
    nodes: str = ""
    node_count: int = 0
    tres: str = ""
    federation: str = ""
    fed_id: int = 0
    fed_state: str = ""
    features: str = ""
    select_plugin: str = ""
    creation_time: int = 0


class Account(Record):
    name: str = ""
    description: str = ""
    organization: str = ""
    flags: tuple[str, ...] = ()  # DELETED, UsersAreCoords
    creation_time: int = 0


class User(Record):
    name: str = ""
    administrator_level: str = "None"  # None, Operator, Administrator
    default_account: str = ""
    default_wckey: str = ""
    flags: tuple[str, ...] = ()
    creation_time: int = 0


class Coordinator(Record):
    account: str = ""
    user: str = ""
    direct: bool = True  # False: of an account above


class Association(Record):
    """A node of the tree: user "" is the account's own. Limits are its own, not what it inherits."""

    id: int = 0
    cluster: str = ""
    account: str = ""
    user: str = ""
    user_id: int | None = None  # filled in by slurmctld
    partition: str = ""
    parent_account: str = ""  # of an account's association; "" for root and for users
    parent_id: int = 0
    lineage: str = ""  # "/physics/phys_a/0-bob/"
    is_default: bool = False
    shares_raw: int = 1  # Fairshare; SHARES_PARENT for "parent"
    priority: int | None = None
    comment: str = ""
    flags: tuple[str, ...] = ()  # DELETED, UsersAreCoords
    default_qos: str = ""
    default_qos_id: int = 0
    qos: tuple[str, ...] = ()  # names; what it may use with everything inherited
    qos_own: tuple[str, ...] = ()  # own list as set here ("" entries never); see delta_qos
    delta_qos: tuple[str, ...] = ()  # "+name"/"-name" relative to the parent's
    grp_jobs: int | None = None
    grp_jobs_accrue: int | None = None
    grp_submit_jobs: int | None = None
    grp_tres: str = ""
    grp_tres_mins: str = ""
    grp_tres_run_mins: str = ""
    grp_wall: int | None = None
    max_jobs: int | None = None
    max_jobs_accrue: int | None = None
    max_submit_jobs: int | None = None
    max_tres_mins_per_job: str = ""
    max_tres_per_job: str = ""
    max_tres_per_node: str = ""
    max_wall_duration_per_job: int | None = None
    min_prio_threshold: int | None = None
    creation_time: int = 0


#: Fairshare=parent
SHARES_PARENT = 0x7FFFFFFF


class Qos(Record):
    id: int = 0
    name: str = ""
    description: str = ""
    flags: tuple[str, ...] = ()  # DenyOnLimit, EnforceUsageThreshold, NoDecay, NoReserve, OverPartQOS, ...
    priority: int = 0
    grace_time: int = 0  # seconds
    preempt: tuple[str, ...] = ()  # names of the QOS whose jobs it may preempt
    preempt_mode: str = ""  # "" is the cluster's
    preempt_exempt_time: int | None = None  # seconds
    usage_factor: float = 1.0
    usage_threshold: float | None = None
    limit_factor: float | None = None
    grp_jobs: int | None = None
    grp_jobs_accrue: int | None = None
    grp_submit_jobs: int | None = None
    grp_tres: str = ""
    grp_tres_mins: str = ""
    grp_tres_run_mins: str = ""
    grp_wall: int | None = None
    max_jobs_per_account: int | None = None
    max_jobs_per_user: int | None = None
    max_jobs_accrue_per_account: int | None = None
    max_jobs_accrue_per_user: int | None = None
    max_submit_jobs_per_account: int | None = None
    max_submit_jobs_per_user: int | None = None
    max_tres_mins_per_job: str = ""
    max_tres_run_mins_per_account: str = ""
    max_tres_run_mins_per_user: str = ""
    max_tres_per_account: str = ""
    max_tres_per_job: str = ""
    max_tres_per_node: str = ""
    max_tres_per_user: str = ""
    max_wall_duration_per_job: int | None = None
    min_prio_threshold: int | None = None
    min_tres_per_job: str = ""
    creation_time: int = 0


class Wckey(Record):
    id: int = 0
    cluster: str = ""
    user: str = ""
    name: str = ""
    is_default: bool = False
    creation_time: int = 0


class Event(Record):
    """A node that was down or drained (``node`` set), or a change of the cluster's size (``node`` empty)."""

    cluster: str = ""
    node: str = ""
    cluster_nodes: str = ""
    start_time: int = 0
    end_time: int = 0
    state: int = 0  # NodeState base and flags
    reason: str = ""
    user_id: int | None = None
    user_name: str = ""
    tres: str = ""


class Reservation(Record):
    cluster: str = ""
    id: int = 0
    name: str = ""
    associations: str = ""  # association ids
    flags: tuple[str, ...] = ()
    nodes: str = ""
    tres: str = ""
    start_time: int = 0
    end_time: int = 0
    unused_wall: float = 0.0  # seconds
    comment: str = ""


class Resource(Record):
    """A license (or the like) that a server hands out to clusters. ``clusters``: (name, percent or count allowed)."""

    id: int = 0
    name: str = ""
    server: str = ""
    server_type: str = ""
    type: str = "Unknown"  # License, Unknown
    description: str = ""
    count: int = 0
    allocated: int = 0
    last_consumed: int = 0
    flags: tuple[str, ...] = ()
    clusters: tuple[tuple[str, int], ...] = ()
    creation_time: int = 0


class Federation(Record):
    name: str = ""
    flags: tuple[str, ...] = ()
    creation_time: int = 0


class Transaction(Record):
    id: int = 0
    time: int = 0
    action: str = ""  # "Add Accounts", ...
    actor: str = ""
    where: str = ""
    info: str = ""
    cluster: str = ""


class Instance(Record):
    cluster: str = ""
    node_name: str = ""
    instance_id: str = ""
    instance_type: str = ""
    extra: str = ""
    time_start: int = 0
    time_end: int = 0
