"""The parser types of v0.0.42 that more than one table uses."""

from __future__ import annotations

from collections.abc import Iterable

from slurmpy.core.states import JobState, NodeState

from .exit_code import ExitCode
from .lists import Flags, ListOf
from .types import BOOLEAN as BOOLEAN
from .types import STRING, Empty, Integer, Number, OptionalNumber, SetNumber

INT32 = Integer("int32")
INT64 = Integer("int64")
DOUBLE = Number("double")
FLOAT128 = Number("")

UINT16 = OptionalNumber("uint16_no_val_struct", "int32")
UINT32 = OptionalNumber("uint32_no_val_struct", "int32")
UINT64 = OptionalNumber("uint64_no_val_struct", "int64")
FLOAT64 = OptionalNumber("float64_no_val_struct", "double", real=True)
SET32 = SetNumber("uint32_no_val_struct", "int32")
SET64 = SetNumber("uint64_no_val_struct", "int64")

#: lists of plain strings; tuples in the record
CSV = ListOf(STRING, "csv_string")
STRING_ARRAY = ListOf(STRING, "string_array")
STRING_LIST = ListOf(STRING, "string_list")

EXIT_CODE = ExitCode(
    UINT32,
    UINT16,
    Flags("process_exit_code_status", ("INVALID", "PENDING", "SUCCESS", "ERROR", "SIGNALED", "CORE_DUMPED")),
)

EMPTY_OBJECT = Empty({"type": "object", "properties": {}}, {})
EMPTY_LIST = Empty({"type": "array", "items": {}}, [])


def one_name(value: str | None) -> tuple[str, ...]:
    """The names of a flag type of which a record holds one, as text."""
    return (value,) if value else ()


def first_name(names: tuple[str, ...]) -> str:
    return names[0] if names else ""


_JOB_BASES = {number: names[0] for number, names in JobState.NAMES.items()}
#: in the order of their bits, which is that of the documents
_JOB_FLAGS = {
    getattr(JobState, name): name
    for name in (
        "LAUNCH_FAILED", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESIZING", "CONFIGURING", "COMPLETING", "STOPPED",
        "RECONFIG_FAIL", "POWER_UP_NODE", "REVOKED", "REQUEUE_FED", "RESV_DEL_HOLD", "SIGNALING", "STAGE_OUT",
        "EXPEDITING",
    )
}  # fmt: skip
#: what only newer versions have
_NEWER = ("EXPEDITING", "EXTERNAL", "POWER_DOWN_ASAP", "POWER_DOWN_FORCE", "BLOCKED")
_JOB_NUMBERS = {name: number for number, name in (_JOB_BASES | _JOB_FLAGS).items()}


def job_state_names(state: int | None) -> tuple[str, ...]:
    if state is None:
        return ()
    base = _JOB_BASES.get(state & JobState.BASE)
    return (*((base,) if base else ()), *(name for bit, name in _JOB_FLAGS.items() if state & bit))


def job_state_number(names: tuple[str, ...]) -> int:
    return _union(names, _JOB_NUMBERS)


def _union(names: tuple[str, ...], numbers: dict[str, int]) -> int:
    number = 0
    for name in names:
        number |= numbers.get(name, 0)
    return number


def _older(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in _NEWER)


JOB_STATE = Flags("job_state", _older(_JOB_NUMBERS), job_state_names, job_state_number)

_NODE_BASES = {**NodeState.NAMES, NodeState.EXTERNAL: "EXTERNAL"}
_NODE_FLAGS = {
    getattr(NodeState, name): name
    for name in (
        "RESERVED", "UNDRAIN", "CLOUD", "RESUME", "DRAIN", "COMPLETING", "NOT_RESPONDING", "POWERED_DOWN", "FAIL",
        "POWERING_UP", "MAINTENANCE", "REBOOT_REQUESTED", "REBOOT_CANCELED", "POWERING_DOWN", "DYNAMIC_FUTURE",
        "REBOOT_ISSUED", "PLANNED", "INVALID_REG", "POWER_DOWN", "POWER_UP", "POWER_DRAIN", "POWER_DOWN_ASAP",
        "POWER_DOWN_FORCE", "DYNAMIC_NORM", "BLOCKED",
    )
}  # fmt: skip
_NODE_NUMBERS = {name: number for number, name in (_NODE_BASES | _NODE_FLAGS).items()}


