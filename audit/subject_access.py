"""What the record holds by and about one person, written out for that person, with proofs."""

import json
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.bundle import Signed, proof
from audit.canonical import Json
from audit.entries import Entry
from audit.errors import ExportFailed
from audit.events import SubjectExported
from audit.export import check_output
from audit.log import AuditLog
from audit.notes import parse_checkpoint

PAGE: Final = 500
BY, ABOUT, NAMED = "by the person", "about the person", "names the person"
ANOTHER: Final = "[another person]"
NAME_FIELDS: Final = ("person", "name", "owner")
"""Fields of payloads that hold somebody's name and nothing else."""

README: Final = """What the Muniment record {origin} holds by and about one person

entries.jsonl   One entry a line: when, what, how it concerns the person, and the words.
proofs/         For each entry its envelope, the proof that it is part of the record, and,
                where nobody else is named in them, its words with their salt.
verify.py       Checks a proof: python3 verify.py "$(head -n 1 keys.txt)" - proofs/SEQUENCE
keys.txt        The record's public keys. Whoever doubts them gets them from elsewhere.
{further}
{entries} entries. {third_parties}
"""
LEFT_OUT: Final = "Other people's names are left out, and words that name them are not proved."
LEFT_IN: Final = "Other people's names are left in."


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data is asked for.

    Attributes:
        names: Every name the person is known under; the first is the usual one.
        others: Names of other people, which are left out of texts.
    """

    names: Sequence[str]
    others: Sequence[str] = ()


def write_subject_access(
    record: AuditLog,
    subject: Subject,
    output: Path,
    *,
    by: str,
    third_parties: bool = False,
    further: Mapping[str, bytes] | None = None,
) -> int:
    """Write a folder with everything by and about a person, having recorded that it is.

    Every text on the record is read once, for a person may be named in anybody's question.

    Args:
        record: The record.
        subject: Who asks for their own data.
        output: Folder to make.
        by: Who writes it out.
        third_parties: Leave other people's names in.
        further: Further files, such as the person's conversations.

    Returns:
        How many entries it holds.

    Raises:
        AuditUnavailable: It could not be recorded, or the record cannot be read or signed.
        ExportFailed: It could not be written.
    """
    check_output(output)
    found = list(_concerning(record, subject))
    record.append(SubjectExported(by, subject.names[0], len(found)))
    signed = _signed(record)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(mode=0o700)
        hide = None if third_parties else _hiding(subject)
        with (partial / "entries.jsonl").open("w", encoding="utf-8") as file:
            for entry, how in found:
                file.write(json.dumps(_told(entry, how, hide), ensure_ascii=False) + "\n")
                disclosed = hide is None or (how == BY and not hide.search(_words(entry)))
                _write_proof(record, signed, entry, partial, disclosed=disclosed)
        for name, data in (further or {}).items():
            (partial / name).write_bytes(data)
        (partial / "README").write_text(
            README.format(
                origin=signed.origin,
                entries=len(found),
                further="".join(f"{name}\n" for name in further or ()),
                third_parties=LEFT_IN if third_parties else LEFT_OUT,
            ),
            encoding="utf-8",
        )
        partial.rename(output)
    except OSError as error:
        raise ExportFailed(f"{output} could not be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(found)


def _concerning(record: AuditLog, subject: Subject) -> Iterator[tuple[Entry, str]]:
    pids = {record.pseudonym_of(name) for name in subject.names}
    named = _any_of(subject.names)
    after = -1
    while page := record.entries(after=after, limit=PAGE):
        for entry in page:
            if _pid(entry, "actor") in pids:
                yield entry, BY
            elif _pid(entry, "subject") in pids:
                yield entry, ABOUT
            elif named.search(_words(entry)):
                yield entry, NAMED
        after = page[-1].sequence


def _told(entry: Entry, how: str, hide: re.Pattern[str] | None) -> dict[str, Json]:
    payload: dict[str, Json] = dict(entry.payload or {})
    if hide is not None:
        if how != BY:
            payload |= {name: ANOTHER for name in NAME_FIELDS if name in payload and how == NAMED}
            payload |= {"person": ANOTHER} if "person" in payload else {}
        payload = {name: _without(value, hide) for name, value in payload.items()}
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "type": entry.type,
        "outcome": entry.outcome,
        "how": how,
        "words": payload,
        "envelope": entry.envelope if how == BY else {},
        "leaf_hash": entry.leaf_hash,
    }


def _write_proof(
    record: AuditLog,
    signed: Signed,
    entry: Entry,
    folder: Path,
    *,
    disclosed: bool,
) -> None:
    if not entry.envelope:
        return
    parts = proof(
        signed,
        next(record.lines(entry.sequence, entry.sequence)),
        entry.sequence,
        record.inclusion_proof(entry.sequence, signed.size),
        record.payload(entry.sequence) if disclosed else None,
        made=entry.at,
    )
    own = folder / "proofs" / str(entry.sequence)
    own.mkdir(parents=True, mode=0o700)
    for part in parts:
        if part.name in {"verify.py", "keys.txt"}:
            target = folder / part.name
        elif part.name == "README":
            continue
        else:
            target = own / part.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"".join(part.chunks))


def _signed(record: AuditLog) -> Signed:
    note = record.checkpoint()
    checkpoint = parse_checkpoint(note)
    return Signed(note, checkpoint.origin, checkpoint.size, (record.log_vkey,))


def _hiding(subject: Subject) -> re.Pattern[str]:
    own = {_folded(name) for name in subject.names}
    return _any_of([name for name in subject.others if _folded(name) not in own])


def _any_of(names: Sequence[str]) -> re.Pattern[str]:
    """Return what finds any of some names as words; without names, nothing."""
    longest_first = sorted({_folded(name) for name in names if name.strip()}, key=len, reverse=True)
    if not longest_first:
        return re.compile(r"(?!)")
    either = "|".join(r"\s+".join(map(re.escape, name.split())) for name in longest_first)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)")


def _without(value: Json, hide: re.Pattern[str]) -> Json:
    if isinstance(value, str):
        # Folding may change lengths; where it does, the folded text is what is given out.
        folded = _folded(value)
        if not hide.search(folded):
            return value
        if len(folded) != len(value):
            return hide.sub(ANOTHER, folded)
        pieces, last = [], 0
        for found in hide.finditer(folded):
            pieces += [value[last : found.start()], ANOTHER]
            last = found.end()
        return "".join([*pieces, value[last:]])
    if isinstance(value, list):
        return [_without(each, hide) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, hide) for name, each in value.items()}
    return value


def _words(entry: Entry) -> str:
    return _folded(json.dumps(entry.payload or {}, ensure_ascii=False))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _pid(entry: Entry, name: str) -> str:
    block = entry.envelope.get(name)
    pid = block.get("pid") if isinstance(block, dict) else None
    return pid if isinstance(pid, str) else ""
