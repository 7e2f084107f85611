"""salloc: obtains an allocation, runs a command in it and gives it back."""

from __future__ import annotations

import _signal as signal  # the module `signal` costs a command milliseconds
import os
import sys

from ..core.errors import SlurmError
from . import allocation, description, job_environment, request
from .errors import Stop, entry, exit_code, line, write
from .options.salloc import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import FrameType
    from typing import NoReturn

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster
    from .allocation import Allocation
    from .job_options import JobOptions
    from .request import Messages


def main() -> NoReturn:
    entry("salloc", run, signals=False)


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    import time

    lines = request.component_lines(COMMAND, argv)
    command = lines[-1].operands
    at = request.reading("salloc")
    components = request.components_of(COMMAND, at, lines, env)
    first = components[0]
    messages = request.Messages("salloc", first.verbose, first.quiet)
    cluster = request.early("salloc", components, messages)
    jobs = []
    for options in components:
        warnings: list[tuple[str, str]] = []
        jobs.append(describe(options, command, argv, warnings))
        request.warn_all(messages, warnings)
        if options.verbose:
            write(sys.stderr, options.listing())
    if "container" in first or "container-id" in first:
        cluster = cluster or request.open_cluster("salloc")
        if command or "use_interactive_step" not in str(getattr(cluster.conf, "LaunchParameters", "") or ""):
            raise first.stop("--container requires LaunchParameters=use_interactive_step")
    change_directory(first)
    for options, job in zip(components, jobs, strict=True):
        description.complete(options, job)
    cluster = cluster or request.open_cluster("salloc")
    request.own_cluster(first, cluster)
    began = time.monotonic()
    waiter = allocation.Waiter(cluster, "salloc", messages, env)
    granted = waiter.wait(jobs, bound="no-shell" not in first)
    wanted = "always" if "bell" in first else "never" if "no-bell" in first else None
    allocation.bell(began, wanted, time.monotonic())
    messages.info(f"Granted job allocation {granted.job_id}")
    messages.info(f"Nodes {granted.reply['nodes']} are ready for job")
    if "no-shell" in first:
        return 0
    return Session(granted, first, jobs[0], messages, env).run(command or default_command(cluster, env))


def describe(
    options: JobOptions, command: Sequence[str], argv: Sequence[str], warnings: list[tuple[str, str]]
) -> JobDescriptor:
    job = description.describe(options, warnings)
    job.command = command[0] if command else None
    job.name = options.get("job-name") or "interactive"
    if job.current_working_directory is None:
        job.current_working_directory = options.at.cwd
    for field, value in description.origin(argv, "salloc").items():
        setattr(job, field, value)
    return job


def change_directory(options: JobOptions) -> None:
    if "chdir" not in options:
        return
    path = options.get("chdir")
    try:
        os.chdir(path)
    except OSError as error:
        raise Stop(1, err=line("salloc", f"chdir({path}): {error.strerror}")) from None


def default_command(cluster: Cluster, env: Mapping[str, str]) -> list[str]:
    """SallocDefaultCommand, an interactive step (LaunchParameters=use_interactive_step), or the user's shell."""
    configured = getattr(cluster.conf, "SallocDefaultCommand", None)
    if configured:
        return ["/bin/sh", "-c", str(configured)]
    shell = env.get("SHELL") or login_shell()
    if "use_interactive_step" in str(getattr(cluster.conf, "LaunchParameters", "") or ""):
        options = str(
            getattr(cluster.conf, "InteractiveStepOptions", "") or "--interactive --preserve-env --pty $SHELL"
        )
        return ["/bin/sh", "-c", f"exec srun {options}"]
    return [shell]


def login_shell() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/sh"


