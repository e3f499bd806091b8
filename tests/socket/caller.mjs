// A caller that speaks WebSocket: url, authority's file, token. Tells what it heard as one line of JSON.
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";

const [url, ca, token] = process.argv.slice(2);
const socket = new WebSocket(url, ["orders.v1", "orders.v2"], {
  ca: readFileSync(ca),
  headers: { authorization: `Bearer ${token}` },
  perMessageDeflate: { threshold: 64 },
});
// What is not switched to WebSocket is told by its status.
socket.on("unexpected-response", (_, answer) => {
  console.log(JSON.stringify({ refused: answer.statusCode }));
  process.exit(0);
});
await once(socket, "open");

async function echo(said, options) {
  const back = once(socket, "message");
  socket.send(said, options);
  const [data, binary] = await back;
  return [data, binary];
}

const text = "zażółć gęślą jaźń ".repeat(50);
const [textBack, textBinary] = await echo(text);
const bytes = randomBytes(1 << 20);
const [bytesBack, bytesBinary] = await echo(bytes);
const pong = once(socket, "pong");
socket.ping("still there?");
const [pongBack] = await pong;
const closed = once(socket, "close");
socket.close(4001, "enough");
const [code, reason] = await closed;
console.log(JSON.stringify({
  protocol: socket.protocol,
  extensions: socket.extensions,
  text: !textBinary && textBack.toString() === text,
  bytes: bytesBinary && bytes.equals(bytesBack),
  pong: pongBack.toString(),
  code,
  reason: reason.toString(),
}));
