"""The command ``access``: who may read what, and why."""

import csv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import click

from audit.events import AccessChanged, AccessExplained, BreakGlass
from audit.log import AuditLog
from corpus.access import Effect, Named
from corpus.break_glass import Opening
from corpus.catalog import Catalog
from corpus.errors import AccessInvalid, UnknownDocument
from corpus.permissions import Explanation, Target
from corpus.records import RIGHTS
from muniment.errors import InputMissing
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_catalog, open_identity, open_record, utc_now
from muniment.terminal import ExitCode, example, operator, plain, print_json, prove

MAY_APPROVE = frozenset({"administrator", "auditor"})


class PrincipalName(click.ParamType[Named]):
    """``person:NAME``, ``group:NAME`` or ``service:NAME``."""

    name = "principal"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Named:
        """Read it; a bare name is refused, because it could be a person or a group."""
        if isinstance(value, Named):
            return value
        try:
            return Named.of_key(str(value))
        except ValueError:
            self.fail("Write person:NAME, group:NAME or service:NAME.", param, ctx)


PRINCIPAL = PrincipalName()


@click.group(epilog=example("muniment access explain ada policies/board/may.pdf"))
def access() -> None:
    """Who may read what, and why.

    TARGET is SOURCE, SOURCE/folder/, SOURCE/path of a document, or a document's id. Entries are
    inherited downwards; one that denies outweighs every one that allows. Changes hold from the
    next request on.
    """


