"""The table of endpoints of v0.0.37 and v0.0.38: the routes, and what the OpenAPI document says of them."""

from __future__ import annotations

from typing import Any

from . import flat_changes, flat_slurmctld, flat_slurmdbd
from .endpoints import ENDPOINTS, Endpoint, Handler

TEXT = {"type": "string"}
SWITCH = {"type": "boolean"}
UPDATE_TIME = {"update_time": {"type": "integer", "format": "int64"}}
DELETED = {"with_deleted": SWITCH}
ASSOCIATION = dict.fromkeys(("cluster", "account", "user", "partition"), TEXT)
SIGNAL = {"signal": {"$ref": "#/components/schemas/V_signal"}}
JOBS: dict[str, Any] = {
    **dict.fromkeys(
        (
            "submit_time", "start_time", "end_time", "account", "association", "cluster", "constraints", "cpus_max",
            "cpus_min", "exit_code", "format", "group", "job_name", "nodes_max", "nodes_min", "partition", "qos",
            "reason", "reservation", "state", "step", "node", "wckey",
        ),
        TEXT,
    ),
    **dict.fromkeys(("skip_steps", "disable_wait_for_result"), SWITCH),
}  # fmt: skip


class FlatEndpoint(Endpoint):
    """One of the oldest versions. In the OpenAPI document ``told`` is the component that a success brings, "" for none;
    ``asked`` are the query parameters with their schemas, ``sent`` is the component of the body and whether there must
    be one; ``fails`` is what is said of failures: "errors", "nothing", or "500" for a status instead of a default."""

    __slots__ = ("asked", "fails", "sent", "told")
    flat = True

    def __init__(
        self,
        family: str,
        method: str,
        path: str,
        operation: str,
        handler: Handler,
        answer: str,
        *,
        told: str = "",
        asked: dict[str, Any] | None = None,
        sent: tuple[str, bool] | None = None,
        fails: str = "errors",
        since: str = "v0.0.37",
    ) -> None:
        super().__init__(family, method, path, operation, handler, answer, since=since, until="v0.0.39")
        self.told = told
        self.asked = asked or {}
        self.sent = sent
        self.fails = fails


def _ctld(method: str, path: str, operation: str, handler: Handler, answer: str, **more: Any) -> FlatEndpoint:
    return FlatEndpoint("slurm", method, path, operation, handler, answer, **more)


def _dbd(method: str, path: str, operation: str, handler: Handler, answer: str, **more: Any) -> FlatEndpoint:
    return FlatEndpoint("slurmdb", method, path, operation, handler, answer, **more)


C, D, W = flat_slurmctld, flat_slurmdbd, flat_changes

