// The audit trail: who signed what, in which order, under which authority, and whether it counts.

import { get } from '../api.js';
import { h, button } from '../dom.js';
import { plain, count, fullTime } from '../text.js';
import { go, link } from '../router.js';
import { choice, directory, filterField, heading, hint, live, quiet, shortId, small, table, toAgent } from './core.js';
import { objects } from './effects.js';
import { restore } from './revoke.js';
import { whyObject } from './why.js';

const PAGE = 100;
const KINDS = ['genesis', 'root-rotate', 'admin-grant', 'unit-create', 'agent-cert', 'device-cert', 'member-grant', 'room-create', 'permit', 'revoke', 'room-cut', 'ratify', 'set-field'];
const filters = { kind: '', agent: '', state: '', text: '' };

/** Shows the view; with `id` also why that object counts or not. */
export function show(place, { id }) {
  // Where each page so far began, the newest first.
  let pages = [0];
  let typing;
  const view = live(() => get('/v1/log', { ...filters, newest_first: true, limit: PAGE, from: pages.at(-1) }), body);
  const filter = (field) => (value) => { filters[field] = value; turn([0]); };
  const turn = (to) => { pages = to; view.refresh(); };
  const search = filterField('Search in what it says', filters.text, (text) => { clearTimeout(typing); typing = setTimeout(filter('text'), 200, text); });
  const tools = h('div', { class: 'admin-tools', role: 'search' }, search,
    choice('Kind', [['', 'All kinds'], ...KINDS.map((kind) => [kind, kind])], filters.kind, filter('kind')),
    choice('State', [['', 'Counts or void'], ['counts', 'counts'], ['void', 'void']], filters.state, filter('state')));
  directory().then(({ agents }) => tools.append(choice('Signed by', [['', 'Signed by anyone'], ...agents.map((agent) => [agent.id, plain(agent.name)])], filters.agent, filter('agent'))), () => {});
  place.append(heading('Audit'), hint('What was signed, newest first. “Heard” is when this computer took it in, by its own clock. No clock decides anything: what has the greater height came later, or apart.'), tools, view.region);

  function body(page) {
    const fit = page.matching ?? page.total;
    return [hint(page.objects.length < fit && `${page.objects.length} of `, count(fit, 'entry', 'entries'), fit < page.total && ` that fit, of ${page.total.toLocaleString()}`),
      table('Audit trail', ['What', 'Signed by', 'Heard', 'Height', 'State', 'Id'], page.objects.map(line), 'Nothing fits.'),
      h('div', { class: 'admin-actions' }, pages.length > 1 && button('Newer', () => turn(pages.slice(0, -1))),
        page.more && button('Older', () => turn([...pages, page.next])))];
  }

  if (id) whyObject(id).then(() => { if (location.hash === link('admin', 'audit', id)) go('admin', 'audit'); });
  return () => { clearTimeout(typing); view.end(); };
}

function line(entry) {
  const isVoid = entry.state === 'void';
  return { key: entry.id, class: isVoid && 'is-off', cells: [
    h('span', null, h('a', { href: link('admin', 'audit', entry.id) }, plain(entry.text)), quiet(` ${entry.kind}`)),
    h('span', null, entry.agent ? toAgent(entry.agent) : entry.rank === 0 ? 'the root key' : shortId(entry.author),
      entry.rank > 0 && quiet(` rank ${entry.rank}`)),
    entry.heard ? fullTime(entry.heard) : quiet('unknown'),
    String(entry.height),
    isVoid ? h('span', null, h('span', { class: 'loses' }, 'void'), entry.cut_by.length > 0 && [', cut by ', objects(entry.cut_by)],
      entry.ratify && [' ', small('Restore', () => restore(entry.ratify, entry.text), `Restore: ${plain(entry.text)}`)]) : 'counts',
    shortId(entry.id)] };
}
