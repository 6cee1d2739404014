// Our codec against the parsers that clients of Socket.IO 1 to 4 are made with, in Node and in a page, both ways: what
// we say is what they read, what they say is what we read, and what is damaged we never read as something else than they
// do.
// Usage: node check.mjs <the example socketio_lines> [seed] [rounds]

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { PACKETS, TEXTS, chance, value } from "./chance.mjs";

const require = createRequire(import.meta.url);
const sio = { 4: require("socket.io-parser"), 3: require("socket.io-parser-3") };
const eio = { 5: require("engine.io-parser"), 2: require("engine.io-parser-2"), 1: require("engine.io-parser-1") };
// The same two as a page has them: other code, with other types for bytes.
const PAGE = { "2 in a page": "engine.io-parser-2/lib/browser.js", "1 in a page": "engine.io-parser-1/lib/browser.js" };
for (const [name, path] of Object.entries(PAGE)) eio[name] = require(path);

const [lines, seed = "1", rounds = "600"] = process.argv.slice(2);
const random = chance(Number(seed));
const faults = [];
const counts = {};
const MAX_FAULTS = 20;

function run(args, input = "") {
  const out = execFileSync(lines, args, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  return out.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

function same(what, ours, theirs, about) {
  counts[what] = (counts[what] ?? 0) + 1;
  if (isDeepStrictEqual(ours, theirs) || faults.length >= MAX_FAULTS) return;
  faults.push(`${what}\n  of     ${JSON.stringify(about)}\n  ours   ${JSON.stringify(ours)}\n  theirs ${JSON.stringify(theirs)}`);
}

// Socket.IO's packets

const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
const isObject = (it) => it !== null && typeof it === "object" && !Array.isArray(it);

/// The numbers of the placeholders in a value.
function holes(it) {
  if (Array.isArray(it)) return it.flatMap(holes);
  if (!isObject(it)) return [];
  return it._placeholder === true ? [it.num] : Object.values(it).flatMap(holes);
}

/// Whether a text is one that we take, where the parsers are less strict: numbers as short as they are, ids, data and
/// names where they belong, and a placeholder for each attachment.
function strict(text) {
  const parts = /^(?:([0-4])|([56])([1-9]\d*)-)(\/[^,]*(?:,|$))?(0|[1-9]\d*)?(?:([[{"])(.*))?$/su.exec(text);
  if (!parts) return false;
  const [, plain, binary, attachments, , id, begins, rest] = parts;
  const type = Number(plain ?? binary);
  if (id !== undefined && (type === 0 || type === 1 || type === 4 || Number(id) > Number.MAX_SAFE_INTEGER)) return false;
  if (id === undefined && (type === 3 || type === 6)) return false;
  if (begins === undefined) return type === 0 || type === 1;
  let data;
  try { data = JSON.parse(begins + rest); } catch { return false; }
  if (type === 0 && !isObject(data)) return false;
  if (type === 4 && !isObject(data) && typeof data !== "string") return false;
  if ((type === 2 || type === 5) && (typeof data[0] !== "string" || RESERVED.includes(data[0]))) return false;
  if (!binary) return true;
  const numbers = new Set(holes(data));
  return numbers.size === Number(attachments) && [...numbers].every((it) => it >= 0 && it < Number(attachments));
}

/// What a parser makes of a text and of the attachments that it wants; null if it refuses it.
function parsed(parser, text) {
  const decoder = new parser.Decoder({ maxAttachments: 8 });
  let packet = null;
  decoder.on("decoded", (it) => { packet = it; });
  try {
    decoder.add(text);
    for (let sent = 0; packet === null && sent < 8; sent += 1) decoder.add(Buffer.from([sent]));
  } catch { return null; }
  if (packet === null || String(packet.data).startsWith("parser error")) return null;
  const types = { 5: 2, 6: 3 };
  return { type: types[packet.type] ?? packet.type, nsp: packet.nsp, id: packet.id ?? null, data: packet.data };
}

/// A value with each placeholder filled.
function filled(it) {
  if (Array.isArray(it)) return it.map(filled);
  if (!isObject(it)) return it;
  if (it._placeholder === true) return Buffer.from([it.num]);
  return Object.fromEntries(Object.entries(it).map(([key, value]) => [key, filled(value)]));
}

function comparable({ type, nsp, id, data, attachments }) {
  const value = data === null ? undefined : JSON.parse(data);
  return { type, nsp, id, data: attachments > 0 ? filled(value) : value };
}

function packet({ packet: text, read }) {
  for (const [version, parser] of Object.entries(sio)) {
    const theirs = parsed(parser, text);
    const takes = theirs !== null && strict(text);
    same(`packets of parser ${version}: taken`, !read.refused, takes, [text, read]);
    if (takes && !read.refused) same(`packets of parser ${version}: read`, comparable(read), theirs, text);
  }
  if (!read.refused && read.type === 2) {
    const [name, ...rest] = JSON.parse(read.data);
    same("packets: names", [read.name, read.arguments], [name, rest.length], text);
  }
}

// Engine.IO's payloads

const isBytes = (it) => it instanceof Uint8Array || it instanceof ArrayBuffer;
const PLAIN = ({ type, data }) =>
  (isBytes(data) ? { type, binary: Buffer.from(data).toString("base64") } : { type, data: data ?? "" });

/// Packets with what JSON leaves open settled, and no data the same as none.
function settled(packets) {
  return packets.map(({ type, data, binary }) => {
    if (binary !== undefined) return { type, binary };
    if (["open", "close", "upgrade", "noop"].includes(type)) return { type };
    const begin = type === "message" ? data.search(/[[{"]/u) : -1;
    if (begin < 0) return { type, data: data ?? "" };
    try {
      return { type, data: [data.slice(0, begin), JSON.parse(data.slice(begin))] };
    } catch { return { type, data }; }
  });
}

/// What a parser makes of a body: its packets, and null at the end if it gave up.
function payload(generation, form, body) {
  if (generation === "5") {
    return eio[5].decodePayload(body.toString(), "nodebuffer").map((it) => (it.type === "error" ? null : PLAIN(it)));
  }
  const all = [];
  const each = (it) => { all.push(it.type === "error" || it.type === undefined ? null : PLAIN(it)); };
  try {
    if (form === "octets" && PAGE[generation]) {
      eio[generation].decodePayloadAsBinary(new Uint8Array(body).buffer, "arraybuffer", each);
    } else if (form === "octets") eio[generation].decodePayloadAsBinary(body, each);
    else eio[generation].decodePayload(body.toString(), each);
  } catch { all.push(null); }
  return all;
}

const parsers = (version) => (version === 4 ? ["5"] : ["2", "1", ...Object.keys(PAGE)]);

function ourPayload({ version, form, body: base64, whole, meant, read }) {
  const body = Buffer.from(base64, "base64");
  if (whole) same(`payloads of version ${version}, ${form}: read`, settled(read.said), settled(meant), body.toString());
  for (const parser of parsers(version)) {
    const what = `payloads for parser ${parser}, ${form}`;
    // Clients of the first generation decode a text once more, so damage beyond ASCII is theirs alone.
    if (!whole && parser.startsWith("1") && body.some((byte) => byte > 127)) continue;
    // They cut all records before they read one; we look at none after a close.
    if (!whole && form === "octets" && read.said.at(-1)?.type === "close") continue;
    const theirs = payload(parser, form, body);
    if (whole) same(`${what}: meant`, settled(meant), settled(theirs), body.toString());
    else if (!read.refused) same(`${what}: damaged`, settled(read.said), settled(heard(theirs)), body.toString());
  }
}

/// What a server hears of it: nothing after a close.
function heard(packets) {
  const close = packets.findIndex((it) => it?.type === "close");
  return (close < 0 ? packets : packets.slice(0, close + 1)).map((it) => it ?? { type: "refused" });
}

function script({ version, script: text, meant }) {
  let body = null;
  const ___eio = [];
  ___eio[7] = (it) => { body = it; };
  new Function("___eio", text)(___eio);
  for (const parser of parsers(version)) {
    same(`scripts for parser ${parser}`, settled(meant), settled(payload(parser, "text", Buffer.from(body))), text);
  }
}

// What they say

function theirPackets(count) {
  const asked = [];
  for (let made = 0; made < count; made += 1) {
    const it = random.of(PACKETS)(random);
    asked.push([new sio[4].Encoder().encode({ ...it, type: it.kind })[0], it]);
    const binary = sio[3][it.kind === 2 ? "BINARY_EVENT" : "BINARY_ACK"];
    const type = it.binary ? binary : it.kind;
    new sio[3].Encoder().encode({ ...it, type }, ([text]) => asked.push([text, it]));
  }
  const answers = run(["read"], asked.map(([text]) => JSON.stringify({ packet: text })).join("\n"));
  answers.forEach((read, at) => packet({ packet: asked[at][0], read }));
  answers.forEach((read, at) => {
    const [text, { kind, nsp, id }] = asked[at];
    same("their packets", [read.type, read.nsp, read.id], [kind, nsp, id ?? null], text);
  });
}

/// What a page does with a payload before it posts it as a form, from the client's `polling-jsonp`.
function form(payload) {
  const escaped = payload.replace(/\\n/g, "\\\n").replace(/\n/g, "\\n");
  return Buffer.from(new URLSearchParams({ d: escaped }).toString());
}

function theirPayloads(count) {
  const asked = [];
  const ask = (version, form, body, packets) => asked.push([{ version, form, body: body.toString("base64") }, packets]);
  for (let made = 0; made < count; made += 1) {
    const packets = Array.from({ length: 1 + random.below(5) }, () => {
      if (random.below(5) === 0) return { type: "message", data: Buffer.from(random.bytes(20)) };
      if (random.below(8) === 0) return random.of([{ type: "ping", data: "probe" }, { type: "pong" }, { type: "upgrade" }]);
      // Clients of the first generation write half a surrogate pair as it is, the others as a replacement character.
      if (random.below(9) === 0) return { type: "message", data: '2["한글 \ud83d!"]' };
      return { type: "message", data: `2${JSON.stringify([random.of(TEXTS), value(random, 2)])}` };
    });
    eio[5].encodePayload(packets, (body) => ask(4, "text", Buffer.from(body), packets));
    const inPage = packets.map(({ type, data }) => ({ type, data: isBytes(data) ? new Uint8Array(data).buffer : data }));
    for (const generation of parsers(3)) {
      const [parser, given] = [eio[generation], PAGE[generation] ? inPage : packets];
      parser.encodePayload(given, false, (body) => {
        ask(3, "text", Buffer.from(body), packets);
        ask(3, "form", form(body), packets);
      });
      const octets = PAGE[generation] ? "encodePayloadAsArrayBuffer" : "encodePayloadAsBinary";
      parser[octets](given, (body) => ask(3, "octets", Buffer.from(body), packets));
    }
  }
  const answers = run(["read"], asked.map(([line]) => JSON.stringify(line)).join("\n"));
  answers.forEach(({ said, refused }, at) => {
    const [line, packets] = asked[at];
    const wanted = settled(packets.map(PLAIN).map((it) => (it.data ? { ...it, data: it.data.toWellFormed() } : it)));
    same(`their payloads of version ${line.version}, ${line.form}`, [settled(said), refused], [wanted, undefined],
      Buffer.from(line.body, "base64").toString());
  });
}

for (const line of run(["emit", seed, rounds])) {
  if (line.packet !== undefined) packet(line);
  else if (line.script !== undefined) script(line);
  else ourPayload(line);
}
theirPackets(Number(rounds));
theirPayloads(Number(rounds));

for (const [what, count] of Object.entries(counts).sort()) console.log(`  ${what}: ${count}`);
for (const fault of faults) console.error(fault);
const total = Object.values(counts).reduce((sum, it) => sum + it, 0);
console.log(`socketio-parser: ${total} comparisons with seven parsers, ${faults.length} differences`);
if (faults.length > 0) process.exit(1);
