"""sacct: jobs and steps out of the accounting database."""

from __future__ import annotations

import sys
import time

from ..core.errors import SlurmError
from .errors import Stop, entry, line
from .options.sacct import COMMAND
from .sacct_request import NAME, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    from ..format.sacct_table import Table
    from ..rpc.cluster import Cluster, Service
    from .command import Parsed

    Write = Callable[[str], object]

_UNITS = "KMGTP"
#: lines that are written at a time
_BATCH = 512


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    write = write or sys.stdout.write
    if parsed.operands:
        told = "".join(line(NAME, f" {word}") for word in parsed.operands)
        raise Stop(1, err=line(NAME, "Unknown arguments:") + told)
    if "helpformat" in parsed:
        write(_columns(_field_names()))
        return 0
    if "helpstate" in parsed:
        from ..core.states import JobState

        write(_columns([long for long, _ in JobState.NAMES.values()]))
        return 0
    if "helpreason" in parsed:
        from ..core.reasons import REASONS

        write(_columns(REASONS, 2, 39))
        return 0
    if "batch-script" in parsed and "env-vars" in parsed:
        raise Stop(1, err=line(NAME, "Options --batch-script and --env-vars are mutually exclusive", "fatal"))
    if "completion" in parsed:
        raise Stop(1, err="Slurm job completion is disabled\n")
    encoding = "json" if "json" in parsed else "yaml" if "yaml" in parsed else ""
    parser = parsed.get(encoding) if encoding else ""
    if encoding:
        from . import json_output

        refused = json_output.check(NAME, encoding, parser if isinstance(parser, str) else "")
        if refused is not None:
            return refused
    now = int(time.time())
    table = None if encoding else _table(parsed, env, now)
    request = Request(parsed, env, now)
    if "verbose" in parsed:
        sys.stderr.write(line(NAME, _describe(request), ""))
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    try:
        request.settle(cluster)
        files = "script" if "batch-script" in parsed else "environment" if "env-vars" in parsed else ""
        if files and "jobs" not in request.where:
            what = "scripts" if files == "script" else files
            said = f"When requesting job {what} you must also request specific jobs with the '-j' option."
            raise Stop(1, err=line(NAME, said, "fatal"))
        if encoding:
            return _document(cluster, argv, request, encoding, parser if isinstance(parser, str) else "", files)
        if files:
            return _files(cluster, request, files, write)
        assert table is not None
        return _print(cluster, request, table, write)
    except SlurmError as error:
        raise unreachable(NAME, cluster, error) from None


def unreachable(program: str, cluster: Cluster, error: SlurmError) -> Stop:
    """The end of sacct, sacctmgr or sreport when slurmdbd does not answer, or answers with `error`."""
    if error.name == "SLURM_PROTOCOL_AUTHENTICATION_ERROR":  # a token that slurmdbd does not take
        place = f"{cluster.conf.AccountingStorageHost or 'localhost'}:{cluster.conf.AccountingStoragePort}"
        text = line(
            program,
            "slurm_persist_conn_open: Something happened with the receiving/processing of the persistent connection "
            f"init message to {place}: Failed to unpack SLURM_PERSIST_INIT message",
        )
        text += line(program, f"Sending PersistInit msg: {error.message}")
        return Stop(1, err=text + (line(program, f"Problem talking to the database: {error.message}")
                                   if program == NAME else ""))  # fmt: skip
    if error.name != "SLURM_COMMUNICATIONS_CONNECTION_ERROR":
        tail = f"Problem talking to the database: {error.message}" if program == NAME else error.message
        return Stop(1, err=line(program, tail))
    reason = str(error.data.get("reason") or "Connection refused")
    place = f"{cluster.conf.AccountingStorageHost or 'localhost'}:{cluster.conf.AccountingStoragePort}"
    text = line(program, f"_open_persist_conn: failed to open persistent connection to host:{place}: {reason}")
    text += line(program, f"Sending PersistInit msg: {reason}")
    if program == NAME:
        text += line(program, f"Problem talking to the database: {reason}")
    elif program == "sreport":
        text += f"{program}: fatal: Problem connecting to the database: {reason}\n"
    return Stop(1, err=text)


