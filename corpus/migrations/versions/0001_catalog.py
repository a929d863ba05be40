"""The first schema: sources, documents, versions, chunks, access lists, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "access_list",
        sa.Column("access_list_id", sa.Integer(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("access_list_id", name=op.f("pk_access_list")),
        sa.UniqueConstraint("groups", name=op.f("uq_access_list_groups")),
    )
    op.create_table(
        "source",
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("removal", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source")),
        sa.UniqueConstraint("name", "removal", name=op.f("uq_source_name_removal")),
    )
    op.create_table(
        "access_list_group",
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("access_list_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["access_list_id"],
            ["access_list.access_list_id"],
            name=op.f("fk_access_list_group_access_list_id"),
        ),
        sa.PrimaryKeyConstraint("group_name", "access_list_id", name=op.f("pk_access_list_group")),
    )
    op.create_table(
        "document",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("access_list_id", sa.Integer(), nullable=False),
        sa.Column("access_indexed", sa.Boolean(), nullable=False),
        sa.Column("withdrawal", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["access_list_id"],
            ["access_list.access_list_id"],
            name=op.f("fk_document_access_list_id"),
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.source_id"], name=op.f("fk_document_source_id")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_document")),
        sa.UniqueConstraint(
            "source_id", "path", "withdrawal", name=op.f("uq_document_source_id_path_withdrawal")
        ),
    )
    op.create_index(
        op.f("ix_document_access_list_id"), "document", ["access_list_id"], unique=False
    )
    op.create_table(
        "run",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("queued_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("files_total", sa.Integer(), nullable=False),
        sa.Column("files_done", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("current", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.source_id"], name=op.f("fk_run_source_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_run_id")),
    )
    op.create_index(op.f("ix_run_state"), "run", ["state"], unique=False)
    op.create_table(
        "known_file",
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("original", sa.String(length=64), nullable=True),
        sa.Column("document_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.document_id"], name=op.f("fk_known_file_document_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.source_id"], name=op.f("fk_known_file_source_id")
        ),
        sa.PrimaryKeyConstraint("source_id", "path", name=op.f("pk_known_file")),
    )
    op.create_index(op.f("ix_known_file_document_id"), "known_file", ["document_id"], unique=False)
    op.create_table(
        "run_file",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_run_file_run_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_run_file")),
        sa.UniqueConstraint("run_id", "path", name=op.f("uq_run_file_run_id_path")),
    )
    op.create_table(
        "version",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("original", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=False),
        sa.Column("character_count", sa.Integer(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.document_id"], name=op.f("fk_version_document_id")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_version")),
        sa.UniqueConstraint("document_id", "number", name=op.f("uq_version_document_id_number")),
    )
    op.create_index(op.f("ix_version_state"), "version", ["state"], unique=False)
    op.create_index(
        "uq_version_live",
        "version",
        ["document_id"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "chunk",
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
            ["version_id"], ["version.version_id"], name=op.f("fk_chunk_version_id")
        ),
        sa.PrimaryKeyConstraint("chunk_id", name=op.f("pk_chunk")),
        sa.UniqueConstraint("version_id", "number", name=op.f("uq_chunk_version_id_number")),
    )
    op.create_table(
        "page",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("width", sa.Float(), nullable=False),
        sa.Column("height", sa.Float(), nullable=False),
        sa.Column("ocr_confidence", sa.Float(), nullable=True),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.version_id"], name=op.f("fk_page_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "number", name=op.f("pk_page")),
    )
    op.create_table(
        "version_text",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("blocks", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.version_id"], name=op.f("fk_version_text_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_version_text")),
    )


def downgrade() -> None:
    """Remove them, and everything in them."""
    op.drop_table("version_text")
    op.drop_table("page")
    op.drop_table("chunk")
    op.drop_table("version")
    op.drop_table("run_file")
    op.drop_table("known_file")
    op.drop_table("run")
    op.drop_table("document")
    op.drop_table("access_list_group")
    op.drop_table("source")
    op.drop_table("access_list")
