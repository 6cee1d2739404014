// Node's socket.io as a peer of the bench: sign in, join a room, a message to all of it, a ping; nothing is kept or
// verified. It answers the packets of the load generator with answers as long as the product's.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const number = { type: "string", default: "0" };
const { values } = parseArgs({ options: { "frame-bytes": number, "pong-bytes": number } });

// What makes a packet as long as asked for: the header of its WebSocket frame counts.
function fill(packet, bytes) {
  const header = bytes < 128 ? 2 : bytes < 65540 ? 4 : 10;
  return "x".repeat(Math.max(0, bytes - header - packet.length));
}

// A content has the same length in all messages of a run, so that the first one shows what is missing.
let messageFill;
function message({ room, text }) {
  const said = { room, text, fill: "" };
  messageFill ??= fill(`42["chat.message",${JSON.stringify(said)}]`, Number(values["frame-bytes"]));
  said.fill = messageFill;
  return said;
}
const pong = { server_time: "2026-01-01T12:00:00.000Z", fill: "" };
pong.fill = fill(`437[${JSON.stringify(pong)}]`, Number(values["pong-bytes"]));

const http = createServer();
const io = new Server(http, { maxHttpBufferSize: 65536, serveClient: false });
io.on("connection", (socket) => {
  socket.emit("auth.ok", { user_id: "1000000", session_id: socket.id, rooms: [] });
  socket.on("room.join", ({ room }, answer) => {
    socket.join(room);
    answer({ room, seq: 0 });
  });
  socket.on("chat.message", (said, answer) => {
    io.to(said.room).emit("chat.message", message(said));
    answer({ room: said.room, seq: 0 });
  });
  socket.on("ping", (_, answer) => answer(pong));
});

http.listen(0, "127.0.0.1", () => {
  const { port } = http.address();
  const about = new URL("node_modules/socket.io/package.json", import.meta.url);
  const version = `socket.io ${JSON.parse(readFileSync(about)).version} on node ${process.versions.node}`;
  console.log(JSON.stringify({ ready: true, tcp: `127.0.0.1:${port}`, pid: process.pid, version }));
});

// Ends with the process that started it, also when that one had no time to say so.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1000).unref();
process.on("SIGTERM", () => process.exit());
