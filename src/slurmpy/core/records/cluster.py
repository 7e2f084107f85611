"""Nodes, partitions, reservations and licenses as the commands see them; units and names as in `job`."""

from __future__ import annotations

from .base import INFINITE, Record


class NodeInfo(Record):
    name: str = ""
    hostname: str = ""
    address: str = ""
    port: int = 0
    cluster_name: str = ""
    architecture: str = ""
    operating_system: str = ""
    version: str = ""
    state: int = 0  # NodeState base and flags
    next_state_after_reboot: int | None = None
    boards: int = 1
    sockets: int = 1
    cores: int = 1  # per socket
    threads: int = 1  # per core
    cpus: int = 1
    effective_cpus: int = 1
    specialized_cores: int = 0
    specialized_cpus: str = ""
    specialized_memory: int = 0
    cpu_binding: int = 0
    cpu_load: int | None = None  # hundredths
    free_mem: int | None = None
    real_memory: int = 1
    temporary_disk: int = 0
    weight: int = 1
    features: tuple[str, ...] = ()
    active_features: tuple[str, ...] = ()
    gres: str = ""
    gres_drained: str = "N/A"
    gres_used: str = ""
    alloc_cpus: int = 0
    alloc_memory: int = 0
    tres: str = ""
    tres_used: str = ""
    tres_weighted: float = 0.0
    partitions: tuple[str, ...] = ()
    owner: str = ""
    mcs_label: str = ""
    reservation: str = ""
    reason: str = ""
    reason_changed_at: int = 0
    reason_set_by_user: str = ""
    comment: str = ""
    extra: str = ""
    instance_id: str = ""
    instance_type: str = ""
    boot_time: int = 0
    slurmd_start_time: int = 0
    last_busy: int = 0
    resume_after: int = 0
    res_cores_per_gpu: int = 0
    gpu_spec: str = ""
    burstbuffer_network_address: str = ""


class PartitionInfo(Record):
    name: str = ""
    cluster: str = ""
    state: str = "UP"  # UP, DOWN, DRAIN, INACTIVE
    nodes: str = ""  # as expanded, compressed: "n[1-4]"
    configured_nodes: str = ""  # as written: "ALL", "amdset"
    node_sets: str = ""
    total_nodes: int = 0
    total_cpus: int = 0
    alternate: str = ""
    allow_alloc_nodes: str = ""  # "" is ALL
    allow_accounts: str = ""
    deny_accounts: str = ""
    allow_groups: str = ""
    allow_qos: str = ""
    deny_qos: str = ""
    qos: str = ""
    default: bool = False
    disable_root_jobs: bool = False
    exclusive_user: bool = False
    exclusive_topo: bool = False
    hidden: bool = False
    lln: bool = False
    req_resv: bool = False
    root_only: bool = False
    power_down_on_idle: bool = False
    cpu_binding: int = 0
    default_time: int | None = None  # minutes; None: as max_time
    max_time: int = INFINITE
    over_time_limit: int | None = None
    grace_time: int = 0
    min_nodes: int = 0
    max_nodes: int = INFINITE
    max_cpus_per_node: int = INFINITE
    max_cpus_per_socket: int = INFINITE
    def_mem_per_cpu: int | None = None  # at most one of def_mem_per_cpu and def_mem_per_node is set; so with max
    def_mem_per_node: int | None = None
    max_mem_per_cpu: int | None = None
    max_mem_per_node: int | None = None
    oversubscribe: str = "NO"  # NO, YES:4, FORCE:2, EXCLUSIVE
    preempt_mode: str = ""
    priority_job_factor: int = 1
    priority_tier: int = 1
    job_defaults: str = ""
    billing_weights: str = ""
    tres: str = ""
    resume_timeout: int | None = None
    suspend_timeout: int | None = None
    suspend_time: int | None = None


class ReservationInfo(Record):
    name: str = ""
    accounts: str = ""
    users: str = ""
    groups: str = ""
    qos: str = ""
    allowed_parts: str = ""
    burst_buffer: str = ""
    comment: str = ""
    features: str = ""
    licenses: str = ""
    partition: str = ""
    node_list: str = ""
    node_count: int = 0
    core_count: int = 0
    core_specializations: tuple[tuple[str, str], ...] = ()  # (node, core ids)
    tres: str = ""
    flags: tuple[str, ...] = ()  # names as in data_parser: MAINT, IGNORE_JOBS, SPEC_NODES, DAILY, ...
    start_time: int = 0
    end_time: int = 0
    max_start_delay: int = 0
    purge_comp_time: int | None = None
    state: str = "INACTIVE"  # ACTIVE or INACTIVE, at the time of the answer


class LicenseInfo(Record):
    name: str = ""
    total: int = 0
    used: int = 0
    free: int = 0
    reserved: int = 0
    remote: bool = False
    last_consumed: int = 0
    last_deficit: int = 0
    last_update: int = 0
