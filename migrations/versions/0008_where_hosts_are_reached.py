"""Where hosts are reached

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-24 18:00:00.000000

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("processes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("address", sa.String(), nullable=True))


def downgrade():
    with op.batch_alter_table("processes", schema=None) as batch_op:
        batch_op.drop_column("address")
