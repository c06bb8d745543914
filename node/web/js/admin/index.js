// The admin pages: the navigation among them, and which of them this admin may see.

import { get, events } from '../api.js';
import { h, append, button, fill, icon, problemBox } from '../dom.js';
import { go, link } from '../router.js';
import { hint, status, unitName } from './core.js';
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
  const nav = h('nav', { class: 'admin-nav', 'aria-label': 'Administration' }, button(icon('back'), () => go(), { label: 'Back to the list', class: 'quiet to-tree' }));
  const body = h('div', { class: 'admin-view' }, hint('Reading…'));
  if (!document.querySelector('link[href="/admin.css"]')) document.head.append(h('link', { rel: 'stylesheet', href: '/admin.css' }));
  fill(place, h('div', { class: 'admin' }, nav, toldStrip, body));
  begin().catch((problem) => ended || fill(body, problemBox(problem)));

  async function begin() {
    const { admin: me } = await status();
    if (ended) return;
    const seen = VIEWS.filter((view) => me && may(me, view));
    const shown = VIEWS.find((view) => view.path === path) ?? seen[0];
    if (!seen.includes(shown)) {
      fill(body, h('h1', null, 'Administration'), h('p', null, me ? ['Your authority as admin covers only ', me.may.join(', '), me.scope && [' in ', unitName(me.scope)]]
        : 'You are not an admin on this device', '.'), hint(h('code', null, 'conclave admin list'), ' shows who the admins are.'));
    }
    if (!me) return;
    const badges = {};
    append(nav, seen.map((view) => h('a', { href: link('admin', view.path), 'aria-current': view === shown && 'page' }, view.title, ' ', badges[view.path] = h('span', { class: 'badge', hidden: true }))));
    const recount = async () => {
      const [now, asking] = await Promise.all([status(), me.may.includes('agents') && get('/v1/agent-requests')]);
      for (const [at, n] of [['alarms', now.alarms.length + (now.troubles?.length ?? 0)], ['requests', asking ? asking.requests.length : 0]]) {
        if (badges[at]) Object.assign(badges[at], { textContent: n, hidden: !n });
      }
    };
    for (const kind of ['join_requests', 'alarm', 'control', 'reset']) tidy.push(events.on(kind, () => recount().catch(() => {})));
    recount().catch(() => {});
    if (!seen.includes(shown)) return;
    fill(body);
    const view = await import(`./${id && shown.one || shown.path}.js`);
    if (!ended) tidy.push(view.show(body, { me, id }));
  }

  return () => { ended = true; for (const end of tidy) end(); };
}
