"""sacctmgr's grammar: SPECS are words ``name=value``, ``name+=value``, flags and bare names, behind ``where`` and
``set``.

Each context (list users, modify accounts, ...) is a table of keywords; a keyword may be cut short as long as it is the
first of its table that begins so.
"""

from __future__ import annotations

from ..core.records.accounting import SHARES_PARENT
from .errors import Stop, line, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

NAME = "sacctmgr"


class Known:
    """What values are checked against: QOS and TRES, asked of slurmdbd when they are first needed."""

    def __init__(self, ask: Callable[[str, tuple[str, ...]], Sequence[Sequence[Any]]]) -> None:
        self._ask = ask
        self._qos: list[tuple[int, str]] | None = None
        self._tres: set[str] | None = None

    def qos(self) -> list[tuple[int, str]]:
        if self._qos is None:
            self._qos = [(row[0], row[1]) for row in self._ask("qos", ("id", "name"))]
        return self._qos

    def tres(self) -> set[str]:
        if self._tres is None:
            self._tres = {f"{row[0]}/{row[1]}" if row[1] else row[0] for row in self._ask("tres", ("type", "name"))}
        return self._tres


class BadValue(Exception):
    """A value that cannot be; the text is told as an error before the word is called unknown."""


class BadTime(BadValue):
    """A time that cannot be, told without the program's name; QOS end there, other words are called unknown as well."""


class Fatal(Exception):
    """A value that ends the command with its own text."""

    def __init__(self, text: str, program: bool = False) -> None:
        super().__init__(text)
        self.program = program


class Word:
    """One word: `key` as typed ("" for a bare one), `sign` "", "+" or "-", `value`."""

    __slots__ = ("key", "sign", "text", "value")

    def __init__(self, text: str) -> None:
        self.text = text
        key, equals, value = text.partition("=")
        self.sign = ""
        if equals and key[-1:] in ("+", "-"):
            key, self.sign = key[:-1], key[-1]
        self.key, self.value = (key.strip(), _unquoted(value)) if equals else ("", _unquoted(text))


def _unquoted(text: str) -> str:
    """Without the quotes around it; a quote within it becomes a backtick, as Slurm writes it, so that no file of
    `sacctmgr dump` has a quote in a quoted text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text.replace("'", "`").replace('"', "`")


def names(text: str) -> tuple[str, ...]:
    """The names of a comma-separated list, in lower case, each once."""
    words = (word.strip().strip("'\"").strip() for word in text.split(","))
    return joined((), (_unquoted(word).lower() for word in words))


def joined(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """Names behind those there were; one that comes again stands where it came last, as in Slurm."""
    found = dict.fromkeys(old)
    for name in new:
        found.pop(name, None)
        if name:
            found[name] = None
    return tuple(found)


def values(text: str) -> tuple[str, ...]:
    """The same, in the case given."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def find(table: Iterable[str], typed: str) -> str | None:
    """The keyword of a table that `typed` is, or is the beginning of."""
    wanted = typed.lower()
    first = None
    for keyword in table:
        lower = keyword.lower()
        if lower == wanted:
            return keyword
        if first is None and wanted and lower.startswith(wanted):
            first = keyword
    return first


# ---- values of limits


def number(word: str) -> Callable[[str, Known], int | None]:
    def read(text: str, known: Known) -> int | None:
        if text in ("-1", ""):
            return None
        if not text.isdecimal():
            raise BadValue(f"Invalid value for {word} ({text})")
        return int(text)

    return read


def shares(text: str, known: Known) -> int | None:
    if text.lower() == "parent":
        return SHARES_PARENT
    if text == "-1":
        return None
    if not text.isdecimal():
        raise BadValue(f"Invalid value for FairShare ({text})")
    return int(text)


def real(word: str) -> Callable[[str, Known], float | None]:
    def read(text: str, known: Known) -> float | None:
        if text == "-1":
            return None
        try:
            return float(text)
        except ValueError:
            raise BadValue(f"Invalid value for {word} ({text})") from None

    return read


def minutes(word: str) -> Callable[[str, Known], int | None]:
    """Time limits; the error names the word as typed, so it is made by the reader of the words."""

    def read(text: str, known: Known) -> int | None:
        if text in ("-1", ""):
            return None
        from ..core.records.base import INFINITE
        from ..core.times import parse_time_limit

        try:
            value = parse_time_limit(text)
        except ValueError:
            raise BadTime(f" Bad {word} time format: {{word}}") from None
        return None if value == INFINITE else value

    return read


def exempt_time(text: str, known: Known) -> int | None:
    """Minutes, or a time as time limits are written -> seconds."""
    if text in ("-1", ""):
        return None
    from ..core.records.base import INFINITE
    from ..core.times import parse_time_limit

    try:
        value = parse_time_limit(text)
    except ValueError:
        raise BadTime(" Bad PreemptExemptTime format: {word}") from None
    return None if value == INFINITE else value * 60


