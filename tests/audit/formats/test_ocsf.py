"""OCSF 1.9, validated.

The schema of 1.9 is not packaged anywhere yet. The official 1.8.0 is, as JSON schema that allows
no attribute it does not know; what 1.9 adds and is used here is taken out before, and checked by
what was read in the text of 1.9: User Management (3007), and prompt and response of a message.
"""

import json
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from audit.events import VOCABULARY
from audit.formats import ocsf
from tests.audit.examples import ABOUT, every_entry

NEWER_THAN_1_8 = {"message_context": ("prompt_text", "response_text")}
REQUIRED_OF_USER_MANAGEMENT = frozenset(
    "activity_id category_uid class_uid metadata severity_id time type_uid user".split()
)
EVENTS = [ocsf.event_of(entry, ABOUT) for entry in every_entry()]
NAMES = [event["metadata"]["event_code"] for event in EVENTS]


@cache
def schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))


@cache
def validator(class_uid: int) -> Draft202012Validator:
    name = schema().lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(schema().get_class_schema(name, [ocsf.AI_PROFILE]))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_every_kind_of_event_is_valid(event: dict[str, Any]) -> None:
    if event["class_uid"] == 3007:
        assert set(event) >= REQUIRED_OF_USER_MANAGEMENT
        # Group Management differs in these alone.
        event = {**event, "class_uid": 3006, "type_uid": 300602, "group": {"name": "any"}}
    event = json.loads(json.dumps(event))
    for part, names in NEWER_THAN_1_8.items():
        for name in names:
            event.get(part, {}).pop(name, None)

    problems = [
        f"{list(error.absolute_path)}: {error.message}"
        for error in validator(event["class_uid"]).iter_errors(event)
    ]

    assert problems == []


def test_the_validation_can_fail() -> None:
    event = {**EVENTS[0], "not_an_attribute": 1}

    assert not validator(event["class_uid"]).is_valid(event)


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_the_numbers_of_an_event_belong_together(event: dict[str, Any]) -> None:
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000
    assert event["metadata"]["version"] == "1.9.0"


def test_each_can_be_traced_back_to_the_record() -> None:
    for entry, event in zip(every_entry(), EVENTS, strict=True):
        assert event["unmapped"]["seq"] == event["metadata"]["sequence"] == entry.sequence
        assert event["unmapped"]["leaf_hash"] == entry.leaf_hash


def test_every_type_of_the_vocabulary_has_a_class_of_its_own_choosing() -> None:
    unmapped = [
        kind.type
        for kind in VOCABULARY
        if kind.type not in ocsf.MAPPING and kind.type.partition(".")[0] not in ocsf.FAMILIES
    ]

    assert unmapped == []


def test_a_question_names_its_words_and_an_answer_its_model() -> None:
    by_type = dict(zip(NAMES, EVENTS, strict=True))

    assert by_type["rag.ask"]["message_context"]["prompt_text"].startswith("Ada")
    assert by_type["rag.retrieve"]["message_context"]["ai_role_id"] == ocsf.RETRIEVER
    assert by_type["rag.retrieve"]["class_uid"] == 6005
    assert by_type["rag.answer"]["ai_model"]["ai_provider"] == "on premises"
    assert by_type["auth.fail"]["status_id"] == 2


def test_the_file_is_one_object_a_line() -> None:
    lines = b"".join(ocsf.write(every_entry(), ABOUT)).splitlines()

    assert [json.loads(line)["metadata"]["sequence"] for line in lines] == list(range(len(EVENTS)))
