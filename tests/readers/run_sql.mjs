// Runs statements in DuckDB, in the current directory.
//
// Reads a JSON array of statements on standard input and prints, a line each,
// {"rows": [[...]], "seconds": ...}. Numbers of more than 53 bits are text. With
// --no-rows all is computed, but rows stay where they are.

import {DuckDBInstance} from '@duckdb/node-api';

const statements = JSON.parse(await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (chunk) => text += chunk);
  process.stdin.on('end', () => resolve(text));
}));

const noRows = process.argv.includes('--no-rows');
const settings = JSON.parse(process.env.DUCKDB_SETTINGS ?? '{}');
const database = await DuckDBInstance.create(':memory:', settings);
const connection = await database.connect();
for (const statement of statements) {
  const start = process.hrtime.bigint();
  const answer = noRows ? await connection.run(statement) :
                          await connection.runAndReadAll(statement);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const rows = noRows ? [] : answer.getRowsJson();
  console.log(JSON.stringify({rows, seconds}));
}
