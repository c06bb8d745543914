"""Bytes: strict CBOR, hashes, strict Ed25519. After docs/src/wire.md, "Encoding" and "Strict
signatures"."""

import hashlib

import cbor2
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519


class Refused(Exception):
    """Bytes that are not to be accepted: the word of the verdict and the reason."""

    def __init__(self, word, reason, detail=""):
        super().__init__(f"{word} ({reason}) {detail}")
        self.word, self.reason = word, reason


def malformed(reason, detail=""):
    return Refused("malformed", reason, detail)


# CBOR ---------------------------------------------------------------------------------------------

SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}


def encode(value):
    """The one encoding of a value. Any library that writes shortest, definite CBOR will do."""
    return cbor2.dumps(value)


def decode(data, most):
    """Exactly one canonical value of at most `most` bytes. A reader of its own: what libraries
    accept beside the canonical form is what must be refused here."""
    if len(data) > most:
        raise malformed("size", f"{len(data)} bytes")
    value, end = _item(data, 0, 0)
    if end != len(data):
        raise malformed("encoding", "bytes behind the value")
    if encode(value) != data:
        raise AssertionError("the strict reader accepted what encodes otherwise")
    return value


def _item(data, at, depth):
    if at >= len(data) or depth > 16:
        raise malformed("encoding", "cut short, or too deep")
    first = data[at]
    if first in SIMPLE:
        return SIMPLE[first], at + 1
    major, number, at = first >> 5, first & 31, at + 1
    if major not in (0, 2, 3, 4) or number > 27:
        raise malformed("encoding", f"item {first:#04x}")
    if number >= 24:
        size = 1 << (number - 24)
        if at + size > len(data):
            raise malformed("encoding", "cut short")
        number, at = int.from_bytes(data[at : at + size], "big"), at + size
        if number < (24 if size == 1 else 1 << (4 * size)):
            raise malformed("encoding", "over-long integer")
    if major == 0:
        return number, at
    if number > len(data) - at:
        raise malformed("encoding", "cut short")
    if major == 4:
        items = []
        for _ in range(number):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    piece = data[at : at + number]
    if major == 2:
        return piece, at + number
    try:
        return piece.decode("utf-8"), at + number
    except UnicodeDecodeError:
        raise malformed("encoding", "not UTF-8") from None


# Hashes -------------------------------------------------------------------------------------------


def derive(context, data):
    return blake3(data, derive_key_context=context).digest()


# Ed25519 ------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def _point(data):
    """The point of 32 bytes, or None. y may have p added, and x = 0 a sign, as the document says."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, (number & (2**255 - 1)) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return ((P - x) % P if x & 1 != sign else x), y


def _doubled(point):
    x, y = point
    product = D * x * x * y * y % P
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )


def _has_large_order(data):
    point = _point(data)
    if point is None:
        return False
    for _ in range(3):
        point = _doubled(point)
    return point != (0, 1)


def signature_fits(key, message, signature):
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    if not _has_large_order(key) or not _has_large_order(signature[:32]):
        return False
    # The library compares [S]B - [k]A with the bytes of R, without the cofactor.
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sign(seed, message):
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def public_key(seed):
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
