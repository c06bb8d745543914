// Text of others, made safe to look at: nothing in it reorders, hides or runs.

import { h } from './dom.js';

// Characters that act on the text around them, or cannot be seen: shown by their number.
// Zero-width joiners stay: emoji and several scripts need them, inside a message they harm nobody.
const ACTS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0001}-\u{e007f}]/gu;
// In names they could make two names look alike.
const ACTS_IN_NAMES = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe00-\ufe0e\ufeff\ufff9-\ufffb\u{e0001}-\u{e007f}\u{e0100}-\u{e01ef}]/gu;
const LINK = /\bhttps?:\/\/[^\s<>"'`\u0000-\u0020]+/giu;

function number(char) {
  return `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The pieces of a text, with each character that acts replaced by a box with its number. */
function shown(text, acts) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(acts)) {
    parts.push(text.slice(from, match.index));
    parts.push(h('span', { class: 'acting', title: 'A character that cannot be seen' }, number(match[0])));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

export function plain(text) {
  return text.replace(ACTS_IN_NAMES, number);
}

let notes = new Map();

/** Takes the list of names that deceive, from `/v1/marks`. */
export function setMarks(marks) {
  notes = new Map(marks.map((mark) => [mark.id, mark.note]));
}

/** What is suspicious about the name of this id, or undefined. */
export const noteOf = (id) => notes.get(id);

/** A name that others chose; `note` overrides what is known about its id. */
export function name(named, note = notes.get(named.id)) {
  const text = named.name ?? '';
  return h('span', { class: 'name' }, h('bdi', null, shown(text, ACTS_IN_NAMES)),
    note && h('span', { class: 'deceives', title: note, role: 'note' }, ` ${note}`));
}

/** The text of a message: with links, nothing else. */
export function body(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    // What ends a sentence is not part of the link.
    let url = match[0].replace(/[.,;:!?]+$/u, '');
    while (url.endsWith(')') && !url.includes('(')) url = url.slice(0, -1);
    const link = safeLink(url);
    if (!link) continue;
    parts.push(shown(text.slice(from, match.index), ACTS), link);
    from = match.index + url.length;
  }
  parts.push(shown(text.slice(from), ACTS));
  return h('div', { class: 'text', dir: 'auto' }, parts);
}

function safeLink(text) {
  // A host that only looks like another is shown as what it is: browsers turn it into its ASCII form.
  let url;
  try { url = new URL(text); } catch { return null; }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  const differs = !text.toLowerCase().startsWith(`${url.protocol}//${url.host}`.toLowerCase());
  return h('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer', referrerpolicy: 'no-referrer', title: url.href },
    shown(text, ACTS_IN_NAMES), differs && h('span', { class: 'deceives' }, ` goes to ${url.host}`));
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export const shortTime = (time) => clock.format(new Date(time));
export const fullTime = (time) => full.format(new Date(time));
/** The day, here: equal for times of one day. */
export const dayKey = (time) => new Date(time).toDateString();

export function dayName(time) {
  const date = new Date(time);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return 'Today';
  if (date.toDateString() === yesterday.toDateString()) return 'Yesterday';
  return day.format(date);
}

/** `1 message`, `2 messages`. */
export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
