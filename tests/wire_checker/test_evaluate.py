#!/usr/bin/env python3
"""The evaluator on small companies whose outcome the design names."""

import functools
import random
import sys

import objects
from bytes_of import derive, encode, public_key, sign
from evaluate import (
    ADMIN_GRANT, AGENT_CERT, DEPARTMENT, DEPART, DEVICE_CERT, GENESIS, GROUP, MEMBER_GRANT, PERMIT,
    RATIFY, REVOKE, ROLE, ROOM_CREATE, ROOT_ROTATE, SET_FIELD, STRICT, UNIT_CREATE, Log,
)  # fmt: skip

ALL = [True, True, True, True]


def seed(n):
    return bytes([n]) * 32


@functools.cache
def key(n):
    return public_key(seed(n))


@functools.cache
def recovery(n):
    """The hash for the recovery key n, which fixes those after it too; 95 is the last."""
    return derive("conclave v1 recovery", key(n) + recovery(n + 1)) if n < 96 else bytes(32)


class Company:
    """Writes objects. Root: key 1; recovery keys from 90; alice: agent and device 2, rank 1."""

    def __init__(self):
        self.signed, self.heights, self.tails = {}, {}, {}
        body = encode([1, "Acme", key(1), recovery(90), bytes(32)])
        self.company = self._sign(1, GENESIS, body, bytes(32))
        self.heights[self.company] = 1
        self.tails[1] = (1, self.company)
        self.root = self.company
        self.alice = self.add(1, self.root, AGENT_CERT, ["alice"])
        self.a = self.grant(1, self.root, 2, self.alice, 1)

    def _sign(self, author, number, body, company):
        name = objects.TYPES[number][0]
        own = objects.object_id(name, body)
        signature = sign(seed(author), objects.statement(name, company, own))
        self.signed[own] = encode([number, body, signature])
        return own

    def add(self, author, authority, number, payload, after=None):
        """An object by the author; `after` is its place, if not the author's last object."""
        seq, prev = after or self.tails.get(author, (0, None))
        header = [1, self.company, key(author), seq + 1, prev, authority]
        named = objects.PAYLOADS[number][1].named(payload)
        refs = objects.references(number, {"authority": authority, "prev": prev, "payload": named})
        height = 1 + max(self.heights[ref] for ref in refs)
        own = self._sign(author, number, encode([[*header, height], payload]), self.company)
        self.heights[own] = height
        self.tails[author] = (seq + 1, own)
        return own

    def grant(self, author, authority, device, agent, rank, may=ALL, scope=None, overrides=()):
        payload = [key(device), agent, rank, may, scope, sorted(overrides)]
        return self.add(author, authority, ADMIN_GRANT, payload)

    def agent(self, name, device=None, author=2, authority=None):
        agent = self.add(author, authority or self.a, AGENT_CERT, [name])
        if device:
            self.device(agent, device, author, authority)
        return agent

    def device(self, agent, device, author=2, authority=None, confirmed_by=None):
        sealing = bytes(32)
        message = objects.device_statement(self.company, agent, key(device), sealing)
        own = confirmed_by and [key(confirmed_by), sign(seed(confirmed_by), message)]
        payload = [agent, key(device), sealing, own, sign(seed(device), message)]
        return self.add(author, authority or self.a, DEVICE_CERT, payload)

    def cut(self, device):
        seq, id = self.tails[device]
        return [key(device), seq, id]

    def revoke(self, author, authority, target, cuts=(), mode=DEPART, after=None):
        payload = [target, sorted(cuts), [], mode]
        return self.add(author, authority, REVOKE, payload, after)

    def ratify(self, author, authority, target, overrides=(), after=None):
        return self.add(author, authority, RATIFY, [target, sorted(overrides)], after)

    def rotate(self, author, root, cut, after=None):
        """Replaces the root by one of the recovery keys."""
        return self.add(author, root, ROOT_ROTATE, [recovery(author + 1), cut], after)

    def log(self, *without):
        return Log([d for id, d in self.signed.items() if id not in without], self.company)


def carried(log, *ids):
    return [id in log.carriers for id in ids]


