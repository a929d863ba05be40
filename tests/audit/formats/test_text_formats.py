"""CEF, syslog, CSV and JSON lines: what they escape, and that each names its entry."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from audit.formats import cef, jsonl, syslog
from audit.formats import csv as csv_format
from audit.formats.rows import NOT_EVIDENCE, row_of
from tests.audit.examples import ABOUT, START, WORDS, every_entry

ENTRIES = every_entry()


# ------------------------------------------------------------------ CSV


def read_csv() -> list[dict[str, str]]:
    text = b"".join(csv_format.write(ENTRIES, ABOUT)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\tharmless",
        "  =1",
        "\n=1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "\x00=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        "\ufe661",
        "\u22121",
        '=HYPERLINK("http://x","y")',
    ],
)
def test_a_cell_that_might_be_a_formula_is_made_text(cell: str) -> None:
    assert csv_format.harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "1", "a=b", "'=1", "What is 1+1?", "手数料", "“=1”", "   "])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert csv_format.harmless(cell) == cell


def test_a_cell_too_long_for_a_spreadsheet_says_that_it_was_cut() -> None:
    assert csv_format.harmless("a" * 40_000).endswith("[cut; whole in the native bundle]")


def test_every_cell_is_quoted_and_the_header_says_that_it_is_no_evidence() -> None:
    data = b"".join(csv_format.write(ENTRIES, ABOUT))

    assert data.startswith(b'\xef\xbb\xbf"seq","leaf_hash",')
    assert NOT_EVIDENCE in data.decode().splitlines()[0]
    assert all(line.startswith(b'"') for line in data[3:].split(b'"\r\n')[:-1])


def test_a_row_of_csv_names_its_entry() -> None:
    rows = read_csv()

    assert [int(row["seq"]) for row in rows] == [entry.sequence for entry in ENTRIES]
    assert [row["leaf_hash"] for row in rows] == [entry.leaf_hash for entry in ENTRIES]
    assert rows[3]["question"] == WORDS


# ------------------------------------------------------------------ CEF


def test_cef_has_seven_fields_before_its_extension() -> None:
    for entry in ENTRIES:
        line = cef.line_of(row_of(entry), version="0.1|x")
        fields = re.split(r"(?<!\\)(?:\\\\)*\|", line)

        assert fields[:4] == ["CEF:0", "Muniment", "Muniment", "0.1\\|x"]
        assert len(fields) >= 8
        assert "\n" not in line


def test_cef_escapes_what_would_end_a_value() -> None:
    row = replace(row_of(ENTRIES[3]), reason="a=b\\c|d\ne\r")

    line = cef.line_of(row, version="1")

    assert "reason=a\\=b\\\\c|d\\ne\\r" in line


def test_cef_escapes_what_would_end_a_field_of_its_header() -> None:
    assert cef.escaped_header("a|b\\c\nd") == "a\\|b\\\\c d"


def test_a_value_of_cef_is_cut_before_it_is_escaped() -> None:
    row = replace(row_of(ENTRIES[3]), reason="=" * 2000)

    line = cef.line_of(row, version="1")

    assert "\\=" * cef.LONGEST_VALUE + " msg=" in line


def test_cef_names_its_entry() -> None:
    lines = b"".join(cef.write(ENTRIES, ABOUT)).decode().splitlines()

    for entry, line in zip(ENTRIES, lines, strict=True):
        assert f"cn1Label=seq cn1={entry.sequence} " in line
        assert f"cs1Label=leafHash cs1={entry.leaf_hash}" in line
        assert f"rt={int(entry.at.timestamp() * 1000)}" in line


# ------------------------------------------------------------------ syslog


def unframed(data: bytes) -> list[str]:
    """Take a stream apart as RFC 6587, section 3.4.1, says."""
    messages = []
    while data:
        length, _, rest = data.partition(b" ")
        messages.append(rest[: int(length)].decode())
        data = rest[int(length) :]
    return messages


MESSAGE = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[!-~]{1,255}) "
    r"(?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    r'(?P<data>\[[^ =\]"]{1,32}(?: [^ =\]"]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]) '
    r"\ufeff(?P<text>.*)",
    re.DOTALL,
)


def test_syslog_is_framed_by_counting_octets() -> None:
    messages = unframed(b"".join(syslog.write(ENTRIES, ABOUT)))

    assert len(messages) == len(ENTRIES)
    for entry, message in zip(ENTRIES, messages, strict=True):
        found = MESSAGE.fullmatch(message)
        assert found, message
        assert found["id"] == entry.type
        assert found["text"] == entry.summary
        assert f'seq="{entry.sequence}" leafHash="{entry.leaf_hash}"' in found["data"]


def test_syslog_escapes_what_would_end_a_value() -> None:
    assert syslog.escaped('a"b\\c]d\r\ne') == 'a\\"b\\\\c\\]d e'


def test_syslog_gives_facility_and_severity_in_one_number() -> None:
    denied = replace(row_of(ENTRIES[0]), outcome="denied")

    assert syslog.message_of(denied, host="h").startswith(b"<108>1 ")
    assert syslog.message_of(row_of(ENTRIES[0]), host="h").startswith(b"<110>1 ")


def test_a_host_with_spaces_stays_one_word() -> None:
    message = syslog.message_of(row_of(ENTRIES[0]), host="a host\n").decode()

    assert " a_host_ muniment " in message


# ------------------------------------------------------------------ JSON lines


def test_json_lines_hold_every_entry_whole() -> None:
    lines = [json.loads(line) for line in b"".join(jsonl.write(ENTRIES, ABOUT)).splitlines()]

    for entry, line in zip(ENTRIES, lines, strict=True):
        assert (line["seq"], line["leaf_hash"]) == (entry.sequence, entry.leaf_hash)
        assert (line["envelope"], line["payload"]) == (entry.envelope, entry.payload)


def test_half_a_character_breaks_no_format() -> None:
    broken = [replace(ENTRIES[3], person="\ud83d", payload={"question": "\ud83d"})]

    for form in (csv_format, cef, syslog, jsonl):
        assert b"".join(form.write(broken, ABOUT))


def test_a_time_is_written_in_utc() -> None:
    assert START.isoformat().endswith("+00:00")
    assert b"2026-11-22T09:00:00.000000Z" in b"".join(csv_format.write(ENTRIES[:1], ABOUT))
