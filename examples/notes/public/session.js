// Accounts over HTTP. The session is kept in this tab's storage and in no cookie, so no other site can use it.
const KEY = 'notes.session'

export async function call(method, path, { token, body, key } = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const answer = await response.json().catch(() => ({ error: { message: `the server answered ${response.status}` } }))
  if (!response.ok) throw new Error(answer.error?.message ?? `the server answered ${response.status}`)
  return answer
}

/** Logs in or registers; a repeat after a lost answer carries the same key, and makes no second account. */
export async function enter(path, body) {
  const answer = await call('POST', path, { body: { ...body, device: 'page' }, key: keyFor(path, body) })
  const made = { uid: answer.uid, token: answer.token, expiresAt: answer.expiresAt, name: body.name }
  sessionStorage.setItem(KEY, JSON.stringify(made))
  return made
}

let last = { what: '', key: '' }
function keyFor(path, body) {
  const what = JSON.stringify([path, body])
  if (last.what !== what) last = { what, key: randomKey() }
  return last.key
}

/** `crypto.randomUUID` is not there on plain http of another machine. */
export const randomKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

export function session() {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null')
  return kept !== null && kept.expiresAt > Date.now() ? kept : null
}

export function leave() {
  sessionStorage.removeItem(KEY)
}
