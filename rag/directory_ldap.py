"""Read a directory over LDAP: Active Directory, OpenLDAP, 389 and others.

Read to the end or not at all: a directory that answers in part would lock people out.
"""

import ssl
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import parse_dn

from rag.directory_book import LONGEST_ID, DirectoryGroup, DirectoryPerson, Snapshot
from rag.errors import DirectoryInvalid

PAGE: Final = 500
CONNECT_SECONDS: Final = 10
ANSWER_SECONDS: Final = 60
PAGED: Final = "1.2.840.113556.1.4.319"
"""The control by which a search is answered page by page (RFC 2696)."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class LdapOptions:
    """How a directory is read. The attributes are those of Active Directory unless said.

    Attributes:
        bind: Distinguished name of a reader.
        password: Its password.
        authority: File of the certificates that vouch for the server; the system's when empty.
        people_base: Where people are looked for.
        people_filter: Which entries are people who may use Muniment.
        locked_filter: Which of those are locked; empty for none.
        person_id: Attribute that stays the same when a person's name changes.
        person_name: Attribute of the name to sign in by.
        person_display: Attribute of the name to be called by.
        groups_base: Where groups are looked for; without one there are none.
        groups_filter: Which entries are groups.
        group_id: Attribute that stays the same when a group's name changes.
        group_name: Attribute of the name that access lists use.
        member: Attribute of the members: distinguished names, or names to sign in by.
        sid: Attribute of the security identifier, by which shares know both; empty for none.
        person_number: Attribute of the number by which folders know a person; empty for none.
        group_number: The same of a group.
    """

    bind: str = ""
    password: str = field(default="", repr=False)
    authority: str = ""
    people_base: str = ""
    people_filter: str = "(&(objectCategory=person)(objectClass=user))"
    locked_filter: str = "(userAccountControl:1.2.840.113556.1.4.803:=2)"
    person_id: str = "objectGUID"
    person_name: str = "sAMAccountName"
    person_display: str = "displayName"
    groups_base: str = ""
    groups_filter: str = "(objectClass=group)"
    group_id: str = "objectGUID"
    group_name: str = "cn"
    member: str = "member"
    sid: str = "objectSid"
    person_number: str = ""
    group_number: str = ""


def read_options(text: str) -> LdapOptions:
    """Return the options that a TOML file gives.

    Raises:
        DirectoryInvalid: It is not valid, or a key is not known.
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DirectoryInvalid(f"The directory's options are not valid TOML: {error}.") from error
    known = {one.name for one in fields(LdapOptions)}
    wrong = sorted(name for name in said if name not in known or not isinstance(said[name], str))
    if wrong:
        raise DirectoryInvalid(
            f"The directory's options hold {wrong[0]!r}, which is not known or not text. "
            f"Known are: {', '.join(sorted(known))}."
        )
    return LdapOptions(**said)


def read_ldap(url: str, options: LdapOptions) -> Snapshot:
    """Return everything that a directory names.

    Args:
        url: "ldaps://server[:port]", or "ldap://…": then the connection turns to TLS before
            anything is said, except to this machine.
        options: Where to look and what the attributes are called.

    Raises:
        DirectoryInvalid: It cannot be reached or read to the end, or an entry lacks its id.
    """
    try:
        with _connected(url, options) as connection:
            return _Reading(connection, options).snapshot()
    except (LDAPException, OSError, ssl.SSLError) as error:
        raise DirectoryInvalid(
            f"The directory at {url} cannot be read: {error}. Nothing was taken over."
        ) from error


@contextmanager
def _connected(url: str, options: LdapOptions) -> Iterator[ldap3.Connection]:
    parts = urlsplit(url)
    if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname or parts.password:
        raise DirectoryInvalid(
            "A directory's address is ldaps://server or ldap://server, without a password."
        )
    secure = parts.scheme == "ldaps"
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=options.authority or None)
    server = ldap3.Server(
        parts.hostname,
        port=parts.port or (636 if secure else 389),
        use_ssl=secure,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=CONNECT_SECONDS,
    )
    connection = ldap3.Connection(
        server,
        user=options.bind or None,
        password=options.password or None,
        auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False,
        auto_range=True,
        read_only=True,
        raise_exceptions=True,
        receive_timeout=ANSWER_SECONDS,
    )
    try:
        connection.open(read_server_info=False)
        if not secure and parts.hostname not in LOOPBACK:
            connection.start_tls(read_server_info=False)
        connection.bind(read_server_info=False)
        yield connection
    finally:
        connection.unbind()
        if connection.socket is not None:
            connection.socket.close()


