"""scontrol's keywords for the daemons: ping, reconfigure, shutdown, debug levels, tokens, reboots."""

from __future__ import annotations

from ..core.errors import SlurmError
from .scontrol import too_few, too_many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .scontrol import Session


def _call(session: Session, title: str, method: str, args: dict[str, Any] | None = None) -> Any:
    """One request; a refusal becomes ``TITLE: message``. None then."""
    try:
        return session.cluster.call(method, args or {}) or {}
    except SlurmError as error:
        session.failed(f"{title}: {error.message}")
        return None


def _alone(session: Session, words: list[str]) -> bool:
    if len(words) > 1:
        too_many(session, words[0])
        return False
    return True


def ping_line(session: Session) -> str:
    """``Slurmctld(primary) at HOST is UP``; DOWN is a failure."""
    host = session.cluster.conf.SlurmctldHost[0][0]
    try:
        host = session.cluster.call("ping", {}).get("hostname") or host
        state = "UP"
    except SlurmError:
        state = "DOWN"
        session.code = 1
    return f"Slurmctld(primary) at {host} is {state}"


def ping(session: Session, words: list[str]) -> None:
    if not _alone(session, words):
        return
    if session.encoding:
        from .scontrol_show import document

        try:
            document(session, "ping", {})
        except SlurmError as error:
            session.error(error.message)
        return
    session.out(ping_line(session) + "\n")


def reconfigure(session: Session, words: list[str]) -> None:
    if _alone(session, words):
        _call(session, "slurm_reconfigure error", "reconfigure")


def shutdown(session: Session, words: list[str]) -> None:
    """Everything, or with ``slurmctld`` or ``controller`` slurmctld alone."""
    if len(words) > 2:
        too_many(session, words[0])
        return
    what = words[1].lower() if len(words) > 1 else ""
    if what and not any(name.startswith(what) for name in ("slurmctld", "controller")):
        session.failed(f"invalid shutdown argument:{words[1]}")
        return
    _call(session, "slurm_shutdown error", "shutdown", {"slurmd": not what})


def takeover(session: Session, words: list[str]) -> None:
    if len(words) > 2:
        too_many(session, words[0])
        return
    _call(session, "slurm_takeover error", "takeover")


def set_level(session: Session, text: str) -> None:
    """The level of slurmctld's log, by number or name."""
    from ..conf.slurm_parameters import LEVELS

    word = text.lower()
    if word.isdecimal():
        level = int(word)
    else:
        level = LEVELS.index(word) if word in LEVELS else -1
    if not 0 <= level < len(LEVELS):
        session.failed(f"invalid debug level: {text}")
        return
    _call(session, "slurm_set_debug_level error", "set_debug_level", {"level": LEVELS[level]})


