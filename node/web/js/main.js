// Starts the page and shows the view that the address names.

import { events } from './api.js';
import { button, fill, h, icon, problemBox } from './dom.js';
import { loadDrafts } from './drafts.js';
import { drawJoining } from './joining.js';
import { listenToKeys } from './keys.js';
import { newInstant } from './newinstant.js';
import { newRoom } from './newroom.js';
import { followNotifications, forget } from './notify.js';
import { showRoom } from './room.js';
import { go, link, parse, start } from './router.js';
import { applyTheme, showSettings } from './settings.js';
import { shell } from './shell.js';
import { followState, loadAll, may, onState, placeOf, state } from './state.js';

const app = document.getElementById('app');
let route = parse(location.hash);
const current = () => (route.view === 'room' || route.view === 'im' ? route.id : null);

let frame = null;
// What is on screen: `key` says which view, `end` ends it, `update` takes a new route to the same.
let view = { key: null };

function showHome(place) {
  fill(place, h('div', { class: 'home' }, h('h1', { tabindex: '-1' }, 'Conclave'),
    h('p', null, state.rooms.length ? 'Choose a room on the left.' : 'No room is open to you yet. When an admin lets you in to one, it appears here by itself.'),
    may('rooms') && h('p', null, button([icon('add'), 'New Chat Room'], () => newRoom())),
    h('p', { class: 'hint' }, 'Press ? for the keys.')));
  return {};
}

function showAdmin(place) {
  let tidy = null;
  let ended = false;
  const load = import('./admin/index.js');
  const show = (to) => load.then(({ show: draw }) => {
    if (ended) return;
    tidy?.();
    tidy = draw(place, to);
  }).catch((problem) => fill(place, problemBox({ message: 'The admin pages could not be shown.', hint: String(problem.message ?? problem) })));
  show(route);
  return { update: show, end: () => { ended = true; tidy?.(); } };
}

function showRoute(next) {
  route = next;
  if (!frame) return;
  document.body.dataset.pane = route.view === 'home' ? 'tree' : 'main';
  const key = route.view === 'room' || route.view === 'im' ? `${route.view}/${route.id}` : route.view;
  frame.tree.draw();
  if (key === view.key && view.update) { view.update(route); return; }
  view.end?.();
  const before = view.key?.split('/')[1];
  const views = { room: showRoom, im: showRoom, settings: showSettings, admin: showAdmin };
  frame.main.className = `main main-${route.view}`;
  view = { key, ...(views[route.view] ?? showHome)(frame.main, route) };
  frame.tree.reveal();
  if (route.view === 'home' && before) frame.tree.focus(before);
  if (current()) forget(current());
}

function drawFrame() {
  if (!state.status?.member) {
    if (state.status) { view.end?.(); view = { key: null }; frame = null; drawJoining(app); }
    return;
  }
  if (frame) return;
  frame = shell(current);
  fill(app, frame.node);
  showRoute(route);
}

function step(by, onlyUnread) {
  const order = frame.tree.order().filter((id) => !onlyUnread || id === current() || placeOf(id)?.unread > 0);
  if (!order.length) return;
  const at = order.indexOf(current());
  const to = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : (at + by + order.length) % order.length];
  go(state.instants.some((instant) => instant.id === to) ? 'im' : 'room', to);
}

const inFrame = (act) => (...args) => { if (frame) act(...args); };

applyTheme();
listenToKeys({
  step: inFrame(step),
  tab: inFrame((n) => { if (current()) document.querySelectorAll('[role=tab]')[n]?.click(); }),
  escape: inFrame(() => { document.querySelector('.composer textarea')?.focus(); }),
  filter: inFrame(() => { if (document.body.dataset.pane === 'main' && innerWidth <= 720) go(); frame.tree.filter.focus(); }),
  newRoom: inFrame(() => { if (may('rooms')) newRoom(); }),
  newInstant: inFrame(() => newInstant()),
  rooms: inFrame(() => document.querySelector('.branch-rooms .twig')?.focus()),
  instants: inFrame(() => document.querySelector('.branch-instants .twig')?.focus()),
  settings: inFrame(() => go('settings')),
  admin: inFrame(() => { if (state.status.admin) location.hash = link('admin', 'units'); }),
});
followState();
followNotifications(current);
onState(drawFrame);
start(showRoute);
events.start();
loadAll().then(() => {
  loadDrafts();
  if (frame && route.view === 'home') showRoute(route);
  if (!state.status) fill(app, problemBox({ message: 'The node does not answer.', hint: 'Start it with `conclave up`; this page goes on by itself.' }));
});
