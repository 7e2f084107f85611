"""The components of the OpenAPI documents that describe whole bodies.

The releases wrote these by hand and not always as the bodies are: keys differ from those that are served ("qos" for
"QOS"), and what a deletion brings is not told. In names of components V stands for the version.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def array(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


TEXTS: Schema = {"type": "array", "items": {"type": "string"}}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties}


def _answer(family: str, properties: dict[str, Schema]) -> Schema:
    prefix = "dbV" if family == "db" else "V"
    return _object({"meta": ref("V_meta"), "errors": array(f"{prefix}_error"), **properties})


#: answer -> what it has besides meta and errors
_ANSWERS: dict[str, dict[str, Schema]] = {
    "V_jobs_response": {"jobs": array("V_job_response_properties")},
    "V_nodes_response": {"nodes": array("V_node")},
    "V_partitions_response": {"partitions": array("V_partition")},
    "V_reservations_response": {"reservations": array("V_reservation")},
    "V_pings": {"pings": array("V_ping")},
    "V_job_submission_response": {
        "job_id": {"type": "integer"},
        "step_id": {"type": "string"},
        "job_submit_user_msg": {"type": "string"},
    },
    "dbV_account_info": {"accounts": array("dbV_account")},
    "dbV_user_info": {"users": array("dbV_user")},
    "dbV_associations_info": {"associations": array("dbV_association")},
    "dbV_qos_info": {"qos": array("dbV_qos")},
    "dbV_wckey_info": {"wckeys": array("dbV_wckey")},
    "dbV_tres_info": {"tres": ref("dbV_tres_list")},
    "dbV_job_info": {"jobs": array("dbV_job")},
    "dbV_config_info": {
        "tres": array("dbV_tres_list"),
        "accounts": array("dbV_account"),
        "associations": array("dbV_association"),
        "users": array("dbV_user"),
        "qos": array("dbV_qos"),
        "wckeys": array("dbV_wckey"),
    },
    "dbV_response_associations_delete": {"removed_associations": TEXTS},
}
#: answers with nothing besides
_BARE = (
    "dbV_account_response", "dbV_config_response", "dbV_response_account_delete", "dbV_response_associations",
    "dbV_response_cluster_add", "dbV_response_cluster_delete", "dbV_response_qos", "dbV_response_qos_delete",
    "dbV_response_tres", "dbV_response_user_delete", "dbV_response_user_update", "dbV_response_wckey_add",
    "dbV_response_wckey_delete",
)  # fmt: skip

SIGNALS = (
    "HUP", "INT", "QUIT", "ABRT", "KILL", "ALRM", "TERM", "USR1", "USR2", "URG", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
)  # fmt: skip

#: what is sent, and what is part of both
_OTHERS: dict[str, Schema] = {
    "V_errors": array("V_error"),
    "dbV_errors": array("dbV_error"),
    "V_signal": {"type": "string", "format": "int32", "enum": list(SIGNALS)},
    "V_job_submission": {
        "properties": {
            "script": {"type": "string"},
            "job": ref("V_job_properties"),
            "jobs": array("V_job_properties"),
        },
        "required": ["script"],
    },
    "V_licenses": _object({"errors": array("V_error"), "licenses": array("V_license")}),
    "dbV_clusters_properties": _object({"clusters": ref("dbV_cluster_info")}),
    "dbV_tres_update": _object({"tres": ref("dbV_tres_list")}),
    "dbV_update_account": _object({"accounts": array("dbV_account")}),
    "dbV_update_users": _object({"users": array("dbV_user")}),
    "dbV_update_qos": _object({"qos": array("dbV_qos")}),
    "dbV_set_config": _object(
        {
            "clusters": array("dbV_clusters_properties"),
            "TRES": array("dbV_tres_list"),
            "accounts": array("dbV_update_account"),
            "users": array("dbV_user"),
            "qos": array("dbV_qos"),
            "wckeys": array("dbV_wckey"),
            "associations": array("dbV_association"),
        }
    ),
    "dbV_accounting": _object(
        {
            "allocated": {"type": "integer"},
            "id": {"type": "integer"},
            "start": {"type": "integer"},
            "TRES": ref("dbV_tres_list"),
        }
    ),
}


def components(statistics: Schema, slurmdb_statistics: Schema) -> dict[str, Schema]:
    """Those of v0.0.38, given how the statistics of slurmctld and slurmdbd look."""
    found = {name: _answer(name[:2], _ANSWERS.get(name, {})) for name in (*_ANSWERS, *_BARE)}
    found["V_diag"] = _answer("", {"statistics": statistics})
    diag = _answer("db", {"statistics": slurmdb_statistics})
    found["dbV_diag"] = {"properties": diag["properties"]}
    return found | _OTHERS


def versioned(schema: Any, version: str) -> Any:
    """With the version for V in the names of components."""
    if isinstance(schema, dict):
        return {
            key: value.replace("/V_", f"/{version}_").replace("/dbV_", f"/db{version}_")
            if key == "$ref" and isinstance(value, str)
            else versioned(value, version)
            for key, value in schema.items()
        }
    return [versioned(value, version) for value in schema] if isinstance(schema, list) else schema
