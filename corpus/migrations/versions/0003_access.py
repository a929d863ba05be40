"""Access lists that allow and deny, nested groups, markings, rights of files, break-glass."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and write the lists of groups as they are written from now on."""
    _widen_lists()
    op.add_column(
        "source",
        sa.Column("rights", sa.String(length=16), nullable=False, server_default="declared"),
    )
    op.add_column("version", sa.Column("marking", sa.Text(), nullable=False, server_default=""))
    state = op.create_table(
        "access_state",
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_access_state")),
    )
    op.bulk_insert(state, [{"row": 1, "epoch": 1}])
    op.create_table(
        "access_entry",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.source_id"], name=op.f("fk_access_entry_source_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_access_entry")),
        sa.UniqueConstraint(
            "source_id",
            "path",
            "effect",
            "principal",
            "origin",
            name=op.f("uq_access_entry_source_id_path_effect_principal_origin"),
        ),
    )
    for name, columns, key in (
        ("source_owner", [sa.Column("principal", sa.Text(), nullable=False)], "principal"),
        (
            "marking_rule",
            [
                sa.Column("glob", sa.Text(), nullable=False),
                sa.Column("marking", sa.Text(), nullable=False),
            ],
            "glob",
        ),
        (
            "file_rights",
            [
                sa.Column("path", sa.Text(), nullable=False),
                sa.Column("entries", sa.Text(), nullable=False),
                sa.Column("unmapped", sa.Text(), nullable=False),
            ],
            "path",
        ),
    ):
        op.create_table(
            name,
            sa.Column("source_id", sa.String(length=36), nullable=False),
            *columns,
            sa.ForeignKeyConstraint(
                ["source_id"], ["source.source_id"], name=op.f(f"fk_{name}_source_id")
            ),
            sa.PrimaryKeyConstraint("source_id", key, name=op.f(f"pk_{name}")),
        )
    op.create_table(
        "known_identity",
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name=op.f("pk_known_identity")),
    )
    op.create_table(
        "group_member",
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("group_name", "member", "origin", name=op.f("pk_group_member")),
    )
    op.create_index("ix_group_member_member", "group_member", ["member"], unique=False)
    op.create_table(
        "clearance",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("marking", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("principal", name=op.f("pk_clearance")),
    )
    op.create_table(
        "break_glass",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.source_id"], name=op.f("fk_break_glass_source_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_break_glass")),
    )


def _widen_lists() -> None:
    # Renamed in place: SQLite would otherwise copy the table, which documents refer to.
    op.execute('ALTER TABLE access_list RENAME COLUMN "groups" TO entries')
    op.add_column("access_list", sa.Column("marking", sa.Text(), nullable=False, server_default=""))
    entry = op.create_table(
        "access_list_entry",
        sa.Column("access_list_id", sa.Integer(), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["access_list_id"],
            ["access_list.access_list_id"],
            name=op.f("fk_access_list_entry_access_list_id"),
        ),
        sa.PrimaryKeyConstraint(
            "access_list_id", "effect", "principal", name=op.f("pk_access_list_entry")
        ),
    )
    op.create_index(
        "ix_access_list_entry_principal", "access_list_entry", ["principal"], unique=False
    )
    connection = op.get_bind()
    lists = sa.table("access_list", sa.column("access_list_id"), sa.column("entries"))
    for list_id, text in connection.execute(sa.select(lists)).all():
        lines = [["allow", f"group:{name}", ""] for name in json.loads(text)]
        connection.execute(
            lists.update()
            .where(lists.c.access_list_id == list_id)
            .values(entries=json.dumps(["", sorted(lines)], ensure_ascii=True))
        )
        if lines:
            connection.execute(
                entry.insert(),
                [
                    {"access_list_id": list_id, "effect": effect, "principal": principal}
                    for effect, principal, _ in lines
                ],
            )
    op.drop_table("access_list_group")


def downgrade() -> None:
    """Refuse: lists that deny cannot be written as lists of groups without opening documents."""
    raise NotImplementedError("Restore a backup made before this schema.")
