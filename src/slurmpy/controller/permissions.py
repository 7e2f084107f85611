"""Who may do what, beyond the role that a method demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.conf.run_dir import slurm_user_id
from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.controller.state import Job, State
    from slurmpy.rpc.server import Peer


def is_slurm_user(state: State, uid: int) -> bool:
    """Root or SlurmUser."""
    return uid == 0 or uid == slurm_user_id(state.conf)


def is_operator(state: State, uid: int, user: str) -> bool:
    """Root, SlurmUser, or AdminLevel Operator or above."""
    return is_slurm_user(state, uid) or state.assocs.admin_level(user) >= 1


def is_super_user(state: State, uid: int, user: str) -> bool:
    """Root, SlurmUser, or AdminLevel Administrator."""
    return is_slurm_user(state, uid) or state.assocs.admin_level(user) >= 2


def may_operate(ctl: Controller, peer: Peer) -> bool:
    return is_operator(ctl.state, peer.uid, peer.name)


def level(ctl: Controller, peer: Peer) -> str:
    """The AdminLevel that the dispatcher asks for."""
    return ("None", "Operator", "Administrator")[ctl.state.assocs.admin_level(peer.name)]


def may_manage(ctl: Controller, peer: Peer, job: Job) -> bool:
    """Cancel, signal, hold, requeue, ...: the owner, operators, and coordinators of the job's account."""
    return job.user_id == peer.uid or may_operate(ctl, peer) or ctl.state.assocs.is_coordinator(peer.name, job.account)


def check_manage(ctl: Controller, peer: Peer, job: Job) -> None:
    """Raises SlurmError ESLURM_USER_ID_MISSING."""
    if not may_manage(ctl, peer, job):
        raise SlurmError("ESLURM_USER_ID_MISSING")


def private(ctl: Controller, what: str) -> bool:
    """Whether PrivateData hides this kind of thing from ordinary users."""
    words = str(ctl.conf.PrivateData or "").lower().split(",")
    return what in words or "all" in words
