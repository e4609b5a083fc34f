// The panel of live traffic: one server-sent event a second, and the switch of the simulator.
import { call } from './session.js'

const $ = (id) => document.getElementById(id)
const POINTS = 60

export function startTraffic() {
  const points = []
  const source = new EventSource('/traffic')
  source.addEventListener('second', ({ data }) => {
    const second = JSON.parse(data)
    $('events').textContent = whole(second.events)
    $('total').textContent = second.totals === null ? '–' : whole(second.totals.notes)
    $('connected').textContent = whole(second.sockets ?? second.activeUsers)
    $('connected-label').textContent = second.sockets === null ? 'active users' : 'sockets open'
    $('p50').textContent = ms(second.p50)
    $('p99').textContent = ms(second.p99)
    $('switch').hidden = second.simulator === null
    $('peek').hidden = second.simulator === null
    if (!switching) $('simulator').checked = second.simulator === true
    points.push(second.p99)
    if (points.length > POINTS) points.shift()
    drawSpark(points)
  })
  source.onerror = () => {
    $('events').textContent = '–'
  }

  let switching = false
  $('simulator').onchange = async ({ target }) => {
    switching = true
    try {
      const { running } = await call('POST', '/simulator', { body: { running: target.checked } })
      target.checked = running
    } catch {
      target.checked = !target.checked
    }
    switching = false
  }
}

/** Seconds without an answer leave a gap in the line. */
function drawSpark(points) {
  const top = Math.max(5, ...points.filter((point) => point !== null))
  const x = (i) => ((i + POINTS - points.length) * 240) / (POINTS - 1)
  const y = (value) => 42 - (value / top) * 40
  let line = ''
  let area = ''
  let from = null
  points.forEach((value, i) => {
    if (value === null) {
      if (from !== null) area += `L${x(i - 1)},44Z`
      from = null
      return
    }
    line += `${from === null ? 'M' : 'L'}${x(i)},${y(value)}`
    area += from === null ? `M${x(i)},44L${x(i)},${y(value)}` : `L${x(i)},${y(value)}`
    from ??= i
  })
  if (from !== null) area += `L${x(points.length - 1)},44Z`
  $('spark').querySelector('.line').setAttribute('d', line)
  $('spark').querySelector('.area').setAttribute('d', area)
}

const whole = (value) => Math.round(value).toLocaleString('en').replaceAll(',', '\u202f')
const ms = (value) => (value === null ? '–' : value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`)
