"""``muniment audit replay``, ``erase``, ``redact``, ``dispose``, ``dsar`` and ``schema``."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from audit.erasure import Act, HeldBy, erase_subject, redact
from audit.events import ConversationDeleted, DeletionPrevented, RecordViewed
from audit.log import AuditLog
from audit.postgres_store import schema_for
from audit.subject_access import Subject, write_subject_access
from corpus.documents import DocumentId
from corpus.holds import Holds
from muniment.errors import NotAgreed
from muniment.keeping import account_names, dispose, held_by, names_like
from muniment.settings import Settings
from muniment.stores import (
    open_catalog,
    open_conversations,
    open_holds,
    open_identity,
    open_record,
)
from muniment.terminal import example, operator, plain, print_json, prove
from rag.contract import AuditStory, Conversation, Role
from rag.conversations import Conversations
from rag.identity import Identity
from rag.oversight import story

MAY_AGREE = frozenset({Role.AUDITOR, Role.PRIVACY_OFFICER})

_ground = click.option("--ground", required=True, help="Why, in a word or two.")
_approver = click.option(
    "--approver", help="A second person, auditor or privacy officer; their password is asked for."
)
_confirm = click.option(
    "--confirm", is_flag=True, help="Do it alone; the record says that nobody else agreed."
)


@click.command(epilog=example("muniment audit replay 1042"))
@click.argument("sequence", type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def replay(settings: Settings, *, sequence: int, as_json: bool) -> None:
    """Show the question that an entry belongs to: what was read, asked of the model, answered.

    For each document it says whether it is unchanged, changed or gone since. That somebody
    looked is put on the record.
    """
    with (
        closing(open_record(settings, create=False)) as record,
        closing(open_catalog(settings)) as catalog,
    ):
        record.append(RecordViewed(operator(), "replay", sequence, ""))
        told = story(record, catalog, sequence)
    if as_json:
        print_json(told.model_dump(mode="json"))
    else:
        _say(told)


@click.command(epilog=example('muniment audit erase ada --ground "art. 17(1)(b)" --approver grace'))
@click.argument("subject")
@_ground
@_approver
@_confirm
@click.option("--conversations", is_flag=True, help="Delete the person's conversations too.")
@click.pass_obj
def erase(
    settings: Settings,
    *,
    subject: str,
    ground: str,
    approver: str | None,
    confirm: bool,
    conversations: bool,
) -> None:
    """Destroy the keys and texts of what a person asked, was answered and did.

    The entries stay and verify; their words are gone for good. A legal hold on the person, or
    on a document they asked about, stands against it.
    """
    with _desk(settings) as desk:
        agreed = desk.agreed(approver, confirm=confirm)
        act = Act(operator(), ground, agreed, desk.keeps())
        names = names_like(subject, account_names(desk.identity))
        if conversations:
            # First, for a hold on one of them must stop the whole.
            _delete_conversations(desk, names)
        entries = erase_subject(desk.record, names, act)
    erased = sum(int(str(entry.envelope["count"])) for entry in entries)
    click.echo(f"{erased} texts erased (entries {', '.join(str(e.sequence) for e in entries)}).")


@click.command("redact", epilog=example('muniment audit redact 1042 --ground "court order 7"'))
@click.argument("sequences", type=click.IntRange(0), nargs=-1, required=True)
@_ground
@_approver
@_confirm
@click.pass_obj
def redact_entries(
    settings: Settings,
    *,
    sequences: tuple[int, ...],
    ground: str,
    approver: str | None,
    confirm: bool,
) -> None:
    """Take envelopes off the record; the hashes that stand for them stay, and so does the proof."""
    with _desk(settings) as desk:
        agreed = desk.agreed(approver, confirm=confirm)
        entry = redact(desk.record, sequences, Act(operator(), ground, agreed, desk.keeps()))
    click.echo(f"{len(set(sequences))} entries redacted; entry {entry.sequence} says so.")


@click.command("dispose", epilog=example("muniment audit dispose"))
@click.pass_obj
def dispose_now(settings: Settings) -> None:
    """Destroy the texts whose term has run out, as the running service does once a day."""
    with closing(open_record(settings, create=False)) as record:
        disposed = dispose(settings, record)
    click.echo(f"{disposed} texts were past their term and are destroyed.")


@click.command(epilog=example("muniment audit dsar ada --output ada-data"))
@click.argument("subject")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--third-parties", is_flag=True, help="Leave other people's names in.")
@click.pass_obj
def dsar(settings: Settings, *, subject: str, output: Path, third_parties: bool) -> None:
    """Write out everything that is kept by and about a person, each entry with its proof.

    Other people's names are left out unless asked for. Read it before you hand it over: what
    somebody wrote may tell of others without naming them.
    """
    with _desk(settings) as desk:
        known = account_names(desk.identity)
        names = names_like(subject, known)
        further = {
            "account.json": _as_json(
                [
                    {"name": each.name, "groups": sorted(each.groups), "roles": sorted(each.roles)}
                    for each in desk.identity.accounts()
                    if each.name in names
                ]
            ),
            "conversations.json": _as_json(
                [each.model_dump(mode="json") for each in _conversations(desk, names)]
            ),
        }
        count = write_subject_access(
            desk.record,
            Subject(names, others=known),
            output,
            by=operator(),
            third_parties=third_parties,
            further=further,
        )
    click.echo(f"{count} entries written to {output}. Read them before you hand them over.")


@click.command(epilog=example("muniment audit schema --role muniment | psql --dbname=record"))
@click.option("--role", required=True, help="Role that Muniment will connect as.")
def schema(*, role: str) -> None:
    """Print the SQL by which the owner of a PostgreSQL database makes the record's schema."""
    try:
        click.echo(schema_for(role))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--role") from error


