// What several dialogs ask for: a name, an id, people, units.

import { h, fill } from '../dom.js';
import { name, plain } from '../text.js';
import { directory, filterField, hint, quiet } from './core.js';
import { change } from './change.js';

let fields = 0;

/** A labelled line of text. Gives `{node, text()}`. */
export function textField(label, about, value, update, event = 'input') {
  const id = `admin-text-${++fields}`;
  const input = h('input', { type: 'text', id, autocomplete: 'off', spellcheck: 'false', value, on: { [event]: update } });
  return { input, node: h('div', { class: 'field' }, h('label', { for: id }, label), input, about && hint(about)), text: () => input.value.trim() };
}

/** The id where an admin's authority was still good, for stolen keys. */
export function lastGoodField(update) {
  const field = textField('Last signed change that still counts, by id', 'The Audit shows the ids. Empty: all that this node knows goes on counting.', '', update, 'change');
  return { text: field.text, node: h('details', { class: 'field' }, h('summary', null, 'If an admin’s key was stolen'), field.node) };
}

/** Changes one text, such as a name, where nobody loses anything. `body(text)` is what is sent. */
export function textChange({ label = 'Name', about = '1 to 64 characters, without / and :', value = '', optional = false, body, ...what }) {
  let field;
  return change({
    yes: 'Ok', preview: false, ...what,
    fields: (update) => { field = textField(label, about, value, update); return field.node; },
    changes: () => field && field.text() !== value && (optional || field.text()) ? [body(field.text())] : [],
  });
}

/**
 * A searchable list with check boxes. `options`: `{value, label, word, id}`; `changed()` is called
 * after each choice. Gives `{node, chosen()}`: the values.
 */
export function pick({ legend, options, changed, chosen = [], empty = 'There is nothing to choose from.' }) {
  const picked = new Set(chosen);
  const list = h('div', { class: 'admin-pick-list' });
  const summary = h('p', { class: 'hint', role: 'status' });
  function say() {
    const some = options.filter((option) => picked.has(option.value)).map((option) => plain(option.label));
    summary.textContent = `Chosen: ${some.join(', ') || 'none'}`;
  }
  function toggle(option, on) {
    if (on) picked.add(option.value); else picked.delete(option.value);
    say();
    changed?.();
  }
  function draw(text) {
    const fits = options.filter((option) => option.label.toLowerCase().includes(text));
    fill(list, fits.map((option) => h('label', { class: 'admin-pick' },
      h('input', { type: 'checkbox', checked: picked.has(option.value), on: { change: (event) => toggle(option, event.target.checked) } }),
      h('span', null, quiet(option.word, ' '), name({ id: option.id, name: option.label })))),
    !fits.length && hint(options.length ? 'Nothing fits.' : empty));
  }
  draw('');
  say();
  return { chosen: () => [...picked],
    node: h('fieldset', null, h('legend', null, legend), options.length > 6 && filterField('Search', '', draw), list, options.length > 0 && summary) };
}

/** Units as options; `fits(label)` chooses among them. */
export const unitOptions = async (fits = () => true) => (await directory()).units.filter((unit) => fits(unit.unit))
  .map(({ unit, path, word, id }) => ({ value: unit, label: path, word, id }));

/** Agents who may act as options; the value is the id. */
export const agentOptions = async (except = []) => (await directory()).agents.filter((agent) => agent.active && !except.includes(agent.id))
  .map((agent) => ({ value: agent.id, label: agent.name, word: 'Agent', id: agent.id }));
