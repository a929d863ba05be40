"""Tells whether an SSH server is the one that is meant."""

import paramiko

from ingest.errors import SourceMissing


class PinnedKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Lets nobody answer but the holder of one key.

    Args:
        fingerprint: Of that key, as ``ssh-keygen -l`` tells it: "SHA256:…".
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Refuse every other key.

        Raises:
            SourceMissing: The server shows another key, or which one it should be was never said.
        """
        del client
        if key.fingerprint == self._fingerprint:
            return
        if self._fingerprint:
            raise SourceMissing(
                f"{hostname} shows the key {key.fingerprint} and not {self._fingerprint}. "
                "Either it has a new key, or somebody else answers in its place."
            )
        raise SourceMissing(
            f"{hostname} shows the key {key.fingerprint}. If that is the server's key, write "
            f'host_key = "{key.fingerprint}" for this source into the file that '
            "MUNIMENT_SOURCE_CREDENTIALS names."
        )
