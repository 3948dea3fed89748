"""When jobs ended

Revision ID: 0009
Revises: 0008

"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("ix_jobs_ended_at", "jobs", ["ended_at"])


def downgrade():
    op.drop_index("ix_jobs_ended_at", "jobs")
