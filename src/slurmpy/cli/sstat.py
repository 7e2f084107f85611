"""sstat: what running steps have used so far."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from ..core.ids import STEP_BATCH, STEP_EXTERN, step_name
from . import job_ids
from .errors import entry, fail, report
from .options.sstat import COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    from ..rpc.cluster import Cluster

    Write = Callable[[bytes], object]

NAME = "sstat"
_STEP_FIELDS = (
    "job_id", "step_id", "nodes", "number_tasks", "cpu_frequency_minimum", "cpu_frequency_maximum",
    "cpu_frequency_governor",
)  # fmt: skip


def main() -> NoReturn:
    entry(NAME, run)


def run(argv: Sequence[str], env: Mapping[str, str], cluster: Cluster | None = None, write: Write | None = None) -> int:
    """The command: `argv` without the program's name. With a `cluster` it asks that one; `write` takes the output."""
    parsed = COMMAND.parse(argv, env)
    out = write or _to_stdout
    from ..format import sstat, table

    if "helpformat" in parsed:
        out(sstat.help_text().encode())
        return 0
    texts = parsed.values("jobs")
    if not texts:
        fail(NAME, "You didn't give me any jobs to stat.")
    wanted = []
    for word in (word for text in texts for word in job_ids.split(text)):
        try:
            wanted.append(job_ids.parse(word))
        except ValueError:
            fail(NAME, f"Bad job/step specified: {word}", level="fatal")

    def unknown(name: str) -> None:
        fail(NAME, f'Invalid field requested: "{name}"')

    spec = parsed.get("format") or (sstat.PIDS if parsed.flag("pidformat") else sstat.DEFAULT)
    delimiter = "|" if parsed.flag("parsable") or parsed.flag("parsable2") else None
    trailing = parsed.flag("parsable") and not parsed.flag("parsable2")
    layout = table.parse_fields(spec, sstat.VIEW, unknown, delimiter, trailing)
    if not parsed.flag("noheader"):
        out(layout.header())
        if delimiter is None:
            out(layout.ruler())
    if cluster is None:
        from . import connect

        cluster = connect.cluster(NAME)
    context = sstat.context(parsed.flag("noconvert"))
    for one in wanted:
        for record in _steps(cluster, one, parsed.flag("allsteps")):
            row = tuple(record.get(name) for name in layout.fields)
            for piece in layout.rows(layout.fields, [row], context):
                out(piece)
    return 0


def _steps(cluster: Cluster, wanted: job_ids.JobId, every: bool) -> list[dict[str, Any]]:
    """The steps meant by one id, with their usage; what is wrong with one is told on standard error."""
    job = wanted.job_id
    try:
        where = {"job_ids": ((job, wanted.task, wanted.offset),)}
        known = cluster.query("jobs", ("job_id",), where).rows
        steps = [dict(zip(_STEP_FIELDS, row, strict=True)) for row in cluster.query("steps", _STEP_FIELDS, where).rows]
    except SlurmError:
        report(NAME, f"couldn't get steps for job {job}")
        return []
    if not known:
        report(NAME, f"couldn't get steps for job {job}")
        return []
    steps.sort(key=lambda step: (step["step_id"] != STEP_BATCH, step["step_id"]))
    if wanted.step is not None:
        steps = [step for step in steps if step["step_id"] == wanted.step]
    elif not every:
        ordinary = [step for step in steps if step["step_id"] < STEP_BATCH]
        steps = (ordinary or [step for step in steps if step["step_id"] != STEP_EXTERN])[:1]
    if not steps:
        report(NAME, f"No steps running for job {job}")
    return [record for step in steps if (record := _usage(cluster, step)) is not None]


def _usage(cluster: Cluster, step: dict[str, Any]) -> dict[str, Any] | None:
    from ..rpc.dbd_messages import merge_usage, usage_fields

    asked = {"job_id": step["job_id"], "step_id": step["step_id"]}
    usage: dict[str, Any] | None = None
    pids: list[int] = []
    try:
        nodes = dict(cluster.call("step_layout", {**asked, "job_id": str(step["job_id"])})["node_addresses"])
    except SlurmError:
        report(NAME, f"StepId={step['job_id']}.{step_name(step['step_id'])} not found running.")
        return None
    for name, address in nodes.items():
        try:
            part = cluster.node(name, address).call("step_stat", asked)
        except SlurmError as error:
            report(NAME, f"slurm_job_step_stat: there was an error with the request to {name} rc = {error.message}")
            which = f"StepId={step['job_id']}.{step_name(step['step_id'])}"
            report(NAME, f"problem getting step_layout for {which}: {error.message}")
            return None
        usage = merge_usage(usage, part["usage"])
        pids += part["pids"]
    record = {**step, **usage_fields(usage), "pids": tuple(pids), "actual_cpu_frequency": 0, "consumed_energy": 0}
    record["number_tasks"] = (usage or {}).get("tasks") or step["number_tasks"]
    return record


def _to_stdout(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
