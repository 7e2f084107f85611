"""The bodies of the other requests: which jobs to kill, how to change a node, which accounts and users to add."""

from __future__ import annotations

from .controller_info import HOSTLIST_STRING
from .envelopes import ERRORS, META, WARNINGS
from .kinds import CSV, INT32, JOB_STATE, NODE_STATES, STRING_LIST, UINT32, WARN_FLAGS
from .lists import ListOf
from .slurmdb_accounts import ADMIN_LVL, QOS_STRING_ID_LIST
from .submissions import USER_ID
from .tables import Field as F
from .tables import Table
from .tres import TRES_TEXT
from .types import STRING

KILL_JOBS_MSG = Table(
    "kill_jobs_msg",
    dict,
    (
        F("account", STRING),
        F("flags", WARN_FLAGS),
        F("job_name", STRING),
        F("job_state", JOB_STATE),
        F("jobs", ListOf(STRING, "kill_jobs_msg_jobs_array")),
        F("nodes", HOSTLIST_STRING),
        F("partition", STRING),
        F("qos", STRING),
        F("reservation", STRING),
        F("signal", STRING),
        F("user_id", USER_ID),
        F("user_name", STRING),
        F("wckey", STRING),
    ),
    sparse=True,
)

UPDATE_NODE_MSG = Table(
    "update_node_msg",
    dict,
    (
        F("address", HOSTLIST_STRING),
        F("comment", STRING),
        F("cpu_bind", INT32),
        F("extra", STRING),
        F("features", CSV),
        F("features_act", CSV),
        F("gres", STRING),
        F("hostname", HOSTLIST_STRING),
        F("name", HOSTLIST_STRING),
        F("reason", STRING),
        F("reason_uid", USER_ID),
        F("resume_after", UINT32),
        F("state", NODE_STATES),
        F("weight", UINT32),
    ),
    sparse=True,
)

#: limits by their sacctmgr names in small letters; the values that an Association has
ASSOC_REC_SET = Table(
    "assoc_rec_set",
    dict,
    (
        F("comment", STRING),
        F("defaultqos", STRING, "default_qos"),
        F("grpjobs", UINT32, "grp_jobs"),
        F("grpjobsaccrue", UINT32, "grp_jobs_accrue"),
        F("grpsubmitjobs", UINT32, "grp_submit_jobs"),
        F("grptres", TRES_TEXT, "grp_tres"),
        F("grptresmins", TRES_TEXT, "grp_tres_mins"),
        F("grptresrunmins", TRES_TEXT, "grp_tres_run_mins"),
        F("grpwall", UINT32, "grp_wall"),
        F("maxjobs", UINT32, "max_jobs"),
        F("maxjobsaccrue", UINT32, "max_jobs_accrue"),
        F("maxsubmitjobs", UINT32, "max_submit_jobs"),
        F("maxtresminsperjob", TRES_TEXT, "max_tres_mins_per_job"),
        F("maxtresrunmins", TRES_TEXT, "max_tres_run_mins"),
        F("maxtresperjob", TRES_TEXT, "max_tres_per_job"),
        F("maxtrespernode", TRES_TEXT, "max_tres_per_node"),
        F("maxwalldurationperjob", UINT32, "max_wall_duration_per_job"),
        F("minpriothresh", UINT32, "min_prio_threshold"),
        F("parent", STRING, "parent_account"),
        F("priority", UINT32),
        F("qoslevel", QOS_STRING_ID_LIST, "qos"),
        F("fairshare", INT32, "shares_raw"),
    ),
    sparse=True,
)
ACCOUNT_SHORT = Table("account_short", dict, (F("description", STRING), F("organization", STRING)), sparse=True)
USER_SHORT = Table(
    "user_short",
    dict,
    (
        F("adminlevel", ADMIN_LVL, "administrator_level"),
        F("defaultaccount", STRING, "default_account"),
        F("defaultwckey", STRING, "default_wckey"),
    ),
    sparse=True,
)
ACCOUNTS_ADD_COND = Table(
    "accounts_add_cond",
    dict,
    (
        F("accounts", STRING_LIST, required=True),
        F("association", ASSOC_REC_SET),
        F("clusters", STRING_LIST),
    ),
    sparse=True,
)
USERS_ADD_COND = Table(
    "users_add_cond",
    dict,
    (
        F("accounts", STRING_LIST),
        F("association", ASSOC_REC_SET),
        F("clusters", STRING_LIST),
        F("partitions", STRING_LIST),
        F("users", STRING_LIST, required=True),
        F("wckeys", STRING_LIST),
    ),
    sparse=True,
)
_TAIL = (F("meta", META), F("errors", ERRORS), F("warnings", WARNINGS))
ACCOUNTS_ADD = Table(
    "openapi_accounts_add_cond_resp",
    dict,
    (F("association_condition", ACCOUNTS_ADD_COND), F("account", ACCOUNT_SHORT), *_TAIL),
    sparse=True,
)
USERS_ADD = Table(
    "openapi_users_add_cond_resp",
    dict,
    (
        F("association_condition", USERS_ADD_COND, required=True),
        F("user", USER_SHORT, required=True),
        *_TAIL,
    ),
    sparse=True,
)
