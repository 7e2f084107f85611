"""How a command ends: messages on standard error in Slurm's form, and exit codes. Nothing here prints a traceback.

A message is one line ``program: error: text``; `Stop` is raised from anywhere inside a command to end it, and `entry`
turns it, a `SlurmError`, or whatever else comes up, into output and an exit code.
"""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError

TYPE_CHECKING = False  # checkers know the name; importing `typing` for it would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn, TextIO


class Stop(Exception):
    """Ends the command with `code` after writing `out` to standard output and `err` to standard error, as they are."""

    def __init__(self, code: int = 0, out: str = "", err: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.out = out
        self.err = err


def line(program: str, message: str, level: str = "error") -> str:
    """``program: level: message`` and a newline; the prefix stands on every line of a text of several lines."""
    prefix = f"{program}: {level}: " if level else f"{program}: "
    return "".join(prefix + part + "\n" for part in message.split("\n"))


def report(program: str, message: str, level: str = "error") -> None:
    """One message on standard error; an empty `level` is Slurm's info (``program: message``)."""
    write(sys.stderr, line(program, message, level))


def fail(program: str, message: str, code: int = 1, level: str = "error") -> NoReturn:
    """``program: error: message`` on standard error and the end of the command with `code`."""
    raise Stop(code, err=line(program, message, level))


#: what a terminal would act upon: control characters but for tab and line end, and marks that turn text around
_ACTING = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029), "?"
)
#: these send sequences of their own, or what a program says
_OWN_SEQUENCES = frozenset(("srun", "salloc", "sattach", "sreport"))


class Terminal:
    """A text stream to a terminal. Names, comments and reasons are what anybody wrote: nothing of them acts here."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(text.translate(_ACTING).encode("utf-8", "replace").decode())


def _guard_terminals(program: str) -> None:
    if program in _OWN_SEQUENCES:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty():
            setattr(sys, name, Terminal(stream))


def write(stream: object, text: str) -> None:
    """Writes to a text stream bytes that were no UTF-8 as they came in (surrogate escapes), whatever the locale."""
    try:
        stream.write(text)  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]
    except UnicodeEncodeError:
        stream.buffer.write(text.encode("utf-8", "surrogateescape"))  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]


def exit_code(env: Mapping[str, str], default: int = 1) -> int:
    """The code for errors of salloc, sbatch and srun: SLURM_EXIT_ERROR where it is set to a number."""
    value = env.get("SLURM_EXIT_ERROR", "")
    return int(value) & 0xFF if value.isdigit() else default


def entry(program: str, run: Callable[[Sequence[str], Mapping[str, str]], int], *, signals: bool = True) -> NoReturn:
    """Runs ``run(argv without the program, environment)`` as the process's command and exits with its code.

    With `signals` the command dies of SIGINT and SIGPIPE as a C program does; commands that handle signals
    themselves (srun, salloc) pass False.
    """
    if signals:
        import _signal as signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _guard_terminals(program)
    code = guarded(program, run, sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = code or 1
    # Nothing of ours is left to finalise, and a command's milliseconds count.
    os._exit(code)


def guarded(
    program: str,
    run: Callable[[Sequence[str], Mapping[str, str]], int],
    argv: Sequence[str],
    env: Mapping[str, str],
) -> int:
    """`run`'s exit code; what it raises becomes a message and a code. For calls within a living process."""
    try:
        return run(argv, env) or 0
    except Stop as stop:
        if stop.out:
            write(sys.stdout, stop.out)
        if stop.err:
            sys.stdout.flush()
            write(sys.stderr, stop.err)
        return stop.code
    except SlurmError as error:
        for detail in getattr(error, "details", ()):
            report(program, detail)
        report(program, error.message, "fatal" if getattr(error, "fatal", False) else "error")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has gone: nothing to say, and nothing more may be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except RecursionError:
        report(program, "the input is nested too deeply", "fatal")
        return 1
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        name = getattr(error, "filename", None)
        report(program, f"{name}: {reason}" if name else reason, "fatal")
        return 1
    except Exception as error:
        if env.get("SLURMPY_TRACEBACK"):
            raise
        report(
            program,
            f"internal error: {type(error).__name__}: {error} (SLURMPY_TRACEBACK=1 shows where)",
            "fatal",
        )
        return 1
