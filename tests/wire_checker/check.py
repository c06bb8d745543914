#!/usr/bin/env python3
"""Checks every golden vector against the wire format, as docs/src/wire.md describes it: makes the
bytes, ids and signatures anew from the fields and seeds, and refuses what must be refused.

    check.py [folder]             checks the vectors
    check.py --mutate [folder]    changes each vector in every place, one at a time, and expects
                                  that the check notices: it cannot pass for want of looking
"""

import argparse
import base64
import copy
import json
import sys
from pathlib import Path

import encryption
import frames
import logs as evaluation
import objects
import secrets_of
from bytes_of import Refused, derive, encode, public_key, sign, signature_fits
from names import name_verdict, typed


def same(what, ours, theirs):
    if ours != theirs:
        raise AssertionError(f"{what}: we have {ours!r}, the vector {theirs!r}")


# Objects ------------------------------------------------------------------------------------------


class Context:
    """What one vector needs to know of others."""

    def __init__(self, files):
        self.company = bytes.fromhex(files["control.json"][0]["id"])


def check_object(vector, context):
    number, name = vector["type_number"], vector["type"]
    same("type", objects.TYPES[number][0], name)
    fields, seeds = vector["fields"], vector["seeds"]
    body = objects.build_body(number, fields)
    same("body", body.hex(), vector["body"])
    own = objects.object_id(name, body)
    same("id", own.hex(), vector["id"])
    company = objects.NO_COMPANY if number == 0 else context.company
    message = objects.statement(name, company, own)
    same("statement", message.hex(), vector["statement"])
    signature = sign(bytes.fromhex(seeds["author"]), message)
    same("signature", signature.hex(), vector["signature"])
    signed = encode([number, body, signature])
    same("bytes", signed.hex(), vector["bytes"])
    if number == 5:
        payload = fields["payload"]
        proof, confirmed = objects.build_device_signatures(fields, seeds)
        same("proof", proof, payload["proof"])
        if payload["countersignature"] is not None:
            same("countersignature", confirmed, payload["countersignature"]["signature"])
    if number == 32:
        secrets_of.check_secrets(fields, vector.get("secrets"))
    same("verified", objects.verify(signed, context.company)[:2], (number, own))


def check_frame(vector, _):
    direction, word = vector["direction"], vector["frame"]
    data = frames.build_frame(direction, word, vector["fields"])
    same("bytes", data.hex(), vector["bytes"])
    same("frame", frames.decode_frame(direction, data)[0], word)


def check_bad(vector, context):
    data = b"".join(bytes.fromhex(piece) * times for piece, times in vector["pieces"])
    try:
        if vector["decoder"] == "object":
            objects.verify(data, context.company)
        else:
            frames.decode_frame(vector["decoder"], data)
    except Refused as refused:
        same("verdict", refused.word, vector["expected"])
        same("reason", refused.reason, vector["reason"])
        return
    raise AssertionError("accepted")


def check_name(vector, _):
    same("verdict", name_verdict(vector["text"]), vector["verdict"])


def check_typed(vector, _):
    same("name", typed(vector["text"]), vector["name"])


def check_signature(vector, _):
    key, message, signature = (bytes.fromhex(vector[k]) for k in ("key", "message", "signature"))
    verdict = "ok" if signature_fits(key, message, signature) else "bad_signature"
    same("verdict", verdict, vector["expected"])


# Hashes -------------------------------------------------------------------------------------------


def topic(genesis, room):
    secret = derive("conclave v1 topics", genesis)
    return "conclave/1/" + encryption.keyed(secret, room or bytes(32)).hex()


def join_code(company, device, admin, nonce, admin_nonce, sealing, name):
    parts = company + device + admin + nonce + admin_nonce + sealing + name.encode()
    code = base64.b32encode(derive("conclave v1 join code", parts)[:5]).decode()
    return f"{code[:4]}-{code[4:]}"


def join_commitment(nonce, device, sealing, name):
    parts = nonce + device + sealing + name.encode()
    return derive("conclave v1 join commitment", parts).hex()


def digest(context):
    def of(items):
        ids = [id for _, id in sorted((i["height"], bytes.fromhex(i["id"])) for i in items)]
        return derive(context, b"".join(ids)).hex()

    return of


def range_fingerprint(items):
    """Of the items of a range, whatever order they are listed in."""
    keys = sorted(i["height"].to_bytes(8, "big") + bytes.fromhex(i["id"]) for i in items)
    return print_of(keys).hex()


def print_of(keys):
    if len(keys) <= 64:
        return derive("conclave v1 range", b"".join(keys))
    hexes = [key.hex() for key in keys]
    at = next(n for n in range(80) if len({key[n] for key in hexes}) > 1)
    parts = b""
    for digit in "0123456789abcdef":
        part = [key for key, text in zip(keys, hexes) if text[at] == digit]
        if part:
            parts += bytes([int(digit, 16)]) + len(part).to_bytes(8, "big") + print_of(part)
    return derive("conclave v1 range parts", parts)


