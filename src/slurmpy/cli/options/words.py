"""Readers of the job options that are little languages of their own: distribution, binding, frequencies, mail,
profiles."""

from __future__ import annotations

from .values import Bad, Reading, decimal, show_minutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EXCLUSIVE = {"exclusive": "none", "user": "user", "mcs": "mcs", "topo": "topo", "oversubscribe": "oversubscribe"}

#: mail types in the order in which Slurm lists them: (word, name in the job's record)
MAIL_TYPES = (
    ("ARRAY_TASKS", "ARRAY_TASKS"),
    ("INVALID_DEPEND", "INVALID_DEPENDENCY"),
    ("BEGIN", "BEGIN"),
    ("END", "END"),
    ("FAIL", "FAIL"),
    ("REQUEUE", "REQUEUE"),
    ("STAGE_OUT", "STAGE_OUT"),
    ("TIME_LIMIT_50", "TIME=50%"),
    ("TIME_LIMIT_80", "TIME=80%"),
    ("TIME_LIMIT_90", "TIME=90%"),
    ("TIME_LIMIT", "TIME=100%"),
)
MAIL_ALL = ("INVALID_DEPEND", "BEGIN", "END", "FAIL", "REQUEUE", "STAGE_OUT")
PROFILES = ("Energy", "Lustre", "Network", "Task")
RLIMITS = ("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS")
FREQUENCY_TYPES = ("energy", "filesystem", "network", "task")
FREQUENCIES = ("low", "highm1", "medium", "high")
GOVERNORS = ("Conservative", "OnDemand", "Performance", "PowerSave", "SchedUtil", "UserSpace")
LEVELS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")
COMPRESSION = ("lz4", "none")

HINT_HELP = """Application hint options:
    --hint=             Bind tasks according to application hints
        compute_bound   use all cores in each socket
        memory_bound    use only one core in each socket
        [no]multithread [don't] use extra threads with in-core multi-threading
        help            show this help message
"""

MEM_BIND_HELP = """Memory bind options:
    --mem-bind=         Bind memory to locality domains (ldom)
        nosort          avoid sorting pages at startup
        sort            sort pages at startup
        q[uiet]         quietly bind before task runs (default)
        v[erbose]       verbosely report binding before task runs
        no[ne]          don't bind tasks to memory (default)
        rank            bind by task rank
        local           bind to memory local to processor
        map_mem:<list>  specify a memory binding for each task
                        where <list> is <cpuid1>,<cpuid2>,...<cpuidN>
        mask_mem:<list> specify a memory binding mask for each tasks
                        where <list> is <mask1>,<mask2>,...<maskN>
        help            show this help message
"""


CPU_BIND_HELP = """CPU bind options:
    --cpu-bind=         Bind tasks to CPUs
        q[uiet]         quietly bind before task runs (default)
        v[erbose]       verbosely report binding before task runs
        no[ne]          don't bind tasks to CPUs (default)
        rank            bind by task rank
        map_cpu:<list>  specify a CPU ID binding for each task
                        where <list> is <cpuid1>,<cpuid2>,...<cpuidN>
        mask_cpu:<list> specify a CPU ID binding mask for each task
                        where <list> is <mask1>,<mask2>,...<maskN>
        rank_ldom       bind task by rank to CPUs in a NUMA locality domain
        map_ldom:<list> specify a NUMA locality domain ID for each task
                        where <list> is <ldom1>,<ldom2>,...<ldomN>
        mask_ldom:<list>specify a NUMA locality domain ID mask for each task
                        where <list> is <mask1>,<mask2>,...<maskN>
        sockets         auto-generated masks bind to sockets
        cores           auto-generated masks bind to cores
        threads         auto-generated masks bind to threads
        ldoms           auto-generated masks bind to NUMA locality domains
        help            show this help message
"""


class Show(Bad):
    """A value like "help" that asks for a text on standard output and ends the command."""

    def __init__(self, out: str, code: int = 0) -> None:
        super().__init__("", code)
        self.out = out


def exclusive(value: str | None, _: Reading) -> str:
    word = "exclusive" if value in (None, "") else str(value).lower()
    if word not in ("exclusive", "user", "mcs", "topo"):
        raise ValueError(value)
    return EXCLUSIVE[word]


def show_exclusive(value: str) -> str:
    return "exclusive" if value == "none" else value


