/** Help that fits: texts are written as paragraphs, and laid out for the width of the terminal, of 80 columns where there is none. */
const WIDTH = 80
/** Longer lines are harder to read. */
const WIDTH_MAX = 100

export const HELP_WIDTH: number = Math.min(WIDTH_MAX, Math.max(WIDTH, process.stdout.columns ?? WIDTH))

/** Lines that follow each other are one paragraph, however the source breaks them; an empty line ends it. */
export function paragraphs(text: string): string {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s*\n\s*/g, ' '))
    .join('\n\n')
}

/** Paragraphs as lines of at most `width` columns; a longer word has a line of its own. */
export function prose(text: string, width: number = HELP_WIDTH): string {
  const lines = (paragraph: string): string => {
    const [first = '', ...words] = paragraph.split(' ')
    const all = [first]
    for (const word of words) {
      const last = all.at(-1) as string
      if (last.length + 1 + word.length <= width) all[all.length - 1] = `${last} ${word}`
      else all.push(word)
    }
    return all.join('\n')
  }
  return paragraphs(text).split('\n').map(lines).join('\n')
}

/** What to type, a line each, as it is (a test holds each to 80 columns); one that goes on ends in a backslash. */
export function example(given: string): string {
  const lines = given
    .trim()
    .split('\n')
    .map((line) => line.trim())
  return `\nExamples:\n${lines.map((line, i) => `${lines[i - 1]?.endsWith('\\') === true ? '      ' : '  '}${line}\n`).join('')}`
}
