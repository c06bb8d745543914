// New: an Instant Message to one or several agents, present or not.

import { post } from './api.js';
import { dialog, h } from './dom.js';
import { okForm } from './okform.js';
import { agentPicker } from './picker.js';
import { go } from './router.js';
import { load, state } from './state.js';

const OTHERS_MAX = 31;

/** Asks with whom and opens the conversation. */
export async function newInstant() {
  const instant = await dialog('New Instant Message', (close) => form(close), { class: 'new-instant' });
  if (!instant) return;
  await load.instants();
  go('im', instant.id);
}

function form(close) {
  const picker = agentPicker({
    exclude: (agent) => agent.id === state.status?.agent?.id,
    mark: (agent) => (state.present.has(agent.id) ? 'present' : 'not present: gets it on return'),
    onChange: () => ask.check(),
  });
  const ask = okForm(close, {
    content: [h('p', { class: 'hint' }, 'Nothing is sent to anybody before your first message. No admin is needed.'), picker.node],
    reason: () => (!picker.value().length ? 'Choose one agent or several.' : picker.value().length > OTHERS_MAX ? `At most ${OTHERS_MAX} others.` : ''),
    send: () => post('/v1/instants', { agents: picker.value() }),
  });
  return ask.node;
}
