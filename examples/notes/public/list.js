// The list of notes, newest first, and what may be done with one. Follows the user's topics:
//   feed             each change, in order: shows what is new, marks what just changed
//   events-changed   something changed: the page at hand is read again
//   summary          the counts
import { randomKey } from './session.js'

const $ = (id) => document.getElementById(id)
const LIM = 10

export function startList(me) {
  let off = 0
  let next = null
  let arrived = 0
  let reading = false
  let again = false
  let stopped = false
  const marked = new Map()

  /** Reads the page at hand; changes that come meanwhile make it read once more, not once each. */
  async function read() {
    if (reading) {
      again = true
      return
    }
    reading = true
    do {
      again = false
      try {
        const page = await me.query('info', { lim: LIM, off })
        if (stopped) return
        draw(page)
      } catch (error) {
        if (!stopped) console.warn('the page of notes was not read:', error.message)
      }
    } while (again && !stopped)
    reading = false
  }

  function draw(page) {
    next = page.next
    if (page.items.length === 0 && off > 0) {
      off = Math.max(0, off - LIM)
      again = true
      return
    }
    const old = new Map([...$('list').children].map((li) => [li.dataset.id, li]))
    const now = page.items.map((note) => {
      const li = old.get(note.id)
      if (li !== undefined && (li.dataset.version === versionOf(note) || li.classList.contains('editing'))) return li
      return item(note)
    })
    $('list').replaceChildren(...now)
    $('page').textContent = page.total === 0 ? 'no notes yet' : `${off + 1}–${off + page.items.length} of ${page.total}`
    $('newer').disabled = off === 0
    $('older').disabled = next === null
    if (off === 0) arrived = 0
    $('fresh').hidden = arrived === 0
    $('fresh').textContent = `${arrived} new`
  }

  function item(note) {
    const li = $('note').content.firstElementChild.cloneNode(true)
    li.dataset.id = note.id
    li.dataset.version = versionOf(note)
    li.querySelector('h3').textContent = note.title
    li.querySelector('.body').textContent = note.body
    const time = li.querySelector('time')
    time.dateTime = new Date(note.ts).toISOString()
    time.textContent = timeOf(note.ts) + (note.editedAt === undefined ? '' : ' · edited')
    li.querySelector('.keywords').replaceChildren(
      ...note.keywords.map((word) => Object.assign(document.createElement('span'), { textContent: word })),
    )
    const url = li.querySelector('.url')
    url.hidden = !/^https?:/.test(note.url ?? '')
    if (!url.hidden) url.href = note.url
    if (marked.has(note.id)) {
      li.classList.add(marked.get(note.id))
      marked.delete(note.id)
    }
    li.querySelector('.delete').onclick = () => change(li, 'note.deleted', { id: note.id })
    li.querySelector('.edit').onclick = () => edit(li, note)
    return li
  }

  function edit(li, note) {
    li.classList.add('editing')
    const title = Object.assign(document.createElement('input'), { value: note.title, maxLength: 200, required: true })
    const body = Object.assign(document.createElement('textarea'), { value: note.body, maxLength: 10000, rows: 4 })
    li.querySelector('h3').replaceChildren(title)
    li.querySelector('.body').replaceChildren(body)
    const button = li.querySelector('.edit')
    button.textContent = 'Save'
    button.onclick = () => {
      if (!title.reportValidity()) return
      li.classList.remove('editing')
      void change(li, 'note.edited', { id: note.id, title: title.value, body: body.value })
    }
    title.focus()
  }

  async function change(li, type, data) {
    li.classList.add('busy')
    try {
      await me.send(type, data, { key: randomKey() })
    } catch (error) {
      li.dataset.version = ''
      $('add').querySelector('.error').textContent = error.message
    }
    li.classList.remove('busy')
    await read()
  }

  const form = $('add')
  form.onsubmit = async (event) => {
    event.preventDefault()
    const { title, body, keywords, url } = form.elements
    const note = {
      title: title.value,
      body: body.value,
      keywords: keywords.value
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '')
        .slice(0, 32),
      ...(url.value !== '' && { url: url.value }),
    }
    form.querySelector('.error').textContent = ''
    form.classList.add('busy')
    try {
      await me.send('note.added', note, { key: randomKey() })
      form.reset()
      document.activeElement?.blur()
      off = 0
      await read()
    } catch (error) {
      form.querySelector('.error').textContent = error.message
    } finally {
      form.classList.remove('busy')
    }
  }

  const go = (to) => {
    off = Math.max(0, to)
    void read()
  }
  $('newer').onclick = () => go(off - LIM)
  $('older').onclick = () => go(next ?? off)
  $('fresh').onclick = () => go(0)

  const stops = [
    me.subscribe('events-changed', () => void read()),
    me.subscribe('summary', ({ data }) => {
      $('summary').textContent =
        `${data.notes} notes · ${data.added} by hand · ${data.provided} provided · ${data.edited} edits · ${data.deleted} deleted`
    }),
    me.subscribe('feed', ({ type, data, offset }) => {
      const id = type === 'note.provided' ? `${data.provider}:${data.externalId}` : (data.id ?? `n.${offset}`)
      if (type === 'note.added' || type === 'note.provided') {
        if (off > 0) arrived++
        marked.set(id, 'new')
      } else if (type === 'note.edited') marked.set(id, 'changed')
      while (marked.size > 100) marked.delete(marked.keys().next().value)
    }),
  ]
  void read()

  return {
    stop() {
      stopped = true
      for (const stop of stops) stop()
      $('list').replaceChildren()
      $('summary').textContent = ''
    },
  }
}

const versionOf = (note) => String(note.editedAt ?? note.ts)

function timeOf(ts) {
  const date = new Date(ts)
  const today = date.toDateString() === new Date().toDateString()
  return today ? date.toLocaleTimeString() : date.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
}
