"""Locked accounts, and people and groups as directories name them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("accounts", sa.Column("disabled_at", sa.DateTime))
    op.add_column("accounts", sa.Column("disabled_by", sa.String(80)))
    op.create_table(
        "directory_people",
        sa.Column("origin", sa.String(80), primary_key=True),
        sa.Column("person_id", sa.String(200), primary_key=True),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("display", sa.String(200), nullable=False),
        sa.Column("active", sa.Integer, nullable=False),
        sa.Column("account_id", sa.String(36), sa.ForeignKey("accounts.account_id"), unique=True),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "directory_groups",
        sa.Column("origin", sa.String(80), primary_key=True),
        sa.Column("group_id", sa.String(200), primary_key=True),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "directory_members",
        sa.Column("origin", sa.String(80), primary_key=True),
        sa.Column("group_id", sa.String(200), primary_key=True),
        sa.Column("member_id", sa.String(200), primary_key=True),
    )
    op.create_table(
        "directory_runs",
        sa.Column("origin", sa.String(80), primary_key=True),
        sa.Column("finished_at", sa.DateTime, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("said", sa.Text, nullable=False),
    )
