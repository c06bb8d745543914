// The admin pages: the navigation among them, and which of them this admin may see.

import { get, events, Problem } from '../api.js';
import { h, append, fill, problemBox } from '../dom.js';
import { name } from '../text.js';
import { link } from '../router.js';
import { allAdmins, hint, several, status, unitName } from './core.js';
import { toldStrip } from './change.js';
import * as units from './units.js';
import * as agents from './agents.js';
import * as agent from './agent.js';
import * as requests from './requests.js';
import * as rooms from './rooms.js';
import * as room from './room.js';
import * as admins from './admins.js';
import * as audit from './audit.js';
import * as devices from './devices.js';
import * as alarms from './alarms.js';

// `needs`: one of these rights is enough; none: every admin.
const VIEWS = [
  { path: 'units', title: 'Units', view: units, needs: ['units'] },
  { path: 'agents', title: 'Agents', view: agents, one: agent, needs: ['units', 'agents'] },
  { path: 'requests', title: 'Requests', view: requests, needs: ['agents'], counted: true },
  { path: 'rooms', title: 'Rooms', view: rooms, one: room, needs: ['rooms'] },
  { path: 'admins', title: 'Admins', view: admins, needs: ['admins'] },
  { path: 'audit', title: 'Audit', view: audit, needs: [] },
  { path: 'devices', title: 'Devices', view: devices, needs: [] },
  { path: 'alarms', title: 'Alarms', view: alarms, needs: [], counted: true },
];
const may = (me, view) => !view.needs.length || view.needs.some((right) => me.may.includes(right));

/** Shows the admin view of a route in `place`. Gives a function that ends it. */
export function show(place, route) {
  const [, path = '', id] = route.path;
  const tidy = [];
  let ended = false;
  const nav = h('nav', { class: 'admin-nav', 'aria-label': 'Administration' });
  const body = h('div', { class: 'admin-view' }, hint('Reading…'));
  fill(place, h('div', { class: 'admin' }, styles(), nav, toldStrip, body));
  begin().catch((problem) => {
    if (!(problem instanceof Problem)) console.error(problem);
    if (!ended) fill(body, problemBox(problem));
  });

  async function begin() {
    const { admin: me, agent: self } = await status();
    if (ended) return;
    if (!me) { fill(body, await stranger()); return; }
    const badges = new Map();
    drawNav(me, badges);
    const countAgain = async () => { await readCounts(me, badges); if (!ended) drawNav(me, badges); };
    for (const kind of ['join_requests', 'alarm', 'control', 'reset', 'changed-here']) {
      tidy.push(events.on(kind, () => countAgain().catch(() => {})));
    }
    countAgain().catch(() => {});
    const shown = VIEWS.find((view) => view.path === path) ?? VIEWS.find((view) => may(me, view));
    if (!may(me, shown)) { fill(body, outside(me, shown)); return; }
    fill(body);
    const view = id && shown.one ? shown.one : shown.view;
    const end = view.show(body, { me, self, id });
    if (end) tidy.push(end);
    if (route.path.length > 1) body.querySelector('h1')?.focus({ preventScroll: true });
  }

  function drawNav(me, badges) {
    const focused = nav.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    const current = VIEWS.some((view) => view.path === path) ? path : VIEWS.find((view) => may(me, view)).path;
    fill(nav, h('ul', null, VIEWS.filter((view) => may(me, view)).map((view) => {
      const n = badges.get(view.path) ?? 0;
      return h('li', null, h('a', { href: link('admin', view.path), 'aria-current': view.path === current && 'page' },
        view.title, n > 0 && [' ', h('span', { class: 'badge' }, n), h('span', { class: 'visually-hidden' }, ' open')]));
    })));
    if (focused) nav.querySelector(`a[href="${focused}"]`)?.focus();
  }

  return () => { ended = true; for (const end of tidy) end(); };
}

async function readCounts(me, badges) {
  const [now, asking] = await Promise.all([status(), me.may.includes('agents') ? get('/v1/agent-requests') : null]);
  badges.set('alarms', now.alarms.length + (now.troubles?.length ?? 0));
  badges.set('requests', asking?.requests.length ?? 0);
}

/** For those who are no admins: who is. */
async function stranger() {
  const list = await allAdmins().catch(() => []);
  const inForce = [...new Map(list.filter((one) => one.in_force).map((one) => [one.agent.id, one.agent])).values()];
  return [h('h1', { tabindex: '-1' }, 'Administration'),
    h('p', null, 'You are not an admin on this device, so there is nothing here that you could change.'),
    inForce.length > 0 && h('p', null, `Your ${inForce.length === 1 ? 'admin is' : 'admins are'} `, several(inForce.map((one) => name(one))),
      '. They can put you into a unit, open a room to you, or make you an admin.')];
}

function outside(me, shown) {
  return [h('h1', { tabindex: '-1' }, shown.title),
    h('p', null, `Your authority as admin does not cover this. It covers ${me.may.join(', ') || 'nothing'}`, me.scope && [' in ', unitName(me.scope)], '.'),
    hint('A more senior admin can give you more.')];
}

/** The admin pages have a style sheet of their own, which others need not load. */
function styles() {
  if (!document.querySelector('link[href="/admin.css"]')) append(document.head, h('link', { rel: 'stylesheet', href: '/admin.css' }));
  return null;
}
