"""Nothing is called a quotation that does not stand in a passage the reader may read."""

import string
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.desk import Desk, opened, stand_in
from bench.texts import whole
from corpus.access import Principal
from corpus.documents import VersionId
from corpus.embedding import Embedder
from corpus.records import AccessRule
from rag.citations import check_draft
from rag.contract import Citation
from rag.evaluation import quote_stands
from tests.judge import judge

READER = Principal("reader", frozenset({"staff"}))
QUESTION = "How many days of annual leave does a member of staff have?"
OPEN = (
    "Every member of staff has 27 days of annual leave a year. "
    "Up to 5 days of leave may be carried over to the next year. "
    "Leave must not be taken in the last week of March. "
    "Requests for leave are approved by Priya Nair within 3 working days."
)
SECRET = "Members of the Board have 41 days of annual leave a year. Nobody else may know it."
SENTENCES = [part if part.endswith(".") else f"{part}." for part in OPEN.split(". ")]
OTHERS = [part if part.endswith(".") else f"{part}." for part in SECRET.split(". ")]
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "leave.txt").write_text(f"Annual leave\n\n{OPEN}")
    (folder / "board.txt").write_text(f"Annual leave of the Board\n\n{SECRET}")
    rules = [AccessRule("board.txt", frozenset({"board"}))]
    with opened(
        folder, groups=READER.groups, rules=rules, encoder=embedder, weigh=judge().weigh
    ) as made:
        yield made


@pytest.fixture(scope="module")
def citation(desk: Desk) -> Citation:
    return desk.ask(QUESTION, READER, model=None).citations[0]


@st.composite
def drafts(draw: st.DrawFn) -> str:
    """Draft sentences as models write them: copied, changed, joined, made up."""
    pieces = st.one_of(
        st.sampled_from(SENTENCES),
        st.sampled_from(OTHERS),
        st.sampled_from(SENTENCES).map(str.upper),
        st.sampled_from(SENTENCES).map(lambda text: text.replace("27", "41")),
        st.tuples(st.sampled_from(SENTENCES), st.sampled_from(OTHERS)).map(
            lambda pair: f"{pair[0][:-1]} and {pair[1][0].lower()}{pair[1][1:]}"
        ),
        st.text(string.ascii_letters + string.digits + " .,%\u00a3\u201c\u201d\"'", max_size=60),
    )
    return " ".join(draw(st.lists(pieces, min_size=1, max_size=5)))


@FEW
@given(drafts())
def test_no_text_outside_an_authorised_passage_is_ever_marked_as_quoted(
    desk: Desk, draft: str
) -> None:
    answer = desk.ask(QUESTION, READER, model=stand_in(lambda _: draft))

    for sentence in answer.sentences:
        assert sentence.citations
        if sentence.quoted:
            assert _plain(sentence.text) in _plain(OPEN)
    assert all(citation.quote in OPEN for citation in answer.citations)
    assert all(citation.path == "leave.txt" for citation in answer.citations)


@FEW
@given(drafts())
def test_what_backs_a_sentence_stands_word_for_word_in_its_passage(draft: str) -> None:
    passages = whole(OPEN)

    for checked in check_draft(draft, passages):
        if checked.quote is not None:
            assert OPEN[checked.quote.span.start : checked.quote.span.end] == checked.quote.text
        if checked.verbatim:
            assert _plain(checked.text) in _plain(OPEN)


@given(
    st.sampled_from([text for text in SENTENCES if any(letter.isdigit() for letter in text)]),
    st.integers(0, 9_999),
)
def test_a_sentence_with_another_figure_is_never_backed(sentence: str, figure: int) -> None:
    (number,) = {word for word in sentence.split() if word.isdigit()}
    changed = sentence.replace(number, str(figure))

    (checked,) = check_draft(changed, whole(OPEN))

    assert (checked.quote is not None) == (str(figure) == number)


@pytest.mark.parametrize(
    ("stated", "changed"),
    [
        ("must not be taken", "must be taken"),
        ("may be carried", "must be carried"),
        ("may be carried", "may not be carried"),
        ("Priya Nair", "Martin Vale"),
        ("Every member", "No member"),
    ],
)
def test_a_sentence_with_another_sense_is_never_backed(stated: str, changed: str) -> None:
    (sentence,) = [text for text in SENTENCES if stated in text]

    (checked,) = check_draft(sentence.replace(stated, changed), whole(OPEN))

    assert checked.quote is None


@settings(FEW, max_examples=200)
@given(st.data())
def test_a_mutated_citation_never_passes(
    desk: Desk, citation: Citation, data: st.DataObject
) -> None:
    text = desk.catalog.text_of(VersionId(citation.version_id))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = data.draw(st.one_of(st.just(citation.quote), st.text(max_size=80)))

    mutated = citation.model_copy(update={"start": start, "end": end, "quote": quote})

    assert _stands(desk, citation)
    assert _stands(desk, mutated) == (text[start:end] == quote)


def _stands(desk: Desk, citation: Citation) -> bool:
    return quote_stands(citation, catalog=desk.catalog, originals=desk.originals)


def _plain(text: str) -> str:
    letters = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join(letters.split())
