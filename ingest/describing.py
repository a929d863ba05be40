"""What a document says about itself: its language, whose it is, what kind and for which period.

Read from the first page and the title, in words that any organisation's papers use. What is not
said is left out; nothing is guessed from the file's name or place.
"""

import re
from collections.abc import Iterator

from corpus.documents import Block, BlockKind, ParsedDocument

OPENING_CHARACTERS = 6_000
"""How much of the text counts as its first page where pages are not told."""
SAMPLE_CHARACTERS = 4_000
SHORTEST_SAMPLE = 40
LONGEST_NAME = 90
LONGEST_FORM = 40

_REGISTRANT = re.compile(r"\(\s*exact name of (?:the )?registrant", re.IGNORECASE)
_COMPANY = re.compile(
    r"^(?:the )?[A-Z0-9][\w&'\u2019.,() -]{1,80}?[ ,]"
    r"(?:Inc\.?|INC\.?|Incorporated|INCORPORATED|Corporation|CORPORATION|Corp\.?|CORP\.?|Company"
    r"|COMPANY|plc|PLC|Ltd\.?|LTD\.?|Limited|LIMITED|LLP|LLC|N\.V\.|NV|AG|SE|GmbH|S\.A\.|SA"
    r"|S\.p\.A\.|A/S|ASA|AB|Oyj)$"
)
_DAY = r"(?:[A-Z][a-z]+ \d{1,2}, ?\d{4}|\d{1,2}(?:st|nd|rd|th)? [A-Z][a-z]+ \d{4})"
_PERIOD = re.compile(
    r"for the ((?:fiscal |financial |quarterly |transition |half-?)?"
    r"(?:year|quarter|period|(?:three|six|nine|twelve|\d+) (?:months|weeks))s? ended:? )"
    rf"({_DAY})",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    rf"date of (?:report|earliest event reported)[^:]{{0,60}}:?\s*({_DAY})", re.I
)
_QUARTER = re.compile(
    r"\b(Q[1-4]|(?:first|second|third|fourth)[ -]quarter)(?: of)?(?: fiscal(?: year)?)? (\d{4})\b",
    re.IGNORECASE,
)
_FORM = re.compile(r"^\W{0,3}form (\d{1,2}-[KQF](?:/A)?|\d{1,3}[A-Z]?(?:-\d)?)\b", re.IGNORECASE)
_TYPES = re.compile(
    r"\b(annual report|quarterly report|interim report|half-year report|current report"
    r"|earnings release|press release|prospectus|memorandum|minutes|agreement|contract|lease"
    r"|policy|procedure|handbook|manual|guidelines?|terms and conditions|notice|invoice|letter"
    r"|register|report|opinion|statement of work|standard|regulation|questionnaire|agenda)\b",
    re.IGNORECASE,
)


def described(parsed: ParsedDocument) -> dict[str, str]:
    """Return what is found of ``language``, ``organisation``, ``document_type`` and ``period``.

    Languages are ISO 639-1 codes; the others are the document's own words.
    """
    opening = list(_opening(parsed))
    lines = [" ".join(parsed.text[block.start : block.end].split()) for block in opening]
    joined = "\n".join(lines)
    found = {
        "language": _language(parsed),
        "organisation": _organisation(parsed, lines),
        "document_type": _document_type(parsed.title, opening, lines),
        "period": _period(joined),
    }
    return {name: value for name, value in found.items() if value}


def _opening(parsed: ParsedDocument) -> Iterator[Block]:
    end = parsed.pages[0].end if parsed.pages else OPENING_CHARACTERS
    return (block for block in parsed.blocks if block.start < end)


def _language(parsed: ParsedDocument) -> str:
    # Imported here: its table takes most of a second to load, once in the process that reads.
    from py3langid import classify  # noqa: PLC0415

    parts: list[str] = []
    length = 0
    for block in parsed.blocks:
        if block.kind in {BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.HEADING}:
            parts.append(parsed.text[block.start : block.end])
            length += block.end - block.start
            if length > SAMPLE_CHARACTERS:
                break
    sample = " ".join(parts)[:SAMPLE_CHARACTERS]
    if sum(map(str.isalpha, sample)) < SHORTEST_SAMPLE:
        return ""
    return str(classify(sample)[0])


def _organisation(parsed: ParsedDocument, lines: list[str]) -> str:
    for name, value in parsed.properties.items():
        if name.lower() == "company":
            return value
    for before, line in zip(["", *lines], lines, strict=False):
        if told := _REGISTRANT.search(line):
            name = line[: told.start()].strip() or before
            return name if len(name) <= LONGEST_NAME else ""
    return next((line for line in lines if len(line) <= LONGEST_NAME and _COMPANY.match(line)), "")


def _document_type(title: str, opening: list[Block], lines: list[str]) -> str:
    short = (line for line in lines if len(line) <= LONGEST_FORM)
    forms = (found[1].upper() for line in short if (found := _FORM.match(line)))
    if form := next(forms, ""):
        return f"Form {form}"
    headings = [
        line
        for block, line in zip(opening, lines, strict=True)
        if block.kind is BlockKind.HEADING and len(line) <= LONGEST_NAME
    ]
    for text in (title, *headings[:4]):
        # "Retention policy": what a document is stands last in its name.
        if words := _TYPES.findall(text):
            return str(words[-1]).lower()
    return ""


def _period(text: str) -> str:
    if found := _PERIOD.search(text):
        return " ".join(f"{found[1]}{found[2]}".split())
    if found := _REPORTED.search(text):
        return " ".join(found[1].split())
    if found := _QUARTER.search(text):
        return f"{found[1]} {found[2]}"
    return ""
