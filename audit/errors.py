"""What can go wrong with the record.

AuditError
├── EventInvalid          an event that must not be written as it stands (a programming error)
├── AuditUnavailable      the record cannot be written or read now; whoever asked is refused
│   └── RecordDamaged     an entry is there but cannot be read
└── ExportFailed          an export could not be written where it was wanted
"""


class AuditError(Exception):
    """Any fault of this package; the message says what, where and what to do."""


class EventInvalid(AuditError):
    """An event holds something that may not stand in an envelope."""


class AuditUnavailable(AuditError):
    """The record cannot be written or read; nothing that needs it may go on."""


class RecordDamaged(AuditUnavailable):
    """An entry cannot be read; verifying the record names the fault."""


class ExportFailed(AuditError):
    """An export could not be written."""
