"""Where the tasks of one step read from and write to: files, srun, a pseudo terminal, or nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurmpy.core.ids import STEP_BATCH
from slurmpy.rpc import stepio

from . import filenames
from .streams import Connection, Input, Output, Piece, connect
from .tasks import open_for_input, open_for_output

if TYPE_CHECKING:
    from .stepd import Step, Task


class TaskFiles:
    """A task's descriptors 0, 1 and 2, and what slurmstepd keeps of them: `ours` {"stdin": descriptor, ...}."""

    __slots__ = ("close_after", "descriptors", "ours", "terminal")

    def __init__(self) -> None:
        self.descriptors = (0, 1, 2)
        self.terminal: int | None = None
        self.ours: dict[str, int] = {}
        self.close_after: list[int] = []


class StepIo:
    """The input and output of a step."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._launch = step.launch
        self._link: Connection | None = None
        self._outputs: list[Output] = []
        self._inputs: dict[int, Input] = {}
        self._early: list[tuple[int, int, bytes]] | None = []  # what srun says before the tasks are there
        self._open_files: dict[tuple[str, bool], int] = {}
        self._error_file: int | None = None
        self._null = -1
        self._terminal: int | None = None
        self._lines: list[bytes] = []

    # ---------------------------------------------------------------- opening

    def open(self) -> None:
        """Opens what all tasks share and connects to srun. Raises OSError."""
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        if self._step.is_batch:
            return
        self._attach(self._connect(self._launch["io"]))

    def _connect(self, where: Mapping[str, Any]) -> socket.socket:
        """To srun, with its user's rights. Raises OSError."""
        index, user_id = self._launch["node_index"], self._launch["user_id"]
        with self._step.identity.files():
            return connect(where.get("unix"), where.get("tcp"), where["key"], index, user_id)

    @property
    def connected(self) -> bool:
        """Whether there was a connection to srun."""
        return self._link is not None

    def _attach(self, link: socket.socket) -> None:
        self._link = Connection(self._step.loop, link, self._frame, self._lost)

    def _name(self, pattern: str, task: Task) -> str:
        launch, job = self._launch, self._launch["job"]
        values = filenames.values_of(
            job_id=launch["job_id"],
            step_id="batch" if launch["step_id"] == STEP_BATCH else str(launch["step_id"]),
            array_job_id=job.get("array_job_id") or 0,
            array_task_id=job.get("array_task_id"),
            user_name=launch["user_name"],
            job_name=job.get("name", ""),
            host=launch["node"],
            node=launch["node_index"],
            task=task.number,
        )
        path = filenames.expand(pattern, values)
        return os.path.join(launch["directory"], path)

    def _file(self, pattern: str, task: Task, for_input: bool) -> int:
        path = self._name(pattern, task)
        key = (path, for_input)
        if for_input:
            try:
                with self._step.identity.files():
                    return open_for_input(path)
            except OSError as error:
                raise OSError(error.errno, f"Could not open stdin file {path}: {error.strerror}") from error
        if key not in self._open_files:
            before = os.umask(self._launch["umask"])
            try:
                with self._step.identity.files():
                    self._open_files[key] = open_for_output(path, self._launch["append"])
            except OSError as error:
                raise OSError(error.errno, f"Could not open output file {path}: {error.strerror}") from error
            finally:
                os.umask(before)
        return self._open_files[key]

    def for_task(self, task: Task) -> TaskFiles:
        """The files of one task, ready to be handed to it. Raises OSError."""
        files = TaskFiles()
        if self._launch.get("pty"):
            return self._pseudo_terminal(files, task)
        null = self._null
        stdin = self._stdin(files, task)
        stdout = self._stdout(files, "stdout", task, bool(self._launch.get("unbuffered")))
        spec = self._launch["stderr"]
        if spec[0] == "stdout" or (spec == self._launch["stdout"] and spec[0] == "file"):
            stderr = stdout
        else:
            stderr = self._stdout(files, "stderr", task, False)
        files.descriptors = (stdin, stdout, stderr)
        if self._error_file is None and stderr != null and "stderr" not in files.ours:
            self._error_file = stderr
        return files

    def _stdin(self, files: TaskFiles, task: Task) -> int:
        kind, *rest = self._launch["stdin"]
        if kind == "file":
            descriptor = self._file(rest[0], task, for_input=True)
            files.close_after.append(descriptor)
            return descriptor
        if kind == "relay" and rest[0] in (None, task.number):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            files.ours["stdin"] = writer
            files.close_after.append(reader)
            return reader
        return self._null

    def _stdout(self, files: TaskFiles, name: str, task: Task, terminal: bool) -> int:
        kind, *rest = self._launch[name]
        if kind == "file":
            return self._file(rest[0], task, for_input=False)
        if kind == "relay" and rest[0] in (None, task.number):
            reader, writer = _raw_terminal() if terminal else os.pipe2(os.O_CLOEXEC)
            files.ours[name] = reader
            files.close_after.append(writer)
            return writer
        return self._null

    def _pseudo_terminal(self, files: TaskFiles, task: Task) -> TaskFiles:
        if task.number != 0:
            files.descriptors = (self._null,) * 3
            return files
        import pty

        master, slave = pty.openpty()
        os.set_inheritable(master, False)
        self._terminal = master
        self._resize(*self._launch["pty"])
        files.terminal = slave
        files.descriptors = (slave,) * 3
        files.close_after.append(slave)
        files.ours = {"stdout": master, "stdin": os.dup(master)}
        return files

    def _resize(self, rows: int, columns: int, width: int = 0, height: int = 0) -> None:
        if self._terminal is None:
            return
        import fcntl
        import struct
        import termios

        try:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))
        except OSError:
            pass

    def started(self, task: Task, files: TaskFiles) -> None:
        """The task has its files: its side of them is closed here, ours is watched."""
        for descriptor in files.close_after:
            os.close(descriptor)
        if self._link is None:
            return
        immediate = bool(self._launch.get("pty") or self._launch.get("unbuffered"))
        for name, kind in (("stdout", stepio.STDOUT), ("stderr", stepio.STDERR)):
            if name in files.ours:
                output = Output(self._step.loop, self._link, files.ours[name], kind, task.number, immediate, _nothing)
                self._outputs.append(output)
        if "stdin" in files.ours:
            self._inputs[task.number] = Input(self._step.loop, files.ours["stdin"], self._taken)

    def all_started(self, pids: list[tuple[int, int]]) -> None:
        early, self._early = self._early, None
        for frame in early or ():
            self._frame(*frame)
        if self._link is not None:
            self._link.send(stepio.STARTED, body=b"".join(stepio.STATUS.pack(*pair) for pair in pids))
        for descriptor in self._open_files.values():
            if descriptor != self._error_file:
                os.close(descriptor)
        self._open_files = {}
        if self._error_file is not None:
            self._flush_lines()

    # ---------------------------------------------------------------- from srun

    def _frame(self, kind: int, task: int, body: bytes) -> None:
        step = self._step
        if self._early is not None and kind in (stepio.STDIN, stepio.RESIZE):
            self._early.append((kind, task, body))  # no more than srun has credit for
        elif kind == stepio.STDIN:
            self._input(task, body)
        elif kind == stepio.SIGNAL and len(body) == 4:
            step.signal(stepio.COUNT.unpack(body)[0], only_tasks=False)
        elif kind == stepio.ABORT and len(body) == 4:
            step.abort(stepio.COUNT.unpack(body)[0])
        elif kind == stepio.RESIZE and len(body) == 8:
            self._resize(*stepio.WINDOW_SIZE.unpack(body))

    def _input(self, task: int, body: bytes) -> None:
        takers = (
            list(self._inputs.values()) if task == stepio.ALL else [self._inputs[task]] if task in self._inputs else []
        )
        if not body:
            for taker in takers:
                taker.end()
            return
        piece = Piece(body, len(takers) + 1)
        for taker in takers:
            taker.put(piece)
        self._taken(piece)

    def _taken(self, piece: Piece) -> None:
        piece.waiting -= 1
        if piece.waiting == 0 and self._link is not None:
            self._link.send(stepio.CREDIT, body=stepio.COUNT.pack(len(piece.data)))

    def _lost(self) -> None:
        self._step.lost_srun()

    # ---------------------------------------------------------------- to the user

    def exited(self, tasks: list[tuple[int, int]]) -> None:
        """Reports ends of tasks, after what they wrote before."""
        for number, _ in tasks:
            taker = self._inputs.get(number)
            if taker is not None:
                taker.close()
        if self._link is None:
            return
        for output in self._outputs:
            output.drain()
        self._link.send(stepio.EXITED, body=b"".join(stepio.STATUS.pack(*pair) for pair in tasks))

    def aborting(self, seconds: int) -> None:
        """The step is being ended by somebody else than srun."""
        if self._link is not None:
            self._link.send(stepio.ABORTING, body=stepio.COUNT.pack(seconds))

    def out_of_memory(self) -> None:
        if self._link is not None:
            self._link.send(stepio.OOM)

    def say(self, line: str) -> None:
        """A line into the step's error output."""
        data = f"{line}\n".encode("utf-8", "surrogateescape")
        if self._link is not None:
            self._link.send(stepio.MESSAGE, body=data)
            return
        self._lines.append(data)
        if self._error_file is not None:
            self._flush_lines()

    def _flush_lines(self) -> None:
        assert self._error_file is not None
        lines, self._lines = self._lines, []
        for data in lines:
            try:
                os.write(self._error_file, data)
            except OSError:
                pass

    def failed(self, message: str, tasks: list[tuple[int, int]]) -> None:
        """Tasks that could not be started."""
        if self._link is not None:
            self.say(f"{self._step.prefix}: error: {message}")
            self._link.send(stepio.EXITED, body=b"".join(stepio.STATUS.pack(*pair) for pair in tasks))

    def finished(self) -> bool:
        """Whether everything that the tasks wrote has been read."""
        return not any(output.open for output in self._outputs)

    def close_idle(self) -> None:
        """Closes what has nothing more to say; what srun is slow to take stays."""
        for output in self._outputs:
            if output.open and not (self._link is not None and self._link.congested):
                output.drain()
                if output.open and not (self._link is not None and self._link.congested):
                    output.close()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        left = {*self._open_files.values(), self._null}
        if self._error_file is not None:
            left.add(self._error_file)
        if self._terminal is not None:
            left.discard(self._terminal)  # closed with its output
        self._open_files, self._error_file, self._null = {}, None, -1
        for descriptor in left:
            if descriptor >= 0:
                os.close(descriptor)


def _raw_terminal() -> tuple[int, int]:
    """A pseudo terminal for output alone, which passes on every byte as it is."""
    import pty
    import termios

    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    os.set_inheritable(master, False)
    os.set_inheritable(slave, False)
    return master, slave


def _nothing() -> None:
    return