@dataclass(slots=True)
class _Reading:
    connection: ldap3.Connection
    options: LdapOptions
    _ids: dict[str, str] = field(default_factory=dict)
    """Ids by distinguished name and, of people, by name."""

    def snapshot(self) -> Snapshot:
        people = tuple(self._people())
        found = list(self._group_entries())
        groups = tuple(
            DirectoryGroup(
                group_id,
                _text(values, self.options.group_name, dn),
                frozenset(self._member(one) for one in _all(values, self.options.member)),
                identifiers=self._identifiers(values, "gid", self.options.group_number),
            )
            for group_id, dn, values in found
        )
        return Snapshot(people, groups)

    def _people(self) -> Iterator[DirectoryPerson]:
        options = self.options
        wanted = [options.person_id, options.person_name, options.person_display]
        wanted += [options.sid, options.person_number]
        locked: set[str] = set()
        if options.locked_filter:
            both = f"(&{options.people_filter}{options.locked_filter})"
            locked = {_folded(dn) for dn, _ in self._search(options.people_base, both, [])}
        for dn, values in self._search(options.people_base, options.people_filter, wanted):
            person_id = _id(values, options.person_id, dn)
            name = _text(values, options.person_name, dn)
            self._ids[_folded(dn)] = self._ids["name " + name.casefold()] = person_id
            yield DirectoryPerson(
                person_id,
                name,
                display=next(iter(_all(values, options.person_display)), b"").decode(
                    "utf-8", "replace"
                )[:LONGEST_ID],
                active=_folded(dn) not in locked,
                identifiers=self._identifiers(values, "uid", options.person_number),
            )

    def _group_entries(self) -> Iterator[tuple[str, str, Mapping[str, list[bytes]]]]:
        options = self.options
        if not options.groups_base:
            return
        wanted = [options.group_id, options.group_name, options.member]
        wanted += [options.sid, options.group_number]
        for dn, values in self._search(options.groups_base, options.groups_filter, wanted):
            group_id = _id(values, options.group_id, dn)
            self._ids[_folded(dn)] = group_id
            yield group_id, dn, values

    def _member(self, written: bytes) -> str:
        """Return the id of a member; one that was not read stands for nobody."""
        text = written.decode("utf-8", "replace")
        key = _folded(text) if "=" in text else "name " + text.casefold()
        return self._ids.get(key, text[:LONGEST_ID])

    def _identifiers(
        self, values: Mapping[str, list[bytes]], kind: str, number: str
    ) -> tuple[str, ...]:
        sids = [_sid(value) for value in _all(values, self.options.sid)]
        return (*sids, *(f"{kind}:{int(value)}" for value in _all(values, number)))

    def _search(
        self, base: str, wanted: str, attributes: list[str]
    ) -> Iterator[tuple[str, dict[str, list[bytes]]]]:
        """Yield every entry below a base with the raw values of its attributes.

        Raises:
            DirectoryInvalid: The server stopped before the end, which the library takes for one.
        """
        cookie: bytes | None = None
        while True:
            self.connection.search(
                base,
                wanted,
                attributes=[name for name in attributes if name] or None,
                paged_size=PAGE,
                paged_cookie=cookie,
            )
            result = self.connection.result
            if result["result"] != 0:
                raise DirectoryInvalid(
                    f"The directory stopped before the end of {base} "
                    f"({result['description']}). Let its reader read without a limit; nothing "
                    "was taken over."
                )
            for entry in self.connection.response:
                if entry["type"] == "searchResEntry":
                    raw: Mapping[str, Any] = entry["raw_attributes"]
                    lowered = {name.casefold(): list(values) for name, values in raw.items()}
                    yield entry["dn"], lowered
            cookie = result["controls"].get(PAGED, {}).get("value", {}).get("cookie")
            if not cookie:
                return


def _folded(dn: str) -> str:
    """Return a distinguished name in one form, whatever its case and spaces."""
    try:
        parts = parse_dn(dn, strip=True)
    except LDAPException:
        return dn.casefold()
    return ",".join(f"{name.strip()}={value.strip()}" for name, value, _ in parts).casefold()


def _all(values: Mapping[str, list[bytes]], name: str) -> list[bytes]:
    return values.get(name.casefold(), []) if name else []


def _text(values: Mapping[str, list[bytes]], name: str, dn: str) -> str:
    found = _all(values, name)
    if not found:
        raise DirectoryInvalid(f"The entry {dn} has no {name}. Correct the filter or the entry.")
    return found[0].decode("utf-8", "replace")


def _id(values: Mapping[str, list[bytes]], name: str, dn: str) -> str:
    """Return an id as text; an objectGUID is 16 bytes in Microsoft's order."""
    found = _all(values, name)
    if found and len(found[0]) == 16 and name.casefold() == "objectguid":
        return str(uuid.UUID(bytes_le=found[0]))
    return _text(values, name, dn)


def _sid(value: bytes) -> str:
    """Return a security identifier as text; directories give it as bytes or, some, as text."""
    if value.startswith(b"S-1-"):
        return value.decode()
    count, authority = value[1], int.from_bytes(value[2:8], "big")
    parts = [int.from_bytes(value[8 + 4 * n : 12 + 4 * n], "little") for n in range(count)]
    return "-".join(["S", str(value[0]), str(authority), *map(str, parts)])
