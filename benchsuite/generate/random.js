// Seeded chance: the same seed gives the same run everywhere.

/** A generator of numbers in [0, 1), after Tommy Ettinger's mulberry32 (public domain). */
export function chance(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    below: n => Math.floor(next() * n),
    maybe: share => next() < share,
    pick: list => list[Math.floor(next() * list.length)],
    /** One of the values of [[weight, value], …]; functions are called. */
    weighted: choices => {
      let at = next() * choices.reduce((sum, [weight]) => sum + weight, 0)
      const found = choices.find(([weight]) => (at -= weight) < 0) ?? choices[0]
      return found[1]()
    },
    times: (n, make) => Array.from({ length: n }, make),
  }
}

const WORDS = ['tea', 'Coffee', 'blue mug', 'a<b>&"c\'', 'x=`y`', '', ' ', ' padded ', 'one two  three', '12', '3.5',
  '-7', 'Zürich', 'naïve café', '日本', '👍 ok', 'line\nbreak', 'a,b,,c', 'TRUE', 'false', 'nil', '<p>Hi <br/>there</p>',
  'https://shop.example.com/?a=1&b=2', '%20+', 'aGVsbG8=', '2026-02-03', '1e3', '0']
const NUMBERS = [0, 1, 2, 3, 5, 7, 10, 12, 42, 100, -1, -3, 1.5, 0.1, 2.25, -0.5, 19.99, 1234567, 0.001, 1e-7,
  123456789.125, 9007199254740991]

/** The names that templates ask for. */
export const NAMES = ['a', 'b', 'c', 'name', 'price', 'list', 'items', 'obj', 'user', 'flag', 'none', 'empty_list']

export function scalar(r) {
  return r.weighted([
    [5, () => r.pick(WORDS)],
    [4, () => r.pick(NUMBERS)],
    [1, () => true],
    [1, () => false],
    [1, () => null],
  ])
}

export function value(r, depth = 2) {
  if (depth === 0 || r.maybe(0.5)) return scalar(r)
  return r.maybe(0.5) ? list(r, depth - 1) : object(r, depth - 1)
}

export function list(r, depth = 1) {
  const length = r.pick([0, 1, 2, 3, 3, 4])
  return r.weighted([
    [3, () => r.times(length, () => object(r, depth))],
    [2, () => r.times(length, () => r.pick(WORDS))],
    [2, () => r.times(length, () => r.pick(NUMBERS))],
    [2, () => r.times(length, () => value(r, depth))],
  ])
}

export function object(r, depth = 1) {
  const entries = r.times(r.below(5), () => [r.pick(NAMES), value(r, depth)])
  return Object.fromEntries(entries)
}

/** The data of one render: most names are there, of likely kinds. */
export function data(r) {
  const all = {
    a: scalar(r), b: scalar(r), c: value(r), name: r.pick(WORDS), price: r.pick(NUMBERS),
    list: list(r, 1), items: r.times(r.below(4), () => object(r, 1)), obj: object(r, 2), user: object(r, 1),
    flag: r.maybe(0.5), none: null, empty_list: [],
  }
  for (const key of Object.keys(all)) if (r.maybe(0.08)) delete all[key]
  return all
}
