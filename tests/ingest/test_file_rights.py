"""What file systems say of rights, taken over without ever admitting more."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from corpus.access import Named, group_named, person_named
from ingest.errors import RightsUnreadable
from ingest.file_rights import (
    EVERYBODY,
    Raw,
    Sidecars,
    below,
    mapped,
    ntfs_rights,
    posix_rights,
    read_sidecar,
)

bits = some.integers(0, 7)
numbers = some.integers(1, 4)
ADA, STAFF = person_named("ada"), group_named("staff")


def extended(entries: list[tuple[int, int, int]]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def admits(raw: Raw, user: int, groups: set[int]) -> bool:
    names = {f"uid:{user}", *(f"gid:{group}" for group in groups), EVERYBODY}
    return bool(names & raw.allowed) and not names & raw.denied


def linux_admits(
    user: int, groups: set[int], owner: int, group: int, acl: list[tuple[int, int, int]]
) -> bool:
    """Evaluate as acl(5) has it."""
    mask = next((perm for tag, perm, _ in acl if tag == 0x10), 7)
    by_tag = {(tag, number): perm for tag, perm, number in acl}
    if user == owner:
        return bool(by_tag[0x01, 0] & 4)
    if (0x02, user) in by_tag:
        return bool(by_tag[0x02, user] & mask & 4)
    held = [perm for tag, perm, number in acl if tag == 0x08 and number in groups]
    held += [by_tag[0x04, 0]] if group in groups else []
    if held:
        return any(perm & mask & 4 for perm in held)
    return bool(by_tag[0x20, 0] & 4)


@given(
    owner=numbers,
    group=numbers,
    named=some.dictionaries(numbers, bits, max_size=2),
    groups_named=some.dictionaries(numbers, bits, max_size=2),
    classes=some.tuples(bits, bits, bits, bits),
    user=numbers,
    member_of=some.sets(numbers, max_size=3),
)
def test_nobody_is_admitted_whom_linux_would_not_admit(
    *,
    owner: int,
    group: int,
    named: dict[int, int],
    groups_named: dict[int, int],
    classes: tuple[int, int, int, int],
    user: int,
    member_of: set[int],
) -> None:
    own, grouped, mask, other = classes
    acl = [(0x01, own, 0), (0x04, grouped, 0), (0x10, mask, 0), (0x20, other, 0)]
    acl += [(0x02, perm, number) for number, perm in named.items()]
    acl += [(0x08, perm, number) for number, perm in groups_named.items()]

    raw = posix_rights(mode=0, owner=owner, group=group, extended=extended(acl))

    if admits(raw, user, member_of):
        assert linux_admits(user, member_of, owner, group, acl)


@given(mode=some.integers(0, 0o777), user=numbers, member_of=some.sets(numbers, max_size=3))
def test_a_mode_without_a_denial_admits_exactly_whom_linux_admits(
    mode: int, user: int, member_of: set[int]
) -> None:
    raw = posix_rights(mode=mode, owner=1, group=1)

    acl = [(0x01, mode >> 6 & 7, 0), (0x04, mode >> 3 & 7, 0), (0x20, mode & 7, 0)]
    ours, linux = admits(raw, user, member_of), linux_admits(user, member_of, 1, 1, acl)
    assert linux or not ours
    assert ours == linux or raw.denied


@given(
    file=some.integers(0, 0o777), folder=some.integers(0, 0o777), user=numbers,
    member_of=some.sets(numbers, max_size=3),
)  # fmt: skip
def test_who_may_not_pass_a_folder_reads_nothing_in_it(
    file: int, folder: int, user: int, member_of: set[int]
) -> None:
    above = posix_rights(mode=folder, owner=2, group=3, wanted=1)
    raw = below(above, posix_rights(mode=file, owner=1, group=2))

    if admits(raw, user, member_of):
        assert admits(above, user, member_of)


@pytest.mark.parametrize("data", [b"x", b"\x02\0\0\0\x01", b"\x03\0\0\0", b"\x02\0\0\0" + b"1" * 7])
def test_a_posix_list_cut_short_is_unreadable(data: bytes) -> None:
    with pytest.raises(RightsUnreadable):
        posix_rights(mode=0o777, owner=1, group=1, extended=data)


def sid_bytes(number: int) -> bytes:
    return struct.pack("<BB", 1, 2) + (5).to_bytes(6, "big") + struct.pack("<2I", 21, number)


def sid(number: int) -> str:
    return f"S-1-5-21-{number}"


def descriptor(
    aces: list[tuple[int, int, int, int]], *, control: int = 0x8004, has_list: bool = True
) -> bytes:
    """Pack entries of kind, flags, mask and number of a SID."""
    packed = b"".join(
        struct.pack("<BBHI", kind, flags, 8 + len(sid_bytes(who)), mask) + sid_bytes(who)
        for kind, flags, mask, who in aces
    )
    listed = struct.pack("<BBHHH", 2, 0, 8 + len(packed), len(aces), 0) + packed
    head = struct.pack("<BBHIIII", 1, 0, control, 0, 0, 0, 20 if has_list else 0)
    return head + listed


aces = some.lists(
    some.tuples(
        some.sampled_from([0, 1]),
        some.sampled_from([0, 0x10, 0x08]),
        some.sampled_from([0x1, 0x2, 0x80000000, 0x1200A9]),
        numbers,
    ),
    max_size=6,
)


@given(listed=aces, token=some.sets(numbers, min_size=1, max_size=3))
def test_nobody_is_admitted_whom_windows_would_not_admit(
    listed: list[tuple[int, int, int, int]], token: set[int]
) -> None:
    raw = ntfs_rights(descriptor(listed))

    names = {sid(number) for number in token}
    ours = bool(names & raw.allowed) and not names & raw.denied
    bearing = [
        kind
        for kind, flags, mask, who in listed
        if who in token and not flags & 0x08 and mask & 0x90000001
    ]
    windows = bool(bearing) and bearing[0] == 0
    assert not ours or windows


def test_an_explicit_permission_outweighs_an_inherited_denial_of_the_same_sid() -> None:
    raw = ntfs_rights(descriptor([(0, 0, 1, 7), (1, 0x10, 1, 7)]))

    assert raw == Raw(frozenset({sid(7)}), frozenset())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        descriptor([(0, 0, 1, 7)])[:-3],
        descriptor([], has_list=False),
        descriptor([(0, 0, 1, 7)], control=0x8000),
        descriptor([(0, 0, 1, 7)], control=0x0004),
        descriptor([(10, 0, 1, 7)]),
    ],
    ids=["empty", "cut short", "no list", "list absent", "absolute", "denies under a condition"],
)
def test_a_descriptor_that_is_not_understood_is_unreadable(data: bytes) -> None:
    with pytest.raises(RightsUnreadable):
        ntfs_rights(data)


@given(data=some.binary(max_size=80))
def test_any_bytes_are_a_descriptor_or_unreadable(data: bytes) -> None:
    with contextlib.suppress(RightsUnreadable):
        assert isinstance(ntfs_rights(data), Raw)


def test_somebody_unknown_who_is_admitted_is_left_out_and_listed() -> None:
    rights = mapped("a", Raw(frozenset({"uid:1", "gid:9"})), {"uid:1": ADA})

    assert rights.allowed == {ADA}
    assert rights.unmapped == ("gid:9 is admitted and not known",)


def test_somebody_unknown_who_is_shut_out_shuts_everybody_out() -> None:
    rights = mapped("a", Raw(frozenset({"uid:1"}), frozenset({sid(9)})), {"uid:1": ADA})

    assert rights.allowed == frozenset()
    assert sid(9) in rights.unmapped[0]


def sidecars(**texts: str) -> Sidecars:
    return Sidecars(lambda folder: texts.get(folder.replace("/", "_") or "root"))


def test_a_sidecar_admits_to_its_folder_and_those_below() -> None:
    found = sidecars(root='allow = ["group:staff"]', board='deny = ["person:ada"]')

    assert found.rights("leave.pdf").allowed == {STAFF}
    assert found.rights("board/2026/may.pdf").allowed == {STAFF}
    assert found.rights("board/2026/may.pdf").denied == {ADA}


def test_a_sidecar_may_end_what_is_inherited_but_no_denial() -> None:
    found = sidecars(
        root='allow = ["group:staff"]\ndeny = ["person:ada"]',
        board='inherit = false\nallow = ["group:board"]',
    )

    rights = found.rights("board/may.pdf")

    assert rights.allowed == {group_named("board")}
    assert rights.denied == {ADA}


def test_a_sidecar_speaks_of_files_by_pattern() -> None:
    found = sidecars(root='[files."pay*"]\nallow = ["person:ada"]')

    assert found.rights("pay.xlsx").allowed == {ADA}
    assert found.rights("leave.pdf").unmapped == ("no sidecar admits anybody",)


@pytest.mark.parametrize(
    "text", ['allow = "ada"', "allow = [", 'allow = ["ada"]', "alow = []", "files = 3"]
)
def test_a_broken_sidecar_shuts_everybody_out(text: str) -> None:
    assert read_sidecar(text).broken
    found = sidecars(root='allow = ["group:staff"]', board=text)

    rights = found.rights("board/may.pdf")

    assert rights.allowed == frozenset()
    assert rights.unmapped
    assert found.rights("leave.pdf").allowed == {STAFF}


def test_names_of_a_sidecar_are_those_of_the_command_line() -> None:
    assert read_sidecar('allow = ["service:robot"]').allow == {Named.of_key("service:robot")}