def lower(text: str, known: Known) -> str:
    """Descriptions and comments are kept in lower case, as Slurm does."""
    return text.lower()


def tres(text: str, known: Known) -> str:
    """TRES limits as plain counts. Raises BadValue for a TRES that no cluster has."""
    from ..core import tres as counts
    from ..core.errors import SlurmError

    if not text:
        return ",".join(f"{name}=-1" for name in sorted(known.tres()))
    for part in text.split(","):
        if "=" not in part:
            raise BadValue(f"slurmdb_format_tres_str: no TRES id found for {part}")
    try:
        parsed = counts.parse(text)
    except SlurmError:
        raise BadValue(f"slurmdb_format_tres_str: no value given as TRES type/id '{text}'") from None
    found = {}
    for name, count in parsed.items():
        label = name.lower()
        if label not in known.tres():
            raise BadValue(f"slurmdb_format_tres_str: no TRES known by type {label}")
        found[label] = count
    return ",".join(f"{name}={found[name]}" for name in sorted(found, key=counts.order_key))


def qos_names(text: str, known: Known, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of QOS, by name or id. Raises BadValue for one that there is not."""
    by_id = {str(number): name for number, name in known.qos()}
    found = []
    for word in names(text):
        name = by_id.get(word, word)
        if name not in by_id.values():
            left_out = set(without)
            valid = ",".join(name for _, name in known.qos() if name not in left_out)
            raise BadValue(f"You gave a bad qos '{word}'. Valid QOS's are {valid}")
        found.append(name)
    return tuple(dict.fromkeys(found))


def default_qos(text: str, known: Known) -> str:
    if text == "-1" or not text:
        return ""
    by_id = {str(number): name for number, name in known.qos()}
    name = by_id.get(text.lower(), text.lower())
    if name not in by_id.values():
        raise Fatal(f"You gave a bad default qos '{text.lower()}'.  Use 'list qos' to get complete list.")
    return name


#: keyword: (field of an association, reader)
ASSOC_LIMITS: dict[str, tuple[str, Callable[[str, Known], Any]]] = {
    "Comment": ("comment", lower),
    "DefaultQOS": ("default_qos", default_qos),
    "Fairshare": ("shares_raw", shares),
    "Shares": ("shares_raw", shares),
    "GrpTRES": ("grp_tres", tres),
    "GrpTRESMins": ("grp_tres_mins", tres),
    "GrpTRESRunMins": ("grp_tres_run_mins", tres),
    "GrpCPUMins": ("grp_tres_mins", lambda text, known: f"cpu={text}"),
    "GrpCPURunMins": ("grp_tres_run_mins", lambda text, known: f"cpu={text}"),
    "GrpCPUs": ("grp_tres", lambda text, known: f"cpu={text}"),
    "GrpJobs": ("grp_jobs", number("GrpJobs")),
    "GrpJobsAccrue": ("grp_jobs_accrue", number("GrpJobsAccrue")),
    "GrpMemory": ("grp_tres", lambda text, known: f"mem={text}"),
    "GrpNodes": ("grp_tres", lambda text, known: f"node={text}"),
    "GrpSubmitJobs": ("grp_submit_jobs", number("GrpSubmitJobs")),
    "GrpWall": ("grp_wall", minutes("GrpWall")),
    "MaxTRESPerJob": ("max_tres_per_job", tres),
    "MaxTRESPJ": ("max_tres_per_job", tres),
    "MaxTRESPerNode": ("max_tres_per_node", tres),
    "MaxTRESPN": ("max_tres_per_node", tres),
    "MaxTRESMinsPerJob": ("max_tres_mins_per_job", tres),
    "MaxTRESMinsPJ": ("max_tres_mins_per_job", tres),
    "MaxCPUMinsPerJob": ("max_tres_mins_per_job", lambda text, known: f"cpu={text}"),
    "MaxCPUsPerJob": ("max_tres_per_job", lambda text, known: f"cpu={text}"),
    "MaxJobs": ("max_jobs", number("MaxJobs")),
    "MaxJobsAccrue": ("max_jobs_accrue", number("MaxJobsAccrue")),
    "MaxNodesPerJob": ("max_tres_per_job", lambda text, known: f"node={text}"),
    "MaxSubmitJobs": ("max_submit_jobs", number("MaxSubmitJobs")),
    "MaxWallDurationPerJob": ("max_wall_duration_per_job", minutes("MaxWall")),
    "MinPrioThresh": ("min_prio_threshold", number("MinPrioThresh")),
    "MinPrioThreshold": ("min_prio_threshold", number("MinPrioThreshold")),
    "Priority": ("priority", number("Priority")),
}

QOS_LIMITS: dict[str, tuple[str, Callable[[str, Known], Any]]] = {
    "Description": ("description", lower),
    "GraceTime": ("grace_time", number("GraceTime")),
    "GrpTRES": ("grp_tres", tres),
    "GrpTRESMins": ("grp_tres_mins", tres),
    "GrpTRESRunMins": ("grp_tres_run_mins", tres),
    "GrpJobs": ("grp_jobs", number("GrpJobs")),
    "GrpJobsAccrue": ("grp_jobs_accrue", number("GrpJobsAccrue")),
    "GrpSubmitJobs": ("grp_submit_jobs", number("GrpSubmitJobs")),
    "GrpWall": ("grp_wall", minutes("GrpWall")),
    "LimitFactor": ("limit_factor", real("LimitFactor")),
    "MaxTRESPerJob": ("max_tres_per_job", tres),
    "MaxTRESPJ": ("max_tres_per_job", tres),
    "MaxTRESPerNode": ("max_tres_per_node", tres),
    "MaxTRESPN": ("max_tres_per_node", tres),
    "MaxTRESPerAccount": ("max_tres_per_account", tres),
    "MaxTRESPA": ("max_tres_per_account", tres),
    "MaxTRESPerUser": ("max_tres_per_user", tres),
    "MaxTRESPU": ("max_tres_per_user", tres),
    "MaxTRESMinsPerJob": ("max_tres_mins_per_job", tres),
    "MaxTRESMinsPJ": ("max_tres_mins_per_job", tres),
    "MaxTRESRunMinsPerAccount": ("max_tres_run_mins_per_account", tres),
    "MaxTRESRunMinsPA": ("max_tres_run_mins_per_account", tres),
    "MaxTRESRunMinsPerUser": ("max_tres_run_mins_per_user", tres),
    "MaxTRESRunMinsPU": ("max_tres_run_mins_per_user", tres),
    "MaxJobsPerAccount": ("max_jobs_per_account", number("MaxJobsPA")),
    "MaxJobsPA": ("max_jobs_per_account", number("MaxJobsPA")),
    "MaxJobsPerUser": ("max_jobs_per_user", number("MaxJobsPU")),
    "MaxJobsPU": ("max_jobs_per_user", number("MaxJobsPU")),
    "MaxJobsAccruePerAccount": ("max_jobs_accrue_per_account", number("MaxJobsAccruePA")),
    "MaxJobsAccruePA": ("max_jobs_accrue_per_account", number("MaxJobsAccruePA")),
    "MaxJobsAccruePerUser": ("max_jobs_accrue_per_user", number("MaxJobsAccruePU")),
    "MaxJobsAccruePU": ("max_jobs_accrue_per_user", number("MaxJobsAccruePU")),
    "MaxSubmitJobsPerAccount": ("max_submit_jobs_per_account", number("MaxSubmitJobsPA")),
    "MaxSubmitJobsPA": ("max_submit_jobs_per_account", number("MaxSubmitJobsPA")),
    "MaxSubmitJobsPerUser": ("max_submit_jobs_per_user", number("MaxSubmitJobsPU")),
    "MaxSubmitJobsPU": ("max_submit_jobs_per_user", number("MaxSubmitJobsPU")),
    "MaxWallDurationPerJob": ("max_wall_duration_per_job", minutes("MaxWall")),
    "MinPrioThreshold": ("min_prio_threshold", number("MinPrioThreshold")),
    "MinTRESPerJob": ("min_tres_per_job", tres),
    "PreemptExemptTime": ("preempt_exempt_time", exempt_time),
    "Priority": ("priority", number("Priority")),
    "UsageFactor": ("usage_factor", real("UsageFactor")),
    "UsageThreshold": ("usage_threshold", real("UsageThreshold")),
}
QOS_FLAGS = (
    "DenyOnLimit", "EnforceUsageThreshold", "NoReserve", "PartitionMaxNodes", "PartitionMinNodes", "OverPartQOS",
    "PartitionTimeLimit", "RequiresReservation", "NoDecay", "Relative", "UsageFactorSafe",
)  # fmt: skip
PREEMPT_MODES = ("OFF", "CANCEL", "REQUEUE", "SUSPEND", "GANG", "WITHIN", "CLUSTER")


def qos_flags(text: str) -> tuple[str, ...]:
    """Raises Fatal for a flag that there is not."""
    found = []
    for word in values(text):
        flag = find(QOS_FLAGS, word)
        if flag is None:
            raise Fatal(
                f" Unknown QOS flag used in:\n  '{text}'\n Valid QOS flags are\n  '{','.join(QOS_FLAGS)}'\n", False
            )
        found.append(flag)
    return tuple(dict.fromkeys(found))


def preempt_mode(text: str) -> str:
    modes = [mode.strip().upper() for mode in text.split(",") if mode.strip()]
    if not modes or not set(modes) <= set(PREEMPT_MODES):
        raise Fatal(" Bad Preempt Mode given: {word}")
    # what is added to a way of preempting stands before it, as Slurm prints it
    modes.sort(key=lambda mode: ("WITHIN", "GANG").index(mode) if mode in ("WITHIN", "GANG") else 2)
    return ",".join(mode for mode in dict.fromkeys(modes) if mode != "CLUSTER")


def admin_level(text: str) -> str:
    """None, Operator or Administrator; what is none of them is taken for «not set», as Slurm does."""
    for level in ("None", "Operator", "Administrator", "Admin"):
        if text and level.lower().startswith(text.lower()):
            return "Administrator" if level == "Admin" else level
    return ""


# ---- reading words


class Specs:
    """The words of one command: conditions (`where`), changes (`set`), formats and flags, as its tables read them."""

    def __init__(self) -> None:
        self.where: dict[str, Any] = {}
        self.limits: dict[str, Any] = {}
        self.set: dict[str, Any] = {}
        self.format = ""
        self.flags: set[str] = set()
        self.conditions = 0
        self.failed = False

    def unknown(self, word: Word, what: str, hint: str, out: bool = False, noun: str = "") -> None:
        """Tells of a word that is none; the command goes on to the next, and fails in the end."""
        text = f" Unknown {what}: {word.text}\n" + (
            f" Use keyword '{hint}' to modify {noun or _HINTS[hint]}\n" if hint else ""
        )
        import sys

        sys.stdout.flush()
        (sys.stdout if out else sys.stderr).write(text)
        self.failed = True


_HINTS = {"set": "value", "where": "condition"}


def bad_value(error: BadValue, word: Word) -> None:
    if isinstance(error, BadTime):
        import sys

        sys.stdout.flush()
        sys.stderr.write(str(error).replace("{word}", word.text) + "\n")
    else:
        report(NAME, str(error))


def stop(error: Fatal, word: Word, out: bool = False) -> Stop:
    text = str(error).replace("{word}", word.text)
    if error.program:
        return Stop(1, err=line(NAME, text))
    text = text if text.endswith("\n") else text + "\n"
    return Stop(1, out=text) if out else Stop(1, err=text)


def is_where(text: str) -> bool:
    return len(text) >= 3 and "where".startswith(text.lower())


def is_set(text: str) -> bool:
    return len(text) >= 3 and text.lower() == "set"


def read_assoc_limit(word: Word, specs: Specs, known: Known) -> bool:
    """Takes a limit of an association; False if the word is none. Raises BadValue, Fatal."""
    key = word.key.lower()
    if (key and "qoslevel".startswith(key) and len(key) > 2) or key == "qos":
        sign = word.sign or "="
        text = word.value
        if sign == "=" and text[:1] in ("+", "-"):
            sign, text = text[0], ",".join(part.lstrip("+-") for part in text.split(","))
        old = specs.limits.get("qos")
        found = qos_names(text, known) if text not in ("", "-1") else ()
        specs.limits["qos"] = (sign, (*old[1], *found) if old and old[0] == sign else found)
        return True
    keyword = find(ASSOC_LIMITS, word.key) if word.key else None
    if keyword is None:
        return False
    field, reader = ASSOC_LIMITS[keyword]
    specs.limits[field] = reader(word.value, known)
    return True


def read_qos_limit(word: Word, specs: Specs, known: Known, own_names: Iterable[str]) -> bool:
    """The same for a QOS."""
    key = word.key.lower()
    if key == "flags":
        specs.set["flags"] = (word.sign or "=", () if word.value == "-1" else qos_flags(word.value))
        return True
    if key == "preemptmode":
        specs.set["preempt_mode"] = preempt_mode(word.value)
        return True
    if key == "preempt":
        try:
            chosen = () if word.value in ("", "-1") else qos_names(word.value, known, own_names)
        except BadValue as error:
            raise Fatal(str(error), program=True) from None
        specs.set["preempt"] = (word.sign or "=", chosen)
        return True
    keyword = find(QOS_LIMITS, word.key) if word.key else None
    if keyword is None:
        return False
    field, reader = QOS_LIMITS[keyword]
    try:
        value = reader(word.value, known)
    except BadTime as error:
        raise Fatal(str(error)) from None
    except BadValue as error:
        # the word is passed over; a TRES that there is not fails the command in the end, a number does not
        bad_value(error, word)
        specs.failed = specs.failed or reader is tres
        return True
    if field in ("usage_factor", "priority", "grace_time") and value is None:
        value = 1.0 if field == "usage_factor" else 0
    specs.set[field] = value
    return True
