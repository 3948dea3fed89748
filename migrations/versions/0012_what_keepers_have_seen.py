"""How much keepers have written into the timeline

Revision ID: 0012
Revises: 0011

"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade():
    # Processes of the version before begin sessions meanwhile.
    seen = sa.Column("seen", sa.Integer(), server_default="0", nullable=False)
    op.add_column("developer_sessions", seen)


def downgrade():
    op.drop_column("developer_sessions", "seen")
