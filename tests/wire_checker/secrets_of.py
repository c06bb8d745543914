"""What those know who have an epoch's key: made again, and opened."""

import encryption as e
import objects


def same(what, ours, theirs):
    if ours != theirs:
        raise AssertionError(f"{what}: we have {ours!r}, the vector {theirs!r}")


def raw(text):
    return None if text is None else bytes.fromhex(text)


def only(secrets, *names):
    """All of these and no others."""
    same("secrets", sorted(secrets or {}), sorted(names))


def check_secrets(fields, secrets):
    """The fields of an envelope, and what belongs to them."""
    checks = {"text": check_text, "epoch start": check_start, "epoch keys": check_keys}
    checks.get(fields["kind"], lambda _, secrets: only(secrets))(fields, secrets)


def check_text(fields, secrets):
    only(secrets, "epoch_key", "fields", "message_key", "content", "text")
    built = objects.ENVELOPE.build(fields)
    bare = e.content_fields(built)
    same("fields", bare.hex(), secrets["fields"])
    key = e.message_key(raw(secrets["epoch_key"]), bare)
    same("message key", key.hex(), secrets["message_key"])
    nonce, body = built[11], built[12]
    content = e.content_opened(key, bare, nonce, body)
    same("content", content, raw(secrets["content"]))
    if content is not None:
        same("nonce and body", e.content_sealed(key, bare, content), (nonce, body))
        content = objects.shown_text(content)
    same("text", content, secrets["text"])


def check_start(fields, secrets):
    only(secrets, "epoch_key", "earlier", "devices")
    body, room, key = fields["body"], raw(fields["room"]), raw(secrets["epoch_key"])
    same("key hash", e.epoch_key_hash(room, key).hex(), body["key_hash"])
    same("previous epochs", len(body["previous"]), len(secrets["earlier"]))
    for previous, earlier in zip(body["previous"], secrets["earlier"]):
        epoch, wrapped = raw(previous["epoch"]), None
        if earlier is not None:
            wrapped = e.wrapped_key(room, epoch, key, raw(earlier))
            same("earlier key", e.unwrapped_key(room, epoch, key, wrapped), raw(earlier))
        same("wrapped key", wrapped, raw(previous["wrapped"]))
    devices = [raw(device) for device in secrets["devices"]]
    same("recipients", len(devices), body["recipients"])
    same("order of recipients", sorted(set(devices)), devices)
    same("digest", e.recipients_digest(devices).hex(), body["recipients_digest"])


def check_keys(fields, secrets):
    only(secrets, "epoch_key", "recipients")
    body, key = fields["body"], raw(secrets["epoch_key"])
    same("recipients", len(body["keys"]), len(secrets["recipients"]))
    place = [raw(fields["company"]), raw(fields["room"]), raw(body["epoch"])]
    for given, recipient in zip(body["keys"], secrets["recipients"]):
        info = e.sealing_info(*place, raw(given["device"]))
        sealed, public = raw(given["sealed"]), raw(recipient["sealing"])
        if recipient["secret"] is None:
            same("what is sealed to no key", e.hpke_seal(public, bytes(32), info, key), sealed)
            continue
        secret = raw(recipient["secret"])
        same("sealing key", e.x25519_public(secret), public)
        same("opened", e.hpke_open(secret, info, sealed), key)
        ephemeral = e.derived_secret(raw(recipient["ephemeral"]))
        same("sealed", e.hpke_seal(public, ephemeral, info, key), sealed)
