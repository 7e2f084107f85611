"""v0.0.38 with dbv0.0.38, the newest that Slurm 22.05 serves."""

from __future__ import annotations

from .flat import accounts, cluster, documented, jobs, past_jobs, submissions
from .flat.envelopes import envelopes
from .flat.plugin import FlatPlugin
from .types import Type

VERSION = "v0.0.38"

#: the types that callers ask for by name
TYPES: tuple[Type, ...] = (
    jobs.JOB_INFO,
    cluster.NODE,
    cluster.PARTITION,
    cluster.RESERVATION,
    past_jobs.JOB,
    past_jobs.STEP,
    accounts.ACCOUNT,
    accounts.USER,
    accounts.ASSOCIATION,
    accounts.QOS,
    accounts.CLUSTER,
    accounts.WCKEY,
    accounts.TRES_RECORD,
    submissions.JOB_PROPERTIES,
)

#: type -> component of the OpenAPI document
COMPONENTS = {
    "job_info": "V_job_response_properties",
    "job_resources": "V_job_resources",
    "node_allocation": "V_node_allocation",
    "node": "V_node",
    "partition_info": "V_partition",
    "reservation_info": "V_reservation",
    "license": "V_license",
    "controller_ping": "V_ping",
    "diag_rpcm": "V_diag_rpcm",
    "diag_rpcu": "V_diag_rpcu",
    "job_properties": "V_job_properties",
    "meta": "V_meta",
    "error": "V_error",
    "job": "dbV_job",
    "step": "dbV_job_step",
    "job_exit_code": "dbV_job_exit_code",
    "account": "dbV_account",
    "user": "dbV_user",
    "assoc": "dbV_association",
    "assoc_short": "dbV_association_short_info",
    "coord": "dbV_coordinator_info",
    "cluster_rec": "dbV_cluster_info",
    "qos": "dbV_qos",
    "wckey": "dbV_wckey",
    "tres_list": "dbV_tres_list",
    "db_meta": "dbV_meta",
    "db_error": "dbV_error",
}


def plugin() -> FlatPlugin:
    made = FlatPlugin(VERSION, TYPES, envelopes(VERSION), COMPONENTS)
    made.described = documented.components(made.reference(cluster.STATISTICS), made.reference(accounts.STATISTICS))
    return made
