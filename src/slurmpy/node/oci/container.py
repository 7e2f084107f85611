"""The containers of one step on this node, one a task: made ready, started, taken away.

slurmstepd makes the directories and a note of what has to be cleaned up (`leftovers`), each task's fork writes what the
runtime reads, with the user's rights, and becomes the runtime. The commands run as the job's user, never as root for
somebody else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slurmpy.conf import oci_conf

from .. import environment as variables
from ..tasks import Identity
from . import anchor, bundle, calls, lease, leftovers, pattern
from .errors import ContainerError

Say = Callable[[str, int], None]
DEBUG = 5
#: What the user's own path would do to a command that has it.
_FOR_SHELL = frozenset("$`\\;&|<>(){}*?[]~#!\"'\n\r")


class Container:
    """Of the step in `launch`; `say(text, level)` tells of what is done. `prepare()` first."""

    def __init__(self, launch: Mapping[str, Any], identity: Identity, script: str, say: Say) -> None:
        self._launch, self._identity, self._say = launch, identity, say
        self._settings: Mapping[str, Any] = launch["oci"]
        self._script = script
        self._bundle = ""
        self._config: bundle.Config | None = None
        self._rootfs = ""
        self._cgroup = ""
        self._places: list[str] = []
        self._note: leftovers.Note | None = None
        self._lease: int | None = None
        self._seconds = float(launch["unkillable_timeout"])
        pty = launch.get("pty") if self._settings["RunTimeRun"] else None
        self.terminal: tuple[int, int] | None = (pty[0], pty[1]) if pty else None

    # ---------------------------------------------------------------- before the tasks

    def prepare(self, cgroup_path: str, wait: Callable[[int], None]) -> None:
        """Reads the bundle and makes a directory for each task. `cgroup_path`: the step's control group as a path
        below the mount points, "" if the runtime is not to use it; `wait`: as of `lease.take`. Raises ContainerError.
        """
        launch = self._launch
        self._cgroup = cgroup_path
        reference = lease.reference_of(launch["container"], launch["directory"])
        self._bundle = reference.path
        if reference.is_image or self._is_root(reference.path) or self._is_kept(reference.path):
            self._bundle, self._lease = lease.take(reference, launch, self._identity, wait)
        if self._settings["IgnoreFileConfigJson"]:
            self._rootfs = self._bundle
        else:
            try:
                with self._identity.files():
                    self._config = bundle.read(self._bundle)
            except OSError as error:
                raise ContainerError(f"{self._bundle}: {error.strerror}") from None
            self._rootfs = bundle.rootfs_of(self._config, self._bundle)
        self._make_places()

    def _is_root(self, path: str) -> bool:
        """Whether a directory is no bundle but a root file system, and may be made a bundle of."""
        if self._settings["IgnoreFileConfigJson"]:
            return False
        with self._identity.files():
            return os.path.isdir(path) and not os.path.lexists(os.path.join(path, "config.json"))

    def _is_kept(self, path: str) -> bool:
        """Whether a directory is a bundle in a cache of images, which stays there only for who holds a lease of it."""
        with self._identity.files():
            return lease.in_cache(path)

    def _make_places(self) -> None:
        launch, identity = self._launch, self._identity
        base = leftovers.base_of(launch["spool"], launch["job_id"], launch["step_id"])
        override = self._settings["ContainerPath"]
        self._places = [self._place(local, task, base) for local, task in enumerate(launch["tasks"])]
        self._check_paths()
        note = leftovers.Note(launch)
        if override:
            note.files = [os.path.join(place, name) for place in self._places for name in self._files()]
        else:
            note.base = base
        note.cgroup = self._cgroup
        note.keep = bool(self._settings["DisableCleanup"])
        note.seconds = self._seconds
        note.tasks = [self._removal(local, pattern.NO_PID) for local in range(len(self._places))]
        # a runtime finds its containers by its environment (XDG_RUNTIME_DIR, for one), so who cleans up has it, too
        given = variables.from_strings(launch["environment"])
        note.environment = calls.environment_without(given, self._settings["RunTimeEnvExclude"])
        for place in self._places:
            self._say(f"container: bundle {self._bundle}, files in {place}", DEBUG)
        try:
            if override:
                with identity.files():
                    for place in self._places:
                        _check_place(place, self._bundle)
                        note.made += _missing(place)
            else:
                leftovers.remove_tree(base)
            self._note = note
            note.write()
            if override:
                with identity.files():
                    for place in self._places:
                        for directory in reversed(_missing(place)):
                            os.mkdir(directory, 0o700)
                return
            os.makedirs(base, 0o755, exist_ok=True)
            for place in (*self._places, os.path.join(base, leftovers.RUNTIME)):
                os.mkdir(place, 0o700)
                if identity.switch:
                    os.chown(place, identity.uid, identity.gid)
        except OSError as error:
            raise ContainerError(f"{error.filename or base}: {error.strerror}") from None

    def _files(self) -> list[str]:
        """Names of what we write into a task's directory."""
        made = ["config.json"] if self._config is not None else []
        return [*made, "environment"] if self._settings["CreateEnvFile"] else made

    def _check_paths(self) -> None:
        """A bundle may be somebody else's: its name for its root file system must not be a command here."""
        for letter, path in (("r", self._rootfs), ("b", self._bundle)):
            wanted = letter == "r" or self._settings["IgnoreFileConfigJson"]
            if wanted and _FOR_SHELL & set(path):
                for name in oci_conf.OPERATIONS:
                    if pattern.expand(self._settings[name] or "", {letter: "\0"}).count("\0"):
                        raise ContainerError(f"{path}: has characters that {name} would give to the shell")

    def _place(self, local: int, task: int, base: str) -> str:
        override = self._settings["ContainerPath"]
        if not override:
            return os.path.join(base, f"task-{task}")
        values = self._values(local, self._launch["spool"])
        place = os.path.normpath(pattern.expand(override, values))
        if not place.startswith("/"):
            raise ContainerError(f"ContainerPath: {place}: no absolute path")
        return place

    def _values(self, local: int, spool_place: str, pid: str = pattern.NO_PID) -> dict[str, str]:
        """What the "%" of a pattern stand for."""
        launch = self._launch
        place = self._places[local] if self._places else spool_place
        return {
            "@": pattern.quoted(launch.get("arguments") or ()),
            "b": self._bundle if self._settings["IgnoreFileConfigJson"] else place,
            "e": os.path.join(place, "environment"),
            "j": str(launch["job_id"]),
            "m": spool_place,
            "n": launch["node"],
            "p": pid,
            "r": self._rootfs,
            "s": str(launch["step_id"]),
            "t": str(launch["tasks"][local]),
            "u": self._identity.user_name or str(self._identity.uid),
            "U": str(self._identity.uid),
        }

    def _command(self, name: str, local: int, pid: str = pattern.NO_PID, arguments: Sequence[str] = ()) -> str:
        values = self._values(local, self._places[local], pid)
        if arguments:
            values["@"] = pattern.quoted(arguments)
        return pattern.expand(self._settings[name] or "", values)

    def _removal(self, local: int, pid: str) -> tuple[str, str, str]:
        """The commands that make sure that a task's container is gone."""
        return (
            self._command("RunTimeQuery", local, pid),
            self._command("RunTimeKill", local, pid),
            self._command("RunTimeDelete", local, pid),
        )

    # ---------------------------------------------------------------- in a task's fork

    def launcher(
        self, local: int, prefix: str, program: Sequence[str]
    ) -> Callable[[Sequence[str], dict[str, str]], int]:
        """What a task's fork calls instead of executing its `program`: (arguments, environment) -> exit code, if it
        comes back at all."""
        for name in ("RunTimeRun",) if self._settings["RunTimeRun"] else ("RunTimeCreate", "RunTimeStart"):
            self._say(f"{name}: {self._command(name, local, arguments=program)}", DEBUG)

        def run(arguments: Sequence[str], environment: dict[str, str]) -> int:
            try:
                return self._become(local, prefix, arguments, environment)
            except ContainerError as error:
                os.write(2, f"{prefix}: error: container: {error}\n".encode("utf-8", "surrogateescape"))
                return 1

        return run

    def _become(self, local: int, prefix: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
        settings = self._settings
        inside = calls.environment_without(environment, settings["EnvExclude"])
        outside = calls.environment_without(environment, settings["RunTimeEnvExclude"])
        if self._launch["kind"] == "batch" and self._config is not None:
            arguments = [bundle.place_of_script(self._config, self._rootfs), *arguments[1:]]
        try:
            self._write_files(local, arguments, inside)
        except OSError as error:
            raise ContainerError(f"{error.filename}: {error.strerror}") from None
        run = self._command("RunTimeRun", local, arguments=arguments)
        if run:
            try:
                anchor.become_runtime(run, outside)
            except OSError as error:
                raise ContainerError(f"RunTimeRun: {error.filename}: {error.strerror}") from None
        create = self._command("RunTimeCreate", local, arguments=arguments)
        start = self._command("RunTimeStart", local)
        query = self._command("RunTimeQuery", local)
        anchor.Anchor(create, start, query, outside, prefix, self._seconds).run()

    def _write_files(self, local: int, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        place, form = self._places[local], self._settings["CreateEnvFile"]
        if form:
            end = "\n" if form == "newline" else "\0"
            items = [f"{name}={value}" for name, value in environment.items()]
            text = "".join(item + end for item in items if form == "null" or "\n" not in item)
            _write(os.path.join(place, "environment"), text.encode("utf-8", "surrogateescape"))
        if self._config is None:
            return
        launch, identity = self._launch, self._identity
        rootless = os.geteuid() != 0
        wish = bundle.Wish(
            os.geteuid(), identity.gid if identity.switch else os.getegid(), rootless, launch["node"],
            self._settings["DisableHooks"],
        )  # fmt: skip
        wish.arguments, wish.environment, wish.terminal = arguments, environment, self.terminal
        wish.directory = launch.get("container_directory") or ""
        if self._cgroup and not rootless:
            wish.cgroup = f"{self._cgroup}/task_{launch['tasks'][local]}"
        wish.mounts = self._mounts(local)
        config = bundle.task_config(self._config, self._bundle, wish)
        _write(os.path.join(place, "config.json"), json.dumps(config).encode("utf-8", "surrogateescape"))

    def _mounts(self, local: int) -> list[tuple[str, str, bool]]:
        assert self._config is not None
        mounts = []
        wanted = self._settings["MountSpoolDir"]
        if bundle.spool_is_mounted(self._config, self._rootfs, wanted):
            place = self._places[local]
            inside = pattern.expand(wanted, self._values(local, place)) if wanted else bundle.SPOOL
            mounts.append((place, inside, False))
        if self._script:
            mounts.append((self._script, bundle.place_of_script(self._config, self._rootfs), True))
        return mounts

    # ---------------------------------------------------------------- after the tasks

    def finish(self, tasks: Sequence[tuple[int, int]], environment: Mapping[str, str], left_behind: bool) -> None:
        """All processes of the step have ended: no container is left with the runtime, and no file of ours.

        `tasks`: (process id, wait status) of each, which with RunTimeRun is the runtime's; `left_behind`: other
        processes were still there when they had ended. A run that came back well and left nobody behind has taken its
        container away itself; asking would cost as much again."""
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None
        if self._note is None:
            return
        outside = calls.environment_without(environment, self._settings["RunTimeEnvExclude"])
        self._note.environment = outside
        # who has made a container and failed then may have failed because its query knows nothing of it
        failed = 0xFFFF if self._settings["RunTimeCreate"] else 0x7F
        self._note.aborted = any(status & failed for _, status in tasks)
        sure = bool(self._settings["RunTimeRun"]) and not left_behind
        self._note.tasks = [
            self._removal(local, str(pid) if pid else pattern.NO_PID)
            for local, (pid, status) in enumerate(tasks)
            if status or not sure
        ]
        for problem in self._note.clean(self._identity):
            self._say(problem, 2)


def _missing(place: str) -> list[str]:
    """A directory and its parents as far as they are not there, the innermost first."""
    missing = []
    while not os.path.isdir(place):
        missing.append(place)
        place = os.path.dirname(place)
    return missing


def _check_place(place: str, bundle_place: str) -> None:
    """Raises OSError, ContainerError where nothing of ours may be written: to be called with the user's rights.

    Who owns a directory on the way, or may rename what is in it, could put a configuration of his there, which the
    runtime would take for the user's.
    """
    if os.path.isdir(place):
        if os.stat(place).st_uid != os.geteuid():
            raise PermissionError(1, "belongs to somebody else", place)
        if os.path.isdir(bundle_place) and os.path.samefile(place, bundle_place):
            raise ContainerError(f"ContainerPath: {place}: is the bundle itself")
    trusted = {0, os.geteuid(), os.stat("/").st_uid}
    above = os.path.realpath(place)
    while above != "/":
        above = os.path.dirname(above)
        try:
            seen = os.stat(above)
        except FileNotFoundError:
            continue
        if seen.st_uid not in trusted:
            raise PermissionError(1, "belongs to somebody else", above)
        if seen.st_mode & 0o1002 == 0o0002:
            raise PermissionError(1, "anybody may rename what is in it", above)


def _write(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(handle, data) :]
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(handle)
