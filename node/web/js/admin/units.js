// Departments with their Groups, and Roles: who is in them, New, rename, delete.

import { post } from '../api.js';
import { h, button, icon } from '../dom.js';
import { name, plain, count } from '../text.js';
import { allowed, directory, filterField, heading, hint, live, quiet, section, several, small, tag, toAgent, unitName } from './core.js';
import { change } from './change.js';
import { agentOptions, pick, textChange } from './forms.js';

const open = new Set();
let filter = '';

/** Shows the view. */
export function show(place, { me }) {
  const view = live(directory, (known) => body(known, me));
  place.append(heading('Departments, Groups and Roles',
    allowed(me, 'units') && !me.scope && [
      button([icon('add'), 'New Department'], () => newUnit('department')),
      button([icon('add'), 'New Role'], () => newUnit('role'))]),
  filterField('Filter units and people', filter, (text) => { filter = text; view.redraw(); }), view.region);
  return view.end;
}

/** Those in a unit directly. */
const directly = (known, unit) => known.agents.filter((agent) => agent.units.includes(unit.unit));

function body(known, me) {
  const fits = (unit) => unit.path.toLowerCase().includes(filter) || directly(known, unit).some((agent) => agent.name.toLowerCase().includes(filter));
  const ofKind = (kind) => known.units.filter((unit) => unit.kind === kind);
  // A Group stands under its Department: one that fits shows its Department too.
  const departments = ofKind('department').map((unit) => [unit, ofKind('group').filter((group) => group.path.startsWith(`${unit.path}/`) && fits(group))])
    .filter(([unit, groups]) => fits(unit) || groups.length);
  return [
    section(`Departments (${ofKind('department').length})`, h('ul', null, departments.map(([unit, groups]) => unitLine(known, unit, me, groups))),
      !departments.length && hint(filter ? 'No Department fits.' : 'There is no Department yet. Groups belong to one.')),
    section(`Roles (${ofKind('role').length})`, hint('Every agent holds the built-in role:Agent.'),
      h('ul', null, ofKind('role').filter(fits).map((unit) => unitLine(known, unit, me)))),
  ];
}

function unitLine(known, unit, me, groups = []) {
  const members = directly(known, unit);
  const through = unit.kind === 'department' ? known.agents.filter((agent) => !members.includes(agent) && agent.units.some((label) => label.startsWith(`group:${unit.path}/`))) : [];
  const can = allowed(me, 'units', unit.unit);
  const short = plain(unit.own);
  const member = (agent) => h('li', { 'data-row': unit.id + agent.id, class: 'chip' }, toAgent(agent), !agent.active && tag('dismissed'),
    can && button(icon('close'), () => takeOut(agent, unit), { class: 'quiet', label: `Remove ${plain(agent.name)} from ${short}` }));
  return h('li', { 'data-row': unit.id }, h('div', { class: 'admin-unit' },
    h('details', { open: open.has(unit.id), on: { toggle: (event) => event.target.open ? open.add(unit.id) : open.delete(unit.id) } },
      h('summary', null, h('b', null, name({ id: unit.id, name: unit.own })), quiet(` ${count(members.length + through.length, 'person', 'people')}`)),
      h('div', { class: 'admin-members' }, members.length ? h('ul', null, members.map(member)) : hint(through.length ? 'Nobody is in it directly.' : 'Nobody is in it.'),
        through.length > 0 && h('p', null, 'Through its Groups: ', several(through.map(toAgent))))),
    can && h('div', { class: 'admin-actions' }, small('Add people', () => addPeople(unit, members), `Add people to ${short}`),
      unit.kind === 'department' && small('New Group', () => newUnit('group', unit), `New Group in ${short}`),
      small('Rename', () => rename(unit), `Rename ${short}`), small('Delete', () => remove(unit, groups), `Delete ${short}`))),
  groups.length > 0 && h('ul', null, groups.map((group) => unitLine(known, group, me))));
}

function newUnit(kind, department) {
  return textChange({
    title: department ? `New Group in ${plain(department.path)}` : `New ${kind === 'role' ? 'Role' : 'Department'}`,
    body: (text) => ({ kind, name: text, department: department?.path }),
    send: (unit) => post('/v1/units', unit),
    done: ([unit]) => ['Made ', unitName(unit.unit), '.'],
  });
}

const rename = (unit) => textChange({
  title: `Rename ${plain(unit.path)}`, yes: 'Rename', label: 'New name', value: unit.own,
  body: (text) => ({ change: 'rename_unit', unit: unit.id, name: text }),
  done: ([answer]) => ['Renamed: it is now ', unitName(answer.unit?.unit ?? answer.subject), '.'],
});

const remove = (unit, groups) => change({
  title: `Delete ${unit.word} ${plain(unit.path)}`, yes: `Delete ${plain(unit.own)}`, danger: true,
  intro: h('p', null, groups.length > 0 && 'Its Groups are deleted with it. ', 'Rooms that are open to it keep the permission, which then matches nobody.'),
  changes: () => [{ change: 'delete_unit', unit: unit.id }],
  done: ['Deleted ', unitName(unit.unit), '.'],
});

async function addPeople(unit, members) {
  const options = await agentOptions(members.map((agent) => agent.id));
  let picker;
  return change({
    title: `Add people to ${plain(unit.path)}`, yes: 'Ok',
    fields: (update) => { picker = pick({ legend: 'People', options, changed: update, empty: 'Everybody is in it.' }); return picker.node; },
    changes: () => picker.chosen().map((agent) => ({ change: 'add_member', agent, unit: unit.id })),
    done: (answers) => [`Added ${count(answers.length, 'person', 'people')} to `, unitName(unit.unit), '.'],
  });
}

/** Takes an agent out of a unit, after saying what that means. */
export const takeOut = (agent, unit) => change({
  title: `Remove ${plain(agent.name)} from ${plain(unit.path)}`, yes: `Remove ${plain(agent.name)}`, danger: true,
  intro: unit.kind === 'department' && h('p', null, 'Whoever leaves a Department leaves its Groups too.'),
  changes: () => [{ change: 'remove_member', agent: agent.id, unit: unit.id }],
  done: ['Removed ', name(agent), ' from ', unitName(unit.unit), '.'],
});
