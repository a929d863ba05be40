"""Each page, run by Streamlit's own test runner against the stand-in service."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from ui.client import Client

APP = Path(__file__).parents[2] / "ui" / "app.py"


def opened(client: Client | None, **query: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=60)
    if client is not None:
        page.session_state["client"] = client
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def shown_at(client: Client, view: str, **query: str) -> AppTest:
    """Run one view alone: the test runner cannot follow a menu of functions."""
    script = f"from ui.views import {view}\n\n{view}.show()\n"
    page = AppTest.from_string(script, default_timeout=60)
    page.session_state["client"] = client
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def words(page: AppTest) -> str:
    elements = [*page.text, *page.caption, *page.header, *page.subheader, *page.title, *page.info]
    return "\n".join(str(element.value) for element in elements)


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def field(page: AppTest, name: str) -> TextInput:
    return next(item for item in page.text_input if item.label == name)


def test_nobody_signed_in_sees_nothing() -> None:
    page = opened(None)

    assert not page.exception
    assert words(page) == "You are signed out."
    assert not page.button


def test_what_is_unclear_is_asked_back_with_what_may_be_meant(client: Client) -> None:
    page = shown_at(client, "ask", c="unclear")

    assert not page.exception
    assert "Which one do you mean?" in words(page)
    assert {"Larkspur Contract", "Harbour Contract"} <= set(labels(page))


def test_a_part_that_is_not_answered_is_named(client: Client) -> None:
    page = shown_at(client, "ask", c="partly")

    assert not page.exception
    assert "Your documents do not answer this part: who may see them." in words(page)


def test_an_answer_made_while_the_model_was_away_can_be_asked_again(client: Client) -> None:
    page = shown_at(client, "ask", c="away")

    assert not page.exception
    assert "The model is away" in words(page)
    assert "Ask the model again" in labels(page)


def test_the_first_page_invites_a_question(client: Client) -> None:
    page = opened(client)

    assert not page.exception
    assert "What do you want to know?" in words(page)
    assert page.chat_input
    assert "amara.okafor" in words(page)


def test_a_service_that_is_away_is_a_sentence_and_not_a_traceback() -> None:
    page = opened(Client("http://127.0.0.1:9", "token"))

    assert not page.exception
    assert "does not answer" in page.warning[0].value


def test_an_example_asks_and_the_turn_runs_outside_the_page(client: Client) -> None:
    page = opened(client)

    page.button(key="example-0").click().run()

    assert not page.exception
    assert "Stop" in labels(page)
    assert page.query_params["c"]


def test_stop_ends_the_turn_and_says_so(client: Client) -> None:
    page = opened(client)
    page.chat_input[0].set_value("How long do we keep records?").run()
    stop = next(button for button in page.button if button.label == "Stop")

    stop.click().run()

    assert not page.exception
    assert "Stopped, so this is incomplete" in words(page)


def test_an_answer_is_judged_with_one_click(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    page.button(key="up-turn-retention").click().run()

    assert not page.exception
    assert "Thank you" in page.toast[0].value


def test_a_conversation_gets_another_title_from_its_menu(client: Client) -> None:
    page = shown_at(client, "ask", c="title")

    field(page, "Title").set_value("Figures we lack")
    next(button for button in page.button if button.label == "Rename").click().run()

    assert not page.exception
    assert "Figures we lack" in words(page)


def test_sharing_with_a_name_nobody_has_is_a_sentence(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    field(page, "Share with").set_value("nobody")
    next(button for button in page.button if button.label == "Share").click().run()

    assert not page.exception
    assert page.error[0].value == "There is nobody of this name here."


def test_sharing_is_ended_from_the_menu(client: Client) -> None:
    conversation = client.ask("Who may read this?", conversation_id=None, quotes_only=False)
    client.share(conversation.conversation_id, "tom.visser")
    page = shown_at(client, "ask", c=conversation.conversation_id)

    page.button(key="unshare-tom.visser").click().run()

    assert not page.exception
    assert client.conversation(conversation.conversation_id).shared_with == []


def test_a_conversation_is_exported_as_pdf_and_as_markdown(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    links = {link.proto.label: link.proto.url for link in page.get("link_button")}

    assert links["PDF"] == "/conversation/retention/pdf"
    assert links["Markdown"] == "/conversation/retention/markdown"


def test_a_conversation_is_deleted_at_the_second_word(client: Client) -> None:
    conversation = client.ask("What goes away?", conversation_id=None, quotes_only=False)
    page = shown_at(client, "ask", c=conversation.conversation_id)

    page.checkbox(key="delete-sure").check().run()
    page.button(key="delete-now").click().run()

    assert not page.exception
    kept = [each.conversation_id for each in client.conversations()]
    assert conversation.conversation_id not in kept
    assert "What do you want to know?" in words(page)


def test_an_answer_is_made_anew_for_the_same_question(client: Client) -> None:
    before = client.ask("What is asked twice?", conversation_id=None, quotes_only=False)
    client.stop(before.turn_id)
    page = shown_at(client, "ask", c=before.conversation_id)

    next(button for button in page.button if button.label == "Ask again").click().run()

    (turn,) = client.conversation(before.conversation_id).turns
    assert not page.exception
    assert (turn.question, turn.state) == (before.question, "running")
    assert turn.turn_id != before.turn_id


def test_a_question_is_changed_and_asked_in_the_old_ones_place(client: Client) -> None:
    page = shown_at(client, "ask", c="again")

    again = next(area for area in page.text_area if area.label == "Question")
    again.set_value("What was revenue in Norway in 2031?")
    next(button for button in page.button if button.label == "Ask again").click().run()

    assert not page.exception
    assert "What was revenue in Norway in 2031?" in words(page)
    assert "Stop" in labels(page)


def test_a_conversation_of_a_colleagues_can_only_be_read(client: Client) -> None:
    page = shown_at(client, "ask", c="shared")

    assert not page.exception
    assert "shares this conversation with you" in words(page)
    assert not page.chat_input
    assert not {"Rename", "Share", "Helpful"} & set(labels(page))


def test_an_answer_lists_its_sources_as_buttons(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    sources = [label for label in labels(page) if label.startswith("**")]
    assert not page.exception
    assert len(sources) == 4
    assert "4 passages · 3 documents · 4.2 s" in words(page)


def test_sentences_left_out_are_owned_up_to(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    assert "1 sentence of the draft was left out" in words(page)


def test_a_source_opens_beside_the_answer_and_closes(client: Client) -> None:
    page = shown_at(client, "ask", c="retention")

    page.button(key="source-turn-retention-3").click().run()
    opened_words = words(page)
    page.button(key="close-source").click().run()

    assert not page.exception
    assert "Page 4 of 5" in opened_words
    assert "joint written approval of the DPO" in opened_words
    assert "Page 4 of 5" not in words(page)


def test_a_link_to_a_citation_opens_it(client: Client) -> None:
    page = shown_at(client, "ask", c="retention", cite="1")

    assert "Page 3 of 5" in words(page)


def test_pages_are_leafed_from_the_cited_one(client: Client) -> None:
    page = shown_at(client, "ask", c="retention", cite="1")

    page.button(key="turn-Page on").click().run()

    assert "Page 4 of 5" in words(page)


def test_a_document_without_pages_shows_its_place(client: Client) -> None:
    page = shown_at(client, "ask", c="retention", cite="4")

    assert not page.exception
    assert "Section 2, Deadlines" in words(page)
    assert "Page 1 of" not in words(page)


def test_a_refusal_says_what_was_searched(client: Client) -> None:
    page = shown_at(client, "ask", c="revenue")

    assert not page.exception
    assert "Not answered: your documents do not cover this" in words(page)
    assert "found no passage about revenue" in words(page)


@pytest.mark.parametrize("cite", ["99", "passage-99", "x", "-1"])
def test_a_citation_that_is_not_there_opens_nothing(client: Client, cite: str) -> None:
    page = shown_at(client, "ask", c="retention", cite=cite)

    assert not page.exception
    assert "close-source" not in [button.key for button in page.button]


def test_a_conversation_that_is_not_there_is_a_sentence(client: Client) -> None:
    page = shown_at(client, "ask", c="nowhere")

    assert not page.exception
    assert "not here any more" in words(page)


def test_hostile_text_stands_in_no_label_as_markdown(client: Client) -> None:
    page = shown_at(client, "ask", c="hostile", cite="1")

    assert not page.exception
    for label in [*labels(page), *(str(item.value) for item in page.subheader)]:
        ours = label.replace(":gray[", "")
        assert not re.search(r"(?<!\\)[\[<]", ours)


def test_the_library_counts_what_one_may_read(client: Client) -> None:
    page = shown_at(client, "library")

    assert not page.exception
    assert "6 documents you may read" in words(page)


def test_the_library_searches(client: Client) -> None:
    page = shown_at(client, "library")

    page.text_input(key="q").set_value("complaint").run()

    assert "1 document you may read" in words(page)


def test_the_library_shows_passages_and_how_each_was_found(client: Client) -> None:
    page = shown_at(client, "library")
    page.text_input(key="q").set_value("complaint").run()

    next(one for one in page.button if one.label == "Search inside the documents").click().run()

    assert not page.exception
    assert "are destroyed within 90 days" in words(page)
    assert "meaning rank 1 (0.61); not by words; word by word 0.40" in words(page)


def test_a_document_tells_why_it_is_visible(client: Client) -> None:
    page = shown_at(client, "library", d="retention")

    assert not page.exception
    assert "You are in compliance, staff." in words(page)
    assert "Page 1 of 5" in words(page)


def test_a_document_one_may_not_read_is_not_there(client: Client) -> None:
    page = shown_at(client, "library", d="secret")

    assert not page.exception
    assert "no such document" in words(page)


def test_ingestion_shows_progress_and_what_is_in_quarantine(client: Client) -> None:
    page = shown_at(client, "ingestion")

    figures = {metric.label: metric.value for metric in page.metric}
    assert not page.exception
    assert figures["Documents live"] == "3,720"
    assert figures["In quarantine"] == "3"
    assert "policies/outsourcing-policy.pdf" in words(page)


@pytest.mark.parametrize(
    ("button", "asked"),
    [
        ("sync-source-2", ("source-2", "sync")),
        ("retry-source-2", ("source-2", "retry")),
        ("accept-run-3", ("source-3", "accept")),
        ("again-run-3", ("source-3", "sync")),
        ("pause-run-2", ("run-2", "pause")),
        ("cancel-run-3", ("run-3", "cancel")),
    ],
)
def test_the_buttons_of_ingestion_do_what_they_say(
    button: str, asked: tuple[str, str], client: Client
) -> None:
    page = shown_at(client, "ingestion")

    page.button(key=button).click().run()

    assert not page.exception
    assert client._http.get("/stand-in/steered").json()[-1] == list(asked)


def test_a_source_that_lost_most_of_its_documents_asks_before_it_withdraws_them(
    client: Client,
) -> None:
    page = shown_at(client, "ingestion")

    assert "412 documents are gone from this source. Nothing was withdrawn." in words(page)


def test_the_record_is_seen_at_a_glance(client: Client) -> None:
    page = shown_at(client, "audit")

    assert not page.exception
    assert {metric.label for metric in page.metric} >= {"Questions", "Refused", "Denied"}
    assert "cosigned by" in words(page)
    assert "Documents most relied on" in words(page)


def test_the_record_is_filtered_by_person(client: Client) -> None:
    page = shown_at(client, "audit", show="Events")
    everything = words(page)

    page.text_input(key="person").set_value("tom.visser").run()

    assert not page.exception
    assert "100 of 620 entries" in everything
    assert "of 620" not in words(page)


def test_a_filter_stands_in_the_address(client: Client) -> None:
    query = {"person": "tom.visser", "event": "rag.refuse", "outcome": "refused"}
    page = shown_at(client, "audit", show="Events", **query)

    assert not page.exception
    assert "77 of 77 entries" in words(page)
    assert page.text_input(key="person").value == "tom.visser"


def test_a_filter_by_time_stands_in_the_address(client: Client) -> None:
    page = shown_at(client, "audit", show="Events", **{"from": "2026-01-01", "until": "2026-01-02"})

    assert not page.exception
    assert "No entry fits these filters" in words(page)


def test_older_entries_are_a_page_away(client: Client) -> None:
    page = shown_at(client, "audit", show="Events", older="301")

    assert not page.exception
    assert "21 of 620 entries" in words(page)


def test_who_looked_is_shown(client: Client) -> None:
    page = shown_at(client, "audit", show="Who looked")

    assert not page.exception
    assert "looks, checks and exports" in words(page)


def test_an_entry_opens_with_all_that_is_on_record(client: Client) -> None:
    page = shown_at(client, "audit", show="Events", entry="896")

    assert not page.exception
    assert '"sequence": 896' in page.code[0].value
    assert "The whole story" in labels(page)


def test_a_receipt_shows_each_place_an_erased_document_was_in(client: Client) -> None:
    page = shown_at(client, "audit", show="Events", entry="890")

    assert not page.exception
    assert "was erased" in words(page)
    assert '"place": "originals"' in page.code[0].value


def test_one_answer_is_told_from_its_question_on(client: Client) -> None:
    page = shown_at(client, "audit", story="896")

    assert not page.exception
    told = words(page)
    assert "How long do we keep customer identification records" in told
    assert "1 sentence struck" in told
    assert "Answer from the passages below" in page.code[0].value


def test_a_conversation_is_read_only_when_asked_for(client: Client) -> None:
    page = shown_at(client, "audit", story="896")
    before = words(page).count("How long do we keep customer identification records")

    page.toggle(key="chat").set_value(True).run()

    assert not page.exception
    after = words(page).count("How long do we keep customer identification records")
    assert (before, after) == (1, 2)


def test_an_entry_without_a_question_has_no_story(client: Client) -> None:
    page = shown_at(client, "audit", story="283")

    assert not page.exception
    assert "belongs to no question" in words(page)


def test_the_record_is_verified_by_a_button(client: Client) -> None:
    page = shown_at(client, "audit")

    next(button for button in page.button if button.label == "Verify now").click().run()

    assert not page.exception
    assert page.session_state["verdict"].intact
