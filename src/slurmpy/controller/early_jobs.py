"""Jobs that came before slurmdbd was first heard of: whose they are is made good when it is.

A pocket cluster takes its first jobs while its slurmdbd still starts. They belong to their users' default accounts all
the same, as jobs of a slurmctld do whose slurmdbd was away for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmpy.controller import records, submission

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller


def adopt(ctl: Controller) -> None:
    """Gives jobs without an association the one that they would have got, and tells accounting. Ended ones too."""
    state = ctl.state
    for job in list(state.jobs.values()):
        if job.association_id:
            continue
        default = not job.account and "USING_DEFAULT_ACCOUNT" in job.flags
        account = state.assocs.default_account(job.user_name) if default else job.account
        partitions = job._partitions
        assoc = state.assocs.find(account, job.user_name, partitions[0] if len(partitions) == 1 else "")
        if assoc is None:
            continue
        job.account, job.association_id = account, assoc.id
        if not job.qos and "USING_DEFAULT_QOS" in job.flags:
            job.qos = submission.default_qos(state, assoc)
        if job.wckey == "*" and "USING_DEFAULT_WCKEY" in job.flags:
            job.wckey = "*" + state.assocs.users[job.user_name].default_wckey
        state.touch_job(job)
        if ctl.unrecorded.get(job.job_id) is None:  # a new one is told of in a moment anyway
            records.job_start(ctl, job)
