"""Names and numbers of signals. The `signal` module would cost every command two milliseconds."""

from __future__ import annotations

#: number: name without SIG, as on Linux
NAMES = {
    number: name
    for number, name in enumerate(
        (
            *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE"),
            *("ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ"),
            *("VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
        ),
        1,
    )
}
NUMBERS = {name: number for number, name in NAMES.items()}
MAX_SIGNAL = 64


def parse(text: str) -> int:
    """The number of ``USR1``, ``SIGUSR1``, ``sigusr1`` or ``10``. Raises ValueError."""
    word = text.strip()
    if word.isdecimal() and word.isascii():
        number = int(word)
        if number > MAX_SIGNAL:
            raise ValueError(f"not a signal: {text}")
        return number
    found = NUMBERS.get(word.upper().removeprefix("SIG"))
    if found is None:
        raise ValueError(f"not a signal: {text}")
    return found


def name_of(number: int) -> str:
    """``USR1``; the number itself where it has no name."""
    return NAMES.get(number) or str(number)
