// SPDX-License-Identifier: PostgreSQL

// node-postgres as docs/clients.md sets it up: a new login for each line.
const fs = require('node:fs')
const readline = require('node:readline')
const { pool } = require('./keyturn.js')

async function main () {
  const made = pool({
    host: process.argv[2],
    port: Number(process.argv[3]),
    database: process.argv[4],
    ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT) }
  })
  for await (const line of readline.createInterface(process.stdin)) {
    try {
      const client = await made.connect()
      const found = await client.query('select current_user')
      client.release(true) // not to be used again
      console.log(found.rows[0].current_user)
    } catch (e) {
      console.log(line, e.message)
    }
  }
  await made.end()
}

main()