def recovery_hash(key, next):
    return derive("conclave v1 recovery", key + next)


def recovery_seed(entropy, index):
    return derive("conclave v1 recovery seed", entropy + index.to_bytes(4, "big"))


def recovery_line(entropy, index):
    """The hash for the recovery key of that index, which fixes all keys after it."""
    hash_ = bytes(32)
    for n in range(64, index - 1, -1):
        hash_ = recovery_hash(public_key(recovery_seed(entropy, n)), hash_)
    return hash_


HASHES = {
    "public key": lambda seed: public_key(seed).hex(),
    "recovery hash": lambda key, next: recovery_hash(key, next).hex(),
    "recovery seed": lambda entropy, index: recovery_seed(entropy, index).hex(),
    "recovery line": lambda entropy, index: recovery_line(entropy, index).hex(),
    "device statement": lambda **parts: objects.device_statement(**parts).hex(),
    "role:Agent": lambda: objects.ROLE_AGENT.hex(),
    "join commitment": join_commitment,
    "join code": join_code,
    "topic": topic,
    "epoch key hash": lambda room, key: encryption.epoch_key_hash(room, key).hex(),
    "epoch recipients": lambda devices: encryption.recipients_digest(map(bytes.fromhex, devices)).hex(),
    "wrapped key": lambda room, epoch, key, earlier: encryption.wrapped_key(room, epoch, key, earlier).hex(),
    "instant room": lambda company, agents: objects.instant_room(company, map(bytes.fromhex, agents)).hex(),
    "gossip id": lambda signed: derive("conclave v1 gossip", signed)[:20].hex(),
    "control digest": digest("conclave v1 control digest"),
    "room digest": digest("conclave v1 room digest"),
    "range fingerprint": range_fingerprint,
}


def check_hash(vector, _):
    hexadecimal = lambda key, value: isinstance(value, str) and key != "name"  # noqa: E731
    inputs = {
        key: bytes.fromhex(value) if hexadecimal(key, value) else value
        for key, value in vector["inputs"].items()
    }
    same(vector["rule"], HASHES[vector["rule"]](**inputs), vector["output"])


# The whole ----------------------------------------------------------------------------------------

CHECKS = {
    "control.json": check_object,
    "envelope.json": check_object,
    "frames.json": check_frame,
    "hashes.json": check_hash,
    "names.json": check_name,
    "typed_names.json": check_typed,
    "signatures.json": check_signature,
    "bad.json": check_bad,
}


def complete(files):
    """Nothing is left out: each type, frame, rule and verdict has a vector. Yields complaints."""

    def covers(what, wanted, found):
        missing = sorted(set(wanted) - set(found), key=str)
        if missing:
            yield f"no vector for {what}: {missing}"

    written = files["control.json"] + files["envelope.json"]
    yield from covers("the types", objects.TYPES, (v["type_number"] for v in written))
    kinds = (v["fields"].get("kind") for v in files["envelope.json"])
    yield from covers("the kinds of envelopes", objects.KIND.words, kinds)
    for direction, known in frames.FRAMES.items():
        found = (v["frame"] for v in files["frames.json"] if v["direction"] == direction)
        yield from covers(direction, known, found)
    yield from covers("the hashes", HASHES, (v["rule"] for v in files["hashes.json"]))
    words = ["malformed", "unsupported", "bad_signature", "wrong_company"]
    yield from covers("the verdicts", words, (v["expected"] for v in files["bad.json"]))
    reasons = ["size", "encoding", "type", "version", "name", "rule", "company", "signature"]
    yield from covers("the reasons", reasons, (v["reason"] for v in files["bad.json"]))
    decoders = ["object", "request", "response"]
    yield from covers("the decoders", decoders, (v["decoder"] for v in files["bad.json"]))
    verdicts = ["ok", "empty", "too_long", "control", "separator", "edge"]
    yield from covers("names", verdicts, (v["verdict"] for v in files["names.json"]))
    found = (v["name"] is None for v in files["typed_names.json"])
    yield from covers("typed names", [True, False], found)
    found = (v["expected"] for v in files["signatures.json"])
    yield from covers("signatures", ["ok", "bad_signature"], found)


def linked(files, context):
    """The control log of the vectors hangs together. Yields complaints."""
    heights = {}
    for vector in files["control.json"]:
        number, own, fields = objects.verify(bytes.fromhex(vector["bytes"]), context.company)
        refs = objects.references(number, fields)
        if any(ref not in heights for ref in refs):
            yield f"{vector['name']}: refers to what is not before it"
        heights[own] = 1 + max((heights.get(ref, 0) for ref in refs), default=0)
        if fields.get("height", 1) != heights[own]:
            yield f"{vector['name']}: height {fields['height']} instead of {heights[own]}"


