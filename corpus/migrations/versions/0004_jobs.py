"""Jobs that last: plans, workers, how and when a source is gone over, erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _of_run() -> list[sa.Column[object]]:
    return [
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("worker_id", sa.String(length=36), nullable=False, server_default=""),
        sa.Column("wanted", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("options", sa.Text(), nullable=False, server_default=""),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before", sa.DateTime(), nullable=True),
        sa.Column("unchanged", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("gone", sa.Integer(), nullable=False, server_default="0"),
    ]


def _of_run_file() -> list[sa.Column[object]]:
    return [
        sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("original", sa.String(length=64), nullable=True),
        sa.Column("version_id", sa.String(length=36), nullable=True),
    ]


def upgrade() -> None:
    """Make the tables and columns."""
    for column in _of_run():
        op.add_column("run", column)
    for column in _of_run_file():
        op.add_column("run_file", column)
    op.add_column(
        "known_file", sa.Column("seen_in", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_table(
        "worker",
        sa.Column("worker_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("beat_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker")),
    )
    op.create_table(
        "intake",
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("include", sa.Text(), nullable=False),
        sa.Column("exclude", sa.Text(), nullable=False),
        sa.Column("maximum_bytes", sa.BigInteger(), nullable=True),
        sa.Column("gone_share", sa.Float(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.source_id"], name=op.f("fk_intake_source_id")
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_intake")),
    )
    op.create_table(
        "erasure",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("places", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.document_id"], name=op.f("fk_erasure_document_id")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_step"), "erasure", ["step"])


def downgrade() -> None:
    """Remove them; files that were still to be read are found again by the next run."""
    op.drop_index(op.f("ix_erasure_step"), "erasure")
    for table in ("erasure", "intake", "worker"):
        op.drop_table(table)
    op.execute("DELETE FROM run_file WHERE outcome IN ('planned', 'recording')")
    op.drop_column("known_file", "seen_in")
    for column in _of_run_file():
        op.drop_column("run_file", column.name)
    for column in _of_run():
        op.drop_column("run", column.name)
