"""Programs that slurmctld runs: mail to users, PrologSlurmctld and EpilogSlurmctld."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from slurmpy.controller.state import Job
from slurmpy.core.states import JobState
from slurmpy.core.times import format_duration
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

#: parts of the time limit after which a mail may be asked for: word of --mail-type -> share
TIME_SHARES = {"TIME=50%": 0.5, "TIME=80%": 0.8, "TIME=90%": 0.9}


def environment(ctl: Controller, job: Job) -> dict[str, str]:
    """What the programs learn of the job."""
    values: dict[str, Any] = {
        "SLURM_CLUSTER_NAME": ctl.conf.ClusterName,
        "SLURM_CONF": ctl.conf.path,
        "SLURM_JOB_ACCOUNT": job.account,
        "SLURM_JOB_GID": job.group_id,
        "SLURM_JOB_GROUP": job.group_name,
        "SLURM_JOB_ID": job.job_id,
        "SLURM_JOBID": job.job_id,
        "SLURM_JOB_NAME": job.name,
        "SLURM_JOB_NODELIST": job.nodes,
        "SLURM_JOB_PARTITION": job.partition,
        "SLURM_JOB_QOS": job.qos,
        "SLURM_JOB_RESTART_COUNT": job.restart_cnt,
        "SLURM_JOB_START_TIME": job.start_time,
        "SLURM_JOB_UID": job.user_id,
        "SLURM_JOB_USER": job.user_name,
        "SLURM_JOB_WORK_DIR": job.current_working_directory,
    }
    if job.array_job_id:
        values["SLURM_ARRAY_JOB_ID"] = job.array_job_id
        values["SLURM_ARRAY_TASK_ID"] = job.array_task_id
    if job.is_finished:
        values["SLURM_JOB_END_TIME"] = job.end_time
        values["SLURM_JOB_EXIT_CODE"] = job.exit_code
        values["SLURM_JOB_EXIT_CODE2"] = f"{job.exit_code >> 8}:{job.exit_code & 0x7F}"
        values["SLURM_JOB_DERIVED_EC"] = job.derived_exit_code
    known = {name: str(value) for name, value in values.items() if value not in ("", None)}
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **known}


async def _run(argv: list[str], variables: dict[str, str], text: bytes = b"") -> int:
    """The exit code of a program; 127 if it cannot be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=variables, cwd="/", start_new_session=True, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        log.error(f"{argv[0]}: {error.strerror}")
        return 127
    await process.communicate(text)
    return process.returncode if process.returncode is not None else 1


# ---------------------------------------------------------------------------------------------- prolog, epilog


def needs_prolog(ctl: Controller) -> bool:
    return bool(ctl.conf.PrologSlurmctld)


def start_prolog(ctl: Controller, job: Job) -> None:
    """Runs PrologSlurmctld for a job that is CONFIGURING; it is launched, or requeued, when that has ended."""
    ctl.task(_prolog(ctl, job))


async def _prolog(ctl: Controller, job: Job) -> None:
    from slurmpy.controller import ends, jobs, requeue

    restart = job.restart_cnt
    code = 0
    for program in ctl.conf.PrologSlurmctld:
        code = code or await _run([program], environment(ctl, job))
    ctl.now()
    if job.restart_cnt != restart or not job.is_running or not job.job_state & JobState.CONFIGURING:
        return
    if code == 0:
        ctl.state.set_job_state(job, JobState.RUNNING)
        jobs.ready(ctl, job)
    elif job.batch_flag and job.requeue:
        log.error(f"PrologSlurmctld of JobId={job.job_id} exited with {code}, requeueing it")
        requeue.requeue(ctl, job, 0, "requeue")
    else:
        log.error(f"PrologSlurmctld of JobId={job.job_id} exited with {code}, ending it")
        ends.tell_to_end(ctl, job, "prolog_failed")
    ctl.changed()


def run_epilog(ctl: Controller, job: Job) -> None:
    found = tuple(ctl.conf.EpilogSlurmctld or ())
    if found and job.start_time and job._allocation:
        ctl.task(_epilog(found, environment(ctl, job), job.job_id))


async def _epilog(found: tuple[str, ...], variables: dict[str, str], job_id: int) -> None:
    for program in found:
        code = await _run([program], variables)
        if code:
            log.error(f"EpilogSlurmctld of JobId={job_id} exited with {code}")


# ---------------------------------------------------------------------------------------------- mail


def mail(ctl: Controller, job: Job, kind: str, now: int) -> None:
    """Tells the user of something that --mail-type asked to be told of."""
    if kind not in job.mail_type or not ctl.conf.MailProg:
        return
    if job.array_job_id and job.array_task_id is not None and "ARRAY_TASKS" not in job.mail_type:
        return  # one mail for the whole array is for its last task to send
    if kind == "BEGIN":
        tail = f"Began, Queued time {format_duration(max(0, now - job.submit_time))}"
    elif kind in ("END", "FAIL"):
        name = JobState.NAMES[job.job_state & JobState.BASE][0]
        word = "Ended" if kind == "END" else "Failed"
        tail = f"{word}, Run time {format_duration(max(0, job.end_time - job.start_time))}, {name}"
        if not job.exit_code & 0x7F:
            tail += f", ExitCode {job.exit_code >> 8}"
    elif kind == "REQUEUE":
        tail = "Requeued"
    elif kind == "INVALID_DEPENDENCY":
        tail = "Dependency can never be satisfied"
    elif kind == "TIME=100%":
        tail = "Reached time limit"
    else:
        tail = f"Reached {kind.removeprefix('TIME=')} of time limit"
    subject = f"Slurm Job_id={job.job_id} Name={job.name} {tail}"
    to = job.mail_user or job.user_name
    if "@" not in to and ctl.conf.MailDomain:
        to = f"{to}@{ctl.conf.MailDomain}"
    ctl.task(_mail(str(ctl.conf.MailProg), subject, to, environment(ctl, job)))


async def _mail(program: str, subject: str, to: str, variables: dict[str, str]) -> None:
    code = await _run([program, "-s", subject, to], variables)
    if code:
        log.error(f"MailProg {program} exited with {code}")


def arm_mails(ctl: Controller, job: Job) -> None:
    """Sets the clock for mails at parts of the time limit."""
    if not job._end_limit:
        return
    for kind, share in TIME_SHARES.items():
        if kind in job.mail_type:
            when = job.start_time + (job._end_limit - job.start_time) * share
            if when > ctl.state.now:
                ctl.at("mail", (job.job_id, kind), when)


def on_mail(ctl: Controller, key: tuple[int, str]) -> None:
    job = ctl.state.running.get(key[0])
    if job is not None:
        mail(ctl, job, key[1], ctl.state.now)


TIMERS = {"mail": on_mail}
