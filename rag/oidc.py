"""Speak OpenID Connect with one identity provider: the code flow with PKCE, and its logouts.

What the provider sends is believed where a signature by one of its own keys, in an algorithm from
our list, covers it, and where it is meant for us, for this sign-in and for now. Nothing in a
token's header chooses how it is checked, but which of the provider's keys it says it is by.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt

from rag.errors import ProviderRefused, ProviderUnavailable
from rag.store import Clock

log = logging.getLogger("rag.oidc")

WELL_KNOWN: Final = "/.well-known/openid-configuration"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
"""Those in which a provider's private key signs. Never one with a shared secret, and never none."""

_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

LONGEST_TOKEN: Final = 32_768
LONGEST_REPLY: Final = 1_048_576
LONGEST_SUBJECT: Final = 255
CLOCK_SKEW: Final = timedelta(seconds=60)
LOGOUT_LASTS: Final = timedelta(minutes=5)
"""A logout token older than this is not heeded; its provider sends it at once."""

KNOWN_FOR: Final = timedelta(hours=1)
"""How long what the provider says of itself is relied on."""

KEYS_ANEW_AFTER: Final = timedelta(seconds=60)
"""How often a key that is not known makes us ask again: whoever forges tokens decides when."""

PATIENCE_SECONDS: Final = 10.0

AFTER_SIGN_OUT: Final = "/sign-in"
"""Path of the page that a provider sends browsers to once it has ended their session."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What an operator says of the provider.

    Attributes:
        issuer: Its address, letter for letter as its tokens name it.
        client_id: Under which it knows us.
        client_secret: By which it knows us; empty for a public client.
        redirect_uri: Where it sends browsers back to: the page's ``/sign-in/back``.
        name: What people call it.
        algorithms: In which it may sign.
        scopes: What is asked for.
        name_claim: Which claim an account is named after; one that people cannot choose.
        groups_claim: Which claim lists groups; empty where none is believed.
        groups: Patterns of the names of groups that are taken over.
        most_groups: With more than this, none is taken over.
        keys_file: The provider's keys as a file (JWKS); then they are never fetched.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    name: str = "Single sign-on"
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    groups_claim: str = ""
    groups: tuple[str, ...] = ("*",)
    most_groups: int = 150
    keys_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom the provider vouches for.

    Attributes:
        issuer: The provider.
        subject: The person's lasting id there; with the issuer the only thing that tells who.
        name: What the account is to be called.
        provider_session: The session there; empty where it does not say.
        groups: Those taken over.
        token: The ID token itself, which the provider is shown again when its session is to end.
    """

    issuer: str
    subject: str
    name: str
    provider_session: str
    groups: frozenset[str]
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Logout:
    """What has ended at the provider: one session, or where it is empty all of a person's."""

    issuer: str
    subject: str
    provider_session: str


@dataclass(frozen=True, slots=True)
class _Known:
    at: datetime
    values: Mapping[str, Any]


