// A client of the type protocol on the `ws` package, as a program would have one: it signs in with a header, keeps what it
// has not been told was accepted, comes back when the server does, and asks for what it missed.
//
//   node chat.mjs MODULES URL TOKEN ROOM
//
// MODULES is the folder whose node_modules has `ws`. Each line on stdin is said in the room; what happens is told on
// stdout, one JSON object a line. The end of stdin ends it.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import path from "node:path";

const [modules, url, token, room] = process.argv.slice(2);
const WebSocket = createRequire(path.join(modules, "x.js"))("ws");
const RETRY_MS = 100;

const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
let socket = null;
let place = null; // {room, seq, epoch}: up to where the room was heard.
let ending = false;
let said = 0;
const unanswered = new Map(); // client_message_id to text.

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function post(id, text) {
  send({ type: "chat.message", id, data: { room, text, client_message_id: id } });
}

function heard(message) {
  if (place && message.seq !== place.seq + 1) tell({ event: "hole", after: place.seq, seq: message.seq });
  place = { ...place, seq: message.seq };
  tell({ event: "heard", seq: message.seq, text: message.text, user_id: message.user_id });
}

const on = {
  "auth.ok": ({ data }) => {
    const standing = data.rooms.find((it) => it.room === room);
    tell({ event: "signed in", user_id: data.user_id, recovered: standing?.recovered ?? null });
    if (!standing) return send({ type: "room.join", id: "join", data: { room } });
    if (place === null || standing.recovered !== true) place = { room, seq: standing.seq, epoch: standing.epoch };
    for (const [id, text] of unanswered) post(id, text);
  },
  "room.joined": ({ data }) => {
    place = { room, seq: data.seq, epoch: data.epoch };
    tell({ event: "joined", seq: data.seq });
    for (const [id, text] of unanswered) post(id, text);
  },
  "chat.message": ({ data }) => heard(data),
  "room.messages": ({ data }) => data.messages.forEach(heard),
  "chat.ack": ({ data }) => {
    unanswered.delete(data.client_message_id);
    tell({ event: "accepted", seq: data.seq, id: data.client_message_id });
  },
  ping: () => send({ type: "pong" }),
  error: (error) => tell({ event: "error", code: error.code, reconnect: error.reconnect ?? null }),
};

function connect() {
  // A header can sign in, and cannot say what was missed: for that there is the first frame.
  const headers = place === null ? { Authorization: `Bearer ${token}` } : {};
  socket = new WebSocket(url, ["bongsu.type.v1"], { headers });
  socket.on("open", () => {
    tell({ event: "open", protocol: socket.protocol });
    if (place !== null) send({ type: "auth", data: { token, resume: [place] } });
  });
  socket.on("message", (text, binary) => {
    if (binary) return tell({ event: "binary" });
    const message = JSON.parse(text);
    on[message.type]?.(message);
  });
  socket.on("error", () => {}); // The close that follows is told.
  socket.on("close", (code, reason) => {
    tell({ event: "closed", code, reason: reason.toString() });
    if (ending || reason.toString() === "reconnect=never") process.exit(ending ? 0 : 1);
    setTimeout(connect, RETRY_MS);
  });
}

createInterface({ input: process.stdin })
  .on("line", (text) => {
    const id = `node-${process.pid}-${++said}`;
    unanswered.set(id, text);
    post(id, text);
  })
  .on("close", () => {
    ending = true;
    socket.close(1000, "bye");
  });
connect();
