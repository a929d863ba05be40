"""What can go wrong while documents are brought in.

IngestError
├── Quarantined      one file cannot be taken in; the run goes on
├── SourceMissing    the folder itself is not there; the run cannot start
│   └── SourceAway   the same, and it may be back soon
├── SourceAsks       so much is gone that somebody has to say whether that is right
├── RightsUnreadable who may read a file cannot be told; nobody reads it
├── StorageFailed    nothing can be written any more; the run stops
└── RecordFailed     the record cannot be written; the run stops
"""

from ingest.quarantine import Reason


class IngestError(Exception):
    """Base of every error of this package."""


class Quarantined(IngestError):
    """One file cannot be taken in.

    Args:
        reason: From the closed list.
        detail: For the operator; never text of the document.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.sentence} {detail}".strip())
        self.reason = reason
        self.detail = detail


class SourceMissing(IngestError):
    """The source's folder cannot be listed."""


class SourceAway(SourceMissing):
    """The place does not answer now; asked again later it may."""


class SourceAsks(IngestError):
    """More documents are gone than a person would usually take away.

    Args:
        message: For the operator.
        gone: How many.
    """

    def __init__(self, message: str, *, gone: int) -> None:
        super().__init__(message)
        self.gone = gone


class StorageFailed(IngestError):
    """The data folder takes no more, or cannot be written."""


class RecordFailed(IngestError):
    """The record cannot be written, so nothing may be published."""


class RightsUnreadable(IngestError):
    """What a file system says of rights cannot be read; the message holds no name of a file."""
