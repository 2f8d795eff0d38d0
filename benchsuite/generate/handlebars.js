// Random Handlebars templates from the language's grammar, with partials and options.
import { NAMES, data } from './random.js'

const TEXTS = ['x', ' ', '\n', '  \n', '\n  ', 'text ', ' mid\n', '<b>', '\r\n', '\t', '- ', '\\', "it's", 'ü', '}', '{ ']

function segment(r) {
  return r.weighted([
    [12, () => r.pick(NAMES)],
    [1, () => 'length'],
    [1, () => String(r.below(3))],
    [1, () => `[${r.pick([...NAMES, 'a b', '0', '#x'])}]`],
  ])
}

function path(r, scope) {
  const rest = (n, by = '.') => r.times(n, () => by + segment(r)).join('')
  return r.weighted([
    [10, () => r.pick(NAMES)],
    [5, () => r.pick(NAMES) + rest(1 + r.below(2))],
    [1, () => r.pick(NAMES) + rest(1, '/')],
    [2, () => 'this'],
    [1, () => '.'],
    [2, () => `this.${r.pick(NAMES)}`],
    [1, () => `./${r.pick(NAMES)}`],
    [2, () => '../'.repeat(1 + r.below(2)) + r.pick([...NAMES, 'this', '.']).replace('../.', '..')],
    [1, () => '..'],
    [3, () => r.pick(['@index', '@key', '@first', '@last', '@root', '@../index', '@../key', '@nothing'])],
    [2, () => `@root.${r.pick(NAMES)}`],
    [scope.length * 2, () => r.pick(scope) + (r.maybe(0.4) ? `.${r.pick(NAMES)}` : '')],
    [1, () => `[${r.pick(NAMES)}]`],
  ])
}

function literal(r) {
  return r.weighted([
    [3, () => r.pick(['"a"', "'name'", '"x\\"y"', "''", '"0"', '"list"'])],
    [3, () => r.pick(['0', '1', '-2', '1.5', '10', '007', '1.0'])],
    [1, () => 'true'],
    [1, () => 'false'],
    [1, () => 'null'],
    [1, () => 'undefined'],
  ])
}

function argument(r, scope, depth = 1) {
  return r.weighted([
    [6, () => path(r, scope)],
    [3, () => literal(r)],
    [depth > 0 ? 2 : 0, () => `(lookup ${argument(r, scope, depth - 1)} ${argument(r, scope, depth - 1)})`],
  ])
}

const tilde = r => (r.maybe(0.1) ? '~' : '')

function mustache(r, scope) {
  const [open, close] = r.weighted([
    [8, () => ['{{', '}}']],
    [2, () => ['{{{', '}}}']],
    [1, () => ['{{&', '}}']],
  ])
  const inner = r.weighted([
    [14, () => path(r, scope)],
    [2, () => `lookup ${argument(r, scope)} ${argument(r, scope)}`],
    [1, () => literal(r)],
    [0.3, () => r.pick(['if a', 'log a', 'nosuch a', 'each', 'with a', 'lookup a'])],
  ])
  const [left, right] = [tilde(r), tilde(r)]
  const pad = r.maybe(0.2) ? ' ' : ''
  if (open === '{{{') return `{{${left}{${pad}${inner}${pad}}${right}}}`
  return `{{${left}${open.slice(2)}${pad}${inner}${pad}${right}${close}`
}

function tag(r, inner) {
  return `{{${tilde(r)}${inner}${tilde(r)}}}`
}

