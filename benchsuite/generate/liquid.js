// Random Liquid templates from the language's grammar, with partials: anything goes.
//
// These are for the reference. liquidjs answers differently to many odd inputs; `liquid-tame.js` is for it.
import { NAMES, data } from './random.js'

const TEXTS = ['x', ' ', '\n', '  \n', 'text ', ' mid\n', '<b>', '\t', '- ', "it's", 'ü', '}', '{ ', '% ']

function path(r, scope) {
  const name = r.pick([...NAMES, ...scope, ...scope])
  const rest = () => r.weighted([
    [5, () => `.${r.pick(NAMES)}`],
    [1, () => `["${r.pick(NAMES)}"]`],
    [1, () => `[${r.pick(['0', '1', '-1', 'a', 'name'])}]`],
    [1, () => `.${r.pick(['size', 'first', 'last'])}`],
  ])
  return name + r.times(r.pick([0, 0, 0, 1, 1, 2]), rest).join('')
}

function literal(r) {
  return r.weighted([
    [4, () => r.pick(['"a"', "'name'", '""', '" "', "'x,y'", '"Tea"', '"%d.%m.%Y"'])],
    [4, () => r.pick(['0', '1', '2', '3', '-1', '10', '1.5', '-2.25', '100'])],
    [1, () => r.pick(['true', 'false', 'nil'])],
  ])
}

const operand = (r, scope) => (r.maybe(0.6) ? path(r, scope) : literal(r))

const text = r => r.pick(['"a"', '","', '" "', '""', '"tea"', 'name', '"-"', '"b"'])
const number = r => r.pick(['0', '1', '2', '3', '5', '-1', '2.5', '10', 'price', '0.1'])
const property = r => `"${r.pick(NAMES)}"`

const FILTERS = {
  abs: () => '', append: r => text(r), at_least: r => number(r), at_most: r => number(r), base64_encode: () => '',
  capitalize: () => '', ceil: () => '', compact: r => (r.maybe(0.2) ? property(r) : ''), concat: r => r.pick(['list', 'items', 'empty_list']),
  default: r => r.pick(['"d"', '0', 'a', '"d", allow_false: true']), divided_by: r => number(r), downcase: () => '',
  escape: () => '', escape_once: () => '', find: r => `${property(r)}, ${operand(r, [])}`, find_index: r => `${property(r)}, ${operand(r, [])}`,
  first: () => '', floor: () => '', has: r => `${property(r)}, ${operand(r, [])}`, join: r => (r.maybe(0.7) ? text(r) : ''), last: () => '',
  lstrip: () => '', map: r => property(r), minus: r => number(r), modulo: r => number(r), newline_to_br: () => '',
  plus: r => number(r), prepend: r => text(r), reject: r => (r.maybe(0.5) ? property(r) : `${property(r)}, ${operand(r, [])}`),
  remove: r => text(r), remove_first: r => text(r), remove_last: r => text(r), replace: r => `${text(r)}, ${text(r)}`,
  replace_first: r => `${text(r)}, ${text(r)}`, replace_last: r => `${text(r)}, ${text(r)}`, reverse: () => '',
  round: r => (r.maybe(0.5) ? r.pick(['0', '1', '2']) : ''), rstrip: () => '', size: () => '',
  slice: r => (r.maybe(0.5) ? r.pick(['0', '1', '-1', '-2']) : r.pick(['0, 2', '1, 1', '-3, 2', '1, 10'])),
  sort: r => (r.maybe(0.4) ? property(r) : ''), sort_natural: r => (r.maybe(0.4) ? property(r) : ''), split: r => text(r), strip: () => '',
  strip_html: () => '', strip_newlines: () => '', sum: r => (r.maybe(0.5) ? property(r) : ''), times: r => number(r),
  truncate: r => r.pick(['', '3', '5', '10', '5, ""', '4, "--"', '0']), truncatewords: r => r.pick(['', '1', '2', '1, ""', '2, "--"']),
  uniq: () => '', upcase: () => '', url_decode: () => '', url_encode: () => '',
  where: r => (r.maybe(0.5) ? property(r) : `${property(r)}, ${operand(r, [])}`),
  date: r => r.pick(['"%Y-%m-%d"', '"%d.%m.%y %H:%M"', '"%A, %B %-d"', '"%j %U"']),
}
const FILTER_NAMES = Object.keys(FILTERS)

function filters(r, most) {
  return r.times(r.below(most + 1), () => {
    const name = r.pick(FILTER_NAMES)
    const given = FILTERS[name](r)
    return ` | ${name}${given === '' ? '' : `: ${given}`}`
  }).join('')
}

const dash = r => (r.maybe(0.08) ? '-' : '')
const tag = (r, inner) => `{%${dash(r)} ${inner} ${dash(r)}%}`

function condition(r, scope) {
  const one = () => r.weighted([
    [3, () => path(r, scope)],
    [4, () => `${operand(r, scope)} ${r.pick(['==', '!=', '<', '>', '<=', '>=', 'contains', '<>'])} ${operand(r, scope)}`],
    [1, () => `${path(r, scope)} ${r.pick(['==', '!='])} ${r.pick(['empty', 'blank', 'nil'])}`],
  ])
  return r.times(r.pick([1, 1, 1, 2, 3]), one).reduce((all, next) => `${all} ${r.pick(['and', 'or'])} ${next}`)
}

