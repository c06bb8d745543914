// The admin pages: the navigation among them, and which of them this admin may see.

import { get, events } from '../api.js';
import { h, fill, problemBox } from '../dom.js';
import { name } from '../text.js';
import { link } from '../router.js';
import { allAdmins, hint, several, status, unitName } from './core.js';
import { toldStrip } from './change.js';

// Path, title, which rights let one see it (one of them is enough, none: every admin), what shows one by id.
const VIEWS = [
  ['units', 'Units', ['units']], ['agents', 'Agents', ['units', 'agents'], 'agent'], ['requests', 'Requests', ['agents']],
  ['rooms', 'Rooms', ['rooms'], 'room'], ['admins', 'Admins', ['admins']], ['audit', 'Audit'], ['devices', 'Devices'], ['alarms', 'Alarms'],
].map(([path, title, needs, one]) => ({ path, title, needs, one }));
const may = (me, { needs }) => !needs || needs.some((right) => me.may.includes(right));

/** Shows the admin view of a route in `place`. Gives a function that ends it. */
export function show(place, route) {
  const [, path, id] = route.path;
  const tidy = [];
  let ended = false;
  const nav = h('nav', { class: 'admin-nav', 'aria-label': 'Administration' });
  const body = h('div', { class: 'admin-view' }, hint('Reading…'));
  if (!document.querySelector('link[href="/admin.css"]')) document.head.append(h('link', { rel: 'stylesheet', href: '/admin.css' }));
  fill(place, h('div', { class: 'admin' }, nav, toldStrip, body));
  begin().catch((problem) => ended || fill(body, problemBox(problem)));

  async function begin() {
    const { admin: me } = await status();
    if (ended) return;
    const shown = me && (VIEWS.find((view) => view.path === path) ?? VIEWS.find((view) => may(me, view)));
    fill(body);
    if (!me) return stranger(body);
    const badges = {};
    drawNav(me, shown, badges);
    const recount = async () => {
      const [now, asking] = await Promise.all([status(), me.may.includes('agents') && get('/v1/agent-requests')]);
      Object.assign(badges, { alarms: now.alarms.length + (now.troubles?.length ?? 0), requests: asking && asking.requests.length });
      if (!ended) drawNav(me, shown, badges);
    };
    for (const kind of ['join_requests', 'alarm', 'control', 'reset']) tidy.push(events.on(kind, () => recount().catch(() => {})));
    recount().catch(() => {});
    if (!may(me, shown)) {
      return fill(body, h('h1', null, shown.title), h('p', null, `Your authority as admin does not cover this, only ${me.may.join(', ') || 'nothing'}`, me.scope && [' in ', unitName(me.scope)], '.'));
    }
    const view = await import(`./${id && shown.one || shown.path}.js`);
    if (!ended) tidy.push(view.show(body, { me, id }));
  }

  function drawNav(me, shown, badges) {
    const focused = nav.contains(document.activeElement) && document.activeElement.getAttribute('href');
    fill(nav, VIEWS.filter((view) => may(me, view)).map((view) => h('a', { href: link('admin', view.path), 'aria-current': view === shown && 'page' }, view.title,
      badges[view.path] > 0 && h('span', { class: 'badge' }, badges[view.path], h('span', { class: 'visually-hidden' }, ' open')))));
    if (focused) nav.querySelector(`a[href="${focused}"]`)?.focus();
  }

  return () => { ended = true; for (const end of tidy) end(); };
}

/** For those who are no admins: who is. */
async function stranger(body) {
  const list = (await allAdmins().catch(() => [])).filter((one) => one.in_force);
  const people = new Map(list.map((one) => [one.agent.id, one.agent]));
  fill(body, h('h1', null, 'Administration'), h('p', null, 'You are not an admin on this device.'),
    people.size > 0 && h('p', null, 'Admins are: ', several([...people.values()].map((one) => name(one))), '.'));
}
