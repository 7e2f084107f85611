"""srun's engine: launches a step's tasks, carries their input and output, passes signals on, and judges their ends."""

from __future__ import annotations

import _socket
import os
import select
import time

from slurmpy.core.errors import SlurmError
from slurmpy.rpc import stepio

from . import launch_terminal as term
from . import launch_words as words
from .launch_files import Files
from .launch_output import Lines, label
from .launch_terminal import SIGINT, SIGKILL, SIGTERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from slurmpy.rpc.cluster import Cluster

    from .launch import LaunchOptions
    from .launch_output import Sink

#: Above so many bytes that nobody has read yet, the nodes are not read from; below a quarter they are again.
HIGH_WATER = 1 << 20
#: A second Ctrl-C within so many seconds ends the step.
INTERRUPT_WINDOW = 1.0
#: So long may tasks take to end by a Ctrl-C before they are killed, seconds.
INTERRUPT_GRACE = 0.3
#: srun's patience beyond KillWait, seconds.
EXTRA_WAIT = 2


class Node:
    """One node of the step: its tasks, and the connection of its slurmstepd."""

    __slots__ = ("credit", "decoder", "index", "link", "name", "out", "over", "tasks")

    def __init__(self, index: int, name: str, tasks: Sequence[int]) -> None:
        self.index, self.name, self.tasks = index, name, tuple(tasks)
        self.link: Any = None
        self.decoder = stepio.Decoder()
        self.out = bytearray()
        self.credit = stepio.WINDOW
        self.over = False


