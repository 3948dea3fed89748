"""Tell runs of one pool directory and job token apart by their start.

Revision ID: 0002
Revises: 0001

"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# 0001 left naming its constraint to the database: PostgreSQL chose this, SQLite none at all.
OLD = "jobs_host_pool_directory_token_hash_key"
COLUMNS = ["host", "pool_directory", "token_hash"]
BATCH = {
    "naming_convention": {"uq": "%(table_name)s_%(column_0_N_name)s_key"},
    "table_kwargs": {"sqlite_autoincrement": True},
}


def upgrade():
    with op.batch_alter_table("jobs", **BATCH) as jobs:
        jobs.drop_constraint(OLD, type_="unique")
        jobs.create_unique_constraint("jobs_each_run_once", [*COLUMNS, "started_at"])


def downgrade():
    with op.batch_alter_table("jobs", **BATCH) as jobs:
        jobs.drop_constraint("jobs_each_run_once", type_="unique")
        jobs.create_unique_constraint(OLD, COLUMNS)
