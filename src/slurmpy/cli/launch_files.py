"""srun's -i, -o and -e: what a slurmstepd opens, what srun opens itself, and what passes between them."""

from __future__ import annotations

import os

from slurmpy.core.errors import SlurmError

from .launch_output import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .launch import LaunchOptions

#: what slurmstepd is told: ("relay", None | task), ("none",), ("file", pattern), ("stdout",)
Place = tuple


class Files:
    """The files of one step on srun's side.

    `stdin`, `stdout`, `stderr` are what the slurmstepds are told (`slurmpy.node.launches`). `source` is the descriptor
    that srun reads for the tasks (None: nothing), `source_task` the only task that gets it (None: all of them).
    `out` and `err` are where srun writes what comes (None: nothing comes); `messages` is srun's own standard error.
    Raises SlurmError if a file cannot be opened.
    """

    def __init__(
        self,
        options: LaunchOptions,
        reply: Mapping[str, Any],
        tasks: int,
        terminal: bool,
        append: bool,
        on_broken: Callable[[], None],
    ) -> None:
        self._options, self._reply, self._count, self._append = options, reply, tasks, append
        self._opened: list[int] = []
        self.messages = Sink(2, _nothing)
        self.source: int | None = None
        self.source_task: int | None = None
        self.out: Sink | None = None
        self.err: Sink | None = None
        self.stdin = self._input(options.input, terminal)
        self.stdout: Place = ("relay", None)
        self.stderr: Place = ("relay", None)
        if terminal:
            self.out, self.err = Sink(1, on_broken), self.messages
            return
        name = ""
        self.stdout, self.out, name = self._output(options.output, "stdout", Sink(1, on_broken))
        if options.error is None and name:
            self.err = self.out  # the file that srun writes is for both
        elif options.error is None and self.stdout[0] == "file":
            self.stderr = ("stdout",)
        else:
            self.stderr, self.err, other = self._output(options.error, "stderr", self.messages, name)
            if other and other == name:
                self.err = self.out

    @property
    def sinks(self) -> list[Sink]:
        """Every sink, once."""
        found = {id(sink): sink for sink in (self.out, self.err, self.messages) if sink is not None}
        return list(found.values())

    def _place(self, pattern: str) -> tuple[bool, str]:
        """(whether slurmstepd expands and opens it, path)."""
        from slurmpy.node import filenames

        path = os.path.join(self._options.cwd, pattern)
        if filenames.letters(pattern) & (filenames.PER_NODE | filenames.PER_TASK):
            return True, path
        job = self._reply.get("job") or {}
        values = filenames.values_of(
            job_id=self._reply["job_id"],
            step_id=str(self._reply["step_id"]),
            array_job_id=job.get("array_job_id") or 0,
            array_task_id=job.get("array_task_id"),
            user_name=job.get("user_name", ""),
            job_name=self._options.job_name or job.get("name", ""),
        )
        return False, os.path.join(self._options.cwd, filenames.expand(pattern, values))

    def _task(self, text: str) -> int | None:
        return int(text) if text.isdecimal() and int(text) < self._count else None

    def _input(self, text: str | None, terminal: bool) -> Place:
        if terminal:
            self.source, self.source_task = 0, 0
            return ("relay", 0)
        if text is None or text == "all":
            self.source = 0
            return ("relay", None)
        if text == "none":
            return ("none",)
        task = self._task(text)
        if task is not None:
            self.source, self.source_task = 0, task
            return ("relay", task)
        remote, path = self._place(text)
        if remote:
            return ("file", path)
        try:
            self.source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SlurmError("SLURM_ERROR", f"Could not open stdin file: {error.strerror}") from error
        self._opened.append(self.source)
        return ("relay", None)

    def _output(self, text: str | None, what: str, own: Sink, open_already: str = "") -> tuple[Place, Sink | None, str]:
        """(what slurmstepd is told, srun's sink, the path of the file that srun writes or "")."""
        if text is None or text == "all":
            return ("relay", None), own, ""
        if text == "none":
            return ("none",), None, ""
        task = self._task(text)
        if task is not None:
            return ("relay", task), own, ""
        remote, path = self._place(text)
        if remote:
            return ("file", path), None, ""
        if path == open_already:
            return ("relay", None), None, path
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if self._append else os.O_TRUNC)
        try:
            descriptor = open_making_directory(path, flags)
        except OSError as error:
            raise SlurmError("SLURM_ERROR", f"Could not open {what} file: {error.strerror}") from error
        self._opened.append(descriptor)
        return ("relay", None), Sink(descriptor, _nothing), path

    def finish(self) -> None:
        """Writes what is left and closes what was opened here."""
        for sink in self.sinks:
            sink.finish()
        self.close()

    def close(self) -> None:
        opened, self._opened = self._opened, []
        for descriptor in opened:
            os.close(descriptor)


def open_making_directory(path: str, flags: int) -> int:
    """Opens a file for writing; its directory is made if it is not there, as Slurm does. Raises OSError."""
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError:
            pass
        return os.open(path, flags, 0o666)


def _nothing() -> None:
    return