def two_admins(rank):
    """carol: agent and device 3, an admin of the rank, by the root if it is 1."""
    c = Company()
    c.carol = c.agent("carol", 3)
    author, authority = (1, c.root) if rank == 1 else (2, c.a)
    c.g = c.grant(author, authority, 3, c.carol, rank)
    return c


def test_duel_of_equals():
    c = two_admins(1)
    c.revoke(2, c.a, c.g)
    c.revoke(3, c.g, c.a)
    log = c.log()
    assert log.in_force == {c.a, c.g}


def test_duel_of_ranks():
    c = two_admins(2)
    c.revoke(2, c.a, c.g)
    c.revoke(3, c.g, c.a)
    c.revoke(3, c.g, c.alice)
    log = c.log()
    assert log.in_force == {c.a} and c.alice in log.live_agents()


def test_late_object_and_fork():
    c = two_admins(2)
    good = [c.agent(f"x{n}", author=3, authority=c.g) for n in range(3)]
    place = c.tails[3]
    c.revoke(2, c.a, c.g, [c.cut(3)])
    late = c.agent("late", author=3, authority=c.g)
    first = c.add(3, c.g, AGENT_CERT, ["fork"], after=(1, good[0]))
    beyond = c.add(3, c.g, AGENT_CERT, ["more"], after=place)
    assert carried(c.log(), *good, late, first, beyond) == [True] * 3 + [False] * 3


def test_two_cuts_leave_the_common_prefix():
    c = two_admins(2)
    one = c.agent("one", author=3, authority=c.g)
    early = c.cut(3)
    two = c.agent("two", author=3, authority=c.g)
    c.revoke(2, c.a, c.g, [c.cut(3)])
    c.revoke(2, c.a, c.g, [early])
    assert carried(c.log(), one, two) == [True, False]


def test_ratify_brings_back():
    c = two_admins(2)
    ghost = c.agent("ghost", author=3, authority=c.g)
    c.revoke(2, c.a, c.g)
    ratify = c.ratify(2, c.a, ghost)
    assert carried(c.log(), ghost) == [True] and c.log().rank(ghost) == 1
    assert carried(c.log(ratify), ghost) == [False]


def test_undone_revoker():
    c = two_admins(2)
    dave = c.agent("dave", 4)
    d = c.grant(2, c.a, 4, dave, 3)
    removal = c.revoke(3, c.g, d)
    assert d not in c.log().in_force
    c.revoke(2, c.a, c.g)
    log = c.log()
    assert carried(log, removal) == [False] and d in log.in_force


def test_regrant_names_the_removal():
    c = two_admins(2)
    removal = c.revoke(2, c.a, c.g, mode=STRICT)
    plain = c.grant(2, c.a, 3, c.carol, 2)
    again = c.grant(2, c.a, 3, c.carol, 2, overrides=[removal])
    log = c.log()
    # A Revoke of a grant hits that grant; only those of certificates hit others.
    assert log.in_force == {c.a, plain, again}
    dismissal = c.revoke(2, c.a, c.carol)
    back = c.grant(2, c.a, 3, c.carol, 2, overrides=[dismissal])
    log = c.log()
    # All her grants are junior to the dismissal: it is effective and hits them too.
    assert log.in_force == {c.a, back} and c.carol not in log.live_agents()
    c.ratify(2, c.a, c.carol, [dismissal])
    assert c.carol in c.log().live_agents()


def test_side_door():
    c = two_admins(2)
    cert = c.device(c.alice, 2)
    c.revoke(3, c.g, c.alice)
    c.revoke(3, c.g, cert)
    log = c.log()
    assert log.in_force == {c.a, c.g} and c.alice in log.live_agents()
    assert log.devices()[0][key(2)] == c.alice


def test_own_lost_laptop():
    c = two_admins(2)
    other = c.device(c.carol, 5)
    junior = c.grant(2, c.a, 5, c.carol, 3)
    lost = c.revoke(3, c.g, other)
    log = c.log()
    assert key(3) in log.devices()[0] and key(5) not in log.devices()[0]
    assert junior not in log.in_force
    # Of equal rank the other device of the same agent may too, but not one that is an equal itself.
    c.ratify(2, c.a, other, [lost])
    equal = c.grant(2, c.a, 5, c.carol, 2)
    c.revoke(3, c.g, other)
    assert equal in c.log().in_force and key(5) in c.log().devices()[0]
    third = c.device(c.carol, 6)
    c.revoke(3, c.g, third)
    assert key(6) not in c.log().devices()[0]


