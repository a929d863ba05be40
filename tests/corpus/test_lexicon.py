"""How the word index reads: stems, names of documents, numbers of sections."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import Stemmer

from corpus.index import lexicon


def test_rule_numbers_stay_whole_and_filler_falls_out() -> None:
    found = list(lexicon.words("What does Rule 4.12.7(2) say about the exposures of an MDB?"))

    assert found == ["rule", "4.12.7(2)", "exposures", "mdb"]


def test_terms_are_stems_in_their_order() -> None:
    assert lexicon.stems("Fees charged by solicitors") == ["fee", "charg", "solicitor"]
    assert lexicon.pairs(["fee", "charg", "solicitor"]) == ["fee charg", "charg solicitor"]


@pytest.mark.parametrize(
    ("question", "file_name"),
    [
        ("What did American Water Works pay out for FY2020?", "AMERICANWATERWORKS_2020_10K"),
        ("What did Footlocker's CEO say?", "FOOT LOCKER 8K"),
        ("Adobe's margin in FY22", "ADOBE_2022_10K"),
        ("Revenue in Q2 of FY2023", "PFIZER_2023Q2_10Q"),
        ("Revenue in Q22023", "PFIZER_2023Q2_10Q"),
    ],
)
def test_a_question_names_a_document_however_it_is_spelt(question: str, file_name: str) -> None:
    shared = set(lexicon.names_in_question(question)) & lexicon.names_of_document(file_name)

    assert shared - {"2023"}


def test_the_number_of_a_rule_names_no_document() -> None:
    asked = set(lexicon.names_in_question("What does Rule 4.1(2) say?"))

    assert not asked & (lexicon.names_of_document("4") | lexicon.names_of_document("2"))


def test_phrases_of_common_words_are_no_name_of_their_own() -> None:
    asked = set(lexicon.names_in_question("the non-disclosure agreement"))

    shared = asked & lexicon.names_of_document("Kerber Non-Disclosure Agreement")

    assert shared == {"disclosur", "agreement"}


@pytest.mark.parametrize(
    ("question", "word", "sure"),
    [
        ("Does the Boeing policy hold?", "boe", 1.0),
        ("Does the Boeing policy hold?", "polici", lexicon.ORDINARY_NAME),
        ("Policy of whom?", "polici", lexicon.ORDINARY_NAME),
        ("Yes. Policy of whom?", "polici", lexicon.ORDINARY_NAME),
        ("what of FY2022?", "2022", 1.0),
        ("growth from FY2020 to FY2022", "2022", 1.0),
        ("growth from FY2020 to FY2022", "2020", lexicon.EARLIER_YEAR),
        ("what of eBay's?", "ebay", 1.0),
    ],
)
def test_what_is_written_as_a_name_counts_as_one(question: str, word: str, sure: float) -> None:
    assert lexicon.names_in_question(question)[word] == sure


@pytest.mark.parametrize(
    ("heading", "text", "found"),
    [
        ("", "4.12.7 Risk weights apply.", ("4.12.7",)),
        ("Section 5.3 Notices", "Any notice is in writing.", ("5.3",)),
        ("", "12. Termination\n\n12.1 Either party may.", ("12", "12.1")),
        ("", "2022 was a good year.", ()),
        ("4.12.7.(2)", "An Authorised Person must.", ("4.12.7.2",)),
    ],
)
def test_the_numbers_of_a_section_are_read(heading: str, text: str, found: tuple[str, ...]) -> None:
    assert lexicon.labels(heading, text) == found


def test_references_are_read_one_by_one() -> None:
    text = "Subject to Rules 4.12.8 and 4.12.9 and Section 5(2), a firm must pay 2 fees."

    assert lexicon.references(text) == ("4.12.8", "4.12.9", "5.2")


def test_a_section_stands_in_those_whose_numbers_it_begins_with() -> None:
    assert lexicon.sections_around(["4.12.7", "9"]) == {"4", "4.12", "4.12.7", "9"}
    assert lexicon.sections_around(["4.12.7", "9"], widest=2) == {"4.12", "4.12.7", "9"}
    assert "4.12.7" not in lexicon.sections_around(["4.12.70"])


@pytest.mark.parametrize(
    "text", ["", " ", "the of and", "\x00\ufffd\ud800", "<script>alert(1)</script>", "a" * 100_000]
)
def test_anything_can_be_read(text: str) -> None:
    list(lexicon.words(text))
    lexicon.labels(text, text)
    lexicon.references(text)
    lexicon.names_in_question(text)


def test_many_threads_at_once_get_the_stems_that_one_gets() -> None:
    beginnings = ["govern", "relat", "nation", "confidential", "organis"]
    words = [f"{start}{number}{end}" for start in beginnings for number in "abcdefghij"
             for end in ("ing", "ational", "ities", "ement", "fulness", "ed")]  # fmt: skip
    expected = [Stemmer.Stemmer("english").stemWord(word) for word in words]
    lexicon.stem.cache_clear()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lexicon.stem, words))
    finally:
        sys.setswitchinterval(interval)

    assert found == expected
