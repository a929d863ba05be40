"""People and groups from a real OpenLDAP, as an office would run it."""

import ipaddress
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rag.directory_book import DirectoryGroup, DirectoryPerson
from rag.directory_ldap import LdapOptions, read_ldap
from rag.errors import DirectoryInvalid
from tests.services.daemons import free_port, program, running

pytestmark = pytest.mark.services

SUFFIX = "dc=example,dc=org"
PASSWORD = "reader's password"
MANY = 1_200
"""More than a page of the search, and more members than some directories give at once."""

PEOPLE = ("bea", "cem", "dov")


@dataclass(frozen=True)
class Directory:
    url: str
    secure_url: str
    authority: Path
    options: LdapOptions


def configuration(folder: Path) -> str:
    schemas = "".join(
        f"include /etc/ldap/schema/{name}.schema\n"
        for name in ("core", "cosine", "nis", "inetorgperson")
    )
    return f"""{schemas}
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{SUFFIX}"
rootdn "cn=admin,{SUFFIX}"
directory {folder}/data
limits dn.exact="cn=reader,{SUFFIX}" size=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def entries() -> str:
    said = [
        f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example",
    ]
    said += [
        f"dn: cn={name},{SUFFIX}\nobjectClass: organizationalRole\n"
        f"objectClass: simpleSecurityObject\ncn: {name}\nuserPassword: {PASSWORD}"
        for name in ("reader", "limited")
    ]
    said += [
        f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}"
        for unit in ("people", "groups")
    ]
    for number, name in enumerate((*PEOPLE, *(f"p{n}" for n in range(MANY)))):
        said.append(
            f"dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\n"
            f"objectClass: posixAccount\nuid: {name}\ncn: {name.title()}\nsn: {name}\n"
            f"uidNumber: {1000 + number}\ngidNumber: 50\nhomeDirectory: /nonexistent\n"
            + ("description: left\n" if name == "dov" else "")
        )
    groups = {
        "staff": [f"uid=bea,ou=people,{SUFFIX}", f"CN=Partners, ou=groups,{SUFFIX}"],
        "Partners": [f"UID=cem,OU=People,{SUFFIX}", f"cn=nobody,ou=elsewhere,{SUFFIX}"],
        "everybody": [f"uid=p{number},ou=people,{SUFFIX}" for number in range(MANY)],
    }
    for name, members in groups.items():
        listed = "".join(f"member: {member}\n" for member in members)
        said.append(
            f"dn: cn={name},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {name}\n{listed}"
        )
    return "\n\n".join(line.strip() for line in said) + "\n"


def make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    slapd, folder = program("slapd", "slapd"), tmp_path_factory.mktemp("ldap")
    (folder / "data").mkdir()
    make_certificate(folder)
    (folder / "slapd.conf").write_text(configuration(folder))
    (folder / "entries.ldif").write_text(entries())
    conf = ["-f", str(folder / "slapd.conf")]
    load = [program("slapadd", "slapd"), *conf, "-l", str(folder / "entries.ldif")]
    subprocess.run(load, check=True, capture_output=True)
    port, secure = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{secure}"
    with running([slapd, *conf, "-d", "0", "-h", " ".join(urls)], port, folder / "log"):
        yield Directory(
            *urls,
            folder / "certificate.pem",
            LdapOptions(
                bind=f"cn=reader,{SUFFIX}",
                password=PASSWORD,
                people_base=f"ou=people,{SUFFIX}",
                people_filter="(objectClass=inetOrgPerson)",
                locked_filter="(description=left)",
                person_id="entryUUID",
                person_name="uid",
                person_display="cn",
                groups_base=f"ou=groups,{SUFFIX}",
                groups_filter="(objectClass=groupOfNames)",
                group_id="entryUUID",
                sid="",
                person_number="uidNumber",
            ),
        )


def test_everybody_is_read_with_their_groups_over_several_pages(directory: Directory) -> None:
    found = read_ldap(directory.url, directory.options)
    found.check()
    people = {one.name: one for one in found.people}
    groups = {one.name: one for one in found.groups}

    assert len(people) == len(PEOPLE) + MANY
    assert people["bea"] == DirectoryPerson(
        people["bea"].person_id, "bea", display="Bea", identifiers=("uid:1000",)
    )
    assert [name for name, one in people.items() if not one.active] == ["dov"]
    assert groups["staff"].members == {people["bea"].person_id, groups["Partners"].group_id}
    assert people["cem"].person_id in groups["Partners"].members
    assert len(groups["everybody"].members) == MANY
    assert isinstance(groups["staff"], DirectoryGroup)


@pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")
def test_a_verified_connection_reads_the_same(directory: Directory) -> None:
    trusting = replace(directory.options, authority=str(directory.authority))

    assert read_ldap(directory.secure_url, trusting) == read_ldap(directory.url, directory.options)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_nobody_vouches_for_is_not_spoken_to(directory: Directory) -> None:
    with pytest.raises(DirectoryInvalid, match="Nothing was taken over"):
        read_ldap(directory.secure_url, directory.options)


def test_a_wrong_password_reads_nothing_and_is_not_told(directory: Directory) -> None:
    wrong = replace(directory.options, password="not the password")

    with pytest.raises(DirectoryInvalid) as refused:
        read_ldap(directory.url, wrong)

    assert "not the password" not in str(refused.value)


def test_an_answer_cut_short_is_no_answer(directory: Directory) -> None:
    limited = replace(directory.options, bind=f"cn=limited,{SUFFIX}")

    with pytest.raises(DirectoryInvalid, match="stopped before the end"):
        read_ldap(directory.url, limited)


def test_a_reader_who_may_not_read_locks_nobody_out(directory: Directory) -> None:
    with pytest.raises(DirectoryInvalid, match="cannot be read"):
        read_ldap(directory.url, replace(directory.options, bind="", password=""))


def test_an_entry_without_its_name_is_said(directory: Directory) -> None:
    nameless = replace(directory.options, person_name="employeeNumber")

    with pytest.raises(DirectoryInvalid, match="has no employeeNumber"):
        read_ldap(directory.url, nameless)


def test_a_server_that_is_away_is_said(directory: Directory) -> None:
    with pytest.raises(DirectoryInvalid, match="cannot be read"):
        read_ldap(f"ldap://127.0.0.1:{free_port()}", directory.options)
