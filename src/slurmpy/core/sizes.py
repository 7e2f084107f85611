"""Memory and disk sizes, and numbers with a unit, as Slurm reads and prints them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+)([kmgt]?)b?$", re.A | re.I)
_UNITS = "KMGTPE"
_TO_MIB = {"M": 1, "G": 1024, "T": 1024 * 1024}


def parse_mem(text: str, default_unit: str = "M") -> int:
    """MiB of ``100``, ``1G``, ``2048K``, ``1TB``; begun MiB count whole. Raises ValueError."""
    match = _SIZE.match(text.strip())
    if match is None or (not match[2] and text.strip()[-1:] in "bB"):
        raise ValueError(f"Invalid size: {text}")
    unit = (match[2] or default_unit).upper()
    number = int(match[1])
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
