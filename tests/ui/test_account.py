"""The page that says who one is here."""

from tests.ui.test_pages import opened, shown_at, words
from ui.client import Client


def test_it_says_what_ones_roles_let_one_do(client: Client) -> None:
    page = shown_at(client, "account")

    assert not page.exception
    assert "You configure. That alone lets you read nothing." in words(page)
    assert "compliance, staff" in words(page) or "staff, compliance" in words(page)


def test_whoever_reads_begins_with_a_question(stranger: Client) -> None:
    page = opened(stranger)

    assert not page.exception
    assert page.chat_input