def test_resignation():
    c = two_admins(2)
    before = c.agent("before", author=3, authority=c.g)
    resigned = c.revoke(3, c.g, c.g)
    after = c.agent("after", author=3, authority=c.g)
    log = c.log()
    assert carried(log, before, resigned, after) == [True, True, False]
    assert log.in_force == {c.a}


def test_resignations_on_two_branches():
    c = two_admins(2)
    shared = c.agent("shared", author=3, authority=c.g)
    place = c.tails[3]
    work = c.agent("work", author=3, authority=c.g)
    one = c.revoke(3, c.g, c.g)
    two = c.revoke(3, c.g, c.g, after=place)
    log = c.log()
    # Both are carried, so that whoever knows one learns of the other; work before both counts.
    assert carried(log, shared, work, one, two) == [True, False, True, True]
    # A cut by a senior on one branch makes the other void, and ratifying it does not help.
    cut = c.revoke(2, c.a, c.g, [[key(3), 2, work]])
    log = c.log()
    assert carried(log, shared, work, one, two, cut) == [True, True, False, False, True]
    c.ratify(2, c.a, two)
    assert carried(c.log(), work, two) == [True, True]


def test_root_theft():
    c = Company()
    cut = c.cut(1)
    mallory = c.add(1, c.root, AGENT_CERT, ["mallory"])
    stolen = c.grant(1, c.root, 6, mallory, 1)
    rotate = c.rotate(90, c.root, cut)
    log = c.log()
    assert carried(log, c.a, mallory, stolen, rotate) == [True, False, False, True]
    appointed = c.grant(90, rotate, 2, c.alice, 1)
    assert c.log().in_force == {c.a, appointed}
    # Nobody can lead the line elsewhere: the hash covers the next one.
    fork = c.add(90, c.root, ROOT_ROTATE, [bytes(32), cut], after=(0, None))
    assert fork not in c.log().sound and c.log().in_force == {c.a, appointed}


def test_recovered_twice_with_different_cuts():
    c = Company()
    early = c.cut(1)
    extra = c.add(1, c.root, AGENT_CERT, ["extra"])
    one = c.rotate(90, c.root, c.cut(1))
    two = c.rotate(90, c.root, early, after=(0, None))
    assert carried(c.log(), one, two, extra, c.a) == [True, True, False, True]


def test_a_replaced_recovery_key_changes_nothing():
    c = Company()
    extra = c.add(1, c.root, AGENT_CERT, ["extra"])
    one = c.rotate(90, c.root, c.cut(1))
    place = c.tails[90]
    two = c.rotate(91, one, c.cut(90))
    appointed = c.grant(91, two, 2, c.alice, 1)
    before = c.log().result()
    # The key of era 1 rotates again, to cut off what the first root key did; too late.
    late = c.rotate(90, c.root, [key(1), 1, c.root], after=(0, None))
    again = c.rotate(90, c.root, [key(1), 1, c.root], after=place)
    log = c.log()
    assert carried(log, extra, one, two, appointed, late, again) == [True] * 4 + [False] * 2
    assert log.result() | {"sound": 0} == before | {"sound": 0}
    # Opened again from the rotation that is void: of the last era all stand, and so does it.
    c.rotate(91, late, [key(90), 1, late], after=(0, None))
    log = c.log()
    assert carried(log, one, two, late, again, extra) == [True, True, True, False, False]


def test_a_cut_lies_in_the_chain_of_the_rotation_cited():
    c = Company()
    one = c.rotate(90, c.root, c.cut(1))
    beside = c.grant(90, one, 6, c.alice, 1)
    apart = c.rotate(90, c.root, [key(1), 2, c.alice], after=(0, None))
    wrong = c.rotate(91, apart, [key(90), 2, beside])
    good = c.rotate(91, apart, [key(90), 1, apart], after=(0, None))
    assert wrong not in c.log().sound and carried(c.log(), good) == [True]


def test_the_root_and_a_stolen_laptop():
    c = Company()
    cert = c.device(c.alice, 2)
    lost = c.revoke(1, c.root, cert)
    assert c.log().in_force == set() and key(2) not in c.log().devices()[0]
    back = c.ratify(1, c.root, cert, [lost])
    again = c.ratify(1, c.root, back)
    assert again in c.log().sound and key(2) in c.log().devices()[0]


