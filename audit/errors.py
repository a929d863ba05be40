"""What can go wrong with the record.

AuditError
├── EventInvalid          an event that must not be written as it stands (a programming error)
├── AuditUnavailable      the record cannot be written or read now; whoever asked is refused
│   ├── RecordDamaged     an entry is there but cannot be read
│   ├── RecordSilent      its heartbeat is overdue
│   ├── SignerUnavailable what signs checkpoints does not answer, or refuses
│   └── WitnessUnavailable what cosigns checkpoints does not answer, or refuses
├── ProofInvalid          a proof about the tree does not hold, or cannot be given
├── NoteInvalid           a checkpoint, a key or a signature does not hold, or has another form
├── EntryNotThere         no such entry, or nothing is left of it
├── ErasureRefused        a hold keeps it, it must last, or there is nothing to erase
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


class RecordSilent(AuditUnavailable):
    """Nothing was written for so long that whatever writes must have stopped."""


class SignerUnavailable(AuditUnavailable):
    """What signs checkpoints is away, or refuses because the record does not extend itself."""


class WitnessUnavailable(AuditUnavailable):
    """What cosigns checkpoints is away, or refuses because the record does not extend itself."""


class ProofInvalid(AuditError):
    """Two states of the tree, or a leaf and a root, do not belong together."""


class NoteInvalid(AuditError):
    """A signed note, or what it should be checked with, is not what it claims to be."""


class EntryNotThere(AuditError):
    """An entry was named that is not on the record, or was redacted."""


class ErasureRefused(AuditError):
    """What should be erased or redacted is held, must last, or is not there."""


class ExportFailed(AuditError):
    """An export could not be written."""
