"""squeue's columns of job steps (-s)."""

from __future__ import annotations

from . import squeue_text as text
from .registry import View
from .table import Column

COLUMNS = (
    Column("ArrayJobId", "ARRAY_JOB_ID", "array_job_id"),
    Column("ArrayTaskId", "ARRAY_TASK_ID", "array_task_id", text.number_or_na),
    Column("Cluster", "CLUSTER", "cluster", text.or_null),
    Column("Container", "CONTAINER", "container", text.or_null),
    Column("ContainerId", "CONTAINERID", "container_id", text.or_null),
    Column(
        "CPUFreq", "CPU_FREQ", "cpu_frequency_minimum cpu_frequency_maximum cpu_frequency_governor", text.cpu_frequency
    ),
    Column("cpus-per-tres", "CPUS_PER_TRES", "cpus_per_tres", text.or_null),
    Column("JobId", "JOB_ID", "job_id"),
    Column("mem-per-tres", "MEM_PER_TRES", "memory_per_tres", text.or_null),
    Column("Network", "NETWORK", "network", text.or_null),
    Column("Nodes", "NODELIST", "nodes", letter="N"),
    Column("NumCPUs", "NUM_CPUS", "number_cpus"),
    Column("NumTasks", "TASKS", "number_tasks", letter="A"),
    Column("Partition", "PARTITION", "partition", letter="P"),
    Column("StartTime", "START_TIME", "start_time", text.moment, letter="S"),
    Column("StepID", "STEPID", "job_id array_job_id array_task_id step_id", text.step_id, letter="i"),
    Column("StepName", "NAME", "name", letter="j"),
    Column("StepState", "STATE", "state", text.state),
    Column("TimeLimit", "TIME_LIMIT", "time_limit", text.minutes, letter="l"),
    Column("TimeUsed", "TIME", "state start_time run_time resume_time", text.step_time, letter="M"),
    Column("tres-bind", "TRES_BIND", "tres_bind", text.or_null),
    Column("tres-freq", "TRES_FREQ", "tres_freq", text.or_null),
    Column("tres-per-job", "TRES_PER_STEP", "tres_per_step", text.or_null),
    # Slurm heads the resources per node with the words «per job», and so do we.
    Column("tres-per-node", "TRES_PER_JOB", "tres_per_node", text.or_null, letter="b"),
    Column("tres-per-socket", "TRES_PER_SOCKET", "tres_per_socket", text.or_null),
    Column("tres-per-step", "TRES_PER_STEP", "tres_per_step", text.or_null),
    Column("tres-per-task", "TRES_PER_TASK", "tres_per_task", text.or_null),
    Column("UserId", "UID", "user_id", letter="U"),
    Column("UserName", "USER", "user_name", letter="u"),
)

_UNKNOWN = "Invalid job step format specification: {}"
VIEW = View("squeue -s", COLUMNS, unknown_letter=_UNKNOWN, unknown_name=_UNKNOWN)

DEFAULT = "%.15i %.8j %.9P %.8u %.9M %N"
