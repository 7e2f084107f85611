"""The body that makes or changes a reservation (``reservation_desc_msg``), from v0.0.43 on."""

from __future__ import annotations

from .controller_info import HOSTLIST_STRING
from .kinds import UINT32, UINT64
from .lists import Commas, ListOf
from .reservations import RESERVATION_FLAGS
from .tables import Field as F
from .tables import Table
from .tres import TRES_TEXT
from .types import STRING

#: a list in the document, one text with commas for slurmctld
WORDS = Commas(STRING, "csv_string")

RESERVATION_DESC_MSG = Table(
    "reservation_desc_msg",
    dict,
    (
        F("accounts", WORDS),
        F("burst_buffer", STRING),
        F("comment", STRING),
        F("core_count", UINT32),
        F("duration", UINT32),
        F("end_time", UINT64),
        F("features", STRING),
        F("flags", RESERVATION_FLAGS),
        F("groups", WORDS),
        F("licenses", WORDS),
        F("max_start_delay", UINT32),
        F("name", STRING),
        F("node_count", UINT32),
        F("node_list", HOSTLIST_STRING),
        F("partition", STRING),
        F("purge_completed/time", UINT32, "purge_comp_time"),
        F("start_time", UINT64),
        F("tres", TRES_TEXT),
        F("users", WORDS),
    ),
    sparse=True,
)
RESERVATION_DESC_MSG_LIST = ListOf(RESERVATION_DESC_MSG, "reservation_desc_msg_list")
RESERVATION_MOD_REQ = Table("reservation_mod_req", dict, (F("reservations", RESERVATION_DESC_MSG_LIST),), sparse=True)
