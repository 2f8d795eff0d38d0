// Random Liquid templates in which each filter and comparison gets what it is made for.
//
// liquidjs keeps JavaScript's values where the reference has Ruby's: text and lists of other kinds, division of whole
// numbers, whole floats. So kinds are kept apart here: text is cut, numbers are computed with, lists are sorted.
import { scalar } from './random.js'

const TEXTS = ['x', ' ', '\n', '  \n', 'text ', ' mid\n', '<b>', '\t', '- ', "it's", 'ü', '}', '{ ', '% ']
const WORDS = ['tea', 'Coffee', 'blue mug', 'a<b>&"c\'', ' padded ', 'one two  three', 'Zürich', '日本', 'line\nbreak',
  'a,b,,c', '<p>Hi <br/>there</p>', 'https://shop.example.com/?a=1&b=2', 'tea, tea and TEA', 'B', 'abc', 'x-y-z']
const NUMBERS = [1, 2, 3, 5, 7, 10, 12, 42, 100, -1, -3, 1.5, 2.25, -0.5, 19.99, 1234567]

function data(r) {
  const product = () => ({ name: r.pick(WORDS), price: r.pick(NUMBERS), brand: r.pick(['a', 'b', 'c']), tags: words(), sale: r.maybe(0.5) })
  const words = () => r.times(r.below(5), () => r.pick(WORDS))
  return {
    name: r.pick(WORDS), other: r.pick(WORDS), price: r.pick(NUMBERS), count: r.pick(NUMBERS), flag: r.maybe(0.5), none: null,
    words: words(), numbers: r.times(r.below(5), () => r.pick(NUMBERS)), items: r.times(r.below(4), product),
    user: { name: r.pick(WORDS), age: r.pick(NUMBERS), email: r.pick(['ada@example.com', 'Bob <b@x.org>']) }, day: r.pick(['2026-02-03', '2024-02-29T04:05:06Z', '1999-12-31 23:59']),
    extra: scalar(r) === null,
  }
}

const text = (r, scope) => r.pick(['name', 'other', 'user.name', 'user["email"]', '"tea"', "'a,b,c'", '" x "', ...scope.text, ...scope.text])
const number = (r, scope) => r.pick(['price', 'count', 'user.age', '3', '10', '-2', '2.5', 'words.size', ...scope.number, ...scope.number])
const list = (r, scope) => r.pick(['words', 'words', ...scope.lists])

const TEXT_FILTERS = ['append: "b"', 'append: other', 'prepend: name', 'capitalize', 'downcase', 'upcase', 'escape', 'escape_once', 'lstrip', 'rstrip',
  'strip', 'newline_to_br', 'remove: "a"', 'remove_first: "e"', 'remove_last: "e"', 'replace: "a", "bb"', 'replace_first: "e", other', 'replace_last: " ", "_"',
  'strip_html', 'strip_newlines', 'truncate: 5', 'truncate: 8, ".."', 'truncatewords: 2', 'truncatewords: 1, "--"', 'slice: 1', 'slice: -3, 2', 'slice: 0, 4', 'url_encode',
  'base64_encode', 'default: "d"', 'split: "," | join: "+"', 'split: "" | first', 'split: "e" | size', 'size', 'url_encode | url_decode', 'base64_encode | base64_decode']
const NUMBER_FILTERS = ['plus: 2', 'plus: 0.5', 'minus: price', 'times: 3', 'times: 1.5', 'divided_by: 2.5', 'modulo: 7', 'abs', 'ceil', 'floor', 'round', 'round: 1', 'at_least: 4', 'at_most: 4', 'default: 1']
const WORD_LIST_FILTERS = ['join: ", "', 'join', 'sort | join: "|"', 'sort_natural | first', 'reverse | join: "/"', 'uniq | join: ","', 'size', 'first', 'last', 'concat: words | join: ";"', 'compact | size', 'slice: 1, 2 | join: "-"']
const ITEM_FILTERS = ['map: "name" | join: ", "', 'map: "price" | join: ", "', 'where: "brand", "a" | size', 'where: "sale" | map: "name" | join: "+"', 'reject: "brand", "b" | size', 'sum: "price"',
  'sort: "price" | map: "price" | join: " "', 'sort: "brand" | map: "brand" | join', 'find_index: "brand", "b"', 'has: "brand", "a"', 'map: "tags" | size', 'uniq | size', 'size', 'reverse | map: "brand" | join: ""', 'sort_natural: "name" | map: "name" | first']
