"""The endpoints under /util/: host lists put together and taken apart."""

from __future__ import annotations

from slurmpy.core import hostlist

from .call import Call, Reply


async def post_hostlist(call: Call) -> Reply:
    """The names as one expression."""
    names = call.body("openapi_hostnames_req_resp").get("hostnames")
    if names is None and not call.context.errors:
        call.refuse('Populated "hostnames" field is required', call.endpoint.source)
    return call.reply("hostlist", hostlist=names or "")


async def post_hostnames(call: Call) -> Reply:
    """The names that an expression stands for."""
    text = call.body("openapi_hostlist_req_resp").get("hostlist")
    if text is None and not call.context.errors:
        call.refuse('Populated "hostlist" field is required', call.endpoint.source)
    try:
        if text:
            hostlist.expand(text)
    except hostlist.HostlistError as error:
        call.refuse(f"Invalid host list: {error}", call.endpoint.source)
    return call.reply("hostnames", hostnames=text or "")