def distribution(value: str | None, at: Reading) -> tuple[str, int | None]:
    """(``cyclic:block:cyclic,pack``, plane size): up to three parts of block, cyclic, fcyclic; ``*`` is the default."""
    word = value or ""
    lowered = word.lower()
    if lowered.partition("=")[0] == "plane":
        size = lowered.partition("=")[2]
        if not size.isdigit() or int(size) < 1:
            raise Bad("Invalid plane size or size not specified\nInvalid --distribution specification")
        return f"plane={int(size)}", int(size)
    body, comma, pack = lowered.partition(",")
    if comma and pack not in ("pack", "nopack"):
        raise ValueError(word)
    parts = body.split(":")
    known = (("block", "cyclic", "arbitrary"), ("block", "cyclic", "fcyclic"), ("block", "cyclic", "fcyclic"))
    default = ("block", "cyclic", "cyclic")
    if len(parts) > 3 or (parts[0] == "arbitrary" and len(parts) > 1):
        raise ValueError(word)
    found = []
    for part, allowed, usual in zip(parts, known, default, strict=False):
        if part in ("*", "") and (part or len(parts) == 1):
            found.append(usual)
        elif part in allowed:
            found.append(part)
        else:
            raise ValueError(word)
    return ":".join(found) + (f",{pack}" if comma else ""), None


def hint(value: str | None, _: Reading) -> str:
    word = (value or "").lower()
    if word == "help":
        raise Show(HINT_HELP, 1)
    for part in word.split(","):
        if part not in ("compute_bound", "memory_bound", "multithread", "nomultithread"):
            raise Bad(f'unrecognized --hint argument "{part}", see --hint=help', 1)
    return word


def mail_type(value: str | None, _: Reading) -> tuple[str, ...]:
    """The words of MAIL_TYPES in their order; () for NONE."""
    wanted: set[str] = set()
    known = {word for word, _ in MAIL_TYPES}
    for part in (value or "").split(","):
        word = part.strip().upper()
        if word == "NONE":
            return ()
        if word == "ALL":
            wanted.update(MAIL_ALL)
        elif word == "INVALID_DEPENDENCY":
            wanted.add("INVALID_DEPEND")
        elif word in known:
            wanted.add(word)
        else:
            raise ValueError(value)
    return tuple(word for word, _ in MAIL_TYPES if word in wanted)


def profile(value: str | None, _: Reading) -> tuple[str, ...]:
    words = [part.strip().lower() for part in (value or "").split(",")]
    if "none" in words:
        return ("None",)
    if "all" in words:
        return PROFILES
    if any(word.capitalize() not in PROFILES for word in words):
        raise Bad(f"invalid --profile={value} option")
    return tuple(name for name in PROFILES if name.lower() in words)


def account_frequency(value: str | None, _: Reading) -> str:
    word = value or ""
    for part in word.split(","):
        kind, equals, seconds = part.partition("=")
        if not equals:
            kind, seconds = "task", part
        if kind.lower() not in FREQUENCY_TYPES or not seconds.isdigit():
            raise Bad(f"Invalid --acctg-freq specification: {word}")
    return word


def open_mode(value: str | None, _: Reading) -> str:
    letter = (value or "")[:1].lower()
    if letter not in ("a", "t") or not {"a": "append", "t": "truncate"}[letter].startswith((value or "").lower()):
        raise ValueError(value)
    return letter


def switches(value: str | None, at: Reading) -> tuple[int, int | None]:
    """(switches, minutes to wait for them: None unless said, -1 if it cannot be read)."""
    count, at_sign, wait = (value or "").partition("@")
    leaves = decimal(count, f"--{at.option}", 1)
    return leaves, switch_wait(wait) if at_sign else None


def switch_wait(word: str) -> int:
    """Minutes; -1 for a time that cannot be read, which counts as none given, as in Slurm."""
    from ...core.times import parse_time_limit

    try:
        return parse_time_limit(word)
    except ValueError:
        return -1


def show_switches(value: tuple[int, int | None]) -> str:
    leaves, wait = value
    if wait is None:
        return str(leaves)
    return f"{leaves}@{show_minutes(None if wait < 0 else wait)}"


def gres(value: str | None, _: Reading) -> str:
    """``gpu:2,license:1`` -> ``gres/gpu:2,gres/license:1``; "NONE" clears."""
    word = value or ""
    if word.lower() == "none":
        return "NONE"
    parts = [part.strip() for part in word.split(",") if part.strip()]
    if any(part.removeprefix("gres/").count(":") > 2 for part in parts):
        raise Bad("Invalid Trackable RESource (TRES) specification", 1)
    return ",".join(part if part.startswith("gres/") else f"gres/{part}" for part in parts)


