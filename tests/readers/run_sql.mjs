// Runs statements in DuckDB, in the current directory.
//
// Reads a JSON array of statements on standard input and prints, a line each,
// {"rows": [[...]], "seconds": ...}. Numbers of more than 53 bits are text.

import {DuckDBInstance} from '@duckdb/node-api';

const statements = JSON.parse(await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (chunk) => text += chunk);
  process.stdin.on('end', () => resolve(text));
}));

const settings = JSON.parse(process.env.DUCKDB_SETTINGS ?? '{}');
const database = await DuckDBInstance.create(':memory:', settings);
const connection = await database.connect();
for (const statement of statements) {
  const start = process.hrtime.bigint();
  const answer = await connection.runAndReadAll(statement);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  console.log(JSON.stringify({rows: answer.getRowsJson(), seconds}));
}
