"""Making, changing and deleting reservations, from v0.0.43 on."""

from __future__ import annotations

from typing import Any

from slurmpy.core.errors import SlurmError

from .call import Call, Reply

Wishes = dict[str, Any]


async def post_reservation(call: Call) -> Reply:
    return await _change(call, (call.body("reservation_desc_msg"),))


async def post_reservations(call: Call) -> Reply:
    """Each in its turn, up to the first that is refused; those before it stay, and are in the answer."""
    wanted = call.body("reservation_mod_req").get("reservations") or ()
    if not wanted:
        call.refuse('Populated "reservations" field is required', call.endpoint.source)
    return await _change(call, wanted)


async def _change(call: Call, wanted: tuple[Wishes, ...]) -> Reply:
    if call.context.errors:
        return call.reply("reservations_changed", reservations=())
    done: list[Wishes] = []
    for wishes in wanted:
        name = wishes.get("name") or ""
        exists = False
        try:
            exists = bool(name) and await call.exists("reservations", name)
            method = "update_reservation" if exists else "create_reservation"
            changes = {key: value for key, value in wishes.items() if key != "name" and value is not None}
            answer = await call.slurmctld.call(method, {"name": name, "changes": changes})
        except SlurmError as error:
            verb = "update" if exists else "create"
            call.slurm_error(error, f"Failure to {verb} reservation {name}".rstrip(), f"slurm_{verb}_reservation()")
            break
        done.append({**wishes, "name": answer["name"]})
    return call.reply("reservations_changed", reservations=tuple(done))


async def delete_reservation(call: Call) -> Reply:
    name = call.path["reservation_name"]
    try:
        await call.slurmctld.call("delete_reservation", {"name": name})
    except SlurmError as error:
        call.slurm_error(error, f"Failure to delete reservation {name}", "slurm_delete_reservation()")
    return call.failed()