def test_ratify_of_units_and_rooms():
    c = rooms()
    dave = c.agent("dave", 5)
    may = [True, False, True, False]
    scoped = c.grant(2, c.a, 5, dave, 3, may=may, scope=c.support)
    closed = c.revoke(2, c.a, c.support)
    # The Department itself can be revoked under its scope, and so return, though not be made.
    back = c.ratify(5, scoped, c.support, [closed])
    log = c.log()
    assert back in log.sound and log.is_unrevoked(c.support)
    # A room can be made by anybody with `rooms`; returning is for those who could revoke it.
    gone = c.revoke(2, c.a, c.room)
    foreign = c.ratify(5, scoped, c.room, [gone])
    assert foreign not in c.log().sound
    front = c.ratify(5, scoped, c.front, after=(1, back))
    assert front in c.log().sound


def test_a_ratify_of_a_resignation_asks_for_admins():
    c = two_admins(2)
    dave = c.agent("dave", 5)
    g = c.grant(2, c.a, 5, dave, 3, may=[True, True, True, False])
    resigned = c.revoke(5, g, g)
    own = c.ratify(5, g, resigned)
    senior = c.ratify(2, c.a, resigned)
    assert own not in c.log().sound and senior in c.log().sound


def test_confirmed_devices():
    c = two_admins(2)
    c.device(c.carol, 5, confirmed_by=3)
    c.device(c.carol, 6, confirmed_by=5)
    assert c.log().unconfirmed() == set()
    # Two that confirm each other, by a junior: the first one is beyond doubt.
    dave = c.agent("dave", 4)
    junior = c.grant(2, c.a, 4, dave, 2)
    c.device(c.carol, 7, 4, junior, confirmed_by=8)
    c.device(c.carol, 8, 4, junior, confirmed_by=7)
    assert c.log().unconfirmed() == {key(7), key(8)}
    # By an equal of whoever certified the first: equals cannot prove who came first.
    c.device(c.carol, 9)
    assert c.log().unconfirmed() == {key(3), key(7), key(8), key(9)}


def test_device_certificates_that_are_void():
    c = two_admins(2)
    dave = c.agent("dave", 4)
    void = c.device(dave, 4, 3, c.g)
    dismissed = c.revoke(2, c.a, c.g)
    assert carried(c.log(), void) == [False] and key(4) in c.log().devices()[0]
    # The pair is struck by a Revoke of any of its certificates, carried or void.
    lost = c.revoke(2, c.a, void)
    assert key(4) not in c.log().devices()[0]
    c.ratify(2, c.a, void, [lost])
    assert key(4) in c.log().devices()[0] and carried(c.log(), dismissed) == [True]


def test_a_group_of_a_void_department():
    c = rooms()
    dept = c.add(3, c.g, UNIT_CREATE, [DEPARTMENT, None, "Night"])
    group = c.add(2, c.a, UNIT_CREATE, [GROUP, dept, "Owls"])
    c.add(2, c.a, MEMBER_GRANT, [c.bob, group, []])
    room = c.add(2, c.a, ROOM_CREATE, ["night", 0])
    c.add(2, c.a, PERMIT, [room, [0, [dept]], []])
    assert c.log().with_access()[room] == {c.bob}
    c.revoke(2, c.a, c.g)
    # Nobody stands behind the Department: it lets nobody in. The Group was not deleted.
    log = c.log()
    assert log.is_unrevoked(group) and not log.is_unrevoked(dept)
    assert log.with_access()[room] == set()
    c.add(2, c.a, PERMIT, [room, [0, [group]], []])
    assert c.log().with_access()[room] == {c.bob}


def rooms():
    c = two_admins(2)
    c.bob = c.agent("bob", 4)
    c.support = c.add(2, c.a, UNIT_CREATE, [DEPARTMENT, None, "Support"])
    c.front = c.add(2, c.a, UNIT_CREATE, [GROUP, c.support, "Front"])
    c.room = c.add(2, c.a, ROOM_CREATE, ["help", 0])
    c.permit = c.add(2, c.a, PERMIT, [c.room, [0, [c.support]], []])
    c.member = c.add(2, c.a, MEMBER_GRANT, [c.bob, c.front, []])
    return c


