"""Who may do what in slurmctld: the one place for it, beyond the role that `rpc.methods.SLURMCTLD` demands of a method.

`allowed` is asked before a handler runs, by the table `CHECKS`; what a list shows is filtered by the functions of the
last part, and what of a job may be changed is in `UPDATE_LEVELS` and `SUBMIT_LEVELS`. All by the behaviour of
slurmctld 24.11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurmpy.conf.run_dir import slurm_user_id
from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.controller.assocs import Association
    from slurmpy.controller.control import Controller
    from slurmpy.controller.state import Job, Reservation, State
    from slurmpy.core.records.description import JobDescriptor
    from slurmpy.rpc.server import Peer

NONE, OPERATOR, ADMINISTRATOR = 0, 1, 2

# ---------------------------------------------------------------------------------------------- who somebody is


def is_slurm_user(state: State, uid: int) -> bool:
    """Root or SlurmUser."""
    return uid == 0 or uid == slurm_user_id(state.conf)


def level_of(state: State, uid: int, user: str) -> int:
    """NONE, OPERATOR or ADMINISTRATOR, as root and SlurmUser always are."""
    return ADMINISTRATOR if is_slurm_user(state, uid) else state.assocs.admin_level(user)


def is_operator(state: State, uid: int, user: str) -> bool:
    """Root, SlurmUser, or AdminLevel Operator or above."""
    return level_of(state, uid, user) >= OPERATOR


def is_super_user(state: State, uid: int, user: str) -> bool:
    """Root, SlurmUser, or AdminLevel Administrator."""
    return level_of(state, uid, user) >= ADMINISTRATOR


def may_operate(ctl: Controller, peer: Peer) -> bool:
    return is_operator(ctl.state, peer.uid, peer.name)


def level(ctl: Controller, peer: Peer) -> str:
    """The AdminLevel that the dispatcher asks for."""
    return ("None", "Operator", "Administrator")[ctl.state.assocs.admin_level(peer.name)]


def private(ctl: Controller, what: str) -> bool:
    """Whether PrivateData hides this kind of thing from ordinary users."""
    words = str(ctl.conf.PrivateData or "").lower().split(",")
    return what in words or "all" in words


# ---------------------------------------------------------------------------------------------- what is done to jobs

_OWNER, _COORDINATOR, _OPERATOR, _SLURM, _SEES = "owner", "coordinator", "operator", "slurm", "sees"
_MANAGERS = frozenset((_OWNER, _COORDINATOR, _OPERATOR, _SLURM))
_DENIED, _NOT_YOURS, _HIDDEN = "ESLURM_ACCESS_DENIED", "ESLURM_USER_ID_MISSING", "ESLURM_INVALID_JOB_ID"

#: method on a job: who may (coordinators are those of the job's account), and how everybody else is refused
JOBS: dict[str, tuple[frozenset[str], str]] = {
    "kill_job": (_MANAGERS, _DENIED),
    "kill_jobs": (_MANAGERS, _DENIED),
    "kill_step": (frozenset((_OWNER, _SLURM)), _NOT_YOURS),
    "hold": (_MANAGERS, _NOT_YOURS),
    "release": (_MANAGERS, _NOT_YOURS),
    "requeue": (_MANAGERS, _DENIED),
    "suspend": (frozenset((_COORDINATOR, _OPERATOR, _SLURM)), _DENIED),
    "resume": (frozenset((_COORDINATOR, _OPERATOR, _SLURM)), _DENIED),
    "top_job": (frozenset((_OPERATOR, _SLURM)), _DENIED),  # and owners with enable_user_top
    "notify_job": (frozenset((_OWNER, _SLURM)), _NOT_YOURS),
    "update_job": (_MANAGERS, _NOT_YOURS),
    "update_step": (_MANAGERS, _NOT_YOURS),
    "complete_allocation": (_MANAGERS, _NOT_YOURS),
    "will_run": (_MANAGERS, _NOT_YOURS),  # of a job that waits already
    "batch_script": (frozenset((_OWNER, _OPERATOR, _SLURM)), _NOT_YOURS),
    "job_environment": (frozenset((_OWNER, _OPERATOR, _SLURM)), _NOT_YOURS),
    "lookup_allocation": (frozenset((_OWNER, _OPERATOR, _SLURM)), _DENIED),
    "create_step": (frozenset((_OWNER,)), _DENIED),  # not even root runs in another's allocation
    "step_layout": (frozenset((_SEES,)), _HIDDEN),
    "job_ready": (frozenset((_SEES,)), _HIDDEN),
    "wait_job": (frozenset((_SEES,)), _HIDDEN),
    "wait_job: events": (_MANAGERS, _DENIED),  # they hold what srun and salloc are told
}

#: what of a job only those of an AdminLevel may change
UPDATE_LEVELS = {
    "admin_comment": ADMINISTRATOR, "system_comment": OPERATOR, "site_factor": OPERATOR, "user_id": OPERATOR,
}  # fmt: skip
#: what only those of an AdminLevel may ask for in a new job
SUBMIT_LEVELS = {"reboot": ADMINISTRATOR, "admin_comment": ADMINISTRATOR}


def may(ctl: Controller, peer: Peer, method: str, job: Job) -> bool:
    """Whether the peer may do this to the job, by `JOBS`."""
    who = JOBS[method][0]
    if job.user_id == peer.uid and _OWNER in who:
        return True
    rank = level_of(ctl.state, peer.uid, peer.name)
    if rank >= OPERATOR and (_OPERATOR in who or (_SLURM in who and is_slurm_user(ctl.state, peer.uid))):
        return True
    if _COORDINATOR in who and ctl.state.assocs.is_coordinator(peer.name, job.account):
        return True
    if _SEES in who:
        return sees_job(ctl, peer, job)
    if method == "top_job" and job.user_id == peer.uid:
        return "enable_user_top" in str(ctl.conf.SchedulerParameters or "").split(",")
    return False


def check(ctl: Controller, peer: Peer, method: str, job: Job) -> None:
    """Raises the SlurmError of `JOBS` if the peer may not."""
    if not may(ctl, peer, method, job):
        raise SlurmError(JOBS[method][1])


def check_update(state: State, peer: Peer, field: str) -> None:
    """Raises SlurmError ESLURM_ACCESS_DENIED if a field of a job needs a higher AdminLevel (`UPDATE_LEVELS`)."""
    if level_of(state, peer.uid, peer.name) < UPDATE_LEVELS.get(field, NONE):
        raise SlurmError(_DENIED)


def check_submission(state: State, desc: JobDescriptor, uid: int, user: str) -> None:
    """Raises SlurmError if a job's user asks for what needs an AdminLevel."""
    rank = level_of(state, uid, user)
    if desc.nice is not None and desc.nice < 0 and rank < OPERATOR:
        raise SlurmError("ESLURM_INVALID_NICE")
    for field, needed in SUBMIT_LEVELS.items():
        if getattr(desc, field) and rank < needed:
            data: dict[str, object] = {}
            if field == "reboot":
                data["user_message"] = "rebooting of nodes is only allowed for admins"
            raise SlurmError(_DENIED, data=data)


