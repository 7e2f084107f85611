"""Node states in sinfo's words: short, long and complete, with the signs that follow them."""

from __future__ import annotations

from ..core.states import NodeState as S

#: base state: (long, short)
_BASE = {
    S.UNKNOWN: ("unknown", "unk"),
    S.DOWN: ("down", "down"),
    S.IDLE: ("idle", "idle"),
    S.ALLOCATED: ("allocated", "alloc"),
    S.ERROR: ("error", "err"),
    S.MIXED: ("mixed", "mix"),
    S.FUTURE: ("future", "futr"),
}

#: flags whose sign follows the state, the one that wins first
_SIGNS = (
    (S.MAINTENANCE, "$"),
    (S.REBOOT_REQUESTED, "@"),
    (S.REBOOT_ISSUED, "^"),
    (S.POWERING_UP, "#"),
    (S.POWERING_DOWN, "%"),
    (S.POWERED_DOWN, "~"),
    (S.POWER_DOWN, "!"),
    (S.NOT_RESPONDING, "*"),
    (S.PLANNED, "-"),
)

#: flags in the order of the complete state, with their names there
FLAG_NAMES = (
    (S.CLOUD, "CLOUD"),
    (S.COMPLETING, "COMPLETING"),
    (S.DRAIN, "DRAIN"),
    (S.DYNAMIC_FUTURE, "DYNAMIC_FUTURE"),
    (S.DYNAMIC_NORM, "DYNAMIC_NORM"),
    (S.INVALID_REG, "INVALID_REG"),
    (S.FAIL, "FAIL"),
    (S.MAINTENANCE, "MAINTENANCE"),
    (S.POWER_DOWN, "POWER_DOWN"),
    (S.POWER_UP, "POWER_UP"),
    (S.NET, "PERFCTRS"),
    (S.POWERED_DOWN, "POWERED_DOWN"),
    (S.REBOOT_REQUESTED, "REBOOT_REQUESTED"),
    (S.REBOOT_ISSUED, "REBOOT_ISSUED"),
    (S.RESERVED, "RESERVED"),
    (S.RESUME, "RESUME"),
    (S.NOT_RESPONDING, "NOT_RESPONDING"),
    (S.POWERING_DOWN, "POWERING_DOWN"),
    (S.POWERING_UP, "POWERING_UP"),
    (S.PLANNED, "PLANNED"),
    (S.BLOCKED, "BLOCKED"),
)


def long(state: int) -> str:
    return _text(state, 0)


def short(state: int) -> str:
    return _text(state, 1)


def complete(state: int) -> str:
    """The base state and all flags: ``idle+drain+not_responding``."""
    names = [_BASE.get(state & S.BASE, ("?", "?"))[0]]
    names += [name.lower() for flag, name in FLAG_NAMES if state & flag]
    return "+".join(names)


def _text(state: int, form: int) -> str:
    word, silent = _word(state, form)
    for flag, sign in _SIGNS:
        if state & flag and flag not in silent:
            return word + sign
    return word


def _word(state: int, form: int) -> tuple[str, tuple[int, ...]]:
    """The word for a state, and the flags that it tells already."""
    base = state & S.BASE
    busy = base in (S.ALLOCATED, S.MIXED) or bool(state & S.COMPLETING)
    if state & S.MAINTENANCE and base == S.IDLE and not state & (S.DRAIN | S.COMPLETING):
        return "maint", (S.MAINTENANCE, S.PLANNED)
    if state & S.REBOOT_ISSUED and base == S.IDLE and not state & S.DRAIN:
        return ("reboot", "boot")[form], (S.PLANNED,)
    if state & S.DRAIN:
        if base == S.FUTURE:
            return _BASE[base][form], ()
        words = ("draining", "drng") if busy else ("drained", "drain")
        return words[form], (S.PLANNED,)
    if state & S.INVALID_REG:
        return "inval", (S.PLANNED,)
    if state & S.FAIL:
        failing = base == S.ALLOCATED or bool(state & S.COMPLETING)
        return (("failing", "failg") if failing else ("fail", "fail"))[form], (S.PLANNED,)
    if base == S.IDLE:
        if state & S.COMPLETING:
            return ("completing", "comp")[form], ()
        if state & S.BLOCKED:
            return ("blocked", "block")[form], ()
        if state & S.RESERVED:
            return ("reserved", "resv")[form], (S.PLANNED,)
        if state & S.PLANNED:
            return ("planned", "plnd")[form], (S.PLANNED,)
    word = _BASE.get(base, ("?", "?"))[form]
    if base == S.ALLOCATED and state & S.COMPLETING:
        word += "+"
    return word, ()


