/** The app module: `troupe dev examples/notes/app.ts --store sqlite:.troupe/notes`. What it is made of: application.ts; what it reads from the environment: config.ts. */
import { notesApp } from './application.ts'
import { configFrom } from './config.ts'

export default notesApp(configFrom(process.env))
