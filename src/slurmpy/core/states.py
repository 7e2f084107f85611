"""States of jobs and nodes: a base state with flags above it, the numbers of Slurm's job_states and node_states."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class JobState:
    PENDING, RUNNING, SUSPENDED, COMPLETED, CANCELLED, FAILED = 0, 1, 2, 3, 4, 5
    TIMEOUT, NODE_FAIL, PREEMPTED, BOOT_FAIL, DEADLINE, OUT_OF_MEMORY = 6, 7, 8, 9, 10, 11
    BASE = 0xFF
    LAUNCH_FAILED = 0x100
    REQUEUED = 0x400
    REQUEUE_HOLD = 0x800
    SPECIAL_EXIT = 0x1000
    RESIZING = 0x2000
    CONFIGURING = 0x4000
    COMPLETING = 0x8000
    STOPPED = 0x10000
    RECONFIG_FAIL = 0x20000
    POWER_UP_NODE = 0x40000
    REVOKED = 0x80000
    REQUEUE_FED = 0x100000
    RESV_DEL_HOLD = 0x200000
    SIGNALING = 0x400000
    STAGE_OUT = 0x800000
    EXPEDITING = 0x1000000  # no job here has it; newer releases' clients may ask for it

    #: base state: (long name, two letters)
    NAMES: ClassVar[dict[int, tuple[str, str]]] = {
        PENDING: ("PENDING", "PD"),
        RUNNING: ("RUNNING", "R"),
        SUSPENDED: ("SUSPENDED", "S"),
        COMPLETED: ("COMPLETED", "CD"),
        CANCELLED: ("CANCELLED", "CA"),
        FAILED: ("FAILED", "F"),
        TIMEOUT: ("TIMEOUT", "TO"),
        NODE_FAIL: ("NODE_FAIL", "NF"),
        PREEMPTED: ("PREEMPTED", "PR"),
        BOOT_FAIL: ("BOOT_FAIL", "BF"),
        DEADLINE: ("DEADLINE", "DL"),
        OUT_OF_MEMORY: ("OUT_OF_MEMORY", "OOM"),
    }
    #: flags that have a name of their own in squeue's state columns, the one that wins first
    FLAG_NAMES: ClassVar[dict[int, tuple[str, str]]] = {
        COMPLETING: ("COMPLETING", "CG"),
        STAGE_OUT: ("STAGE_OUT", "SO"),
        CONFIGURING: ("CONFIGURING", "CF"),
        RESIZING: ("RESIZING", "RS"),
        REQUEUED: ("REQUEUED", "RQ"),
        REQUEUE_FED: ("REQUEUE_FED", "RF"),
        REQUEUE_HOLD: ("REQUEUE_HOLD", "RH"),
        SPECIAL_EXIT: ("SPECIAL_EXIT", "SE"),
        STOPPED: ("STOPPED", "ST"),
        REVOKED: ("REVOKED", "RV"),
        RESV_DEL_HOLD: ("RESV_DEL_HOLD", "RD"),
        SIGNALING: ("SIGNALING", "SI"),
    }


class NodeState:
    UNKNOWN, DOWN, IDLE, ALLOCATED, ERROR, MIXED, FUTURE = 0, 1, 2, 3, 4, 5, 6
    BASE = 0xF
    NET = 0x10
    RESERVED = 0x20
    UNDRAIN = 0x40
    CLOUD = 0x80
    RESUME = 0x100
    DRAIN = 0x200
    COMPLETING = 0x400
    NOT_RESPONDING = 0x800
    POWERED_DOWN = 0x1000
    FAIL = 0x2000
    POWERING_UP = 0x4000
    MAINTENANCE = 0x8000
    REBOOT_REQUESTED = 0x10000
    REBOOT_CANCELED = 0x20000
    POWERING_DOWN = 0x40000
    DYNAMIC_FUTURE = 0x80000
    REBOOT_ISSUED = 0x100000
    PLANNED = 0x200000
    INVALID_REG = 0x400000
    POWER_DOWN = 0x800000
    POWER_UP = 0x1000000
    POWER_DRAIN = 0x2000000
    DYNAMIC_NORM = 0x4000000
    BLOCKED = 0x8000000
    # no node here has these; newer releases' clients may name them
    EXTERNAL = 7
    POWER_DOWN_ASAP = 0x10000000
    POWER_DOWN_FORCE = 0x20000000

    NAMES: ClassVar[dict[int, str]] = {
        UNKNOWN: "UNKNOWN",
        DOWN: "DOWN",
        IDLE: "IDLE",
        ALLOCATED: "ALLOCATED",
        ERROR: "ERROR",
        MIXED: "MIXED",
        FUTURE: "FUTURE",
    }