def test_access_through_a_group():
    c = rooms()
    assert c.log().with_access()[c.room] == {c.bob}
    closed = c.revoke(2, c.a, c.support)
    assert c.log().with_access()[c.room] == set()
    c.ratify(2, c.a, c.support, [closed])
    assert c.log().with_access()[c.room] == {c.bob}
    c.revoke(2, c.a, c.room)
    assert c.room not in c.log().with_access()


def test_removal_beats_a_concurrent_grant():
    c = rooms()
    removal = c.revoke(2, c.a, c.member)
    c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, []])
    assert c.log().with_access()[c.room] == set()
    c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, [removal]])
    assert c.log().with_access()[c.room] == {c.bob}


def test_strict_needs_an_equal_or_senior():
    c = rooms()
    removal = c.revoke(2, c.a, c.member, mode=STRICT)
    c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, [removal]])
    assert c.log().with_access()[c.room] == set()
    c.add(2, c.a, MEMBER_GRANT, [c.bob, c.front, [removal]])
    assert c.log().with_access()[c.room] == {c.bob}


def test_laundering():
    c = rooms()
    strict = c.revoke(2, c.a, c.member, mode=STRICT)
    again = c.add(2, c.a, MEMBER_GRANT, [c.bob, c.front, [strict]])
    depart = c.revoke(2, c.a, again)
    c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, [depart]])
    # The junior's grant overrides the Depart, and through what that ended the Strict.
    assert c.log().with_access()[c.room] == {c.bob}


def test_laundering_through_another_pair():
    c = rooms()
    wide = c.add(2, c.a, MEMBER_GRANT, [c.bob, c.support, []])
    strict = c.revoke(2, c.a, wide, mode=STRICT)
    # Back by a senior into the Group alone, which a junior ends.
    narrow = c.add(2, c.a, MEMBER_GRANT, [c.bob, c.front, [strict]])
    depart = c.revoke(3, c.g, narrow)
    again = c.add(3, c.g, MEMBER_GRANT, [c.bob, c.support, [depart]])
    held = lambda: {g.id for g in c.log().grants_in_force(MEMBER_GRANT)}  # noqa: E731
    assert not held() and c.log()._closure(c.log().sound[again]) == {depart}
    # From the Group the closure goes on, through grants of the Group and of the Department.
    back = c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, [depart]])
    assert held() == {back}
    full = c.add(2, c.a, MEMBER_GRANT, [c.bob, c.support, [strict]])
    ended = c.revoke(3, c.g, full)
    assert not held()
    both = c.add(3, c.g, MEMBER_GRANT, [c.bob, c.front, sorted([depart, ended])])
    wide = c.add(3, c.g, MEMBER_GRANT, [c.bob, c.support, [ended]])
    assert held() == {both, wide}


def test_department_scope():
    c = rooms()
    other = c.add(2, c.a, UNIT_CREATE, [DEPARTMENT, None, "Other"])
    dave = c.agent("dave", 5)
    scoped = c.grant(2, c.a, 5, dave, 3, scope=c.support)
    own = c.add(5, scoped, ROOM_CREATE, ["own", 0])
    fine = c.add(5, scoped, PERMIT, [own, [1, [c.bob]], []])
    bad = [
        c.add(5, scoped, PERMIT, [c.room, [1, [c.bob]], []], after=(2, fine)),
        c.add(5, scoped, PERMIT, [own, [0, [objects.ROLE_AGENT]], []], after=(2, fine)),
        c.add(5, scoped, PERMIT, [own, [0, [other]], []], after=(2, fine)),
        c.add(5, scoped, MEMBER_GRANT, [c.bob, other, []], after=(2, fine)),
        c.add(5, scoped, AGENT_CERT, ["ghost"], after=(2, fine)),
        c.add(5, scoped, UNIT_CREATE, [DEPARTMENT, None, "D"], after=(2, fine)),
    ]
    log = c.log()
    assert carried(log, fine, *bad) == [True] + [False] * len(bad)
    assert not any(id in log.sound for id in bad)
    assert log.with_access()[own] == {c.bob}
    # Only while he belongs to the Department.
    c.revoke(2, c.a, c.member)
    assert c.log().with_access()[own] == set()


