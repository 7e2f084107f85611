"""The first released layout, frozen: the tables that a database of schema 1 has.

A column is written as ``name:kind``; a question mark behind the kind lets it be NULL.
"""

from slurmpy.accounting.migrations.steps import add_index, add_table

revision = "0001"
down_revision = None

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "accounts": (
        """
        name:key description:text organization:text flags:text creation_time:number
        """,
        ("name",),
    ),
    "associations": (
        """
        id:number cluster:key account:text user:text partition:text parent_account:text is_default:flag
        shares_raw:number priority:number? comment:text flags:text default_qos:text qos_own:text delta_qos:text
        grp_jobs:number? grp_jobs_accrue:number? grp_submit_jobs:number? grp_tres:text grp_tres_mins:text
        grp_tres_run_mins:text grp_wall:number? max_jobs:number? max_jobs_accrue:number? max_submit_jobs:number?
        max_tres_mins_per_job:text max_tres_per_job:text max_tres_per_node:text max_wall_duration_per_job:number?
        min_prio_threshold:number? creation_time:number
        """,
        ("cluster", "id"),
    ),
    "clusters": (
        """
        id:number name:key control_host:text control_port:number rpc_version:number classification:text
        flags:text nodes:text node_count:number tres:text federation:text fed_id:number fed_state:text
        features:text select_plugin:text creation_time:number
        """,
        ("name",),
    ),
    "coordinators": (
        """
        account:key user:key
        """,
        ("account", "user"),
    ),
    "events": (
        """
        cluster:key node:key cluster_nodes:text start_time:number end_time:number state:number reason:text
        user_id:number? user_name:text tres:text
        """,
        ("cluster", "node", "start_time", "state"),
    ),
    "federations": (
        """
        name:key flags:text
        """,
        ("name",),
    ),
    "job_files": (
        """
        job_index:number script:long environment:long
        """,
        ("job_index",),
    ),
    "jobs": (
        """
        db_index:number cluster:key job_id:number submit_time:number name:text user_id:number user_name:text
        group_id:number group_name:text account:text association_id:number partition:text qos:text qosreq:text
        wckey:text wckey_id:number comment:text admin_comment:text system_comment:text extra:text mcs_label:text
        container:text block:text array_job_id:number array_task_id:number? array_task_string:text
        array_max_tasks:number het_job_id:number het_job_offset:number? job_state:number state_reason:text
        exit_code:number derived_exit_code:number kill_request_user:text kill_request_user_id:number?
        failed_node:text flags:text restart_cnt:number priority:number? eligible_time:number start_time:number
        end_time:number time_limit:number? required_cpus:number required_memory_per_cpu:number?
        required_memory_per_node:number? tres_requested:text tres_allocated:text allocation_nodes:number
        nodes:text used_gres:text constraints:text licenses:text reservation_id:number reservation_name:text
        current_working_directory:text standard_input:text standard_output:text standard_error:text
        submit_line:text alloc_cpus:small
        """,
        ("db_index",),
    ),
    "qos": (
        """
        id:number name:text description:text flags:text priority:number grace_time:number preempt:text
        preempt_mode:text preempt_exempt_time:number? usage_factor:real usage_threshold:real? limit_factor:real?
        grp_jobs:number? grp_jobs_accrue:number? grp_submit_jobs:number? grp_tres:text grp_tres_mins:text
        grp_tres_run_mins:text grp_wall:number? max_jobs_per_account:number? max_jobs_per_user:number?
        max_jobs_accrue_per_account:number? max_jobs_accrue_per_user:number? max_submit_jobs_per_account:number?
        max_submit_jobs_per_user:number? max_tres_mins_per_job:text max_tres_run_mins_per_account:text
        max_tres_run_mins_per_user:text max_tres_per_account:text max_tres_per_job:text max_tres_per_node:text
        max_tres_per_user:text max_wall_duration_per_job:number? min_prio_threshold:number? min_tres_per_job:text
        creation_time:number
        """,
        ("id",),
    ),
    "reservations": (
        """
        cluster:key id:number name:text associations:text flags:text nodes:text tres:text start_time:number
        end_time:number unused_wall:real comment:text
        """,
        ("cluster", "id", "start_time"),
    ),
    "resources": (
        """
        id:number name:text server:text server_type:text type:text description:text count:number allocated:number
        last_consumed:number flags:text clusters:text
        """,
        ("id",),
    ),
    "slurmpy_meta": (
        """
        name:key value:text?
        """,
        ("name",),
    ),
    "steps": (
        """
        db_index:number job_index:big step_id:number name:text job_state:number exit_code:number
        kill_request_user:text kill_request_user_id:number? start_time:number end_time:number time_limit:number?
        nodes:text node_count:number number_tasks:number distribution:text container:text submit_line:text
        current_working_directory:text standard_input:text standard_output:text standard_error:text
        tres_allocated:text cpu_frequency_minimum:number? cpu_frequency_maximum:number?
        cpu_frequency_governor:number? actual_cpu_frequency:number consumed_energy:number user_cpu_usec:number
        system_cpu_usec:number tres_usage_in_ave:text tres_usage_in_max:text tres_usage_in_max_node:text
        tres_usage_in_max_task:text tres_usage_in_min:text tres_usage_in_min_node:text
        tres_usage_in_min_task:text tres_usage_in_tot:text tres_usage_out_ave:text tres_usage_out_max:text
        tres_usage_out_max_node:text tres_usage_out_max_task:text tres_usage_out_min:text
        tres_usage_out_min_node:text tres_usage_out_min_task:text tres_usage_out_tot:text step_het_comp:big
        """,
        ("db_index",),
    ),
    "suspensions": (
        """
        job_index:big time_start:big time_end:big
        """,
        ("job_index", "time_start"),
    ),
    "transactions": (
        """
        id:number time:number action:text actor:text where:text info:text cluster:key
        """,
        ("id",),
    ),
    "tres": (
        """
        id:number type:text name:text
        """,
        ("id",),
    ),
    "usage": (
        """
        period:word cluster:key kind:word of:big state:word tres:big time_start:big seconds:big
        """,
        ("period", "cluster", "kind", "of", "state", "tres", "time_start"),
    ),
    "users": (
        """
        name:key administrator_level:text flags:text creation_time:number
        """,
        ("name",),
    ),
    "wckeys": (
        """
        id:number cluster:key user:text name:text is_default:flag creation_time:number
        """,
        ("cluster", "id"),
    ),
}

UNIQUE = {
    "jobs": ("job_id", "submit_time", "cluster"),
    "steps": ("job_index", "step_id", "step_het_comp"),
}

INDEXES = (
    ("jobs_by_end", "jobs", ("end_time",)),
    ("jobs_by_user", "jobs", ("user_id", "submit_time")),
    ("jobs_by_array", "jobs", ("array_job_id",)),
    ("jobs_by_het", "jobs", ("het_job_id",)),
    ("transactions_by_time", "transactions", ("time",)),
)

#: tables whose keys the database counts itself
COUNTED = ("jobs", "steps", "transactions")


def upgrade() -> None:
    for name, (columns, key) in TABLES.items():
        add_table(name, columns, key, UNIQUE.get(name, ()), name in COUNTED)
    for index, table, names in INDEXES:
        add_index(index, table, names)
