"""What a set of control objects means. After docs/src/evaluation.md: sets and fixpoints, no care
for speed."""

import functools
from types import SimpleNamespace

import objects
from bytes_of import Refused, derive
from names import normal_form

(GENESIS, ROOT_ROTATE, ADMIN_GRANT, UNIT_CREATE, AGENT_CERT, DEVICE_CERT, MEMBER_GRANT) = range(7)
(ROOM_CREATE, PERMIT, REVOKE, ROOM_CUT, RATIFY, SET_FIELD) = range(7, 13)
DEPARTMENT, GROUP, ROLE = range(3)
DEPART, STRICT = range(2)
STRUCK = {AGENT_CERT, DEVICE_CERT, ADMIN_GRANT, UNIT_CREATE, MEMBER_GRANT, ROOM_CREATE, PERMIT}
NAME, TOPIC, ACTIVE = range(3)
MAY = ("units", "agents", "rooms", "admins")


@functools.cache
def read_object(data, company):
    """An object with its fields as attributes, or None if it is refused or no control object."""
    try:
        number, own, fields = objects.verify(data, company)
    except Refused:
        return None
    if number > SET_FIELD:
        return None
    refs = objects.references(number, fields)
    o = SimpleNamespace(id=own, type=number, refs=set(refs))
    if number == GENESIS:
        o.author, o.seq, o.prev, o.height, o.authority = fields["root"], 1, None, 1, None
        o.next = fields["recovery"]
        return o
    for name in ("author", "seq", "prev", "height", "authority"):
        setattr(o, name, fields[name])
    for name, value in fields["payload"].items():
        setattr(o, name, value)
    if number == ADMIN_GRANT:
        o.may = {name for name, may in zip(MAY, o.may) if may}
    if number == PERMIT:
        o.principal = (o.principal[0], o.principal[1][0])
    if number == SET_FIELD:
        o.field, (o.value,) = o.value
    return o


