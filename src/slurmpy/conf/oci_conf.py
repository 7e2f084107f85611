"""oci.conf, read: which OCI runtime runs the containers of --container, and how (oci.conf(5)).

It is beside slurm.conf. Where it is not, containers are not supported: a request for one is noted, nothing more.
"""

from __future__ import annotations

import os

from . import posix_regex
from .errors import ConfError
from .plain import PlainConf
from .slurm_conf import convert
from .slurm_parameters import LEVELS
from .syntax import lines, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any, ClassVar

#: What an OCI pattern may have after "%" (oci.conf(5), "OCI Pattern").
REPLACEMENTS = "%@bejmnprstuU"
#: Hooks of the OCI runtime specification, for DisableHooks.
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
#: Which form the file of environment variables has.
ENV_FILES = {"null": "null", "true": "null", "newline": "newline", "disabled": "", "false": ""}
OPERATIONS = ("RunTimeQuery", "RunTimeCreate", "RunTimeStart", "RunTimeKill", "RunTimeDelete", "RunTimeRun")
PATTERNS = (*OPERATIONS, "ContainerPath", "MountSpoolDir")


class OciConf(PlainConf):
    TABLE: ClassVar[dict[str, tuple[str, object, bool]]] = {
        "ContainerPath": ("str", None, True),
        "CreateEnvFile": ("str", "disabled", True),
        "DebugFlags": ("str", None, True),
        "DisableCleanup": ("bool", False, True),
        "DisableHooks": ("str", None, True),
        "EnvExclude": ("str", None, True),
        "FileDebug": ("str", None, True),
        "IgnoreFileConfigJson": ("bool", False, True),
        "MountSpoolDir": ("str", None, True),
        "RunTimeCreate": ("str", None, True),
        "RunTimeDelete": ("str", None, True),
        "RunTimeEnvExclude": ("str", None, True),
        "RunTimeKill": ("str", None, True),
        "RunTimeQuery": ("str", None, True),
        "RunTimeRun": ("str", None, True),
        "RunTimeStart": ("str", None, True),
        "SrunArgs": ("str", None, True),
        "SrunPath": ("str", None, False),
        "StdIODebug": ("str", None, True),
        "SyslogDebug": ("str", None, True),
    }

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.srun_arguments: list[str] = []

    def read(self) -> None:
        """Reads and checks the file. Raises `ConfError` with the file and, where one is to blame, its line."""
        known = {name.lower(): name for name in self.TABLE}
        seen: dict[str, int] = {}
        for where, number, line in lines(self.path):
            try:
                for key, value in pairs(line, where, number):
                    name = known.get(key.lower())
                    if name is None:
                        raise ConfError(f"unrecognized key: {key}")
                    self._set(name, value, seen)
                    seen[name] = number
            except ConfError as error:
                text = error.details[0] if error.details else error.message
                place = "" if text.startswith("Parse error in file") else f"{where} line {number}: "
                raise ConfError(f"{place}{text}", message="Unable to process oci.conf") from None
        self._check_whole()

    def _set(self, name: str, value: str, seen: dict[str, int]) -> None:
        if name == "SrunArgs":  # one entry an argument
            self.srun_arguments.append(value)
            return
        if name in seen:
            raise ConfError(f"{name} is set in line {seen[name]} already")
        self.__dict__[name] = convert(name, self.TABLE[name][0], value)
        if name in PATTERNS:
            check_pattern(name, value)
            if name not in OPERATIONS and value and not value.startswith(("/", "%m", "%b", "%r")):
                raise ConfError(f'{name} has to be an absolute path, not "{value}"')
        elif name in ("EnvExclude", "RunTimeEnvExclude"):
            expression(name, value)
        elif name == "CreateEnvFile" and value.lower() not in ENV_FILES:
            raise ConfError(f'"{value}" is not a valid option for "{name}": null, newline or disabled')
        elif name == "DisableHooks":
            self.__dict__[name] = _hooks(value)
        elif name in ("FileDebug", "StdIODebug", "SyslogDebug") and _level(value) is None:
            raise ConfError(f'"{value}" is not a level of logging for "{name}"')
        elif name == "SrunPath" and not value.startswith("/"):
            raise ConfError(f'SrunPath has to be an absolute path, not "{value}"')

    def _check_whole(self) -> None:
        set_ = {name for name in OPERATIONS if getattr(self, name)}
        apart = {"RunTimeCreate", "RunTimeStart"}
        rest = {"RunTimeQuery", "RunTimeKill", "RunTimeDelete"}
        if "RunTimeRun" in set_:
            wrong = sorted(set_ & apart)
            missing = sorted(rest - set_) if not self.IgnoreFileConfigJson else []
        else:
            wrong, missing = [], sorted((rest | apart) - set_)
        if wrong:
            text = f"RunTimeRun and {' and '.join(wrong)} exclude each other"
        elif missing:
            text = f"{', '.join(missing)} not set: RunTimeRun, or RunTimeCreate with RunTimeStart, and the others"
        else:
            return
        raise ConfError(f"{self.path}: {text}", message="Unable to process oci.conf")

    def settings(self) -> dict[str, Any]:
        """All of it as plain values that can be sent to a slurmstepd."""
        found = {name: getattr(self, name) for name in self.TABLE if name not in ("SrunArgs", "SrunPath")}
        found["CreateEnvFile"] = ENV_FILES[str(self.CreateEnvFile).lower()]
        found["DisableHooks"] = tuple(self.DisableHooks or ())
        for name in ("FileDebug", "StdIODebug", "SyslogDebug"):
            found[name] = None if getattr(self, name) is None else _level(getattr(self, name))
        return found


def _level(value: str) -> int | None:
    word = value.lower()
    if word in LEVELS:
        return LEVELS.index(word)
    return int(word) if word.isdecimal() and len(word) < 3 and int(word) < len(LEVELS) else None


def _hooks(value: str) -> tuple[str, ...]:
    known = {name.lower(): name for name in HOOKS}
    found = []
    for word in value.split(","):
        if word.strip().lower() not in known:
            raise ConfError(f'"{word.strip()}" is no hook of an OCI container: {", ".join(HOOKS)}')
        found.append(known[word.strip().lower()])
    return tuple(found)


def check_pattern(name: str, text: str) -> None:
    """Raises `ConfError` where "%" stands before something that has no meaning."""
    at = -1
    while (at := text.find("%", at + 1)) >= 0:
        if at + 1 == len(text) or text[at + 1] not in REPLACEMENTS:
            raise ConfError(f'{name}: unexpected replacement character "{text[at : at + 2]}"')
        at += 1


def expression(name: str, text: str) -> re.Pattern[str]:
    """An extended regular expression (regex(7)) for environment variables. Raises `ConfError`."""
    try:
        return posix_regex.compile(text)
    except ValueError as error:
        raise ConfError(f'{name}: "{text}" is no regular expression: {error}') from None


def path_beside(conf: Any) -> str:
    """Where oci.conf would be for this slurm.conf."""
    return os.path.join(conf.directory, "oci.conf")


def load(path: str) -> OciConf | None:
    """Reads oci.conf; None where there is none. Raises `ConfError`."""
    if not os.path.exists(path):
        return None
    conf = OciConf(path)
    conf.read()
    return conf