function loop(r, scope, depth) {
  const source = r.weighted([
    [5, () => r.pick(['list', 'items', 'obj', 'c', 'empty_list', ...scope])],
    [2, () => `(${r.pick(['0', '1', '3', '-1', 'flag', '"2"'])}..${r.pick(['2', '3', '5', 'list.size', '0', 'none'])})`],
  ])
  const options = r.times(r.pick([0, 0, 0, 1, 2]), () => r.pick(['limit: 2', 'offset: 1', 'limit: 1', 'offset: continue', 'reversed']))
  const parameters = [...new Set(options)].map(o => ` ${o}`).join('')
  if (r.maybe(0.15)) {
    const columns = r.maybe(0.7) ? ` cols: ${r.pick(['1', '2', '3'])}` : ''
    return tag(r, `tablerow i in ${source}${columns}${parameters.replace(/ reversed| offset: continue/g, '')}`) +
      body(r, [...scope, 'i', 'tablerowloop.col', 'tablerowloop.row', 'tablerowloop.last'], depth - 1) + tag(r, 'endtablerow')
  }
  const inner = [...scope, 'i', r.pick(['forloop.index', 'forloop.index0', 'forloop.rindex', 'forloop.first', 'forloop.last', 'forloop.length', 'forloop.parentloop.index', 'i[0]', 'i[1]'])]
  let out = tag(r, `for i in ${source}${parameters}`) + body(r, inner, depth - 1)
  if (r.maybe(0.15)) out += tag(r, `if ${condition(r, inner)}`) + tag(r, r.pick(['break', 'continue'])) + tag(r, 'endif')
  if (r.maybe(0.25)) out += tag(r, 'else') + body(r, scope, depth - 1)
  return out + tag(r, 'endfor')
}

function conditional(r, scope, depth) {
  const name = r.pick(['if', 'if', 'unless'])
  let out = tag(r, `${name} ${condition(r, scope)}`) + body(r, scope, depth - 1)
  while (r.maybe(0.2)) out += tag(r, `elsif ${condition(r, scope)}`) + body(r, scope, depth - 1)
  if (r.maybe(0.4)) out += tag(r, 'else') + body(r, scope, depth - 1)
  return out + tag(r, `end${name}`)
}

function choice(r, scope, depth) {
  let out = tag(r, `case ${operand(r, scope)}`)
  for (let i = 0; i <= r.below(3); i++) {
    const values = r.times(r.pick([1, 1, 2]), () => operand(r, scope)).join(r.pick([', ', ' or ']))
    out += tag(r, `when ${values}`) + body(r, scope, depth - 1)
  }
  if (r.maybe(0.5)) out += tag(r, 'else') + body(r, scope, depth - 1)
  return out + tag(r, 'endcase')
}

function statement(r, scope, depth) {
  const deep = depth > 0
  return r.weighted([
    [6, () => r.pick(TEXTS)],
    [10, () => `{{${dash(r)} ${operand(r, scope)}${filters(r, 2)} ${dash(r)}}}`],
    [deep ? 4 : 0, () => conditional(r, scope, depth)],
    [deep ? 4 : 0, () => loop(r, scope, depth)],
    [deep ? 1.5 : 0, () => choice(r, scope, depth)],
    [2, () => tag(r, `assign ${r.pick(['v', 'a', 'w'])} = ${operand(r, scope)}${filters(r, 2)}`) + (r.maybe(0.6) ? `{{ ${r.pick(['v', 'a', 'w'])} }}` : '')],
    [deep ? 1 : 0, () => tag(r, 'capture v') + body(r, scope, depth - 1) + tag(r, 'endcapture') + `{{ v${filters(r, 1)} }}`],
    [1, () => tag(r, `cycle ${r.maybe(0.3) ? '"g": ' : ''}${r.times(1 + r.below(3), () => literal(r)).join(', ')}`)],
    [0.7, () => tag(r, `${r.pick(['increment', 'decrement'])} ${r.pick(['n', 'm', 'price'])}`)],
    [0.7, () => tag(r, `echo ${operand(r, scope)}${filters(r, 1)}`)],
    [0.5, () => r.pick(['{% raw %}{{ a }}{% endraw %}', '{%- raw -%} {% x %} {%- endraw -%}', '{% comment %}{{ a }} x{% endcomment %}', '{% # note %}'])],
    [0.7, () => tag(r, `render "${r.pick(['one', 'two'])}"${r.pick(['', ', x: a', ' with obj', ' for list as x', ', x: "t", y: 1'])}`)],
    [0.4, () => tag(r, `liquid\n assign w = ${operand(r, scope)}${filters(r, 1)}\n echo w\n if ${condition(r, scope)}\n echo "yes"\n endif\n`)],
  ])
}

function body(r, scope, depth) {
  return r.times(r.pick([1, 1, 2, 3]), () => statement(r, scope, depth)).join('')
}

/** One case: {template, data, partials}. */
export function liquidCase(r) {
  const partials = { one: '[{{ x }}{{ a }}{{ forloop.index }}]', two: '{{ two }}{{ x.name }}{% assign q = 1 %}{% if x %}y{% endif %}' }
  return { template: body(r, [], 2), data: data(r), partials }
}
