"""Who is an administrator, as far as the controller decides about jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller
    from slurmpy.controller.state import Job, State
    from slurmpy.rpc.server import Peer


def is_super_user(state: State, uid: int, user: str) -> bool:
    """root, or the user that the daemons run as (SlurmUser)."""
    return uid == 0 or bool(user and user == state.conf.SlurmUser)


def is_operator(state: State, uid: int, user: str) -> bool:
    """A super user, or somebody whom slurmdbd knows as operator or administrator."""
    return is_super_user(state, uid, user) or state.assocs.admin_level(user) >= 1


def is_slurm_user(state: State, uid: int) -> bool:
    """root or SlurmUser, by number."""
    if uid == 0:
        return True
    import pwd

    try:
        return pwd.getpwnam(str(state.conf.SlurmUser)).pw_uid == uid
    except KeyError:
        return False


def may_operate(ctl: Controller, peer: Peer) -> bool:
    return is_operator(ctl.state, peer.uid, peer.name)


def may_manage(ctl: Controller, peer: Peer, job: Job) -> bool:
    """May the caller change or end the job: its owner, an operator, or a coordinator of its account."""
    if peer.uid == job.user_id or may_operate(ctl, peer):
        return True
    return ctl.state.assocs.is_coordinator(peer.name, job.account)


def check_manage(ctl: Controller, peer: Peer, job: Job) -> None:
    """Raise ESLURM_USER_ID_MISSING for a caller who may not manage the job."""
    if not may_manage(ctl, peer, job):
        raise SlurmError("ESLURM_USER_ID_MISSING")


def private(ctl: Controller, what: str) -> bool:
    """Does PrivateData keep this kind of thing from other users?"""
    words = str(ctl.conf.PrivateData or "").lower().split(",")
    return what in words or "all" in words
