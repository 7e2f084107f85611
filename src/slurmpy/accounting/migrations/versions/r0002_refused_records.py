"""A place for records of a slurmctld that no database takes, with the reason."""

from slurmpy.accounting.migrations.steps import add_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    columns = "id:number cluster:text source:text number:big time:big reason:text item:long"
    add_table("refused_records", columns, ("id",), counted=True)
