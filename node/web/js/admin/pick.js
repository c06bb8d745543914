// Choosing units, agents or rooms from a list that can be searched.

import { h, fill } from '../dom.js';
import { name, count, noteOf } from '../text.js';
import { KIND_WORDS, directory } from './core.js';

let pickers = 0;

/**
 * A searchable list with check boxes, or with `single` one choice. `options`: `{value, label, kind,
 * id, aside}`; `changed()` is called after each choice. Gives `{node, chosen()}`: the values.
 */
export function pick({ legend, options, changed, single = false, chosen = [], empty = 'There is nothing to choose from.' }) {
  const picked = new Set(chosen);
  const group = `pick-${++pickers}`;
  const list = h('div', { class: 'admin-pick-list' });
  const summary = h('p', { class: 'hint', role: 'status' });
  let text = '';
  function toggle(option, on) {
    if (single) picked.clear();
    if (on) picked.add(option.value); else picked.delete(option.value);
    say();
    changed?.();
  }
  function say() {
    const some = options.filter((option) => picked.has(option.value)).map((option) => option.label);
    fill(summary, some.length ? `${count(some.length, 'chosen', 'chosen')}: ${some.join(', ')}` : 'None chosen.');
  }
  function draw() {
    const fits = options.filter((option) => `${option.kind ?? ''} ${option.label}`.toLowerCase().includes(text));
    fill(list, fits.map((option) => h('label', { class: 'admin-pick' },
      h('input', { type: single ? 'radio' : 'checkbox', name: group, checked: picked.has(option.value),
        on: { change: (event) => toggle(option, event.target.checked) } }),
      h('span', null, option.kind && h('span', { class: 'quiet-text' }, `${KIND_WORDS[option.kind]} `),
        name({ id: option.id, name: option.label }, noteOf(option.id)), option.aside && h('span', { class: 'quiet-text' }, ` ${option.aside}`)))),
    !fits.length && h('p', { class: 'hint' }, options.length ? 'Nothing fits.' : empty));
  }
  draw();
  say();
  const search = options.length > 6 && h('input', { type: 'search', placeholder: 'Search', 'aria-label': `Search: ${legend}`,
    on: { input: (event) => { text = event.target.value.trim().toLowerCase(); draw(); },
      keydown: (event) => { if (event.key === 'Enter') event.preventDefault(); } } });
  const node = h('fieldset', { class: 'admin-fieldset' }, h('legend', null, legend), search, list, !single && options.length > 0 && summary);
  return { node, chosen: () => [...picked] };
}

/** Units as options, without those in `except` (full names). */
export async function unitOptions(except = [], fits = () => true) {
  const { units } = await directory();
  return units.filter((unit) => !except.includes(unit.unit) && fits(unit.unit))
    .map((unit) => ({ value: unit.unit, label: unit.path, kind: unit.kind, id: unit.id }));
}

/** Agents who may act as options; the value is the id. */
export async function agentOptions(except = []) {
  const { agents } = await directory();
  return agents.filter((agent) => agent.active && !except.includes(agent.id))
    .map((agent) => ({ value: agent.id, label: agent.name, kind: 'agent', id: agent.id }));
}