def task_tres(value: str | None, _: Reading) -> str:
    """``cpu=2,gres/gpu=1``; the CPUs must be a number of at least 1."""
    word = value or ""
    for part in word.split(","):
        name, _equals, amount = part.partition("=")
        if name == "cpu" and not (amount.isdigit() and int(amount)):
            raise Bad("Invalid --tres-per-task=cpu=0", 1, level="fatal")
    return word


def gpus(value: str | None, _: Reading) -> str:
    return (value or "").strip()


def as_tres(gpu_words: str) -> str:
    """``a100:2,v100:1`` -> ``gres/gpu:a100:2,gres/gpu:v100:1``"""
    return ",".join(f"gres/gpu:{part}" for part in gpu_words.split(","))


def gres_flags(value: str | None, _: Reading) -> tuple[str, ...]:
    known = (
        "allow-task-sharing",
        "disable-binding",
        "enforce-binding",
        "multiple-tasks-per-sharing",
        "one-task-per-sharing",
    )
    words = (value or "").lower().split(",")
    if any(word not in known for word in words):
        raise Bad(f"Invalid --gres-flags specification: {value}")
    if "one-task-per-sharing" in words or "multiple-tasks-per-sharing" in words:
        word = "one-task-per-sharing" if "one-task-per-sharing" in words else "multiple-tasks-per-sharing"
        raise Bad(
            f"In order to use --gres-flags={word} you must also have "
            "SelectTypeParameters=MULTIPLE_SHARING_GRES_PJ in your slurm.conf"
        )
    return tuple(words)


GPU_BINDS = ("closest", "map:", "map_gpu:", "mask:", "mask_gpu:", "none", "per_task:", "single:")


def gpu_bind(value: str | None, _: Reading) -> str:
    word = value or ""
    body = word.lower().removeprefix("verbose,").removeprefix("v,").removesuffix(",verbose")
    if not any(body == known or (known.endswith(":") and body.startswith(known)) for known in GPU_BINDS):
        raise Bad(f"Invalid --gpu-bind argument: {word}")
    return word


def gpu_frequency(value: str | None, _: Reading) -> str:
    """[type=]value[,memory=value][,verbose]: low, medium, highm1, high or MHz."""
    word = value or ""
    for part in word.lower().split(","):
        if part == "verbose":
            continue
        kind, equals, amount = part.partition("=")
        amount = amount if equals else kind
        if (equals and kind != "memory") or not (amount in FREQUENCIES or amount.isdigit()):
            raise Bad(f"Invalid --gpu-freq argument: gpu:{word}")
    return word


def cpu_frequency(value: str | None, _: Reading) -> str:
    """p1[-p2[:p3]]: kHz or low, medium, high, highm1; p3 (or p1 alone) a governor."""
    words = {name.lower(): name for name in ("Low", "HighM1", "Medium", "High")}
    governors = {name.lower(): name for name in GOVERNORS}
    span, colon, governor = (value or "").lower().partition(":")
    low, dash, high = span.partition("-")
    shown = []
    for part in (low, high) if dash else (low,):
        if part in governors and not dash and not colon:
            return governors[part]
        if part not in words and not part.isdigit():
            raise Bad(f'unrecognized --cpu-freq argument "{part}"\nInvalid --cpu-freq argument')
        shown.append(words.get(part, part))
    if colon and governor not in governors:
        raise Bad(f"illegal governor: {governor} on --cpu-freq\nInvalid --cpu-freq argument")
    if dash and not colon:
        raise Bad(
            "You must explicitly choose a governor when defining a range. Please specify only one value for the "
            "desired frequency (p1) or choose a specific governor (p3).\nInvalid --cpu-freq argument"
        )
    return "-".join(shown) + (f":{governors[governor]}" if colon else "")


MEM_BINDS = ("rank", "local", "none", "no", "sort", "nosort", "prefer", "p")


def memory_bind(value: str | None, at: Reading) -> str:
    """The binding in Slurm's canonical order: verbose, then the words as given."""
    word = value or ""
    if word.lower() == "help":
        raise Show(MEM_BIND_HELP, 255)
    verbose, found = "", []
    parts = [part.strip() for part in word.split(",")]
    position = 0
    while position < len(parts):
        part = parts[position].lower()
        position += 1
        if part in ("v", "verbose"):
            verbose = "verbose,"
        elif part in ("q", "quiet"):
            verbose = "quiet,"
        elif part in MEM_BINDS:
            found.append({"no": "none", "p": "prefer"}.get(part, part))
        elif part.startswith(("map_mem:", "mask_mem:")):
            # its list has commas of its own
            rest = parts[position:]
            found.append(",".join([part, *rest]))
            position = len(parts)
        else:
            raise Bad(f'unrecognized --mem-bind argument "{parts[position - 1]}"')
    return (verbose + ",".join(found)).rstrip(",")


