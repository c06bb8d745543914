// The audit trail: who signed what, in which order, under which authority, and whether it counts.

import { get, events } from '../api.js';
import { h, fill, button, problemBox } from '../dom.js';
import { name, plain, count } from '../text.js';
import { go, link } from '../router.js';
import { directory, heading, refill, shortId, table } from './core.js';
import { objects } from './effects.js';
import { restore } from './revoke.js';
import { whyObject } from './why.js';

const PAGE = 100;
const KINDS = ['genesis', 'root-rotate', 'admin-grant', 'unit-create', 'agent-cert', 'device-cert', 'member-grant', 'room-create', 'permit', 'revoke', 'room-cut', 'ratify', 'set-field'];
const filters = { kind: '', agent: '', state: '', text: '' };

/** Shows the view; with `id` also why that object counts or not. */
export function show(place, { me, id }) {
  let entries = [];
  let next = 0;
  let total = 0;
  let turn = 0;
  let ended = false;
  const region = h('div', null, h('p', { class: 'hint' }, 'Reading…'));
  const agents = h('select', { 'aria-label': 'Signed by' }, h('option', { value: '' }, 'Signed by anyone'));
  directory().then((known) => fill(agents, h('option', { value: '' }, 'Signed by anyone'), known.agents.map((agent) => h('option', { value: agent.id, selected: filters.agent === agent.id }, plain(agent.name)))), () => {});
  const select = (label, all, values, field) => h('select', { 'aria-label': label, on: { change: (event) => { filters[field] = event.target.value; read(); } } },
    h('option', { value: '' }, all), values.map((value) => h('option', { value, selected: filters[field] === value }, value)));
  agents.addEventListener('change', () => { filters.agent = agents.value; read(); });
  let typing;
  const search = h('input', { type: 'search', placeholder: 'Search in what it says', 'aria-label': 'Search in what it says', value: filters.text, spellcheck: 'false',
    on: { input: () => { clearTimeout(typing); typing = setTimeout(() => { filters.text = search.value.trim(); read(); }, 200); } } });
  place.append(heading('Audit'),
    h('p', { class: 'hint' }, 'Everything that was signed, newest first. Clocks do not decide here: the height is the order in which one thing follows from another.'),
    h('div', { class: 'admin-tools', role: 'search' }, search, select('Kind', 'All kinds', KINDS, 'kind'), agents, select('State', 'Counts or void', ['counts', 'void'], 'state')),
    region);

  /** Reads as many as are shown, from the newest. */
  async function read(limit = PAGE) {
    const mine = ++turn;
    try {
      const page = await get('/v1/log', { ...filters, newest_first: true, limit: Math.min(limit, 1000) });
      if (mine !== turn || ended) return;
      const same = JSON.stringify(page.objects) === JSON.stringify(entries) && page.total === total;
      [entries, next, total] = [page.objects, page.next, page.total ?? page.objects.length];
      if (!same || region.firstChild?.nodeName === 'P') draw();
    } catch (problem) {
      if (mine === turn && !ended) refill(region, problemBox(problem), button('Try again', () => read(limit)));
    }
  }

  async function more() {
    const mine = ++turn;
    try {
      const page = await get('/v1/log', { ...filters, newest_first: true, limit: PAGE, from: next });
      if (mine !== turn || ended) return;
      const known = new Set(entries.map((entry) => entry.id));
      entries = [...entries, ...page.objects.filter((entry) => !known.has(entry.id))];
      next = page.next;
      if (!page.objects.length) total = entries.length;
      draw();
    } catch (problem) {
      if (mine === turn && !ended) region.append(problemBox(problem));
    }
  }

  function draw() {
    refill(region, h('p', { class: 'hint', role: 'status' }, total > entries.length ? `The newest ${entries.length} of ${count(total, 'entry', 'entries')}` : count(entries.length, 'entry', 'entries')),
      table('Audit trail', ['What', 'Signed by', 'Height', 'State', 'Id'], entries.map(line), 'Nothing fits.'),
      entries.length < total && button('Older entries', more));
  }

  function line(entry) {
    const isVoid = entry.state === 'void';
    return { key: entry.id, class: isVoid && 'is-off', cells: [
      h('span', null, h('a', { href: link('admin', 'audit', entry.id) }, plain(entry.text)), h('span', { class: 'quiet-text' }, ` ${entry.kind}`)),
      h('span', null, entry.agent ? h('a', { href: link('admin', 'agents', entry.agent.id) }, name(entry.agent)) : entry.rank === 0 ? 'the root key' : shortId(entry.author),
        entry.rank > 0 && h('span', { class: 'quiet-text' }, ` rank ${entry.rank}`)),
      String(entry.height),
      isVoid ? h('span', null, h('span', { class: 'loses' }, 'void'), entry.cut_by.length > 0 && [', cut by ', objects(entry.cut_by)],
        entry.ratify && [' ', button('Restore', () => restore(entry.ratify, entry.text), { class: 'quiet', 'aria-label': `Restore: ${plain(entry.text)}` })]) : 'counts',
      shortId(entry.id)] };
  }

  const stop = ['control', 'reset', 'changed-here'].map((kind) => events.on(kind, () => read(Math.max(PAGE, entries.length))));
  read();
  if (id) whyObject(id, me).then(() => { if (!ended && location.hash === link('admin', 'audit', id)) go('admin', 'audit'); });
  return () => { ended = true; clearTimeout(typing); for (const end of stop) end(); };
}
