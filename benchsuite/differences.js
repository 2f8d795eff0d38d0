// The rules by which a run recognises the differences that DIFFERENCES.md explains.
//
// In: a case with what each engine gave ({template, data, partials, compileOptions, ours, theirs}) and `again`, which
// renders a changed case with both and gives {ours, theirs}. Out: whether the rule explains the difference.

const same = ({ ours, theirs }) => (ours.text === undefined ? theirs.text === undefined : ours.text === theirs.text)

/** Changes every template of a case. */
const rewrite = (one, change) => ({
  ...one,
  template: change(one.template),
  partials: Object.fromEntries(Object.entries(one.partials).map(([name, source]) => [name, change(source)])),
})

const HANDLEBARS = [
  {
    name: 'numbers-side-by-side',
    // With a letter after each tag, nothing stands side by side that JavaScript could add.
    holds: (one, again) => (one.compileOptions.noEscape || /\{\{~?[{&]/.test(JSON.stringify([one.template, one.partials]))) &&
      same(again(rewrite(one, source => source.replace(/(\}\}+)/g, '$1\u2060')))),
  },
  {
    name: 'block-parameters-in-inline-partials',
    holds: one => /#\*inline/.test(one.template) && / as \|/.test(one.template) &&
      /Cannot read properties of undefined \(reading '\d'\)/.test(one.theirs.error ?? ''),
  },
  {
    name: 'partial-blocks-without-data',
    holds: one => one.compileOptions.data === false && JSON.stringify(one).includes('@partial-block'),
  },
  {
    name: 'inline-partial-named-as-its-caller',
    holds: one => /#>\s*(\w+)[^]*#\*inline "\1"/.test(one.template) && /call stack/.test(one.theirs.error ?? ''),
  },
  {
    name: 'half-of-a-character',
    holds: one => one.theirs.text?.isWellFormed() === false ||
      one.theirs.text?.replace(/\ufffd/g, '') === one.ours.text?.replace(/\ufffd/g, ''),
  },
]

// What liquidjs writes in another form than the reference, ours and theirs brought to one form; later rules take in
// those before.
const keep = text => text
const FORMS = [
  ['whole-floats', text => text.replace(/(\d)\.0(?!\d)/g, '$1'), keep],
  ['binary-fractions', ...Array(2).fill(text => text.replace(/-?\d+\.\d+/g, number => String(Number(Number(number).toFixed(6)))))],
  ['apostrophes-in-addresses', text => text.replace(/%27/g, "'"), keep],
  ['quotes', keep, text => text.replace(/&#34;/g, '&quot;')],
  ['rows-of-tablerow', text => text.replace(/<tr class="row1">\n(<\/tr>\n)?/g, (row, empty) => (empty ? '' : row.trimEnd()))
    .replace(/<\/tr>\n/g, '</tr>'), keep],
]
const sameForm = ({ ours, theirs }, forms) => same({
  ours: { text: forms.reduce((text, [, change]) => text && change(text), ours.text) },
  theirs: { text: forms.reduce((text, [, , change]) => text && change(text), theirs.text) },
})

const wholeWords = source => source.replace(/ *\| truncatewords[^|%}]*/g, ' ')

const LIQUID = [
  ...FORMS.map(([name], i) => ({ name, holds: one => sameForm(one, FORMS.slice(0, i + 1)) })),
  {
    name: 'truncatewords-at-the-limit',
    holds: (one, again) => one.template.includes('truncatewords') && sameForm(again(rewrite(one, wholeWords)), FORMS),
  },
  {
    name: 'else-of-for-beyond-the-end',
    holds: (one, again) => / offset: /.test(one.template) && one.template.includes('else') &&
      sameForm(again(rewrite(one, source => wholeWords(source).replace(/ offset: \d/g, ''))), FORMS),
  },
]

const REFERENCE = [
  {
    name: 'newer-than-the-gem',
    holds: one => /\b(has|find|find_index|reject|sum|first|last|blank)\b|raw -/.test(one.template),
  },
  {
    name: 'dates-beyond-9999',
    holds: one => /\bdate\b/.test(one.template) && Object.values(one.data).some(value => value > 253402300799),
  },
]

export const RULES = [
  ...HANDLEBARS.map(rule => ({ comparison: 'handlebars', ...rule })),
  ...LIQUID.map(rule => ({ comparison: 'liquid', ...rule })),
  ...REFERENCE.map(rule => ({ comparison: 'reference', ...rule })),
]