# ---- the table


def _table(parsed: Parsed, env: Mapping[str, str], now: int) -> Table:
    from ..format import sacct_fields, sacct_table
    from ..format.sacct_cells import Style

    text = parsed.get("format")
    if "brief" in parsed:
        text = sacct_fields.BRIEF
    elif "long" in parsed:
        text = sacct_fields.LONG
    try:
        fields = sacct_table.parse(text or sacct_fields.DEFAULT)
    except sacct_table.UnknownField as error:
        raise Stop(1, err=line(NAME, f'Invalid field requested: "{error}"')) from None
    units = parsed.get("units") or ""
    if units:
        if units not in tuple(_UNITS):
            text = line(NAME, f"Invalid unit type '{units}'. Possible options are '{_UNITS}'")
            raise Stop(1, err=text + line(NAME, "Invalid unit type", "fatal"))
        if "noconvert" in parsed:
            raise Stop(1, err=line(NAME, "You can't use --noconvert and --units together", "fatal"))
    length = env.get("SLURM_BITSTR_LEN", "")
    style = Style(
        now,
        env.get("SLURM_TIME_FORMAT"),
        units,
        "noconvert" in parsed,
        "expand-patterns" in parsed,
        bitstr_len=int(length) if length.isdecimal() else 64,
    )
    separator, trailing = None, False
    for one in parsed:
        if one.option.name in ("parsable", "parsable2"):
            separator, trailing = parsed.get("delimiter", "|"), one.option.name == "parsable"
    return sacct_table.Table(fields, style, separator, trailing)


def _print(cluster: Cluster, request: Request, table: Table, write: Write) -> int:
    parsed = request.parsed
    if "truncate" in parsed:
        table.style.window = (request.start, request.end)
    try:
        nodes = request.nodes()
    except Stop:
        write("" if "noheader" in parsed else table.header())  # the hosts are looked at last
        raise
    steps = "allocations" not in request.where
    job_fields = list(table.job_columns)
    extra: tuple[str, ...] = _IDS if request.steps else ()
    extra += ("nodes",) if nodes is not None else ()
    extra += ("array_task_string", "array_job_id") if "array" in parsed else ()
    job_fields += [name for name in dict.fromkeys(extra) if name not in job_fields]
    step_fields = list(table.step_columns)
    if request.steps and "step_id" not in step_fields:
        step_fields.append("step_id")
    rows = _rows(cluster.slurmdbd, job_fields, step_fields if steps else None, request.where)
    if nodes is not None:
        rows = _on_nodes(rows, job_fields.index("nodes"), nodes)
    if "array" in parsed:
        rows = _each_task(rows, job_fields)
    named = _named(job_fields, request) if request.steps and steps else None
    if named is not None:
        rows = _chosen_steps(rows, step_fields.index("step_id"), named)
    rows = _connected(rows)
    if "noheader" not in parsed:
        write(table.header())
    held: list[str] = []
    for text in table.lines(rows, steps, named):
        held.append(text)
        if len(held) >= _BATCH:
            write("".join(held))
            held.clear()
    write("".join(held))
    return 0


