"""Starting a task: from a fork of slurmstepd to the user's program, with the user's identity, limits and files."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from . import keyring

#: what Python and slurmstepd have changed
CHANGED_SIGNALS = (
    signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP,
    signal.SIGTERM,
)  # fmt: skip
FALLBACK_DIRECTORY = "/tmp"  # noqa: S108 - Slurm's own choice where the wanted directory is not there


class Identity:
    """Whose processes a step's are: user, group, all groups, home; `switch` tells whether to become that user."""

    __slots__ = ("gid", "groups", "switch", "uid", "user_name")

    def __init__(self, uid: int, gid: int, user_name: str) -> None:
        self.uid, self.gid, self.user_name = uid, gid, user_name
        self.switch = os.geteuid() == 0
        self.groups: list[int] = [gid]
        if self.switch:
            name = user_name
            if not name:
                try:
                    name = pwd.getpwuid(uid).pw_name
                except KeyError:
                    name = ""
            if name:
                self.user_name = name
                self.groups = os.getgrouplist(name, gid)

    @contextmanager
    def files(self) -> Iterator[None]:
        """Within it, files are opened with the user's rights; the process itself stays what it is."""
        if not self.switch or self.uid == 0:
            yield
            return
        before = os.getgroups()
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)

    def become(self) -> None:
        """For good, with nothing left of what this process was."""
        if self.switch:
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
            if self.uid:
                keyring.take_users()


def limit_number(name: str) -> int | None:
    """The number of a limit ("RLIMIT_NOFILE"), None where this system has none of that name."""
    number = getattr(resource, name, None) if name.startswith("RLIMIT_") else None
    return number if isinstance(number, int) else None


def set_limits(limits: Mapping[str, int]) -> list[str]:
    """Sets soft limits, as far as the hard ones of this node allow; returns what went wrong."""
    wrong = []
    for name, wanted in limits.items():
        number = limit_number(name)
        if number is None:
            continue
        soft = resource.RLIM_INFINITY if wanted < 0 or wanted >= 1 << 63 else wanted
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
            soft = hard
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as error:
            wrong.append(f"Can't propagate {name} of {wanted} from submit host: {error}")
    return wrong


class Program:
    """What a task runs. `limits`: soft limits by name; `prefix`: how slurmstepd begins its messages; `launcher`: what
    runs it where it is not simply executed: called with (arguments, environment), it returns an exit code."""

    __slots__ = ("arguments", "directory", "launcher", "limits", "mask", "prefix", "prolog")

    def __init__(
        self,
        arguments: Sequence[str],
        directory: str,
        mask: int,
        limits: Mapping[str, int],
        prefix: str,
        prolog: Sequence[str] = (),
        launcher: Callable[[Sequence[str], dict[str, str]], int] | None = None,
    ) -> None:
        self.arguments, self.directory, self.mask = arguments, directory, mask
        self.limits, self.prefix, self.prolog, self.launcher = limits, prefix, prolog, launcher


def find(program: str, path: str, directory: str) -> str:
    """Where a program of that name is on `path`; the name itself if it has a slash or is nowhere."""
    if "/" in program:
        return program
    for place in path.split(":"):
        candidate = os.path.join(place or directory, program)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return program


def spawn(
    identity: Identity,
    program: Program,
    environment: Callable[[int], dict[str, str]],
    descriptors: tuple[int, int, int],
    terminal: int | None = None,
    enter: Callable[[], None] | None = None,
) -> int:
    """Forks a task whose standard files are `descriptors`; returns its process id.

    `environment(pid)` is called in the child. With `terminal` (a descriptor of a pseudo terminal) the task leads a
    session of its own on it. `enter` is called in the child while it still is root: cgroups. Errors after the fork are
    written to the task's standard error and end it with the errno as exit code, as Slurm does.
    """
    # a signal that comes before the child has its own dispositions must find it there, not slurmstepd's handlers in it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CHANGED_SIGNALS)
    try:
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in CHANGED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if terminal is not None:
            _lead_session(terminal)
        else:
            os.setpgid(0, 0)
        _place(descriptors)
        if enter is not None:
            enter()
        status = _become_program(identity, program, environment(os.getpid()))
    except BaseException as error:
        _say(f"{program.prefix}: error: {error}")
    finally:
        os._exit(status)


