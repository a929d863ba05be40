"""Reading becomes a role of its own: whoever has an account today goes on reading."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.execute(
        "INSERT INTO account_roles (account_id, name) "
        "SELECT account_id, 'reader' FROM accounts WHERE removed_at IS NULL"
    )
