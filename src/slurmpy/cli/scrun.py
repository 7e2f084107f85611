"""scrun: an OCI runtime whose containers are jobs of the cluster."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from .errors import Stop, entry, line, write
from .options.scrun import BEFORE, OCI_VERSION, OPERATIONS, REFUSED, behind, version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from .command import Parsed
    from .scrun_log import ScrunLog
    from .scrun_state import Place

#: seconds that a forced delete waits for the end of the container; the anchor is killed then
PATIENCE = 60.0


def main() -> NoReturn:
    entry("scrun", run)


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    before = BEFORE.parse(argv)
    if not before.operands:
        raise fatal("command not provided")
    operation, *rest = before.operands
    if operation in REFUSED:
        raise fatal(f"{operation} is not supported: {REFUSED[operation]}")
    if operation not in OPERATIONS:
        raise fatal(f"unknown command: {operation}")
    from .scrun_log import ScrunLog

    log = ScrunLog(env, before.get("log"), before.get("log-format", "text"), "debug" in before, before.count("verbose"))
    try:
        parsed = behind(operation).parse(rest)
        operands(operation, parsed.operands)
        if operation == "version":
            write(sys.stdout, version_text())
            return 0
        if "conf" in before:
            # whoever looks for the configuration, here and in the processes that follow, finds this one
            os.environ["SLURM_CONF"] = os.path.abspath(before.get("conf"))
        return ACTIONS[operation](before, parsed, log, env)
    except Stop as stop:
        raise told(log, stop) from None
    except SlurmError as error:
        raise told(log, Stop(1, err=line("scrun", error.message))) from None


def told(log: ScrunLog, stop: Stop) -> Stop:
    """The same end, with its reason in the log: callers of an OCI runtime read it there."""
    if stop.err:
        from .scrun_anchor import plain

        log.say("error", plain(stop.err), told=True)
        if log.stderr_level < 1:
            stop.err = ""
    return stop


def fatal(message: str) -> Stop:
    return Stop(1, err=line("scrun", message, "fatal"))


def operands(operation: str, given: Sequence[str]) -> None:
    """Raises Stop for an ID that is missing or wrong, and for words too many."""
    words = OPERATIONS[operation][1]
    if len(given) > len(words):
        raise fatal("Unexpected arguments")
    if "ID" in words and not given:
        raise fatal("container-id not provided")
    if given:
        from .scrun_state import check_id

        check_id(given[0])


def place_of(before: Parsed, parsed: Parsed, make: bool = False) -> Place:
    from .scrun_state import Place, open_root

    return Place(open_root(before.get("root"), make), parsed.operands[0])


def found(place: Place) -> dict[str, Any]:
    """The container's record, whose status is "stopped" if its anchor is gone. Raises Stop if there is none."""
    record = place.read()
    if record is None:
        raise fatal(f"container {place.container} does not exist")
    if not place.is_held():
        # it may have written its last words since
        record = place.read() or record
        record["status"] = "stopped"
    return record


# ---- the operations


def create(before: Parsed, parsed: Parsed, log: ScrunLog, env: Mapping[str, str]) -> int:
    from . import scrun_anchor, scrun_bundle

    if parsed.get("preserve-fds", "0") != "0":
        raise fatal("--preserve-fds is not supported: descriptors do not travel to the node")
    bundle = scrun_bundle.load(parsed.get("bundle") or ".")
    console = parsed.get("console-socket")
    if bundle.terminal and not console:
        raise fatal(f"{bundle.config_file}: process.terminal needs --console-socket")
    if console and not bundle.terminal:
        raise fatal(f"--console-socket needs process.terminal of {bundle.config_file}")
    place = place_of(before, parsed, make=True)
    pid_file = os.path.abspath(parsed.get("pid-file")) if "pid-file" in parsed else None
    record = {
        "id": place.container,
        "status": scrun_anchor.CREATING,
        "pid": 0,
        "oci_version": OCI_VERSION,
        "bundle": bundle.path,
        "submission_bundle": bundle.path,
        "root_path": bundle.root_path,
        "submission_root_path": bundle.root_path,
        "spool_dir": place.file("spool"),
        "pid_file": pid_file or "",
        "annotations": bundle.annotations,
        "job_id": 0,
        "job_over": False,
        "step_id": None,
        "job_env": [],
        "conf": "",
        "staging": "",
        "staged_in": False,
        "staged_out": False,
        "exit_code": None,
        **caller(),
    }
    console = os.path.abspath(console) if console else None
    scrun_anchor.start(place, record, log, env, console, pid_file)
    return 0


def caller() -> dict[str, Any]:
    """Who calls: numbers and names of user and group."""
    import grp
    import pwd

    uid, gid = os.getuid(), os.getgid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return {"user": user, "user_id": uid, "group": group, "group_id": gid}


