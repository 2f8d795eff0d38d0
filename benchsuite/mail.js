// Times the abandoned-cart mail in liquidjs and handlebars.js.
//
// In: one JSON document on standard input, {"liquid", "handlebars", "data", "seconds"}. Out: one JSON document,
// for each engine the text and the time of a render in nanoseconds: the least of some twenty batches, so that a
// busy machine does not make an engine look slower than it is.
import { readFileSync } from 'node:fs'
import Handlebars from 'handlebars'
import { Liquid } from 'liquidjs'

const { liquid, handlebars, data, seconds } = JSON.parse(readFileSync(0, 'utf8'))

function time(render) {
  const until = (ms, step) => {
    const end = performance.now() + ms
    while (performance.now() < end) step()
  }
  until(seconds * 250, render) // the compiler of V8 warms up
  const started = performance.now()
  render()
  const size = Math.max(1, Math.ceil((seconds * 37) / Math.max(0.001, performance.now() - started)))
  let best = Infinity
  until(seconds * 750, () => {
    const begun = performance.now()
    for (let i = 0; i < size; i++) render()
    best = Math.min(best, (performance.now() - begun) / size)
  })
  return Math.round(best * 1e6)
}

const liquidEngine = new Liquid()
const liquidTemplate = liquidEngine.parse(liquid)
const renderLiquid = () => liquidEngine.renderSync(liquidTemplate, data)
const handlebarsTemplate = Handlebars.compile(handlebars)
const renderHandlebars = () => handlebarsTemplate(data)

console.log(JSON.stringify({
  liquidjs: { text: renderLiquid(), nanoseconds: time(renderLiquid) },
  handlebars: { text: renderHandlebars(), nanoseconds: time(renderHandlebars) },
}))