class OpenIdProvider:
    """One identity provider.

    Args:
        settings: What the operator says of it.
        clock: Returns the time now, in UTC.
        transport: Stands in for the network in tests.

    Raises:
        ProviderRefused: The settings would let in what must not be let in.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        _require_safe(settings.issuer, "issuer")
        if unknown := set(settings.algorithms) - set(ALGORITHMS):
            raise ProviderRefused(f"Tokens signed with {sorted(unknown)[0]} are never believed.")
        self.settings = settings
        self._clock = clock
        self._lock = Lock()
        self._metadata: _Known | None = None
        self._keys: _Known | None = None
        self._http = httpx.Client(
            timeout=PATIENCE_SECONDS,
            transport=transport,
            trust_env=False,
            follow_redirects=False,  # a redirect could lead to keys of somebody else
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Return where to send a browser to sign in.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: What it says of itself does not hold together.
        """
        digest = hashlib.sha256(verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return _with_query(str(self._described()["authorization_endpoint"]), parameters)

    def claims(self, *, code: str, verifier: str, nonce: str, issuer: str) -> Claims:
        """Exchange a code for whom it stands for.

        Args:
            code: As the browser brought it back.
            verifier: Of which `address` was given the same.
            nonce: Likewise.
            issuer: The ``iss`` that came back beside the code (RFC 9207); empty for none.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: The code or the token is not good.
        """
        described = self._described()
        promised = described.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (issuer or promised):
            raise ProviderRefused("the answer names another issuer, or none where it should")
        token = self._exchange(described, code, verifier)
        claims = self._verified(token, required=("exp", "iat", "sub", "nonce"))
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise ProviderRefused("the token is of another sign-in (nonce)")
        if "events" in claims:
            raise ProviderRefused("the token is no ID token")
        self._require_party(claims)
        return Claims(
            issuer=self.settings.issuer,
            subject=_subject(claims),
            name=_text(claims, self.settings.name_claim),
            provider_session=_text(claims, "sid", optional=True),
            groups=self._groups(claims),
            token=token,
        )

    def leaving_address(self, token: str) -> str:
        """Return where to send a browser to end its session at the provider too.

        Empty where the provider names no such place, names one on another machine, or does not
        answer: a sign-out here never waits for one there.

        Args:
            token: The ID token of the sign-in.
        """
        try:
            endpoint = self._described().get("end_session_endpoint")
            if endpoint is None:
                return ""
            _require_same_origin(endpoint, self.settings.issuer, "end_session_endpoint")
        except (ProviderRefused, ProviderUnavailable) as error:
            log.warning("provider.no-sign-out reason=%s", error)
            return ""
        back = urlsplit(self.settings.redirect_uri)
        parameters = {
            "id_token_hint": token,
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": f"{back.scheme}://{back.netloc}{AFTER_SIGN_OUT}",
        }
        return _with_query(str(endpoint), parameters)

    def logout(self, token: str) -> Logout:
        """Return what a back-channel logout token says has ended.

        Raises:
            ProviderUnavailable: The provider does not answer.
            ProviderRefused: The token is not good.
        """
        claims = self._verified(token, required=("iat", "jti", "events"), typ="logout+jwt")
        events = claims["events"]
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise ProviderRefused("the token is no logout token")
        if "nonce" in claims:
            raise ProviderRefused("a logout token has no nonce")
        if _moment(claims, "iat") < self._clock().timestamp() - LOGOUT_LASTS.total_seconds():
            raise ProviderRefused("the logout token is too old")
        subject = _text(claims, "sub", optional=True)
        session = _text(claims, "sid", optional=True)
        if not subject and not session:
            raise ProviderRefused("the logout token names nobody")
        return Logout(self.settings.issuer, subject, session)

    def _verified(self, token: str, *, required: Sequence[str], typ: str = "") -> Mapping[str, Any]:
        """Return the claims of a token that is signed, ours and of now."""
        header = _header_of(token)
        algorithm = header.get("alg")
        if algorithm not in self.settings.algorithms:
            raise ProviderRefused("the token is signed in a way that is not on our list")
        if typ and str(header.get("typ", typ)).lower().removeprefix("application/") not in {typ}:
            raise ProviderRefused("the token is of another type")
        key = self._key(header.get("kid"), str(algorithm))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key.key,
                algorithms=[str(algorithm)],
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                options={
                    "require": ["iss", "aud", *required],
                    # Times are compared with our own clock below.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise ProviderRefused(f"the token is not good ({type(error).__name__})") from error
        self._require_now(claims)
        return claims

    def _require_now(self, claims: Mapping[str, Any]) -> None:
        now, skew = self._clock().timestamp(), CLOCK_SKEW.total_seconds()
        if "exp" in claims and now >= _moment(claims, "exp") + skew:
            raise ProviderRefused("the token has expired")
        for name in ("iat", "nbf"):
            if name in claims and now < _moment(claims, name) - skew:
                raise ProviderRefused("the token is not valid yet")

    def _require_party(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token that was issued to another client, though we are in its audience."""
        audience, party = claims["aud"], claims.get("azp")
        several = isinstance(audience, list) and len(audience) > 1
        if (party is not None or several) and party != self.settings.client_id:
            raise ProviderRefused("the token was issued to another client")

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the groups that are taken over; none where the list is cut, long or odd."""
        name = self.settings.groups_claim
        listed = claims.get(name) if name else None
        elsewhere = claims.get("_claim_names")
        if isinstance(elsewhere, dict) and name in elsewhere:
            return frozenset()  # too many for a token: what is there is not all
        if not isinstance(listed, list) or len(listed) > self.settings.most_groups:
            return frozenset()
        if not all(isinstance(one, str) and _is_plain(one, 200) for one in listed):
            return frozenset()
        patterns = self.settings.groups
        return frozenset(
            one for one in listed if any(fnmatchcase(one, pattern) for pattern in patterns)
        )

    def _exchange(self, described: Mapping[str, Any], code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.settings.client_id,
        }
        headers = {"Accept": "application/json"}
        if secret := self.settings.client_secret:
            ways = described.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in ways:
                pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        reply = self._send(
            "POST", str(described["token_endpoint"]), form=form, headers=headers, refusable=True
        )
        token = reply.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused("the provider gave no ID token")
        return token

    def _described(self) -> Mapping[str, Any]:
        """Return what the provider says of itself, checked before it is remembered."""
        with self._lock:
            known = self._metadata
        if known is not None and self._clock() < known.at + KNOWN_FOR:
            return known.values
        described = self._send("GET", self.settings.issuer.rstrip("/") + WELL_KNOWN)
        if described.get("issuer") != self.settings.issuer:
            raise ProviderRefused("the provider calls itself by another name than the settings do")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _require_same_origin(described.get(name), self.settings.issuer, name)
        with self._lock:
            self._metadata = _Known(self._clock(), described)
        return described

    def _key(self, kid: object, algorithm: str) -> jwt.PyJWK:
        """Return the provider's key that a token says it is by, if it may sign so."""
        found = self._fitting(kid, algorithm)
        if found is None and self._may_ask_again():
            with self._lock:
                self._keys = None
            found = self._fitting(kid, algorithm)
        if found is None:
            raise ProviderRefused("the token is by a key that is not the provider's")
        return found

    def _fitting(self, kid: object, algorithm: str) -> jwt.PyJWK | None:
        fitting = [
            entry
            for entry in self._key_entries()
            if entry.get("kty") == _KEY_TYPES[algorithm[:2]]
            and entry.get("use", "sig") == "sig"
            and entry.get("alg", algorithm) == algorithm
            and (kid is None or entry.get("kid") == kid)
        ]
        if len(fitting) != 1:
            return None
        try:
            return jwt.PyJWK(fitting[0], algorithm=algorithm)
        except jwt.PyJWTError as error:
            raise ProviderRefused("the provider's key cannot be used") from error

    def _key_entries(self) -> list[dict[str, Any]]:
        with self._lock:
            known = self._keys
        if known is None or self._clock() >= known.at + KNOWN_FOR:
            known = _Known(self._clock(), self._read_keys())
            with self._lock:
                self._keys = known
        entries = known.values.get("keys")
        if not isinstance(entries, list):
            raise ProviderRefused("the provider's keys are not a list of keys")
        return [entry for entry in entries if isinstance(entry, dict)]

    def _read_keys(self) -> Mapping[str, Any]:
        path = self.settings.keys_file
        if path is None:
            return self._send("GET", str(self._described()["jwks_uri"]))
        try:
            return _object(path.read_bytes())
        except OSError as error:
            raise ProviderUnavailable(f"The provider's keys cannot be read: {path}.") from error

    def _may_ask_again(self) -> bool:
        with self._lock:
            known = self._keys
        return known is None or self._clock() >= known.at + KEYS_ANEW_AFTER

    def _send(
        self,
        method: str,
        address: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        refusable: bool = False,
    ) -> Mapping[str, Any]:
        """Return what the provider answers; ``refusable`` where a 4xx is about what was sent."""
        try:
            with self._http.stream(method, address, data=form, headers=headers) as reply:
                body = b""
                for part in reply.iter_bytes():
                    body += part
                    if len(body) > LONGEST_REPLY:
                        raise ProviderRefused("the provider answered with far too much")
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"The identity provider does not answer ({type(error).__name__})."
            ) from error
        if reply.is_client_error and refusable:
            raise ProviderRefused("the provider does not accept the code")
        if not reply.is_success:
            raise ProviderUnavailable(
                f"The identity provider answered with status {reply.status_code}."
            )
        return _object(body)


def _with_query(address: str, parameters: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderRefused("the provider answered with something that is no JSON") from error
    if not isinstance(found, dict):
        raise ProviderRefused("the provider answered with something that is no object")
    return found


def _header_of(token: str) -> Mapping[str, Any]:
    """Return the header of a token in the compact form, the only one that is believed."""
    if len(token) > LONGEST_TOKEN or token.count(".") != 2:
        raise ProviderRefused("the token has another form than a signed token has")
    part = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise ProviderRefused("the token's header cannot be read") from error
    if not isinstance(header, dict):
        raise ProviderRefused("the token's header cannot be read")
    if "crit" in header or "b64" in header:
        # RFC 7515, section 4.1.11: what is critical and not understood must be refused.
        raise ProviderRefused("the token wants something of its reader that we do not know")
    return header


def _subject(claims: Mapping[str, Any]) -> str:
    subject = _text(claims, "sub")
    if not subject.isascii() or not subject.isprintable():
        raise ProviderRefused("the token names nobody we could tell apart")
    return subject


def _text(claims: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    found = claims.get(name)
    if found is None and optional:
        return ""
    if not isinstance(found, str) or not _is_plain(found, LONGEST_SUBJECT):
        raise ProviderRefused(f"the token's claim {name} is missing or cannot be used")
    return found


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and bool(text.strip())


def _moment(claims: Mapping[str, Any], name: str) -> float:
    found = claims[name]
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ProviderRefused(f"the token's claim {name} is no moment")
    return float(found)


def _require_safe(address: str, what: str) -> None:
    parts = urlsplit(address)
    loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ProviderRefused(f"The {what} must be an address with https: {address!r}.")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ProviderRefused(f"The {what} is no address of a provider: {address!r}.")


def _require_same_origin(address: object, issuer: str, what: str) -> None:
    """Refuse an endpoint elsewhere: who poisons one document must not move the keys."""
    if not isinstance(address, str):
        raise ProviderRefused(f"the provider does not say its {what}")
    ours, theirs = urlsplit(issuer), urlsplit(address)
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
        raise ProviderRefused(f"the provider's {what} is on another machine than the provider")
