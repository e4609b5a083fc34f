/** Server-sent events out of a response body (WHATWG HTML, "Server-sent events", as far as Troupe writes them). */
export interface SseEvent {
  readonly event: string
  readonly id: string | null
  readonly data: string
}

/** `placed` is told each id, also that of a block without data, which is no event but says where a reader is (§9.2.6). */
export async function* readSse(body: ReadableStream<Uint8Array>, placed: (id: string) => void = () => undefined): AsyncGenerator<SseEvent> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split(/\r?\n\r?\n/)
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parse(block)
      if (event.id !== null) placed(event.id)
      if (event.data !== null) yield { ...event, data: event.data }
    }
  }
}

function parse(block: string): Omit<SseEvent, 'data'> & { readonly data: string | null } {
  let event = 'message'
  let id: string | null = null
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const [, name, value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    if (name === 'event') event = value
    else if (name === 'id') id = value
    else if (name === 'data') data.push(value)
  }
  return { event, id, data: data.length === 0 ? null : data.join('\n') }
}
