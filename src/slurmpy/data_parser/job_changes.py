"""What newer versions ask and tell of a job besides its own record: ids, changes in accounting, where it runs."""

from __future__ import annotations

from typing import Any

from slurmpy.core.records.job import JobInfo

from .controller_info import HOSTLIST_STRING
from .envelopes import envelope, listing
from .kinds import EXIT_CODE, INT32, INT64, STRING_LIST, UINT32
from .lists import ListOf
from .tables import Field as F
from .tables import Table
from .tres import TRES_TEXT
from .types import STRING

SLURM_STEP_ID = Table(
    "slurm_step_id",
    dict,
    (
        F("sluid", STRING),  # an id that newer releases give besides the number
        F("job_id", UINT32),
        F("step_het_component", UINT32),
        F("step_id", STRING),
    ),
)


def attached(name: str, path: str = "") -> F:
    """What another release's daemon tells of a thing and nothing here knows, at ``path`` (or ``name``): kept with a
    record that was read."""

    def get(record: Any) -> str:
        return getattr(record, f"_{name}", "")

    def put(values: dict[str, Any], value: str) -> None:
        values[f"_{name}"] = value

    return F(path or name, STRING, get=get, put=put)


def step_of(job: JobInfo) -> dict[str, Any]:
    return {"sluid": getattr(job, "_sluid", ""), "job_id": job.job_id, "step_id": "entire"}


def put_sluid(values: dict[str, Any], value: dict[str, Any]) -> None:
    """Of a job that another release's daemon tells of."""
    values["_sluid"] = value.get("sluid") or ""


def put_step(values: dict[str, Any], value: dict[str, Any]) -> None:
    """The job that is meant, in a request."""
    if value.get("sluid") or value.get("step_het_component") is not None:
        raise ValueError("Jobs are known by their job_id only")
    if value.get("step_id") not in (None, "", "entire"):
        raise ValueError(f'Step "{value["step_id"]}" is no job')
    if value.get("job_id"):
        values["job_id"] = value["job_id"]


#: ids as the commands take them: "12", "12_3", "12+1"
SELECTED_STEPS = ListOf(STRING, "selected_step_list")

#: what slurmdbd changes of a job of the past; the names are those of its request
JOB_MODIFY = Table(
    "job_modify",
    dict,
    (
        F("comment/administrator", STRING, "admin_comment"),
        F("comment/job", STRING, "comment"),
        F("comment/system", STRING, "system_comment"),
        F("derived_exit_code", EXIT_CODE),
        F("extra", STRING),
        F("tres/allocated", TRES_TEXT, "", unsupported=True),
        F("wckey", STRING),
    ),
    sparse=True,
)
JOB_MODIFY_REQ = Table(
    "openapi_job_modify_req",
    dict,
    (F("job_id_list", SELECTED_STEPS), F("job_rec", JOB_MODIFY), *envelope("").fields),
    sparse=True,
)
JOB_MODIFY_RESP = listing("openapi_job_modify_resp", "results", STRING_LIST)

GRES_LAYOUT = Table(
    "node_gres_layout",
    dict,
    (F("count", INT64), F("index", STRING), F("name", STRING, required=True), F("type", STRING)),
)
NODE_LAYOUT = Table(
    "node_resource_layout",
    dict,
    (
        F("node", STRING, required=True),
        F("sockets_per_node", INT32),
        F("cores_per_socket", INT32),
        F("mem_alloc", INT64),
        F("channel", UINT32),
        F("core_bitmap", STRING),
        F("gres", ListOf(GRES_LAYOUT, "node_gres_layout_list")),
    ),
)
RESOURCE_LAYOUT_RESP = listing(
    "openapi_resource_layout_resp", "nodes", ListOf(NODE_LAYOUT, "node_resource_layout_list")
)

CREATE_NODE_REQ = Table(
    "openapi_create_node_req", dict, (F("node_conf", STRING, required=True), *envelope("").fields), sparse=True
)

#: a host list as one text, and its names one by one: each is asked with the one and answered with the other
HOSTLIST = listing("openapi_hostlist_req_resp", "hostlist", STRING)
HOSTNAMES = listing("openapi_hostnames_req_resp", "hostnames", HOSTLIST_STRING)
