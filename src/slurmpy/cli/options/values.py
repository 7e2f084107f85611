"""Reads the values of job options, and writes them back as the -v listing shows them.

A reader takes the option's text (None where an optional argument was left out) and the `Reading` it happens in, and
returns the value: numbers as int, memory in MiB, limits in minutes, times as seconds since 1970. It raises `Bad` with
Slurm's text and exit code, or ValueError, which means «Invalid --NAME specification» and 255.
"""

from __future__ import annotations

from ...core.records.base import INFINITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[["str | None", "Reading"], Any]

#: the largest number that can be said: Slurm's NO_VAL and INFINITE lie above
MAX_NUMBER = 0x7FFFFFFF
NO_VAL = 0xFFFFFFFE
#: offsets that Slurm gives a nice value on the wire, and so its range
NICE_RANGE = 0x7FFFFFFD


class Bad(Exception):
    """An option's value that is refused: `message` for ``program: error:`` lines, the exit code; `raw` goes before, as
    it is."""

    def __init__(self, message: str, code: int = 255, raw: str = "", level: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.raw = raw
        self.level = level


class Reading:
    """What readers may need to know: option (long name without dashes), program, clock, directory, user; notes for
    stderr."""

    def __init__(self, program: str, now: float, cwd: str, uid: int) -> None:
        self.program = program
        self.now = now
        self.cwd = cwd
        self.uid = uid
        self.option = ""
        self.notes: list[tuple[str, str]] = []  # (level, message)


# ---- words and numbers


def text(value: str | None, _: Reading) -> str:
    return value or ""


def flag(_value: str | None, _: Reading) -> bool:
    return True


def number(least: int = 0) -> Reader:
    """A decimal number of at least `least`; the message names the long option."""

    def read(value: str | None, at: Reading) -> int:
        return decimal(value or "", f"--{at.option}", least)

    return read


def decimal(value: str, what: str, least: int = 0) -> int:
    digits = value[1:] if value[:1] == "+" else value
    if not (digits.isascii() and digits.isdigit()) or not least <= int(digits) <= MAX_NUMBER:
        raise Bad(f'Invalid numeric value "{value}" for {what}.', 1)
    return int(digits)


def leading_number(value: str) -> int:
    """What C's strtol makes of a text: its leading digits, or 0."""
    stripped = value.strip()
    sign = stripped[:1] if stripped[:1] in "+-" else ""
    digits = ""
    for letter in stripped[len(sign) :]:
        if letter not in "0123456789":
            break
        digits += letter
    return int(sign + digits) if digits else 0


def choice(words: dict[str, Any], any_case: bool = True) -> Reader:
    """One of a few words, or what each stands for."""

    def read(value: str | None, _: Reading) -> Any:
        key = (value or "").lower() if any_case else value or ""
        if key not in words:
            raise ValueError(value)
        return words[key]

    return read


def yes_no(value: str | None, _: Reading) -> bool:
    return {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}[(value or "yes").lower()]


def priority(value: str | None, _: Reading) -> int:
    word = value or ""
    if word.lower() == "top":
        return NO_VAL - 1
    found = leading_number(word)
    if found < 0:
        raise Bad("Priority must be >= 0")
    if found >= NO_VAL:
        raise Bad(f"Priority must be < {NO_VAL}")
    return found


def show_priority(value: int) -> str:
    return str(value if value <= MAX_NUMBER else value - 2**32)


def nice(value: str | None, _: Reading) -> int:
    if value is None:
        return 100
    found = leading_number(value)
    if abs(found) > NICE_RANGE:
        raise Bad(f"Invalid --nice value, out of range (+/- {NICE_RANGE})")
    return found


# ---- sizes


def memory(value: str | None, _: Reading) -> int:
    """MiB out of ``512``, ``512K``, ``2G``, ``2gb``, ``1T``."""
    word = (value or "").strip()
    digits = word.rstrip("kKmMgGtTbB")
    unit = word[len(digits) :].lower()
    if not (digits.isascii() and digits.isdigit()) or unit not in UNITS:
        raise ValueError(value)
    amount = int(digits)
    return (amount + 1023) // 1024 if unit[:1] == "k" else amount * UNITS[unit]


UNITS = {"": 1, "k": 0, "kb": 0, "m": 1, "mb": 1, "g": 1024, "gb": 1024, "t": 1024**2, "tb": 1024**2}


def show_memory(mib: int) -> str:
    if not mib:
        return "0?"
    for factor, letter in ((1024**2, "T"), (1024, "G")):
        if mib % factor == 0:
            return f"{mib // factor}{letter}"
    return str(mib)


def nodes(value: str | None, at: Reading) -> tuple[int, int, str]:
    """(least, most, the list as written or "") out of ``4``, ``2-8``, ``2k``, ``1,4,9``, ``2-10:2``."""
    word = value or ""
    if "," in word or ":" in word:
        counts = node_counts(word)
        if not counts:
            raise Bad(f'"{word}" is not a valid node count')
        return counts[0], counts[-1], word
    low, dash, high = word.partition("-")
    least = scaled(low, word)
    most = scaled(high, word) if dash else least
    if most < least:
        raise Bad(f"Maximum node count {most} is less than minimum node count {least}")
    return least, most, ""


#: counts that one value may list: no cluster has as many nodes, and a span of millions would take the memory of all
MOST_COUNTS = 100_000


def node_counts(word: str) -> list[int]:
    """The sorted counts that ``1,3,5-9:2`` admits; empty if it is malformed, or lists more than `MOST_COUNTS`."""
    found: set[int] = set()
    try:
        for part in word.split(","):
            span, _, step = part.partition(":")
            low, dash, high = span.partition("-")
            if not dash:
                found.add(scaled(low, word))
            else:
                # the upper end of a span with a step does not count itself, as in Slurm
                end = scaled(high, word) + (0 if step else 1)
                span_counts = range(scaled(low, word), end, int(step or 1))
                if len(span_counts) + len(found) > MOST_COUNTS:
                    return []
                found.update(span_counts)
    except (Bad, ValueError, OverflowError):
        return []
    return sorted(found)


def scaled(digits: str, whole: str) -> int:
    factor = {"k": 1024, "m": 1024**2}.get(digits[-1:].lower(), 1)
    plain = digits[:-1] if factor > 1 else digits
    if not (plain.isascii() and plain.isdigit()):
        raise Bad(f'"{whole}" is not a valid node count')
    return int(plain) * factor


def show_nodes(value: tuple[int, int, str]) -> str:
    least, most, _ = value
    return str(least) if least == most else f"{least}-{most}"


def socket_core_thread(value: str | None, at: Reading) -> tuple[int | None, int | None, int | None]:
    """``-B sockets[:cores[:threads]]``; None for ``*`` and what is left out. Of a range the least counts."""
    found: list[int | None] = []
    for part, what in zip((value or "").split(":"), ("first", "second", "third"), strict=False):
        least = part.partition("-")[0]
        found.append(None if least in ("*", "") else decimal_arg(least, what))
    found += [None] * (3 - len(found))
    return found[0], found[1], found[2]


def decimal_arg(word: str, what: str) -> int:
    if not word.isdigit():
        raise Bad(f'Invalid numeric value "{word}" for {what} arg of -B.', 1)
    return int(word)


def show_sct(value: tuple[int | None, int | None, int | None]) -> str:
    return ":".join("" if part is None else str(part) for part in value).rstrip(":")


# ---- times


def minutes(value: str | None, _: Reading) -> int:
    """A time limit in minutes; INFINITE for "UNLIMITED", -1 and 0. Other negative numbers wrap as Slurm's do."""
    word = (value or "").strip()
    if word[:1] == "-" and word[1:].isdigit():
        # read as negative days, rounded up to minutes
        return INFINITE if word == "-1" else -(int(word[1:]) * 1440 - 1) & 0xFFFFFFFF
    from ...core.times import parse_time_limit

    return parse_time_limit(word) or INFINITE


def minutes_or_zero(value: str | None, at: Reading) -> int:
    found = minutes(value, at)
    return 0 if found == INFINITE and (value or "").strip().strip("0:-") == "" else found


def show_minutes(value: int | None) -> str:
    if value is None:
        return "INVALID"
    if value == INFINITE:
        return "UNLIMITED"
    days, rest = divmod(value, 1440)
    clock = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{clock}" if days else clock


def moment(value: str | None, at: Reading) -> int:
    """Seconds since 1970 of a point in time."""
    from ...core.times import parse_time

    try:
        return parse_time(value or "", int(at.now))
    except ValueError as error:
        raise Bad(f"Invalid --{at.option} specification", 255, f"{error}\n") from None


def show_moment(value: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(value))


# ---- files and hosts


def path(value: str | None, at: Reading) -> str:
    """A file name made absolute against the directory of the submission; "none" is /dev/null."""
    word = value or ""
    if word == "none":
        return "/dev/null"
    return word if word.startswith("/") else f"{at.cwd}/{word}"


def host_list(value: str | None, at: Reading) -> str:
    """A node list, or the names in a file if the text has a slash."""
    word = value or ""
    return hosts_of_file(word, at) if "/" in word else word


def hosts_of_file(name: str, at: Reading) -> str:
    from ...core.hostlist import compress_keep_order

    if not name:
        raise Bad(f"Invalid --{at.option} node file")
    try:
        with open(name, encoding="utf-8", errors="surrogateescape") as stream:
            lines = [line.partition("#")[0].strip() for line in stream]
    except OSError as error:
        message = f"slurm_allocate_resources error opening file {name}, {error.strerror}"
        if at.option == "nodefile":
            message += "\nInvalid --nodefile node file"
        raise Bad(message, 1 if at.option != "nodefile" else 255) from None
    names = [word for line in lines for word in line.replace(",", " ").split()]
    return compress_keep_order(names) if names else ""


def file_content(value: str | None, at: Reading) -> str:
    """The text of a burst buffer file."""
    try:
        with open(value or "", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        raise ValueError(value) from None


# ---- users


def user(value: str | None, at: Reading) -> int:
    if at.uid != 0:
        raise Bad("--uid only permitted by root user")
    return account_number(value or "", "pwd")


def group(value: str | None, at: Reading) -> int:
    if at.uid != 0:
        raise Bad("--gid only permitted by root user")
    return account_number(value or "", "grp")


def account_number(word: str, database: str) -> int:
    """The number of a user ("pwd") or group ("grp") given by name or number; ValueError if there is none."""
    import grp
    import pwd

    try:
        if database == "pwd":
            return (pwd.getpwuid(int(word)) if word.isdigit() else pwd.getpwnam(word)).pw_uid
        return (grp.getgrgid(int(word)) if word.isdigit() else grp.getgrnam(word)).gr_gid
    except (KeyError, OverflowError):
        raise ValueError(word) from None


# ---- signals


def warning_signal(value: str | None, at: Reading) -> tuple[str, int, tuple[str, ...]]:
    """(signal name, seconds before the end, flags) out of ``[R][B]:NAME[@SECONDS]``."""
    from ...core import signals

    word = value or ""
    letters, colon, rest = word.partition(":")
    flags: tuple[str, ...] = ()
    if colon:
        if not letters or letters.strip("RBrb"):
            raise ValueError(word)
        names = {"B": "BATCH_JOB", "R": "RESERVATION_JOB"}
        flags = tuple(names[letter] for letter in "BR" if letter in letters.upper())
    else:
        rest = word
    name, at_sign, seconds = rest.partition("@")
    signal = leading_signal(name, signals)
    if at_sign and (seconds.strip("0123456789") or int(seconds or 0) > 65535):
        raise ValueError(word)
    return signal, int(seconds or 0) if at_sign else 60, flags


def leading_signal(name: str, signals: Any) -> str:
    if name.isdigit() and int(name) > 0:
        return signals.name_of(int(name)) if int(name) < 32 else name
    return str(signals.name_of(signals.parse(name)))


def show_warning_signal(value: tuple[str, int, tuple[str, ...]]) -> str:
    name, seconds, flags = value
    letters = "".join(letter for letter, word in (("R", "RESERVATION_JOB"), ("B", "BATCH_JOB")) if word in flags)
    delay = f"@{seconds}" if seconds != 60 else ""
    return f"{letters}:{name}{delay}" if letters else f"{name}{delay}"


def kill_signal(value: str | None, at: Reading) -> str:
    """A signal's name without SIG (salloc --kill-command); a word that is no signal stands for the command."""
    from ...core import signals

    if value is None:
        return "TERM"
    return leading_signal(value, signals)
