"""The pocket cluster's supervisor: forks the daemons out of one preloaded process and brings back any that dies.

It holds a lock for its life, so there is one; its children end when it ends (PR_SET_PDEATHSIG, prctl(2)), so a killed
one leaves no daemon behind, while job steps, which are nobody's children, run on and are found again by the next
slurmd.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import select
import selectors
import signal
import sys
import time
from collections.abc import Callable

from slurmpy.conf import slurm_conf
from slurmpy.core.states import NodeState
from slurmpy.pocket.directory import Directory
from slurmpy.rpc.daemon import READY
from slurmpy.rpc.log import log

START_LIMIT = 30.0
#: How long the first command may wait for slurmdbd, which takes the longest to load.
BOOKS_LIMIT = 0.8
PR_SET_PDEATHSIG = 1


class Child:
    """One daemon: how to run it, and its process while it lives."""

    def __init__(self, name: str, run: Callable[[], int]) -> None:
        self.name, self.run = name, run
        self.pid = 0
        self.started = 0.0
        self.failures = 0
        self.due = 0.0  # when to start it again


class Supervisor:
    def __init__(self, directory: Directory, lock: int) -> None:
        self.directory, self.lock = directory, lock
        self.conf = slurm_conf.load(directory.conf)
        self.children: list[Child] = []
        self.ending = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # -- starting ------------------------------------------------------------------------------------------------

    def preload(self) -> None:
        """Imports the daemons once, for all the processes that are forked from here.

        slurmdbd, which has the most to load after that, is forked before the others are imported.
        """
        import slurmpy.accounting.main as dbd

        self._outlive()
        books = Child("slurmdbd", lambda: dbd.run(["-D", "-f", self.directory["slurmdbd.conf"]]))
        os.close(self.spawn(books))
        import slurmpy.controller.main as ctld
        import slurmpy.node.main as node

        conf = self.directory.conf
        names = [name for line in self.conf.nodes for name in line.names()]
        self.children = [
            books,
            Child("slurmctld", lambda: ctld.run(["-D", "-f", conf])),
            *(Child(f"slurmd-{n}", lambda n=n: node.run(["-D", "-f", conf, "-N", n])) for n in names),  # type: ignore[misc]
        ]

    def spawn(self, child: Child) -> int:
        """Forks a daemon; the descriptor on which it will say that it serves."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        supervisor = os.getpid()
        child.pid = os.fork()
        child.started = time.monotonic()
        if child.pid == 0:
            code = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
                if os.getppid() != supervisor:
                    os._exit(0)
                os.close(self.lock)  # or the lock would outlive the supervisor as long as a daemon does
                os.environ[READY] = str(writer)
                os.environ["SLURM_CONF"] = self.directory.conf
                os.chdir(self.directory.root)
                code = child.run()
            except BaseException as error:
                log.exception(f"{child.name} did not start", error)
            finally:
                os._exit(code)
        os.close(writer)
        return reader

    def start(self) -> str:
        """Starts everything; "" or the reason why it does not run."""
        waiting = {self.spawn(child): child for child in self.children if not child.pid}
        needed = set(waiting)  # slurmdbd is not among them: jobs run without their books
        end = time.monotonic() + START_LIMIT
        selector = selectors.DefaultSelector()
        for reader in waiting:
            selector.register(reader, selectors.EVENT_READ)
        said: dict[int, bytes] = dict.fromkeys(waiting, b"")
        problem = ""
        while needed and not problem:
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                problem = f"{', '.join(waiting[f].name for f in needed)}: no answer within {START_LIMIT:.0f} seconds"
            for event, _ in ready:
                more = os.read(event.fd, 4096)
                said[event.fd] += more
                if more and not more.endswith(b"\n"):
                    continue
                selector.unregister(event.fd)
                if said[event.fd] != b"\n" and event.fd in needed:
                    problem = said[event.fd].decode(errors="replace").strip() or f"{waiting[event.fd].name} ended"
                needed.discard(event.fd)
        for reader in waiting:
            os.close(reader)
        return problem or self._wait_for_nodes(end)

    def _outlive(self) -> None:
        """Waits for the daemons of a supervisor that was killed: its death tells them to end, which takes a moment."""
        mark = f"SLURM_CONF={self.directory.conf}".encode()
        for name in os.listdir(self.directory["run"]):
            if not name.endswith(".pid"):
                continue
            try:
                with open(self.directory[f"run/{name}"]) as file:
                    pid = int(file.read())
                handle = os.pidfd_open(pid)
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    ours = mark in environment.read().split(b"\0")
            except (OSError, ValueError):
                continue  # it has ended
            if ours and not select.select([handle], [], [], 5.0)[0]:
                log.error(f"{name[:-4]} (pid {pid}) of an earlier supervisor does not end: killed")
                _signal(pid, signal.SIGKILL)
                select.select([handle], [], [], 5.0)
            os.close(handle)

    def _wait_for_nodes(self, end: float) -> str:
        """Waits until slurmctld has heard from every slurmd, so that the first job need not wait."""
        from slurmpy.core.errors import SlurmError
        from slurmpy.rpc.cluster import Cluster

        cluster = Cluster(self.conf, "supervisor")
        try:
            while time.monotonic() < end:
                states = [row[0] for row in cluster.query("nodes", ("state",)).rows]
                if not any(s & NodeState.BASE == NodeState.UNKNOWN or s & NodeState.NOT_RESPONDING for s in states):
                    break
                time.sleep(0.005)
            else:
                return "not all nodes registered in time"
            books = time.monotonic() + BOOKS_LIMIT
            while time.monotonic() < books and not cluster.call("ping")["accounting"]:
                time.sleep(0.005)  # so that the first job, too, has its account; if need be jobs run without
        except SlurmError as error:
            return f"slurmctld: {error.message}"
        finally:
            cluster.close()
        return ""

    # -- living --------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Restarts what dies, the more slowly the oftener it does, until told to end."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._wake_read, selectors.EVENT_READ)
        while not self.ending:
            self._reap()
            now = time.monotonic()
            due = [c for c in self.children if not c.pid]
            for child in due:
                if child.due <= now:
                    log.info(f"starting {child.name} again")
                    os.close(self.spawn(child))
            timeout = min((c.due - now for c in self.children if not c.pid), default=None)
            for _ in selector.select(None if timeout is None else max(0.0, timeout)):
                self._drain()
        self._end_children()

    def _on_end(self, *_: object) -> None:
        self.ending = True

    def _drain(self) -> None:
        try:
            while os.read(self._wake_read, 512):
                pass
        except BlockingIOError:
            pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children:
                if child.pid == pid:
                    lived = time.monotonic() - child.started
                    child.failures = 0 if lived > 30 else child.failures + 1
                    child.pid, child.due = 0, time.monotonic() + min(10.0, 0.05 * 2**child.failures)
                    if not self.ending:
                        log.error(f"{child.name} (pid {pid}) ended: {describe(status)}")

    def _end_children(self) -> None:
        """slurmctld first, so that it does not see its nodes go."""
        for child in self.children:
            if child.pid:
                _signal(child.pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while any(c.pid for c in self.children) and time.monotonic() < end:
            self._reap()
            time.sleep(0.01)
        for child in self.children:
            if child.pid:
                _signal(child.pid, signal.SIGKILL)
        self._reap()
        for child in self.children:  # of one that was killed, and whose successor did not come to make its own
            try:
                os.unlink(self.directory[f"run/{child.name}.sock"])
            except OSError:
                pass


def describe(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _hold_lock(directory: Directory) -> int | None:
    """The supervisor's lock with its pid in it; None if another one lives."""
    handle = os.open(directory["supervisor.lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def main(argv: list[str]) -> int:
    """``supervisor DIRECTORY DESCRIPTOR [new]``: says "ready" or why not on the descriptor, then watches.

    "new": for containers there is to be what works here, and oci.conf if anything does.
    """
    directory, report = Directory(argv[0]), int(argv[1])
    os.set_inheritable(report, False)
    for name in os.listdir("/proc/self/fd"):  # what the shell of the first command had open is not ours to keep
        if int(name) > 2 and int(name) != report:
            try:
                os.close(int(name))
            except OSError:
                pass
    os.environ["SLURM_CONF"] = directory.conf

    def tell(text: str) -> None:
        try:
            os.write(report, text.replace("\n", " ").encode() + b"\n")
        except OSError:
            pass
        os.close(report)

    try:
        lock = _hold_lock(directory)
        if lock is None:
            tell("another supervisor is at work")
            return 1
        log.name = "supervisor"
        log.open(directory["log/supervisor.log"], to_stderr=False)
        search = None
        if argv[2:] == ["new"]:
            from slurmpy.pocket.containers import Search

            search = Search(directory)  # at work while the daemons are loaded
        supervisor = Supervisor(directory, lock)
        supervisor.preload()
        if search is not None:
            log.info(search.end())
        gc.freeze()
        problem = supervisor.start()
    except Exception as error:
        log.exception("did not start", error)
        message = getattr(error, "message", None) or f"{getattr(error, 'strerror', None) or error}"
        tell("; ".join((*getattr(error, "details", ()), str(message))))
        return 1
    if problem:
        log.error(problem)
        supervisor._end_children()
        tell(problem)
        return 1
    log.info("the cluster serves")
    tell("ready")
    supervisor.watch()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
