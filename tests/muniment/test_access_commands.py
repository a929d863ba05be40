"""The command ``access``, from an entry to why somebody can read."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from corpus.documents import OriginalHash, ParsedDocument
from muniment.access_commands import access
from muniment.settings import Settings
from muniment.stores import open_catalog, open_identity, open_record
from muniment.terminal import ExitCode

PASSWORD = "correct horse battery"


class Desk:
    """A data folder with a source of one document and three accounts."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.model_validate(
            {"data": folder, "markings": "OFFICIAL,OFFICIAL-SENSITIVE"}
        )
        with closing(open_catalog(self.settings)) as catalog:
            source = catalog.add_source(name="files", location=folder, groups=frozenset())
            staged = catalog.stage_version(
                source_id=source.source_id,
                path="board/may.txt",
                original=OriginalHash("00"),
                media_type="text/plain",
                parsed=ParsedDocument("May", ()),
                chunks=[],
                size=3,
                modified_ns=0,
            )
            catalog.publish(staged.version_id)
        with closing(open_identity(self.settings)) as identity:
            identity.add_account("ada", PASSWORD, groups={"partners"})
            identity.add_account("carol", PASSWORD, roles={"auditor"})
            identity.add_account("dan", PASSWORD)

    def run(self, *arguments: str, text: str = "") -> Result:
        return CliRunner().invoke(access, arguments, obj=self.settings, input=text)

    def explain(self, person: str) -> Result:
        return self.run("explain", person, "files/board/may.txt")

    def on_record(self) -> list[str]:
        with closing(open_record(self.settings)) as record:
            return [entry.type for entry in record.entries(limit=100)]


@pytest.fixture
def made(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_entry_is_given_shown_explained_and_removed(made: Desk) -> None:
    assert made.explain("ada").exit_code == ExitCode.NOT_DONE

    given = made.run("allow", "files/board/", "group:board", "--reason", "Board papers")
    nested = made.run("group", "board", "group:partners")
    explained = made.explain("ada")
    shown = json.loads(made.run("show", "files", "--json").stdout)

    assert given.exit_code == nested.exit_code == explained.exit_code == ExitCode.DONE
    assert "allows group board, through partners in board" in explained.stdout
    assert [(row["principal"], row["reason"]) for row in shown] == [("group:board", "Board papers")]
    assert made.run("remove", "files/board/", "group:board").exit_code == ExitCode.DONE
    assert made.explain("ada").exit_code == ExitCode.NOT_DONE
    assert {"acl.change", "access.explain"} <= set(made.on_record())


def test_denying_is_explained_with_its_entry(made: Desk) -> None:
    made.run("allow", "files", "person:ada")
    made.run("deny", "files/board/may.txt", "group:partners")

    explained = made.explain("ada")

    assert "an entry on the document itself denies group partners" in explained.stdout
    assert "<- decides" in explained.stdout


def test_a_marking_is_given_and_cleared(made: Desk) -> None:
    made.run("allow", "files", "person:ada")
    assert made.run("mark", "files", "board/*", "OFFICIAL").exit_code == ExitCode.DONE
    assert "not cleared" in made.explain("ada").stdout

    made.run("clear", "person:ada", "OFFICIAL-SENSITIVE")

    assert made.explain("ada").exit_code == ExitCode.DONE


@pytest.mark.parametrize("name", ["ada", "robot:ada", "group:"])
def test_a_name_that_could_be_anybody_is_refused(made: Desk, name: str) -> None:
    refused = made.run("allow", "files", name)

    assert refused.exit_code == ExitCode.USAGE
    assert "person:NAME" in refused.output


def test_identities_are_read_from_a_file(made: Desk, tmp_path: Path) -> None:
    file = tmp_path / "directory.csv"
    file.write_text("# ours\nuid:1000,person:ada\nS-1-5-21-7,group:staff\n")

    assert (
        made.run("identities", str(file)).stdout
        == "S-1-5-21-7  group:staff\nuid:1000  person:ada\n"
    )

    file.write_text("uid:1000\n")
    assert "Line 1" in str(made.run("identities", str(file)).exception)


def test_break_glass_takes_a_second_person_and_is_loud_on_the_record(made: Desk) -> None:
    asked = made.run("break-glass", "dan", "files/board/", "--reason", "Inquest", "--minutes", "5")
    request = asked.stdout.split()[2].rstrip(".")
    assert made.explain("dan").exit_code == ExitCode.NOT_DONE

    approve = ("break-glass", "--approve", request, "--as")
    ada = made.run(*approve, "ada", text=f"{PASSWORD}\n")
    carol = made.run(*approve, "carol", text=f"{PASSWORD}\n")

    assert "takes an administrator or auditor" in str(ada.exception)
    assert "OPEN until" in carol.stdout
    assert "break-glass: Inquest" in made.explain("dan").stdout
    assert made.run("break-glass", "--end", request).exit_code == ExitCode.DONE
    assert made.explain("dan").exit_code == ExitCode.NOT_DONE
    assert made.on_record().count("access.break_glass") == 3
