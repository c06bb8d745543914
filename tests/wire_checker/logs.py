#!/usr/bin/env python3
"""Evaluates the control logs of the vectors; see tests/vectors/README.md.

    logs.py FILE      checks a file of logs
    logs.py           checks that all of control.json is carried
"""

import json
import sys
from pathlib import Path

import objects
from evaluate import Log


def found(group, log):
    """What comes out of a log of the file, written as in the file."""
    known = {objects.signed_id(bytes.fromhex(o)): place for place, o in enumerate(group["objects"])}
    signed = [bytes.fromhex(group["objects"][place]) for place in log["objects"]]
    evaluated = Log(signed, bytes.fromhex(group["company"]))
    return json.loads(json.dumps(evaluated.result(known.get)))


def differences(found, expected):
    """How what is expected of a log differs from what comes out. Yields complaints."""
    if found.keys() != expected.keys():
        yield f"expected are {sorted(expected)}"
    for key in found.keys() & expected.keys():
        if found[key] != expected[key]:
            yield f"{key}: we have {found[key]}, expected {expected[key]}"


def check_logs(groups):
    checked, failed = 0, 0
    for group in groups:
        for log in group["logs"]:
            complaints = list(differences(found(group, log), log["expected"]))
            checked += 1
            failed += bool(complaints)
            for complaint in complaints:
                print(f"{group['name']}, {log['name']}: {complaint}"[:600])
    print(f"logs: {checked} checked, {failed} failed")
    return bool(checked) and failed == 0


def check_all_carried(vectors):
    company = bytes.fromhex(vectors[0]["id"])
    log = Log([bytes.fromhex(v["bytes"]) for v in vectors], company)
    void = [v["name"] for v in vectors if bytes.fromhex(v["id"]) not in log.carriers]
    print(f"control.json: {len(vectors)} objects, not carried: {void or 'none'}")
    return not void


def main():
    if len(sys.argv) > 1:
        passed = check_logs(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    else:
        path = Path(__file__).resolve().parent.parent / "vectors" / "control.json"
        passed = check_all_carried(json.loads(path.read_text("utf-8")))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
