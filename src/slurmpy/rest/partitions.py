"""Making, changing and deleting partitions, from v0.0.45 on."""

from __future__ import annotations

from typing import Any

from slurmpy.core.errors import SlurmError

from .call import Call, Reply

#: what may be said of a partition; all else that its document tells is worked out, or the nodes'
SETTABLE = (
    "state", "nodes", "alternate", "allow_alloc_nodes", "allow_accounts", "deny_accounts", "allow_groups", "allow_qos",
    "deny_qos", "qos", "default", "disable_root_jobs", "exclusive_user", "exclusive_topo", "hidden", "lln", "req_resv",
    "root_only", "power_down_on_idle", "default_time", "max_time", "over_time_limit", "grace_time", "min_nodes",
    "max_nodes", "max_cpus_per_node", "max_cpus_per_socket", "def_mem_per_cpu", "def_mem_per_node", "max_mem_per_cpu",
    "max_mem_per_node", "oversubscribe", "preempt_mode", "priority_job_factor", "priority_tier", "job_defaults",
    "billing_weights",
)  # fmt: skip


def _changes(asked: dict[str, Any]) -> dict[str, Any]:
    """What slurmctld is to change; what is not set stays as it is."""
    changes = {name: asked[name] for name in SETTABLE if asked.get(name) is not None}
    for kind in ("def", "max"):  # a limit by CPU and one by node put each other out of force
        per_cpu, per_node = f"{kind}_mem_per_cpu", f"{kind}_mem_per_node"
        if changes.get(per_cpu):
            changes[per_node] = None
        elif changes.get(per_node):
            changes[per_cpu] = None
    return changes


async def post_partitions(call: Call) -> Reply:
    """Each in its turn, up to the first that is refused; one whose name is new is made."""
    body = call.body("openapi_partitions_mod_req")
    wanted = body.get("partitions") or ()
    if not wanted and not call.context.errors:
        call.refuse('Populated "partitions" field is required', call.endpoint.source)
    if call.context.errors:
        return call.failed()
    for asked in wanted:
        name = str(asked.get("name") or "")
        verb = "update"
        try:
            if not name:
                raise SlurmError("ESLURM_INVALID_PARTITION_NAME")
            if not await call.exists("partitions", name):
                verb = "create"
            changes = _changes(asked)
            if verb == "create":
                changes = {"min_nodes": 1, **changes}
            await call.slurmctld.call(f"{verb}_partition", {"name": name, "changes": changes})
        except SlurmError as error:
            call.slurm_error(error, f"Failure to {verb} partition {name}".rstrip(), f"slurm_{verb}_partition()")
            break
    return call.failed()


async def delete_partition(call: Call) -> Reply:
    name = call.path["partition_name"]
    try:
        await call.slurmctld.call("delete_partition", {"name": name})
    except SlurmError as error:
        call.slurm_error(error, f"Failure to delete partition {name}", "slurm_delete_partition()")
    return call.failed()
