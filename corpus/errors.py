"""What can go wrong in the corpus.

CorpusError
 ├─ CatalogUnavailable
 ├─ IndexUnavailable
 ├─ IndexMismatch
 ├─ EmbeddingModelInvalid
 ├─ OriginalsUnavailable
 ├─ OriginalMissing
 ├─ PathTaken
 ├─ UnknownSource
 ├─ UnknownDocument
 ├─ UnknownVersion
 ├─ UnknownRun
 ├─ UnknownHold
 ├─ ScheduleInvalid
 ├─ AccessInvalid
 └─ Held
"""


class CorpusError(Exception):
    """Base of everything the corpus raises on purpose."""


class CatalogUnavailable(CorpusError):
    """The catalog cannot be opened, read or written now."""


class IndexUnavailable(CorpusError):
    """The vector index cannot be opened or does not answer; often another process owns it."""


class IndexMismatch(CorpusError):
    """The index was built with another embedding model than the one now configured."""


class EmbeddingModelInvalid(CorpusError):
    """The folder does not hold an embedding model that can be loaded."""


class OriginalsUnavailable(CorpusError):
    """An original cannot be written or read: full disk, missing rights."""


class OriginalMissing(CorpusError):
    """No original is kept under this hash."""


class PathTaken(CorpusError):
    """Another document of the source stands at this path."""


class AccessInvalid(CorpusError):
    """An entry, a group, a marking or a request about rights that cannot be as given."""


class UnknownSource(CorpusError):
    """No source has this id or name."""


class UnknownDocument(CorpusError):
    """No document has this id, or it was withdrawn."""


class UnknownVersion(CorpusError):
    """No version has this id, or it is in no state to do this with."""


class UnknownRun(CorpusError):
    """No ingestion run has this id."""


class UnknownHold(CorpusError):
    """No legal hold has this id."""


class ScheduleInvalid(CorpusError):
    """A cron line or a time zone that is none."""


class Held(CorpusError):
    """A legal hold keeps what was to be destroyed.

    Attributes:
        hold_id: The hold's.
    """

    def __init__(self, hold_id: str) -> None:
        super().__init__(
            f"Legal hold {hold_id} keeps this: it cannot be deleted until the hold is lifted."
        )
        self.hold_id = hold_id
