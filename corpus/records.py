"""What the catalog tells besides documents: sources, files, quarantine, runs."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NewType

from corpus.access import AccessListId, Named
from corpus.documents import ChunkId, DocumentId, OriginalHash, SourceId, Version, VersionId

RunId = NewType("RunId", str)

DECLARED = "declared"
RIGHTS = (DECLARED, "posix", "ntfs", "sidecar")
"""Where the rights of a source come from: its operator, or its files themselves."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may read the files that a pattern matches.

    Attributes:
        glob: Pattern for the path relative to the source, as ``fnmatch`` has it: ``*`` also
            matches ``/``; upper and lower case differ.
        groups: The groups admitted. Empty admits nobody.
    """

    glob: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Source:
    """A place documents come from.

    Attributes:
        source_id: Its id.
        name: As people call it; unique.
        location: The folder.
        groups: Admitted to every file that no rule matches.
        rules: The first that matches decides.
        rights: Who says who may read: "declared" (groups and rules), or the source itself:
            "posix", "ntfs" or "sidecar". Groups and rules then count for nothing.
    """

    source_id: SourceId
    name: str
    location: Path
    groups: frozenset[str]
    rules: tuple[AccessRule, ...] = ()
    rights: str = DECLARED


@dataclass(frozen=True, slots=True)
class FileRights:
    """What a source says of who may read one of its files.

    Attributes:
        path: Relative to the source.
        allowed: Admitted. Nobody where the rights could not be read.
        denied: Shut out.
        unmapped: What could not be taken over, in words that hold no name of a file.
    """

    path: str
    allowed: frozenset[Named] = frozenset()
    denied: frozenset[Named] = frozenset()
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Something that files say of rights and that could not be taken over.

    Attributes:
        what: What was found.
        files: In how many files.
        example: The path of one of them.
        remedy: What the operator can do.
    """

    what: str
    files: int
    example: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A file that could not be taken in.

    Attributes:
        source_id: Where it is.
        path: Relative to the source.
        reason: From the closed list of the program that ingests.
        detail: What was found, never text of the document.
        at: When (UTC).
    """

    source_id: SourceId
    path: str
    reason: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as the last run over its source left it.

    Attributes:
        path: Relative to the source.
        original: Hash of its bytes; None when they could not be read.
        document_id: The document made of it; None when there never was one.
        quarantined: Set while its present bytes are not taken in.
        size: In bytes.
        modified_ns: Time of its last change as the file system gave it.
    """

    path: str
    original: OriginalHash | None
    document_id: DocumentId | None
    quarantined: Quarantine | None
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that is stored and not yet visible.

    Attributes:
        version_id: Its id.
        document_id: Its document's, new or not.
        number: The version's number, from 1.
        access_list: Who will be able to read it.
        chunk_ids: In the order of the chunks.
    """

    version_id: VersionId
    document_id: DocumentId
    number: int
    access_list: AccessListId
    chunk_ids: tuple[ChunkId, ...]


@dataclass(frozen=True, slots=True)
class ReadableDocument:
    """A document in someone's library: its live version and where it comes from."""

    version: Version
    source_name: str


@dataclass(frozen=True, slots=True)
class Run:
    """One ingestion run over a source.

    Attributes:
        run_id: Its id.
        source_id: What it goes over.
        source: That source's name.
        state: "queued", "running", "paused", "asking", "done", "failed" or "cancelled".
        queued_at: When it was asked for (UTC).
        started_at: None while queued.
        finished_at: None until done or failed.
        files_total: Files the source lists.
        files_done: Files dealt with.
        pages: Pages taken in.
        chunks: Chunks taken in.
        current: Path of the file being dealt with.
        error: Why it failed, or what it asks.
        sequence: Grows from run to run.
        priority: The higher is done first.
        wanted: "pause" or "cancel" once somebody asked for it; else empty.
        options: What was asked for besides the usual.
        attempt: How often it was tried again after a failure that may pass.
        not_before: When it is tried again (UTC); None for at once.
        unchanged: Files left as they were.
        gone: Files that are known and no longer listed, while it asks about them.
    """

    run_id: RunId
    source_id: SourceId
    source: str
    state: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    files_total: int
    files_done: int
    pages: int
    chunks: int
    current: str
    error: str
    sequence: int = 0
    priority: int = 0
    wanted: str = ""
    options: frozenset[str] = frozenset()
    attempt: int = 0
    not_before: datetime | None = None
    unchanged: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a run that is still to be read.

    Attributes:
        sequence: Its place in the run.
        path: Relative to the source.
        size: In bytes, as listed.
        modified_ns: As listed.
        original: Hash of its bytes where they are kept already: a part of a container.
        version_id: The version staged for it; None before.
        recording: Whether its event may be on record already.
    """

    sequence: int
    path: str
    size: int
    modified_ns: int
    original: OriginalHash | None = None
    version_id: VersionId | None = None
    recording: bool = False


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A process that brings documents in.

    Attributes:
        worker_id: Its id, new at every start.
        name: Host and process.
        beat_at: When it last said that it lives (UTC).
    """

    worker_id: str
    name: str
    beat_at: datetime


@dataclass(frozen=True, slots=True)
class Intake:
    """How a source is gone over, and when.

    Attributes:
        url: Address of a place that is not a folder of this machine; never with a password.
        include: Patterns of which a path must match one; empty takes everything.
        exclude: Patterns that leave a path out.
        maximum_bytes: Larger files are left out; None leaves it to the settings.
        gone_share: The run asks when more than this share of the files is gone; None leaves
            it to the settings.
        priority: Of its runs; the higher is done first.
        cron: When it is gone over by itself; empty for never.
        zone: Time zone of the cron line, as IANA names it.
        next_at: When that is next (UTC).
    """

    url: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    maximum_bytes: int | None = None
    gone_share: float | None = None
    priority: int = 0
    cron: str = ""
    zone: str = "UTC"
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What a run did with one file.

    Attributes:
        path: Relative to the source.
        outcome: "added", "updated", "unchanged", "moved", "opened", "quarantined", "withdrawn"
            or "excluded".
        reason: Why, when it was not taken in.
        remedy: What the operator can do about it.
        pages: Pages taken in.
        chunks: Chunks taken in.
        title: The document's title, when there is one.
    """

    path: str
    outcome: str
    reason: str = ""
    remedy: str = ""
    pages: int = 0
    chunks: int = 0
    title: str = ""
