"""Jobs of openQA instances

Revision ID: 0006
Revises: 0005

"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "openqa_instances",
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("process_id", sa.String(), nullable=False),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("url"),
    )
    op.create_table(
        "openqa_jobs",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("openqa_id", sa.Integer(), nullable=False),
        sa.Column("sealed_token", sa.String(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("ix_openqa_jobs_url", "openqa_jobs", ["url"])
    op.add_column("jobs", sa.Column("openqa_url", sa.String(), nullable=True))
    op.create_index("jobs_of_an_openqa_once", "jobs", ["openqa_url", "openqa_id"], unique=True)


def downgrade():
    op.drop_index("jobs_of_an_openqa_once", "jobs")
    with op.batch_alter_table("jobs", table_kwargs={"sqlite_autoincrement": True}) as jobs:
        jobs.drop_column("openqa_url")
    op.drop_table("openqa_jobs")
    op.drop_table("openqa_instances")