class _Desk:
    """What an act of oversight needs, opened together."""

    def __init__(self, record: AuditLog, holds: Holds, identity: Identity, chats: Conversations):
        self.record = record
        self.holds = holds
        self.identity = identity
        self.chats = chats

    def keeps(self) -> HeldBy:
        """Return what says what must be kept."""
        return held_by(self.holds, self.record, account_names(self.identity))

    def agreed(self, approver: str | None, *, confirm: bool) -> str:
        """Return the second person, who has given their password; nobody where one alone acts.

        Raises:
            NotAgreed: Neither is given, or the second person may not agree.
        """
        if not approver:
            if not confirm:
                raise NotAgreed(
                    "This cannot be undone. Name a second person with --approver, or give "
                    "--confirm to do it alone; the record says which."
                )
            return ""
        second = prove(self.identity, approver, prompt=f"Password of {approver}")
        if MAY_AGREE.isdisjoint(second.roles):
            roles = " or ".join(sorted(MAY_AGREE))
            raise NotAgreed(f"{approver} may not agree to this: the role {roles} may.")
        return second.name


@contextmanager
def _desk(settings: Settings) -> Iterator[_Desk]:
    with (
        closing(open_record(settings, create=False)) as record,
        closing(open_holds(settings)) as holds,
        closing(open_identity(settings)) as identity,
        closing(open_conversations(settings)) as chats,
    ):
        yield _Desk(record, holds, identity, chats)


def _conversations(desk: _Desk, names: list[str]) -> list[Conversation]:
    return [
        desk.chats.conversation(name, summary.conversation_id)
        for name in names
        for summary in desk.chats.summaries(name)
        if not summary.shared_by
    ]


def _delete_conversations(desk: _Desk, names: list[str]) -> None:
    found = _conversations(desk, names)
    for conversation in found:
        documents = [
            DocumentId(passage.document_id)
            for turn in conversation.turns
            if turn.answer is not None
            for passage in turn.answer.passages
        ]
        hold = desk.holds.on_person(conversation.owner) or desk.holds.on_documents(documents)
        if hold is not None:
            conversation_id = conversation.conversation_id
            desk.record.append(
                DeletionPrevented(operator(), hold.hold_id, "conversation", conversation_id)
            )
            raise NotAgreed(
                f"Legal hold {hold.hold_id} keeps conversation {conversation_id}: nothing was "
                "erased. That it was tried is on record."
            )
    for conversation in found:
        desk.record.append(ConversationDeleted(operator(), conversation.conversation_id))
        desk.chats.delete(conversation.owner, conversation.conversation_id)


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def _say(told: AuditStory) -> None:
    asked = f"{told.asked_at:%Y-%m-%d %H:%M:%S} UTC by {told.person or told.pseudonym}"
    lines = [
        ("asked", asked),
        ("question", told.question or "(erased)"),
        ("searched as", told.rewritten),
        ("outcome", told.outcome or "not finished"),
        ("reason", told.reason),
        ("model", told.model or "none: the documents' own words"),
        ("answer", told.answer),
        ("struck", f"{told.struck} sentences" if told.struck else ""),
        ("entries", ", ".join(map(str, told.entries))),
    ]
    for name, value in lines:
        if value:
            click.echo(plain(f"{name:<12} {value}"))
    click.echo("passages")
    for each in told.passages:
        page = f" p. {each.page + 1}" if each.page is not None else ""
        same = {True: "same text", False: "OTHER TEXT", None: "text gone"}[each.same_text]
        click.echo(
            plain(
                f"  {each.rank}. {each.title or each.document_id} v{each.version_number}{page}"
                f"  {each.state}, {same}{', cited' if each.cited else ''}"
                f"  {each.chunk_sha256[:16]}"
            )
        )
    for citation in told.citations:
        click.echo(plain(f"  [{citation.number}] {citation.title}: {citation.quote}"))
    if told.prompt:
        click.echo(plain(f"prompt\n{told.prompt}"))
