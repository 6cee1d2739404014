// A page that chats as the reference has it: what it needs stands behind the # of its address.
"use strict";

const given = new URLSearchParams(location.hash.slice(1));
const log = document.getElementById("log");
const state = document.getElementById("state");
let room = null;

function line(kind, text) {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = text;
  log.append(item);
}

// Only what is asked for: a page may be told to begin with one transport.
const transports = given.get("transports")?.split(",");
const socket = io(given.get("url"), { reconnection: false, ...(transports ? { transports } : {}) });
socket.on("connect", () => {
  line("transport", socket.io.engine.transport.name);
  socket.io.engine.once("upgrade", (transport) => line("transport", transport.name));
  socket.emit("postinit_req", { token: given.get("token") });
});
socket.on("postinit_res", ({ user, rooms }) => {
  room = rooms[0].token;
  state.textContent = `in ${rooms.length} rooms as ${user.nickname}`;
});
socket.on("message", ({ from, content }) => line("message", `${from.nick.ko}: ${content}`));
socket.on("server_error", ({ code }) => line("error", code));
socket.on("connect_error", ({ message }) => { state.textContent = `refused: ${message}`; });
socket.on("disconnect", (reason) => { state.textContent = `closed: ${reason}`; });

document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = document.getElementById("text");
  socket.emit("message", { to: { type: "ROOM", token: room }, type: "TEXT", content: text.value }, ({ seq, code }) => {
    line("ack", String(seq ?? code));
  });
  text.value = "";
});
