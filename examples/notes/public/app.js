// The page: wires session, list and traffic. Everything about notes goes over one socket (the SDK); accounts over HTTP.
import { connect } from './troupe-client.js'
import { startList } from './list.js'
import { call, enter, leave, session } from './session.js'
import { startTraffic } from './traffic.js'

const $ = (id) => document.getElementById(id)
const STATES = { connecting: 'connecting', open: 'live', resuming: 'reconnecting', suspended: 'waiting for the network', closed: 'offline' }

let client = null
let list = null

function show(state) {
  $('state').textContent = STATES[state] ?? state
  $('state').dataset.state = state
}

function begin({ uid, token, name }) {
  $('enter').hidden = true
  $('notes').hidden = false
  $('logout').hidden = false
  $('who').textContent = name
  client = connect(location.origin, { token, device: 'page' })
  client.on('state', (state) => {
    show(state)
    // The server no longer takes the token: logged out elsewhere, or past its time.
    if (state === 'closed' && client !== null) end()
  })
  show(client.state)
  list = startList(client.actor(`user/${uid}`))
}

function end() {
  const old = client
  client = null
  old?.close()
  list?.stop()
  list = null
  leave()
  show('closed')
  $('who').textContent = ''
  $('logout').hidden = true
  $('notes').hidden = true
  $('enter').hidden = false
}

const form = $('login')
let registering = false
function choose(register) {
  registering = register
  form.querySelector('h2').textContent = register ? 'Register' : 'Come in'
  form.querySelector('.new').hidden = !register
  form.elements.email.required = register
  form.elements.password.autocomplete = register ? 'new-password' : 'current-password'
  form.querySelector('[type=submit]').textContent = register ? 'Register' : 'Log in'
  $('other').textContent = register ? 'I have an account' : 'New here? Register'
}
$('other').onclick = () => choose(!registering)

async function comeIn(path, body) {
  const error = form.querySelector('.error')
  error.textContent = ''
  form.classList.add('busy')
  try {
    begin(await enter(path, body))
    form.reset()
  } catch (failure) {
    error.textContent = failure.message
  } finally {
    form.classList.remove('busy')
  }
}

form.onsubmit = (event) => {
  event.preventDefault()
  const { name, email, password } = form.elements
  const body = { name: name.value, password: password.value, ...(registering && { email: email.value }) }
  void comeIn(registering ? '/register' : '/login', body)
}
$('peek-in').onclick = () => void comeIn('/login', { name: 'sim-0', password: 'simulated-user-0' })
$('logout').onclick = async () => {
  const { token } = session() ?? {}
  end()
  if (token !== undefined) await call('POST', '/logout', { token }).catch(() => undefined)
}

startTraffic()
const known = session()
if (known === null) $('enter').hidden = false
else begin(known)
