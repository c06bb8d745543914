"""Signed objects: their fields, their rules, their signatures. After docs/src/wire.md."""

from bytes_of import Refused, decode, derive, encode, malformed, sign, signature_fits
from names import CONTROL, WHITE, name_verdict
from shapes import (
    BOOL, BYTES, ID, IDS, SIG, TEXT, U8, U32, U64, AgentList, Bytes, Choice, List, Maybe, Number,
    Struct,
)  # fmt: skip

BODY_MOST, SIGNED_MOST = 32_768, 32_848
HEIGHT_MOST = 2**48
VERSION = 1
ROLE_AGENT = b"conclave v1 role:Agent" + bytes(10)
NO_COMPANY = bytes(32)

HEADER = Struct(version=U8, company=ID, author=ID, seq=U64, prev=Maybe(ID), authority=ID, height=U64)
CUT = Struct(device=ID, seq=U64, id=ID)
KEEP = Struct(room=ID, messages=IDS)
COUNTERSIGNATURE = Struct(device=ID, signature=SIG)
MAY = Struct(units=BOOL, agents=BOOL, rooms=BOOL, admins=BOOL)
PRINCIPAL = Choice(unit=(0, Struct(unit=ID)), agent=(1, Struct(agent=ID)))
VALUE = Choice(
    name=(0, Struct(name=TEXT)), topic=(1, Struct(topic=TEXT)), active=(2, Struct(active=BOOL))
)
UNIT_KIND = Number(department=0, group=1, role=2)
HISTORY = Number(full=0, **{"from-join": 1})
MODE = Number(depart=0, strict=1)

PAYLOADS = {
    1: ("root-rotate", Struct(next=ID, cut=CUT)),
    2: (
        "admin-grant",
        Struct(device=ID, agent=ID, rank=U32, may=MAY, scope=Maybe(ID), overrides=IDS),
    ),
    3: ("unit-create", Struct(kind=UNIT_KIND, parent=Maybe(ID), name=TEXT)),
    4: ("agent-cert", Struct(name=TEXT)),
    5: (
        "device-cert",
        Struct(agent=ID, device=ID, sealing=ID, countersignature=Maybe(COUNTERSIGNATURE), proof=SIG),
    ),
    6: ("member-grant", Struct(agent=ID, unit=ID, overrides=IDS)),
    7: ("room-create", Struct(name=TEXT, history=HISTORY)),
    8: ("permit", Struct(room=ID, principal=PRINCIPAL, overrides=IDS)),
    9: ("revoke", Struct(target=ID, control_cuts=List(CUT), keep=List(KEEP), mode=MODE)),
    10: ("room-cut", Struct(room=ID, revoke=ID, keep=IDS)),
    11: ("ratify", Struct(target=ID, overrides=IDS)),
    12: ("set-field", Struct(target=ID, value=VALUE, supersedes=IDS)),
}
GENESIS = Struct(version=U8, name=TEXT, root=ID, recovery=ID, salt=ID)
KIND = Number(text=0, enter=16, seal=17, **{"epoch start": 18, "epoch keys": 19})
ENTERS = {3: Struct(device_cert=ID, member_grants=IDS, permit=ID)}
ENTERS[2] = Struct(device_cert=ID, agents=AgentList())
WRAPPED, SEALED = Bytes(48), Bytes(80)
EPOCH_START = Struct(
    previous=List(Struct(wrapped=Maybe(WRAPPED), epoch=ID)), after=IDS, key_hash=ID,
    recipients=U32, recipients_digest=ID,
)  # fmt: skip
EPOCH_KEYS = Struct(epoch=ID, part=U32, keys=List(Struct(device=ID, sealed=SEALED)))
ENVELOPE = Struct(
    version=U8, company=ID, room=ID, device=ID, seq=U64, prev=Maybe(ID), parents=IDS, height=U64,
    kind=KIND, standing=Maybe(ID), epoch=Maybe(ID), nonce=BYTES, body=BYTES, claimed_time=U64,
)  # fmt: skip
ADDRESS_RECORD = Struct(version=U8, company=ID, device=ID, issued=U64, addresses=List(TEXT))
PRESENCE = Struct(version=U8, company=ID, device=ID, issued=U64, online=BOOL)
STATE_REPORT = Struct(version=U8, company=ID, device=ID, issued=U64, digest=ID, objects=U64)

TYPES = {0: ("genesis", GENESIS), 32: ("envelope", ENVELOPE)}
TYPES |= {48: ("address-record", ADDRESS_RECORD), 49: ("state-report", STATE_REPORT)}
TYPES |= {50: ("presence", PRESENCE)}
TYPES |= {n: (name, Struct(header=HEADER, payload=shape)) for n, (name, shape) in PAYLOADS.items()}
SIGNED = Struct(type=U8, body=BYTES, signature=SIG)


