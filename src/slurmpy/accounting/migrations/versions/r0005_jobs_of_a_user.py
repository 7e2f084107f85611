"""A user's jobs by when they ended: what sacct asks for anybody who is no operator."""

from slurmpy.accounting.migrations.steps import add_index, drop_index

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    add_index("jobs_by_user_and_end", "jobs", ("user_id", "end_time"))
    drop_index("jobs_by_user", "jobs")