FLAT_ENDPOINTS: tuple[FlatEndpoint, ...] = (
    _ctld("GET", "/diag", "diag", C.get_diag, "diag", told="V_diag"),
    _ctld("GET", "/ping", "ping", C.get_ping, "pings", told="V_pings"),
    _ctld(
        "GET", "/licenses", "slurmctld_get_licenses", C.get_licenses, "licenses", told="V_licenses", fails="nothing",
        since="v0.0.38",
    ),
    _ctld("GET", "/jobs", "get_jobs", C.get_jobs, "jobs", told="V_jobs_response", asked=UPDATE_TIME),
    _ctld(
        "POST", "/job/submit", "submit_job", C.submit_job, "submit", told="V_job_submission_response",
        sent=("V_job_submission", True),
    ),
    _ctld("GET", "/job/{job_id}", "get_job", C.get_job, "jobs", told="V_jobs_response", fails="nothing"),
    _ctld(
        "POST", "/job/{job_id}", "update_job", C.update_job, "none", sent=("V_job_properties", True), fails="500",
    ),
    _ctld("DELETE", "/job/{job_id}", "cancel_job", C.delete_job, "none", asked=SIGNAL, fails="500"),
    _ctld("GET", "/nodes", "get_nodes", C.get_nodes, "nodes", told="V_nodes_response", asked=UPDATE_TIME),
    _ctld("GET", "/node/{node_name}", "get_node", C.get_node, "nodes", told="V_nodes_response"),
    _ctld(
        "GET", "/partitions", "get_partitions", C.get_partitions, "partitions", told="V_partitions_response",
        asked=UPDATE_TIME,
    ),
    _ctld(
        "GET", "/partition/{partition_name}", "get_partition", C.get_partition, "partitions",
        told="V_partitions_response", asked=UPDATE_TIME,
    ),
    _ctld(
        "GET", "/reservations", "get_reservations", C.get_reservations, "reservations",
        told="V_reservations_response", asked=UPDATE_TIME,
    ),
    _ctld(
        "GET", "/reservation/{reservation_name}", "get_reservation", C.get_reservation, "reservations",
        told="V_reservations_response", asked=UPDATE_TIME,
    ),
    _dbd("GET", "/accounts", "get_accounts", D.get_accounts, "accounts", told="dbV_account_info", asked=DELETED),
    _dbd(
        "GET", "/account/{account_name}", "get_account", D.get_account, "accounts", told="dbV_account_info",
        asked=DELETED,
    ),
    _dbd("GET", "/users", "get_users", D.get_users, "users", told="dbV_user_info", asked=DELETED),
    _dbd("GET", "/user/{user_name}", "get_user", D.get_user, "users", told="dbV_user_info", asked=DELETED),
    _dbd(
        "GET", "/associations", "get_associations", D.get_associations, "associations", told="dbV_associations_info",
        asked=ASSOCIATION,
    ),
    _dbd(
        "GET", "/association", "get_association", D.get_association, "associations", told="dbV_associations_info",
        asked=ASSOCIATION,
    ),
    _dbd("GET", "/qos", "get_qos", D.get_qos, "qos", told="dbV_qos_info", asked=DELETED),
    _dbd("GET", "/qos/{qos_name}", "get_single_qos", D.get_single_qos, "qos", told="dbV_qos_info", asked=DELETED),
    _dbd("GET", "/clusters", "get_clusters", D.get_clusters, "clusters", told="dbV_cluster_info"),
    _dbd("GET", "/cluster/{cluster_name}", "get_cluster", D.get_cluster, "clusters", told="dbV_cluster_info"),
    _dbd("GET", "/wckeys", "get_wckeys", D.get_wckeys, "wckeys", told="dbV_wckey_info"),
    _dbd("GET", "/wckey/{wckey}", "get_wckey", D.get_wckey, "wckeys", told="dbV_wckey_info"),
    _dbd("GET", "/tres", "get_tres", D.get_tres, "tres", told="dbV_tres_info", fails="nothing"),
    _dbd("GET", "/config", "get_config", D.get_config, "config", told="dbV_config_info"),
    _dbd("GET", "/job/{job_id}", "get_job", D.get_job, "slurmdb_jobs", told="dbV_job_info"),
    _dbd("GET", "/jobs", "get_jobs", D.get_jobs, "slurmdb_jobs", told="dbV_job_info", asked=JOBS),
    _dbd("GET", "/diag", "diag", D.get_diag, "slurmdb_diag", told="dbV_diag"),
    _dbd(
        "POST", "/accounts", "update_account", W.post_accounts, "slurmdb_none", told="dbV_account_response",
        sent=("dbV_update_account", True),
    ),
    _dbd(
        "DELETE", "/account/{account_name}", "delete_account", W.delete_account, "associations_removed",
        told="dbV_response_account_delete",
    ),
    _dbd(
        "POST", "/users", "update_users", W.post_users, "slurmdb_none", told="dbV_response_user_update",
        sent=("dbV_update_users", True),
    ),
    _dbd(
        "DELETE", "/user/{user_name}", "delete_user", W.delete_user, "users_removed",
        told="dbV_response_user_delete",
    ),
    _dbd(
        "POST", "/associations", "update_associations", W.post_associations, "slurmdb_none",
        told="dbV_response_associations", sent=("dbV_associations_info", True),
    ),
    _dbd(
        "DELETE", "/associations", "delete_associations", W.delete_associations, "associations_removed",
        told="dbV_response_associations_delete", asked=ASSOCIATION, since="v0.0.38",
    ),
    _dbd(
        "DELETE", "/association", "delete_association", W.delete_association, "associations_removed",
        told="dbV_response_associations_delete", asked=ASSOCIATION,
    ),
    _dbd(
        "POST", "/qos", "update_qos", W.post_qos, "slurmdb_none", told="dbV_response_qos",
        sent=("dbV_update_qos", True), since="v0.0.38",
    ),
    _dbd("DELETE", "/qos/{qos_name}", "delete_qos", W.delete_qos, "qos_removed", told="dbV_response_qos_delete"),
    _dbd(
        "POST", "/clusters", "add_clusters", W.post_clusters, "slurmdb_none", told="dbV_response_cluster_add",
        sent=("dbV_clusters_properties", True),
    ),
    _dbd(
        "DELETE", "/cluster/{cluster_name}", "delete_cluster", W.delete_cluster, "clusters_removed",
        told="dbV_response_cluster_delete",
    ),
    _dbd(
        "POST", "/wckeys", "add_wckeys", W.post_wckeys, "slurmdb_none", told="dbV_response_wckey_add",
        sent=("dbV_wckey_info", False),
    ),
    _dbd(
        "DELETE", "/wckey/{wckey}", "delete_wckey", W.delete_wckey, "wckeys_removed",
        told="dbV_response_wckey_delete",
    ),
    _dbd(
        "POST", "/tres", "update_tres", W.post_tres, "slurmdb_none", told="dbV_response_tres",
        sent=("dbV_tres_update", True),
    ),
    _dbd(
        "POST", "/config", "set_config", W.post_config, "slurmdb_none", told="dbV_config_response",
        sent=("dbV_set_config", False),
    ),
)  # fmt: skip
#: those of every version
ALL: tuple[Endpoint, ...] = (*ENDPOINTS, *FLAT_ENDPOINTS)
