// Whom a permission names: `department:Support`, `group:Support/Front Line`, `role:Manager`, `agent:bob`.

import { h } from './dom.js';
import { name, plain } from './text.js';

const KINDS = { department: 'Department', group: 'Group', role: 'Role', agent: 'Agent' };

/** `group:Support/Front Line` as `{kind: 'group', word: 'Group', name: 'Support/Front Line'}`. */
export function principalParts(principal) {
  const colon = principal.indexOf(':');
  const kind = principal.slice(0, colon);
  return { kind, word: KINDS[kind] ?? kind, name: principal.slice(colon + 1) };
}

/** In words, for labels: `Group Support/Front Line`. */
export function principalWords(principal) {
  const parts = principalParts(principal);
  if (principal === 'role:Agent') return 'Role Agent (everybody)';
  return `${parts.word} ${plain(parts.name)}`;
}

/** As a small box to look at. */
export function principalChip(principal, id) {
  const parts = principalParts(principal);
  return h('span', { class: 'chip plain' },
    h('span', { class: 'chip-kind' }, parts.word, ' '),
    principal === 'role:Agent' ? 'Agent (everybody)' : name({ id, name: parts.name }));
}