def _connected(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows, once the first of them is there: where slurmdbd is away not even a header is printed."""
    import itertools

    first = list(itertools.islice(rows, 1))
    return itertools.chain(first, rows)


_IDS = ("job_id", "array_job_id", "array_task_id", "het_job_id", "het_job_offset")


def _rows(
    service: Service, fields: Sequence[str], step_fields: Sequence[str] | None, where: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    args = {"what": "jobs", "fields": tuple(fields), "step_fields": step_fields and tuple(step_fields), "where": where}
    for part in service.client.stream("query", args):
        yield from part.get("rows", ())


def _on_nodes(rows: Iterable[tuple[Any, ...]], at: int, nodes: frozenset[str]) -> Iterator[tuple[Any, ...]]:
    from ..core import hostlist

    memo: dict[str, bool] = {}
    for row in rows:
        names = row[at]
        found = memo.get(names)
        if found is None:
            found = memo[names] = bool(names) and not nodes.isdisjoint(hostlist.expand(names))
        if found:
            yield row


def _each_task(rows: Iterable[tuple[Any, ...]], fields: list[str]) -> Iterator[tuple[Any, ...]]:
    """A row for each task of a record that stands for several."""
    waiting = fields.index("array_task_string")
    task = fields.index("array_task_id") if "array_task_id" in fields else None
    for row in rows:
        if not row[waiting] or task is None:
            yield row
            continue
        from ..core.intervals import IntervalSet

        for number in IntervalSet.parse(row[waiting].partition("%")[0]):
            changed = list(row)
            changed[task] = number
            yield tuple(changed)


def _named(fields: list[str], request: Request) -> Callable[[tuple[Any, ...]], set[int] | None]:
    """What tells of a row which of its steps -j named; None: the job as a whole."""
    job, array, task, het, part = (fields.index(name) for name in _IDS)

    def named(row: tuple[Any, ...]) -> set[int] | None:
        wanted = set()
        for number, asked_task, asked_part, step in request.where["jobs"]:
            if (
                (number == row[job] and asked_task is None and asked_part is None)
                or (number == row[array] and asked_task in (None, row[task]))
                or (number == row[het] and asked_part in (None, row[part]))
            ):
                if step is None:
                    return None
                wanted.add(step)
        return wanted

    return named


def _chosen_steps(
    rows: Iterable[tuple[Any, ...]], step_at: int, named: Callable[[tuple[Any, ...]], set[int] | None]
) -> Iterator[tuple[Any, ...]]:
    """Rows with only the steps that -j named; a job that was named as a whole keeps all of its own."""
    for row in rows:
        wanted = named(row)
        if wanted is not None:
            row = (*row[:-1], tuple(one for one in row[-1] if one[step_at] in wanted))
        yield row


# ---- scripts, environments, documents


def _files(cluster: Cluster, request: Request, name: str, write: Write) -> int:
    """slurmdbd tells those of the caller's own jobs; coordinators and operators those of more."""
    from ..format.sacct_cells import JOB_ID, Style, job_id

    style = Style(request.now)
    title = "Batch Script for" if name == "script" else "Environment used for"
    for row in _rows(cluster.slurmdbd, (*JOB_ID, name), None, request.where):
        text = row[-1] or "NONE\n"
        told = job_id(style, *row[: len(JOB_ID)])
        rest = " (must be batch to display)" if name == "environment" else ""
        write(f"{title} {told}{rest}\n{'-' * 80}\n{text}{'' if text.endswith(chr(10)) else chr(10)}")
    return 0


def _document(cluster: Cluster, argv: Sequence[str], request: Request, encoding: str, parser: str, files: str) -> int:
    from . import json_output

    more = {"files": files} if files else {}
    pieces = json_output.dump(
        cluster, NAME, argv, "jobs", request.where, encoding, parser, service=cluster.slurmdbd, **more
    )
    return json_output.write(pieces)


# ---- lists for people


def _describe(request: Request) -> str:
    def told(moment: int) -> str:
        return time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(moment)) if moment else "Epoch 0"

    which = "Jobs in the states given" if "states" in request.where else "Jobs Eligible"
    return f"{which} in the time window from {told(request.start)} to {told(request.end)}"


def _field_names() -> list[str]:
    from ..format.sacct_fields import FIELDS

    return [field.name for field in FIELDS]


def _columns(names: Sequence[str], number: int = 4, width: int = 19) -> str:
    """`number` names a line, as --helpformat, --helpstate and --helpreason print them."""
    rows = (names[at : at + number] for at in range(0, len(names), number))
    return "".join(" ".join(f"{name:<{width}}" for name in row) + "\n" for row in rows)
