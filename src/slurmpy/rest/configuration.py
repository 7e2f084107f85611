"""What slurmctld and slurmdbd are configured to, from v0.0.45 on."""

from __future__ import annotations

from typing import Any

from slurmpy.core.errors import SlurmError
from slurmpy.data_parser import configuration

from .call import Call, Reply


async def get_conf(call: Call) -> Reply:
    since = call.query().get("update_time")
    rows: list[tuple[str, Any]] = []
    try:
        async for part in call.slurmctld.stream("query", {"what": "config"}):
            rows += [(name, value) for name, value in part.get("rows", ())]
    except SlurmError as error:
        call.slurm_error(error, "Unable to query configuration", "slurm_load_ctl_conf()")
        return call.failed()
    conf, meta = configuration.slurm_conf(rows)
    if since and meta["LastUpdate"] and since >= meta["LastUpdate"]:
        return Reply(304, None)
    return call.reply("conf", slurm_conf=conf, slurm_conf_meta=meta)


async def get_slurmdbd_conf(call: Call) -> Reply:
    try:
        answer = await call.slurmdbd.call("config", {})
    except SlurmError as error:
        call.slurm_error(error, f"{call.function('slurmdb_config_get')} failed", "_op_handler_conf")
        return call.failed()
    return call.reply("slurmdbd_conf", slurmdbd_conf=configuration.slurmdbd_conf(answer["rows"]))
