"""The table of endpoints: the routes, the OpenAPI document and the checks of a request all follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from slurmpy.data_parser.tables import Table

from . import (
    conditions,
    configuration,
    job_requests,
    partitions,
    reservations,
    slurmctld,
    slurmdbd,
    slurmdbd_changes,
    slurmdbd_diag,
    slurmdbd_jobs,
    util,
)
from .call import Call, Reply

Handler = Callable[[Call], Awaitable[Reply]]


class Endpoint:
    """``path`` stands below /FAMILY/VERSION; ``answer`` is the kind of the document that a success brings, ``body`` the
    type of the one that is sent; ``source`` is where messages about the request itself say they come from. It is in
    every version from ``since`` on, before ``until``. ``query`` are the parameters that its document names, ``reads``
    those that are looked at, where they are others."""

    __slots__ = (
        "answer", "body", "family", "handler", "method", "operation", "path", "query", "reads", "since", "source",
        "until",
    )  # fmt: skip
    flat = False  # whether it belongs to the documents before the data parsers (`flat_endpoints`)

    def __init__(
        self,
        family: str,
        method: str,
        path: str,
        operation: str,
        handler: Handler,
        answer: str,
        *,
        query: Table | None = None,
        reads: Table | None = None,
        body: str = "",
        source: str = "",
        since: str = "v0.0.40",
        until: str = "",
    ) -> None:
        self.family = family
        self.method = method
        self.path = path
        self.operation = operation
        self.handler = handler
        self.answer = answer
        self.query = query
        self.reads = reads or query
        self.body = body
        self.source = source or f"op_handler_{path.strip('/').split('/')[0]}"
        self.since = since
        self.until = until

    def serves(self, version: str) -> bool:
        return version >= self.since and (not self.until or version < self.until)

    def parameters(self, version: str) -> Table | None:
        """The query parameters that its document names in that version; None where there are none."""
        return None if self.query is None else conditions.of(self.query, version)

    def looked_at(self, version: str) -> Table | None:
        """The query parameters that a request of that version may have; None where none are looked at."""
        return None if self.reads is None else conditions.of(self.reads, version)


def _ctld(method: str, path: str, operation: str, handler: Handler, answer: str, **more: object) -> Endpoint:
    return Endpoint("slurm", method, path, operation, handler, answer, **more)  # type: ignore[arg-type]


def _dbd(method: str, path: str, operation: str, handler: Handler, answer: str, **more: object) -> Endpoint:
    return Endpoint("slurmdb", method, path, operation, handler, answer, **more)  # type: ignore[arg-type]


def _util(path: str, operation: str, handler: Handler, answer: str, body: str) -> Endpoint:
    return Endpoint("util", "POST", path, operation, handler, answer, body=body, since="v0.0.44")


C, D, W, R, J, P = slurmctld, slurmdbd, slurmdbd_changes, reservations, job_requests, partitions
PAST = slurmdbd_jobs
Q = conditions

ENDPOINTS: tuple[Endpoint, ...] = (
    _ctld("GET", "/shares", "get_shares", C.get_shares, "shares", query=Q.SHARES),
    _ctld("GET", "/reconfigure/", "get_reconfigure", C.get_reconfigure, "none"),
    _ctld("GET", "/diag/", "get_diag", C.get_diag, "diag"),
    _ctld("GET", "/ping/", "get_ping", C.get_ping, "pings"),
    _ctld("GET", "/licenses/", "get_licenses", C.get_licenses, "licenses"),
    _ctld("DELETE", "/jobs/", "delete_jobs", C.delete_jobs, "kill_jobs", body="kill_jobs_msg"),
    _ctld("GET", "/jobs/", "get_jobs", C.get_jobs, "jobs", query=Q.JOB_INFO),
    _ctld("GET", "/jobs/state/", "get_jobs_state", C.get_jobs_state, "job_states", query=Q.JOB_STATES),
    _ctld("POST", "/job/submit", "post_job_submit", C.submit_job, "submit", body="job_submit_req"),
    _ctld(
        "POST", "/job/allocate", "post_job_allocate", C.allocate_job, "allocate", body="job_alloc_req",
        since="v0.0.41",
    ),
    _ctld("GET", "/job/{job_id}", "get_job", C.get_job, "jobs", query=Q.JOB_INFO),
    _ctld("POST", "/job/{job_id}", "post_job", C.update_job, "update", body="job_desc_msg"),
    _ctld("DELETE", "/job/{job_id}", "delete_job", C.delete_job, "kill_job", query=Q.KILL_JOB),
    _ctld(
        "GET", "/job/{job_id}/requeue", "get_job_requeue", J.get_requeue, "job_requeued", query=Q.REQUEUE,
        source="op_handler_job_requeue", since="v0.0.45",
    ),
    _ctld(
        "POST", "/jobs/requeue", "post_jobs_requeue", J.post_requeue, "jobs_requeued",
        body="openapi_jobs_requeue_query", source="op_handler_jobs_requeue", since="v0.0.45",
    ),
    _ctld("GET", "/conf", "get_conf", configuration.get_conf, "conf", query=Q.CONF, since="v0.0.45"),
    _ctld("GET", "/nodes/", "get_nodes", C.get_nodes, "nodes", query=Q.NODES),
    _ctld("POST", "/nodes/", "post_nodes", C.update_node, "none", body="update_node_msg"),
    _ctld("GET", "/node/{node_name}", "get_node", C.get_node, "nodes", query=Q.NODES),
    _ctld("POST", "/node/{node_name}", "post_node", C.update_node, "none", body="update_node_msg"),
    _ctld("DELETE", "/node/{node_name}", "delete_node", C.delete_node, "none"),
    _ctld(
        "POST", "/new/node/", "post_new_node", C.create_node, "none", body="openapi_create_node_req", since="v0.0.44",
    ),
    _ctld(
        "GET", "/resources/{job_id}", "get_resources", J.get_resources, "resources", since="v0.0.44",
    ),
    _ctld("GET", "/partitions/", "get_partitions", C.get_partitions, "partitions", query=Q.PARTITIONS),
    _ctld("GET", "/partition/{partition_name}", "get_partition", C.get_partition, "partitions", query=Q.PARTITIONS),
    _ctld(
        "POST", "/partitions/", "post_partitions", P.post_partitions, "none", body="openapi_partitions_mod_req",
        since="v0.0.45",
    ),
    _ctld(
        "DELETE", "/partition/{partition_name}", "delete_partition", P.delete_partition, "none", since="v0.0.45",
    ),
    _ctld("GET", "/reservations/", "get_reservations", C.get_reservations, "reservations", query=Q.RESERVATIONS),
    _ctld(
        "GET", "/reservation/{reservation_name}", "get_reservation", C.get_reservation, "reservations",
        query=Q.RESERVATIONS,
    ),
    _ctld(
        "DELETE", "/reservation/{reservation_name}", "delete_reservation", R.delete_reservation, "none",
        since="v0.0.43",
    ),
    _ctld(
        "POST", "/reservation", "post_reservation", R.post_reservation, "reservations_changed",
        body="reservation_desc_msg", since="v0.0.43",
    ),
    _ctld(
        "POST", "/reservations/", "post_reservations", R.post_reservations, "reservations_changed",
        body="reservation_mod_req", since="v0.0.43",
    ),
    _dbd("POST", "/accounts/", "post_accounts", W.post_accounts, "none", body="openapi_accounts_resp"),
    _dbd("GET", "/accounts/", "get_accounts", D.get_accounts, "accounts", query=Q.ACCOUNTS),
    _dbd("GET", "/account/{account_name}", "get_account", D.get_account, "accounts", query=Q.ACCOUNT),
    _dbd("DELETE", "/account/{account_name}", "delete_account", W.delete_account, "accounts_removed"),
    _dbd("GET", "/users/", "get_users", D.get_users, "users", query=Q.USERS),
    _dbd("POST", "/users/", "post_users", W.post_users, "none", body="openapi_users_resp"),
    _dbd("GET", "/user/{name}", "get_user", D.get_user, "users", query=Q.USER),
    _dbd("DELETE", "/user/{name}", "delete_user", W.delete_user, "none"),
    _dbd("POST", "/associations/", "post_associations", W.post_associations, "none", body="openapi_assocs_resp"),
    _dbd("GET", "/associations/", "get_associations", D.get_associations, "associations", query=Q.ASSOCIATIONS),
    _dbd(
        "DELETE", "/associations/", "delete_associations", W.delete_associations, "associations_removed",
        query=Q.ASSOCIATIONS,
    ),
    _dbd("GET", "/association/", "get_association", D.get_association, "associations", query=Q.ASSOCIATIONS),
    _dbd(
        "DELETE", "/association/", "delete_association", W.delete_association, "associations_removed",
        query=Q.ASSOCIATIONS,
    ),
    _dbd("GET", "/qos/", "get_qos", D.get_qos, "qos", query=Q.QOS),
    _dbd("POST", "/qos/", "post_qos", W.post_qos, "none", query=Q.QOS, body="openapi_slurmdbd_qos_resp"),
    _dbd("GET", "/qos/{qos}", "get_single_qos", D.get_single_qos, "qos", query=Q.ONE_QOS),
    _dbd("DELETE", "/qos/{qos}", "delete_single_qos", W.delete_qos, "qos_removed"),
    _dbd("GET", "/clusters/", "get_clusters", D.get_clusters, "clusters", query=Q.CLUSTERS, reads=Q.CLUSTERS_READ),
    _dbd(
        "POST", "/clusters/", "post_clusters", W.post_clusters, "none", query=Q.CLUSTERS, body="openapi_clusters_resp",
    ),
    _dbd("GET", "/cluster/{cluster_name}", "get_cluster", D.get_cluster, "clusters", query=Q.CLUSTER),
    _dbd("DELETE", "/cluster/{cluster_name}", "delete_cluster", W.delete_cluster, "clusters_removed", query=Q.CLUSTER),
    _dbd("GET", "/wckeys/", "get_wckeys", D.get_wckeys, "wckeys", query=Q.WCKEYS),
    _dbd("POST", "/wckeys/", "post_wckeys", W.post_wckeys, "none", query=Q.WCKEYS, body="openapi_wckey_resp"),
    _dbd("GET", "/wckey/{id}", "get_wckey", D.get_wckey, "wckeys"),
    _dbd("DELETE", "/wckey/{id}", "delete_wckey", W.delete_wckey, "wckeys_removed"),
    _dbd("GET", "/tres/", "get_tres", D.get_tres, "tres"),
    _dbd("POST", "/tres/", "post_tres", D.post_tres, "none", body="openapi_tres_resp"),
    _dbd("GET", "/instance/", "get_instance", D.get_instances, "instances", query=Q.INSTANCES),
    _dbd("GET", "/instances/", "get_instances", D.get_instances, "instances", query=Q.INSTANCES),
    _dbd(
        "POST", "/accounts_association/", "post_accounts_association", W.post_accounts_association, "accounts_added",
        body="openapi_accounts_add_cond_resp",
    ),
    _dbd(
        "POST", "/users_association/", "post_users_association", W.post_users_association, "users_added",
        query=Q.JOB_INFO, body="openapi_users_add_cond_resp",
    ),
    _dbd("POST", "/config", "post_config", W.post_config, "none", body="openapi_slurmdbd_config_resp"),
    _dbd("GET", "/conf", "get_conf", configuration.get_slurmdbd_conf, "slurmdbd_conf", since="v0.0.45"),
    _dbd("GET", "/config", "get_config", D.get_config, "config"),
    _dbd("GET", "/job/{job_id}", "get_job", PAST.get_job, "slurmdb_jobs"),
    _dbd("GET", "/jobs/", "get_jobs", PAST.get_jobs, "slurmdb_jobs", query=Q.JOBS, reads=Q.JOBS_READ),
    _dbd("POST", "/job/{job_id}", "post_job", J.post_job, "jobs_modified", body="job_modify", since="v0.0.44"),
    _dbd(
        "POST", "/jobs/", "post_jobs", J.post_jobs, "jobs_modified", body="openapi_job_modify_req", since="v0.0.44",
    ),
    _dbd("GET", "/diag/", "get_diag", slurmdbd_diag.get_diag, "slurmdb_diag"),
    _dbd("GET", "/ping/", "get_ping", slurmdbd_diag.get_ping, "slurmdb_pings", since="v0.0.42"),
    _util("/hostlist", "post_hostlist", util.post_hostlist, "hostlist", "openapi_hostnames_req_resp"),
    _util("/hostnames", "post_hostnames", util.post_hostnames, "hostnames", "openapi_hostlist_req_resp"),
)  # fmt: skip