function block(r, scope, depth) {
  const inside = names => body(r, [...scope, ...names], depth - 1)
  const [head, name, names] = r.weighted([
    [5, () => [`if ${argument(r, scope)}${r.maybe(0.1) ? ' includeZero=true' : ''}`, 'if', []]],
    [3, () => [`unless ${argument(r, scope)}`, 'unless', []]],
    [6, () => {
      const names = r.pick([[], [], ['item'], ['item', 'k']])
      return [`each ${argument(r, scope)}${names.length ? ` as |${names.join(' ')}|` : ''}`, 'each', names]
    }],
    [3, () => {
      const names = r.pick([[], [], ['w']])
      return [`with ${argument(r, scope)}${names.length ? ` as |${names.join(' ')}|` : ''}`, 'with', names]
    }],
    [4, () => {
      const name = r.weighted([[3, () => r.pick(NAMES)], [1, () => `${r.pick(NAMES)}.${r.pick(NAMES)}`], [1, () => `../${r.pick(NAMES)}`]])
      return [name, name, []]
    }],
  ])
  const sign = r.maybe(0.06) && names.length === 0 ? '^' : '#'
  let text = tag(r, `${sign}${head}`) + inside(names)
  if (sign === '#') {
    while (r.maybe(0.15)) {
      text += tag(r, `else ${r.pick(['if', 'unless', 'with', 'each'])} ${argument(r, scope)}`) + inside([])
    }
    if (r.maybe(0.3)) text += tag(r, r.pick(['else', 'else', '^'])) + inside([])
  }
  return text + tag(r, `/${name}`)
}

function partial(r, scope, depth, names) {
  const hash = () => (r.maybe(0.3) ? ` ${r.pick(['a', 'name', 'extra'])}=${argument(r, scope)}` : '')
  const context = () => (r.maybe(0.35) ? ` ${argument(r, scope)}` : '')
  return r.weighted([
    [5, () => tag(r, `> ${r.pick(names)}${context()}${hash()}`)],
    [1, () => tag(r, `> (lookup . ${r.pick(["'name'", '"which"'])})${context()}${hash()}`)],
    [depth > 0 ? 2 : 0, () => {
      const name = r.pick([...names, 'absent'])
      return tag(r, `#> ${name}${context()}${hash()}`) + body(r, scope, depth - 1, names) + tag(r, `/${name}`)
    }],
    [1, () => '{{> @partial-block}}'],
  ])
}

function inline(r, scope, depth) {
  return tag(r, `#*inline "${r.pick(['local', 'one'])}"`) + body(r, scope, depth - 1, ['one', 'two']) + tag(r, '/inline')
}

function statement(r, scope, depth, names) {
  return r.weighted([
    [6, () => r.pick(TEXTS)],
    [8, () => mustache(r, scope)],
    [depth > 0 ? 6 : 0, () => block(r, scope, depth)],
    [2, () => partial(r, scope, depth, names)],
    [depth > 0 ? 0.7 : 0, () => inline(r, scope, depth)],
    [0.7, () => r.pick(['{{! note }}', '{{!-- {{a}} --}}', '{{!-- x --~}}', '{{~! y }}', '{{!}}'])],
    [0.3, () => r.pick(['\\{{a}}', '\\\\{{a}}', '\\\\\\{{a}}', '\\{{a}} {{b}}'])],
  ])
}

function body(r, scope, depth, names = ['one', 'two', 'local']) {
  return r.times(r.pick([1, 1, 2, 3, 4]), () => statement(r, scope, depth, names)).join('')
}

const OPTIONS = ['strict', 'assumeObjects', 'compat', 'noEscape', 'preventIndent', 'ignoreStandalone',
  'explicitPartialContext', 'knownHelpersOnly']

/** One case: {template, data, partials, compileOptions}. */
export function handlebarsCase(r) {
  const partials = {
    one: body(r, [], 1, ['two']),
    two: r.pick(['[{{a}}]', '{{this}}', '{{name}}\n{{../a}}', 'two\n  lines\n', '{{> @partial-block}}', '{{@root.a}}{{@index}}',
      '{{#each .}}{{@key}}={{this}};{{/each}}']),
    tea: 'dynamic {{a}}',
  }
  const compileOptions = {}
  if (r.maybe(0.3)) compileOptions[r.pick(OPTIONS)] = true
  if (r.maybe(0.03)) compileOptions.data = false
  return { template: body(r, [], 3), data: { ...data(r), which: r.pick(['one', 'two', 'tea', '']) }, partials, compileOptions }
}