def test_disputed_key():
    c = rooms()
    wrong = c.device(c.carol, 4)
    live, disputed = c.log().devices()
    assert key(4) not in live and disputed == {key(4)}
    c.revoke(2, c.a, wrong)
    live, disputed = c.log().devices()
    assert live[key(4)] == c.bob and not disputed


def test_a_strict_removal_bars_the_key():
    c = rooms()
    dismissed = c.revoke(2, c.a, c.bob, mode=STRICT)
    rob = c.agent("rob", 4, 3, c.g)
    assert c.log().devices() == ({key(3): c.carol}, set())
    back = c.ratify(2, c.a, c.bob, [dismissed])
    assert c.log().devices()[1] == {key(4)}
    assert c.log(back).devices()[1] == set()
    # Of one pair: barred for both agents, and not in dispute.
    cert = c.device(rob, 4)
    strict = c.revoke(2, c.a, cert, mode=STRICT)
    assert c.log().devices() == ({key(3): c.carol}, set())
    # Not by a junior.
    junior = c.ratify(3, c.g, cert, [strict])
    assert key(4) not in c.log().devices()[0]
    c.ratify(2, c.a, cert, [strict])
    assert c.log(junior).devices()[1] == {key(4)}
    # An ordinary one leaves the key to the other agent.
    c.revoke(2, c.a, cert)
    assert c.log().devices()[0][key(4)] == c.bob


def test_fields_and_names():
    c = rooms()
    name = lambda: c.log().result()["agents"][c.bob.hex()]  # noqa: E731
    junior = c.add(3, c.g, SET_FIELD, [c.bob, [0, ["robert"]], []])
    senior = c.add(2, c.a, SET_FIELD, [c.bob, [0, ["bobby"]], []])
    assert name() == "bobby"
    c.add(3, c.g, SET_FIELD, [c.bob, [0, ["carol"]], sorted([junior, senior])])
    c.add(3, c.g, SET_FIELD, [c.room, [2, [False]], []])
    # Carol has her name from rank 1, bob only from rank 2.
    assert name() == f"carol:{c.bob.hex()[:8]}"
    assert c.log().result()["agents"][c.carol.hex()] == "carol"
    assert c.log().rooms()[c.room]["active"] is False
    # What looks the same in form C is the same.
    for text in ("e\u0301", "\u00e9"):
        c.add(2, c.a, ROOM_CREATE, [text, 0])
    shown = [room["name"] for room in c.log().rooms().values()]
    assert len(shown) == 3 and sum(":" in text for text in shown) == 1


def test_unsound():
    c = rooms()
    place = c.tails[2]
    bad = [
        c.add(2, c.a, UNIT_CREATE, [ROLE, None, "Agent"], after=place),
        c.add(2, c.a, UNIT_CREATE, [GROUP, c.front, "Deep"], after=place),
        c.add(2, c.a, MEMBER_GRANT, [c.room, c.front, []], after=place),
        c.add(2, c.a, AGENT_CERT, ["gap"], after=(place[0] + 1, place[1])),
        c.add(3, c.a, AGENT_CERT, ["other"], after=(0, None)),
        c.add(2, c.root, AGENT_CERT, ["root"], after=place),
        c.add(2, c.a, ADMIN_GRANT, [key(5), c.bob, 1, ALL, None, []], after=place),
        c.revoke(2, c.a, c.company, after=place),
        c.revoke(2, c.a, c.g, [[key(3), 7, c.member]], after=place),
    ]
    assert not any(id in c.log().sound for id in bad)


def test_shuffle():
    c = rooms()
    c.revoke(3, c.g, c.member)
    c.revoke(2, c.a, c.g, [c.cut(3)])
    signed, results = list(c.signed.values()) * 2, []
    for n in range(5):
        random.Random(n).shuffle(signed)
        results.append(Log(signed, c.company).result())
    assert all(result == results[0] for result in results)


def main():
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    failed = 0
    for name, test in tests.items():
        try:
            test()
        except AssertionError as error:
            failed += 1
            where = error.__traceback__.tb_next.tb_lineno
            print(f"{name}: line {where} {error}")
    print(f"evaluation: {len(tests)} tests, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
