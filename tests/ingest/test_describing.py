import pytest

from corpus.documents import BlockKind
from ingest.building import DocumentBuilder
from ingest.describing import described

HEADING, PARAGRAPH = BlockKind.HEADING, BlockKind.PARAGRAPH
ENGLISH = "This report tells what the company earned and what it owed at the end of the year."


def about(*blocks: tuple[BlockKind, str], title: str = "") -> dict[str, str]:
    builder = DocumentBuilder()
    for kind, text in blocks:
        builder.add(kind, text, level=1 if kind is HEADING else 0)
    return described(builder.finish(title=title))


def test_a_filing_tells_whose_it_is_of_what_kind_and_for_which_period() -> None:
    found = about(
        (HEADING, "FORM 10-K"),
        (PARAGRAPH, "For the fiscal year ended June 30, 2023"),
        (HEADING, "EXAMPLE WORKS"),
        (PARAGRAPH, "(Exact name of registrant as specified in its charter)"),
        (PARAGRAPH, ENGLISH),
    )

    assert found == {
        "language": "en",
        "organisation": "EXAMPLE WORKS",
        "document_type": "Form 10-K",
        "period": "fiscal year ended June 30, 2023",
    }


def test_a_company_is_known_by_how_its_name_ends() -> None:
    found = about((HEADING, "Retention policy"), (PARAGRAPH, "Harbour & Sons Ltd"))

    assert found["organisation"] == "Harbour & Sons Ltd"
    assert found["document_type"] == "policy"


def test_what_a_document_does_not_say_is_not_told() -> None:
    assert about((PARAGRAPH, "12 34")) == {}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Die Kündigungsfrist des Vertrages beträgt drei Monate zum Ende des Jahres.", "de"),
        ("Le contrat peut être résilié par chacune des parties à la fin de l'année.", "fr"),
    ],
)
def test_the_language_of_the_text_is_told(text: str, language: str) -> None:
    assert about((PARAGRAPH, text))["language"] == language
