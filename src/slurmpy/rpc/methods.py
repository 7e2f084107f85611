"""Every method of every daemon and who may call it: the one place where that is decided before a handler runs.

Roles: ``any`` (whoever is known), ``operator``, ``admin`` (AdminLevel in the accounts, root and SlurmUser always),
``slurm`` (root or SlurmUser) and ``node`` (root or SlurmUser too: the daemons themselves). What depends on the object,
such as the owner of a job, is checked after that (`slurmpy.controller.permissions`, `slurmpy.node.service`).
"""

from __future__ import annotations

ANY, OPERATOR, ADMIN, SLURM, NODE = "any", "operator", "admin", "slurm", "node"

_NOT_ADMIN = ("ESLURM_USER_ID_MISSING", None)
_NOT_PERMITTED = ("ESLURM_ACCESS_DENIED", "Permission denied")
#: how a method refuses whose role is missing (error, text), if slurmctld does not say "Access/permission denied"
REFUSALS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("shutdown", "reconfigure", "takeover"), _NOT_ADMIN),
    **dict.fromkeys(("update_node", "create_node", "delete_node"), _NOT_ADMIN),
    **dict.fromkeys(("create_partition", "update_partition", "delete_partition"), _NOT_ADMIN),
    **dict.fromkeys(
        ("set_debug_level", "set_debug_flags", "set_schedlog_level", "set_fs_dampening_factor", "reboot_nodes"),
        _NOT_PERMITTED,
    ),
}

#: methods that every daemon has
COMMON: dict[str, str] = {"ping": ANY, "shutdown": SLURM, "reconfigure": SLURM, "sign_hello": ANY}

SLURMCTLD: dict[str, str] = {
    **COMMON,
    "shutdown": ADMIN,
    "reconfigure": ADMIN,
    # reading
    "query": ANY,
    "dump": ANY,
    "batch_script": ANY,
    "job_environment": ANY,
    "job_ready": ANY,
    "wait_job": ANY,
    "will_run": ANY,
    "lookup_allocation": ANY,
    "step_layout": ANY,
    # jobs and steps
    "submit_batch_job": ANY,
    "allocate_resources": ANY,
    "complete_allocation": ANY,
    "create_step": ANY,
    "update_step": ANY,
    "kill_job": ANY,
    "kill_jobs": ANY,
    "kill_step": ANY,
    "update_job": ANY,
    "hold": ANY,
    "release": ANY,
    "suspend": ANY,
    "resume": ANY,
    "requeue": ANY,
    "top_job": ANY,
    "notify_job": ANY,
    "crontab": ANY,
    "update_crontab": ANY,
    "delete_crontab": ANY,
    "token": ANY,
    # the cluster
    "update_node": ADMIN,
    "create_node": ADMIN,
    "delete_node": ADMIN,
    "create_partition": ADMIN,
    "update_partition": ADMIN,
    "delete_partition": ADMIN,
    "create_reservation": ANY,
    "update_reservation": ANY,
    "delete_reservation": ANY,
    "reboot_nodes": ADMIN,
    "takeover": ADMIN,
    "set_debug_level": ADMIN,
    "set_debug_flags": ADMIN,
    "set_schedlog_level": ADMIN,
    "reset_stats": OPERATOR,
    "reset_usage": ADMIN,
    "set_fs_dampening_factor": ADMIN,
    # from the nodes
    "register_node": NODE,
    "node_ping": NODE,
    "complete_batch_job": NODE,
    "step_complete": NODE,
    "epilog_complete": NODE,
}

SLURMD: dict[str, str] = {
    **COMMON,
    "launch_batch_job": SLURM,
    "launch_tasks": ANY,  # with a credential of slurmctld's
    "signal_step": ANY,  # the job's owner
    "signal_job": SLURM,
    "terminate_job": SLURM,
    "terminate_step": SLURM,
    "many": SLURM,
    "suspend_job": SLURM,
    "resume_job": SLURM,
    "step_stat": ANY,
    "list_pids": ANY,
    "notify_job": SLURM,
    "node_status": ANY,
}
