"""Take over a record that was written before payloads were encrypted and a tree grew over it.

The lines of the entries are kept as they are, so every leaf hash is what it was; the tree is
grown over them, and the payloads are encrypted and their plain form overwritten.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from audit.canonical import moment
from audit.errors import RecordDamaged
from audit.keys import HOUSE, PayloadKeys
from audit.sealing import documents_of
from audit.sqlite_store import SqliteStore, document_table, key_table, payload_table, tile_table
from audit.store import period_of
from audit.tree import GrowingTree

PAGE = 500


def is_earlier_form(store: SqliteStore) -> bool:
    """Say whether a file holds plain payloads."""
    with store.translated(), store.engine.connect() as connection:
        return "salt" in _columns(connection, "audit_payload")


def bring_up_to_date(store: SqliteStore, keys: PayloadKeys) -> None:
    """Give a record of the earlier form the present one: all of it, or nothing.

    Raises:
        AuditUnavailable: The file cannot be written.
        RecordDamaged: An entry cannot be read; nothing was changed.
    """
    with store.translated(), store.write_connection() as connection, connection.begin():
        _make_room(connection)
        store.make_tables_with(connection)
        _take_over(connection, keys)
        connection.execute(text("DROP TABLE audit_payload_plain"))
        store.make_triggers_with(connection)
    with store.translated(), store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _make_room(connection: Connection) -> None:
    triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    for trigger in triggers.scalars().all():
        connection.exec_driver_sql(f'DROP TRIGGER "{trigger}"')
    connection.exec_driver_sql("ALTER TABLE audit_payload RENAME TO audit_payload_plain")
    connection.exec_driver_sql("ALTER TABLE audit_entry ADD COLUMN matter VARCHAR")
    connection.exec_driver_sql("CREATE INDEX ix_audit_entry_matter ON audit_entry (matter)")


def _take_over(connection: Connection, keys: PayloadKeys) -> None:
    tree = GrowingTree()
    made: dict[str, bytes] = {}
    for row in _entries(connection):
        for tile in tree.add(bytes.fromhex(row.leaf_hash)):
            connection.execute(
                tile_table.insert(),
                {"level": tile.level, "idx": tile.index, "hashes": tile.hashes, "root": tile.root},
            )
        envelope = _envelope(row)
        if documents := documents_of(envelope):
            connection.execute(
                document_table.insert(),
                [{"document": document, "seq": row.seq} for document in documents],
            )
        if row.body is not None:
            _encrypt(connection, keys, made, row, envelope)


def _encrypt(
    connection: Connection,
    keys: PayloadKeys,
    made: dict[str, bytes],
    row: Any,
    envelope: dict[str, Any],
) -> None:
    about = envelope.get("subject")
    pid = about.get("pid") if isinstance(about, dict) else None
    subject, period = pid or row.pid or HOUSE, period_of(moment(row.ts))
    key_id = f"k:{subject}:{period}"
    if key_id not in made:
        made[key_id] = keys.make(key_id)
        connection.execute(
            key_table.insert(),
            {"key_id": key_id, "subject": subject, "period": period, "wrapped": made[key_id]},
        )
    nonce, ciphertext = keys.seal(
        sequence=row.seq, key_id=key_id, wrapped=made[key_id], salt=row.salt, body=row.body
    )
    connection.execute(
        payload_table.insert(),
        {"seq": row.seq, "key_id": key_id, "nonce": nonce, "ct": ciphertext},
    )


def _entries(connection: Connection) -> Iterator[Any]:
    after = -1
    while True:
        rows = connection.execute(
            text(
                "SELECT e.seq, e.line, e.leaf_hash, e.ts, e.pid, p.salt, p.body "
                "FROM audit_entry AS e LEFT JOIN audit_payload_plain AS p ON p.seq = e.seq "
                "WHERE e.seq > :after ORDER BY e.seq LIMIT :page"
            ),
            {"after": after, "page": PAGE},
        ).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].seq


def _envelope(row: Any) -> dict[str, Any]:
    try:
        envelope = json.loads(row.line)
        bytes.fromhex(row.leaf_hash)
    except ValueError as error:
        raise _damaged(row.seq) from error
    if not isinstance(envelope, dict):
        raise _damaged(row.seq)
    return envelope


def _damaged(sequence: int) -> RecordDamaged:
    return RecordDamaged(
        f"Entry {sequence} of the record cannot be read, so the record was left in its earlier "
        "form. Bring back the last backup of the audit folder."
    )


def _columns(connection: Connection, table: str) -> set[str]:
    return {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")}
