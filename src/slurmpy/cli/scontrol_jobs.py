"""scontrol's keywords for jobs: hold, release, requeue, suspend, resume, top, notify, wait_job, write."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from .scontrol import matches, too_few, too_many, user_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .scontrol import Session


def job_ids(words: list[str]) -> list[str]:
    """The ids of arguments that may be lists with commas; those within brackets belong to an id."""
    found = []
    for word in words:
        depth, start = 0, 0
        for at, char in enumerate(word):
            depth += (char == "[") - (char == "]")
            if char == "," and not depth:
                found.append(word[start:at])
                start = at + 1
        found.append(word[start:])
    return [text for text in found if text]


def is_job_id(text: str) -> bool:
    """Whether it can be ``12``, ``12_3``, ``12_[1-3,5]`` or ``12+1``."""
    job, plus, component = text.partition("+")
    job, under, tasks = job.partition("_")
    if not (job.isdecimal() and job.isascii() and int(job)) or (plus and not component.isdecimal()):
        return False
    return not under or bool(tasks.strip("[]0123456789,-:%") == "" and tasks)


def tell(session: Session, text: str, reply: Any) -> None:
    """What an answer says of the parts of an array: a line for each outcome."""
    results = (reply or {}).get("results") if isinstance(reply, dict) else None
    if not results:
        return
    groups: dict[str, list[str]] = {}
    for which, number, message in results:
        if number:
            session.code = 1
        groups.setdefault(message, []).append(str(which))
    for message, which in groups.items():
        session.failed(f"{_together(which)}: {message}")


def _together(which: list[str]) -> str:
    """``62_1-2`` of 62_1 and 62_2."""
    from ..core.intervals import IntervalSet

    bare = [text.replace("[", "").replace("]", "") for text in which]
    array = bare[0].partition("_")[0]
    if not all(text.partition("_")[0] == array and text.partition("_")[2] for text in bare):
        return ",".join(bare)
    try:
        tasks = IntervalSet.parse(",".join(text.partition("_")[2].partition("%")[0] for text in bare))
    except ValueError:
        return ",".join(bare)
    return f"{array}_{tasks.format()}"


def by_name(session: Session, words: list[str]) -> list[str] | None:
    """The ids of ``jobname=NAME``; None if the words are no such thing. Raises SlurmError."""
    if not words or "=" not in words[0]:
        return None
    key, _, name = words[0].partition("=")
    if not matches(key, "jobname", 3):
        return None
    from ..core.states import JobState

    user = os.getuid() if session.uid is None else user_id(session.uid)[0]
    where: dict[str, Any] = {"all": True, "names": (name,), "states": (JobState.PENDING, JobState.RUNNING)}
    if user:
        where["users"] = (user,)
    rows = session.cluster.query("jobs", ("job_id", "array_job_id", "array_task_id"), where).rows
    return [f"{array}_{task}" if array and task is not None else str(job) for job, array, task in rows]


def _each(session: Session, words: list[str], method: str, after: str = "", **args: Any) -> None:
    """One request for every job that is named; `after` is the second line about a failure."""
    if len(words) < 2:
        too_few(session, words[0])
        return
    ids = by_name(session, words[1:]) if method in ("hold", "release") else None
    for text in job_ids(words[1:]) if ids is None else ids:
        try:
            if not is_job_id(text):
                raise SlurmError("ESLURM_INVALID_JOB_ID")
            tell(session, text, session.cluster.call(method, {"job_id": text, **args}))
        except SlurmError as error:
            session.failed(f"{error.message} for job {text}")
            if after:
                session.failed(f"{after}: {error.message}")


def hold(session: Session, words: list[str]) -> None:
    _each(session, words, "hold", "slurm_suspend error", user_hold=False)


def user_hold(session: Session, words: list[str]) -> None:
    _each(session, words, "hold", "slurm_suspend error", user_hold=True)


def release(session: Session, words: list[str]) -> None:
    _each(session, words, "release", "slurm_suspend error")


def suspend(session: Session, words: list[str]) -> None:
    _each(session, words, "suspend")


def resume(session: Session, words: list[str]) -> None:
    _each(session, words, "resume")


def requeue(session: Session, words: list[str]) -> None:
    incomplete = len(words) > 1 and words[1].lower() == "incomplete"
    _each(session, words[:1] + words[2:] if incomplete else words, "requeue", incomplete=incomplete)


def requeue_hold(session: Session, words: list[str]) -> None:
    special = False
    if len(words) > 1 and words[1].lower().startswith("state="):
        if not "specialexit".startswith(words[1].partition("=")[2].lower()):
            session.failed(f"Bad argument: {words[1]}")
            return
        special = True
        words = words[:1] + words[2:]
    _each(session, words, "requeue", hold=True, special_exit=special)


def top(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        too_few(session, words[0])
        return
    text = ",".join(job_ids(words[1:]))
    try:
        if not all(map(is_job_id, text.split(","))):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        session.cluster.call("top_job", {"job_id": text})
    except SlurmError as error:
        session.failed(f"{error.message} for job {text}")


def notify(session: Session, words: list[str]) -> None:
    if len(words) < 3:
        too_few(session, words[0])
        return
    try:
        if not is_job_id(words[1]):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        session.cluster.call("notify_job", {"job_id": words[1], "message": " ".join(words[2:])})
    except SlurmError as error:
        session.failed(f"job notify failure: {error.message}")


def wait_job(session: Session, words: list[str]) -> None:
    """Waits until the nodes of a job are ready for it."""
    if len(words) != 2:
        (too_few if len(words) < 2 else too_many)(session, words[0])
        return
    text = words[1]
    if not text.isdecimal():
        session.failed(f"Invalid job_id {text}")
        return
    try:
        reply = session.cluster.call("job_ready", {"job_id": int(text)})
        if isinstance(reply, dict) and not reply.get("ready", True):
            for event in session.cluster.events("wait_job", {"job_id": int(text), "started": True}):
                if event.get("state") in ("RUNNING", 1) or event.get("ready"):
                    break
            else:
                session.code = 1
                session.say(f"Job {text} no longer running", "")
                return
    except SlurmError as error:
        session.code = 1
        gone = error.name in ("ESLURM_JOB_NOT_RUNNING", "ESLURM_ALREADY_DONE", "ESLURM_JOB_FINISHED")
        session.say(f"Job {text} no longer running" if gone else f"Problem running job {text}", "")
        return
    session.say(f"Nodes are ready for job {text}", "")


def write(session: Session, words: list[str]) -> None:
    """``write batch_script JOB [FILE|-]`` and ``write config [FILE]``."""
    if len(words) < 2:
        too_few(session, words[0])
    elif matches(words[1], "batch_script", 5) and len(words) > 1:
        if len(words) > 4:
            too_many(session, words[0])
        else:
            _batch_script(session, words[2:])
    elif matches(words[1], "config", 1):
        if len(words) > 3:
            too_many(session, words[0])
        else:
            _config(session, words[2:])
    else:
        session.failed(f"invalid write argument:{words[1]}")


def _batch_script(session: Session, words: list[str]) -> None:
    if not words:
        session.code = 1
        return
    job = words[0]
    try:
        if not is_job_id(job):
            raise SlurmError("ESLURM_INVALID_JOB_ID")
        script = session.cluster.call("batch_script", {"job_id": job})["script"]
    except SlurmError as error:
        if not session.quiet:
            code = session.code
            session.failed(f"job script retrieval failed: {error.message}")
            session.code = code  # Slurm takes this for no failure
        return
    target = words[1] if len(words) > 1 else f"slurm-{job}.sh"
    if target == "-":
        session.out(script if script.endswith("\n") else script + "\n")
        return
    try:
        with open(target, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(script)
    except OSError as error:
        session.error(f"failed to open file `{target}`: {error.strerror}")
        return
    if not session.quiet:
        session.out(f"batch script for job {job} written to {target}\n")


def _config(session: Session, words: list[str]) -> None:
    """The configuration in force, into a file whose name ends in the time."""
    from ..core.times import format_time
    from .scontrol_show import config_rows

    try:
        rows, now = config_rows(session)
    except SlurmError as error:
        session.failed(f"slurm_load_ctl_conf error: {error.message}")
        return
    base = words[0] if words else session.cluster.conf.path
    path = f"{base}.{format_time(now)}"
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("".join(f"{name}={value}\n" for name, value in rows if value != "(null)"))
    except OSError as error:
        session.error(f"{path}: {error.strerror}")
        return
    session.out(f"Slurm config saved to {path}\n")
