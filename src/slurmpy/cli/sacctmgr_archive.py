"""``sacctmgr archive dump`` and ``load``: old records out of the database into files, and back."""

from __future__ import annotations

import os
import stat
import sys

from ..core.errors import SlurmError, message_of
from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .sacctmgr import Session

_NAME = "sacctmgr"

#: word of what is archived: the age in slurmdbd.conf; a word may be cut
OBJECTS = {
    "events": "PurgeEventAfter",
    "jobs": "PurgeJobAfter",
    "reservations": "PurgeResvAfter",
    "steps": "PurgeStepAfter",
    "suspend": "PurgeSuspendAfter",
    "txn": "PurgeTXNAfter",
    "usage": "PurgeUsageAfter",
}
#: how short each option may be cut
_SHORTEST = {
    "clusters": 1, "directory": 2, "script": 2, "purgeeventafter": 6, "purgejobafter": 6, "purgeresvafter": 6,
    "purgestepafter": 7, "purgesuspendafter": 7, "purgetxnafter": 6, "purgeusageafter": 6,
}  # fmt: skip
_AGES = {age.lower(): age for age in OBJECTS.values()}


def archive(session: Session, words: Sequence[str]) -> int:
    action = words[0].lower() if words else ""
    if action and "dump".startswith(action):
        return _dump(session, words[1:])
    if action and "load".startswith(action):
        return _load(session, words[1:])
    raise Stop(1, err='No valid entity in archive command\nInput line must include, "Dump", or "load"\n')


def _dump(session: Session, words: Sequence[str]) -> int:
    from ..core import purge_time

    archived: list[str] = []
    ages: dict[str, str] = {}
    args: dict[str, Any] = {}
    clusters: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        typed = key.lower()
        if typed in ("where", "set"):
            continue
        if not equals:
            found = next((one for one in OBJECTS if typed and one.startswith(typed)), None)
            if found is not None:
                archived.append(OBJECTS[found])
            else:
                clusters.append(word)
            continue
        option = next(
            (one for one, least in _SHORTEST.items() if len(typed) >= least and one.startswith(typed)),
            None,
        )
        if option == "clusters":
            clusters += [name for name in value.split(",") if name]
        elif option in ("directory", "script"):
            _check_place(option, value)
            args[option] = os.path.abspath(value)
        elif option is not None:
            try:
                purge_time.parse(value)
            except ValueError as error:
                raise Stop(1, err=line(_NAME, str(error))) from None
            ages[_AGES[option]] = value
        else:
            raise Stop(1, err=f" Unknown condition: {word}\n")
    if not session.immediate:
        session.write("This may result in loss of accounting database records (if Purge* options enabled).\n")
        if not session.confirm("Are you sure you want to continue?"):
            return 0
    args |= {"archive": tuple(archived), "ages": ages, "clusters": tuple(clusters)}
    _ask(session, "archive_dump", args, "dumping archive")
    return _succeeded(session, "jobacct_storage_p_archive")


def _check_place(option: str, path: str) -> None:
    """What Slurm finds out before it asks slurmdbd, which is on this host then."""
    try:
        there = os.stat(path)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else message_of(2)
        raise Stop(
            1,
            err=f" dump: Failed to stat {path}: {said}\n Note: For archive dump, the {option} must be on the calling"
            " host.\n",
        ) from None
    if option == "directory":
        if not stat.S_ISDIR(there.st_mode):
            raise Stop(1, err=f" dump: archive dir {path} isn't a directory\n")
    elif not stat.S_ISREG(there.st_mode):
        raise Stop(1, err=f" dump: archive script {path} isn't a regular file\n")
    elif not os.access(path, os.X_OK):
        raise Stop(1, err=f" dump: archive script {path} is not executable\n")


def _load(session: Session, words: Sequence[str]) -> int:
    path = ""
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            path = word
        elif key and "file".startswith(key.lower()):
            path = value
        elif key and "insert".startswith(key.lower()):
            raise Stop(
                1,
                err=line(_NAME, "insert= is not supported: no SQL of anybody's is run")
                + " Problem loading archive file: Unspecified error\n",
            )
        else:
            raise Stop(1, err=f" Unknown option: {word}\n")
    _ask(session, "archive_load", {"file": os.path.abspath(path) if path else ""}, "loading archive file")
    return _succeeded(session, "jobacct_storage_p_archive_load")


def _ask(session: Session, method: str, args: dict[str, Any], doing: str) -> None:
    """It may take as long as it needs. Raises Stop with Slurm's words."""
    try:
        for _ in session.cluster.slurmdbd.events(method, args):
            pass
    except SlurmError as error:
        if error.name in ("SLURM_COMMUNICATIONS_CONNECTION_ERROR", "SLURM_PROTOCOL_AUTHENTICATION_ERROR"):
            raise
        number = (error.data or {}).get("errno", 0)
        standard = message_of(error.number)
        reason = message_of(int(number)) if isinstance(number, int) and number else standard
        said = error.message
        if error.name == "ESLURM_ACCESS_DENIED":
            said = "Your user doesn't have privilege to perform this action"
        elif said == standard:
            said = "Error with request."
        note = ""
        if number == 2 and method == "archive_load":
            said = "No archive file given to recover."
            note = " Note: For archive load, the file must be accessible on the slurmdbd host.\n"
        raise Stop(1, err=line(_NAME, said) + f" Problem {doing}: {reason}\n" + note) from None


def _succeeded(session: Session, what: str) -> int:
    if not session.quiet:
        sys.stdout.flush()
        sys.stderr.write(f"{_NAME}: accounting_storage/slurmdbd: {what}: SUCCESS\n")
    return 0
