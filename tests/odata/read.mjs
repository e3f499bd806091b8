// Reads `$metadata` from standard input with OASIS's own reader, and prints what it holds as JSON.

import { readFileSync } from 'node:fs';

import csdl from 'odata-csdl';

const messages = [];
const read = csdl.xml2json(readFileSync(0), { messages, strict: true });
console.log(JSON.stringify({ messages, read }));