class Log:
    def __init__(self, signed, company):
        self.all = {}
        for data in signed:
            o = read_object(data, company)
            if o is not None:
                self.all[o.id] = o
        self.sound = {}
        self._find_sound()
        self.carriers = {}
        self.limits = {}
        self.in_force = set()
        self.resigned, self.hits = set(), set()
        self._carry()

    # Sound ----------------------------------------------------------------------------------------

    def _find_sound(self):
        # Everything referred to has a smaller height.
        for o in sorted(self.all.values(), key=lambda o: o.height):
            if all(ref in self.sound for ref in o.refs) and self._is_sound(o):
                self.sound[o.id] = o

    def get(self, id, *types):
        o = self.sound.get(id)
        return o if o is not None and o.type in types else None

    def _is_sound(self, o):
        if o.type == GENESIS:
            return True
        return (
            o.height == 1 + max(self.sound[ref].height for ref in o.refs)
            and self._place_fits(o)
            and self._references_fit(o)
            and self._authority_could(o)
        )

    def _place_fits(self, o):
        if o.prev is None:
            return o.seq == 1
        before = self.sound[o.prev]
        return before.author == o.author and before.seq + 1 == o.seq

    def _cut_fits(self, cut):
        device, seq, id = cut
        return self.sound[id].author == device and self.sound[id].seq == seq

    def _references_fit(self, o):
        get = self.get
        if not all(get(id, REVOKE) for id in getattr(o, "overrides", [])):
            return False
        if o.type == ROOT_ROTATE:
            return self._cut_fits(o.cut)
        if o.type == ADMIN_GRANT:
            return get(o.agent, AGENT_CERT) and (o.scope is None or self.is_department(o.scope))
        if o.type == UNIT_CREATE:
            named_agent = o.kind == ROLE and o.name == "Agent"
            return not named_agent and (o.parent is None or self.is_department(o.parent))
        if o.type == DEVICE_CERT:
            return get(o.agent, AGENT_CERT)
        if o.type == MEMBER_GRANT:
            return get(o.agent, AGENT_CERT) and get(o.unit, UNIT_CREATE)
        if o.type == PERMIT:
            kind, id = o.principal
            fits = get(id, AGENT_CERT) if kind else id == objects.ROLE_AGENT or get(id, UNIT_CREATE)
            return fits and get(o.room, ROOM_CREATE)
        if o.type == REVOKE:
            return get(o.target, *STRUCK) and all(map(self._cut_fits, o.control_cuts))
        if o.type == ROOM_CUT:
            return get(o.room, ROOM_CREATE) and get(o.revoke, REVOKE)
        if o.type == RATIFY:
            return not get(o.target, GENESIS, ROOT_ROTATE)
        if o.type == SET_FIELD:
            fielded = (AGENT_CERT, UNIT_CREATE, ROOM_CREATE) if o.field == 0 else (ROOM_CREATE,)
            target = get(o.target, *fielded)
            agent = target and target.type == UNIT_CREATE and target.kind == ROLE
            others = [get(id, SET_FIELD) for id in o.supersedes]
            return (
                target
                and not (agent and o.value == "Agent")
                and all(x and (x.target, x.field) == (o.target, o.field) for x in others)
            )
        return True  # agents and rooms refer to nothing

    def is_department(self, id):
        unit = self.get(id, UNIT_CREATE)
        return unit is not None and unit.kind == DEPARTMENT

    def _authority_could(self, o):
        authority = self.sound[o.authority]
        if o.type == ROOT_ROTATE:
            return (
                authority.type in (GENESIS, ROOT_ROTATE)
                and derive("conclave v1 recovery", o.author + o.next) == authority.next
                and o.cut[0] == authority.author
                and authority.id in self.chain(o.cut[2])
            )
        if authority.type in (GENESIS, ROOT_ROTATE):
            return authority.author == o.author and self._root_could(o)
        if authority.type != ADMIN_GRANT or authority.device != o.author:
            return False
        if o.type == REVOKE and o.target == authority.id:
            return True  # a resignation
        return self._grant_could(authority, o)

    def ratified(self, o):
        """What a ratify stands behind in the end."""
        while o.type == RATIFY:
            o = self.sound[o.target]
        return o

    def _root_could(self, o):
        if o.type == RATIFY:
            target = self.ratified(o)
            return target.type == DEVICE_CERT or self._root_could(target)
        if o.type == REVOKE:
            return self.sound[o.target].type in (ADMIN_GRANT, AGENT_CERT, DEVICE_CERT)
        return o.type in (ADMIN_GRANT, AGENT_CERT)

    def _grant_could(self, g, o):
        """Whether a grant could issue an object, by its content alone."""
        if o.type == RATIFY:
            target = self.ratified(o)
            if target.type in (UNIT_CREATE, ROOM_CREATE):
                # Whoever could revoke it may let it return.
                target = SimpleNamespace(type=REVOKE, target=target.id)
            return self._grant_could(g, target)
        if o.type == ADMIN_GRANT:
            narrower = g.scope is None or o.scope == g.scope
            return "admins" in g.may and o.rank > g.rank and o.may <= g.may and narrower
        about = self.sound[o.target] if o.type in (REVOKE, SET_FIELD) else o
        if o.type == REVOKE and about.type == ADMIN_GRANT:
            return "admins" in g.may and (g.scope is None or about.scope == g.scope)
        if about.type in (UNIT_CREATE, MEMBER_GRANT):
            return "units" in g.may and (g.scope is None or self._unit_within(g.scope, about, o))
        if about.type in (AGENT_CERT, DEVICE_CERT):
            return "agents" in g.may and g.scope is None
        if about.type in (ROOM_CREATE, PERMIT, ROOM_CUT):
            return "rooms" in g.may and (g.scope is None or self._room_within(g.scope, about, o))
        return False

    def _unit_within(self, department, about, o):
        if about.type == MEMBER_GRANT:
            return self._inside(about.unit, department)
        if o.type == UNIT_CREATE:
            return o.parent == department
        return self._inside(about.id, department)

    def _inside(self, unit, department):
        return unit == department or self.sound[unit].parent == department

    def _room_within(self, department, about, o):
        if o.type == ROOM_CREATE:
            return True
        room = about if about.type == ROOM_CREATE else self.sound[about.room]
        made_under = self.get(room.authority, ADMIN_GRANT)
        if made_under is None or made_under.scope != department:
            return False
        if o.type != PERMIT:
            return True
        kind, id = o.principal
        return bool(kind) or (id != objects.ROLE_AGENT and self._inside(id, department))

    # The root line --------------------------------------------------------------------------------

    def of_type(self, *types):
        return [o for o in self.sound.values() if o.type in types]

    def chain(self, id):
        """An object and all before it in its author's chain."""
        ids = set()
        while id is not None:
            ids.add(id)
            id = self.sound[id].prev
        return ids

    def _root_line(self):
        """The roots that stand, with the prefix in which the objects of each count; None for all."""
        eras = [self.of_type(GENESIS)]
        while eras[-1]:
            ids = {root.id for root in eras[-1]}
            eras.append([o for o in self.of_type(ROOT_ROTATE) if o.authority in ids])
        # Backwards: what a replaced key signed beyond its cut changes nothing.
        line, cuts = {}, []
        for era in reversed(eras[:-1]):
            limit = set.intersection(*cuts) if cuts else None
            standing = [
                root
                for root in era
                if root.type == GENESIS or not cuts or any(root.id in cut for cut in cuts)
            ]
            line |= {root.id: limit for root in standing}
            cuts = [self.chain(root.cut[2]) for root in standing if root.type == ROOT_ROTATE]
        return line

    # Carried --------------------------------------------------------------------------------------

    def rank(self, id):
        """The rank of a carried object; None if it is not carried."""
        carriers = self.carriers.get(id)
        return min(rank for rank, _, _ in carriers) if carriers else None

    def carried(self, *types):
        return [o for o in self.of_type(*types) if o.id in self.carriers]

    def _carry(self):
        for root, limit in self._root_line().items():
            # In the root line itself, whatever limits the keys' other objects.
            self.carriers[root] = {(0, None, self.sound[root].authority)}
            self.limits[root] = limit
        self._carry_rank(0, set(self.limits))
        for k in sorted({g.rank for g in self.of_type(ADMIN_GRANT)}):
            grants = [g for g in self.carried(ADMIN_GRANT) if g.rank == k]
            for g in grants:
                self.limits[g.id] = self._limit(g)
                if self.limits[g.id] is None:
                    self.in_force.add(g.id)
            self._carry_rank(k, {g.id for g in grants})

    def _carry_rank(self, k, authorities):
        for o in self.sound.values():
            if o.authority not in authorities or o.type == ROOT_ROTATE:
                continue
            limit = self.limits[o.authority]
            if limit is None or o.id in limit or o.id in self.resigned:
                scope = getattr(self.sound[o.authority], "scope", None)
                self.carriers.setdefault(o.id, set()).add((k, scope, o.authority))
        grows = True
        while grows:
            grows = False
            for ratify in self.carried(RATIFY):
                of_target = self.carriers.setdefault(ratify.target, set())
                if not self.carriers[ratify.id] <= of_target:
                    of_target |= self.carriers[ratify.id]
                    grows = True

    def _limit(self, g):
        """The common prefix of what each Revoke that hits a grant leaves; None if none hits."""
        hits = [r for r in self.carried(REVOKE) if self._hits(r, g)]
        lefts = [self._left(r, g.device) for r in hits]
        resignations = [
            r.id
            for r in self.of_type(REVOKE)
            if r.target == r.authority == g.id and all(r.id in left for left in lefts)
        ]
        # All of them hit; each leaves its own chain.
        self.resigned |= set(resignations)
        self.hits |= {(r.id, g.id) for r in hits} | {(id, g.id) for id in resignations}
        lefts += [self.chain(id) for id in resignations]
        return set.intersection(*lefts) if lefts else None

    def _left(self, r, key):
        """What a Revoke leaves of a device's chain."""
        cut = next((id for device, _, id in r.control_cuts if device == key), None)
        return self.chain(cut)

    def _hits(self, r, g):
        if r.target == r.authority or self.rank(r.id) >= g.rank:
            return False
        target = self.sound[r.target]
        if not (
            target.id in (g.id, g.agent)
            or (target.type == DEVICE_CERT and (target.device, target.agent) == (g.device, g.agent))
        ):
            return False
        # Only carriers that are senior to the grant: those of its own rank are not known yet.
        if not self.is_effective(r, below=g.rank):
            return False
        return not (r.id in g.overrides and self.rank(g.id) <= self.rank(r.id))

    def is_effective(self, r, below=None):
        target = self.sound[r.target]
        carriers = [c for c in self.carriers.get(r.id, ()) if below is None or c[0] < below]
        return any(self._strikes_with(target, *carrier) for carrier in carriers)

    def _strikes_with(self, target, rank, _, behind):
        if target.type not in (AGENT_CERT, DEVICE_CERT):
            return True
        agent = target.id if target.type == AGENT_CERT else target.agent
        protecting = [g for g in map(self.sound.get, self.in_force) if g.agent == agent]
        if target.type == AGENT_CERT:
            return all(rank < g.rank for g in protecting)
        # People may revoke their own lost laptop, although they are no seniors of themselves.
        own = getattr(self.sound[behind], "agent", None) == agent
        return all(
            rank < g.rank or (own and g.device != target.device and rank == g.rank)
            for g in protecting
        )

    # What follows ---------------------------------------------------------------------------------

    def _is_struck(self, ids):
        return bool(self._standing(ids))

    def _standing(self, ids):
        """The effective Revokes of these that are not overridden."""
        ratifies = [x for x in self.carried(RATIFY) if x.target in ids]

        def overridden(r):
            return any(
                r.id in x.overrides and (r.mode == DEPART or self.rank(x.id) <= self.rank(r.id))
                for x in ratifies
            )

        revokes = [r for r in self.carried(REVOKE) if r.target in ids and self.is_effective(r)]
        return [r for r in revokes if not overridden(r)]

    def is_unrevoked(self, id):
        """Whether an agent, unit or room exists and is not revoked."""
        parent = getattr(self.sound[id], "parent", None)
        struck = self._is_struck({id}) or (parent is not None and self._is_struck({parent}))
        return id in self.carriers and not struck

    def live_agents(self):
        return {o.id for o in self.carried(AGENT_CERT) if self.is_unrevoked(o.id)}

    def pairs(self):
        """All sound certificates by (key, agent), if one of them is carried."""
        pairs = {}
        for cert in self.of_type(DEVICE_CERT):
            pairs.setdefault((cert.device, cert.agent), set()).add(cert.id)
        return {pair: certs for pair, certs in pairs.items() if certs & self.carriers.keys()}

    def _barred(self):
        """Keys of which a Strict removal stands, from a pair or of its agent: live for nobody."""
        return {
            key
            for (key, agent), certs in self.pairs().items()
            if any(r.mode == STRICT for r in self._standing(certs) + self._standing({agent}))
        }

    def devices(self):
        """Live devices with their agents, and disputed keys."""
        agents, barred, of_key = self.live_agents(), self._barred(), {}
        for (key, agent), certs in self.pairs().items():
            if agent in agents and key not in barred and not self._is_struck(certs):
                of_key.setdefault(key, []).append(agent)
        live = {key: agents[0] for key, agents in of_key.items() if len(agents) == 1}
        return live, {key for key, agents in of_key.items() if len(agents) > 1}

    def unconfirmed(self):
        """Live devices that no confirmed device of their agent countersigned."""
        live, _ = self.devices()
        found = set()
        for agent in set(live.values()):
            certs = [cert for cert in self.carried(DEVICE_CERT) if cert.agent == agent]
            first = min(certs, key=lambda cert: (self.rank(cert.id), cert.height, cert.id))
            confirmed, grows = {first.device}, True
            while grows:
                more = {c.device for c in certs if c.countersignature and c.countersignature[0] in confirmed}
                grows = not more <= confirmed
                confirmed |= more
            mine = {key for key, owner in live.items() if owner == agent}
            alarming = mine - confirmed
            rank = self.rank(first.id)
            if any(c.device in alarming and self.rank(c.id) == rank for c in certs):
                # Which of two was first, equals cannot prove.
                alarming |= {first.device} & mine
            found |= alarming
        return found

    def _strikes_pair(self, revoke, grant):
        struck = self.sound[revoke.target]
        if struck.type != grant.type:
            return False
        if grant.type == PERMIT:
            return (struck.room, struck.principal) == (grant.room, grant.principal)
        inside = struck.unit in (grant.unit, self.sound[grant.unit].parent)
        return struck.agent == grant.agent and inside

    def _closure(self, grant):
        """The Revokes that a grant overrides, itself or through what these end of its pair."""
        revokes, grants, todo = set(), {grant.id}, [grant]
        while todo:
            y = todo.pop()
            for r in (self.sound[id] for id in y.overrides if id in self.carriers):
                if r.mode == DEPART or self.rank(y.id) <= self.rank(r.id):
                    revokes.add(r.id)
                    target = self.sound[r.target]
                    known = target.id in grants or target.id not in self.carriers
                    if self._strikes_pair(r, grant) and not known:
                        grants.add(target.id)
                        todo.append(target)
        return revokes

    def grants_in_force(self, kind):
        for grant in self.carried(kind):
            strikes = {r.id for r in self.carried(REVOKE) if self._strikes_pair(r, grant)}
            if strikes <= self._closure(grant):
                yield grant

    def units_of(self, agent):
        """Unrevoked units in which an agent holds a membership in force, and the Departments."""
        units = set()
        for grant in self.grants_in_force(MEMBER_GRANT):
            if grant.agent == agent and self.is_unrevoked(grant.unit):
                units |= {grant.unit, self.sound[grant.unit].parent} - {None}
        # The Department of a Group may be one behind which no authority stands.
        return {unit for unit in units if self.is_unrevoked(unit)}

    def with_access(self):
        agents = self.live_agents()
        units = {agent: self.units_of(agent) for agent in agents}
        rooms = {o.id: set() for o in self.carried(ROOM_CREATE) if self.is_unrevoked(o.id)}
        for permit in self.grants_in_force(PERMIT):
            kind, id = permit.principal
            if permit.room not in rooms:
                continue
            scopes = {scope for _, scope, _ in self.carriers[permit.id]}
            for agent in agents:
                named = id == agent and (None in scopes or scopes & units[agent])
                member = id == objects.ROLE_AGENT or id in units[agent]
                if named if kind else member:
                    rooms[permit.room].add(agent)
        return rooms

    def fields(self):
        """The value of each field that is set, and the rank of what set it, by (target, field)."""
        values = {}
        carried = self.carried(SET_FIELD)
        superseded = {id for x in carried for id in x.supersedes}
        candidates = [x for x in carried if x.id not in superseded]
        # The best one last, so that it stands.
        for x in sorted(candidates, key=lambda x: (self.rank(x.id), x.id), reverse=True):
            values[x.target, x.field] = (x.value, self.rank(x.id))
        return values

    def names(self, ids, space=lambda o: None):
        """The names of live agents, or unrevoked units or rooms, as they are shown."""
        fields, bearers = self.fields(), {}
        # With the rank of what gave the name.
        named = {id: fields.get((id, NAME), (self.sound[id].name, self.rank(id))) for id in ids}
        for id in sorted(ids, key=lambda id: (named[id][1], id)):
            name = named[id][0]
            bearers.setdefault((space(self.sound[id]), normal_form(name)), []).append((id, name))
        return {
            id: name if n == 0 else f"{name}:{id.hex()[:8]}"
            for all_ in bearers.values()
            for n, (id, name) in enumerate(all_)
        }

    def rooms(self):
        """Unrevoked rooms: what is shown of them, and who is With Access."""
        access, fields = self.with_access(), self.fields()
        return {
            id: {
                "name": name,
                "topic": fields.get((id, TOPIC), ("",))[0],
                "active": fields.get((id, ACTIVE), (True,))[0],
                "with_access": access[id],
            }
            for id, name in self.names(access).items()
        }

    def reconciled(self):
        ids, todo = set(), [id for id in self.carriers if self.carriers[id]]
        while todo:
            id = todo.pop()
            if id not in ids:
                ids.add(id)
                todo += self.sound[id].refs
        return ids

    def control_digest(self):
        items = sorted((self.sound[id].height, id) for id in self.reconciled())
        return derive("conclave v1 control digest", b"".join(id for _, id in items)).hex()

    def result(self, place=bytes.hex):
        """What everybody must make of it, as in the file of logs; `place` writes an id."""

        def listed(ids):
            return sorted(map(place, ids))

        def hexes(keys):
            return sorted(key.hex() for key in keys)

        live, disputed = self.devices()
        units = {o.id for o in self.carried(UNIT_CREATE) if self.is_unrevoked(o.id)}
        rooms = self.rooms()
        for room in rooms.values():
            room["with_access"] = listed(room["with_access"])
        named = {
            "agents": self.names(self.live_agents()),
            "units": self.names(units, lambda o: (o.kind, o.parent)),
            "rooms": rooms,
            "carried": {id: self.rank(id) for id in self.carriers},
        }
        return {
            "sound": listed(self.sound),
            "in_force": listed(self.in_force),
            "reconciled": listed(self.reconciled()),
            "control_digest": self.control_digest(),
            "devices": {key.hex(): place(agent) for key, agent in live.items()},
            "disputed": hexes(disputed),
            "unconfirmed": hexes(self.unconfirmed()),
            "memberships": sorted(
                {
                    (place(g.agent), place(g.unit))
                    for g in self.grants_in_force(MEMBER_GRANT)
                    if g.agent in self.carriers
                }
            ),
        } | {key: {place(id): x for id, x in of.items()} for key, of in named.items()}
