// An OpenID Connect provider for one test: oidc-provider over HTTPS, its signing keys and its health in the
// test's hands.
//
//   node server.mjs CERTIFICATE KEY
//
// First it prints its issuer as a line of JSON; then each line on standard input is answered by one:
//   count    the documents that were fetched since the start
//   rotate   a new key signs; the old one stays published
//   retire   only the key that signs is published
//   down     every connection is cut from now on
//   up       and answered again
// It ends with its standard input.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

const [certificate, key] = process.argv.slice(2).map((path) => readFileSync(path));
const sockets = new Set();
const count = { discovery: 0, jwks: 0, refused: 0 };
let isUp = true;
let keys = [freshKey()];
let answer;

function freshKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'ES256' };
}

// What the provider's administrator has set up: one machine client and one API, which is the gate.
function provider(issuer) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: 'warehouse',
        client_secret: 'warehouse-secret-of-the-test',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'orders',
          audience: 'bramka',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    extraTokenClaims: () => ({ groups: ['readers', 'apps', 'domain-admins'], country: 'PL' }),
  });
}

const server = https.createServer({ cert: certificate, key }, (request, response) => {
  if (request.url === '/.well-known/openid-configuration') count.discovery += 1;
  if (request.url === '/jwks') count.jwks += 1;
  answer(request, response);
});
server.on('connection', (socket) => {
  if (!isUp) {
    count.refused += 1;
    socket.destroy();
    return;
  }
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
});

server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
  const serve = () => {
    answer = provider(issuer).callback();
  };
  const acts = {
    count: () => {},
    rotate: () => {
      keys = [freshKey(), ...keys];
      serve();
    },
    retire: () => {
      keys = keys.slice(0, 1);
      serve();
    },
    down: () => {
      isUp = false;
      sockets.forEach((socket) => socket.destroy());
    },
    up: () => {
      isUp = true;
    },
  };
  serve();
  say({ issuer });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    acts[line]();
    say(count);
  });
  lines.on('close', () => process.exit(0));
});
