"""Sources, the files they held last time, and the documents and access lists behind them."""

import itertools
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from corpus import tables
from corpus.access import AccessList
from corpus.admission import list_for
from corpus.database import Part
from corpus.documents import (
    DocumentId,
    OriginalHash,
    SourceId,
)
from corpus.errors import UnknownDocument, UnknownSource
from corpus.grounds import relist
from corpus.records import (
    AccessRule,
    KnownFile,
    Quarantine,
    Source,
)
from corpus.tables import PRESENT

NOBODY = AccessList(frozenset())
DOCUMENT_NAMESPACE = uuid.UUID("b3c1d0a4-1f5e-5d7a-8f0e-5f4be2a6c9d7")


class Sources(Part):
    """The part of the catalog that keeps sources and their files."""

    def add_source(
        self,
        *,
        name: str,
        location: Path,
        groups: frozenset[str],
        rules: Sequence[AccessRule] = (),
    ) -> Source:
        """Add a source, or change the one of this name and who may read its documents.

        The change of access holds at once, since the catalog decides; which documents the
        index still has under an old list, ``stale_access`` says.
        """
        source = tables.source
        values = {
            "location": str(location),
            "groups": tables.canonical_groups(groups),
            "rules": _rules_json(rules),
        }
        with self._database.writing() as connection:
            source_id = connection.scalar(
                sql.select(source.c.source_id).where(
                    source.c.name == name, source.c.removal == PRESENT
                )
            )
            if source_id is None:
                source_id = str(uuid.uuid4())
                connection.execute(
                    source.insert().values(
                        source_id=source_id, name=name, removal=PRESENT, **values
                    )
                )
            else:
                connection.execute(
                    source.update().where(source.c.source_id == source_id).values(**values)
                )
            added = only_source(connection, SourceId(source_id))
            relist(connection, added, self._levels)
        return added

    def sources(self) -> list[Source]:
        """Return the sources, by name."""
        source = tables.source
        query = sql.select(source).where(source.c.removal == PRESENT).order_by(source.c.name)
        with self._database.reading() as connection:
            return [source_from(row) for row in connection.execute(query)]

    def source(self, source_id: SourceId) -> Source:
        """Return a source.

        Raises:
            UnknownSource: There is none with this id.
        """
        with self._database.reading() as connection:
            return only_source(connection, source_id)

    def source_named(self, name: str) -> Source:
        """Return the source of a name.

        Raises:
            UnknownSource: There is none.
        """
        for source in self.sources():
            if source.name == name:
                return source
        raise UnknownSource(f"There is no source named {name!r}. List them, or add it first.")

    def known_files(self, source_id: SourceId) -> dict[str, KnownFile]:
        """Return the files of a source as its last run left them, by relative path."""
        known = tables.known_file
        query = sql.select(known).where(known.c.source_id == source_id)
        with self._database.reading() as connection:
            return {row.path: known_file_from(row) for row in connection.execute(query)}

    def quarantine(
        self,
        *,
        source_id: SourceId,
        path: str,
        original: OriginalHash | None,
        reason: str,
        detail: str,
        size: int,
        modified_ns: int,
    ) -> None:
        """Note that a file's present bytes were not taken in; a document it has stays as it is."""
        with self._database.writing() as connection:
            write_known_file(
                connection,
                source_id,
                path,
                original=original,
                size=size,
                modified_ns=modified_ns,
                reason=tables.plain(reason),
                detail=tables.plain(detail),
                quarantined_at=self._clock(),
            )

    def quarantined(self, source_id: SourceId | None = None) -> list[Quarantine]:
        """Return the files in quarantine, of one source or of all, by source and path."""
        known = tables.known_file
        query = sql.select(known).where(known.c.reason.is_not(None))
        if source_id is not None:
            query = query.where(known.c.source_id == source_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(known.c.source_id, known.c.path))
            return [_quarantine(row) for row in rows]

    def forget_quarantine(self, source_id: SourceId, path: str) -> None:
        """Forget that a file was in quarantine, so that the next run looks at it anew."""
        known = tables.known_file
        there = (known.c.source_id == source_id) & (known.c.path == path)
        with self._database.writing() as connection:
            connection.execute(known.delete().where(there, known.c.document_id.is_(None)))
            connection.execute(
                # The hash is forgotten too: it is that of the bytes that were refused.
                known.update()
                .where(there, known.c.reason.is_not(None))
                .values(original=None, reason=None, detail=None, quarantined_at=None)
            )


def only_source(connection: sql.Connection, source_id: SourceId) -> Source:
    """Return a source that was not removed, or raise ``UnknownSource``."""
    source = tables.source
    row = connection.execute(
        sql.select(source).where(source.c.source_id == source_id, source.c.removal == PRESENT)
    ).one_or_none()
    if row is None:
        raise UnknownSource(f"There is no source {source_id}. List them, or add it first.")
    return source_from(row)


