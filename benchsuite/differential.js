// Renders generated templates with signalpost-template and with liquidjs or handlebars.js, and compares.
//
// node differential.js [--cases 10000] [--seed 1] [--comparison liquid|handlebars|reference] [--show 10] [--rule name] [--whole]
//
// In: chance from a seed. Out: how many of each language agree, differ by a known rule (DIFFERENCES.md), or differ
// without explanation: those are made small and printed, and the run fails. `--rule`
// prints what a rule explains, `--whole` leaves the printed cases as they are.
// `--comparison reference` compares wilder Liquid with Ruby's gem `liquid`, where it is installed.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Handlebars from 'handlebars'
import { Liquid } from 'liquidjs'
import { RULES } from './differences.js'
import { handlebarsCase } from './generate/handlebars.js'
import { liquidCase } from './generate/liquid.js'
import { tameLiquidCase } from './generate/liquid-tame.js'
import { chance } from './generate/random.js'

const { values: settings } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    comparison: { type: 'string' },
    show: { type: 'string', default: '10' },
    rule: { type: 'string' },
    whole: { type: 'boolean', default: false },
  },
})

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a program that answers a JSON line with a JSON line. */
function answers(program, parameters, cases) {
  const input = cases.map(c => JSON.stringify(c)).join('\n') + '\n'
  const run = spawnSync(program, parameters, { input, maxBuffer: 1 << 30, cwd: root })
  if (run.status !== 0) throw new Error(`${program} failed: ${run.stderr}`)
  return run.stdout.toString().trimEnd().split('\n').map(line => JSON.parse(line))
}

const attempt = render => {
  try {
    return { text: render() }
  } catch (error) {
    return { error: String(error.message).split('\n')[0] }
  }
}

// Unknown filters are errors and only own properties are read, as in the reference.
function liquidjs({ template, data, partials }) {
  const engine = new Liquid({ templates: partials, ownPropertyOnly: true, strictFilters: true, timezoneOffset: 0 })
  return attempt(() => engine.parseAndRenderSync(template, structuredClone(data)))
}

function handlebars({ template, data, partials, compileOptions }) {
  const engine = Handlebars.create()
  engine.log = () => {}
  return attempt(() => {
    engine.registerPartial(partials)
    return engine.compile(template, compileOptions)(data)
  })
}

const same = (one, other) => (one.text === undefined ? other.text === undefined : one.text === other.text)

/** Builds the program that renders JSON lines with our crate; gives its path. */
function built() {
  const parameters = ['build', '--release', '-p', 'signalpost-template', '--example', 'render', '--message-format', 'json']
  const run = spawnSync('cargo', parameters, { cwd: root, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'inherit'] })
  const messages = run.stdout.toString().trimEnd().split('\n').map(line => JSON.parse(line))
  return messages.findLast(m => m.target?.name === 'render' && m.executable).executable
}

const program = built()
const oursOf = cases => answers(program, [], cases)

/** The parts of a template that can be left out: tags, blocks, words of them; of data and partials: entries. */
function smaller({ template, data, partials, compileOptions }) {
  const marks = [...template.matchAll(/\{\{|\}\}|\{%|%\}| |\.|\||\n/g)].flatMap(m => [m.index, m.index + m[0].length])
  const cuts = [...new Set([0, ...marks, template.length])].sort((x, y) => x - y)
  const templates = cuts.flatMap((from, i) => cuts.slice(i + 1).reverse().map(to => template.slice(0, from) + template.slice(to)))
  const without = object => Object.keys(object ?? {}).map(key => Object.fromEntries(Object.entries(object).filter(([k]) => k !== key)))
  return [
    ...templates.sort((x, y) => x.length - y.length).slice(0, 4000).map(t => ({ template: t })),
    ...without(data).map(d => ({ data: d })), ...without(partials).map(p => ({ partials: p })),
    ...without(compileOptions).map(o => ({ compileOptions: o })),
  ]
}

/** The same difference with less around it: both give text before and after, or the same one of them does. */
function shrink(shown, theirEngine) {
  const kind = (ours, theirs) => `${ours.text === undefined} ${theirs.text === undefined}`
  const wanted = kind(shown.ours, shown.theirs)
  for (let round = 0; round < 30; round++) {
    const tries = smaller(shown).map(change => ({ ...shown, ...change }))
    const ours = oursOf(tries)
    const i = tries.findIndex((one, at) => {
      const theirs = theirEngine(one)
      tries[at] = { ...one, ours: ours[at], theirs }
      return !same(ours[at], theirs) && kind(ours[at], theirs) === wanted
    })
    if (i < 0) break
    shown = tries[i]
  }
  return shown
}

const one = render => ({ each: cases => cases.map(render), render })
const ruby = cases => answers('ruby', ['benchsuite/reference.rb'], cases)

/** What each comparison generates, and who renders it beside us. */
const COMPARISONS = {
  liquid: [tameLiquidCase, one(liquidjs)],
  handlebars: [handlebarsCase, one(handlebars)],
  reference: [liquidCase, { each: ruby, render: changed => ruby([changed])[0] }],
}

function compare(name) {
  const [generate, engine] = COMPARISONS[name]
  const r = chance(Number(settings.seed))
  const language = name === 'handlebars' ? name : 'liquid'
  const cases = r.times(Number(settings.cases), () => ({ language, onError: 'raise', ...generate(r) }))
  const ours = oursOf(cases)
  const theirs = engine.each(cases)
  const again = changed => ({ ours: oursOf([changed])[0], theirs: engine.render(changed) })
  const counts = new Map()
  const unexplained = []
  let agreed = 0
  cases.forEach((given, i) => {
    const shown = { ...given, ours: ours[i], theirs: theirs[i] }
    if (same(ours[i], theirs[i])) return void agreed++
    const found = RULES.find(rule => rule.comparison === name && rule.holds(shown, again))
    if (found) counts.set(found.name, (counts.get(found.name) ?? 0) + 1)
    if (!found || found.name === settings.rule) unexplained.push(shown)
  })
  console.log(`${name}: ${cases.length} templates, ${agreed} agree, ${cases.length - agreed - unexplained.length} differ by a known rule, ${unexplained.length} unexplained`)
  for (const [rule, count] of [...counts].sort((x, y) => y[1] - x[1])) console.log(`  ${count} by the rule ${rule}`)
  for (const shown of unexplained.slice(0, Number(settings.show))) console.log(JSON.stringify(name === 'reference' || settings.whole ? shown : shrink(shown, engine.render)))
  return unexplained.length
}

const documented = readFileSync(new URL('DIFFERENCES.md', import.meta.url), 'utf8')
const undocumented = RULES.filter(rule => !documented.includes(`\`${rule.name}\``)).map(rule => rule.name)
if (undocumented.length) throw new Error(`DIFFERENCES.md says nothing of ${undocumented.join(', ')}`)
const names = settings.comparison ? [settings.comparison] : ['liquid', 'handlebars']
const total = names.reduce((sum, name) => sum + compare(name), 0)
process.exitCode = total === 0 ? 0 : 1
