"""Usage rolled up by the hour, the day and the month, and the indexes by which an hour finds what lies in it."""

from slurmpy.accounting.migrations.steps import add_index, add_table, drop_index, drop_table

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    add_table("usage_names", "id:number cluster:key account:text user_name:text wckey:text qos:text", ("id",))
    add_table(
        "usage_by_name",
        "period:small time_start:big name:big tres:key seconds:real",
        ("period", "time_start", "name", "tres"),
    )
    add_table(
        "usage_of_cluster",
        "period:small time_start:big cluster:key tres:key allocated:real down:real planned_down:real idle:real"
        " planned:real over:real reported:real",
        ("period", "time_start", "cluster", "tres"),
    )
    add_table(
        "usage_of_reservation",
        "time_start:big cluster:key id:big reservation_start:big unused:real",
        ("time_start", "cluster", "id", "reservation_start"),
    )
    add_table("rollup_marks", "id:number time_start:big time_end:big", ("id",))
    add_index("jobs_by_stretch", "jobs", ("end_time", "eligible_time"))
    drop_index("jobs_by_end", "jobs")
    add_index("suspensions_by_end", "suspensions", ("time_end",))
    add_index("events_by_end", "events", ("end_time", "start_time"))
    # the first release had a table for this and never wrote into it
    drop_table("usage")