def source_from(row: sql.Row[Any]) -> Source:
    """Make a source of a row of its table."""
    return Source(
        source_id=SourceId(row.source_id),
        name=row.name,
        location=Path(row.location),
        groups=frozenset(json.loads(row.groups)),
        rules=tuple(AccessRule(glob, frozenset(groups)) for glob, groups in json.loads(row.rules)),
        rights=row.rights,
    )


def _rules_json(rules: Sequence[AccessRule]) -> str:
    return json.dumps([[rule.glob, sorted(rule.groups)] for rule in rules])


def _new_document_id(connection: sql.Connection, source: Source, path: str) -> DocumentId:
    """Return an id that no document has or had.

    Drawn from where the document lies and not at random: the ids of its chunks come from it, and
    passages of equal score are ordered by those. So the order stays when everything is brought
    in anew, and what somebody may not read has no part in it.
    """
    document = tables.document
    for life in itertools.count():
        name = "\x00".join((source.name, tables.escape_path(path), str(life)))
        document_id = DocumentId(str(uuid.uuid5(DOCUMENT_NAMESPACE, name)))
        same = document.c.document_id == document_id
        if connection.scalar(sql.select(sql.func.count()).where(same)) == 0:
            break
    return document_id


def document_at(connection: sql.Connection, source: Source, path: str) -> DocumentId:
    """Return the document at a path, making it, readable by nobody, when there is none."""
    known = find_document(connection, source.source_id, path)
    if known is not None:
        return known
    document_id = _new_document_id(connection, source, path)
    connection.execute(
        tables.document.insert().values(
            document_id=document_id,
            source_id=source.source_id,
            path=path,
            access_list_id=list_for(connection, NOBODY),
            access_indexed=True,
            withdrawal=PRESENT,
        )
    )
    return document_id


def find_document(connection: sql.Connection, source_id: SourceId, path: str) -> DocumentId | None:
    """Return the document at a path of a source, None when there is none."""
    document = tables.document
    found = connection.scalar(
        sql.select(document.c.document_id).where(
            document.c.source_id == source_id,
            document.c.path == path,
            document.c.withdrawal == PRESENT,
        )
    )
    return None if found is None else DocumentId(found)


def documents_of(connection: sql.Connection, source_id: SourceId) -> list[DocumentId]:
    """Return the documents of a source that were not withdrawn."""
    document = tables.document
    found = connection.scalars(
        sql.select(document.c.document_id).where(
            document.c.source_id == source_id, document.c.withdrawal == PRESENT
        )
    )
    return [DocumentId(document_id) for document_id in found]


def document_row(connection: sql.Connection, document_id: DocumentId) -> sql.Row[Any]:
    """Return a document, withdrawn or not, or raise ``UnknownDocument``."""
    document = tables.document
    row = connection.execute(
        sql.select(document).where(document.c.document_id == document_id)
    ).one_or_none()
    if row is None:
        raise unknown_document(document_id)
    return row


def present_document(connection: sql.Connection, document_id: DocumentId) -> sql.Row[Any]:
    """Return a document that was not withdrawn, or raise ``UnknownDocument``."""
    row = document_row(connection, document_id)
    if row.withdrawal != PRESENT:
        raise unknown_document(document_id)
    return row


def unknown_document(document_id: DocumentId) -> UnknownDocument:
    """Return the error that says so."""
    return UnknownDocument(f"There is no document {document_id}, or it was withdrawn.")


def write_known_file(
    connection: sql.Connection, source_id: str, path: str, **values: object
) -> None:
    """Change what is known of a file; what is not given stays."""
    known = tables.known_file
    there = (known.c.source_id == source_id) & (known.c.path == path)
    if connection.execute(known.update().where(there).values(**values)).rowcount == 0:
        connection.execute(known.insert().values(source_id=source_id, path=path, **values))


def known_file_from(row: sql.Row[Any]) -> KnownFile:
    """Make a known file of a row of its table."""
    return KnownFile(
        path=row.path,
        original=None if row.original is None else OriginalHash(row.original),
        document_id=None if row.document_id is None else DocumentId(row.document_id),
        quarantined=None if row.reason is None else _quarantine(row),
        size=row.size,
        modified_ns=row.modified_ns,
    )


def _quarantine(row: sql.Row[Any]) -> Quarantine:
    return Quarantine(
        source_id=SourceId(row.source_id),
        path=row.path,
        reason=row.reason,
        detail=row.detail or "",
        at=row.quarantined_at,
    )
