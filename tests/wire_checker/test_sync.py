#!/usr/bin/env python3
"""Random control logs, split between two nodes that then exchange their control sets: both must
end with the same. And: what juniors write never changes the grants of their seniors.

    test_sync.py [runs]
"""

import random
import sys

import evaluate
from test_evaluate import (
    ADMIN_GRANT, AGENT_CERT, ALL, RATIFY, Company, Log, key,
)  # fmt: skip

RUNS = 300
OPERATIONS = ["revoke", "revoke", "revoke", "ratify", "grant", "grant", "root grant", "agent"]
OPERATIONS += ["device", "resign", "resign", "rotate"]


class Writer:
    """Writes at random: by anybody, under any grant, on any fork, with any cut."""

    def __init__(self, rng):
        self.rng = rng
        self.c = c = Company()
        self.people, self.grants, self.roots = [(2, c.alice)], [(2, c.a, 1)], [(1, c.root, 90)]
        self.targets, self.revokes = [c.a, c.alice], []
        for _ in range(rng.randint(6, 26)):
            self.write(rng.choice(OPERATIONS))

    def chain(self, n):
        """Places in a device's chain: seq and id."""
        author = key(n)
        return [(o.seq, o.id) for o in self.log().all.values() if o.author == author]

    def log(self, ids=None):
        return Log([self.c.signed[id] for id in ids or self.c.signed], self.c.company)

    def some(self, ids, most):
        return sorted(self.rng.sample(ids, min(len(ids), self.rng.randint(0, most))))

    def person(self, author, authority, after=None):
        device = len(self.people) + 2
        if device > 12 or self.rng.random() < 0.4:
            return self.rng.choice(self.people)
        agent = self.c.add(author, authority, AGENT_CERT, [f"p{device}"], after)
        self.people.append((device, agent))
        self.targets.append(agent)
        return device, agent

    def write(self, operation):
        rng, c = self.rng, self.c
        device, grant, rank = rng.choice(self.grants)
        root, line, opens = rng.choice(self.roots)
        after = None
        if rng.random() < 0.2:
            after = rng.choice([*self.chain(device), (0, None)])
        if operation == "revoke":
            cuts = []
            for n in rng.sample(range(2, 13), 4):
                places = self.chain(n)
                cuts += [[key(n), *rng.choice(places)]] if places else []
            target, mode = rng.choice(self.targets), rng.randint(0, 1)
            if target == grant:
                return  # a resignation
            self.revokes.append(c.revoke(device, grant, target, cuts, mode, after))
        elif operation == "ratify":
            target = rng.choice(self.targets + self.revokes)
            c.add(device, grant, RATIFY, [target, self.some(self.revokes, 2)], after)
        elif operation in ("grant", "root grant"):
            if operation == "grant":
                author, authority, new = device, grant, rank + rng.randint(1, 2)
            else:
                author, authority, new, after = root, line, 1, None
            named, agent = self.person(author, authority, after)
            overrides = self.some(self.revokes, 2)
            granted = c.grant(author, authority, named, agent, new, overrides=overrides)
            self.grants.append((named, granted, new))
            self.targets.append(granted)
        elif operation == "agent":
            self.targets.append(c.add(device, grant, AGENT_CERT, ["x"], after))
        elif operation == "device":
            agent = rng.choice(self.people)[1]
            by = rng.choice([None, rng.choice(self.people)[0]])
            key_ = rng.choice(self.people)[0]
            confirmed_by = None if by == key_ else by
            self.targets.append(c.device(agent, key_, device, grant, confirmed_by))
        elif operation == "resign":
            self.revokes.append(c.revoke(device, grant, grant, after=after))
        elif operation == "rotate":
            if opens > 94:
                return  # the line ends at 95
            seq, id = rng.choice(self.chain(root))
            place = rng.choice([None, (0, None), *self.chain(opens)])
            rotated = c.rotate(opens, line, [key(root), seq, id], place)
            self.roots.append((opens, rotated, opens + 1))


def some_of(rng, log):
    """About half of a log, with all that it refers to."""
    ids, todo = set(), [id for id in log.sound if rng.random() < 0.5]
    todo += [o.id for o in log.of_type(evaluate.GENESIS)]
    while todo:
        id = todo.pop()
        if id not in ids:
            ids.add(id)
            todo += log.sound[id].refs
    return ids


def exchange(writer, ours, theirs):
    """Each gets the other's control set, until nothing is new."""
    while True:
        more = ours | writer.log(theirs).reconciled()
        back = theirs | writer.log(more).reconciled()
        if (more, back) == (ours, theirs):
            return writer.log(ours), writer.log(theirs)
        ours, theirs = more, back


def converge(rng, writer, log):
    """What two nodes make of it that began with parts. Yields complaints."""
    ours, theirs = exchange(writer, some_of(rng, log), some_of(rng, log))
    one, two = ours.result(), theirs.result()
    yield from (f"{key} differs" for key in one if key != "sound" and one[key] != two[key])


def seniors_stand(rng, writer, log):
    """Objects of ranks from k on change no grant of a rank before. Yields complaints."""
    for k in (1, 2, 3):
        before = some_of(rng, log)
        after = set(before)
        for o in sorted(log.sound.values(), key=lambda o: o.height):
            authority = log.get(o.authority, ADMIN_GRANT)
            if authority and authority.rank >= k and o.refs <= after:                after.add(o.id)
        limits = []
        for evaluated in (writer.log(before), writer.log(after)):
            known = evaluated.limits.items()
            limits.append({id: x for id, x in known if getattr(log.sound[id], "rank", 0) < k})
        if limits[0] != limits[1]:
            yield f"ranks from {k} on changed a grant before"


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    failed = 0
    for n in range(runs):
        rng = random.Random(n)
        writer = Writer(rng)
        log = writer.log()
        complaints = [*converge(rng, writer, log), *seniors_stand(rng, writer, log)]
        if complaints:
            failed += 1
            print(f"log {n}: {complaints}")
    print(f"control sets: {runs} random logs, {failed} failed")
    sys.exit(1 if failed or not runs else 0)


if __name__ == "__main__":
    main()