# The rules of one object --------------------------------------------------------------------------


def rule(fits, detail):
    if not fits:
        raise malformed("rule", detail)


def supported(fits, reason, detail=""):
    """What a later version of the protocol may bring."""
    if not fits:
        raise Refused("unsupported", reason, detail)


def named(text):
    if name_verdict(text) != "ok":
        raise malformed("name", name_verdict(text))


def ascending(keys, detail):
    rule(all(a < b for a, b in zip(keys, keys[1:])), detail)


def overrides(ids):
    rule(len(ids) <= 512, "more than 512 ids")
    ascending(ids, "ids not in order")


def check_place(seq, prev):
    rule(seq == 1 if prev is None else seq > 1, "seq and prev")


def check_admin_grant(p):
    overrides(p["overrides"])
    rule(p["rank"] >= 1, "rank 0")


def check_unit_create(p):
    named(p["name"])
    rule((p["kind"] == 1) == (p["parent"] is not None), "parent")


def check_device_cert(p):
    rule(p["countersignature"] is None or p["countersignature"][0] != p["device"], "countersigner")


def check_member_grant(p):
    overrides(p["overrides"])
    supported(p["unit"] != ROLE_AGENT, "rule", "role:Agent")


def check_revoke(p):
    ascending([cut[0] for cut in p["control_cuts"]], "cuts not in order")
    ascending([keep[0] for keep in p["keep"]], "keeps not in order")
    for _, messages in p["keep"]:
        ascending(messages, "messages not in order")


def check_set_field(p):
    overrides(p["supersedes"])
    number, (value,) = p["value"]
    if number == 0:
        named(value)
    elif number == 1:
        rule(len(value) <= 256 and not set(value) & CONTROL, "topic")


RULES = {
    2: check_admin_grant,
    3: check_unit_create,
    4: lambda p: named(p["name"]),
    5: check_device_cert,
    6: check_member_grant,
    7: lambda p: named(p["name"]),
    8: lambda p: overrides(p["overrides"]),
    9: check_revoke,
    10: lambda p: ascending(p["keep"], "messages not in order"),
    11: lambda p: overrides(p["overrides"]),
    12: check_set_field,
}


def check_control(number, header, payload):
    check_place(header["seq"], header["prev"])
    rule(2 <= header["height"] <= HEIGHT_MOST, "height")
    RULES.get(number, lambda _: None)(payload)


def check_address_record(record):
    addresses = record["addresses"]
    rule(len(addresses) <= 16, "too many addresses")
    for address in addresses:
        rule(address.startswith("/") and len(address.encode()) <= 256, "address")


