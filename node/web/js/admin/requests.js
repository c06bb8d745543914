// Devices that ask to be let in: compare the safety code, choose units, let them in.

import { get, post } from '../api.js';
import { h, announce, button, icon } from '../dom.js';
import { name, plain, count } from '../text.js';
import { heading, hint, live, quiet, shortId } from './core.js';
import { change } from './change.js';
import { pick, textField, unitOptions } from './forms.js';

/** Shows the view. */
export function show(place) {
  const view = live(async () => (await get('/v1/agent-requests')).requests, body, ['join_requests', 'control']);
  place.append(heading('Requests'),
    hint('Compare the safety code with the newcomer, by phone or in person: it proves that nobody stands between your two computers.'), view.region);
  const ticking = setInterval(() => { for (const node of place.querySelectorAll('[data-expires]')) node.textContent = remaining(node.dataset.expires); }, 1000);
  return () => { clearInterval(ticking); view.end(); };
}

const body = (requests) => requests.length ? h('ul', null, requests.map((request) => h('li', { 'data-row': request.device, class: 'admin-card' },
  h('div', null, h('h2', null, name(request, request.name_note)), h('p', null, quiet('Device ', shortId(request.device), '. ',
    h('span', { data: { expires: request.expires } }, remaining(request.expires)))), doubts(request)),
  code('Safety code', request), button([icon('check'), 'Let in'], () => letIn(request), { class: 'primary', 'aria-label': `Let in ${plain(request.name)}` }),
  button('Refuse', () => refuse(request), { class: 'danger', 'aria-label': `Refuse ${plain(request.name)}` }))))
  : hint('Nobody asks to be let in. A newcomer runs ', h('code', null, 'conclave join --as NAME'), '; the request then appears here by itself.');

const code = (title, request) => h('p', { class: 'admin-code' }, quiet(title), h('b', null, plain(request.code)));

const doubts = (request) => [
  request.name_taken && h('p', { class: 'notice' }, 'An agent of this name exists already. Ask the newcomer to join under another one.'),
  request.name_note && h('p', { class: 'notice' }, `Look at the name twice: ${request.name_note}`),
];

function remaining(expires) {
  const seconds = Math.round((new Date(expires) - Date.now()) / 1000);
  if (seconds <= 0) return 'Lapsed; the newcomer asks again with a new code.';
  return `Lapses in ${seconds >= 60 ? count(Math.ceil(seconds / 60), 'minute') : count(seconds, 'second')}.`;
}

const refuse = (request) => change({
  title: `Refuse ${plain(request.name)}`, yes: `Refuse ${plain(request.name)}`, danger: true, preview: false,
  intro: h('p', null, 'That device is told so and asks no more, unless its user runs ', h('code', null, 'conclave join'), ' again.'),
  changes: () => [{ name: request.device }],
  // Nothing of it reaches other devices: there is nothing to follow.
  send: async (refusal) => { await post('/v1/agent-requests/refuse', refusal); announce(`Refused ${plain(request.name)}.`); },
});

/** Only letters and digits count; case does not. */
const letters = (text) => text.toUpperCase().replace(/[^A-Z0-9]/gu, '');

/** The code has to be typed, so that nobody says yes without having asked for it. */
async function letIn(request) {
  const options = await unitOptions();
  const who = plain(request.name);
  const whole = letters(request.code);
  const verdict = h('p', { role: 'status' });
  let picker;
  let field;
  const compare = () => {
    const typed = letters(field.text());
    const differs = !whole.startsWith(typed);
    field.input.setAttribute('aria-invalid', String(differs));
    verdict.className = differs ? 'loses' : 'gains';
    verdict.textContent = differs ? 'The codes differ. If it was no slip, don’t let this computer in: somebody may stand between you.'
      : typed === whole ? 'The codes are the same.' : '';
  };
  return change({
    title: `Let ${who} in`, yes: `Let ${who} in`, preview: false, intro: [doubts(request), code('This computer shows', request)],
    fields: (update) => {
      field = textField(`Type the code on ${who}’s screen, as ${who} reads it to you`, '', '', () => { compare(); update(); });
      field.node.classList.add('admin-typed');
      field.node.append(verdict);
      picker = pick({ legend: `Units to put ${who} into`, options, empty: 'There are no units yet.' });
      return [field.node, picker.node];
    },
    changes: () => letters(field.text()) === whole ? [{ name: request.device, code: field.text(), units: picker.chosen() }] : [],
    send: (approval) => post('/v1/agent-requests/approve', approval),
    done: ([answer]) => ['Let ', name(answer.agent), ' in', answer.units.length ? `: ${answer.units.map(plain).join(', ')}.` : ', in no unit yet.'],
  });
}
