// A page that chats: what it needs stands behind the # of its address. Everything it hears is in its document.
"use strict";

const given = new URLSearchParams(location.hash.slice(1));
const room = given.get("room");
const log = document.getElementById("log");
const state = document.getElementById("state");

function line(kind, text) {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = text;
  log.append(item);
}

const socket = new WebSocket(given.get("url"), "bongsu.type.v1");
const send = (type, data, id) => socket.send(JSON.stringify({ type, data, id }));
const on = {
  "auth.ok": () => send("room.join", { room }, "join"),
  "room.joined": ({ data }) => { state.textContent = `joined ${data.room} ${socket.protocol} ${socket.extensions}`; },
  "chat.message": ({ data }) => line("message", `${data.username}: ${data.text}`),
  "chat.typing": ({ data }) => line("typing", `${data.username} ${data.is_typing}`),
  "user.joined": ({ data }) => line("joined", data.username),
  "game.move": ({ data }) => line("move", JSON.stringify(data)),
  "error": (error) => line("error", error.code),
};
socket.onopen = () => send("auth", { token: given.get("token") });
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  on[message.type]?.(message);
};
socket.onclose = ({ code, reason }) => { state.textContent = `closed ${code} ${reason}`; };

document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = document.getElementById("text");
  send("chat.message", { room, text: text.value });
  text.value = "";
});
