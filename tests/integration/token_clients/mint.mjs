// SPDX-License-Identifier: PostgreSQL
// Mint with Databricks's own driver for Node: prints what it was given.
// usage: node mint.mjs ENDPOINT   (DATABRICKS_* as for any client)
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.KEYTURN_TOKEN_CLIENTS, "x.js"));
const { generateDatabaseCredential, getWorkspaceClient } = await import(
  pathToFileURL(require.resolve("@databricks/lakebase")).href);

const client = await getWorkspaceClient({});
const answer = await generateDatabaseCredential(client, {
  endpoint: process.argv[2],
});
console.log(JSON.stringify(answer));
