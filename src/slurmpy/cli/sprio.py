"""sprio: what the priorities of waiting jobs are made of."""

from __future__ import annotations

import os
import sys

from ..core.errors import SlurmError
from ..format import sprio as view
from ..format import table
from ..format.table import Context
from .errors import Stop, entry, fail, line, report, write
from .options.sprio import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster
    from .command import Parsed

    Write = Callable[[bytes], object]

NAME = "sprio"


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    out = write or _to_stdout
    if "helpformat" in parsed:
        out(view.help_text().encode())
        return 0
    operands = list(parsed.operands)
    jobs_text = parsed.get("jobs")
    if jobs_text is True:
        jobs_text = operands.pop(0) if operands else None
    if operands:
        raise Stop(1, out=COMMAND.usage_text(), err=line(NAME, f"Unrecognized option: {operands[0]}"))
    where = _where(parsed, jobs_text)
    if parsed.count("verbose"):
        out(_describe(parsed, jobs_text).encode())
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    clusters = parsed.get("cluster")
    if clusters is not None:
        from .clusters import check

        check(NAME, clusters, cluster)
    try:
        _print(parsed, cluster, where, out)
    except SlurmError as error:
        code = 255 if error.name.endswith("COMMUNICATIONS_CONNECTION_ERROR") else error.number & 0xFF
        raise Stop(code, err=f"Couldn't get priority factors from controller: {error.message}\n") from None
    return 0


def _print(parsed: Parsed, cluster: Cluster, where: dict[str, Any], out: Write) -> None:
    conf = cluster.conf
    if str(conf.PriorityType) != "priority/multifactor":
        fail(NAME, f"PriorityType is {conf.PriorityType}: only priorities of priority/multifactor have parts")
    weights = {name: int(getattr(conf, parameter) or 0) for name, parameter in view.WEIGHTS.items()}
    tres = getattr(conf, "PriorityWeightTRES", None) or ""

    def complain(message: str) -> None:
        report(NAME, message)

    spec = parsed.get("format")
    if spec is None:
        normal = parsed.flag("norm")
        if parsed.flag("long"):
            spec = view.LONG_NORMAL if normal else view.LONG
        else:
            spec = view.default(weights, bool(tres), normal, "user" in parsed)
    layout = table.parse_letters(spec, view.VIEW, complain, echo=False)
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    if parsed.flag("weights"):
        record = {"job_id": view.WEIGHTS_ROW, "site": 1, "tres": tres or "(null)"}
        record.update({f"{name}_weighted": weight for name, weight in weights.items()})
        record.update({f"{name}_factor": weight for name, weight in weights.items()})
        columns = tuple(dict.fromkeys((*record, *layout.fields)))
        rows = [tuple(record.get(name) for name in columns)]
    elif where.get("users") == ():
        columns, rows = layout.fields, []
    else:
        answer = cluster.query("priority", (), where)
        columns, rows = view.column_names(tuple(answer.columns)), list(answer.rows)
        partition = parsed.get("partition")
        if partition is not None:
            wanted, place = set(partition.split(",")), columns.index("partition")
            rows = [row for row in rows if row[place] in wanted]
        columns, rows = (*columns, "cluster_name"), [(*row, "") for row in rows]
    if not parsed.flag("noheader"):
        out(layout.header())
    rows = _sorted(parsed.get("sort") or "", columns, rows)
    for piece in layout.rows(columns, rows, Context()):
        out(piece)


def _sorted(keys: str, columns: Sequence[str], rows: list[Any]) -> list[Any]:
    if "job_id" in columns and rows and rows[0][columns.index("job_id")] != view.WEIGHTS_ROW:
        place = columns.index("job_id")
        rows = sorted(rows, key=lambda row: row[place])
    passes = []
    reverse = False
    for letter in keys:
        if letter in ",+":
            continue
        if letter == "-":
            reverse = True
            continue
        found = view.sort_key(letter)
        if found is None:
            fail(NAME, f"Invalid sort specification: {letter}")
        passes.append((columns.index(found[0]), found[1], reverse))
        reverse = False
    for place, key, turned in reversed(passes):
        rows = sorted(rows, key=lambda row, place=place, key=key: key(row[place]), reverse=turned)  # type: ignore[misc]
    return rows


def _where(parsed: Parsed, jobs: str | None) -> dict[str, Any]:
    where: dict[str, Any] = {}
    if jobs is not None:
        found = []
        for word in filter(None, jobs.split(",")):
            if not word[:1].isdigit():
                fail(NAME, f"Invalid job id: {word}")
            digits = len(word) - len(word.lstrip("0123456789"))
            found.append((int(word[:digits]), None, None))
        where["job_ids"] = tuple(found)
    if parsed.get("partition") is not None:
        where["partitions"] = tuple(parsed.get("partition").split(","))
    users = parsed.get("user")
    if users is not None:
        numbers = []
        for word in filter(None, users.split(",")):
            if word.isdigit():
                numbers.append(int(word))
                continue
            import pwd

            try:
                numbers.append(pwd.getpwnam(word).pw_uid)
            except KeyError:
                write(sys.stderr, line(NAME, f"Invalid user: {word}") + "\n")
        where["users"] = tuple(numbers)
    return where


def _describe(parsed: Parsed, jobs: str | None) -> str:
    rule = "-" * 29
    lines = (
        rule,
        f"format     = {parsed.get('format') or '(null)'}",
        f"job_flag   = {int('jobs' in parsed)}",
        f"jobs       = {jobs or '(null)'}",
        f"partition  = {parsed.get('partition') or '(null)'}",
        f"users      = {parsed.get('user') or '(null)'}",
        f"verbose    = {parsed.count('verbose')}",
        rule,
    )
    return "\n".join(lines) + "\n\n\n"


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
