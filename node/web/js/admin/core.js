// What all admin views share.

import { get, events } from '../api.js';
import { h, append, button, dialog, fill, problemBox } from '../dom.js';
import { principalParts } from '../principal.js';
import { count, name } from '../text.js';
import { link } from '../router.js';

/** All units and agents: `{units: [{id, unit, kind, word, path, own}], agents: […]}`; `own` is the last part of `path`. */
export async function directory() {
  const [{ agents }, ...kinds] = await Promise.all([get('/v1/agents'), ...['department', 'group', 'role'].map((kind) => get('/v1/units', { kind }))]);
  const units = kinds.flatMap((answer) => answer.units.map((unit) => {
    const { kind, word, name: path } = principalParts(unit.unit);
    return { ...unit, kind, word, path, own: path.slice(path.indexOf('/') + 1) };
  }));
  for (const unit of units) ids.set(unit.unit, unit.id);
  for (const agent of agents) ids.set(`agent:${agent.name}`, agent.id);
  return { units, agents };
}
export const allRooms = async () => (await get('/v1/rooms', { all: true })).rooms;
export const allAdmins = async () => (await get('/v1/admins')).admins;
export const status = () => get('/v1/status');

const ids = new Map();

export const quiet = (...content) => h('span', { class: 'quiet-text' }, content);
export const hint = (...content) => h('p', { class: 'hint' }, content);

/** A unit or other principal by its full name: its kind in quiet letters, then the name. */
export function unitName(label, id = ids.get(label)) {
  if (label === 'role:Agent') return h('span', null, 'Everybody', quiet(' (role:Agent)'));
  const parts = principalParts(label);
  return h('span', null, quiet(parts.word, ' '), name({ id, name: parts.name }));
}

export const tag = (text, kind = '') => h('span', { class: `admin-tag ${kind}` }, text);
export const toAgent = (agent) => h('a', { href: link('admin', 'agents', agent.id) }, name(agent));
export const toRoom = (room) => h('a', { href: link('admin', 'rooms', room.id) }, name(room));
/** A small button of a row; `label` is its whole name. */
export const small = (content, act, label, props) => button(content, act, { class: 'quiet', 'aria-label': label, ...props });

/** The start of an id; the whole of it is its title. */
export const shortId = (id) => h('code', { title: id }, id.slice(0, 12));

/** Whether this device may change `right`; `label` is the unit it is about, if any. */
export const allowed = (me, right, label) => me.may.includes(right) && (!me.scope || !label
  || label === me.scope || label.startsWith(`${me.scope.replace('department', 'group')}/`));

/** Which control has the keyboard, so that it can be found after a redraw. */
function placeOf(node) {
  return [node.closest('[data-row]')?.dataset.row, node.tagName, node.getAttribute('aria-label') ?? node.textContent].join('\n');
}

function focusAt(region, place) {
  const [row, tag] = place.split('\n');
  const same = [...region.querySelectorAll(tag)].find((node) => placeOf(node) === place);
  const near = row && region.querySelector(`[data-row="${CSS.escape(row)}"] :is(a, button, summary)`);
  (same || near || document.querySelector('.admin-view h1'))?.focus();
}

/** Replaces the children of a region; the keyboard stays where it was. */
function refill(region, ...children) {
  const active = region.contains(document.activeElement) && placeOf(document.activeElement);
  fill(region, children);
  if (active) focusAt(region, active);
}

/** A dialog after which the keyboard is where it was, although the view may have been redrawn. */
export async function ask(title, build) {
  const before = placeOf(document.activeElement);
  const answer = await dialog(title, build, { class: 'admin-dialog wide' });
  if (document.activeElement === document.body) setTimeout(() => focusAt(document, before));
  return answer;
}

/**
 * A region that shows `render(await read())` and follows the given kinds of news. It is redrawn
 * only when what was read has changed. Gives `{region, refresh, redraw, end}`.
 */
