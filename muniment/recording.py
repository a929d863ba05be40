"""What a record is opened with: who signs it, who cosigns it, and where checkpoints go."""

import socket
from pathlib import Path

from audit.checkpoints import FolderOutlet, MailOutlet, Outlet, SyslogOutlet
from audit.errors import NoteInvalid
from audit.log import utc_now
from audit.notes import COSIGNATURE, VerifierKey, parse_vkey
from audit.signer import KeySigner, Signer, SignerClient
from audit.witness import FolderWitness, HttpWitness, Witness
from muniment.errors import SettingsInvalid
from muniment.settings import Settings


def signer_of(settings: Settings) -> Signer:
    """Return what signs the record: the signer process that is named or running, else the key.

    Where a socket is named, nothing but that signer is used: the key may be out of reach on
    purpose.
    """
    client = SignerClient(settings.signer_socket_path)
    if settings.signer_socket or client.answers():
        return client
    return KeySigner(settings.signer_key_folder)


def witnesses_of(settings: Settings) -> list[Witness]:
    """Return the witnesses that are configured.

    Raises:
        SettingsInvalid: A witness is named without its key, or its key is none.
    """
    witnesses: list[Witness] = []
    if settings.witness_url:
        witnesses.append(HttpWitness(settings.witness_url, _witness_key(settings)))
    if settings.witness_folder:
        folder = Path(settings.witness_folder).expanduser()
        witnesses.append(FolderWitness(folder, _witness_key(settings)))
    return witnesses


def outlets_of(settings: Settings) -> list[Outlet]:
    """Return the places that checkpoints are handed to."""
    outlets: list[Outlet] = []
    if settings.checkpoint_folder:
        outlets.append(FolderOutlet(Path(settings.checkpoint_folder).expanduser()))
    if settings.checkpoint_syslog:
        host = socket.gethostname()
        outlets.append(SyslogOutlet(settings.checkpoint_syslog, host=host, clock=utc_now))
    if settings.checkpoint_mail_folder:
        mail = Path(settings.checkpoint_mail_folder).expanduser()
        outlets.append(MailOutlet(mail, to=settings.checkpoint_mail_to, clock=utc_now))
    return outlets


def _witness_key(settings: Settings) -> VerifierKey:
    try:
        key = parse_vkey(settings.witness_vkey)
    except NoteInvalid as error:
        raise SettingsInvalid(
            "MUNIMENT_WITNESS_VKEY must be the key that `muniment audit witness` printed, "
            f"where a witness is named: {error}"
        ) from error
    if key.kind != COSIGNATURE:
        raise SettingsInvalid("MUNIMENT_WITNESS_VKEY is the key of a log, not of a witness.")
    return key
