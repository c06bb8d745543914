// Choosing people: permissions (Departments, Groups, Roles, agents) and agents alone.

import { get } from './api.js';
import { button, fill, h, icon } from './dom.js';
import { principalParts, principalWords } from './principal.js';
import { count, name } from './text.js';

const SHOWN_MAX = 60;
const GROUPS = [['department', 'Departments'], ['group', 'Groups'], ['role', 'Roles'], ['agent', 'Agents']];
let pickers = 0;

const findPrincipals = async (text) => (await get('/v1/principals', { text })).principals;

/**
 * A list of chosen entries with an X each, and a searchable list to add more.
 * `find(text)` gives entries `{key, label (text), kind, name, id, detail}`.
 */
function picker({ find, onChange, addLabel, searchLabel, empty, opened }) {
  const id = `picker-${++pickers}`;
  const chosen = new Map();
  const chips = h('ul', { class: 'chips', 'aria-label': 'Chosen' });
  const list = h('ul', { class: 'options', role: 'listbox', id: `${id}-list`, 'aria-label': searchLabel });
  const message = h('p', { class: 'hint picker-message', role: 'status' });
  const input = h('input', {
    type: 'text', role: 'combobox', 'aria-label': searchLabel, placeholder: searchLabel, autocomplete: 'off', spellcheck: 'false',
    'aria-expanded': 'true', 'aria-controls': `${id}-list`, 'aria-autocomplete': 'list',
    on: { input: () => search(), keydown: keys },
  });
  const panel = h('div', { class: 'picker-panel', hidden: !opened }, input, list, message);
  const add = button([icon('add'), addLabel], () => show(panel.hidden), { class: 'add', 'aria-expanded': String(Boolean(opened)) });
  const node = h('div', { class: 'picker' }, chips, !opened && add, panel);
  let entries = [];
  let active = -1;
  let asked = 0;

  function show(open) {
    panel.hidden = !open;
    add.setAttribute('aria-expanded', String(open));
    if (open) { input.focus(); search(); } else add.focus();
  }

  async function search() {
    const turn = ++asked;
    let found;
    try {
      found = await find(input.value.trim());
    } catch (problem) {
      if (turn === asked) message.textContent = problem.message;
      return;
    }
    if (turn !== asked) return;
    entries = found.filter((entry) => !chosen.has(entry.key));
    const more = entries.length - SHOWN_MAX;
    entries = entries.slice(0, SHOWN_MAX);
    active = input.value.trim() && entries.length ? 0 : -1;
    draw();
    message.textContent = more > 0 ? `${more.toLocaleString()} more match: write more of the name.`
      : entries.length ? '' : found.length ? 'All that match are chosen already.' : 'Nothing has such a name.';
  }

  function draw() {
    let kind;
    fill(list, entries.map((entry, index) => {
      const heading = entry.kind !== kind && h('li', { class: 'options-kind', role: 'presentation' }, GROUPS.find(([k]) => k === entry.kind)?.[1]);
      kind = entry.kind;
      return [heading, h('li', {
        role: 'option', id: `${id}-${index}`, 'aria-selected': String(index === active), class: index === active ? 'active' : null,
        'aria-label': `${entry.label}${entry.detail ? `, ${entry.detail}` : ''}`,
        // Pressing must not take the focus from the search box.
        on: { mousedown: (event) => event.preventDefault(), click: () => take(entry) },
      }, name(entry), entry.detail && h('span', { class: 'quiet-text' }, ` ${entry.detail}`))];
    }));
    if (active >= 0) {
      input.setAttribute('aria-activedescendant', `${id}-${active}`);
      document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' });
    } else input.removeAttribute('aria-activedescendant');
  }

  function keys(event) {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      if (entries.length) active = (active + step + entries.length) % entries.length;
      draw();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (entries[active]) take(entries[active]);
    } else if (event.key === 'Escape' && !opened && !panel.hidden) {
      // Only the list is closed, not the dialog around it.
      event.preventDefault();
      event.stopPropagation();
      show(false);
    } else if (event.key === 'Backspace' && !input.value && chosen.size) {
      drop([...chosen.keys()].at(-1));
    }
  }

  function take(entry) {
    chosen.set(entry.key, entry);
    input.value = '';
    changed();
    search();
  }

  function drop(key) {
    chosen.delete(key);
    changed();
    if (!panel.hidden) { input.focus(); search(); } else add.focus();
  }

  function changed() {
    drawChips();
    onChange?.([...chosen.keys()]);
  }

  function drawChips() {
    fill(chips, [...chosen.values()].map((entry) => h('li', { class: 'chip' },
      entry.word && h('span', { class: 'chip-kind' }, `${entry.word} `), name(entry),
      button(icon('close'), () => drop(entry.key), { class: 'quiet', label: `Remove ${entry.label}` }))),
    !chosen.size && empty && h('li', { class: 'hint' }, empty));
  }

  drawChips();
  if (opened) search();
  return {
    node,
    input,
    value: () => [...chosen.keys()],
    focus: () => (opened ? input.focus() : show(true)),
  };
}

function entryOf(found) {
  const parts = principalParts(found.principal);
  const members = found.kind === 'agent' || found.members === undefined ? '' : count(found.members, 'agent');
  return { key: found.principal, kind: found.kind, word: parts.word, id: found.id, name: parts.name, label: principalWords(found.principal),
    detail: found.principal === 'role:Agent' ? `everybody: ${members}` : members };
}

/** Departments, Groups, Roles, agents, mixed: `{node, value(), focus()}`, with values such as `role:Manager`. */
export function permissionPicker({ onChange } = {}) {
  return picker({
    onChange, addLabel: 'Add Permission', searchLabel: 'Search Departments, Groups, Roles, agents',
    empty: 'Nobody yet.',
    find: async (text) => sorted((await findPrincipals(text)).map(entryOf)),
  });
}

/** Agents, by id. `exclude(agent)` leaves some out; `mark(agent)` gives a word beside a name. */
export function agentPicker({ onChange, exclude, mark } = {}) {
  return picker({
    onChange, opened: true, searchLabel: 'Search agents',
    find: async (text) => (await findPrincipals(text))
      .filter((found) => found.kind === 'agent' && !exclude?.(found))
      .map((found) => ({ key: found.id, kind: 'agent', id: found.id, name: found.name, label: found.name, detail: mark?.(found) })),
  });
}

function sorted(entries) {
  const rank = (entry) => GROUPS.findIndex(([kind]) => kind === entry.kind);
  return entries.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}
