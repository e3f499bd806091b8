// A system that speaks WebSocket: it says every message back, and tells on standard output where it listens.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 64 } });
server.on("listening", () => console.log(JSON.stringify(server.address())));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
