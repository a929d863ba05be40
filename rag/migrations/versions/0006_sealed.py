"""Room for sealed secrets, and for what a provider wants to see again at a sign-out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("sessions", sa.Column("id_token", sa.Text))
    # SQLite keeps texts of any length, whatever its column says.
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(
            "second_factors", "secret", type_=sa.String(200), existing_type=sa.String(64)
        )
