// Reads a dataset with hyparquet and holds it, row for row, against CSV files
// of the same rows; then the metadata against the rows. Prints TAP.
//
//   node check_parquet.mjs DIRECTORY...
//
// where each DIRECTORY has scan/ and links.csv, gaps.csv, hops.csv.

import { readFileSync } from 'node:fs'
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const TABLES = {
  links: { sorted: ['near', 'far'], order: ['near', 'far'] },
  gaps: { sorted: ['near', 'far'], order: ['near', 'far', 'gap'] },
  hops: { sorted: ['target', 'flow', 'ttl'], order: ['target', 'flow', 'ttl'] },
}
const ADDRESSES = new Set(['near', 'far', 'target', 'responder'])
const KINDS = ['hop', 'destination', 'alias', 'unreachable']
const FLAGS = ['destination', 'unreachable', 'loop', 'wide-interval',
               'unsteady', 'unverified', 'tunnel', 'across-tunnel']
const BITS = { flags: FLAGS, changes: ['id', 'length'] }
const STRINGS = new Set(['extensions', 'mpls'])

let tests = 0
let failures = 0

function count(name, problems) {
  tests += 1
  if (problems.length > 0) failures += 1
  console.log(`${problems.length > 0 ? 'not ok' : 'ok'} ${tests} - ${name}`)
  for (const problem of problems.slice(0, 5)) console.log(`# ${problem}`)
}

// An IPv6 address in words: eight groups of four digits.
function expand(text) {
  const [left, right] = text.split('::').map(half => (half === '' ? [] : half.split(':')))
  const zeros = right === undefined ? [] : Array(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...(right ?? [])].map(group => group.padStart(4, '0')).join('')
}

const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')

// Extensions as the CSV spells them: label stacks, and whatever else.
function spell(bytes) {
  const objects = []
  for (let at = 0; at < bytes.length;) {
    const size = bytes[at] * 256 + bytes[at + 1]
    const payload = bytes.slice(at + 4, at + size)
    if (bytes[at + 2] === 1 && bytes[at + 3] === 1) {
      const labels = []
      for (let i = 0; i < payload.length; i += 4) {
        const [a, b, c, ttl] = payload.slice(i, i + 4)
        labels.push(`${a * 4096 + b * 16 + (c >> 4)}/${(c >> 1) & 7}/${c & 1}/${ttl}`)
      }
      objects.push(`mpls ${labels.join(' ')}`)
    } else {
      objects.push(`object ${bytes[at + 2]}/${bytes[at + 3]} 0x${hex(payload)}`)
    }
    at += size
  }
  return objects.join('; ')
}

// A value of Parquet as it is compared: bytes as text of the same order.
function comparable(column, value) {
  if (!(value instanceof Uint8Array)) return value
  return column === 'extensions' ? spell(value) : hex(value)
}

// The value that the text of a CSV field stands for.
function valueOf(column, text) {
  if (STRINGS.has(column)) return text
  if (ADDRESSES.has(column)) {
    if (text.includes(':')) return expand(text)
    return text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  }
  if (column === 'kind') return KINDS.indexOf(text)
  if (column in BITS) {
    return text === '' ? 0 : text.split('+').reduce((sum, bit) => sum + 2 ** BITS[column].indexOf(bit), 0)
  }
  return column === 'paths' ? BigInt(text) : Number(text)
}

