"""Shared conversations, questions asked again, feedback, and tokens for programs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("turns", sa.Column("superseded_by", sa.String(36)))
    op.create_table(
        "conversation_shares",
        sa.Column(
            "conversation_id",
            sa.String(36),
            _owned_by("conversations.conversation_id"),
            primary_key=True,
        ),
        sa.Column("person", sa.String(64), primary_key=True, index=True),
        sa.Column("shared_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("turn_id", sa.String(36), _owned_by("turns.turn_id"), primary_key=True),
        sa.Column("person", sa.String(64), primary_key=True),
        sa.Column("helpful", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("document_id", sa.String(36)),
        sa.Column("page", sa.Integer),
        sa.Column("given_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "api_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("token_id", sa.String(36), nullable=False, unique=True),
        sa.Column(
            "account_id",
            sa.String(36),
            _owned_by("accounts.account_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("used_at", sa.DateTime),
    )


def _owned_by(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")
