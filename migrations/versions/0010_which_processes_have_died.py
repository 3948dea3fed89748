"""Which processes have died

Revision ID: 0010
Revises: 0009

"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("processes", sa.Column("incarnation", sa.String(), nullable=True))


def downgrade():
    op.drop_column("processes", "incarnation")