const DATES = ['date: "%Y-%m-%d"', 'date: "%d.%m.%y %H:%M"', 'date: "%A, %B %-d"', 'date: "%b %e, %I:%M %p"', 'date: "%j"']

const chain = (r, filters, most = 2) => r.times(r.below(most + 1), () => ` | ${r.pick(filters)}`)
/** Filters in a row; those that end in another kind stand last. */
const ends = / \| (split|size|(base64|url)_encode( |$)|join|first|last)/
function piped(r, start, filters) {
  let out = start
  for (const filter of chain(r, filters)) {
    out += filter
    if (ends.test(filter) && !/decode$/.test(filter)) break
  }
  return out
}

const printed = (r, scope) => r.weighted([
  [6, () => piped(r, text(r, scope), TEXT_FILTERS)],
  [5, () => piped(r, number(r, scope), NUMBER_FILTERS)],
  [3, () => `${list(r, scope)} | ${r.pick(WORD_LIST_FILTERS)}`],
  [3, () => `items | ${r.pick(ITEM_FILTERS)}`],
  [1, () => `day | ${r.pick(DATES)}`],
  [1, () => r.pick(['none', 'missing', 'user.missing.name', 'flag', 'none | default: "d"', 'missing | size', 'flag | default: true', 'flag | default: true, allow_false: true', 'words[0]', 'items[0].name', 'items[-1].price', 'words.first', 'items.last.brand', 'words.size'])],
])

const dash = r => (r.maybe(0.08) ? '-' : '')
const tag = (r, inner) => `{%${dash(r)} ${inner} ${dash(r)}%}`

function condition(r, scope) {
  const one = () => r.weighted([
    [3, () => `${number(r, scope)} ${r.pick(['==', '!=', '<', '>', '<=', '>='])} ${number(r, scope)}`],
    [2, () => `${text(r, scope)} ${r.pick(['==', '!=', 'contains'])} ${text(r, scope)}`],
    [1, () => `words contains ${text(r, scope)}`],
    [2, () => r.pick(['flag', 'none', 'missing', 'name', 'items', 'user.name', 'extra', 'words.first'])],
    [1, () => `${r.pick(['none', 'missing', 'name', 'flag'])} ${r.pick(['==', '!='])} ${r.pick(['nil', 'true', 'false'])}`],
    [1, () => `${r.pick(['words', 'name', 'items'])} ${r.pick(['==', '!='])} empty`],
    [1, () => `${r.pick(['name', 'missing', 'words', 'flag'])} ${r.pick(['==', '!='])} blank`],
  ])
  return r.times(r.pick([1, 1, 1, 2, 3]), one).reduce((all, next) => `${all} ${r.pick(['and', 'or'])} ${next}`)
}

function loop(r, scope, depth) {
  // A name for each depth, so that each name stands for one kind of value.
  const name = `i${depth}`
  const [source, inner] = r.weighted([
    [3, () => ['items', { text: [`${name}.name`, `${name}.brand`], number: [`${name}.price`], lists: [`${name}.tags`] }]],
    [3, () => [list(r, scope), { text: [name], number: [], lists: [] }]],
    [2, () => ['numbers', { text: [], number: [name], lists: [] }]],
    [2, () => [`(${r.pick(['1', '0', '-1', '3'])}..${r.pick(['2', '4', 'words.size', '1'])})`, { text: [], number: [name], lists: [] }]],
    [1, () => ['user', { text: [`${name}[0]`], number: [], lists: [] }]],
  ])
  const within = { text: [...scope.text, ...inner.text], number: [...scope.number, ...inner.number, r.pick(['forloop.index', 'forloop.index0', 'forloop.rindex', 'forloop.rindex0', 'forloop.length'])], lists: [...scope.lists, ...inner.lists] }
  const options = r.times(r.pick([0, 0, 1, 2]), () => r.pick(['limit: 2', 'offset: 1', 'limit: 1', 'reversed']))
  // The reference takes a limit before it reverses, in whatever order they stand.
  const parameters = [...new Set(options)].sort((x, y) => (y === 'reversed') - (x === 'reversed')).map(o => ` ${o}`).join('')
  if (r.maybe(0.15)) {
    within.number = within.number.filter(one => !one.startsWith('forloop'))
    return tag(r, `tablerow ${name} in ${source}${r.maybe(0.7) ? ` cols: ${r.pick(['1', '2', '3'])}` : ''}${parameters.replace(' reversed', '')}`) +
      `x${body(r, { ...within, number: [...within.number, 'tablerowloop.col', 'tablerowloop.row'] }, depth - 1)}` + tag(r, 'endtablerow')
  }
  let out = tag(r, `for ${name} in ${source}${parameters}`) + 'x' + body(r, within, depth - 1)
  if (r.maybe(0.2)) out += tag(r, `if ${condition(r, within)}`) + tag(r, r.pick(['break', 'continue'])) + tag(r, 'endif') + '.'
  if (r.maybe(0.25)) out += tag(r, 'else') + 'x' + body(r, scope, depth - 1)
  return out + tag(r, 'endfor')
}

