"""What is deleted is marked and kept."""

from slurmpy.accounting.migrations.steps import add_column

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for table in ("accounts", "associations", "clusters", "federations", "qos", "resources", "users", "wckeys"):
        add_column(table, "deleted:flag", "false")
    for table in ("federations", "resources"):
        add_column(table, "creation_time:number", "0")
