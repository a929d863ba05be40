"""Read the security descriptor of a file on an SMB share, over the connection that reads the file.

MS-SMB2 3.3.5.20.3: a query of the kind "security" returns a self-relative descriptor. Asked for
is the list of who may do what alone, which needs the right to read rights and no other.
"""

from typing import Any, Final

from ingest.errors import RightsUnreadable

DACL: Final = 0x0000_0004
LONGEST: Final = 64 * 1024
"""Bytes of a descriptor, as many as Windows allows."""
SMB: Final = frozenset({"smb"})


def share_descriptor(system: Any, path: str) -> bytes:
    """Return the security descriptor of a file.

    Args:
        system: The fsspec file system that reads the share, connected.
        path: "/share/folder/file", as that system names it.

    Raises:
        RightsUnreadable: The place is no SMB share, or the server does not say.
    """
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    if SMB.isdisjoint(protocols):
        raise RightsUnreadable("a place of this kind hands out no security descriptor")
    try:
        return _asked(system, path)
    except Exception as error:  # of the library, which has many; none says who may read
        why = getattr(error, "strerror", "") or type(error).__name__
        raise RightsUnreadable(f"the server does not say who may read it ({why})") from error


def _asked(system: Any, path: str) -> bytes:
    from smbclient._io import SMBFileIO  # noqa: PLC0415 - only where there is a share
    from smbprotocol.file_info import InfoType  # noqa: PLC0415
    from smbprotocol.open import (  # noqa: PLC0415
        FilePipePrinterAccessMask,
        SMB2QueryInfoRequest,
        SMB2QueryInfoResponse,
    )

    place = "\\\\" + system.host + path.replace("/", "\\")
    port = {} if system.port is None else {"port": int(system.port)}
    opened = SMBFileIO(
        place,
        mode="rb",
        share_access="rwd",
        desired_access=FilePipePrinterAccessMask.READ_CONTROL,
        username=system.username,
        password=system.password,
        **port,
    )
    with opened:
        query = SMB2QueryInfoRequest()
        query["info_type"] = InfoType.SMB2_0_INFO_SECURITY
        query["output_buffer_length"] = LONGEST
        query["additional_information"] = DACL
        query["file_id"] = opened.fd.file_id
        tree = opened.fd.tree_connect
        connection = opened.fd.connection
        sent = connection.send(query, sid=tree.session.session_id, tid=tree.tree_connect_id)
        reply = SMB2QueryInfoResponse()
        reply.unpack(connection.receive(sent)["data"].get_value())
        return bytes(reply["buffer"].get_value())
