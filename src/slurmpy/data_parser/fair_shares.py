"""From the controller's rows about fair shares to the dictionaries that ``assoc_shares_obj_wrap`` is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slurmpy.core.records.accounting import SHARES_PARENT
from slurmpy.core.records.base import INFINITE

from . import tres

#: what the root's share among no siblings comes out as
_ROOT_SHARE = 1 / 0xFFFFFFFE


def documents(rows: Iterable[Mapping[str, Any]], cluster: str, labels: Iterable[str] = ()) -> list[dict[str, Any]]:
    """One dictionary a row. ``labels`` name every TRES there is, in the order of their ids.

    A row has id, account, user, partition, parent_account, level, shares_raw, shares_norm, usage_raw, usage_norm,
    usage_effective, fairshare and level_fs; it may have grp_tres_mins, tres_run_secs and tres_usage ("cpu=2,...").
    """
    labels = tuple(labels)
    norms: dict[str, float | None] = {}
    found = []
    for row in rows:
        norm = row["shares_norm"]
        if not row["user"]:
            norms[row["account"]] = norm
        elif norm is None:  # «parent»: its account's
            norm = norms.get(row["account"])
        found.append(_document(row, norm, cluster, labels))
    return found


def _document(row: Mapping[str, Any], norm: float | None, cluster: str, labels: tuple[str, ...]) -> dict[str, Any]:
    user, root, level = row["user"], not row["level"], row["level_fs"]
    if row["shares_raw"] == SHARES_PARENT and level is not None:
        level = float("inf")
    limits, running = _numbers(row.get("grp_tres_mins")), _numbers(row.get("tres_run_secs"))
    used = _numbers(row.get("tres_usage"))
    return {
        "id": row["id"],
        "cluster": cluster,
        "name": user or row["account"],
        "parent": row["account"] if user else row["parent_account"],
        "partition": row["partition"],
        "shares_normalized": _ROOT_SHARE if root else norm,
        "shares": None if root else row["shares_raw"],
        "tres_run_seconds": tuple((label, int(running.get(label, 0))) for label in labels),
        "tres_group_minutes": tuple((label, int(limits.get(label, INFINITE))) for label in labels),
        "tres_usage": tuple((label, used.get(label, 0.0)) for label in labels),
        "effective_usage": row["usage_effective"],
        "usage_normalized": None if root else row["usage_norm"],
        "usage": row["usage_raw"],
        "fairshare_factor": row["fairshare"] or 0.0,
        "fairshare_level": INFINITE if level == float("inf") else level,
        "type": ("USER",) if user else ("ASSOCIATION",),
    }


def _numbers(value: Any) -> dict[str, float]:
    if isinstance(value, Mapping):
        return dict(value)
    return {label: float(number) for label, number in tres.split(value)} if value else {}