def is_allocated(state: int) -> bool:
    return state & S.BASE in (S.ALLOCATED, S.MIXED) or bool(state & S.COMPLETING)


def is_unavailable(state: int) -> bool:
    """Whether idle CPUs of such a node count as «other»."""
    return bool(state & S.DRAIN) or state & S.BASE not in (S.IDLE, S.ALLOCATED, S.MIXED)


# ---- states that -t takes

#: names that --helpstate lists, in its order
HELP = (
    "unknown", "down", "idle", "allocated", "?", "mixed", "future", "drain", "drained", "draining", "no_respond",
    "reserved", "planned", "blocked", "cloud", "completing", "powering_down", "powered_down", "power_down",
    "powering_up", "fail", "maint", "reboot", "reboot^",
)  # fmt: skip

_WANTED: dict[str, tuple[int, int]] = {
    # name: (base state or -1, flags)
    "UNKNOWN": (S.UNKNOWN, 0),
    "UNK": (S.UNKNOWN, 0),
    "DOWN": (S.DOWN, 0),
    "IDLE": (S.IDLE, 0),
    "ALLOCATED": (S.ALLOCATED, 0),
    "ALLOC": (S.ALLOCATED, 0),
    "?": (S.ERROR, 0),
    "ERROR": (S.ERROR, 0),
    "ERR": (S.ERROR, 0),
    "MIXED": (S.MIXED, 0),
    "MIX": (S.MIXED, 0),
    "FUTURE": (S.FUTURE, 0),
    "FUTR": (S.FUTURE, 0),
    "DRAIN": (-1, S.DRAIN),
    "NO_RESPOND": (-1, S.NOT_RESPONDING),
    "RESERVED": (-1, S.RESERVED),
    "RESV": (-1, S.RESERVED),
    "PLANNED": (-1, S.PLANNED),
    "PLND": (-1, S.PLANNED),
    "BLOCKED": (-1, S.BLOCKED),
    "CLOUD": (-1, S.CLOUD),
    "COMPLETING": (-1, S.COMPLETING),
    "COMP": (-1, S.COMPLETING),
    "POWERING_DOWN": (-1, S.POWERING_DOWN),
    "POWERED_DOWN": (-1, S.POWERED_DOWN),
    "POWER_DOWN": (-1, S.POWER_DOWN),
    "POWERING_UP": (-1, S.POWERING_UP),
    "POW_UP": (-1, S.POWERING_UP),
    "POW_DN": (-1, S.POWERING_DOWN),
    "FAIL": (-1, S.FAIL),
    "FAILG": (-1, S.FAIL),
    "FAILING": (-1, S.FAIL),
    "MAINT": (-1, S.MAINTENANCE),
    "REBOOT": (-1, S.REBOOT_REQUESTED),
    "REBOOT^": (-1, S.REBOOT_ISSUED),
    "BOOT": (-1, S.REBOOT_REQUESTED),
    "NPC": (-1, S.NET),
    "PERFCTRS": (-1, S.NET),
    "INVAL": (-1, S.INVALID_REG),
}


def known(name: str) -> bool:
    return name.upper() in _WANTED or name.upper() in ("DRAINED", "DRAINING", "DRNG", "ALL")


def matches(state: int, name: str) -> bool:
    """Whether a node in `state` is what -t calls `name` (a `known` one)."""
    word = name.upper()
    if word == "ALL":
        return True
    if word == "DRAINED":
        return bool(state & S.DRAIN) and not is_allocated(state)
    if word in ("DRAINING", "DRNG"):
        return bool(state & S.DRAIN) and is_allocated(state)
    base, flags = _WANTED[word]
    return state & S.BASE == base if base >= 0 else bool(state & flags)
