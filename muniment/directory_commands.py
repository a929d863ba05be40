"""``muniment directory``: people and groups that come from elsewhere."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import click

from muniment.directories import directory_name, read_directory, sync_of
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_catalog, open_identity, open_record, utc_now
from muniment.terminal import example, operator, plain, print_json
from rag.directory import DirectorySync, Plan
from rag.directory_book import DirectoryBook


@click.group(epilog=example("muniment directory sync --dry-run"))
def directory() -> None:
    """People and groups from a directory: LDAP, CSV files, or one that pushes by SCIM."""


@directory.command("sync", epilog=example("muniment directory sync --dry-run"))
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("--accept", is_flag=True, help="Lock and take out however many there are.")
@click.option(
    "--adopt",
    multiple=True,
    metavar="NAME",
    help="Hand an account of this house to the directory; repeat for more, '*' for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sync_directory(
    settings: Settings, *, dry_run: bool, accept: bool, adopt: tuple[str, ...], as_json: bool
) -> None:
    """Bring accounts and memberships into step with the directory."""
    name = directory_name(settings)
    snapshot = read_directory(settings)
    with _sync(settings) as sync:
        if dry_run:
            plan = sync.plan(name, snapshot, adopt=adopt)
        else:
            plan = sync.apply(name, snapshot, actor=operator(), adopt=adopt, accept=accept)
    if as_json:
        print_json(_as_json(plan))
        return
    for step in plan.steps:
        click.echo(plain(f"{step.kind:<16} {step.name:<24} {step.detail}"))
    if dry_run and plan.stopped:
        click.echo(plain(plan.stopped))
    click.echo(f"{'Would be: ' if dry_run else ''}{plan.sentence()}")


@directory.command("status", epilog=example("muniment directory status --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def directory_status(settings: Settings, *, as_json: bool) -> None:
    """Say how the last synchronisation of each directory ended."""
    make_data_folder(settings.data)
    with closing(open_identity(settings)) as identity:
        runs = DirectoryBook(identity.store, clock=utc_now).runs()
    if as_json:
        print_json(
            [
                {
                    "directory": one.origin,
                    "finished_at": one.finished_at.isoformat(),
                    "outcome": one.outcome,
                    "said": one.said,
                    "people": one.people,
                    "groups": one.groups,
                }
                for one in runs
            ]
        )
        return
    for one in runs:
        when = f"{one.finished_at:%d %b %Y %H:%M:%S} UTC"
        counts = f"people: {one.people}, groups: {one.groups}"
        click.echo(plain(f"{one.origin}: {one.outcome} at {when}; {counts}. {one.said}"))
    if not runs:
        click.echo("Nothing has been taken over from a directory.")


@contextmanager
def _sync(settings: Settings) -> Iterator[DirectorySync]:
    make_data_folder(settings.data)
    with ExitStack() as stack:
        record = stack.enter_context(closing(open_record(settings)))
        identity = stack.enter_context(closing(open_identity(settings)))
        catalog = stack.enter_context(closing(open_catalog(settings)))
        yield sync_of(settings, identity, catalog, record)


def _as_json(plan: Plan) -> dict[str, object]:
    return {
        "people": plan.people,
        "groups": plan.groups,
        "stopped": plan.stopped,
        "steps": [
            {"kind": step.kind.value, "name": step.name, "detail": step.detail}
            for step in plan.steps
        ],
    }
