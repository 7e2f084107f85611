"""Exit codes travel as wait statuses, ``code << 8 | signal``, and are shown as ``code:signal``."""

from __future__ import annotations


def make(code: int, signal: int = 0) -> int:
    """The wait status of an exit code and a signal."""
    return (code & 0xFF) << 8 | (signal & 0x7F)


def code_of(status: int) -> int:
    return status >> 8 & 0xFF


def signal_of(status: int) -> int:
    return status & 0x7F


def format(status: int) -> str:
    """``0:15``"""
    return f"{status >> 8 & 0xFF}:{status & 0x7F}"


def parse(text: str) -> int:
    """The wait status of ``3:0`` or ``3``. Raises ValueError."""
    code, _, signal = text.partition(":")
    return make(int(code), int(signal or 0))


def shell_code(status: int) -> int:
    """What a shell, and srun, would exit with: the code, or 128 and the signal."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
