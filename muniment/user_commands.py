"""The command ``user``: people who may sign in."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import click

from audit.events import UserChanged
from audit.log import AuditLog
from muniment.errors import InputMissing
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_identity, open_provided, open_record, utc_now
from muniment.terminal import example, operator, plain, print_json, split_names
from rag.errors import AccountExists
from rag.identity import Identity
from rag.roles import GIVEN
from rag.second_factor import SecondFactors
from rag.set_up import SetUp
from rag.tokens import SCOPES, ApiTokens

ROLES = f"{', '.join(sorted(GIVEN))}."


@click.group(epilog=example("muniment user add ada --groups partners,fees --roles auditor"))
def user() -> None:
    """People who may sign in, their groups and roles."""


@user.command("list", epilog=example("muniment user list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_users(settings: Settings, *, as_json: bool) -> None:
    """List every account."""
    with _accounts(settings) as (identity, _):
        found = identity.accounts()
    if as_json:
        print_json(
            [
                {"name": one.name, "groups": sorted(one.groups), "roles": sorted(one.roles)}
                for one in found
            ]
        )
        return
    for one in found:
        roles = f"   roles: {', '.join(sorted(one.roles))}" if one.roles else ""
        groups = ", ".join(sorted(one.groups)) or "none"
        click.echo(plain(f"{one.name:<24} groups: {groups}{roles}"))


@user.command("add", epilog=example("muniment user add ada --groups partners,fees"))
@click.argument("name")
@click.option("--groups", default="", metavar="A,B", help="Groups the person is in.")
@click.option("--roles", default="reader", show_default=True, metavar="A,B", help=ROLES)
@click.password_option(help="Asked for when left out; other users can see an option.")
@click.pass_obj
def add_user(settings: Settings, name: str, groups: str, roles: str, password: str) -> None:
    """Add an account; its password is asked for."""
    with _accounts(settings) as (identity, record):
        change = f"added; groups {groups or 'none'}; roles {roles or 'none'}"
        record.append(UserChanged(actor=operator(), name=name, change=change))
        identity.add_account(name, password, split_names(groups), split_names(roles))
    click.echo(plain(f"{name} can sign in now."))


@user.command("password", epilog=example("muniment user password ada"))
@click.argument("name")
@click.password_option(help="Asked for when left out; other users can see an option.")
@click.pass_obj
def set_password(settings: Settings, name: str, password: str) -> None:
    """Replace a password; the person is signed out everywhere."""
    with _accounts(settings) as (identity, record):
        record.append(UserChanged(actor=operator(), name=name, change="password replaced"))
        identity.set_password(name, password)
    click.echo(plain(f"The password of {name} has been replaced."))


@user.command("groups", epilog=example("muniment user groups ada partners fees"))
@click.argument("name")
@click.argument("groups", nargs=-1)
@click.pass_obj
def set_groups(settings: Settings, name: str, groups: tuple[str, ...]) -> None:
    """Put a person into exactly these groups; counts from the next question on."""
    listed = ", ".join(sorted(groups)) or "none"
    with _accounts(settings) as (identity, record):
        record.append(UserChanged(actor=operator(), name=name, change=f"groups are now {listed}"))
        identity.set_groups(name, groups)
    click.echo(plain(f"The groups of {name} are: {listed}."))


@user.command("roles", epilog=example("muniment user roles ada reader auditor"))
@click.argument("name")
@click.argument("roles", nargs=-1)
@click.pass_obj
def set_roles(settings: Settings, name: str, roles: tuple[str, ...]) -> None:
    """Give a person exactly these roles; counts from the next request on."""
    listed = ", ".join(sorted(roles)) or "none"
    with _accounts(settings) as (identity, record):
        record.append(UserChanged(actor=operator(), name=name, change=f"roles are now {listed}"))
        identity.set_roles(name, roles)
    click.echo(plain(f"The roles of {name} are: {listed}."))


@user.command("set-up", epilog=example("muniment user set-up"))
@click.pass_obj
def make_set_up_code(settings: Settings) -> None:
    """Print a new set-up code, by which the page makes the first account."""
    with _accounts(settings) as (identity, record):
        set_up = SetUp(identity, clock=utc_now)
        if not set_up.wanted():
            raise AccountExists("There are accounts already. `muniment user add` makes another.")
        record.append(UserChanged(actor=operator(), name="", change="set-up code made"))
        click.echo(set_up.offer())


@user.command("link", epilog=example("muniment user link ada 248289761001"))
@click.argument("name")
@click.argument("subject")
@click.pass_obj
def link_user(settings: Settings, name: str, subject: str) -> None:
    """Join an account to a subject of the identity provider; its password ends."""
    with _accounts(settings) as (identity, record):
        provided = open_provided(settings, identity)
        if provided is None:
            raise InputMissing("No identity provider is configured. Set MUNIMENT_OIDC_ISSUER.")
        change = f"joined to subject {subject} of {settings.oidc_issuer}; password ended"
        record.append(UserChanged(actor=operator(), name=name, change=change))
        provided.link(name, subject)
    click.echo(plain(f"{name} signs in at the identity provider from now on."))


@user.command("forget-code", epilog=example("muniment user forget-code ada"))
@click.argument("name")
@click.pass_obj
def forget_code(settings: Settings, name: str) -> None:
    """Drop a person's authenticator, when both it and the recovery codes are lost."""
    with _accounts(settings) as (identity, record):
        change = "second factor dropped"
        record.append(UserChanged(actor=operator(), name=name, change=change))
        SecondFactors(identity, clock=utc_now).forget(name)
    click.echo(plain(f"{name} signs in with the password alone until a new one is set up."))