def shown_text(content):
    """What is shown of the content of a text, or None."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    fits = text.strip(WHITE) and len(content) <= 16_384 and not set(text) & CONTROL - set("\n\t")
    return text if fits else None


def check_envelope(e):
    check_place(e["seq"], e["prev"])
    rule(len(e["parents"]) <= 8, "parents")
    ascending(e["parents"], "parents not in order")
    rule(1 <= e["height"] <= HEIGHT_MOST, "height")
    rule((e["height"] == 1) == (not e["parents"]), "height and parents")
    rule((e["kind"] == 16) == (e["standing"] is None), "standing")
    if e["kind"] == 0:
        rule(e["epoch"] is not None and len(e["nonce"]) == 24, "epoch and nonce of content")
        rule(17 <= len(e["body"]) <= 16_384 + 16, "length of a text")
        return
    rule(e["epoch"] is None and e["nonce"] == b"", "epoch and nonce without content")
    BODIES[e["kind"]](e)


def check_enter(e):
    enter = decode(e["body"], BODY_MOST)
    fields = len(enter) if type(enter) is list else 0
    ENTERS.get(fields, ENTERS[3]).check(enter)
    if fields == 2:
        rule(instant_room(e["company"], enter[1]) == e["room"], "another room's agents")
    else:
        rule(len(enter[1]) <= 16, "too many memberships")
        ascending(enter[1], "memberships not in order")


def check_epoch_start(e):
    value = decode(e["body"], BODY_MOST)
    EPOCH_START.check(value)
    start = EPOCH_START.named(value)
    ascending([epoch for _, epoch in start["previous"]], "epochs not in order")
    ascending(start["after"], "answers not in order")
    rule(len(start["previous"]) <= 7 and len(start["after"]) <= 768, "too long lists")
    rule(start["recipients"] <= 65_536, "too many recipients")


def check_epoch_keys(e):
    value = decode(e["body"], BODY_MOST)
    EPOCH_KEYS.check(value)
    _, part, keys = value
    ascending([device for device, _ in keys], "devices not in order")
    rule(1 <= len(keys) <= 256 and part < 256, "too many keys or parts, or no key")


BODIES = {
    16: check_enter,
    17: lambda e: rule(e["body"] == b"", "the body of a seal"),
    18: check_epoch_start,
    19: check_epoch_keys,
}


def instant_room(company, agents):
    return derive("conclave v1 instant room", company + b"".join(agents))


# Verifying ----------------------------------------------------------------------------------------


def object_id(name, body):
    return derive(f"conclave v1 {name}", body)


def signed_id(data):
    """The id of signed bytes, nothing checked but their encoding."""
    number, body, _ = decode(data, SIGNED_MOST)
    return object_id(TYPES[number][0], body)


def statement(name, company, object_id):
    return b"conclave v1 sig" + name.encode() + company + object_id


def device_statement(company, agent, device, sealing):
    return b"conclave v1 device" + company + agent + device + sealing


def leading_number(body, depth):
    """The small number first inside `depth` arrays, by its bytes alone: the version."""
    if len(body) <= depth or any(byte >> 5 != 4 for byte in body[:depth]) or body[depth] > 23:
        return None
    return body[depth]


def decode_body(number, body):
    """Shape and rules of a body; gives its fields by name."""
    name, shape = TYPES[number]
    supported(leading_number(body, 2 if number in PAYLOADS else 1) in (None, VERSION), "version")
    value = decode(body, BODY_MOST)
    shape.check(value)
    if number in PAYLOADS:
        header = HEADER.named(value[0])
        payload = PAYLOADS[number][1].named(value[1])
        supported(header["version"] == VERSION, "version")
        check_control(number, header, payload)
        return {**header, "key": header["author"], "payload": payload}
    fields = shape.named(value)
    supported(fields["version"] == VERSION, "version")
    if number == 0:
        named(fields["name"])
        return {**fields, "key": fields["root"], "company": NO_COMPANY}
    {32: check_envelope, 48: check_address_record, 49: lambda _: None, 50: lambda _: None}[number](fields)
    return {**fields, "key": fields["device"]}


def verify(data, company):
    """Everything that one object says of itself. Gives its type's number, its id and fields, or
    raises Refused."""
    outer = decode(data, SIGNED_MOST)
    SIGNED.check(outer)
    number, body, signature = outer
    supported(number in TYPES, "type", str(number))
    fields = decode_body(number, body)
    name = TYPES[number][0]
    own = object_id(name, body)
    if number != 0 and fields["company"] != company:
        raise Refused("wrong_company", "company")
    signed = [(fields["key"], statement(name, fields["company"], own), signature)]
    if number == 5:
        p = fields["payload"]
        confirmed = device_statement(company, p["agent"], p["device"], p["sealing"])
        signed.append((p["device"], confirmed, p["proof"]))
        if p["countersignature"] is not None:
            signed.append((p["countersignature"][0], confirmed, p["countersignature"][1]))
    if not all(signature_fits(*each) for each in signed):
        raise Refused("bad_signature", "signature")
    if number == 0 and own != company:
        raise Refused("wrong_company", "company")
    return number, own, fields


# Building -----------------------------------------------------------------------------------------


def build_body(number, fields):
    """The body of JSON fields."""
    _, shape = TYPES[number]
    if number != 32:
        return encode(shape.build(fields))
    return encode(shape.build({**fields, "body": build_envelope_body(fields).hex()}))


def build_envelope_body(fields):
    body, kind = fields["body"], fields["kind"]
    if kind == "text":
        return bytes.fromhex(body)
    if kind == "seal":
        if body is not None:
            raise AssertionError("a seal with a body")
        return b""
    if kind == "enter":
        return encode(ENTERS[len(body)].build(body))
    return encode({"epoch start": EPOCH_START, "epoch keys": EPOCH_KEYS}[kind].build(body))


def build_device_signatures(fields, seeds):
    """The proof and countersignature of a device-cert, made again from the seeds; as hex."""
    p = fields["payload"]
    parts = [fields["header"]["company"], p["agent"], p["device"], p["sealing"]]
    message = device_statement(*map(bytes.fromhex, parts))
    proof = sign(bytes.fromhex(seeds["device"]), message).hex()
    own = p["countersignature"]
    if own is None:
        return proof, None
    return proof, sign(bytes.fromhex(seeds["countersigner"]), message).hex()


def references(number, fields):
    """All ids of control objects that a control object refers to."""
    if number not in PAYLOADS:
        return []
    p = fields["payload"]
    refs = [fields["authority"], fields["prev"]]
    refs += [p[key] for key in ("agent", "scope", "parent", "unit", "room", "revoke", "target") if key in p]
    refs += p.get("overrides", []) + p.get("supersedes", [])
    refs += [cut[2] for cut in p.get("control_cuts", [])]
    if number == 1:
        refs.append(p["cut"][2])
    if number == 8:
        refs.append(p["principal"][1][0])
    return [ref for ref in refs if ref is not None and ref != ROLE_AGENT]
