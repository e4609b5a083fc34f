/** The floor: Node 22.18 runs TypeScript as it is. */
const MAJOR = 22
const MINOR = 18

/** What is wrong with this version of Node, or null. Plain syntax only: it must run on every Node. */
export function nodeProblem(version: string): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return null
  return `Node ${version} is too old: Troupe needs ${MAJOR}.${MINOR} or newer (24 is the long-term release); see https://nodejs.org/`
}
