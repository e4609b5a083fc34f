/** All benches, in the order of the targets. */
import type { Bench } from './harness/bench.ts'
import { links } from './links.ts'
import { p1 } from './p1.ts'
import { p10 } from './p10.ts'
import { p2 } from './p2.ts'
import { p3 } from './p3.ts'
import { p4 } from './p4.ts'
import { p5 } from './p5.ts'
import { p6 } from './p6.ts'
import { p7 } from './p7.ts'
import { p8 } from './p8.ts'

export const BENCHES: readonly Bench[] = [p1, p2, p3, p4, p5, p6, p7, p8, p10, links]
