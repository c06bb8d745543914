// The frame around every view: the tree with one's own name above and the connection below.

import { events } from './api.js';
import { button, fill, h, icon, problemBox } from './dom.js';
import { CONNECTION_CHECK_MS, connectionState } from './connection.js';
import { showHelp } from './keys.js';
import { link } from './router.js';
import { onState, state } from './state.js';
import { name } from './text.js';
import { tree } from './tree.js';

/** Builds the frame. `current()` gives the id of the room that is open. Gives `{node, main, tree}`. */
export function shell(current) {
  const main = h('main', { id: 'main', class: 'main' });
  const company = h('div', { class: 'company' });
  const own = h('div', { class: 'self quiet-text' });
  const connection = h('div', { class: 'connection', role: 'status' });
  const banner = h('div', { class: 'banner', hidden: true });
  const admin = h('a', { class: 'button quiet', href: link('admin', 'units'), hidden: true }, 'Admin');
  const part = tree(current);
  const side = h('nav', { class: 'side', 'aria-label': 'Rooms and instant messages' },
    h('header', { class: 'side-head' }, h('div', { class: 'who' }, company, own),
      h('a', { class: 'button quiet', href: link('settings'), 'aria-label': 'Settings', title: 'Settings' }, icon('settings')),
      button('?', showHelp, { label: 'Help: keys', class: 'quiet' })),
    part.node,
    h('footer', { class: 'side-foot' }, connection, admin));
  const node = h('div', { class: 'frame' }, side, h('div', { class: 'stage' }, banner, main));

  let drawn = '';
  function draw() {
    const { status } = state;
    const now = connectionState();
    const alarms = status?.alarms.length ?? 0;
    const signature = JSON.stringify([now, status?.company, status?.agent, status?.admin, alarms]);
    if (signature === drawn) return;
    drawn = signature;
    fill(company, status?.company ? name(status.company) : 'Conclave');
    fill(own, status?.agent && name(status.agent));
    fill(connection, h('span', { class: `light ${now.kind}`, 'aria-hidden': 'true' }), now.words);
    admin.hidden = !status?.admin;
    fill(admin, 'Admin', alarms > 0 && h('span', { class: 'badge bad', 'aria-label': `${alarms} alarms` }, alarms));
    banner.hidden = !now.help;
    fill(banner, now.help && problemBox({ message: now.words, hint: now.help }));
  }

  onState(draw);
  events.on('connection', (connection_) => { draw(); if (connection_ === 'lost') setTimeout(draw, CONNECTION_CHECK_MS); });
  draw();
  return { node, main, tree: part };
}
