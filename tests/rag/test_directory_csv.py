"""Directories as files, and the options of those that are servers."""

from pathlib import Path

import pytest

from rag.directory_book import DirectoryGroup, DirectoryPerson
from rag.directory_csv import read_csv
from rag.directory_ldap import LdapOptions, read_ldap, read_options
from rag.errors import DirectoryInvalid


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_people_groups_and_members_are_read(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        people="id,name,display,active,identifiers\n"
        "1,bea,Bea B.,yes,uid:1000 S-1-5-21-1\n2,cem,,no,\n",
        groups="id,name,identifiers\ng1,staff,gid:50\ng2,partners,\n",
        members="group,member\ng1,1\ng1,g2\n",
    )

    found = read_csv(folder)

    assert found.people == (
        DirectoryPerson("1", "bea", "Bea B.", identifiers=("uid:1000", "S-1-5-21-1")),
        DirectoryPerson("2", "cem", active=False),
    )
    assert found.groups == (
        DirectoryGroup("g1", "staff", frozenset({"1", "g2"}), identifiers=("gid:50",)),
        DirectoryGroup("g2", "partners"),
    )


def test_names_alone_are_enough(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, people="\ufeffName\nbea\n"))

    assert found.people == (DirectoryPerson("bea", "bea"),)
    assert found.groups == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "people.csv cannot be read"),
        ({"people": "id\n1\n"}, "names the columns: name"),
        ({"people": "name,salary\nbea,1\n"}, "names the columns: name"),
        ({"people": "name,active\nbea,perhaps\n"}, "Line 2 .* Write yes or no"),
        ({"people": "name,id\nbea\n"}, "Line 2 .* more or fewer values"),
        ({"people": "name\nbea,1\n"}, "Line 2 .* more or fewer values"),
        ({"people": 'name\n"bea\n'}, "cannot be read"),
        ({"people": "name\nbea\n", "members": "group,member\ng,bea\n"}, "groups.csv"),
        (
            {"people": "name\nbea\n", "groups": "name\na\n", "members": "group,member\ng,bea\n"},
            "names the group 'g'",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_no_directory(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(DirectoryInvalid, match=said):
        read_csv(write(tmp_path, **files))


def test_options_of_a_server_are_those_of_active_directory_unless_said() -> None:
    options = read_options('bind = "cn=reader"\npassword = "hidden"\nperson_name = "uid"\n')

    assert (options.person_name, options.person_id) == ("uid", "objectGUID")
    assert "hidden" not in repr(options)


@pytest.mark.parametrize("text", ["bind = ", 'pasword = "x"', "bind = 1"])
def test_options_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(DirectoryInvalid):
        read_options(text)


@pytest.mark.parametrize(
    "url", ["http://dc1", "ldaps://", "ldap://reader:secret@dc1", "cldap://dc1"]
)
def test_an_address_that_no_directory_has_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(DirectoryInvalid, match="without a password") as refused:
        read_ldap(url, LdapOptions())

    assert "secret" not in str(refused.value)