def node_state_names(state: int | None) -> tuple[str, ...]:
    if state is None:
        return ("INVALID",)
    base = _NODE_BASES.get(state & NodeState.BASE, "INVALID")
    return (base, *(name for bit, name in _NODE_FLAGS.items() if state & bit))


def node_state_number(names: tuple[str, ...]) -> int | None:
    return None if names == ("INVALID",) else _union(names, _NODE_NUMBERS)


NODE_STATES = Flags("node_states", ("INVALID", *_older(_NODE_NUMBERS)), node_state_names, node_state_number)

JOB_FLAGS = Flags(
    "job_flags",
    (
        "KILL_INVALID_DEPENDENCY", "NO_KILL_INVALID_DEPENDENCY", "HAS_STATE_DIRECTORY", "TESTING_BACKFILL",
        "GRES_BINDING_ENFORCED", "TEST_NOW_ONLY", "SEND_JOB_ENVIRONMENT", "SPREAD_JOB", "PREFER_MINIMUM_NODE_COUNT",
        "JOB_KILL_HURRY", "SKIP_TRES_STRING_ACCOUNTING", "SIBLING_CLUSTER_UPDATE_ONLY", "HETEROGENEOUS_JOB",
        "EXACT_TASK_COUNT_REQUESTED", "EXACT_CPU_COUNT_REQUESTED", "TESTING_WHOLE_NODE_BACKFILL", "TOP_PRIORITY_JOB",
        "ACCRUE_COUNT_CLEARED", "GRES_BINDING_DISABLED", "JOB_WAS_RUNNING", "JOB_ACCRUE_TIME_RESET", "CRON_JOB",
        "EXACT_MEMORY_REQUESTED", "USING_DEFAULT_ACCOUNT", "USING_DEFAULT_PARTITION", "USING_DEFAULT_QOS",
        "USING_DEFAULT_WCKEY", "DEPENDENT", "MAGNETIC", "PARTITION_ASSIGNED", "BACKFILL_ATTEMPTED",
        "SCHEDULING_ATTEMPTED", "STEPMGR_ENABLED",
    ),
    ordered=True,
)  # fmt: skip

JOB_MAIL_FLAGS = Flags(
    "job_mail_flags",
    (
        "BEGIN", "END", "FAIL", "REQUEUE", "TIME=100%", "TIME=90%", "TIME=80%", "TIME=50%", "STAGE_OUT", "ARRAY_TASKS",
        "INVALID_DEPENDENCY",
    ),
    ordered=True,
)  # fmt: skip

ACCT_GATHER_PROFILE = Flags("acct_gather_profile", ("NOT_SET", "NONE", "ENERGY", "LUSTRE", "NETWORK", "TASK"))

JOB_SHARED_CHOICES = ("none", "oversubscribe", "user", "mcs", "topo")

WARN_FLAGS = Flags(
    "warn_flags",
    (
        "BATCH_JOB", "ARRAY_TASK", "FULL_STEPS_ONLY", "FULL_JOB", "FEDERATION_REQUEUE", "HURRY", "OUT_OF_MEMORY",
        "NO_SIBLING_JOBS", "RESERVATION_JOB", "VERBOSE", "CRON_JOBS", "WARNING_SENT",
    ),
)  # fmt: skip

CR_TYPE = Flags(
    "cr_type",
    (
        "CPU", "SOCKET", "CORE", "BOARD", "MEMORY", "ONE_TASK_PER_CORE", "PACK_NODES", "CORE_DEFAULT_DIST_BLOCK", "LLN",
        "LINEAR",
    ),
)  # fmt: skip