def check_user(ctl: Controller, peer: Peer, uid: int, gid: int) -> None:
    """Whether the peer may submit as this user and group: himself, with his groups; root and SlurmUser as anybody."""
    if (uid == peer.uid and gid == peer.gid) or is_slurm_user(ctl.state, peer.uid):
        return
    if uid != peer.uid:
        raise SlurmError(_NOT_YOURS)
    import os

    if gid not in os.getgrouplist(peer.name, peer.gid):
        raise SlurmError("ESLURM_GROUP_ID_MISSING")


# ---------------------------------------------------------------------------------------------- before a handler runs

Args = dict[str, Any]


def allowed(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """Whether the peer may, by what the arguments name. Raises SlurmError before anything is done."""
    found = CHECKS.get(method)
    if found is not None:
        found(ctl, peer, method, args)


def _named_jobs(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """All jobs that ``job_id`` names; that there is none is the handler's to say."""
    from slurmpy.controller import lookup

    named = str(args.get("job_id", "")).split(",") if method == "top_job" else (args.get("job_id", ""),)
    for text in named:
        try:
            target = lookup.parse(text)
            jobs = lookup.records(ctl, target)
        except SlurmError:
            if method != "kill_job" or not str(text).partition("_")[0].isdigit():
                continue
            # of an array of somebody else's it is not told which tasks there are
            jobs = list(ctl.state.by_array.get(int(str(text).partition("_")[0]), {}).values())[:1]
        for job in jobs:
            check(ctl, peer, method, job)


def _one_job(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """The job of a number in ``job_id``."""
    job = _job_of_number(ctl, args.get("job_id"))
    if job is not None:
        check(ctl, peer, method, job)
        if method == "wait_job" and args.get("events"):
            check(ctl, peer, "wait_job: events", job)


def _job_of_number(ctl: Controller, number: Any) -> Job | None:
    number = int(number or 0)
    job = ctl.state.jobs.get(number)
    return job if job is not None else next(iter(ctl.state.by_array.get(number, {}).values()), None)


def _step_of_job(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    job = _job_of_number(ctl, dict(args["step"]).get("job_id"))
    if job is not None:
        check(ctl, peer, method, job)


def _will_run(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    for one in args.get("descriptions") or ((args["description"],) if "description" in args else ()):
        job = _job_of_number(ctl, dict(one).get("job_id"))
        if job is not None:
            check(ctl, peer, method, job)


def _operators(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    if not may_operate(ctl, peer):
        raise SlurmError(_NOT_YOURS)


def _own_token(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """For oneself, unless that is turned off; for anybody by root and SlurmUser."""
    from slurmpy.auth.token import creation_disabled

    if is_slurm_user(ctl.state, peer.uid):
        return
    if creation_disabled(ctl.conf):
        raise SlurmError("ESLURM_ACCESS_DENIED")
    if str(args.get("username") or peer.name) != peer.name:
        raise SlurmError(_NOT_YOURS)


def _crontab(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """One's own; others' are read by operators, and changed by root and SlurmUser."""
    if int(args.get("user_id", peer.uid)) == peer.uid or is_slurm_user(ctl.state, peer.uid):
        return
    if method != "crontab" or not may_operate(ctl, peer):
        raise SlurmError(_NOT_YOURS)


def _lists(ctl: Controller, peer: Peer, method: str, args: Args) -> None:
    """Lists that PrivateData closes as a whole."""
    what = str(args.get("what", ""))
    if what in ("nodes", "partitions") and private(ctl, what) and not may_operate(ctl, peer):
        raise SlurmError(_DENIED)
    closed = what == "assoc_mgr" and (private(ctl, "users") or private(ctl, "usage"))
    if closed and not may_operate(ctl, peer) and peer.name not in ctl.state.assocs.users:
        raise SlurmError(_NOT_YOURS)


CHECKS: dict[str, Callable[[Controller, Peer, str, Args], None]] = {
    **dict.fromkeys(
        ("kill_job", "kill_step", "hold", "release", "requeue", "suspend", "resume", "top_job", "notify_job",
         "update_job", "update_step", "step_layout"),
        _named_jobs,
    ),
    **dict.fromkeys(
        ("complete_allocation", "batch_script", "job_environment", "lookup_allocation", "job_ready", "wait_job"),
        _one_job,
    ),
    "create_step": _step_of_job,
    "will_run": _will_run,
    **dict.fromkeys(("create_reservation", "update_reservation", "delete_reservation"), _operators),
    "token": _own_token,
    **dict.fromkeys(("crontab", "update_crontab", "delete_crontab"), _crontab),
    "query": _lists,
    "dump": _lists,
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- what a peer sees


def job_filter(ctl: Controller, peer: Peer) -> Callable[[Job], bool] | None:
    """What tells the jobs that the peer may see from others; None if he may see all."""
    if not private(ctl, "jobs") or may_operate(ctl, peer):
        return None
    coordinates = ctl.state.assocs.is_coordinator
    return lambda job: job.user_id == peer.uid or coordinates(peer.name, job.account)


def sees_job(ctl: Controller, peer: Peer, job: Job) -> bool:
    test = job_filter(ctl, peer)
    return test is None or test(job)


def reservation_filter(ctl: Controller, peer: Peer) -> Callable[[Reservation], bool] | None:
    """The reservations that the peer may run in; None if he sees all."""
    if not private(ctl, "reservations") or may_operate(ctl, peer):
        return None
    accounts = {assoc.account for assoc in ctl.state.assocs.assocs.values() if assoc.user == peer.name}

    def test(reservation: Reservation) -> bool:
        users, named = reservation.users.split(","), reservation.accounts.split(",")
        if f"-{peer.name}" in users:
            return False
        return peer.name in users or any(account in accounts for account in named)

    return test


def assoc_filter(ctl: Controller, peer: Peer) -> Callable[[Association], bool] | None:
    """The associations whose usage the peer may see: his own, and those of accounts that he coordinates."""
    if not private(ctl, "usage") or may_operate(ctl, peer):
        return None
    coordinates = ctl.state.assocs.is_coordinator
    return lambda assoc: assoc.user == peer.name or coordinates(peer.name, assoc.account)


def sees_user(ctl: Controller, peer: Peer, name: str) -> bool:
    return name == peer.name or not private(ctl, "users") or may_operate(ctl, peer)