def start(before: Parsed, parsed: Parsed, log: ScrunLog, env: Mapping[str, str]) -> int:
    place = place_of(before, parsed)
    record = found(place)
    if record["status"] == "stopped":
        raise fatal("cannot start a container that has stopped")
    ask(place, {"what": "start"})
    return 0


def state(before: Parsed, parsed: Parsed, log: ScrunLog, env: Mapping[str, str]) -> int:
    import json

    record = found(place_of(before, parsed))
    shown = {
        "ociVersion": record["oci_version"],
        "id": record["id"],
        "status": record["status"],
        "pid": 0 if record["status"] == "stopped" else record["pid"],
        "bundle": record["submission_bundle"],
        "annotations": record["annotations"],
    }
    write(sys.stdout, json.dumps(shown, indent=2) + "\n")
    return 0


def kill(before: Parsed, parsed: Parsed, log: ScrunLog, env: Mapping[str, str]) -> int:
    from ..core import signals

    word = parsed.operands[1] if len(parsed.operands) > 1 else "TERM"
    try:
        number = signals.parse(word)
    except ValueError:
        number = 0
    if not number:
        raise fatal(f"Invalid requested signal: {word}")
    place = place_of(before, parsed)
    if found(place)["status"] == "stopped":
        raise fatal("container not running")
    ask(place, {"what": "kill", "signal": number})
    return 0


def delete(before: Parsed, parsed: Parsed, log: ScrunLog, env: Mapping[str, str]) -> int:
    place = place_of(before, parsed)
    force = "force" in parsed
    if place.read() is None and force:
        return 0
    record = found(place)
    if record["status"] != "stopped":
        if not force:
            raise fatal(f"cannot delete container {place.container} that is not stopped: {record['status']}")
        end(place, record)
    elif not place.wait_free(PATIENCE):
        raise fatal(f"the anchor of container {place.container} does not end")
    left = place.read()
    if left is not None and (left["status"] != "stopped" or not left["job_over"]):
        clean(place, left, log)
    place.remove()
    return 0


def end(place: Place, record: Mapping[str, Any]) -> None:
    """Ends a container for delete --force: as kill does, then by way of its anchor."""
    import signal

    try:
        ask(place, {"what": "kill", "signal": signal.SIGKILL})
    except Stop:
        pass  # it ends at this moment, or is still being created
    if record["status"] == "creating":
        _signal_anchor(record, signal.SIGTERM)
    if not place.wait_free(PATIENCE):
        _signal_anchor(record, signal.SIGKILL)
        place.wait_free(PATIENCE)


def _signal_anchor(record: Mapping[str, Any], number: int) -> None:
    pid = int(record["pid"])
    if pid > 1:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def clean(place: Place, record: dict[str, Any], log: ScrunLog) -> None:
    """What an anchor that was killed, or met no slurmctld, has left undone: the job's end, and staging out.

    Once, however many deletes there are. Raises Stop, SlurmError."""
    log.info(f"the anchor of container {place.container} has left something undone: cleaning up")
    record["status"] = "stopped"  # as it looks to others, who see us hold the lock
    place.write(record)
    lock = place.hold()
    try:
        now = place.read()
        if now is not None and not now["job_over"]:
            _finish_for_anchor(place, now, log)
    finally:
        if lock >= 0:
            os.close(lock)


def _finish_for_anchor(place: Place, record: dict[str, Any], log: ScrunLog) -> None:
    from . import scrun_job, scrun_staging

    if record["conf"]:
        os.environ["SLURM_CONF"] = record["conf"]
    if record["job_id"]:
        from . import connect

        scrun_job.cancel(connect.cluster("scrun", start=False), int(record["job_id"]), record["step_id"])
    if record["staged_in"] and not record["staged_out"]:
        staging = scrun_staging.find(record["staging"] or None, record["conf"] or None)
        record["staged_out"] = True
        place.write(record)
        staging.run("stage_out", scrun_staging.Container(record, log, _no_job))
    record["job_over"] = True
    place.write(record)


def _no_job(script: str) -> tuple[int, str]:
    """remote_command where there is no job any more."""
    return 1, "the job has ended"


def ask(place: Place, request: Mapping[str, Any]) -> None:
    """One request to the anchor. Raises Stop with its error, or if it is not there."""
    import json

    from ..rpc.address import connect_unix

    try:
        connection = connect_unix(place.socket, None)
    except OSError as error:
        raise fatal(f"container {place.container} does not answer: {error.strerror}") from None
    data = b""
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        while piece := connection.recv(65536):
            data += piece
    except OSError:
        pass  # seen below
    finally:
        connection.close()
    try:
        error_text = str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        raise fatal(f"container {place.container} has ended") from None
    if error_text:
        raise fatal(error_text)


ACTIONS = {"create": create, "start": start, "state": state, "kill": kill, "delete": delete}
