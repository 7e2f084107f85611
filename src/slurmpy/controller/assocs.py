"""slurmctld's copy of what slurmdbd knows: associations, QOS, users, TRES, WCKeys. Fed by slurmdbd, kept by the store.

Limits are ``None`` (or absent in a TRES dictionary) where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slurmpy.core.records.base import Record

#: administrator levels of a user
ADMIN_NONE, ADMIN_OPERATOR, ADMIN_ADMINISTRATOR = 1, 2, 3

Tres = dict[str, int]  # {"cpu": 10, "mem": 1000, "gres/gpu": 2}


class Association(Record):
    id: int = 0
    account: str = ""
    user: str = ""  # "": the account's own
    partition: str = ""
    cluster: str = ""
    parent_id: int = 0  # 0: the root association
    lineage: str = ""
    is_default: bool = False
    shares_raw: int = 1
    default_qos: str = ""
    qos: tuple[str, ...] = ()  # names; already with what it inherits
    priority: int | None = None
    min_prio_thresh: int | None = None
    grp_jobs: int | None = None
    grp_jobs_accrue: int | None = None
    grp_submit_jobs: int | None = None
    grp_wall: int | None = None
    grp_tres: Tres = {}  # noqa: RUF012 - replaced, never mutated, as all of these
    grp_tres_mins: Tres = {}  # noqa: RUF012
    grp_tres_run_mins: Tres = {}  # noqa: RUF012
    max_jobs: int | None = None
    max_jobs_accrue: int | None = None
    max_submit_jobs: int | None = None
    max_wall_pj: int | None = None
    max_tres_pj: Tres = {}  # noqa: RUF012
    max_tres_pn: Tres = {}  # noqa: RUF012
    max_tres_mins_pj: Tres = {}  # noqa: RUF012
    max_tres_run_mins: Tres = {}  # noqa: RUF012
    comment: str = ""
    flags: tuple[str, ...] = ()
    # usage as limits.py counts it
    _usage: dict[str, Any]


class Qos(Record):
    id: int = 0
    name: str = ""
    description: str = ""
    flags: tuple[str, ...] = ()
    priority: int = 0
    grace_time: int = 0
    preempt: tuple[str, ...] = ()
    preempt_mode: str = ""
    preempt_exempt_time: int | None = None
    usage_factor: float = 1.0
    usage_thres: float | None = None
    limit_factor: float | None = None
    grp_jobs: int | None = None
    grp_jobs_accrue: int | None = None
    grp_submit_jobs: int | None = None
    grp_wall: int | None = None
    grp_tres: Tres = {}  # noqa: RUF012
    grp_tres_mins: Tres = {}  # noqa: RUF012
    grp_tres_run_mins: Tres = {}  # noqa: RUF012
    max_jobs_pa: int | None = None
    max_jobs_pu: int | None = None
    max_jobs_accrue_pa: int | None = None
    max_jobs_accrue_pu: int | None = None
    max_submit_jobs_pa: int | None = None
    max_submit_jobs_pu: int | None = None
    max_wall_pj: int | None = None
    max_tres_pj: Tres = {}  # noqa: RUF012
    max_tres_pn: Tres = {}  # noqa: RUF012
    max_tres_pa: Tres = {}  # noqa: RUF012
    max_tres_pu: Tres = {}  # noqa: RUF012
    max_tres_mins_pj: Tres = {}  # noqa: RUF012
    max_tres_run_mins_pa: Tres = {}  # noqa: RUF012
    max_tres_run_mins_pu: Tres = {}  # noqa: RUF012
    min_tres_pj: Tres = {}  # noqa: RUF012
    min_prio_thresh: int | None = None
    _usage: dict[str, Any]


class User(Record):
    name: str = ""
    admin_level: int = ADMIN_NONE
    default_account: str = ""
    default_wckey: str = ""
    coordinates: tuple[str, ...] = ()  # accounts, those below them included


class AssocCache:
    """Associations and QOS by id and by name. Empty as long as slurmdbd was never heard of."""

    def __init__(self) -> None:
        self.filled = False  # slurmdbd, or the store, has given us its view
        self.assocs: dict[int, Association] = {}
        self.qos: dict[str, Qos] = {}
        self.qos_by_id: dict[int, Qos] = {}
        self.users: dict[str, User] = {}
        self.tres: dict[str, int] = {}  # name -> id
        self.wckeys: dict[tuple[str, str], int] = {}  # (user, name) -> id
        self._by_name: dict[tuple[str, str, str], Association] = {}  # (account, user, partition)

    def put_assoc(self, assoc: Association) -> None:
        old = self.assocs.get(assoc.id)
        if old is not None:
            self._by_name.pop((old.account, old.user, old.partition), None)
            assoc._usage = old._usage
        else:
            assoc._usage = {}
        self.assocs[assoc.id] = assoc
        self._by_name[assoc.account, assoc.user, assoc.partition] = assoc

    def drop_assoc(self, assoc_id: int) -> None:
        old = self.assocs.pop(assoc_id, None)
        if old is not None:
            self._by_name.pop((old.account, old.user, old.partition), None)

    def put_qos(self, qos: Qos) -> None:
        old = self.qos_by_id.get(qos.id)
        if old is not None:
            self.qos.pop(old.name, None)
        qos._usage = old._usage if old is not None else {}
        self.qos[qos.name] = qos
        self.qos_by_id[qos.id] = qos

    def drop_qos(self, qos_id: int) -> None:
        old = self.qos_by_id.pop(qos_id, None)
        if old is not None:
            self.qos.pop(old.name, None)

    def find(self, account: str, user: str, partition: str = "") -> Association | None:
        """The association of a user in an account, one for the partition before the general one."""
        if partition:
            found = self._by_name.get((account, user, partition))
            if found is not None:
                return found
        return self._by_name.get((account, user, ""))

    def default_account(self, user: str) -> str:
        known = self.users.get(user)
        return known.default_account if known is not None else ""

    def chain(self, assoc: Association) -> Iterator[Association]:
        """The association and those above it, up to the root."""
        current: Association | None = assoc
        while current is not None:
            yield current
            current = self.assocs.get(current.parent_id) if current.parent_id else None

    def admin_level(self, user: str) -> int:
        known = self.users.get(user)
        return known.admin_level if known is not None else ADMIN_NONE

    def is_coordinator(self, user: str, account: str) -> bool:
        known = self.users.get(user)
        return known is not None and account in known.coordinates
