"""The main job, as a person does it: sign in, ask, read, open the source, sign out."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Log, Site

pytestmark = pytest.mark.browser

SLOW = 60_000
"""Milliseconds: a cold page on a busy machine takes its time; nothing is asserted about it."""


def sign_in(page: Page, address: str, name: str, password: str) -> None:
    page.goto(f"{address}/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_placeholder("Ask about your documents")).to_be_visible(timeout=SLOW)


def ask(page: Page, question: str) -> None:
    composer = page.get_by_placeholder("Ask about your documents")
    composer.fill(question)
    composer.press("Enter")


def test_a_question_is_answered_with_a_marked_page_and_nothing_leaves(
    page: Page, log: Log, site: Site
) -> None:
    sign_in(page, site.page_address, site.name, site.password)

    ask(page, site.question)
    chip = page.get_by_role("button", name=re.compile(r"^Source \d+: .*, page \d+")).first
    expect(chip).to_be_visible(timeout=site.answer_seconds * 1000)
    chip.click()

    image = page.get_by_role("img", name=re.compile(r"^Page \d+ of .*Marked: "))
    expect(image).to_be_visible(timeout=SLOW)
    expect(chip).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    address = image.get_attribute("src") or ""
    assert re.fullmatch(r"/page/[^/]+/\d+\.png\?start=\d+&end=\d+", address)
    assert image.evaluate("element => element.decode().then(() => element.naturalWidth)") > 300

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=SLOW)
    assert page.request.get(f"{site.page_address}{address}").status == 401
    assert log.foreign(site.page_address) == []
    assert log.complaints() == []


def test_a_running_answer_survives_a_reload(page: Page, log: Log, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)
    ask(page, stand_in_site.question)
    expect(page.get_by_role("log", name="Answer in progress")).to_be_visible(timeout=SLOW)

    expect(page.get_by_text("Draft: grey is not yet checked")).to_be_visible(timeout=SLOW)
    page.reload()

    source = page.get_by_role("button", name=re.compile(r"^Source 1: ")).first
    expect(source).to_be_visible(timeout=stand_in_site.answer_seconds * 1000)
    assert log.complaints() == []


def test_rows_of_a_table_stand_under_the_names_of_its_columns(
    page: Page, stand_in_site: Site
) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)
    page.goto(f"{stand_in_site.page_address}/?c=rows")

    quotes = page.get_by_role("log", name="Answer").get_by_role("blockquote")
    expect(quotes).to_have_count(2, timeout=SLOW)
    assert quotes.nth(0).inner_text().startswith("Code | Record | Period\n")
    assert quotes.nth(1).inner_text().startswith("A3 | Pension transfers")


def test_escape_closes_the_source(page: Page, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)
    page.goto(f"{stand_in_site.page_address}/?c=retention&cite=3")
    image = page.get_by_role("img", name=re.compile("^Page 4 of"))
    expect(image).to_be_visible(timeout=SLOW)

    page.keyboard.press("Escape")

    expect(image).to_be_hidden(timeout=SLOW)


def test_the_keyboard_keeps_its_place_when_a_source_opens(page: Page, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)
    page.goto(f"{stand_in_site.page_address}/?c=retention")
    chip = page.get_by_role("button", name=re.compile("^Source 3:"))
    expect(chip).to_be_visible(timeout=SLOW)

    chip.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("img", name=re.compile("^Page 4 of"))).to_be_visible(timeout=SLOW)
    expect(chip).to_be_focused(timeout=SLOW)


def test_hostile_text_calls_nobody(page: Page, log: Log, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)

    for path in ("/?c=hostile&cite=1", "/library", "/library?d=hostile"):
        page.goto(f"{stand_in_site.page_address}{path}")
        expect(page.get_by_text("leak.example").first).to_be_visible(timeout=SLOW)

    assert page.locator("a[href*='leak.example'], img[src*='leak.example']").count() == 0
    assert log.foreign(stand_in_site.page_address) == []
    assert log.complaints() == []


@pytest.mark.parametrize(
    "path", ["library", "library?d=retention", "ingestion", "audit", "audit?story=896&passage=1"]
)
def test_every_page_keeps_to_its_own_host(
    page: Page, log: Log, stand_in_site: Site, path: str
) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)

    page.goto(f"{stand_in_site.page_address}/{path}")

    expect(page.get_by_role("table").first).to_be_visible(timeout=SLOW)
    assert log.foreign(stand_in_site.page_address) == []
    assert log.complaints() == []


def test_a_person_without_roles_is_shown_no_page_of_a_role(page: Page, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, "tom.visser", stand_in_site.password)

    expect(page.get_by_role("link", name="Library")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    expect(page.get_by_role("link", name="Ingestion")).to_have_count(0)


def test_a_document_is_opened_from_the_library(page: Page, stand_in_site: Site) -> None:
    sign_in(page, stand_in_site.page_address, stand_in_site.name, stand_in_site.password)
    page.get_by_role("link", name="Library").click()

    page.get_by_role("button", name="Records Retention Standard").click(timeout=SLOW)

    page_image = page.get_by_role("img", name="Page 1 of Records Retention Standard")
    expect(page_image).to_be_visible(timeout=SLOW)