function readCsv(path) {
  const [header, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n')
  const columns = header.split(',')
  const rows = lines.map(line => line.split(',').map((text, i) => valueOf(columns[i], text)))
  return { columns, rows }
}

function compareRows(columns, found, expected) {
  const problems = []
  if (found.length !== expected.length) problems.push(`${found.length} rows, not ${expected.length}`)
  for (let i = 0; i < expected.length && i < found.length; ++i) {
    columns.forEach((column, c) => {
      if (found[i][c] !== expected[i][c]) {
        problems.push(`row ${i}, ${column}: ${found[i][c]}, not ${expected[i][c]}`)
      }
    })
  }
  return problems
}

function compareSums(columns, found, expected) {
  const sum = (rows, c) => rows.reduce((total, row) => total + BigInt(row[c]), 0n)
  return columns.flatMap((column, c) => {
    if (typeof expected[0]?.[c] === 'string') return []
    const [is, should] = [sum(found, c), sum(expected, c)]
    return is === should ? [] : [`${column}: sum ${is}, not ${should}`]
  })
}

// The statistics of every chunk against the rows of its row group.
function compareStatistics(metadata, columns, rows) {
  const problems = []
  let start = 0
  metadata.row_groups.forEach((group, g) => {
    const end = start + Number(group.num_rows)
    columns.forEach((column, c) => {
      const chunk = group.columns[c].meta_data
      // In the file they are in the order of their bytes, not of their spelling.
      if (column === 'extensions') return
      let [min, max] = [rows[start][c], rows[start][c]]
      for (let i = start; i < end; ++i) {
        if (rows[i][c] < min) min = rows[i][c]
        if (rows[i][c] > max) max = rows[i][c]
      }
      const { null_count } = chunk.statistics
      const [min_value, max_value] = [chunk.statistics.min_value, chunk.statistics.max_value].map(value => comparable(column, value))
      if (min_value !== min || max_value !== max || null_count !== 0n) {
        problems.push(`row group ${g}, ${column}: ${min_value} to ${max_value}, ` +
                      `${null_count} nulls; not ${min} to ${max}`)
      }
      if (chunk.num_values !== group.num_rows) problems.push(`row group ${g}, ${column}: ${chunk.num_values} values`)
    })
    start = end
  })
  if (start !== rows.length || Number(metadata.num_rows) !== rows.length) {
    problems.push(`${metadata.num_rows} rows in the footer, ${start} in row groups, ${rows.length} read`)
  }
  return problems
}

function compareOrder(metadata, columns, rows, { sorted, order }) {
  const problems = []
  metadata.row_groups.forEach((group, g) => {
    const names = group.sorting_columns.map(({ column_idx, descending }) =>
      columns[column_idx] + (descending ? ' descending' : ''))
    if (names.join() !== sorted.join()) problems.push(`row group ${g} sorted by ${names}`)
  })
  const indices = order.map(name => columns.indexOf(name))
  for (let i = 1; i < rows.length; ++i) {
    const c = indices.find(c => rows[i - 1][c] !== rows[i][c])
    if (c !== undefined && rows[i - 1][c] > rows[i][c]) problems.push(`row ${i} before row ${i - 1}`)
  }
  return problems
}

function checkSchema(metadata, columns, wide) {
  const problems = []
  const leaves = metadata.schema.slice(1)
  if (leaves.map(leaf => leaf.name).join() !== columns.join()) problems.push(`columns ${leaves.map(leaf => leaf.name)}`)
  for (const leaf of leaves) {
    const type = `${leaf.type} ${leaf.type_length ?? ''} ${leaf.converted_type ?? ''} ${leaf.logical_type?.type ?? ''}`
    const bytes = { extensions: 'BYTE_ARRAY   ', mpls: 'BYTE_ARRAY  UTF8 STRING' }[leaf.name] ??
      (wide && ADDRESSES.has(leaf.name) ? 'FIXED_LEN_BYTE_ARRAY 16  ' : undefined)
    if (bytes !== undefined) {
      if (type !== bytes || leaf.repetition_type !== 'REQUIRED') problems.push(`${leaf.name}: ${type}`)
      continue
    }
    const bits = leaf.logical_type?.bitWidth
    if (leaf.converted_type !== `UINT_${bits}` || leaf.logical_type.isSigned || leaf.repetition_type !== 'REQUIRED') {
      problems.push(`${leaf.name}: ${JSON.stringify(leaf)}`)
    }
  }
  return problems
}

async function checkTable(directory, table) {
  const check = (name, problems) => count(`${directory.slice(-4)} ${name}`, problems)
  const file = await asyncBufferFromFile(`${directory}/scan/${table}.parquet`)
  const metadata = await parquetMetadataAsync(file)
  const csv = readCsv(`${directory}/${table}.csv`)
  let rows = []
  await parquetRead({ file, compressors, rowFormat: 'array', utf8: false, onComplete: data => { rows = data } })
  const wide = directory.endsWith('6')
  rows = rows.map(row => row.map((value, c) => comparable(csv.columns[c], value)))
  check(`${table}: columns of the right types under the names of the CSV`, checkSchema(metadata, csv.columns, wide))
  check(`${table}: ${csv.rows.length} rows are those of the CSV`, compareRows(csv.columns, rows, csv.rows))
  check(`${table}: sums of all columns agree`, compareSums(csv.columns, rows, csv.rows))
  check(`${table}: minima and maxima of ${metadata.row_groups.length} row groups are true`,
        compareStatistics(metadata, csv.columns, rows))
  check(`${table}: rows are in the order that the footer says`,
        compareOrder(metadata, csv.columns, rows, TABLES[table]))
  const { files, files_xxh3: _, ...manifest } = JSON.parse(readFileSync(`${directory}/scan/manifest.json`, 'utf8'))
  const own = metadata.key_value_metadata.find(({ key }) => key === 'fathom.manifest')?.value
  check(`${table}: the footer has the manifest`,
        JSON.stringify(JSON.parse(own)) === JSON.stringify(manifest) ? [] : [`${own}`])
  check(`${table}: the manifest has its size and rows`,
        files[`${table}.parquet`].bytes === file.byteLength &&
        files[`${table}.parquet`].rows === csv.rows.length ? [] : [JSON.stringify(files)])
}

for (const directory of process.argv.slice(2)) {
  for (const table of Object.keys(TABLES)) await checkTable(directory, table)
}
console.log(`1..${tests}`)
process.exit(failures > 0 ? 1 : 0)