function conditional(r, scope, depth) {
  const name = r.pick(['if', 'if', 'unless'])
  let out = tag(r, `${name} ${condition(r, scope)}`) + 'x' + body(r, scope, depth - 1)
  while (r.maybe(0.2)) out += tag(r, `elsif ${condition(r, scope)}`) + 'y' + body(r, scope, depth - 1)
  if (r.maybe(0.4)) out += tag(r, 'else') + 'z' + body(r, scope, depth - 1)
  return out + tag(r, `end${name}`)
}

function choice(r, scope, depth) {
  const [subject, values] = r.pick([[number, ['1', '3', '10', '42']], [text, ['"tea"', '"a"', '"B"', '"abc"']]])
  let out = tag(r, `case ${subject(r, scope)}`)
  const when = () => {
    const first = r.below(4)
    return r.maybe(0.4) ? `${values[first]}${r.pick([', ', ' or '])}${values[(first + 1) % 4]}` : values[first]
  }
  for (let i = 0; i <= r.below(3); i++) out += tag(r, `when ${when()}`) + 'w' + body(r, scope, depth - 1)
  if (r.maybe(0.5)) out += tag(r, 'else') + 'e' + body(r, scope, depth - 1)
  return out + tag(r, 'endcase')
}

function statement(r, scope, depth) {
  const deep = depth > 0
  return r.weighted([
    [6, () => r.pick(TEXTS)],
    [10, () => `{{${dash(r)} ${printed(r, scope)} ${dash(r)}}},`],
    [deep ? 4 : 0, () => conditional(r, scope, depth)],
    [deep ? 4 : 0, () => loop(r, scope, depth)],
    [deep ? 1.5 : 0, () => choice(r, scope, depth)],
    [2, () => tag(r, `assign v = ${printed(r, scope)}`) + '{{ v }},'],
    [deep ? 1 : 0, () => tag(r, 'capture w') + 'x' + body(r, scope, depth - 1) + tag(r, 'endcapture') + '{{ w }}'],
    [1, () => tag(r, r.pick(['cycle "a", "b"', 'cycle 1, 2, 3', 'cycle "g": "x", "y"']))],
    [0.7, () => tag(r, r.pick(['increment n', 'decrement m']))],
    [0.7, () => tag(r, `echo ${printed(r, scope)}`) + ','],
    [0.5, () => r.pick(['{% raw %}{{ a }}{% endraw %}', '{% comment %}{{ a }} x{% endcomment %}', '{% # note %}', '{%- # note -%}'])],
    [0.7, () => tag(r, r.pick(['render "one"', 'render "one", x: name', 'render "two" with user as x', 'render "one" for words as x', 'render "two", x: "t", y: 1']))],
    [0.4, () => tag(r, `liquid\n assign u = ${printed(r, scope)}\n echo u\n echo ","\n if ${condition(r, scope)}\n echo "yes"\n endif\n`)],
  ])
}

function body(r, scope, depth) {
  return r.times(r.pick([1, 1, 2, 3]), () => statement(r, scope, depth)).join('')
}

/** One case: {template, data, partials}. */
export function tameLiquidCase(r) {
  const partials = { one: '[{{ x }}{{ name }}]', two: '{{ two }}{{ x.name }}{% assign q = 1 %}{{ q }}{% if x %}y{% endif %}' }
  return { template: body(r, { text: [], number: [], lists: [] }, 2), data: data(r), partials }
}