@user.command("remove", epilog=example("muniment user remove ada"))
@click.argument("name")
@click.pass_obj
def remove_user(settings: Settings, name: str) -> None:
    """Remove an account; its sessions end now."""
    with _accounts(settings) as (identity, record):
        record.append(UserChanged(actor=operator(), name=name, change="removed"))
        identity.remove_account(name)
    click.echo(plain(f"{name} can no longer sign in."))


@user.group(epilog=example("muniment user token add ada --label 'Word add-in' --days 30"))
def token() -> None:
    """Tokens by which a program asks in a person's name."""


@token.command("add", epilog=example("muniment user token add ada --label 'Word add-in'"))
@click.argument("name")
@click.option("--label", required=True, help="What it is for.")
@click.option("--scopes", default="ask", show_default=True, metavar="A,B", help=", ".join(SCOPES))
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True)
@click.pass_obj
def add_token(settings: Settings, name: str, label: str, scopes: str, days: int) -> None:
    """Make a token and print it, this once."""
    with _accounts(settings) as (identity, record):
        change = f"token added: {label}; scopes {scopes}; {days} days"
        record.append(UserChanged(actor=operator(), name=name, change=change))
        tokens = ApiTokens(identity.store, identity)
        made = tokens.make(name, label, split_names(scopes), timedelta(days=days))
    click.echo(made.token)
    click.echo(f"It is shown this once and ends on {made.known_as.expires_at:%d %B %Y}.", err=True)


@token.command("list", epilog=example("muniment user token list ada"))
@click.argument("name")
@click.pass_obj
def list_tokens(settings: Settings, name: str) -> None:
    """List a person's tokens; the tokens themselves are not kept."""
    with _accounts(settings) as (identity, _):
        found = ApiTokens(identity.store, identity).of(name)
    for one in found:
        used = f"last used {one.used_at:%d %B %Y}" if one.used_at else "never used"
        scopes = ",".join(sorted(one.scopes))
        ends = f"ends {one.expires_at:%d %B %Y}"
        click.echo(plain(f"{one.token_id}  {one.label}  {scopes}  {ends}  {used}"))


@token.command("revoke", epilog=example("muniment user token revoke ada TOKEN_ID"))
@click.argument("name")
@click.argument("token_id")
@click.pass_obj
def revoke_token(settings: Settings, name: str, token_id: str) -> None:
    """End a token; it is refused from the next request on."""
    with _accounts(settings) as (identity, record):
        change = f"token {token_id} revoked"
        record.append(UserChanged(actor=operator(), name=name, change=change))
        ApiTokens(identity.store, identity).revoke(name, token_id)
    click.echo("The token is refused from now on.")


@contextmanager
def _accounts(settings: Settings) -> Iterator[tuple[Identity, AuditLog]]:
    make_data_folder(settings.data)
    with (
        closing(open_record(settings)) as record,
        closing(open_identity(settings)) as identity,
    ):
        yield identity, record
