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


def differences(group, log, known):
    """How what is expected of a log differs from what comes out. Yields complaints."""
    objects = [group["objects"][place] for place in log["objects"]]
    evaluated = Log([bytes.fromhex(data) for data in objects], bytes.fromhex(group["company"]))
    found = json.loads(json.dumps(evaluated.result(lambda id: known[id])))
    if found.keys() != log["expected"].keys():
        yield f"expected are {sorted(log['expected'])}"
    for key, expected in log["expected"].items():
        ours = {str(k): v for k, v in found[key].items()} if isinstance(expected, dict) else found[key]
        if ours != expected:
            yield f"{key}: we have {ours}, expected {expected}"


def check_logs(groups):
    checked, failed = 0, 0
    for group in groups:
        signed = [bytes.fromhex(data) for data in group["objects"]]
        known = {objects.signed_id(data): place for place, data in enumerate(signed)}
        for log in group["logs"]:
            complaints = list(differences(group, log, known))
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