def setdebug(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        too_few(session, words[0])
    elif len(words) > 2:
        session.error(f"{words[0]} of single nodes is not supported")
    else:
        set_level(session, words[1])


def setdebugflags(session: Session, words: list[str]) -> None:
    from ..conf.slurm_parameters import DEBUG_FLAGS

    if len(words) < 2:
        too_few(session, words[0])
        return
    known = {flag.lower(): flag for flag in DEBUG_FLAGS}
    plus: list[str] = []
    minus: list[str] = []
    for word in words[1:]:
        flag = known.get(word[1:].lower())
        if word[:1] not in ("+", "-") or flag is None:
            usage = "\nUsage: setdebugflags {+|-}NAME [{+|-}NAME] [nodes=<NODES>]"
            if word[:1] in ("+", "-"):
                session.error(f"Invalid DebugFlag: {word[1:]}")
                usage = ""
            session.failed(f"invalid debug flag: {word}{usage}")
            return
        (plus if word[0] == "+" else minus).append(flag)
    _call(session, "slurm_set_debug_flags error", "set_debug_flags", {"plus": tuple(plus), "minus": tuple(minus)})


def schedloglevel(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        too_few(session, words[0])
        return
    if len(words) > 2:
        too_many(session, words[0])
        return
    level = {"enable": "1", "disable": "0"}.get(words[1].lower(), words[1])
    if level not in ("0", "1"):
        session.failed(f"invalid schedlog level: {words[1]}")
        return
    if not session.cluster.conf.SlurmSchedLogFile:
        session.failed(f"slurm_set_schedlog_level error: {SlurmError('ESLURM_DISABLED').message}")
        return
    _call(session, "slurm_set_schedlog_level error", "set_schedlog_level", {"level": int(level)})


def fs_dampening_factor(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        too_few(session, words[0])
        return
    if not words[1].isdecimal() or not 0 < int(words[1]) < 0xFFFF:
        session.failed(f"invalid dampening factor: {words[1]}")
        return
    _call(session, "slurm_set_fs_dampeningfactor error", "set_fs_dampening_factor", {"factor": int(words[1])})


def token(session: Session, words: list[str]) -> None:
    """``token [username=USER] [lifespan=SECONDS]``, printed as an assignment for the shell."""
    from slurmpy.auth.token import INFINITE

    args: dict[str, Any] = {}
    for word in words[1:]:
        value = word.partition("=")[2]
        if word.lower().startswith("username="):
            args["username"] = value
        elif word.lower().startswith("lifespan="):
            if value.lower() in ("infinite", "unlimited"):
                args["lifespan"] = INFINITE
            elif not value.isdecimal() or not int(value):
                session.error(f'Invalid numeric value "{value}" for lifespan.')
                return
            elif int(value) > INFINITE:
                session.error(f"Numeric argument ({value}) too large for lifespan.")
                return
            else:
                args["lifespan"] = int(value)
        else:
            session.failed(f"Invalid option: `{word}`")
            return
    try:
        reply = session.cluster.call("token", args)
    except SlurmError as error:
        session.error(f"slurm_fetch_token: error with request: {error.message}")
        return
    session.out(f"SLURM_JWT={reply['token']}\n")


def check_cluster(session: Session, text: str) -> None:
    """Ends the command if `text` names no cluster that can be reached. Raises Stop, SlurmError."""
    from .clusters import check

    check("scontrol", text, session.cluster)


def cluster(session: Session, words: list[str]) -> None:
    if len(words) > 2:
        too_many(session, words[0])
    elif len(words) == 2:
        check_cluster(session, words[1])


def reboot(session: Session, words: list[str]) -> None:
    """``reboot [ASAP] [nextstate=] [reason=] ALL|NODES``"""
    args: dict[str, Any] = {"asap": False}
    nodes = ""
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if word.upper() == "ASAP":
            args["asap"] = True
        elif equals and key.lower() == "nextstate":
            args["next_state"] = value.upper()
        elif equals and key.lower() == "reason":
            args["reason"] = value
        else:
            nodes = word
    if not nodes:
        session.failed("Missing node list. Specify ALL|<NodeList>")
        return
    if not session.cluster.conf.RebootProgram:
        session.error("RebootProgram isn't defined")
        session.failed("scontrol_reboot_nodes error: Unspecified error")
        return
    _call(session, "scontrol_reboot_nodes error", "reboot_nodes", {"names": nodes, **args})


def cancel_reboot(session: Session, words: list[str]) -> None:
    if len(words) < 2:
        session.failed(f"missing argument for keyword:{words[0]}")
        return
    _call(session, "slurm_update error", "update_node", {"names": words[1], "changes": {"state": "CANCEL_REBOOT"}})


def power(session: Session, words: list[str]) -> None:
    """``power up NODES``, ``power down [ASAP|FORCE] NODES``"""
    if len(words) < 3:
        too_few(session, words[0])
        return
    way = words[1].lower()
    how = words[2].upper() if len(words) > 3 else ""
    if way not in ("up", "down") or how not in ("", "ASAP", "FORCE") or (how and way == "up"):
        session.failed(f"invalid power argument: {' '.join(words[1:])}")
        return
    word = "POWER_UP" if way == "up" else "_".join(filter(None, ("POWER_DOWN", how)))
    _call(session, "scontrol_power_nodes error", "update_node", {"names": words[-1], "changes": {"state": word}})
