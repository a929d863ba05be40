from pathlib import Path

import pytest

from muniment.errors import AlreadyRunning, DataFolderUnusable, PortBusy
from muniment.listening import require_free
from muniment.running import Running, hold_data_folder, make_data_folder, running_in

ME = Running(pid=4321, port=9001, service_port=9002)


def test_a_second_holder_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    other = Running(pid=1, port=1, service_port=1)

    with (
        hold_data_folder(tmp_path, ME),
        pytest.raises(AlreadyRunning, match=r"4321.*9001"),
        hold_data_folder(tmp_path, other),
    ):
        pass


def test_whoever_asks_learns_where_the_service_is_while_it_is_held(tmp_path: Path) -> None:
    with hold_data_folder(tmp_path, ME):
        during = running_in(tmp_path)

    assert during == ME
    assert running_in(tmp_path) is None


def test_a_folder_that_was_never_used_is_held_by_nobody(tmp_path: Path) -> None:
    assert running_in(tmp_path / "nothing") is None


def test_the_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_data_folder(tmp_path / "data")

    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataFolderUnusable, match=r"file/data.*MUNIMENT_DATA"):
        make_data_folder(tmp_path / "file" / "data")


def test_a_port_that_nobody_may_take_is_named_with_its_setting() -> None:
    with pytest.raises(PortBusy, match=r"192\.0\.2\.1.*MUNIMENT_PORT"):
        require_free("192.0.2.1", 20999, setting="port", what="the page")
