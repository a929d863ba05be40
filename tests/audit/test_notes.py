import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import NoteInvalid
from audit.notes import (
    COSIGNATURE,
    LOG_SIGNATURE,
    Checkpoint,
    Note,
    check_note,
    cosign,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_checkpoint,
    verifier_key,
)

ROOT = bytes(range(32))
LOG = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
LOG_KEY = verifier_key("log.example/records", LOG.public_key(), kind=LOG_SIGNATURE)
WITNESS_KEY = verifier_key("witness.example", WITNESS.public_key(), kind=COSIGNATURE)

GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
)
"""The example of the Go package golang.org/x/mod/sumdb/note, which defined this form."""


def signed(size: int = 7) -> Note:
    return sign_checkpoint(Checkpoint("log.example/records", size, ROOT), LOG)


def test_the_published_example_of_a_signed_note_holds() -> None:
    check_note(parse_note(GO_NOTE), parse_vkey(GO_VKEY))

    assert str(parse_vkey(GO_VKEY)) == GO_VKEY
    assert str(parse_note(GO_NOTE)) == GO_NOTE


def test_a_checkpoint_is_origin_size_and_root_a_line_each() -> None:
    written = str(signed())

    assert written.startswith(
        f"log.example/records\n7\n{base64.b64encode(ROOT).decode()}\n\n— log.example/records "
    )
    assert parse_checkpoint(written) == Checkpoint("log.example/records", 7, ROOT)


def test_a_witness_adds_its_time_and_signature() -> None:
    note = signed()

    both = note.with_signatures([cosign(note.text, "witness.example", WITNESS, seconds=1_700_000)])

    assert check_note(both, WITNESS_KEY) == 1_700_000
    assert check_note(both, LOG_KEY) is None
    assert parse_note(str(both)) == both


def test_of_one_key_the_newest_signature_is_kept() -> None:
    note = signed()
    for seconds in (1, 2):
        again = cosign(note.text, "witness.example", WITNESS, seconds=seconds)
        note = note.with_signatures([again])

    assert len(note.signatures) == 2
    assert check_note(note, WITNESS_KEY) == 2


def test_signatures_of_others_are_ignored() -> None:
    other = verifier_key("other.example", WITNESS.public_key(), kind=COSIGNATURE)
    note = signed()
    note = note.with_signatures([cosign(note.text, "other.example", WITNESS, seconds=1)])

    check_note(note, LOG_KEY)
    with pytest.raises(NoteInvalid, match=r"no signature of witness\.example"):
        check_note(note, WITNESS_KEY)
    check_note(note, other)


def test_every_changed_byte_of_a_text_or_signature_is_noticed() -> None:
    note = signed()
    note = note.with_signatures([cosign(note.text, "witness.example", WITNESS, seconds=5)])
    written = str(note).encode()

    for place in range(len(written)):
        changed = bytearray(written)
        changed[place] ^= 1
        with pytest.raises((NoteInvalid, UnicodeDecodeError)):
            _check_everything(changed.decode())


def _check_everything(written: str) -> None:
    note = parse_note(written)
    parse_checkpoint(written)
    check_note(note, LOG_KEY)
    check_note(note, WITNESS_KEY)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "text only\n",
        "text\n\n— name\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name not base64\n",
        "text\n\n— name AAAAAAAB",
    ],
)
def test_what_is_no_note_is_refused(written: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_note(written)


@pytest.mark.parametrize(
    "text", ["o\n7\n", "o\n07\nAAAA\n", "o\n-1\nAAAA\n", "\n7\nAAAA\n", "o\n7\nAAAA\n"]
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text + "\n" + signed().signatures[0].line())


@pytest.mark.parametrize(
    "written",
    [
        "",
        "name+00000000",
        str(LOG_KEY).replace("records", "record"),
        str(LOG_KEY)[:-4] + "AAA=",
        "a b+00000000+AQ==",
        str(WITNESS_KEY).replace("+B", "+C", 1),
    ],
)
def test_what_is_no_verifier_key_is_refused(written: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_vkey(written)


def test_a_name_with_a_space_or_a_plus_is_refused() -> None:
    for name in ("", "two words", "one+one"):
        with pytest.raises(NoteInvalid, match="cannot be named"):
            verifier_key(name, LOG.public_key(), kind=LOG_SIGNATURE)
