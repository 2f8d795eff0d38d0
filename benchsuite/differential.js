// Renders generated templates with signalpost-template and with liquidjs or handlebars.js, and compares.
//
// node differential.js [--cases 10000] [--seed 1] [--language liquid|handlebars] [--show 10] [--reference]
//
// In: chance from a seed. Out: how many of each language agree, differ by a known rule (DIFFERENCES.md), or differ
// without explanation: those are printed, and the run fails. With --reference, Ruby's gem `liquid` says who is right.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Handlebars from 'handlebars'
import { Liquid } from 'liquidjs'
import { RULES } from './differences.js'
import { handlebarsCase } from './generate/handlebars.js'
import { liquidCase } from './generate/liquid.js'
import { chance } from './generate/random.js'

const { values: settings } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    language: { type: 'string' },
    show: { type: 'string', default: '10' },
    rule: { type: 'string' },
    reference: { type: 'boolean', default: false },
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

// What these engines do by default where the reference does something else is set as the reference has it.
function liquidjs({ template, data, partials }) {
  const engine = new Liquid({ templates: partials, ownPropertyOnly: true, strictFilters: true, timezoneOffset: 0 })
  return attempt(() => engine.parseAndRenderSync(template, data))
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

const LANGUAGES = { liquid: [liquidCase, liquidjs], handlebars: [handlebarsCase, handlebars] }

function compare(language) {
  const [generate, theirEngine] = LANGUAGES[language]
  const r = chance(Number(settings.seed))
  const cases = r.times(Number(settings.cases), () => ({ language, onError: 'raise', ...generate(r) }))
  const ours = oursOf(cases)
  const reference = settings.reference && language === 'liquid' ? answers('ruby', ['benchsuite/reference.rb'], cases) : []
    const again = changed => same(oursOf([changed])[0], theirEngine(changed))
  const counts = new Map()
  const unexplained = []
  let agreed = 0
  cases.forEach((one, i) => {
    const theirs = theirEngine(one)
    if (same(ours[i], theirs)) return void agreed++
    const found = RULES.find(rule => rule.language === language && rule.holds({ ...one, ours: ours[i], theirs }, again))
    if (found) counts.set(found.name, (counts.get(found.name) ?? 0) + 1)
    const shown = { ...one, ours: ours[i], theirs, reference: reference[i] }
    const right = reference[i] && same(ours[i], reference[i])
    if ((!found && !right) || found?.name === settings.rule) unexplained.push(shown)
    else if (!found) counts.set('(the reference agrees with us)', (counts.get('(the reference agrees with us)') ?? 0) + 1)
  })
  const faults = reference.filter((answer, i) => !same(ours[i], answer))
  console.log(`${language}: ${cases.length} templates, ${agreed} agree, ${unexplained.length} unexplained`)
  for (const [name, count] of [...counts].sort((x, y) => y[1] - x[1])) console.log(`  ${count} by the rule ${name}`)
  if (reference.length) console.log(`  the reference differs from us in ${faults.length}`)
  for (const shown of unexplained.slice(0, Number(settings.show))) console.log(JSON.stringify(shrink(shown, theirEngine)))
  return { unexplained: settings.rule ? 0 : unexplained.length, cases, ours, reference }
}

const documented = readFileSync(new URL('DIFFERENCES.md', import.meta.url), 'utf8')
const missing = RULES.filter(rule => !documented.includes(`\`${rule.name}\``)).map(rule => rule.name)
if (missing.length) throw new Error(`DIFFERENCES.md says nothing of ${missing.join(', ')}`)
const languages = settings.language ? [settings.language] : Object.keys(LANGUAGES)
const total = languages.reduce((sum, language) => sum + compare(language).unexplained, 0)
process.exitCode = total === 0 ? 0 : 1
