// New: an Instant Message to one or several agents, present or not.

import { post } from './api.js';
import { button, dialog, fill, h, problemBox } from './dom.js';
import { agentPicker } from './picker.js';
import { go } from './router.js';
import { load, state } from './state.js';
import { count } from './text.js';

const OTHERS_MAX = 31;

/** Asks with whom and opens the conversation. */
export async function newInstant() {
  const instant = await dialog('New Instant Message', (close) => form(close), { class: 'new-instant' });
  if (!instant) return;
  await load.instants();
  go('im', instant.id);
}

function form(close) {
  const why = h('span', { class: 'hint', role: 'status' });
  const ok = h('button', { type: 'submit', class: 'primary' }, 'Ok');
  const problems = h('div');
  const picker = agentPicker({
    label: 'Search agents',
    exclude: (agent) => agent.id === state.status?.agent?.id,
    mark: (agent) => (state.present.has(agent.id) ? 'present' : 'not present: gets it on return'),
    onChange: check,
  });

  function check(chosen = []) {
    const text = !chosen.length ? 'Choose one agent or several.'
      : chosen.length > OTHERS_MAX ? `At most ${OTHERS_MAX} others.` : '';
    why.textContent = text || count(chosen.length, 'agent');
    ok.disabled = Boolean(text);
  }

  async function submit(event) {
    event.preventDefault();
    if (ok.disabled) return;
    ok.disabled = true;
    fill(problems);
    try {
      close(await post('/v1/instants', { agents: picker.value() }));
    } catch (problem) {
      fill(problems, problemBox(problem));
      ok.disabled = false;
    }
  }

  check();
  return h('form', { on: { submit } },
    h('div', { class: 'dialog-body' },
      h('p', { class: 'hint' }, 'Nothing is sent to anybody before your first message. No admin is needed.'),
      picker.node, problems),
    h('footer', null, why, button('Cancel', () => close(undefined)), ok));
}
