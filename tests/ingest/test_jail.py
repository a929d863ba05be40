import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import confinement
from ingest.errors import Quarantined
from ingest.jail import Jail, parse_in_jail
from ingest.parsing import Format
from ingest.quarantine import Reason
from ingest.settings import Limits
from ingest.sniffing import TEXT

ODD = "test/odd"
TIGHT = Limits(parse_seconds=20, parse_memory_bytes=300 * 1024 * 1024)


@pytest.fixture(scope="module")
def odd_jail() -> Iterator[Jail]:
    with Jail({ODD: Format("odd", "tests.ingest.misbehaving", "none")}) as jail:
        yield jail


def reason_for(jail: Jail, order: str, folder: Path, limits: Limits = TIGHT) -> Reason:
    file = folder / "order"
    file.write_text(order)
    with pytest.raises(Quarantined) as caught:
        jail.parse(file, media_type=ODD, limits=limits)
    return caught.value.reason


def said(jail: Jail, order: str, folder: Path) -> str:
    file = folder / "order"
    file.write_text(order)
    return jail.parse(file, media_type=ODD, limits=TIGHT).text


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("abort", Reason.CRASHED),
        ("eat", Reason.OUT_OF_MEMORY),
        ("raise", Reason.DAMAGED),
        ("connect", Reason.DAMAGED),
        ("fill", Reason.DAMAGED),
        ("nothing", Reason.NO_TEXT),
        ("lie", Reason.CRASHED),
    ],
)
def test_a_parser_that_misbehaves_costs_its_document_only(
    order: str, reason: Reason, odd_jail: Jail, tmp_path: Path
) -> None:
    assert reason_for(odd_jail, order, tmp_path) is reason

    assert said(odd_jail, "the next document", tmp_path) == "the next document"


def test_a_parser_that_hangs_is_ended(odd_jail: Jail, tmp_path: Path) -> None:
    assert reason_for(odd_jail, "hang", tmp_path, Limits(parse_seconds=0.5)) is Reason.TIME_OUT

    assert said(odd_jail, "the next document", tmp_path) == "the next document"


def test_a_parser_that_says_too_much_is_not_listened_to(
    odd_jail: Jail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.jail.RESULT_BYTES", 100)

    assert reason_for(odd_jail, "word " * 100, tmp_path) is Reason.TOO_LARGE


def test_what_a_parser_takes_to_load_is_not_the_documents_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.jail.GRACE_SECONDS", 0)
    file = tmp_path / "order"
    file.write_text("innocent")

    with Jail({ODD: Format("odd", "tests.ingest.slow_to_start", "none")}) as jail:
        parsed = jail.parse(file, media_type=ODD, limits=Limits(parse_seconds=5))

    assert parsed.text == "innocent"


def test_slow_pages_have_time_each(odd_jail: Jail, tmp_path: Path) -> None:
    file = tmp_path / "order"
    file.write_text("slow pages")

    parsed = odd_jail.parse(file, media_type=ODD, limits=Limits(parse_seconds=1))

    assert parsed.text == "slow pages"


def test_a_parser_writes_into_its_own_folder_only(odd_jail: Jail, tmp_path: Path) -> None:
    if not landlock():
        pytest.skip("this kernel has no Landlock")

    assert said(odd_jail, "scratch", tmp_path) == "scratch"
    assert reason_for(odd_jail, f"write to {tmp_path / 'out'}", tmp_path) is Reason.DAMAGED
    assert not (tmp_path / "out").exists()


def landlock() -> bool:
    version = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return int(version) > 0


def test_what_a_parser_started_ends_with_it(odd_jail: Jail, tmp_path: Path) -> None:
    said(odd_jail, "orphan", tmp_path)

    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]

    assert b"sleep\x007391\x00" not in running


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_what_a_document_cost_is_told(odd_jail: Jail, tmp_path: Path) -> None:
    said(odd_jail, "words", tmp_path)

    assert odd_jail.last_cost.peak_bytes > 1_000_000
    assert odd_jail.last_cost.cpu_seconds >= 0


def test_a_jail_whose_helper_died_starts_another(odd_jail: Jail, tmp_path: Path) -> None:
    said(odd_jail, "before", tmp_path)
    helper = odd_jail._helpers["light"]
    helper.kill()
    helper.wait()

    assert said(odd_jail, "after", tmp_path) == "after"


def test_no_setting_of_this_process_reaches_the_jail(
    odd_jail: Jail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUNIMENT_MODEL_KEY", "secret")

    names = said(odd_jail, "environment", tmp_path)

    assert "MUNIMENT_MODEL_KEY" not in names
    assert "DO_NOT_TRACK" in names


def test_what_an_error_says_of_the_document_stays_in_the_jail(
    odd_jail: Jail, tmp_path: Path
) -> None:
    file = tmp_path / "order"
    file.write_text("raise")

    with pytest.raises(Quarantined) as caught:
        odd_jail.parse(file, media_type=ODD, limits=TIGHT)

    assert "secret" not in str(caught.value)


def test_one_file_can_be_read_in_a_jail_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("The key is under the mat.")

    parsed = parse_in_jail(file, media_type=TEXT, limits=Limits())

    assert parsed.text == "The key is under the mat."


def test_a_socket_that_an_office_engine_left_is_removed_and_no_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "_OFFICE_SOCKETS", tmp_path)
    older, later, left = (tmp_path / name for name in ("OSL_PIPE_1", "notes", "OSL_PIPE_2"))
    older.touch()
    while not later.exists() or later.stat().st_ctime_ns <= older.stat().st_ctime_ns:
        later.unlink(missing_ok=True)  # the file system's clock ticks slowly
        later.touch()
    before = confinement.office_folder_changed_at()
    confinement.remove_office_sockets(since=before)
    left.touch()

    while left.exists():
        left.unlink()
        left.touch()
        confinement.remove_office_sockets(since=before)

    assert {one.name for one in tmp_path.iterdir()} == {"OSL_PIPE_1", "notes"}
