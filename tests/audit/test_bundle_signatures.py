"""The verifier's own Ed25519, against published vectors, an independent library, and forgeries."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.bundle_verify import ORDER, PRIME, decode_point, ed25519_holds, encode_point

VECTORS = [
    # RFC 8032, section 7.1: secret, public, message, signature.
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        "4dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

SMALL_ORDER = [
    # The eight points that vanish when multiplied by eight.
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]

NOT_CANONICAL = [
    # y of 2^255 - 19 and more, and x = 0 with the sign of a negative number.
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def key_and_signature(seed: str, message: bytes) -> tuple[bytes, bytes]:
    secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
    return secret.public_key().public_bytes_raw(), secret.sign(message)


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_the_published_vectors_hold(secret: str, public: str, message: str, signature: str) -> None:
    of_secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).public_key()

    assert of_secret.public_bytes_raw().hex() == public
    assert ed25519_holds(*(bytes.fromhex(part) for part in (public, message, signature)))


@pytest.mark.parametrize("length", [0, 1, 63, 64, 127, 128, 1000])
def test_signatures_of_an_independent_library_hold(length: int) -> None:
    message = bytes(range(256)) * 4
    public, signature = key_and_signature(f"key {length}", message[:length])

    assert ed25519_holds(public, message[:length], signature)
    assert not ed25519_holds(public, message[: length + 1], signature)


def test_every_flipped_bit_of_signature_and_key_fails_here_as_there() -> None:
    public, signature = key_and_signature("flipped", b"message")

    for place in range(0, 96 * 8, 5):
        both = bytearray(public + signature)
        both[place // 8] ^= 1 << place % 8
        changed_key, changed = bytes(both[:32]), bytes(both[32:])
        assert ed25519_holds(changed_key, b"message", changed) is False
        assert independent(changed_key, b"message", changed) is False


def test_a_signature_has_no_second_form() -> None:
    public, signature = key_and_signature("malleable", b"message")
    scalar = int.from_bytes(signature[32:], "little")

    for times in range(1, 16):
        grown = (scalar + times * ORDER).to_bytes(32, "little")
        assert not ed25519_holds(public, b"message", signature[:32] + grown)


def test_a_negated_commitment_fails() -> None:
    public, signature = key_and_signature("negated", b"message")
    flipped = bytes([*signature[:31], signature[31] ^ 0x80])
    scalar = ORDER - int.from_bytes(signature[32:], "little")

    assert not ed25519_holds(public, b"message", flipped + signature[32:])
    assert not ed25519_holds(public, b"message", flipped + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("point", SMALL_ORDER)
@pytest.mark.parametrize("commitment", SMALL_ORDER)
def test_a_key_of_small_order_signs_nothing(point: str, commitment: str) -> None:
    forged = bytes.fromhex(commitment) + bytes(32)

    for message in (b"", b"a", b"b", b"c", b"d", b"e", b"f", b"g"):
        assert not ed25519_holds(bytes.fromhex(point), message, forged)


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_points_of_small_order_are_points_all_the_same(point: str) -> None:
    decoded = decode_point(bytes.fromhex(point))

    assert decoded is not None
    assert encode_point(decoded).hex() == point


@pytest.mark.parametrize("point", NOT_CANONICAL)
def test_a_point_has_no_second_encoding(point: str) -> None:
    public, signature = key_and_signature("encoding", b"message")

    assert decode_point(bytes.fromhex(point)) is None
    assert not ed25519_holds(bytes.fromhex(point), b"message", signature)
    assert not ed25519_holds(public, b"message", bytes.fromhex(point) + signature[32:])


def test_what_is_on_no_curve_is_no_point() -> None:
    encodings = (number.to_bytes(32, "little") for number in range(2, 60))

    points = [decode_point(encoding) for encoding in encodings]

    assert 15 < sum(point is None for point in points) < 45
    for x, y, _, _ in filter(None, points):
        d = -121665 * pow(121666, -1, PRIME)
        assert (-x * x + y * y - 1 - d * x * x * y * y) % PRIME == 0


@pytest.mark.parametrize("length", [0, 31, 32, 63, 65, 128])
def test_a_signature_of_another_length_fails(length: int) -> None:
    public, signature = key_and_signature("length", b"message")

    assert not ed25519_holds(public, b"message", (signature + signature)[:length])
    assert not ed25519_holds(public[:-1], b"message", signature)


def independent(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
