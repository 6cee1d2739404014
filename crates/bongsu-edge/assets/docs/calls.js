// The HTTP API: one card for each operation of the OpenAPI description, by tag.

import { examples, h, heading, kind, names, paragraphs, prose, resolved, table } from "./parts.js";
import { topic } from "./words.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

export function http(said, api) {
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
  const tags = [...new Set(all.map((it) => it.operation.tags?.[0] ?? "other"))].sort();
  const section = h("section", { class: "part", id: "http" },
    h("header", { class: "lead" }, heading(said, 2, "http", said.http), paragraphs(api.info.description)));
  const groups = tags.map((tag) => {
    const own = all.filter((it) => (it.operation.tags?.[0] ?? "other") === tag);
    const id = `http.${tag}`;
    section.append(h("section", { class: "topic", id },
      h("header", null, heading(said, 3, id, topic(said, tag))),
      own.map((it) => card(said, api, it))));
    return { id, label: topic(said, tag), entries: own.map((it) => entry(api, it)) };
  });
  return { id: "http", label: said.http, count: all.length, groups, section };
}

const idOf = (operation) => `http.${operation.operationId}`;

function card(said, api, { path, method, operation }) {
  const id = idOf(operation);
  const { schema, optional } = asked(api, operation);
  const good = answers(api, operation).filter((it) => it.status.startsWith("2"));
  const shown = [sample(api, schema, said.body), ...good.map((it) => sample(api, it.schema, it.status))];
  const open = (operation.security ?? api.security ?? []).some((it) => !Object.keys(it).length);
  return h("article", { class: `call ${method}`, id },
    h("header", null,
      h("span", { class: "badge" }, method.toUpperCase()),
      heading(said, 4, id, h("code", null, parts(path))),
      h("span", { class: "access" }, open ? said.open : said.signed)),
    h("p", { class: "summary" }, prose(operation.summary ?? "")),
    operation.description && paragraphs(operation.description),
    h("div", { class: "columns" },
      h("div", null,
        parameters(said, api, operation.parameters ?? []),
        schema && [h("h5", null, said.body, optional && h("small", null, said.mayLack)), table(said, api, schema)],
        h("h5", null, said.responses), answers(api, operation).map((it) => answer(said, api, it))),
      h("div", null, examples(said, shown.filter(Boolean)))));
}

/// A path, with what is to be filled in set apart.
const parts = (path) => path.split(/(\{[^}]+\})/).map((piece) => (piece.startsWith("{") ? h("em", null, piece) : piece));

/// The schema of a call's body. One that may be left out is one of nothing and its shape.
function asked(api, operation) {
  const given = operation.requestBody?.content?.["application/json"]?.schema;
  if (!given) return { schema: null, optional: false };
  const whole = given.oneOf?.find((it) => it.$ref || it.properties);
  return { schema: whole ?? given, optional: Boolean(whole) || !operation.requestBody.required };
}

function answers(api, operation) {
  return Object.entries(operation.responses).map(([status, response]) => {
    const [media, content] = Object.entries(response.content ?? {})[0] ?? [];
    return { status, description: response.description, media, schema: content?.schema };
  });
}

function sample(api, schema, label) {
  const payload = schema && made(api, schema, 0);
  return payload === undefined || payload === null ? null : { name: label, label, payload };
}

/// The example that a schema gives, or one that is made of those inside it; nothing where there is none.
function made(api, given, depth) {
  const { schema } = resolved(api, given);
  if (schema.example !== undefined) return schema.example;
  if (depth > 4) return undefined;
  if (schema.items) {
    const entry = made(api, schema.items, depth + 1);
    return entry === undefined ? undefined : [entry];
  }
  const fields = Object.entries(schema.properties ?? {}).map(([name, it]) => [name, made(api, it, depth + 1)]);
  const known = fields.filter(([, value]) => value !== undefined);
  return known.length ? Object.fromEntries(known) : undefined;
}

function parameters(said, api, list) {
  if (!list.length) return null;
  const rows = list.map((it) => h("tr", { class: it.required ? "needed" : "may" },
    h("td", null, h("code", { class: "name" }, it.name), h("small", null, `${said.where[it.in]}, ${it.required ? said.required : said.optional}`)),
    h("td", null, kind(said, api, it.schema ?? {})),
    h("td", null, prose((it.description ?? "").replaceAll("\n", " ")))));
  return [h("h5", null, said.parameters), h("div", { class: "scroll" }, h("table", { class: "fields" },
    h("thead", null, h("tr", null, h("th", null, said.field), h("th", null, said.type), h("th", null, said.meaning))),
    h("tbody", null, rows)))];
}

function answer(said, api, { status, description, media, schema }) {
  const head = [
    h("span", { class: `status s${status.charAt(0)}` }, status),
    h("span", { class: "about" }, description ?? ""),
    h("code", { class: "media" }, media ?? said.noBody),
  ];
  if (!schema || !names(api, schema).length) return h("div", { class: "answer" }, head);
  return h("details", { class: "answer" }, h("summary", null, head), table(said, api, schema));
}

function entry(api, { path, method, operation }) {
  const { schema } = asked(api, operation);
  const fields = [schema, ...answers(api, operation).map((it) => it.schema)].filter(Boolean).flatMap((it) => names(api, it));
  const search = [method, path, operation.summary, operation.operationId, ...fields].join(" ").toLowerCase();
  return { id: idOf(operation), label: path.replace("/api/v1", ""), kind: method, search };
}