def read(folder):
    files = {}
    for file in CHECKS:
        path = folder / file
        files[file] = json.loads(path.read_text("utf-8")) if path.is_file() else []
        if not files[file]:
            sys.exit(f"wire vectors: {path} is missing or empty")
    return files


def failure(file, vector, context):
    """What is wrong with a vector, or None."""
    try:
        CHECKS[file](vector, context)
    except Exception as error:  # whatever goes wrong with a vector is its failure
        return f"{type(error).__name__}: {error}"
    return None


def check(files, logs):
    context, checked, failed = Context(files), 0, 0
    for file, vectors in files.items():
        for vector in vectors:
            checked += 1
            wrong = failure(file, vector, context)
            if wrong:
                failed += 1
                print(f"{file}: {vector.get('name', vector.get('text'))}: {wrong}"[:600])
    for complaint in [*complete(files), *linked(files, context)]:
        failed += 1
        print(complaint)
    if not evaluation.check_all_carried(files["control.json"]):
        failed += 1
    if not evaluation.check_logs(logs):
        failed += 1
    print(f"wire vectors: {checked} checked, {failed} failed")
    return checked > 0 and failed == 0


# Mutations ----------------------------------------------------------------------------------------


def changed(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    last = value[-1:]
    return value[:-1] + ("1" if last == "0" else "0")


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif value is not None:
        yield path


def matters(file, vector, path):
    """Whether the check has to notice a change there. A bad vector stays bad when more is wrong
    with it, and the names of vectors are for people."""
    if path == ("name",):
        return False
    if file == "bad.json":
        return path[0] in ("expected", "reason")
    if file == "names.json":
        return path[0] == "verdict"
    if file == "typed_names.json":
        return path[0] == "name" or vector["name"] is not None
    if file == "signatures.json":
        return path[0] == "expected" or vector["expected"] == "ok"
    if vector.get("rule") == "recovery line" and vector["output"] == bytes(32).hex():
        return path[0] != "inputs"  # behind the last key, whatever the phrase
    # Heights only give the order of the ids.
    return not (file == "hashes.json" and path[-1] == "height")


def flips(files, context):
    """Each byte of each good object, with one bit turned. Yields whether it was refused."""
    for vector in files["control.json"] + files["envelope.json"]:
        good = bytes.fromhex(vector["bytes"])
        for place in range(len(good)):
            bent = bytearray(good)
            bent[place] ^= 1 << place % 8
            try:
                objects.verify(bytes(bent), context.company)
            except Refused:
                yield True
                continue
            print(f"{vector['name']}: byte {place} turned and accepted")
            yield False


def mutated_logs(groups):
    """Whatever is expected of a log, changed, and each of its objects left out. Yields a complaint
    for each change, None if it was noticed."""
    for group in groups:
        for log in group["logs"]:
            where = f"logs.json: {group['name']}, {log['name']}:"
            found = evaluation.found(group, log)
            for path in leaves(log["expected"]):
                noticed = any(evaluation.differences(found, bent_at(log["expected"], path)))
                yield None if noticed else f"{where} {path} unnoticed"
            for place in log["objects"]:
                fewer = {"objects": [other for other in log["objects"] if other != place]}
                noticed = place not in found["sound"] or evaluation.found(group, fewer) != found
                yield None if noticed else f"{where} without {place} unnoticed"


def bent_at(value, path):
    """A copy, changed in one place."""
    bent = copy.deepcopy(value)
    place = bent
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = changed(place[path[-1]])
    return bent


def mutate(files, logs):
    context = Context(files)
    refused = list(flips(files, context))
    made, unnoticed = len(refused), refused.count(False)
    for file, vectors in files.items():
        for vector in vectors:
            for path in leaves(vector):
                if not matters(file, vector, path):
                    continue
                made += 1
                if failure(file, bent_at(vector, path), context) is None:
                    unnoticed += 1
                    where = ".".join(map(str, path))
                    print(f"{file}: {vector.get('name', vector.get('text'))}: {where} unnoticed")
    for complaint in mutated_logs(logs):
        made += 1
        unnoticed += complaint is not None
        if complaint:
            print(complaint)
    print(f"wire vectors: {made} mutations, {unnoticed} unnoticed")
    return made > 0 and unnoticed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutate", action="store_true", help="check the checker")
    default = Path(__file__).resolve().parent.parent / "vectors"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    arguments = parser.parse_args()
    files = read(arguments.folder)
    logs = json.loads((arguments.folder / "logs.json").read_text("utf-8"))
    passed = mutate(files, logs) if arguments.mutate else check(files, logs)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
