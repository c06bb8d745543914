// Devices that ask to be let in: compare the safety code, choose units, let them in.

import { get, post } from '../api.js';
import { h, button, icon } from '../dom.js';
import { name, plain, count } from '../text.js';
import { heading, hint, live, quiet, shortId } from './core.js';
import { change } from './change.js';
import { pick, unitOptions } from './forms.js';

/** Shows the view. */
export function show(place) {
  const view = live(async () => (await get('/v1/agent-requests')).requests, body, ['join_requests', 'control']);
  place.append(heading('Requests'),
    hint('Computers that ask to be let in. Compare the safety code with the newcomer, by phone or in person: it proves that nobody stands between your two computers.'),
    view.region);
  const ticking = setInterval(() => tick(place), 1000);
  return () => { clearInterval(ticking); view.end(); };
}

function body(requests) {
  if (!requests.length) return h('p', { class: 'admin-empty' }, 'Nobody asks to be let in. A newcomer runs ', h('code', null, 'conclave join --as NAME'), '; the request then appears here by itself.');
  return h('ul', { class: 'admin-requests' }, requests.map((request) => h('li', { 'data-row': request.device, class: 'admin-card' },
    h('div', null, h('h2', null, name(request, request.name_note)), h('p', { class: 'quiet-text' }, 'Device ', shortId(request.device), '. ', left(request.expires)), doubts(request)),
    h('div', { class: 'admin-code-box' }, quiet('Safety code'), h('span', { class: 'admin-code' }, plain(request.code))),
    h('div', { class: 'admin-actions' }, button([icon('check'), 'Let in'], () => letIn(request), { class: 'primary', 'aria-label': `Let ${plain(request.name)} in` })))));
}

const doubts = (request) => [
  request.name_taken && h('p', { class: 'notice' }, 'An agent of this name exists already. The newcomer would be shown with a suffix. If this is a second device of the same person, they confirm it on their first one.'),
  request.name_note && h('p', { class: 'notice' }, `Look at the name twice: ${request.name_note}.`),
];

const left = (expires) => h('span', { class: 'admin-left', data: { expires } }, remaining(expires));

function remaining(expires) {
  const seconds = Math.round((new Date(expires) - Date.now()) / 1000);
  if (seconds <= 0) return 'Lapsed; a new one comes with a new code.';
  return seconds >= 60 ? `Lapses in ${count(Math.ceil(seconds / 60), 'minute')}.` : `Lapses in ${count(seconds, 'second')}.`;
}

function tick(place) {
  for (const node of place.querySelectorAll('.admin-left')) {
    const text = remaining(node.dataset.expires);
    if (node.textContent !== text) node.textContent = text;
  }
}

/** Only letters and digits count; case does not. */
const letters = (code) => code.toUpperCase().replace(/[^A-Z0-9]/gu, '');

async function letIn(request) {
  const options = await unitOptions();
  const who = plain(request.name);
  let picker;
  let input;
  const verdict = h('p', { class: 'hint', id: 'code-verdict', role: 'status' });
  const whole = letters(request.code);
  const compare = (update) => {
    const typed = letters(input.value);
    const differs = !whole.startsWith(typed);
    input.setAttribute('aria-invalid', String(differs));
    verdict.className = differs ? 'loses' : typed === whole ? 'gains' : 'hint';
    verdict.textContent = differs
      ? 'The codes differ. If it was not a slip of the pen, don’t let this computer in: somebody may stand between you.'
      : typed === whole ? 'The codes are the same.' : '';
    update();
  };
  return change({
    title: `Let ${who} in`, yes: `Let ${who} in`, preview: false,
    intro: [doubts(request), h('div', { class: 'admin-code-box' }, quiet('This computer shows'), h('span', { class: 'admin-code' }, plain(request.code)))],
    fields: (update) => {
      input = h('input', { type: 'text', id: 'safety-code', class: 'admin-code-input', placeholder: 'XXXX-XXXX', maxlength: '16', autocomplete: 'off', spellcheck: 'false',
        autofocus: true, 'aria-describedby': 'code-verdict', on: { input: () => compare(update) } });
      picker = pick({ legend: `Units to put ${who} into`, options, empty: 'There are no units yet.' });
      return [h('div', { class: 'field' }, h('label', { for: 'safety-code' }, `Type the code on ${who}’s screen, as ${who} reads it to you`), input, verdict), picker.node];
    },
    changes: () => input && letters(input.value) === whole ? [{ name: request.device, code: input.value.trim(), units: picker.chosen() }] : [],
    send: (approval) => post('/v1/agent-requests/approve', approval),
    done: ([answer]) => ['Let ', name(answer.agent), ' in', answer.units.length ? `: ${answer.units.map(plain).join(', ')}.` : ', in no unit yet.'],
  });
}
