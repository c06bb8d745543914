"""What keeps content from others: XChaCha20-Poly1305, HPKE, epochs. After docs/src/wire.md,
"Encryption"."""

import hashlib
import hmac
import struct

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bytes_of import derive, encode

NONE_SEALED = bytes(80)


def keyed(key, data):
    return blake3(data, key=key).digest()


# XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) --------------------------------------------------


def _rotated(word, bits):
    return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF


def _quarter(s, a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = _rotated(s[z] ^ s[x], bits)


def hchacha20(key, nonce):
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for n in range(4):
            _quarter(s, n, n + 4, n + 8, n + 12)
        for n in range(4):
            _quarter(s, n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4)
    return struct.pack("<8I", *s[:4], *s[12:])


def _xchacha(key, nonce):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def xchacha_seal(key, nonce, plain, associated):
    cipher, nonce = _xchacha(key, nonce)
    return cipher.encrypt(nonce, plain, associated)


def xchacha_open(key, nonce, sealed, associated):
    """What was sealed, or None."""
    cipher, nonce = _xchacha(key, nonce)
    try:
        return cipher.decrypt(nonce, sealed, associated)
    except InvalidTag:
        return None


# HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305 -------------

KEM_SUITE = b"KEM" + (0x20).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x20, 1, 3))


def _mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def _extract(suite, salt, label, material):
    return _mac(salt or bytes(32), b"HPKE-v1" + suite + label + material)


def _expand(suite, key, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    # None of them needs more than one block.
    return _mac(key, info + b"\x01")[:length]


def derived_secret(material):
    """The X25519 secret that `DeriveKeyPair` makes of keying material."""
    return _expand(KEM_SUITE, _extract(KEM_SUITE, b"", b"dkp_prk", material), b"sk", b"", 32)


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def _exchanged(secret, public):
    """The shared point, or None if it is zeros: the public key is of small order."""
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(secret).exchange(key)
    except ValueError:
        return None


def _hpke(shared, encapsulated, public, info):
    """Cipher and nonce of the first and only message."""
    secret = _extract(KEM_SUITE, b"", b"eae_prk", shared)
    secret = _expand(KEM_SUITE, secret, b"shared_secret", encapsulated + public, 32)
    context = b"\x00" + _extract(SUITE, b"", b"psk_id_hash", b"")
    context += _extract(SUITE, b"", b"info_hash", info)
    secret = _extract(SUITE, secret, b"secret", b"")
    key = _expand(SUITE, secret, b"key", context, 32)
    return ChaCha20Poly1305(key), _expand(SUITE, secret, b"base_nonce", context, 12)


def hpke_seal(public, ephemeral, info, plain):
    """Encapsulated key and ciphertext, or zeros if the public key is none."""
    shared = _exchanged(ephemeral, public)
    if shared is None:
        return NONE_SEALED
    encapsulated = x25519_public(ephemeral)
    cipher, nonce = _hpke(shared, encapsulated, public, info)
    return encapsulated + cipher.encrypt(nonce, plain, b"")


def hpke_open(secret, info, sealed):
    """What was sealed, or None."""
    shared = _exchanged(secret, sealed[:32])
    if shared is None:
        return None
    cipher, nonce = _hpke(shared, sealed[:32], x25519_public(secret), info)
    try:
        return cipher.decrypt(nonce, sealed[32:], b"")
    except InvalidTag:
        return None


# Epochs -------------------------------------------------------------------------------------------


def epoch_key_hash(room, key):
    return derive("conclave v1 epoch key", room + key)


def recipients_digest(devices):
    return derive("conclave v1 epoch recipients", b"".join(devices))


def wrapped_key(room, epoch, key, earlier):
    wrapping = derive("conclave v1 epoch wrap", key)
    return xchacha_seal(wrapping, epoch[:24], earlier, room + epoch)


def unwrapped_key(room, epoch, key, wrapped):
    wrapping = derive("conclave v1 epoch wrap", key)
    return xchacha_open(wrapping, epoch[:24], wrapped, room + epoch)


def sealing_info(company, room, epoch, device):
    return b"conclave v1 epoch key" + company + room + epoch + device


# Contents -----------------------------------------------------------------------------------------


def message_key(epoch_key, fields):
    return keyed(derive("conclave v1 epoch contents", epoch_key), fields)


def content_nonce(message_key, content):
    return keyed(message_key, b"\x00" + content)[:24]


def content_sealed(message_key, fields, content):
    """Nonce and ciphertext."""
    nonce = content_nonce(message_key, content)
    return nonce, xchacha_seal(keyed(message_key, b"\x01" + nonce), nonce, content, fields)


def content_opened(message_key, fields, nonce, body):
    """The content, or None if the key does not open it or the nonce is another."""
    content = xchacha_open(keyed(message_key, b"\x01" + nonce), nonce, body, fields)
    if content is None or content_nonce(message_key, content) != nonce:
        return None
    return content


def content_fields(envelope):
    """The canonical bytes of an envelope's fields, given in order, without nonce and body."""
    bare = list(envelope)
    bare[11], bare[12] = b"", b""
    return encode(bare)
