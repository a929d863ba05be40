"""How each version was cut into chunks, and the chunks of those that were cut anew."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the column."""
    op.add_column(
        "version", sa.Column("cutting", sa.String(length=64), nullable=False, server_default="")
    )
    op.create_table(
        "past_chunk",
        sa.Column("chunk_id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("heading_path", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["version.version_id"],
            name=op.f("fk_past_chunk_version_id_version"),
        ),
        sa.PrimaryKeyConstraint("chunk_id", name=op.f("pk_past_chunk")),
    )
    op.create_index(op.f("ix_past_chunk_version_id"), "past_chunk", ["version_id"])
