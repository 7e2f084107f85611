"""The properties of a job that a client sends, each read as sbatch reads the option of that meaning: what 22.05 takes,
and its words for what it does not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from slurmpy.core import signals, sizes, times
from slurmpy.core.records.base import HUGE, INFINITE
from slurmpy.core.records.description import JobDescriptor

from ..errors import ERRORS, Context
from ..types import UNSET, Reference, Type

UNREADABLE = ERRORS["ESLURM_DATA_CONV_FAILED"][0]
FAILED = -1
_TIME = 2054
NO_ENVIRONMENT = 2127


class Bad(Exception):
    """What is wrong with a property: message ("" for none) and number."""

    def __init__(self, message: str = "", number: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.number = number


def text(value: Any, unreadable: str = "") -> str:
    """A value as an option's argument: numbers and switches are written out, null is empty."""
    if isinstance(value, (dict, list)):
        raise Bad(unreadable, UNREADABLE)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def whole(unreadable: str) -> Callable[[Any], int]:
    def take(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -HUGE <= value <= HUGE:
            raise Bad(unreadable, UNREADABLE)
        return int(value)

    return take


number = whole("Unable to read integer value")


class Option(Type):
    """``take(value)`` gives what the description holds, None for nothing, or raises Bad or ValueError (then with
    ``message``). ``show(value)`` is the way back."""

    def __init__(
        self,
        take: Callable[[Any], Any],
        schema: dict[str, Any] | str = "string",
        message: str = "",
        show: Callable[[Any], Any] | None = None,
    ) -> None:
        self.take = take
        self.described = {"type": schema} if isinstance(schema, str) else schema
        self.message = message
        self.show = show

    def schema(self, reference: Reference) -> dict[str, Any]:
        return dict(self.described)

    def dump(self, value: Any) -> Any:
        return value if self.show is None else self.show(value)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        try:
            value = self.take(document)
        except ValueError:
            raise Bad(self.message) from None
        return UNSET if value is None else value


def string(value: Any) -> str | None:
    return text(value) or None


def word(message: str, take: Callable[[str], Any], schema: dict[str, Any] | str = "string", **more: Any) -> Option:
    """An option whose text is a small language of its own."""
    return Option(lambda value: take(text(value, "Unable to read string")), schema, message, **more)


def count(least: int, message: str) -> Callable[[Any], int]:
    def take(value: Any) -> int:
        found = number(value)
        if found < least:
            raise Bad(message)
        return found

    return take


def not_negative(value: Any) -> int | None:
    found = number(value)
    return found if found >= 0 else None


def begin(value: Any) -> int:
    try:
        word = text(value, "Unable to read string")
        if word.isdecimal():  # a number is no time of day, whatever the document says of it
            raise ValueError(word)
        return times.parse_time(word, int(time.time()))
    except ValueError:
        raise Bad("Unable to parse time", _TIME) from None


def deadline(word: str) -> int:
    if word.isdecimal():
        raise ValueError(word)
    return times.parse_time(word, int(time.time()))


def bounded(number: int) -> int:
    """Raises ValueError for one that no record holds."""
    if abs(number) > HUGE:
        raise ValueError(number)
    return number


def memory(name: str) -> Callable[[Any], int]:
    def take(value: Any) -> int:
        word = text(value, f"Invalid {name} specification string" if name != "memory" else "Unable to read string")
        try:
            return bounded(sizes.parse_mem(word))
        except ValueError:
            raise Bad(f"Invalid {name} specification") from None

    return take


def minutes(word: str) -> int | None:
    return None if re.fullmatch(r"-\d+", word) else times.parse_time_limit(word)  # a negative one says nothing


def priority(word: str) -> int:
    if word.upper() == "TOP":
        return INFINITE - 1
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", word):
        raise ValueError(word)
    bounded(int(word))
    if int(word) <= 0:
        raise Bad("Priority must be >0")
    return int(word)


_EXCLUSIVE = {"exclusive": "none", "true": "none", "user": "user", "mcs": "mcs", "false": "oversubscribe"}
NOT_EXCLUSIVE = {"none": "true", "user": "user", "mcs": "mcs", "oversubscribe": "false"}


def exclusive(word: str) -> str:
    if word.lower() not in _EXCLUSIVE:
        raise ValueError(word)
    return _EXCLUSIVE[word.lower()]


#: mail type as it is written -> the names that a description has
_MAIL = {
    "NONE": (), "BEGIN": ("BEGIN",), "END": ("END",), "FAIL": ("FAIL",), "REQUEUE": ("REQUEUE",),
    "ALL": ("INVALID_DEPENDENCY", "BEGIN", "END", "FAIL", "REQUEUE", "STAGE_OUT"), "STAGE_OUT": ("STAGE_OUT",),
    "TIME_LIMIT": ("TIME=100%",), "TIME_LIMIT_90": ("TIME=90%",), "TIME_LIMIT_80": ("TIME=80%",),
    "TIME_LIMIT_50": ("TIME=50%",), "ARRAY_TASKS": ("ARRAY_TASKS",), "INVALID_DEPEND": ("INVALID_DEPENDENCY",),
}  # fmt: skip
MAIL_WORDS = {names[0]: word for word, names in _MAIL.items() if len(names) == 1}


def mail(word: str) -> tuple[str, ...]:
    found: list[str] = []
    for part in word.split(","):
        if part.strip().upper() not in _MAIL:
            raise ValueError(word)
        found += _MAIL[part.strip().upper()]
    return tuple(dict.fromkeys(found))


_SIGNAL = re.compile(r"((?:[RB]{1,2}:)?)([A-Za-z0-9]+)(?:@(\d+))?")


def signal(word: str) -> tuple[str, int, tuple[str, ...]]:
    """(name, seconds before the end, flags) of "B:USR1@60"."""
    match = _SIGNAL.fullmatch(word)
    if match is None or not match[2] or match[2] == "0":
        raise ValueError(word)
    found = signals.name_of(signals.parse(match[2]))
    seconds = int(match[3]) if match[3] else 60
    return found, seconds, ("BATCH_JOB",) if "B" in match[1] else ()


def put_signal(values: dict[str, Any], value: tuple[str, int, tuple[str, ...]]) -> None:
    values["kill_warning_signal"], values["kill_warning_delay"] = value[:2]
    if value[2]:
        values["kill_warning_flags"] = value[2]


def get_signal(job: JobDescriptor) -> str | None:
    if job.kill_warning_signal is None:
        return None
    batch = "B:" if "BATCH_JOB" in (job.kill_warning_flags or ()) else ""
    return f"{batch}{job.kill_warning_signal}@{job.kill_warning_delay or 0}"


_LEVELS = (("block", "cyclic", "arbitrary"), ("block", "cyclic", "fcyclic"), ("block", "cyclic", "fcyclic"))


def distribution(word: str) -> str:
    lowered = word.lower()
    if re.fullmatch(r"plane=[1-9]\d*", lowered):
        return lowered
    body, comma, pack = lowered.partition(",")
    parts = body.split(":")
    if (comma and pack not in ("pack", "nopack")) or len(parts) > 3:
        raise ValueError(word)
    if any(part not in known and part != "*" for part, known in zip(parts, _LEVELS, strict=False)):
        raise ValueError(word)
    return ":".join("block" if part == "*" and not at else part.replace("*", "cyclic") for at, part in enumerate(parts))


def put_distribution(values: dict[str, Any], value: str) -> None:
    kind, _, size = value.partition("=")
    values["distribution"] = kind
    if size:
        values["distribution_plane_size"] = int(size)


def get_distribution(job: JobDescriptor) -> str | None:
    return f"plane={job.distribution_plane_size}" if job.distribution == "plane" else job.distribution


def nodes(value: Any) -> tuple[int, int]:
    """The least and the most: [1, 4] or "1-4"; 22.05 wants both, though its document lets one do."""
    if isinstance(value, list):
        if len(value) != 2:
            raise Bad("Invalid node count list size")
        if any(type(one) is not int for one in value):
            raise Bad("Invalid node count string")
        return value[0], value[1]
    least, dash, most = text(value, "Unable to read string").partition("-")
    if not least.isdecimal() or (dash and not most.isdecimal()):
        raise Bad("Invalid node count string")
    return int(least), int(most if dash else least)


def put_nodes(values: dict[str, Any], value: tuple[int, int]) -> None:
    values["minimum_nodes"], values["maximum_nodes"] = value


def get_nodes(job: JobDescriptor) -> list[int] | None:
    if job.minimum_nodes is None:
        return None
    return [job.minimum_nodes, job.minimum_nodes if job.maximum_nodes is None else job.maximum_nodes]


def environment(value: Any) -> tuple[str, ...]:
    if not isinstance(value, dict):
        raise Bad("environment must be a dictionary")
    if not value:
        raise Bad("environment must be set", NO_ENVIRONMENT)
    return tuple(f"{name}={text(one)}" for name, one in value.items())


def show_environment(value: tuple[str, ...]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in value)


def argv(value: Any) -> tuple[str, ...]:
    """22.05 ends itself when this is no list."""
    if not isinstance(value, list):
        raise Bad("Unable to read string", UNREADABLE)
    return tuple(text(one, "Unable to read string") for one in value)


def open_mode(word: str) -> str:
    if word[:1].lower() not in ("a", "t"):
        raise ValueError(word)
    return word[0].lower()


def switch(value: Any) -> bool:
    """Whatever it is: a word that means no, zero and nothing are false."""
    return text(value, "Unable to read boolean").lower() not in ("", "0", "false", "no", "off", "n", "f")


def plain_switch(value: Any) -> bool:
    return False if isinstance(value, (dict, list)) else switch(value)


def hold(value: Any) -> bool:
    return switch(text(value))


def no_kill(word: str) -> bool:
    if word not in ("", "set", "off", "no"):
        raise ValueError(word)
    return word in ("off", "no")


def wait_all(value: Any) -> bool:
    found = number(value)
    if not 0 <= found <= 1:
        raise Bad(f"Wait all nodes too {'small' if found < 0 else 'large'}")
    return bool(found)


def gres(word: str) -> str | None:
    if not word:
        raise Bad
    if word.lower() == "none":
        return "NONE"
    return ",".join(part if part.startswith("gres/") else f"gres/{part}" for part in word.split(","))


def gpus(value: Any) -> str | None:
    word = text(value)
    return ",".join(f"gres/gpu:{part}" for part in word.split(",")) if word else None


def gpus_per_task(value: Any) -> str | None:
    word = text(value)
    if not word:
        return None
    parts = [part.rpartition(":") for part in word.split(",")]
    if not all(count.isdecimal() for _, _, count in parts):
        raise Bad
    return ",".join(f"gres/gpu:{kind}={count}" if kind else f"gres/gpu={count}" for kind, _, count in parts)


def gres_flags(word: str) -> bool:
    if word.lower() not in ("disable-binding", "enforce-binding"):
        raise ValueError(word)
    return word.lower() == "enforce-binding"


_BINDINGS = ("closest", "map_gpu:", "mask_gpu:", "none", "per_task:", "single:")


def gpu_bind(word: str) -> str:
    body = word.lower().removeprefix("verbose,")
    if not any(body == known or (known[-1] == ":" and body.startswith(known)) for known in _BINDINGS):
        raise ValueError(word)
    return f"gres/gpu:{word}"


def gpu_frequency(word: str) -> str:
    if not re.fullmatch(r"((memory=)?(low|medium|highm1|high|\d+)|verbose)(,.+)?", word.lower()):
        raise ValueError(word)
    return f"gpu:{word}"


_CPU_FREQUENCY = re.compile(
    r"(low|medium|highm1|high|\d+)(-(low|medium|highm1|high|\d+))?(:\w+)?|conservative|ondemand|performance|powersave"
    r"|schedutil|userspace",
    re.IGNORECASE,
)


def cpu_frequency(word: str) -> str:
    if not _CPU_FREQUENCY.fullmatch(word):
        raise ValueError(word)
    return word


_MEMORY_BINDING = re.compile(
    r"((verbose|quiet|none|rank|local|sort|nosort|prefer|map_mem:[^,]+|mask_mem:[^,]+)(,|$))+", re.I
)


def memory_binding(word: str) -> str:
    if not _MEMORY_BINDING.fullmatch(word):
        raise ValueError(word)
    return word


def delay_boot(word: str) -> int:
    return times.parse_time_limit(word) * 60


_HINTS = {"memory_bound": ("cores_per_socket", 1), "nomultithread": ("threads_per_core", 1)}


def put_hint(values: dict[str, Any], value: str) -> None:
    for word in value.split(","):
        if word in _HINTS:
            name, count = _HINTS[word]
            values.setdefault(name, count)


def put_shared(values: dict[str, Any], value: bool) -> None:
    if value:
        values.setdefault("shared", "oversubscribe")


def put_per(name: str) -> Callable[[dict[str, Any], Any], None]:
    def put(values: dict[str, Any], value: Any) -> None:
        values[name] = f"gres/gpu:{value}"

    return put


def put_per_node(values: dict[str, Any], value: str) -> None:
    before = values.get("tres_per_node")
    values["tres_per_node"] = f"{before},{value}" if before else value


def put_no_kill(values: dict[str, Any], value: bool) -> None:
    values["kill_on_node_fail"] = value


def nothing(job: JobDescriptor) -> None:
    return None
