"""Which kind of place a source is, and access to it."""

from corpus.records import Intake, Source
from ingest.sources import Folder, Place


def open_place(source: Source, intake: Intake) -> Place:
    """Return access to a folder of this machine, which is what most sources are."""
    del intake
    return Folder(source.location)
