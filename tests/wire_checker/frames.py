"""Frames of the request-response protocol. After docs/src/wire.md, "Frames"."""

from bytes_of import decode, encode, malformed
from shapes import BOOL, BYTES, ID, SIG, TEXT, U64, AgentList, Bytes, Choice, List, Maybe, Struct

FRAME_MOST = 327_680

SCOPE = Choice(
    control=(0, Struct()), room=(1, Struct(room=ID)), waiting=(2, Struct(room=ID))
)
BOUND = Struct(height=U64, id=ID)
PART = Struct(upper=BOUND, count=U64, fingerprint=ID)
SUMMARY = Struct(room=ID, count=U64, fingerprint=ID)
AGED = Struct(bytes=BYTES, age=U64)
INSTANT = Struct(agents=AgentList(), waiting=Maybe(SUMMARY), summary=SUMMARY)
ADMIN = Struct(device=ID, addresses=List(TEXT))
NEW_DEVICE = Struct(agent=ID, device=ID, sealing=ID, proof=SIG, countersignature=SIG, code=TEXT)
GIVEN = Struct(start=BYTES, sealed=Bytes(80))
STATES = ("waiting", "admitted", "refused", "unknown", "busy")
STATE = Choice(**{word: (number, Struct()) for number, word in enumerate(STATES)})

REQUESTS = {
    "summary": (0, Struct()),
    "ranges": (1, Struct(scope=SCOPE, lower=BOUND, upper=BOUND)),
    "list": (2, Struct(scope=SCOPE, lower=BOUND, upper=BOUND)),
    "get": (3, Struct(scope=SCOPE, ids=List(ID))),
    "push": (4, Struct(scope=SCOPE, objects=List(BYTES))),
    "addresses": (5, Struct(records=List(BYTES))),
    "held": (6, Struct(room=ID, ids=List(ID))),
    "join hello": (7, Struct(name=TEXT, sealing=ID, commitment=ID, lost=BOOL)),
    "join reveal": (8, Struct(nonce=ID)),
    "join poll": (9, Struct()),
    "join sign": (10, Struct(company=ID, agent=ID)),
    "reports": (11, Struct(records=List(BYTES))),
    "introduce": (12, Struct(objects=List(BYTES))),
    "newest": (13, Struct(scope=SCOPE)),
    "heads": (14, Struct(room=ID)),
    "presence": (15, Struct(beacons=List(AGED))),
    "instants": (16, Struct(**{"from": ID})),
    "instant": (17, Struct(agents=AgentList(), objects=List(BYTES))),
    "epoch keys": (18, Struct(room=ID, epochs=List(ID))),
    "confirmed": (19, Struct(device=NEW_DEVICE)),
}
RESPONSES = {
    "refused": (0, Struct()),
    "summary": (1, Struct(control=SUMMARY, rooms=List(SUMMARY), waiting=List(SUMMARY))),
    "parts": (2, Struct(parts=List(PART))),
    "ids": (3, Struct(ids=List(BOUND), more=BOOL)),
    "objects": (4, Struct(objects=List(BYTES), done=U64)),
    "ack": (5, Struct()),
    "join offer": (6, Struct(company=ID, name=TEXT, nonce=ID)),
    "join referral": (7, Struct(company=ID, name=TEXT, admins=List(ADMIN))),
    "join": (8, Struct(answer=STATE)),
    "join proof": (9, Struct(signature=SIG)),
    "instants": (10, Struct(next=Maybe(ID), rooms=List(INSTANT))),
    "epoch keys": (11, Struct(keys=List(GIVEN))),
    "join taken": (12, Struct(company=ID, name=TEXT)),
}
FRAMES = {"request": REQUESTS, "response": RESPONSES}
MOST = {
    "request": {"ids": 1_024, "objects": 1_024, "records": 128, "beacons": 128, "name": 64, "epochs": 16},
    "response": {"rooms": 2_048, "waiting": 2_048, "parts": 16, "ids": 1_024, "objects": 1_024, "admins": 16, "keys": 16},
}
INTRODUCED_MOST = 16
INSTANTS_MOST = 64
CODE_MOST = 9


def build_frame(direction, word, fields):
    number, shape = FRAMES[direction][word]
    return encode([number, shape.build(fields)])


def decode_frame(direction, data):
    """The word and fields of a frame."""
    value = decode(data, FRAME_MOST)
    Choice(**FRAMES[direction]).check(value)
    for word, (number, shape) in FRAMES[direction].items():
        if number == value[0]:
            break
    fields = shape.named(value[1])
    for name, most in MOST[direction].items():
        # The name in an offer or referral is bounded by the frame alone.
        if name in fields and len(fields[name]) > most:
            raise malformed("rule", name)
    if word == "introduce" and len(fields["objects"]) > INTRODUCED_MOST:
        raise malformed("rule", "objects")
    if word == "confirmed" and len(fields["device"][5].encode()) > CODE_MOST:
        raise malformed("rule", "code")
    if word == "instants" and len(fields.get("rooms", [])) > INSTANTS_MOST:
        raise malformed("rule", "rooms")
    if any(len(addresses) > 16 for _, addresses in fields.get("admins", [])):
        raise malformed("rule", "addresses")
    return word, fields
