import io
import stat
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.containers import expand, expand_in_jail, is_container
from ingest.errors import Quarantined
from ingest.jail import Jail
from ingest.parsers import archive, mail
from ingest.parsers.part_names import PartNames
from ingest.parts import depth_of, part_path
from ingest.quarantine import Reason
from ingest.settings import Limits
from ingest.sniffing import MAIL, PDF, ZIP

LIMITS = Limits(parse_seconds=60)


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    with Jail() as jail:
        yield jail


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def letter(path: Path) -> Path:
    message = EmailMessage()
    message["From"] = "Ada <ada@firm.example>"
    message["To"] = "Ben <ben@firm.example>"
    message["Subject"] = "The lease"
    message["Date"] = "Mon, 02 Feb 2026 10:30:00 +0000"
    message.set_content("Please find the lease attached.")
    message.add_attachment(b"Rent: 900", maintype="text", subtype="plain", filename="lease.txt")
    inner = EmailMessage()
    inner["From"] = "Cyd <cyd@firm.example>"
    inner["Subject"] = "Old terms"
    inner.set_content("The old rent was 800.")
    message.add_attachment(inner)
    logo = EmailMessage()
    logo.set_content(b"\x89PNG", maintype="image", subtype="png", disposition="inline")
    logo["Content-ID"] = "<logo>"
    message.attach(logo)
    path.write_bytes(message.as_bytes())
    return path


def test_an_archive_is_a_folder_of_documents(jail: Jail, tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {"2026/fees.txt": b"Fee: 5", "note.txt": b"Hello"})

    parts = expand(jail, made, media_type=ZIP, limits=LIMITS)

    assert [(part.name, part.data) for part in parts] == [
        ("2026/fees.txt", b"Fee: 5"),
        ("note.txt", b"Hello"),
    ]
    listed = jail.parse(made, media_type=ZIP, limits=LIMITS)
    assert "2026/fees.txt (6 bytes" in listed.text


def test_attachments_and_forwarded_messages_are_parts_of_a_mail_and_its_logo_is_not(
    tmp_path: Path,
) -> None:
    parts = expand_in_jail(letter(tmp_path / "mail"), media_type=MAIL, limits=LIMITS)

    assert [part.name for part in parts] == ["lease.txt", "Old terms.eml"]
    assert parts[0].data == b"Rent: 900"
    assert b"The old rent was 800." in parts[1].data


def test_a_mail_names_what_is_attached_and_when_it_was_sent(tmp_path: Path) -> None:
    parsed = mail.parse(letter(tmp_path / "mail"), LIMITS)

    assert "Attachment: lease.txt" in parsed.text
    assert parsed.properties["Date"] == "2026-02-02 10:30+00:00"
    assert parsed.title == "The lease"


def test_an_encrypted_mail_says_so(tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.write_bytes(
        b"From: a@x.example\nSubject: x\nContent-Type: application/pkcs7-mime; smime-type="
        b"enveloped-data\n\nMIIB"
    )

    with pytest.raises(Quarantined) as caught:
        mail.parse(sealed, LIMITS)

    assert caught.value.reason is Reason.ENCRYPTED


def test_no_part_leads_out_of_its_container(jail: Jail, tmp_path: Path) -> None:
    members = {"../../up.txt": b"1", "/abs.txt": b"2", "a\\..\\b.txt": b"3", "ok.txt": b"4"}

    parts = expand(jail, zipped(tmp_path / "slip.zip", members), media_type=ZIP, limits=LIMITS)

    assert [part.name for part in parts] == ["up.txt", "abs.txt", "a/b.txt", "ok.txt"]


def test_parts_of_one_name_keep_apart() -> None:
    names = PartNames()

    assert names.safe("a/lease.pdf") == "a/lease.pdf"
    assert names.safe("a/lease.pdf") == "a/lease (2).pdf"
    assert names.safe("..") == "unnamed"
    assert names.safe("x!/y") == "x!_/y"


def test_an_encrypted_member_is_refused_alone(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {"open.txt": b"x", "shut.txt": b"y"})
    data = bytearray(made.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.rfind(signature, 0, len(data))
        data[at + offset] |= 1
    made.write_bytes(bytes(data))

    parts = archive.parts(made, LIMITS)

    assert {part.name: part.reason for part in parts} == {
        "open.txt": None,
        "shut.txt": Reason.ENCRYPTED,
    }


def test_a_link_in_an_archive_leads_nowhere(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(link, "/etc/hostname")

    part = archive.parts(tmp_path / "a.zip", LIMITS)[0]

    assert (part.data, part.reason) == (b"", Reason.UNSUPPORTED_FORMAT)


def test_too_many_and_too_large_parts_are_refused(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {f"{number}.txt": b"0" * 1_000 for number in range(5)})

    with pytest.raises(Quarantined) as caught:
        archive.parts(made, Limits(maximum_parts=4))
    parts = archive.parts(made, Limits(maximum_unpacked_bytes=2_500))

    assert caught.value.reason is Reason.TOO_LARGE
    assert [part.reason for part in parts] == [None, None, *[Reason.TOO_LARGE] * 3]


def test_a_size_that_the_archive_understates_is_found_out(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.txt", b"0" * 100_000)
    data = bytearray(stream.getvalue())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(bytes(data))

    part = archive.parts(tmp_path / "bomb.zip", Limits(maximum_file_bytes=1_000))[0]

    assert len(part.data) <= 1_000


def test_containers_in_containers_end_somewhere(jail: Jail, tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {"x.txt": b"x"})
    path = part_path(part_path(part_path("a.zip", "b.zip"), "c.zip"), "d.zip")

    with pytest.raises(Quarantined) as caught:
        expand(jail, made, media_type=ZIP, limits=LIMITS, depth=depth_of(path))

    assert caught.value.reason is Reason.NESTED_TOO_DEEPLY
    assert is_container(ZIP)
    assert not is_container(PDF)