export function live(read, render, kinds = ['control']) {
  const region = h('div', { 'aria-busy': 'true' }, hint('Reading…'));
  let [busy, again, ended] = [false, false, false];
  let shown;
  let data;
  const redraw = () => { if (shown) refill(region, render(data)); };
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const now = await read();
      const text = JSON.stringify(now);
      if (!ended && text !== shown) {
        [data, shown] = [now, text];
        redraw();
      }
    } catch (problem) {
      // What is shown is better than nothing while the node is away; the page says that it is.
      if (!ended && !(problem.status === 0 && shown)) {
        shown = '';
        refill(region, problemBox(problem), button('Try again', refresh));
      }
    }
    region.removeAttribute('aria-busy');
    busy = false;
    if (again && !ended) { again = false; refresh(); }
  }
  const listening = [...kinds, 'reset', 'changed-here'].map((kind) => events.on(kind, refresh));
  listening.push(events.on('connection', (state) => state === 'open' && refresh()));
  refresh();
  return { region, refresh, redraw, end: () => { ended = true; for (const stop of listening) stop(); } };
}

export const heading = (title, ...actions) => h('header', { class: 'admin-head' }, h('h1', { tabindex: '-1' }, title), h('div', { class: 'admin-actions' }, actions));
export const section = (title, ...content) => h('section', null, h('h2', null, title), content);

/** A table: `rows` are `{key, cells, class}`. On a narrow screen each cell shows its heading beside it. */
export function table(caption, columns, rows, empty) {
  if (!rows.length) return hint(empty);
  const cell = (content, at) => h(at ? 'td' : 'th', { 'data-label': columns[at], scope: at ? null : 'row' }, content);
  return h('table', { class: 'admin-table', 'aria-label': caption },
    h('thead', null, h('tr', null, columns.map((column) => h('th', { scope: 'col' }, column || h('span', { class: 'visually-hidden' }, 'Actions'))))),
    h('tbody', null, rows.map((row) => h('tr', { 'data-row': row.key, class: row.class }, row.cells.map(cell)))));
}

/** A list of things, the first ones shown, the rest on demand. */
export function several(things, shown = 12) {
  const list = (from, to) => things.slice(from, to).map((thing, at) => [at > 0 && ', ', thing]);
  return [list(0, shown), things.length > shown && [' ',
    h('details', { class: 'admin-more' }, h('summary', null, `and ${things.length - shown} more`), ' ', list(shown))]];
}

export function filterField(label, value, changed) {
  return h('input', { type: 'search', placeholder: label, 'aria-label': label, value,
    spellcheck: 'false', on: { input: (event) => changed(event.target.value.trim().toLowerCase()) } });
}

export function choice(label, options, value, changed) {
  return h('select', { 'aria-label': label, on: { change: (event) => changed(event.target.value) } },
    options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
}

/**
 * A list of things that are in use or not, to filter. `states` are the options of the choice (`all`
 * shows all); `text(thing)` is what is searched, `row(thing, data)` a row of the table.
 */
export function listView(place, { title, about, noun, label, states, read, list, text, row, columns, kept, empty }) {
  const body = (data) => {
    const all = list(data).filter((thing) => kept.which === 'all' || thing.active === (kept.which === 'active'));
    const fits = all.filter((thing) => text(thing).toLowerCase().includes(kept.filter));
    return [hint(fits.length < all.length && `${fits.length} of `, count(all.length, noun)),
      table(title, columns, fits.map((thing) => row(thing, data)), all.length ? `No ${noun} fits.` : empty)];
  };
  const view = live(read, body);
  append(place, heading(title), about && hint(about), h('div', { class: 'admin-tools' },
    filterField(label, kept.filter, (typed) => { kept.filter = typed; view.redraw(); }),
    choice('Show', states, kept.which, (key) => { kept.which = key; view.redraw(); })), view.region);
  return view.end;
}

/** A word as a shell reads it. */
export const shellWord = (word) => /^[\w.:@%+,/=-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
