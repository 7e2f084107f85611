"""Reservations (``reservation_info``)."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.cluster import ReservationInfo

from .kinds import INT32, UINT32, UINT64
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, Empty, OptionalNumber, Reference

RESERVATION_FLAGS = Flags(
    "reservation_flags",
    (
        "MAINT", "NO_MAINT", "DAILY", "NO_DAILY", "WEEKLY", "NO_WEEKLY", "IGNORE_JOBS", "NO_IGNORE_JOBS", "ANY_NODES",
        "STATIC", "NO_STATIC", "PART_NODES", "NO_PART_NODES", "OVERLAP", "SPEC_NODES", "TIME_FLOAT", "REPLACE",
        "ALL_NODES", "PURGE_COMP", "WEEKDAY", "NO_WEEKDAY", "WEEKEND", "NO_WEEKEND", "FLEX", "NO_FLEX",
        "DURATION_PLUS", "DURATION_MINUS", "NO_HOLD_JOBS_AFTER_END", "NO_PURGE_COMP", "MAGNETIC", "SKIP", "HOURLY",
        "NO_HOURLY", "USER_DELETE", "NO_USER_DELETE", "REOCCURRING",
    ),
    ordered=True,
)  # fmt: skip


class _Watts(Empty):
    """Declared as a number that may be unset, written as an empty object."""

    name = UINT32.name

    def __init__(self, number: OptionalNumber) -> None:
        super().__init__({}, {})
        self._number = number

    def schema(self, reference: Reference) -> dict[str, Any]:
        return self._number.schema(reference)


WATTS = _Watts(UINT32)

CORE_SPEC = Table("reservation_core_spec", tuple, (F("node", STRING, "0"), F("core", STRING, "1")))
CORE_SPECS = ListOf(CORE_SPEC, "reservation_info_core_spec")

RESERVATION_INFO = Table(
    "reservation_info",
    ReservationInfo,
    (
        F("accounts", STRING),
        F("burst_buffer", STRING),
        F("core_count", INT32),
        F("core_specializations", CORE_SPECS),
        F("end_time", UINT64),
        F("features", STRING),
        F("flags", RESERVATION_FLAGS),
        F("groups", STRING),
        F("licenses", STRING),
        F("max_start_delay", INT32),
        F("name", STRING),
        F("node_count", INT32),
        F("node_list", STRING),
        F("partition", STRING),
        F("purge_completed/time", UINT32, "purge_comp_time"),
        F("start_time", UINT64),
        F("watts", WATTS, ""),
        F("tres", STRING),
        F("users", STRING),
    ),
)
RESERVATION_INFO_MSG = ListOf(RESERVATION_INFO, "reservation_info_msg")
