"""Second factors, the set-up code, and people whom an identity provider knows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("accounts", sa.Column("sample", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("strong", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("issuer", sa.String(500)))
    op.add_column("sessions", sa.Column("subject", sa.String(255)))
    op.add_column("sessions", sa.Column("provider_session", sa.String(255)))
    op.create_table(
        "second_factors",
        sa.Column("account_id", sa.String(36), _of_account(), primary_key=True),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("confirmed_at", sa.DateTime),
        sa.Column("last_step", sa.Integer, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", sa.String(36), _of_account(), primary_key=True),
        sa.Column("code_hash", sa.String(64), primary_key=True),
    )
    op.create_table(
        "set_up_codes",
        sa.Column("code_hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "provided_accounts",
        sa.Column("issuer", sa.String(500), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("account_id", sa.String(36), _of_account(), nullable=False, index=True),
    )
    op.create_table(
        "claimed_groups",
        sa.Column("account_id", sa.String(36), _of_account(), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
    )
    op.create_table(
        "provider_attempts",
        sa.Column("state_hash", sa.String(64), primary_key=True),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(100), nullable=False),
        sa.Column("verifier", sa.String(128), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "provider_logouts",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )


def _of_account() -> sa.ForeignKey:
    return sa.ForeignKey("accounts.account_id", ondelete="CASCADE")
