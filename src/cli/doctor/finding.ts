/** What a check of `doctor` found: in one line how it is, and when it is not well, what to change. */
export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  readonly advice?: string
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found }
}

export function warn(check: string, found: string, advice: string): Finding {
  return { check, status: 'warn', found, advice }
}

export function fail(check: string, found: string, advice: string): Finding {
  return { check, status: 'fail', found, advice }
}
