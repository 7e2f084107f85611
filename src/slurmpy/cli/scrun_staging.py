"""Staging: what gets a bundle to the nodes before its container starts, and back after it has ended.

In place of Slurm's scrun.lua it is Python: a module (or any object) with one or both of the functions

    def stage_in(container): ...       # right after the allocation, before create returns
    def stage_out(container): ...      # right after the step has ended, before the job ends

`container` is a `Container`: it has as attributes what scrun.lua's functions get as arguments, and as methods what they
may call (scrun(1), SCRUN.LUA). A function that returns something else than None, True or 0, or raises, has failed: the
job is cancelled, and the container is stopped.

It is found by SCRUN_STAGING: "none", a name of the entry point group ``slurmpy.scrun_staging``, or the path of a file;
else it is ``scrun.py`` beside slurm.conf, if there is one.
"""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    from .scrun_log import ScrunLog

GROUP = "slurmpy.scrun_staging"
FILE = "scrun.py"
VARIABLE = "SCRUN_STAGING"
#: stagings that come with slurmpy; an entry point of the same name goes before
OURS = {"local": "slurmpy.cli.scrun_local"}
#: slurm.log's levels (scrun(1): "valid range of values for LEVEL is [0, 4]")
LOG_LEVELS = ("error", "info", "verbose", "debug", "debug2")
#: output of a command is kept up to this size, bytes
MAX_OUTPUT = 8 << 20


class Container:
    """What a staging function is told, and what it may do.

    id: the container's. bundle, root_path: where the bundle and its rootfs are now; orig_bundle, orig_root_path: where
    create was told they are. config_file: config.json of `bundle`. spool_dir: a directory for temporary files, removed
    by delete. job_id, user_id, group_id: numbers. job_env: "NAME=value" texts, the variables of the job and of scrun.
    """

    def __init__(self, record: Mapping[str, Any], log: ScrunLog, remote: Callable[[str], tuple[int, str]]) -> None:
        self.id = str(record["id"])
        self.bundle = str(record["bundle"])
        self.orig_bundle = str(record["submission_bundle"])
        self.root_path = str(record["root_path"])
        self.orig_root_path = str(record["submission_root_path"])
        self.spool_dir = str(record["spool_dir"])
        self.job_id = int(record["job_id"] or 0)
        self.user_id = int(record["user_id"])
        self.group_id = int(record["group_id"])
        self.job_env: tuple[str, ...] = tuple(record.get("job_env") or ())
        self._log = log
        self._remote = remote

    @property
    def config_file(self) -> str:
        return os.path.join(self.bundle, "config.json")

    def set_bundle_path(self, path: str) -> None:
        """The container runs from the bundle in `path` (on the node) from now on."""
        self.bundle = os.path.abspath(path)

    def set_root_path(self, path: str) -> None:
        """The container's rootfs is `path`; config.json has to say so, too."""
        self.root_path = os.path.abspath(path)

    def remote_command(self, script: str) -> tuple[int, str]:
        """Runs a shell script in a step on all nodes of the job: (exit code, what it wrote)."""
        return self._remote(script)

    def allocator_command(self, script: str) -> tuple[int, str]:
        """Runs a shell script here: (exit code, what it wrote)."""
        import subprocess

        with subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            output = process.stdout.read(MAX_OUTPUT)
            while process.stdout.read(65536):
                pass  # it must not be stopped by a full pipe
            code = process.wait()
        return (code if code >= 0 else 128 - code), output.decode("utf-8", "replace")

    def log(self, message: str, level: int = 1) -> None:
        """0: error, 1: info, 2: verbose, 3 and 4: debug."""
        self._log.say(LOG_LEVELS[max(0, min(int(level), len(LOG_LEVELS) - 1))], f"staging: {message}")

    def error(self, message: str) -> None:
        self.log(message, 0)

    def log_error(self, message: str) -> None:
        self.log(message, 0)

    def log_info(self, message: str) -> None:
        self.log(message, 1)

    def log_verbose(self, message: str) -> None:
        self.log(message, 2)

    def log_debug(self, message: str) -> None:
        self.log(message, 3)

    @staticmethod
    def time_str2mins(text: str) -> int:
        """Minutes of ``days-hours:minutes:seconds`` and the like. Raises ValueError."""
        from ..core.times import parse_time_limit

        found = parse_time_limit(text.strip())
        return 0xFFFFFFFF if found is None else int(found)


class Staging:
    """A staging's functions; `name` as it was found, for messages."""

    def __init__(self, name: str, functions: object) -> None:
        self.name = name
        self.functions = functions

    def run(self, what: str, container: Container) -> None:
        """Calls stage_in or stage_out if there is such. Raises Stop if it fails."""
        function = getattr(self.functions, what, None)
        if function is None:
            return
        try:
            result = function(container)
        except Exception as error:  # a site's code may raise whatever it likes
            raise Stop(1, err=line("scrun", f"{what} of {self.name} failed: {type(error).__name__}: {error}")) from None
        if result is not None and result is not True and result != 0:
            raise Stop(1, err=line("scrun", f"{what} of {self.name} failed: {result!r}"))


NONE = Staging("none", object())


def find(wanted: str | None, conf_path: str | None) -> Staging:
    """The staging of that name (see the module), or the one beside slurm.conf. Raises Stop if there is none such."""
    if wanted == "none":
        return NONE
    if wanted and "/" in wanted:
        return _from_file(os.path.abspath(wanted))
    if wanted:
        return _from_entry_point(wanted)
    beside = os.path.join(os.path.dirname(os.path.abspath(conf_path)), FILE) if conf_path else ""
    return _from_file(beside) if beside and os.path.exists(beside) else NONE


def _from_entry_point(name: str) -> Staging:
    import importlib
    from importlib import metadata

    try:
        for point in metadata.entry_points(group=GROUP, name=name):
            return _checked(name, point.load())
        if name in OURS:
            return _checked(name, importlib.import_module(OURS[name]))
    except (ImportError, AttributeError, SyntaxError) as error:
        _refuse(f"unable to load the staging {name}: {error}")
    _refuse(f"{VARIABLE}: there is no staging {name}")


def _from_file(path: str) -> Staging:
    """A Python file that only root, its user or the caller may have written."""
    import importlib.util

    try:
        seen = os.stat(path)
    except OSError as error:
        _refuse(f"unable to load {path}: {error.strerror}")
    if seen.st_uid not in (0, os.geteuid()) or seen.st_mode & 0o022:
        _refuse(f"unable to load {path}: it may be written by others than root and you")
    spec = importlib.util.spec_from_file_location("slurmpy_scrun_staging", path)
    if spec is None or spec.loader is None:
        _refuse(f"unable to load {path}: its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a site's code may raise whatever it likes
        _refuse(f"unable to load {path}: {type(error).__name__}: {error}")
    return _checked(path, module)


def _checked(name: str, functions: object) -> Staging:
    if not any(callable(getattr(functions, what, None)) for what in ("stage_in", "stage_out")):
        _refuse(f"the staging {name} has neither stage_in nor stage_out")
    return Staging(name, functions)


def _refuse(message: str) -> NoReturn:
    raise Stop(1, err=line("scrun", message, "fatal"))
