"""``muniment hold``: what must be kept, whoever wants it deleted."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from audit.events import HoldLifted, HoldPlaced
from audit.log import AuditLog
from corpus.holds import Hold, HoldId, Holds, HoldScope
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_holds, open_record
from muniment.terminal import example, operator, plain, print_json


@click.group(epilog=example('muniment hold add --person ada --reason "claim 2026-17"'))
def hold() -> None:
    """Legal holds: they beat every deletion of documents, conversations and the record's texts.

    A hold hides nothing and lets documents be withdrawn; what is there is not destroyed. Each
    attempt to is put on the record.
    """


@hold.command("add", epilog=example('muniment hold add --source Contracts --reason "audit 2026"'))
@click.option("--everything", is_flag=True, help="Nothing may be destroyed.")
@click.option("--source", metavar="NAME", help="A source: the documents of a matter.")
@click.option("--document", metavar="ID", help="A document.")
@click.option("--person", metavar="NAME", help="What a person asked, was answered and did.")
@click.option("--reason", required=True, help="Why, for those who find it years later.")
@click.pass_obj
def add_hold(
    settings: Settings,
    *,
    everything: bool,
    source: str | None,
    document: str | None,
    person: str | None,
    reason: str,
) -> None:
    """Place a hold on everything, a source, a document or a person; it counts at once."""
    scope, target = _target(everything=everything, source=source, document=document, person=person)
    with _holds(settings) as (holds, record):
        # In force before it is on record: the other way round, something could slip through.
        placed = holds.place(scope, target, reason=reason, by=operator())
        record.append(placed_event(placed))
    click.echo(f"Hold {placed.hold_id} stands. Lift it with: muniment hold lift {placed.hold_id}")


@hold.command("list", epilog=example("muniment hold list --all --json"))
@click.option("--all", "everything", is_flag=True, help="Also those that were lifted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_holds(settings: Settings, *, everything: bool, as_json: bool) -> None:
    """List the holds that stand."""
    with _holds(settings) as (holds, _):
        found = holds.all(standing_only=not everything)
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    if not found:
        click.echo("No hold stands.")
    for each in found:
        state = f"lifted {each.lifted_at:%Y-%m-%d}" if each.lifted_at else "stands"
        what = f"{each.scope} {each.target}".strip()
        click.echo(
            plain(f"{each.hold_id}  {each.placed_at:%Y-%m-%d}  {state}  {what}  {each.reason}")
        )


@hold.command("lift", epilog=example("muniment hold lift 0b0f6e0a-…"))
@click.argument("hold_id")
@click.pass_obj
def lift_hold(settings: Settings, hold_id: str) -> None:
    """End a hold; it stays listed as lifted."""
    with _holds(settings) as (holds, record):
        known = {each.hold_id for each in holds.all(standing_only=False)}
        if hold_id in known:
            record.append(HoldLifted(actor=operator(), hold_id=hold_id))
        lifted = holds.lift(HoldId(hold_id), by=operator())
    click.echo(f"Hold {lifted.hold_id} is lifted.")


def placed_event(placed: Hold) -> HoldPlaced:
    """Return the fact that a hold was placed."""
    of_person = placed.scope is HoldScope.PERSON
    return HoldPlaced(
        actor=placed.placed_by,
        hold_id=placed.hold_id,
        scope=placed.scope.value,
        target="" if of_person else placed.target,
        person=placed.target if of_person else "",
        reason=placed.reason,
    )


def _target(
    *, everything: bool, source: str | None, document: str | None, person: str | None
) -> tuple[HoldScope, str]:
    given = [
        (scope, target)
        for scope, target in (
            (HoldScope.EVERYTHING, "" if everything else None),
            (HoldScope.SOURCE, source),
            (HoldScope.DOCUMENT, document),
            (HoldScope.PERSON, person),
        )
        if target is not None
    ]
    if len(given) != 1:
        raise click.UsageError("Give one of --everything, --source, --document and --person.")
    return given[0]


@contextmanager
def _holds(settings: Settings) -> Iterator[tuple[Holds, AuditLog]]:
    make_data_folder(settings.data)
    with closing(open_record(settings)) as record, closing(open_holds(settings)) as holds:
        yield holds, record


def _as_json(each: Hold) -> dict[str, object]:
    return {
        "hold_id": each.hold_id,
        "scope": each.scope.value,
        "target": each.target,
        "reason": each.reason,
        "placed_by": each.placed_by,
        "placed_at": each.placed_at.isoformat(),
        "lifted_by": each.lifted_by,
        "lifted_at": each.lifted_at.isoformat() if each.lifted_at else None,
    }
