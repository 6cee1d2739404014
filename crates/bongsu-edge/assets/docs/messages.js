// The message protocols: one section for each channel of the AsyncAPI description.

import { examples, h, heading, names, paragraphs, prose, table } from "./parts.js";
import { topic } from "./words.js";

const last = (reference) => reference.$ref.split("/").at(-1);

/// A section for each channel. An entry of the index is `{ id, label, kind, search }`.
export function protocols(said, api) {
  return api["x-order"].map((key) => protocol(said, api, key, api.channels[key]));
}

function protocol(said, api, key, channel) {
  const all = new Map();
  for (const [local, reference] of Object.entries(channel.messages)) {
    all.set(local, { local, id: last(reference), message: api.components.messages[last(reference)] });
  }
  const links = linked(api, key, all);
  const ordered = (channel["x-order"] ?? [...all.keys()]).map((local) => all.get(local));
  const groups = [];
  const common = shared(ordered);
  const section = h("section", { class: "part", id: key },
    h("header", { class: "lead" },
      heading(said, 2, key, channel.title), paragraphs(channel.description),
      servers(said, api, channel), envelopes(said, api, ordered, common)));
  for (const tag of channel.tags) {
    const entries = ordered.filter((it) => it.message.tags.some((own) => own.name === tag.name));
    const id = `${key}.${tag.name}`;
    section.append(h("section", { class: "topic", id },
      h("header", null, heading(said, 3, id, topic(said, tag.name)), h("p", null, prose(tag.description ?? ""))),
      entries.map((it) => card(said, api, it, links, common.get(it.message["x-direction"])))));
    groups.push({ id, label: topic(said, tag.name), entries: entries.map((it) => entry(api, it)) });
  }
  return { id: key, label: channel.title, count: all.size, groups, section };
}

/// Which messages answer which, and which are heard because of which: both ways.
function linked(api, key, all) {
  const links = { answers: new Map(), causes: new Map(), answered: new Map(), heard: new Map() };
  const add = (map, from, to) => map.set(from, [...(map.get(from) ?? []), to]);
  const byId = new Map([...all.values()].map((it) => [it.id, it]));
  for (const operation of Object.values(api.operations)) {
    if (operation.channel.$ref !== `#/channels/${key}` || operation.action !== "receive") continue;
    const request = all.get(last(operation.messages[0]));
    for (const reference of operation.reply?.messages ?? []) {
      const reply = all.get(last(reference));
      add(links.answered, request.id, reply);
      if (reply.message["x-direction"] !== "error") add(links.answers, reply.id, request);
    }
    for (const id of request.message["x-heard-by-others"] ?? []) {
      add(links.heard, request.id, byId.get(id));
      add(links.causes, id, request);
    }
  }
  return links;
}

function servers(said, api, channel) {
  const rows = channel.servers.map((reference) => api.servers[last(reference)]).map((server) =>
    h("div", { class: "server" },
      h("code", null, `${server.protocol}://${server.host}${server.pathname ?? ""}`),
      h("p", null, prose(server.description))));
  return h("div", { class: "servers" }, rows);
}

/// What stands around the bodies: said once, not with each message.
function envelopes(said, api, ordered, common) {
  const blocks = Object.entries(said.envelope).map(([direction, label]) => {
    const first = ordered.find((it) => it.message["x-direction"] === direction);
    if (!first || !body(first.message)) return null;
    return h("details", { class: `envelope ${direction}` },
      h("summary", null, label), table(said, api, named(said, first.message, common.get(direction))));
  });
  return h("div", { class: "envelopes" }, blocks);
}

/// The envelope's own fields. The name's is whatever the message is called, and the body's are the message's own.
function named(said, message, keys) {
  const [name] = nameKey(message);
  const properties = {
    ...Object.fromEntries(Object.entries(message.payload.properties).filter(([key]) => keys.has(key))),
    [name]: { type: "string", description: said.named },
    data: { type: "object", description: said.holds },
  };
  const rest = message.payload.required.filter((key) => key !== name && key !== "data");
  return { type: "object", properties, required: [name, "data", ...rest] };
}

/// The keys that all messages of a direction have around their bodies.
function shared(ordered) {
  const keys = new Map();
  for (const { message } of ordered) {
    const own = new Set(Object.keys(message.payload.properties));
    const before = keys.get(message["x-direction"]) ?? own;
    keys.set(message["x-direction"], new Set([...before].filter((key) => own.has(key))));
  }
  return keys;
}

const body = (message) => message.payload.properties.data;

/// The keys of the envelope where it is not apart from the body. The names of a family are in no other key than `type`.
const nameKey = (message) =>
  Object.entries(message.payload.properties)
    .filter(([key, it]) => it.const === message.name || (key === "type" && it.pattern)).map(([key]) => key);

function card(said, api, { id, message }, links, common) {
  const direction = message["x-direction"];
  const fields = body(message) ? table(said, api, body(message)) : table(said, api, message.payload, nameKey(message));
  const beside = Object.keys(message.payload.properties).some((key) => !common.has(key)) && body(message);
  const answered = links.answered.get(id) ?? [];
  const good = answered.filter((it) => it.message["x-direction"] !== "error");
  return h("article", { class: `message ${direction}`, id },
    h("header", null,
      h("span", { class: "badge" }, said.direction[direction]),
      heading(said, 4, id, h("code", null, message.title))),
    h("p", { class: "summary" }, prose(message.summary)),
    h("div", { class: "columns" },
      h("div", null, fields,
        beside && [h("h5", null, prose(said.beside)), table(said, api, message.payload, [...common])],
        h("dl", { class: "links" },
        direction === "request" && chips(said.answeredBy, answered, good.length ? null : said.noAnswer),
        chips(said.heard, links.heard.get(id)),
        chips(said.answers, links.answers.get(id)),
        chips(said.caused, links.causes.get(id)))),
      h("div", null, examples(said, message.examples ?? []))));
}

function chips(label, list, note) {
  if (!list?.length) return null;
  return [h("dt", null, label), h("dd", null,
    note && h("span", { class: "note" }, note),
    list.map((it) => h("a", { class: `chip ${it.message["x-direction"]}`, href: `#${it.id}` }, it.message.title)))];
}

function entry(api, { id, message }) {
  const search = [message.name, message.summary, ...names(api, message.payload)].join(" ").toLowerCase();
  return { id, label: message.title, kind: message["x-direction"], search };
}

/// Why a request is refused, and why a WebSocket is closed.
export function codes(said, language, api) {
  const errors = h("section", { class: "topic", id: "errors" },
    h("header", null, heading(said, 3, "errors", said.errors), h("p", null, said.errorsAbout)),
    rows([said.code, "bongsu.type.v1", said.text], api["x-error-codes"].map((it) =>
      [h("code", null, it.code), h("code", null, it.type_code), it[language] ?? it.en])));
  const closes = h("section", { class: "topic", id: "closes" },
    h("header", null, heading(said, 3, "closes", said.closes)),
    rows([said.code, said.reconnect, said.when], api["x-close-codes"].map((it) =>
      [h("code", null, it.code), it.reconnect.map((word) => [h("span", { class: `advice ${word}` }, word), " "]), it[language] ?? it.en])));
  return { errors, closes };
}

const rows = (head, lines) => h("div", { class: "scroll" }, h("table", { class: "plain" },
  h("thead", null, h("tr", null, head.map((it) => h("th", null, it)))),
  h("tbody", null, lines.map((cells) => h("tr", null, cells.map((it) => h("td", null, it)))))));