def _lead_session(terminal: int) -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def no_directory(directory: str, error: OSError) -> str:
    """What a user is told whose working directory is not there."""
    return f"couldn't chdir to `{directory}': {error.strerror}: going to {FALLBACK_DIRECTORY} instead"


def _place(descriptors: tuple[int, int, int]) -> None:
    # first out of the way: a source may itself be one of 0, 1, 2
    import fcntl

    moved = [fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, 3) if source < 3 else source for source in descriptors]
    for target, source in enumerate(moved):
        os.dup2(source, target, inheritable=True)


def _say(text: str) -> None:
    try:
        os.write(2, f"{text}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        pass


def _become_program(identity: Identity, program: Program, environment: dict[str, str]) -> int:
    for wrong in set_limits(program.limits):
        _say(f"{program.prefix}: error: {wrong}")
    identity.become()
    os.umask(program.mask & 0o777)
    directory = program.directory
    try:
        os.chdir(directory)
    except OSError as error:
        _say(f"{program.prefix}: error: {no_directory(directory, error)}")
        directory = FALLBACK_DIRECTORY
        os.chdir(directory)
    for path in program.prolog:
        run_task_prolog(path, environment, program.prefix)
    arguments = list(program.arguments)
    if program.launcher is not None:
        return program.launcher(arguments, environment)
    path = find(arguments[0], environment.get("PATH", os.defpath), directory)
    try:
        os.execve(path, arguments, environment)
    except OSError as error:
        _say(f"{program.prefix}: error: execve(): {_why(path, error)}")
        return error.errno or 1
    except ValueError as error:  # a NUL in an argument
        _say(f"{program.prefix}: error: execve(): {path}: {error}")
        return errno.EINVAL


def _why(path: str, error: OSError) -> str:
    """The text of a failed execve: an interpreter that is not there is not the script's absence."""
    if error.errno == errno.ENOENT and os.path.exists(path):
        try:
            with open(path, "rb") as file:
                line = file.readline(256)
        except OSError:
            line = b""
        if line.startswith(b"#!"):
            words = line[2:].split()
            interpreter = words[0].decode("utf-8", "replace") if words else ""
            return f"bad interpreter({interpreter}): {error.strerror}"
    return f"{path}: {error.strerror}"


def run_task_prolog(path: str, environment: dict[str, str], prefix: str) -> None:
    """Runs TaskProlog as the user; lines ``export NAME=value``, ``unset NAME`` and ``print text`` of its output work
    on the task's environment and standard output."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            os.execve(path, [path], environment)
        except OSError as error:
            _say(f"{prefix}: error: TaskProlog {path}: {error.strerror}")
        finally:
            os._exit(127)
    os.close(writer)
    output = b""
    while piece := os.read(reader, 65536):
        output += piece
    os.close(reader)
    os.waitpid(child, 0)
    for line in output.decode("utf-8", "surrogateescape").splitlines():
        word, _, rest = line.partition(" ")
        if word == "export":
            name, equals, value = rest.partition("=")
            if equals:
                environment[name] = value
        elif word == "unset":
            environment.pop(rest.strip(), None)
        elif word == "print":
            os.write(1, f"{rest}\n".encode("utf-8", "surrogateescape"))


def open_for_output(path: str, append: bool) -> int:
    """Opens a task's output file; called within `Identity.files`. Raises OSError; so does a pipe that nobody reads,
    because slurmstepd must not wait."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | (os.O_APPEND if append else os.O_TRUNC)
    try:
        return _waiting(os.open(path, flags | os.O_NONBLOCK, 0o666))
    except FileNotFoundError:  # its directory is made, as Slurm does
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError:
            pass  # what is told is that the file could not be opened
        return _waiting(os.open(path, flags | os.O_NONBLOCK, 0o666))


def _waiting(descriptor: int) -> int:
    """The task's reading and writing waits as usual, only the opening must not."""
    os.set_blocking(descriptor, True)
    return descriptor


def open_for_input(path: str) -> int:
    """Opens a task's input file; called within `Identity.files`. Raises OSError."""
    return _waiting(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK))
