"""The endpoints under /slurmdb/ about slurmdbd itself: whether it answers, and what it has been asked."""

from __future__ import annotations

import time
from typing import Any

from slurmpy.core.errors import SlurmError

from .call import Call, Reply


async def get_ping(call: Call) -> Reply:
    began = time.monotonic()
    try:
        await call.slurmdbd.call("ping", {}, timeout=float(call.daemons.conf.MessageTimeout or 10))
        up, status = True, ""
    except SlurmError as error:
        up, status = False, error.standard or error.message
    host = str(call.daemons.conf.AccountingStorageHost or "localhost")
    latency = int((time.monotonic() - began) * 1_000_000)
    ping = {"hostname": host, "responding": up, "latency": latency, "primary": True, "status": status}
    return call.reply("slurmdb_pings", pings=(ping,))


#: what slurmdbd calls its methods -> what the document calls them
_PERIODS = {"hour": "hourly", "day": "daily", "month": "monthly"}


def statistics(answer: dict[str, Any]) -> dict[str, Any]:
    """slurmdbd's counters as the document's dictionary."""
    rollups: dict[str, int] = {}
    for period, row in answer.get("roll_ups", {}).items():
        name = _PERIODS.get(period)
        if name is None:
            continue
        for key, value in zip(("last_run", "count", "last", "max", "time"), row, strict=False):
            rollups[f"{name}_{key}"] = value

    def entries(key: str, rows: Any) -> tuple[dict[str, Any], ...]:
        return tuple(
            {key: name, "count": count, "average": spent // max(1, count), "total": spent}
            for name, count, spent in rows
        )

    return {
        "time_start": answer.get("since", 0),
        "rollups": rollups,
        "rpcs": entries("rpc", answer.get("methods", ())),
        "users": entries("user", answer.get("users", ())),
    }


async def get_diag(call: Call) -> Reply:
    try:
        answer = await call.slurmdbd.call("stats", {})
    except SlurmError as error:
        call.slurm_error(error, "stats query failed", "slurmdb_get_stats")
        return call.reply("slurmdb_diag_denied")
    return call.reply("slurmdb_diag", statistics=statistics(answer))
