"""Buckets of S3 and of what speaks like it, listed page by page."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason
from ingest.sources import ExcludedFile, FoundFile, Listed, name_rule, stamp_of

AWS = "https://s3.amazonaws.com"
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 10.0, 60.0, 2
_REFUSED = frozenset(
    {
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "InvalidAccessKeyId",
        "NoSuchBucket",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)
"""What will be said again however often one asks."""


class Bucket:
    """A bucket, or what lies in it below a folder.

    Args:
        url: "s3://bucket/folder".
        options: "key" and "secret"; "token"; "endpoint_url" of a store other than Amazon's;
            "region", where the store wants it said.

    Raises:
        SourceMissing: The address names no bucket, or an option is wrong.
    """

    compares_by_bytes = False

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        parts = urlsplit(url)
        folder = parts.path.strip("/")
        self._url = url
        self._bucket = parts.netloc
        self._prefix = f"{folder}/" if folder else ""
        told = {name: str(value) for name, value in options.items()}
        store = urlsplit(told.get("endpoint_url", AWS))
        if not (self._bucket and store.netloc):
            raise SourceMissing(
                f"The address {url} cannot be used: a bucket is s3://bucket/folder, and an "
                "endpoint_url https://server."
            )
        try:
            self._client = Minio(
                store.netloc,
                access_key=told.get("key"),
                secret_key=told.get("secret"),
                session_token=told.get("token"),
                region=told.get("region"),
                secure=store.scheme == "https",
                http_client=urllib3.PoolManager(
                    timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                    retries=urllib3.Retry(total=ATTEMPTS, backoff_factor=0.2),
                ),
            )
        except ValueError as error:
            raise SourceMissing(f"The address {url} cannot be used: {error}.") from error

    def walk(self) -> Iterator[Listed]:
        """See ``Place``."""
        try:
            for item in self._client.list_objects(
                self._bucket, prefix=self._prefix, recursive=True
            ):
                key = str(item.object_name)
                if not key.endswith("/"):  # what a console puts there to show a folder
                    yield self._listed(key.removeprefix(self._prefix), item)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._wrong(error) from error

    def read(self, path: str, *, most: int) -> bytes:
        """See ``Place``."""
        try:
            answer = self._client.get_object(self._bucket, self._prefix + path)
            try:
                data: bytes = answer.read(most + 1)
            finally:
                answer.close()
                answer.release_conn()
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise Quarantined(Reason.MISSING) from error
            if error.code == "AccessDenied":
                raise Quarantined(Reason.UNREADABLE) from error
            raise self._wrong(error) from error
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            raise self._wrong(error) from error
        if len(data) > most:
            raise Quarantined(Reason.TOO_LARGE, f"more than {most} bytes")
        return data

    def close(self) -> None:
        """See ``Place``."""
        self._client._http.clear()  # noqa: SLF001 - it has no other way to let go of connections

    def _listed(self, path: str, item: Any) -> Listed:
        folders = posixpath.dirname(path).split("/")
        if any(folder.startswith(".") for folder in folders):
            return ExcludedFile(path, "Hidden folders are left out.")
        if rule := name_rule(posixpath.basename(path)):
            return ExcludedFile(path, rule)
        return FoundFile(path, item.size or 0, stamp_of(item.size, item.etag, item.last_modified))

    def _wrong(self, error: Exception) -> SourceMissing | SourceAway:
        if isinstance(error, ValueError):
            return SourceMissing(f"The address {self._url} cannot be used: {error}.")
        if isinstance(error, S3Error) and error.code in _REFUSED:
            return SourceMissing(
                f"{self._url} cannot be opened ({error.code}). Check the address, and key and "
                "secret in the file that MUNIMENT_SOURCE_CREDENTIALS names."
            )
        return SourceAway(f"{self._url} does not answer: {error}.")
