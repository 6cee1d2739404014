// The descriptions as others read them: parsed by the parsers of AsyncAPI and OpenAPI, and every vector validated against
// the schema of its message. Usage: node check.mjs <the repository>

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv } from "ajv";
import { parse } from "yaml";

const [repository] = process.argv.slice(2);
const faults = [];
const fault = (text) => faults.push(text);

const DIRECTIONS = { request: "request", reply: "reply", event: "event", notice: "notice", refusal: "error" };

async function asyncapi(text) {
  const { document, diagnostics } = await new Parser().parse(text, { source: "docs/asyncapi.yaml" });
  const errors = diagnostics.filter((it) => it.severity === 0);
  for (const { code, message, path, range } of errors) {
    fault(`docs/asyncapi.yaml:${range.start.line + 1}: ${code}: ${message} (${path.join(".")})`);
  }
  if (!document) return fault("docs/asyncapi.yaml: the parser makes no document of it");
  const others = [...new Set(diagnostics.filter((it) => it.severity !== 0).map((it) => it.code))];
  console.log(`asyncapi: ${document.channels().length} channels, ${document.operations().length} operations, ` +
    `${document.messages().length} messages, ${errors.length} errors; advice: ${others.join(", ") || "none"}`);
}

async function openapi(text) {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(text);
  if (!valid) fault(`docs/openapi.yaml: ${JSON.stringify(errors)}`);
  console.log(`openapi: version ${validator.version}, ${Object.keys(parse(text).paths).length} paths, ${valid ? "valid" : "not valid"}`);
}

/// The objects of a stream, however they stand.
function* objects(stream) {
  let [depth, begin, inString, escaped] = [0, 0, false, false];
  for (let at = 0; at < stream.length; at += 1) {
    const c = stream[at];
    if (inString) {
      if (escaped) escaped = false;
      else if (c === "\\") escaped = true;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === "{" && depth++ === 0) begin = at;
    else if (c === "}" && --depth === 0) yield JSON.parse(stream.slice(begin, at + 1));
  }
}

function sections(text) {
  const [, ...parts] = text.split(/^-- (\w+)\n/m);
  return Object.fromEntries(parts.map((it, at) => [it, parts[at + 1]]).filter((_, at) => at % 2 === 0));
}

/// The message that is called so: of its name and direction, or of the family that its name belongs to.
function messageOf(messages, direction, nameKey, name) {
  const own = messages.filter(([, it]) => it["x-direction"] === direction);
  const named = own.find(([, it]) => (nameKey ? it.payload.properties[nameKey].const : it["x-name-pattern"] ? undefined : it.name) === name);
  return named ?? own.find(([, it]) => {
    const pattern = nameKey ? it.payload.properties[nameKey].pattern : it["x-name-pattern"];
    return pattern && new RegExp(pattern, "u").test(name);
  });
}

/// What Socket.IO's packets say, a line each: `42["name",{…}]`. An acknowledgement says no name; the one without an event
/// of the same says that a message is kept.
function* packets(lines) {
  for (const line of lines.split("\n").filter(Boolean)) {
    const [, kind, json] = /^4([0-4])(?:\/[^,]*,)?\d*(.*)$/s.exec(line);
    if (kind === "2") yield JSON.parse(json).slice(0, 2);
    if (kind === "3" && json.startsWith('[{"message_id"')) yield ["message", JSON.parse(json)[0]];
  }
}

/// A frame of a device. Two kinds have no name in themselves.
function frames(json) {
  if (!json) return [];
  const value = JSON.parse(json);
  return [[value.type ?? ("msg_id" in value ? "command" : "word"), value]];
}

/// Names and values of a vector in one protocol.
function said(channel, nameKey, parts) {
  if (channel === "device") return frames(parts.device_json);
  if (nameKey) return [...objects(parts[channel] ?? "")].map((value) => [value[nameKey], value]);
  return [...packets(`${parts[channel] ?? ""}\n${parts[`${channel}_chat`] ?? ""}`)].map(([name, value]) => [name, value ?? {}]);
}

function vectors(document) {
  // What stands beside a keyword is for people; lengths in bytes are for them, too.
  const ajv = new Ajv({ allErrors: true, strict: false, validateSchema: false, formats: { int64: true, int32: true, "date-time": true } });
  ajv.addSchema(document, "bongsu");
  const folder = join(repository, "vectors");
  const files = readdirSync(folder).filter((name) => name.endsWith(".txt")).sort();
  const checked = {};
  const used = new Set();
  for (const file of files) {
    const kind = file.replace(/^switchboard_/, "").replace(/^device_(said|refused)_/, (_, what) => (what === "said" ? "request_" : "refused_")).split("_")[0];
    // What is not understood need not be as any schema says.
    if (kind === "refused") continue;
    const parts = sections(readFileSync(join(folder, file), "utf8"));
    for (const channel of Object.keys(document.channels)) {
      const messages = Object.entries(document.components.messages).filter(([key]) => key.startsWith(`${channel}.`));
      const named = ([key, it]) => it.const === messages[0][1].name && key;
      const nameKey = Object.entries(messages[0][1].payload.properties).map(named).find(Boolean);
      for (const [name, value] of said(channel, nameKey, parts)) {
        if (value.compressed) continue;
        const found = messageOf(messages, DIRECTIONS[kind], nameKey, name) ??
          // What a device is told says by its name what it is.
          (kind === "device" ? ["reply", "notice", "error"].map((it) => messageOf(messages, it, nameKey, name)).find(Boolean) : undefined) ??
          // The end of a session is said as a refusal where there is no other word for it, and what was missed as it would
          // have been where there is no word for pages.
          (kind === "notice" && (messageOf(messages, "error", nameKey, name) ?? messageOf(messages, "event", nameKey, name)));
        if (!found) {
          fault(`${file}: the ${channel} protocol has no ${DIRECTIONS[kind]} \`${name}\``);
          continue;
        }
        const validate = ajv.getSchema(`bongsu#/components/messages/${found[0]}/payload`);
        if (!validate(value)) fault(`${file}: ${found[0]}: ${ajv.errorsText(validate.errors)}`);
        checked[channel] = (checked[channel] ?? 0) + 1;
        used.add(found[0]);
      }
    }
  }
  for (const key of Object.keys(document.components.messages)) {
    if (!used.has(key)) fault(`${key}: no vector of it`);
  }
  for (const [key, { examples = [] }] of Object.entries(document.components.messages)) {
    const validate = ajv.getSchema(`bongsu#/components/messages/${key}/payload`);
    for (const { name, payload } of examples) {
      if (!validate(payload)) fault(`${key}: example ${name}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  for (const channel of Object.keys(document.channels)) {
    const count = checked[channel] ?? 0;
    if (count < ({ switchboard: 40, device: 25 }[channel] ?? 60)) fault(`only ${count} values of the ${channel} protocol were found`);
    console.log(`vectors: ${count} values of the ${channel} protocol validated`);
  }
}

const text = readFileSync(join(repository, "docs/asyncapi.yaml"), "utf8");
await asyncapi(text);
vectors(parse(text));
await openapi(readFileSync(join(repository, "docs/openapi.yaml"), "utf8"));
for (const it of faults) console.error(`FAULT ${it}`);
process.exit(faults.length ? 1 : 0);
