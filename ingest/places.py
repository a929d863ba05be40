"""Which kind of place a source is, and access to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from corpus.records import Intake, Source
from ingest.buckets import Bucket
from ingest.errors import SourceMissing
from ingest.mailbox import Mailbox
from ingest.remote import Remote
from ingest.sources import Folder, Place

MAIL_SCHEMES = frozenset({"imap", "imaps"})
BUCKET_SCHEME = "s3"

Options = Mapping[str, object]
"""What a place needs to let us in: "username", "password", "key", …; never kept in a database."""


@dataclass(frozen=True, slots=True)
class Places:
    """Opens the place behind a source.

    Attributes:
        credentials: What places need to let us in, by name of the source.
    """

    credentials: Mapping[str, Options] = field(default_factory=dict)

    def __call__(self, source: Source, intake: Intake) -> Place:
        """Return access to a place.

        Raises:
            SourceMissing: Its address cannot be used, or what opens such addresses is not
                installed.
        """
        if not intake.url:
            return Folder(source.location)
        parts = urlsplit(intake.url)
        if parts.password:
            raise SourceMissing(
                f"The address of {source.name} holds a password. Put it into the file that "
                "MUNIMENT_SOURCE_CREDENTIALS names instead."
            )
        options = self.credentials.get(source.name, {})
        if parts.scheme in MAIL_SCHEMES:
            return Mailbox(intake.url, options)
        if parts.scheme == BUCKET_SCHEME:
            return Bucket(intake.url, options)
        return Remote(intake.url, options)
