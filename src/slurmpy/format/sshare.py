"""sshare's columns: shares, usage and fair-share factors of associations."""

from __future__ import annotations

from ..core.records.accounting import SHARES_PARENT
from ..core.records.base import INFINITE
from .registry import View
from .table import Column, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def _account(context: Context, account: str, level: int) -> str:
    return (" " * level if context.more.get("tree") else "") + account


def _raw_shares(context: Context, shares: int, level: int) -> str:
    if not level:
        return ""
    return "parent" if shares in (SHARES_PARENT, INFINITE) else str(shares)


def _norm_shares(context: Context, norm: float | None, level: int) -> str:
    return f"{norm if norm is not None and level else 0.0:.6f}"


def _fraction(context: Context, value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _fair_share(context: Context, value: float | None, user: str) -> str:
    # nothing has been worked out yet for a user who was added a moment ago
    return f"{value or 0.0:.6f}" if user else ""


def _below_root(context: Context, value: float | None, level: int) -> str:
    return "" if value is None or not level else f"{value:.6f}"


def _level(context: Context, value: float | None, shares: int, level: int) -> str:
    if not level or shares in (SHARES_PARENT, INFINITE):
        return ""
    if value is None:
        return "0.000000"
    return "inf" if value == float("inf") else f"{value:.6f}"


#: in the order of --helpformat
COLUMNS = (
    Column("Account", "Account", "account level", _account, width=-20),
    Column("Cluster", "Cluster", "cluster", width=10),
    Column("EffectvUsage", "EffectvUsage", "usage_effective", _fraction, width=13),
    Column("FairShare", "FairShare", "fairshare user", _fair_share, width=10),
    Column("GrpTRESMins", "GrpTRESMins", "grp_tres_mins", width=30),
    Column("GrpTRESRaw", "GrpTRESRaw", "grp_tres_raw", width=30),
    Column("ID", "ID", "id", width=6),
    Column("LevelFS", "LevelFS", "level_fs shares_raw level", _level, width=10),
    Column("NormShares", "NormShares", "shares_norm level", _norm_shares, width=11),
    Column("NormUsage", "NormUsage", "usage_norm level", _below_root, width=11),
    Column("Partition", "Partition", "partition", width=12),
    Column("RawShares", "RawShares", "shares_raw level", _raw_shares, width=10),
    Column("RawUsage", "RawUsage", "usage_raw", width=11),
    Column("TRESRunMins", "TRESRunMins", "tres_run_mins", width=30),
    Column("User", "User", "user", width=10),
)

VIEW = View("sshare", COLUMNS)


def default(long: bool, partition: bool) -> str:
    names = ["Account", "User", *(["Partition"] if partition else []), "RawShares", "NormShares", "RawUsage"]
    names += ["NormUsage", "EffectvUsage", "FairShare"] if long else ["EffectvUsage", "FairShare"]
    if long:
        names += ["LevelFS", "GrpTRESMins", "TRESRunMins"]
    return ",".join(names)


def help_text() -> str:
    names = [column.key for column in COLUMNS]
    lines = [names[start : start + 4] for start in range(0, len(names), 4)]
    return "".join(" ".join(f"{name:<17}" for name in line) + "\n" for line in lines)


def _minutes(seconds: dict[str, int], labels: Iterable[str]) -> str:
    """Every TRES of `labels`, and those used beyond them, with its minutes."""
    names = dict.fromkeys((*labels, *seconds))
    return ",".join(f"{name}={int(seconds.get(name, 0)) // 60}" for name in names)


def complete(
    records: Iterable[dict[str, Any]], cluster: str, labels: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """The controller's rows with what they leave to the reader: a share that is the parent's, texts that are empty.

    `labels`: the TRES that are told of, if minutes of TRES are wanted.
    """
    found = []
    norms: dict[str, float | None] = {}
    for record in records:
        row = {"cluster": cluster, "grp_tres_mins": "", "grp_tres_raw": "", "tres_run_mins": "", **record}
        if row["shares_norm"] is None and row["user"]:
            row["shares_norm"] = norms.get(row["account"])
        if not row["user"]:
            norms[row["account"]] = row["shares_norm"]
        if labels is not None:
            for text, seconds in (("tres_run_mins", "tres_run_secs"), ("grp_tres_raw", "tres_usage")):
                if seconds in row:
                    row[text] = _minutes(row[seconds], labels)
        found.append(row)
    return found