CPU_BINDS = (
    "none", "no", "rank", "rank_ldom", "sockets", "cores", "threads", "ldoms", "boards", "autobind",
    "one_thread_per_core",
)  # fmt: skip


def cpu_bind(value: str | None, _: Reading) -> str:
    word = value or ""
    shown = []
    parts = word.split(",")
    for position, part in enumerate(parts):
        low = part.strip().lower()
        if low in ("v", "verbose", "q", "quiet"):
            shown.append({"v": "verbose", "q": "quiet"}.get(low, low))
        elif low in CPU_BINDS or low == "help":
            shown.append("none" if low == "no" else low)
        elif low.startswith(("map_cpu:", "mask_cpu:", "map_ldom:", "mask_ldom:")):
            shown.append(",".join([low, *parts[position + 1 :]]))
            break
        else:
            message = f'unrecognized --cpu-bind argument "{part}"\nFailed to parse --cpu-bind= values.'
            raise Bad(message, 1, level="fatal")
    return ",".join(shown)


def get_user_env(value: str | None, _: Reading) -> str:
    """[SECONDS][S|L]; "0" without a value."""
    word = value or "0"
    if word.rstrip("SLsl").strip("0123456789"):
        raise ValueError(value)
    return word


def zero_or_one(value: str | None, at: Reading) -> int:
    if value is None:
        return 1
    if value not in ("0", "1"):
        raise ValueError(value)
    return int(value)


def wait_all_nodes(value: str | None, at: Reading) -> int:
    if decimal(value or "", f"--{at.option}") > 1:
        raise ValueError(value)
    return int(value or 0)


def no_kill(value: str | None, _: Reading) -> bool:
    """True: the job lives on when a node fails."""
    if value in (None, "") or str(value).lower() == "on":
        return True
    if str(value).lower() in ("off", "no"):
        return False
    raise ValueError(value)


def show_no_kill(value: bool) -> str:
    return "set" if value else "unset"


def slurmd_debug(value: str | None, at: Reading) -> str:
    if at.uid != 0:
        raise Bad("Use of --slurmd-debug is allowed only for root and SlurmUser(root)")
    word = (value or "").lower()
    if word.isdigit():
        word = LEVELS[min(int(word), len(LEVELS) - 1)]
    if word not in LEVELS:
        raise ValueError(value)
    if LEVELS.index(word) > LEVELS.index("debug2"):
        at.notes.append(("", "Using max slurmd-debug value of 'debug2'"))
        return "debug2"
    return word


def immediate(value: str | None, at: Reading) -> int:
    """Seconds within which resources must be free."""
    return 1 if value is None else decimal(value, "immediate" if at.program == "salloc" else f"--{at.option}")


def compress(value: str | None, at: Reading) -> str:
    word = (value or "lz4").lower()
    if word not in COMPRESSION:
        at.notes.append(("error", f"Compression type '{value}' unknown, disabling compression support."))
        return "none"
    return word


def kill_on_bad_exit(value: str | None, at: Reading) -> int:
    return 1 if not value else decimal(value, f"--{at.option}")


def propagate(value: str | None, _: Reading) -> str:
    return value or "ALL"


def split_rlimits(value: str) -> tuple[tuple[str, ...], str | None]:
    """Names of the limits to propagate, and the first word that is none."""
    found = []
    for part in value.split(","):
        word = part.strip().upper().removeprefix("RLIMIT_")
        if word == "ALL":
            return RLIMITS, None
        if word == "NONE":
            return (), None
        if word not in RLIMITS:
            return (), part.strip()
        found.append(word)
    return tuple(found), None


def numeric_list(words: Any) -> str:
    return ",".join(str(word) for word in words)


def resv_ports(value: str | None, at: Reading) -> int:
    raise Bad("Slurmstepd step management must be enabled to use --resv-ports for job allocations", 1)


def segment(value: str | None, _: Reading) -> int:
    word = value or ""
    if not (word.isascii() and word.isdigit()):
        raise ValueError(value)
    return int(word)
