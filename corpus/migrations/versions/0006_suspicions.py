"""What in a chunk speaks to the machine; chunks cut before are as if nothing did."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to the chunks in use and to those that were cut anew since."""
    for table in ("chunk", "past_chunk"):
        op.add_column(table, sa.Column("suspicions", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Forget what was found."""
    for table in ("past_chunk", "chunk"):
        op.drop_column(table, "suspicions")
