"""An identity provider that can be told to send anything, and checks what is sent to it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rag.oidc import LOGOUT_EVENT, ProviderSettings

ISSUER = "https://login.example.org/house"
ORIGIN = "https://login.example.org"
CLIENT = "muniment"
SECRET = "the provider knows us by this"
Key = ec.EllipticCurvePrivateKey
Forged = Callable[["Forge", dict[str, Any]], str]


def settings(**changed: Any) -> ProviderSettings:
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uri": "https://muniment.example.org/sign-in/back",
    }
    return ProviderSettings(**usual | changed)


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Forge:
    """Honest until a test says otherwise."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.kid = "one"
        self.said: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ORIGIN}/authorize",
            "token_endpoint": f"{ORIGIN}/token",
            "jwks_uri": f"{ORIGIN}/keys",
        }
        self.changed: dict[str, Any] = {}
        self.forged: Forged | None = None
        self.asked: dict[str, str] = {}
        self.requests: list[str] = []
        self.redirected = False

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if self.redirected:
            return httpx.Response(302, headers={"Location": "https://evil.example.org/keys"})
        if request.url.path.endswith("/openid-configuration"):
            return httpx.Response(200, json=self.said)
        if request.url.path == "/keys":
            return httpx.Response(200, json=self.keys())
        return self.token(request)

    def keys(self) -> dict[str, Any]:
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        public = json.loads(algorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": self.kid, "use": "sig"}]}

    def token(self, request: httpx.Request) -> httpx.Response:
        """Check everything that a provider must check, then answer."""
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        good = (
            form["code"] == "the code"
            and part(digest) == self.asked["code_challenge"]
            and form["redirect_uri"] == self.asked["redirect_uri"]
            and pair == f"{CLIENT}:{SECRET.replace(' ', '%20')}"
        )
        if not good:
            return httpx.Response(400, json={"error": "invalid_grant"})
        claims = self.claims(nonce=self.asked["nonce"])
        return httpx.Response(200, json={"id_token": (self.forged or signed)(self, claims)})

    def went_to(self, address: str) -> dict[str, str]:
        """Note what a browser was sent with, and return it."""
        query = parse_qs(urlsplit(address).query)
        self.asked = {name: values[0] for name, values in query.items()}
        return self.asked

    def claims(self, **more: Any) -> dict[str, Any]:
        now = self.clock()
        usual = {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": "248289761001",
            "sid": "session at the provider",
            "preferred_username": "vera",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
        }
        return {name: value for name, value in (usual | more | self.changed).items() if value != ""}

    def logout_token(self, **more: Any) -> str:
        now = int(self.clock().timestamp())
        usual = {
            "iss": ISSUER,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": f"logout {now}",
            "sid": "session at the provider",
            "events": {LOGOUT_EVENT: {}},
        }
        claims = {name: value for name, value in (usual | more).items() if value != ""}
        return signed(self, claims, typ="logout+jwt")


def signed(
    forge: Forge,
    claims: dict[str, Any],
    *,
    key: Key | None = None,
    algorithm: str = "ES256",
    **header: Any,
) -> str:
    return jwt.encode(
        claims, key or forge.key, algorithm=algorithm, headers={"kid": forge.kid} | header
    )


def another_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def unsigned(_forge: Forge, claims: dict[str, Any]) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def signed_with_the_public_key_as_a_secret(forge: Forge, claims: dict[str, Any]) -> str:
    secret = forge.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = f"{part({'alg': 'HS256', 'kid': forge.kid})}.{part(claims)}"
    return f"{body}.{part(hmac.digest(secret, body.encode(), 'sha256'))}"


def with_its_own_key_in_the_header(forge: Forge, claims: dict[str, Any]) -> str:
    key = another_key()
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    own = json.loads(algorithm.to_jwk(key.public_key()))
    return signed(forge, claims, key=key, jwk=own, jku="https://evil.example.org/keys")


def in_json_without_a_signature(_forge: Forge, claims: dict[str, Any]) -> str:
    return json.dumps({"payload": part(claims), "signatures": []})


def altered_after_signing(forge: Forge, claims: dict[str, Any]) -> str:
    head, _, signature = signed(forge, claims).split(".")
    return f"{head}.{part(claims | {'sub': 'somebody else'})}.{signature}"