@access.command("show", epilog=example("muniment access show policies --json"))
@click.argument("target", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_access(settings: Settings, target: str, *, as_json: bool) -> None:
    """Show the entries on a target and everything below it, or on every source."""
    with _opened(settings) as (catalog, _):
        places = [catalog.target(target)] if target else _every_source(catalog)
        rows = [row for place in places for row in _rows(catalog, place)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until = f"  until {row['until']}" if row["until"] else ""
        why = f"  because {row['reason']}" if row["reason"] else ""
        click.echo(plain(f"{row['target']}  {row['effect']}  {row['principal']}{until}{why}"))


@access.command("allow", epilog=example("muniment access allow policies/board/ group:partners"))
@click.argument("target")
@click.argument("principals", nargs=-1, required=True, type=PRINCIPAL)
@click.option("--reason", default="", help="Why, for the record and for those who ask.")
@click.pass_obj
def allow(settings: Settings, target: str, principals: tuple[Named, ...], reason: str) -> None:
    """Admit people or groups to a source, a folder or a document."""
    _add(settings, target, principals, Effect.ALLOW, reason)


@access.command("deny", epilog=example("muniment access deny deals/larkspur/ group:markets"))
@click.argument("target")
@click.argument("principals", nargs=-1, required=True, type=PRINCIPAL)
@click.option("--reason", default="", help="Why, for the record and for those who ask.")
@click.pass_obj
def deny(settings: Settings, target: str, principals: tuple[Named, ...], reason: str) -> None:
    """Shut people or groups out, whatever else would admit them."""
    _add(settings, target, principals, Effect.DENY, reason)


@access.command("remove", epilog=example("muniment access remove policies/board/ group:partners"))
@click.argument("target")
@click.argument("principal", type=PRINCIPAL)
@click.pass_obj
def remove(settings: Settings, target: str, principal: Named) -> None:
    """Remove what entries name somebody on a target itself."""
    with _opened(settings) as (catalog, record):
        place = catalog.target(target)
        _note_on(record, place, f"entries for {principal.key} on {place.name} removed")
        gone = catalog.remove_entries(
            source_id=place.source.source_id, path=place.path, principal=principal
        )
    if not gone:
        raise InputMissing(f"No entry on {place.name} itself names {principal.key}.")
    click.echo(plain(f"{principal.key} is no longer named on {place.name}."))


@access.command("explain", epilog=example("muniment access explain ada policies/board/may.pdf"))
@click.argument("user")
@click.argument("document")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def explain(context: click.Context, user: str, document: str, *, as_json: bool) -> None:
    """Say whether a person can read a document, and which entry decides. Ends with 1 if not."""
    settings: Settings = context.obj
    with _opened(settings) as (catalog, record), closing(open_identity(settings)) as identity:
        place = catalog.target(document)
        if place.document_id is None:
            raise UnknownDocument(f"{place.name} is no document. Name one document.")
        principal = identity.principal_named(user)
        found = catalog.explain(principal, place.document_id)
        record.append(
            AccessExplained(operator(), principal.name, place.document_id, may_read=found.may_read)
        )
    if as_json:
        print_json(_explanation_json(found))
    else:
        _print_explanation(found)
    if not found.may_read:
        context.exit(ExitCode.NOT_DONE)


@access.command("group", epilog=example("muniment access group partners person:ada group:board"))
@click.argument("group")
@click.argument("members", nargs=-1, type=PRINCIPAL)
@click.option("--remove", "removing", is_flag=True, help="Take them out instead.")
@click.pass_obj
def change_group(
    settings: Settings, group: str, members: tuple[Named, ...], *, removing: bool
) -> None:
    """Put people or other groups into a group; without MEMBERS, list who is in it."""
    with _opened(settings) as (catalog, record):
        if members:
            verb = "out of" if removing else "into"
            named = ", ".join(member.key for member in members)
            _note(record, "group", "", f"{named} {verb} the group {group}")
        for member in members:
            if removing:
                catalog.remove_member(group, member)
            else:
                catalog.add_member(group, member)
        inside = catalog.groups().get(group, [])
    listed = ", ".join(member.key for member in inside) or "nobody"
    click.echo(plain(f"Directly in {group}: {listed}."))


@access.command("owner", epilog=example("muniment access owner policies group:compliance"))
@click.argument("source")
@click.argument("principals", nargs=-1, type=PRINCIPAL)
@click.pass_obj
def set_owner(settings: Settings, source: str, principals: tuple[Named, ...]) -> None:
    """Say who owns a source: they may see who reads it, and read nothing by it."""
    named = ", ".join(one.key for one in principals) or "nobody"
    with _opened(settings) as (catalog, record):
        found = catalog.source_named(source)
        _note(record, "source", found.source_id, f"owners of {source} are now {named}")
        catalog.set_owners(found.source_id, principals)
    click.echo(plain(f"{source} is owned by {named}."))


@access.command("clear", epilog=example("muniment access clear person:ada OFFICIAL-SENSITIVE"))
@click.argument("principal", type=PRINCIPAL)
@click.argument("marking", required=False, default="")
@click.pass_obj
def clear(settings: Settings, principal: Named, marking: str) -> None:
    """Clear somebody for a marking and all below it; without MARKING, for none."""
    with _opened(settings) as (catalog, record):
        catalog.check_marking(marking)
        _note(record, "clearance", "", f"{principal.key} is cleared for {marking or 'no marking'}")
        catalog.set_clearance(principal, marking)
    click.echo(plain(f"{principal.key} is cleared for {marking or 'no marking'}."))


@access.command("mark", epilog=example('muniment access mark policies "board/*" OFFICIAL'))
@click.argument("source")
@click.argument("glob", required=False, default="")
@click.argument("marking", required=False, default="")
@click.pass_obj
def mark(settings: Settings, source: str, glob: str, marking: str) -> None:
    """Mark the files of a source that a pattern matches; without MARKING, no longer.

    Without GLOB the rules are listed. A document's own properties may mark it higher.
    """
    with _opened(settings) as (catalog, record):
        found = catalog.source_named(source)
        rules = catalog.marking_rules(found.source_id)
        if glob:
            catalog.check_marking(marking)
            kept = {known: one for known, one in rules.items() if known != glob}
            rules = kept | ({glob: marking} if marking else {})
            change = f"files matching {glob} are marked {marking or 'no longer'}"
            _note(record, "source", found.source_id, change)
            catalog.set_marking_rules(found.source_id, rules)
    for pattern, one in sorted(rules.items()):
        click.echo(plain(f"{source}: {pattern}  {one}"))


@access.command("rights", epilog=example("muniment access rights policies posix"))
@click.argument("source")
@click.argument("kind", type=click.Choice(RIGHTS))
@click.pass_obj
def set_rights(settings: Settings, source: str, kind: str) -> None:
    """Say where the rights of a source come from.

    "declared": its groups and rules. "posix", "ntfs" or "sidecar": its files say so themselves,
    from the next synchronisation on; until then nobody reads them.
    """
    with _opened(settings) as (catalog, record):
        found = catalog.source_named(source)
        _note(record, "source", found.source_id, f"the rights of {source} are {kind}")
        catalog.set_rights(found.source_id, kind)
    click.echo(
        plain(f"The rights of {source} are {kind}. Read them: muniment source sync {source}")
    )


@access.command("identities", epilog=example("muniment access identities directory.csv"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def identities(settings: Settings, file: Path | None) -> None:
    """Say whom identifiers of file systems stand for, from a CSV file; without FILE, list them.

    Each row is IDENTIFIER,PRINCIPAL: "uid:1000,person:ada", "gid:50,group:staff",
    "posix:other,group:all-staff", "S-1-5-21-1-2-3-513,group:all-staff".
    """
    with _opened(settings) as (catalog, record):
        if file is not None:
            read = _identities(file)
            _note(record, "identities", "", f"{len(read)} identities read from a file")
            catalog.know_identities(read)
        known = catalog.identities()
    for identifier, named in sorted(known.items()):
        click.echo(plain(f"{identifier}  {named.key}"))


@access.command("unmapped", epilog=example("muniment access unmapped --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def unmapped(settings: Settings, *, as_json: bool) -> None:
    """List rights that could not be taken over from their source, and what to do."""
    with _opened(settings) as (catalog, _):
        found = [
            (source, one)
            for source in catalog.sources()
            for one in catalog.unmapped(source.source_id)
        ]
    if as_json:
        print_json(
            [
                {
                    "source": source.name,
                    "what": one.what,
                    "files": one.files,
                    "example": one.example,
                    "remedy": one.remedy,
                }
                for source, one in found
            ]
        )
        return
    for source, one in found:
        files = f"{one.files} file{'' if one.files == 1 else 's'}, such as {one.example}"
        click.echo(plain(f"{source.name}: {one.what} ({files}). {one.remedy}"))


@access.command(
    "break-glass",
    epilog=example(
        'muniment access break-glass ada policies/board/ --reason "Inquest" --minutes 60',
        "muniment access break-glass --approve REQUEST --as NAME",
    ),
)
@click.argument("user", required=False, default="")
@click.argument("target", required=False, default="")
@click.option("--reason", default="", help="Why; shown to the person and on the record.")
@click.option("--minutes", default=60, show_default=True, help="How long, from the approval.")
@click.option("--approve", metavar="REQUEST", default="", help="Agree to a request.")
@click.option("--as", "approver", default="", help="Who agrees; the password is asked for.")
@click.option("--end", metavar="REQUEST", default="", help="Refuse a request or shut it early.")
@click.pass_obj
def break_glass(
    settings: Settings,
    user: str,
    target: str,
    *,
    reason: str,
    minutes: int,
    approve: str,
    approver: str,
    end: str,
) -> None:
    """Open a target for one person for a while, when a second person agrees.

    A denial and a missing clearance still shut the person out. Without arguments, requests are
    listed.
    """
    with _opened(settings) as (catalog, record):
        if approve:
            _approve(settings, catalog, record, approve, approver)
        elif end:
            ended = catalog.end_opening(end)
            record.append(_step(ended, operator(), "ended"))
            click.echo(plain(f"{end} is shut."))
        elif user and target:
            asked = _request(settings, catalog, user, target, reason=reason, minutes=minutes)
            record.append(_step(asked, operator(), "requested"))
        elif user:
            raise click.UsageError("Say what is to be opened: USER TARGET.")
        else:
            for one in catalog.openings():
                click.echo(plain(_line(one)))


def _request(
    settings: Settings, catalog: Catalog, user: str, target: str, *, reason: str, minutes: int
) -> Opening:
    with closing(open_identity(settings)) as identity:
        person = identity.principal_named(user).name
    place = catalog.target(target)
    asked = catalog.request_opening(
        person=person,
        source_id=place.source.source_id,
        path=place.path,
        reason=reason,
        minutes=minutes,
        requested_by=operator(),
    )
    click.echo(
        plain(
            f"Asked for: {asked.request_id}. Nothing is open yet; somebody else agrees with\n"
            f"  muniment access break-glass --approve {asked.request_id} --as NAME"
        )
    )
    return asked


def _approve(
    settings: Settings, catalog: Catalog, record: AuditLog, request_id: str, approver: str
) -> None:
    if not approver:
        raise click.UsageError("Say who agrees: --as NAME.")
    with closing(open_identity(settings)) as identity:
        second = prove(identity, approver, prompt="Password")
    if MAY_APPROVE.isdisjoint(second.roles):
        raise AccessInvalid(f"{approver} may not agree: that takes an administrator or auditor.")
    known = next((one for one in catalog.openings() if one.request_id == request_id), None)
    if known is not None:
        # On record before it is open; should it then be refused, that is no secret either.
        record.append(_step(known, second.name, "approved"))
    open_now = catalog.approve_opening(request_id, approved_by=second.name)
    click.echo(plain(_line(open_now)))


def _step(one: Opening, actor: str, step: str) -> BreakGlass:
    return BreakGlass(
        person=actor,
        name=one.person,
        opening=one.request_id,
        step=step,
        target=one.target,
        reason=one.reason,
        minutes=one.minutes,
    )


def _line(one: Opening) -> str:
    if one.ended_at:
        state = "ended"
    elif one.is_open(utc_now()):
        state = f"OPEN until {_moment(one.expires_at)}, agreed by {one.approved_by}"
    else:
        state = "expired" if one.approved_by else f"waits for approval ({one.minutes} minutes)"
    return f"{one.request_id}  {one.person}  {one.target}  {state}  because {one.reason}"


def _add(
    settings: Settings, target: str, principals: tuple[Named, ...], effect: Effect, reason: str
) -> None:
    named = ", ".join(one.key for one in principals)
    with _opened(settings) as (catalog, record):
        place = catalog.target(target)
        because = f", because {reason}" if reason else ""
        _note_on(record, place, f"{place.name}: {effect} {named}{because}")
        for one in principals:
            catalog.add_entry(
                source_id=place.source.source_id,
                path=place.path,
                effect=effect,
                principal=one,
                reason=reason,
                origin=operator(),
            )
    verb = "admitted to" if effect is Effect.ALLOW else "shut out of"
    click.echo(plain(f"{named}: {verb} {place.name}."))


def _rows(catalog: Catalog, place: Target) -> list[dict[str, str]]:
    source = place.source
    base = [f"group:{name}" for name in sorted(source.groups)]
    rows = []
    if not place.path:
        kinds = (
            base if source.rights == RIGHTS[0] else [f"whoever its files admit ({source.rights})"]
        )
        rows = [_row(source.name, "allow", key) for key in kinds]
        rows += [
            _row(f"{source.name}: {rule.glob}", "allow", ", ".join(sorted(rule.groups)) or "nobody")
            for rule in source.rules
        ]
        rows += [
            _row(f"{source.name}: {glob}", "marked", marking)
            for glob, marking in catalog.marking_rules(source.source_id).items()
        ]
    rows += [
        _row(
            f"{source.name}/{entry.path}" if entry.path else source.name,
            entry.effect.value,
            entry.principal.key,
            _moment(entry.expires_at),
            entry.reason,
        )
        for entry in catalog.entries(source.source_id)
        if _within(entry.path, place.path)
    ]
    return rows


def _row(
    target: str, effect: str, principal: str, until: str = "", reason: str = ""
) -> dict[str, str]:
    return {
        "target": target,
        "effect": effect,
        "principal": principal,
        "until": until,
        "reason": reason,
    }


def _within(path: str, below: str) -> bool:
    return path == below or not below or (below.endswith("/") and path.startswith(below))


def _every_source(catalog: Catalog) -> list[Target]:
    return [Target(source, "", None) for source in catalog.sources()]


def _explanation_json(found: Explanation) -> dict[str, object]:
    return {
        "may_read": found.may_read,
        "sentence": found.sentence,
        "source": found.source,
        "path": found.path,
        "marking": found.marking,
        "cleared": found.cleared,
        "entries": [
            {
                "effect": one.ground.effect.value,
                "principal": one.ground.principal.key,
                "place": one.ground.place,
                "through": list(one.through),
                "decided": one.decided,
            }
            for one in found.weighed
        ],
    }


def _print_explanation(found: Explanation) -> None:
    click.echo(plain(found.sentence))
    for one in found.weighed:
        through = f", through {' in '.join(one.through)}" if one.through else ""
        decided = "  <- decides" if one.decided else ""
        ground = one.ground
        click.echo(
            plain(f"  {ground.place}: {ground.effect} {ground.principal.key}{through}{decided}")
        )
    if found.marking:
        click.echo(
            plain(f"  marked {found.marking}: {'cleared' if found.cleared else 'not cleared'}")
        )


def _identities(file: Path) -> dict[str, Named]:
    read: dict[str, Named] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for number, row in enumerate(csv.reader(stream), start=1):
                if not row or row[0].lstrip().startswith("#"):
                    continue
                try:
                    identifier, principal = (cell.strip() for cell in row)
                    read[identifier] = Named.of_key(principal)
                except ValueError as error:
                    raise InputMissing(
                        f"Line {number} of {file} is not IDENTIFIER,PRINCIPAL such as "
                        "uid:1000,person:ada."
                    ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputMissing(f"{file} cannot be read: {error}.") from error
    return read


def _note(record: AuditLog, scope: str, target: str, change: str) -> None:
    """Put a change on record before it holds."""
    record.append(AccessChanged(operator(), scope, target, change))


def _note_on(record: AuditLog, place: Target, change: str) -> None:
    if place.document_id is not None:
        _note(record, "document", place.document_id, change)
    else:
        _note(record, "folder" if place.path else "source", place.source.source_id, change)


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Catalog, AuditLog]]:
    make_data_folder(settings.data)
    with (
        closing(open_record(settings)) as record,
        closing(open_catalog(settings)) as catalog,
    ):
        yield catalog, record