class Session:
    """The life of an allocation around its command."""

    #: these end the allocation; the command is told of a hang-up, and left to itself otherwise
    ENDING = (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGPIPE,
        signal.SIGUSR1,
        signal.SIGUSR2,
    )

    def __init__(
        self,
        granted: Allocation,
        options: JobOptions,
        job: JobDescriptor,
        messages: Messages,
        env: Mapping[str, str],
    ) -> None:
        self.granted = granted
        self.options = options
        self.job = job
        self.messages = messages
        self.env = env
        self.control = allocation.another(granted.cluster)
        self.child = 0
        self.interactive = os.isatty(0)
        self.released = False
        self.revoked = False

    def environment(self) -> dict[str, str]:
        found = dict(self.env)
        found.update(job_environment.option_variables(self.options))
        found.update(allocation.variables(self.granted.reply, self.granted.cluster.conf))
        found["SLURM_JOB_NAME"] = str(self.job.name)
        found["SLURM_SUBMIT_DIR"] = self.options.at.cwd
        found["SLURM_SUBMIT_HOST"] = str(self.job.allocation_node_list)
        return found

    def run(self, command: Sequence[str]) -> int:
        """The exit code of the command; the allocation is given back whatever happens."""
        before = {number: signal.signal(number, self._on_signal) for number in self.ENDING}
        status = 0
        try:
            path = find_program(command[0], self.env.get("PATH", ""))
            if path is None:
                text = f'_fork_command: Unable to find command "{command[0]}"'
                write(sys.stderr, line("salloc", text))
                status = exit_code(self.env) << 8
            else:
                status = self._supervise(path, command)
        finally:
            self.release(status)
            for number, handler in before.items():
                signal.signal(number, handler)
        return (status >> 8) & 0xFF

    def _supervise(self, path: str, command: Sequence[str]) -> int:
        """Starts the command and waits for its end, with an eye on the allocation."""
        import threading

        terminal = self.interactive and os.isatty(2)
        mine = os.getpgrp()
        environment = self.environment()
        # a signal that comes between the fork and the next line would find nobody to pass it on to
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.ENDING)
        try:
            if self.released:  # told to end before there was a command
                return 1 << 8
            self.child = start(path, command, environment, terminal, mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            while True:
                _, status = os.waitpid(self.child, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    return status
                # the command was stopped (Ctrl-Z): stop with it, so that the shell around us gets the terminal back
                if terminal:
                    give_terminal(mine)
                    os.kill(os.getpid(), signal.SIGSTOP)
                    give_terminal(self.child)
                    os.killpg(self.child, signal.SIGCONT)
        except ChildProcessError:
            return 0
        finally:
            if terminal:
                give_terminal(mine)
            self.child = 0

    def _watch(self) -> None:
        """Tells of what slurmctld says about the job, and ends the command when the allocation is gone (a thread)."""
        try:
            for event in self.granted.events:
                self._on_event(event)
        except (SlurmError, OSError):
            return

    def _on_event(self, event: Mapping[str, object]) -> None:
        kind = event.get("event")
        text = event.get("message")
        if kind == "notify" and text:
            self.messages.info(str(text))
        elif kind == "timeout":
            self.messages.info(
                f"Job {self.granted.job_id} has exceeded its time limit and its allocation has been revoked."
            )
            self._gone()
        elif kind in ("revoked", "ended_all", "done", "node_fail", "cancelled", "preempted"):
            if not self.revoked and not self.released:
                self.messages.info(f"Job allocation {self.granted.job_id} has been revoked.")
            self._gone()

    def _gone(self) -> None:
        if self.revoked:
            return
        self.revoked = True
        child = self.child
        if not child or self.released:
            return
        if "kill-command" in self.options:
            from ..core import signals

            number = signals.parse(self.options.get("kill-command"))
        elif self.interactive:
            number = signal.SIGHUP
        else:
            return  # a command that is no session lives on, as with Slurm
        try:
            os.killpg(child, number)
        except ProcessLookupError:
            pass

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self.interactive:
            return  # the terminal's Ctrl-C is the command's business
        if number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
            return
        self.release(number)
        if number == signal.SIGHUP and self.child:
            try:
                os.killpg(self.child, signal.SIGHUP)
            except ProcessLookupError:
                pass

    def release(self, status: int) -> None:
        """Gives the allocation back, once."""
        if self.released:
            return
        self.released = True
        if self.revoked:
            return
        self.messages.info(f"Relinquishing job allocation {self.granted.job_id}")
        allocation.complete(self.control, self.granted.job_id, status)


def find_program(name: str, path: str) -> str | None:
    """The file that would be executed, or None."""
    if "/" in name:
        return name if os.access(name, os.X_OK) and not os.path.isdir(name) else None
    for directory in path.split(":"):
        candidate = os.path.join(directory or ".", name)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


def start(path: str, command: Sequence[str], env: Mapping[str, str], terminal: bool, mask: Iterable[int] = ()) -> int:
    """Starts the command in a process group of its own (in the terminal's foreground if it has one), with the
    signals of `mask` blocked; its pid."""
    pid = os.fork()
    if pid:
        try:
            os.setpgid(pid, pid)
        except OSError:
            pass  # it has done so itself, and may even have executed already
        if terminal:
            give_terminal(pid)
        return pid
    try:
        os.setpgid(0, 0)
        if terminal:
            give_terminal(os.getpid())
        for number in range(1, signal.NSIG):
            if number in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                continue
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                continue
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            os.execve(path, list(command), dict(env))
        except OSError as error:
            if error.errno == 8:  # a script without an interpreter line is the shell's
                os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], dict(env))
            write(sys.stderr, line("salloc", f"_fork_command: execve: {path}: {error.strerror}"))
    finally:
        os._exit(1)


def give_terminal(group: int) -> None:
    """Makes `group` the foreground process group of standard input's terminal."""
    old = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        pass
    finally:
        signal.signal(signal.SIGTTOU, old)
