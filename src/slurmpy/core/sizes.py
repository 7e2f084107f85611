"""Memory and disk sizes, and numbers with a unit, as Slurm reads and prints them."""

from __future__ import annotations

_UNITS = "KMGTPE"
_TO_MIB = {"M": 1, "G": 1024, "T": 1024 * 1024}


def parse_mem(text: str, default_unit: str = "M") -> int:
    """MiB of ``100``, ``1G``, ``2048K``, ``1TB``; begun MiB count whole. Raises ValueError."""
    digits = text.strip().upper().removesuffix("B")
    unit = digits[-1:] if digits[-1:] in ("K", "M", "G", "T") else ""
    digits = digits.removesuffix(unit)
    if not (digits.isdecimal() and digits.isascii()) or (not unit and text.strip()[-1] in "bB"):
        raise ValueError(f"Invalid size: {text}")
    unit = unit or default_unit
    number = int(digits)
    return (number + 1023) // 1024 if unit == "K" else number * _TO_MIB[unit]


def convert_num_unit(number: float, unit: str = "") -> str:
    """The number in the largest unit in which it is a whole or a half: ``1536`` of M is ``1.50G``, 1500 ``1500M``."""
    if not number:
        return "0"
    at = _UNITS.index(unit) + 1 if unit else 0
    while number >= 1024 and int(number) % 512 == 0 and at < len(_UNITS):
        number /= 1024
        at += 1
    letter = ("", *_UNITS)[at]
    return f"{int(number)}{letter}" if number == int(number) else f"{number:.2f}{letter}"


def format_mem(mib: int) -> str:
    """``100M``, ``62.50G``, ``0``."""
    return convert_num_unit(mib, "M")