class Launch:
    """The run of one step. Everything happens in one thread around `poll`."""

    def __init__(self, cluster: Cluster, reply: Mapping[str, Any], options: LaunchOptions) -> None:
        from slurmpy.core.hostlist import expand

        self.cluster, self.reply, self.options = cluster, reply, options
        self.conf = cluster.conf
        self.name = f"{reply['job_id']}.{reply['step_id']}"
        names = expand(reply["nodes"])
        ids = reply["global_task_ids"]
        self.nodes = [Node(index, name, ids[index]) for index, name in enumerate(names)]
        self.count = sum(len(node.tasks) for node in self.nodes)
        self.node_of = {task: node for node in self.nodes for task in node.tasks}
        self.statuses: dict[int, int] = {}
        self.started: set[int] = set()
        self._pty = bool(options.pty) and term.may_have_terminal()
        self._terminal = term.Terminal()
        append = options.open_mode == "a" if options.open_mode else bool(self.conf.JobFileAppend)
        self.files = Files(options, reply, self.count, self._pty, append, self._reader_gone)
        self._lines: dict[tuple[int, int], Lines] = {}
        self._wish = self._ask_for()
        self._key = os.urandom(stepio.KEY_BYTES)
        self._poll = select.poll()
        self._watched: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._listeners: list[Any] = []
        self._guests: dict[int, tuple[Any, bytearray]] = {}
        self._unix = b""
        self._tcp: tuple[str, int] | None = None
        self._congested = False
        self._interrupts: list[float] = []
        self._interrupted = False
        self._waiting = False  # --wait has begun to count
        self._aborting = False  # by us
        self._said_aborted = False
        self._gave_up = False
        self._oom = False

    # ---------------------------------------------------------------- the way through

    def run(self) -> int:
        """srun's exit code."""
        wish = self._wish
        signals = term.Signals(self._signalled)
        try:
            self._watch(signals.reader, select.POLLIN, signals.woken)
            self._listen()
            wish["environment"] = self._environment()
            self._start(wish)
            if self._pty:
                self._terminal.make_raw()
            self._watch_input()
            while not (self._gave_up or all(node.over for node in self.nodes)):
                self._turn()
            self._terminal.give_back()
            if not self._said_aborted and words.was_killed(self.statuses.values()):
                self._say(f"Force Terminated StepId={self.name}")
            self.files.finish()
        finally:
            self._terminal.give_back()
            signals.give_back()
            self.files.close()
            for listener in self._listeners:
                listener.close()
        return words.exit_code(self.statuses.values()) or (128 + SIGINT if self._gave_up else 0)

    def _say(self, text: str, error: bool = False) -> None:
        if self.options.quiet and not error:
            return
        prefix = "srun: error: " if error else "srun: "
        ending = "\r\n" if self._terminal.is_raw else "\n"
        lines = "".join(f"{prefix}{line}{ending}" for line in text.split("\n"))
        self.files.messages.put(lines.encode("utf-8", "surrogateescape"))

    def _verbose(self, text: str) -> None:
        if self.options.verbose:
            self._say(text)

    # ---------------------------------------------------------------- launching

    def _ask_for(self) -> dict[str, Any]:
        """The part of launch_tasks that is srun's to say. Raises SlurmError."""
        options = self.options
        programs = None
        if options.multi_prog:
            from .multi_prog import load

            programs = load(options.argv[0], self.count)
        return {
            "arguments": tuple(options.argv),
            "programs": programs,
            "directory": options.cwd,
            "container_directory": options.container_cwd,
            "umask": options.umask,
            "limits": dict(options.rlimits),
            "append": options.open_mode == "a" if options.open_mode else bool(self.conf.JobFileAppend),
            "pty": self._terminal.window() if self._pty else None,
            "unbuffered": options.unbuffered,
            "task_prolog": options.task_prolog,
            "task_epilog": options.task_epilog,
            "account_gather_frequency": options.account_gather_frequency,
            "stdin": self.files.stdin,
            "stdout": self.files.stdout,
            "stderr": self.files.stderr,
        }

    def _environment(self) -> tuple[str, ...]:
        options = self.options
        found = dict(options.environment)
        found.setdefault("SLURMD_DEBUG", str(2 if options.slurmd_debug is None else options.slurmd_debug))
        found.setdefault("SLURM_UMASK", f"{options.umask:04o}")
        if self._tcp is not None:
            host, port = self._tcp
            found["SLURM_SRUN_COMM_HOST"] = found["SLURM_LAUNCH_NODE_IPADDR"] = host
            found["SLURM_SRUN_COMM_PORT"] = found["SLURM_STEP_LAUNCHER_PORT"] = str(port)
        return tuple(f"{name}={value}" for name, value in found.items())

    def _listen(self) -> None:
        """A unix socket for the slurmstepds of this host, and TCP: on loopback alone if all of them are here."""
        from slurmpy.conf import run_dir

        addresses = self.reply["node_addresses"]
        here = all(
            addresses[node.name].get("unix") and run_dir.find(self.conf, run_dir.slurmd_name(node.name))
            for node in self.nodes
        )
        local = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._unix = b"\0slurmpy-srun-" + os.urandom(12).hex().encode()
        local.bind(self._unix)
        self._listeners.append(local)
        network = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            network.bind(("127.0.0.1" if here else "0.0.0.0", 0))  # noqa: S104 - the nodes are elsewhere
        except OSError:
            network.close()  # no network at all: the unix socket has to do
        else:
            host = "127.0.0.1" if here else _address_towards(str(self.conf.controller_address()))
            self._tcp = (host, network.getsockname()[1])
            self._listeners.append(network)
        for listener in self._listeners:
            listener.listen(128)
            listener.setblocking(False)
            self._watch(listener.fileno(), select.POLLIN, lambda _, one=listener: self._accept(one))  # type: ignore[misc]

    def _start(self, wish: dict[str, Any]) -> None:
        """launch_tasks to every node. A node that cannot ends the step."""
        reply = self.reply
        self._verbose("CpuBindType=(null type)")
        for node in self.nodes:
            count, numbers = len(node.tasks), words.bracketed(node.tasks)
            self._verbose(f"launching StepId={self.name} on host {node.name}, {count} tasks: {numbers}")
        self._verbose("topology/default: init: topology Default plugin loaded")
        failure: SlurmError | None = None
        for node in self.nodes:
            service = self.cluster.node(node.name, reply["node_addresses"][node.name])
            unix = self._unix if service.client.address.unix is not None else None
            io = {"unix": unix, "tcp": self._tcp, "key": self._key}
            try:
                service.call("launch_tasks", {"step": wish, "credential": reply["credential"], "io": io})
            except SlurmError as error:
                failure = error
                node.over = True
                self.statuses.update(dict.fromkeys(node.tasks, 1 << 8))
                self._say(f"Task launch for StepId={self.name} failed on node {node.name}: {error.message}", error=True)
            finally:
                service.close()
        if failure is not None:
            self._say(f"Application launch failed: {failure.message}", error=True)
            self._say_aborted(self._patience())
            self._abort(SIGKILL)
            give_back(self.cluster, reply)
            self._after(self._patience(), self._give_up)

    def _accept(self, listener: Any) -> None:
        try:
            descriptor, _ = listener._accept()
        except OSError:
            return
        os.set_inheritable(descriptor, False)
        link = _socket.socket(fileno=descriptor)
        link.setblocking(False)
        self._guests[descriptor] = (link, bytearray())
        self._watch(descriptor, select.POLLIN, lambda _: self._greet(descriptor))

    def _greet(self, descriptor: int) -> None:
        """The first frame of a connection must have the key."""
        from _operator import _compare_digest

        link, buffer = self._guests[descriptor]
        size = stepio.HEADER.size + stepio.HELLO_BODY.size
        try:
            data = link.recv(size - len(buffer))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if data and len(buffer) < size:
            return
        self._unwatch(descriptor)
        del self._guests[descriptor]
        if len(buffer) == size:
            kind, _, length = stepio.HEADER.unpack_from(buffer)
            key, index = stepio.HELLO_BODY.unpack_from(buffer, stepio.HEADER.size)
            right = kind == stepio.HELLO and length == stepio.HELLO_BODY.size and _compare_digest(key, self._key)
            if right and index < len(self.nodes) and self.nodes[index].link is None and not self.nodes[index].over:
                self.nodes[index].link = link
                self._watch_node(self.nodes[index])
                if self._aborting:
                    self._send(self.nodes[index], stepio.ABORT, stepio.ALL, stepio.COUNT.pack(SIGKILL))
                self._watch_input()
                return
        link.close()

    # ---------------------------------------------------------------- waiting

    def _watch(self, descriptor: int, mask: int, callback: Callable[[int], None]) -> None:
        self._watched[descriptor] = (mask, callback)
        self._poll.register(descriptor, mask)

    def _unwatch(self, descriptor: int) -> None:
        if self._watched.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + seconds, callback))
        self._timers.sort(key=lambda timer: timer[0])

    def _turn(self) -> None:
        self._watch_sinks()
        timeout = None
        if self._timers:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) * 1000
        for descriptor, events in self._poll.poll(timeout):
            entry = self._watched.get(descriptor)
            if entry is not None:
                entry[1](events)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._timers.pop(0)[1]()

    def _watch_sinks(self) -> None:
        """Waits for readers of our output where something is left for them; while it is much, no more is taken in."""
        pending = 0
        for sink in self.files.sinks:
            pending += sink.pending
            watched = sink.descriptor in self._watched
            if sink.pending and not watched:
                self._watch(sink.descriptor, select.POLLOUT, lambda _, one=sink: one.write_once())  # type: ignore[misc]
            elif not sink.pending and watched:
                self._unwatch(sink.descriptor)
        congested = pending > (HIGH_WATER // 4 if self._congested else HIGH_WATER)
        if congested != self._congested:
            self._congested = congested
            for node in self.nodes:
                if node.link is not None:
                    self._watch_node(node)

    def _watch_node(self, node: Node) -> None:
        mask = (0 if self._congested else select.POLLIN) | (select.POLLOUT if node.out else 0)
        descriptor = node.link.fileno()
        if mask:
            self._watch(descriptor, mask, lambda events: self._node_ready(node, events))
        else:  # a hang-up would be told again and again
            self._unwatch(descriptor)

    # ---------------------------------------------------------------- nodes

    def _send(self, node: Node, kind: int, task: int = stepio.ALL, body: bytes = b"") -> None:
        if node.link is not None:
            node.out += stepio.frame(kind, task, body)
            self._flush(node)

    def _flush(self, node: Node) -> None:
        try:
            sent = node.link.send(node.out)
            del node.out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            node.out.clear()  # the end of the connection will be read
        self._watch_node(node)

    def _node_ready(self, node: Node, events: int) -> None:
        if events & select.POLLOUT and node.out:
            self._flush(node)
        if self._congested or not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return
        try:
            data = node.link.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(node)
            return
        node.decoder.feed(data)
        try:
            for kind, task, body in node.decoder:
                self._frame(node, kind, task, body)
        except stepio.ProtocolError:
            self._lost(node)

    def _lost(self, node: Node) -> None:
        """The slurmstepd has closed: it is done, or it was killed."""
        self._unwatch(node.link.fileno())
        node.link.close()
        node.link, node.over = None, True
        for (task, _), lines in self._lines.items():
            if self.node_of.get(task) is node:
                lines.end()
        missing = [task for task in node.tasks if task not in self.statuses]
        if missing:
            self.statuses.update(dict.fromkeys(missing, SIGKILL))
            self._report(node, missing, SIGKILL)
            if not self.options.no_kill:
                self._terminate(SIGKILL)
        self._watch_input()

    def _frame(self, node: Node, kind: int, task: int, body: bytes) -> None:
        if kind in (stepio.STDOUT, stepio.STDERR):
            self._output(kind, task, body)
        elif kind == stepio.CREDIT:
            node.credit += stepio.COUNT.unpack(body)[0]
            self._watch_input()
        elif kind == stepio.EXITED:
            self._exited(node, stepio.pairs(body))
        elif kind == stepio.MESSAGE:
            self.files.messages.put(body.replace(b"\n", b"\r\n") if self._terminal.is_raw else body)
        elif kind == stepio.STARTED:
            self.started.update(number for number, _ in stepio.pairs(body))
            self._verbose(f"Node {node.name}, {len(node.tasks)} tasks started")
        elif kind == stepio.ABORTING:
            if not self._aborting:
                self._say_aborted(stepio.COUNT.unpack(body)[0] + EXTRA_WAIT)
        elif kind == stepio.OOM:
            self._oom = True

    def _output(self, kind: int, task: int, body: bytes) -> None:
        lines = self._lines.get((task, kind))
        if lines is None:
            sink: Sink | None = self.files.out if kind == stepio.STDOUT else self.files.err
            if sink is None:
                return
            text = label(task, self.count) if self.options.label else b""
            lines = self._lines[task, kind] = Lines(sink, text, self._pty or self.options.unbuffered)
        if body:
            lines.put(body)
        else:
            lines.end()

    def _reader_gone(self) -> None:
        """Nobody reads our output any more: the tasks are told as if they had written it there themselves."""
        self._signal_tasks(term.SIGPIPE)

    # ---------------------------------------------------------------- standard input

    def _takers(self) -> list[Node]:
        task = self.files.source_task
        return [node for node in (self.nodes if task is None else [self.node_of[task]]) if node.link is not None]

    def _room(self) -> int:
        return min((node.credit for node in self._takers()), default=0)

    def _watch_input(self) -> None:
        """Reads standard input while every node that gets it has room for more, and once all are there."""
        source = self.files.source
        if source is None:
            return
        if self._room() > 0 and all(node.link is not None or node.over for node in self.nodes):
            if source not in self._watched:
                self._watch(source, select.POLLIN, self._input)
        else:
            self._unwatch(source)

    def _input(self, events: int) -> None:
        source = self.files.source
        assert source is not None
        try:
            data = os.read(source, min(self._room(), stepio.MAX_BODY))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        task = stepio.ALL if self.files.source_task is None else self.files.source_task
        for node in self._takers():
            node.credit -= len(data)
            self._send(node, stepio.STDIN, task, data)
        if data:
            self._watch_input()
        else:
            self._unwatch(source)
            self.files.source = None

    # ---------------------------------------------------------------- tasks end

    def _exited(self, node: Node, pairs: list[tuple[int, int]]) -> None:
        groups: dict[int, list[int]] = {}
        for task, status in pairs:
            self.statuses[task] = status
            groups.setdefault(status, []).append(task)
        for status, tasks in groups.items():
            many = "s" if len(tasks) > 1 else ""
            self._verbose(
                f"Received task exit notification for {len(tasks)} task{many} of StepId={self.name} "
                f"(status=0x{status:04x})."
            )
            self._report(node, tasks, status)
        if len(self.statuses) == self.count:
            return
        wait = self.conf.WaitTime if self.options.wait is None else self.options.wait
        if wait and not self._waiting:
            self._waiting = True
            self._after(wait, lambda: self._waited(wait))
        kill = self.conf.KillOnBadExit if self.options.kill_on_bad_exit is None else self.options.kill_on_bad_exit
        if kill and any(groups):
            self._terminate(SIGTERM)

    def _report(self, node: Node, tasks: list[int], status: int) -> None:
        who = f"{node.name}: {words.named(tasks)}"
        if not status:
            self._verbose(f"{who}: Completed")
        elif not (self._interrupted and status & 0x7F == SIGINT):
            self._say(f"{who}: {words.ended(status, self._oom)}", error=True)

    def _waited(self, seconds: int) -> None:
        """--wait is over."""
        if len(self.statuses) < self.count and not self._aborting and not self._said_aborted:
            self._say(f"First task exited {seconds}s ago")
            self._say_states()
            self._terminate(SIGKILL)
            self._say_aborted(self._patience())

    def _say_states(self) -> None:
        for line in words.states(self.count, self.started, self.statuses):
            self._say(f"StepId={self.name} {line}")

    # ---------------------------------------------------------------- the step is to end

    def _patience(self) -> int:
        return int(self.conf.KillWait) + EXTRA_WAIT

    def _say_aborted(self, seconds: int) -> None:
        if not self._said_aborted:
            self._said_aborted = True
            self._say(f"Job step aborted: Waiting up to {seconds} seconds for job step to finish.")

    def _terminate(self, number: int) -> None:
        if not self._aborting and not self._said_aborted:
            self._say(f"Terminating StepId={self.name}")
            self._abort(number)

    def _abort(self, number: int) -> None:
        self._aborting = True
        for node in self.nodes:
            self._send(node, stepio.ABORT, stepio.ALL, stepio.COUNT.pack(number))

    def _force(self, grace: float = 0.0) -> None:
        """srun itself was told to end; its tasks have `grace` seconds for a signal that they got just now."""
        self._say("forcing job termination")
        self._say_aborted(self._patience())
        if grace:
            self._after(grace, lambda: self._abort(SIGKILL))
        else:
            self._abort(SIGKILL)
        self._after(self._patience(), self._give_up)

    def _give_up(self) -> None:
        """A node does not answer any more: slurmctld is asked to see to it, and srun ends."""
        if all(node.over for node in self.nodes):
            return
        self._gave_up = True
        give_back(self.cluster, self.reply)

    # ---------------------------------------------------------------- signals

    def _signalled(self, number: int) -> None:
        if number == SIGINT:
            self._interrupt()
        elif number in term.ENDING:
            if number == term.SIGQUIT:
                self._say("Quit")
            self._force()
        elif number == term.SIGWINCH:
            if self._pty:
                size = stepio.WINDOW_SIZE.pack(*self._terminal.window())
                for node in self._takers():
                    self._send(node, stepio.RESIZE, stepio.ALL, size)
        elif number == term.SIGCONT:
            self._say("got SIGCONT")
            if self._pty:
                self._terminal.make_raw()
            self._signal_tasks(number)
        elif number == term.SIGTSTP:
            self._signal_tasks(number)
            self._terminal.give_back()
            os.kill(os.getpid(), term.SIGSTOP)
        elif number in term.FORWARDED:
            self._signal_tasks(number)

    def _signal_tasks(self, number: int) -> None:
        for node in self.nodes:
            self._send(node, stepio.SIGNAL, stepio.ALL, stepio.COUNT.pack(number))

    def _interrupt(self) -> None:
        """Ctrl-C: tells how the tasks are; a second one soon after ends them, a third ends srun at once."""
        now = time.monotonic()
        soon = any(now - moment <= INTERRUPT_WINDOW for moment in self._interrupts)
        self._interrupts.append(now)
        if self._interrupted:
            self._give_up()
        elif soon or self.options.quit_on_interrupt:
            self._interrupted = True
            self._say(f"sending Ctrl-C to StepId={self.name}")
            self._signal_tasks(SIGINT)
            self._force(INTERRUPT_GRACE)
        elif self.options.disable_status:
            self._say(f"sending Ctrl-C to StepId={self.name}")
            self._signal_tasks(SIGINT)
        else:
            self._say("interrupt (one more within 1 sec to abort)")
            self._say_states()


def give_back(cluster: Cluster, reply: Mapping[str, Any]) -> None:
    """Asks slurmctld to end a step that srun cannot end by itself; what it holds of the job is free again."""
    other = type(cluster)(cluster.conf, cluster.name)  # the caller's connection may be in the middle of a stream
    try:
        other.call("kill_step", {"job_id": reply["job_id"], "step_id": reply["step_id"], "signal": SIGKILL})
    except SlurmError:
        pass  # it is over already, or slurmctld is away and will find out by itself
    finally:
        other.close()


def _address_towards(host: str) -> str:
    """The address of this host as those see it who are reached by the way to `host`."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        probe.connect((_socket.getaddrinfo(host, 9, _socket.AF_INET)[0][4][0], 9))  # sends nothing, chooses a route
        return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
    finally:
        probe.close()
