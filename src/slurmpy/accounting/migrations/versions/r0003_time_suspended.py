"""A job keeps how long it was suspended when its stretches of suspension are purged before it is."""

from slurmpy.accounting.migrations.steps import add_column

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    add_column("jobs", "time_suspended:number", "0")
