"""Since when the hosts of jobs are away

Revision ID: 0011
Revises: 0010

"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("jobs", sa.Column("away_since", sa.Double(), nullable=True))


def downgrade():
    op.drop_column("jobs", "away_since")
