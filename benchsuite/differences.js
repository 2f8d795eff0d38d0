// The rules by which a run recognises the differences that DIFFERENCES.md explains.
//
// In: a case with what each engine gave ({template, data, partials, compileOptions, ours, theirs}) and `again`, which
// renders a changed case with both and tells whether they agree. Out: whether the rule explains the difference.

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
      again(rewrite(one, source => source.replace(/(\}\}+)/g, '$1\u2060'))),
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
    name: 'half-of-a-character',
    holds: one => one.theirs.text?.isWellFormed() === false ||
      one.theirs.text?.replace(/\ufffd/g, '') === one.ours.text?.replace(/\ufffd/g, ''),
  },
]

export const RULES = HANDLEBARS.map(rule => ({ language: 'handlebars', ...rule }))
