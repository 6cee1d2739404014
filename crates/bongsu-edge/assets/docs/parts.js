// What both halves of the page are made of: elements, prose, JSON, schemas as tables.
//
// Everything that comes from a description becomes text nodes, never HTML.

/// An element. Attributes that are `null`, `undefined` or `false` are left out.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/// Text in which `this` is code.
export function prose(text) {
  return text.split("`").map((piece, at) => (at % 2 ? h("code", null, piece) : piece));
}

/// Paragraphs of it.
export const paragraphs = (text, className) =>
  (text ?? "").split(/\n{2,}/).filter(Boolean).map((piece) => h("p", { class: className }, prose(piece)));

/// JSON, set as people write it.
export function json(value) {
  const text = layout(value, "");
  const block = h("pre", { class: "json", tabindex: "0" });
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;
  let at = 0;
  for (const match of text.matchAll(token)) {
    block.append(text.slice(at, match.index));
    const kind = match[2] ? "key" : match[1] ? "string" : "literal";
    block.append(h("span", { class: kind }, match[1] ?? match[0]), match[2] ?? "");
    at = match.index + match[0].length;
  }
  block.append(text.slice(at));
  return block;
}

/// Small values stay on one line.
function layout(value, indent) {
  const flat = JSON.stringify(value, null, 1)?.replaceAll(/\n\s*/g, " ") ?? "null";
  if (value === null || typeof value !== "object" || (flat.length + indent.length <= 46)) return flat;
  const deeper = `${indent}  `;
  const entries = Array.isArray(value)
    ? value.map((entry) => deeper + layout(entry, deeper))
    : Object.entries(value).map(([key, entry]) => `${deeper}${JSON.stringify(key)}: ${layout(entry, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${entries.join(",\n")}\n${indent}${close}`;
}

/// One example, or several to choose from.
export function examples(said, list) {
  if (!list.length) return null;
  const pane = h("div", { class: "pane" });
  const show = (at) => {
    const { summary, payload } = list[at];
    pane.replaceChildren(...(summary ? [h("p", { class: "caption" }, prose(summary))] : []), json(payload));
    tabs.forEach((tab, index) => tab.setAttribute("aria-pressed", index === at));
  };
  const tabs = list.map((it, at) =>
    h("button", { type: "button", title: it.name, onclick: () => show(at) }, it.label ?? (list.length === 1 ? said.example : String(at + 1))));
  const copy = h("button", { type: "button", class: "copy", onclick: () => copied(said, copy, pane) }, said.copy);
  const head = h("div", { class: "tabs" },
    (list.length > 1 || list[0].label) && h("span", { class: "label" }, said.example), tabs, copy);
  show(0);
  return h("figure", { class: "example" }, head, pane);
}

async function copied(said, button, pane) {
  const block = pane.querySelector("pre");
  const text = block.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without leave to write to the clipboard the reader copies what is then selected.
    getSelection().selectAllChildren(block);
    return;
  }
  button.textContent = said.copied;
  setTimeout(() => { button.textContent = said.copy; }, 1200);
}

/// A schema without its references, and the name that a reference gave it.
export function resolved(root, schema) {
  let name = null;
  let description = null;
  let current = schema ?? {};
  for (let steps = 0; steps < 8; steps += 1) {
    description ??= current.description;
    if (current.$ref) {
      name = current.$ref.split("/").at(-1).split(".").at(-1);
      current = current.$ref.slice(2).split("/").reduce((at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {};
    } else if (current.allOf?.length === 1 && current.allOf[0].$ref) {
      current = current.allOf[0];
    } else {
      break;
    }
  }
  return { schema: current, name, description };
}

/// The type beside which `null` may stand.
const bare = (type) => [type].flat().filter((it, _, all) => it !== "null" || all.length === 1);

/// The parts of a schema that is one of several.
const choices = (schema) => schema.anyOf?.some((it) => it.type || it.$ref || it.const !== undefined) ? schema.anyOf : schema.oneOf;

/// What a value is, in words.
export function kind(said, root, given) {
  const { schema, name } = resolved(root, given);
  const types = said.types;
  const several = choices(schema);
  if (several) return between(several.map((it) => kind(said, root, it)), ` ${types.or} `);
  if (schema.const !== undefined) return [`${types.always} `, h("code", null, JSON.stringify(schema.const))];
  if (schema.enum) {
    const values = h("span", { class: "choices" }, schema.enum.map((it) => h("code", null, String(it))));
    return schema.enum.length > 8 ? h("details", null, h("summary", null, said.values(schema.enum.length)), values) : values;
  }
  const [type] = bare(schema.type ?? "");
  const nullable = Array.isArray(schema.type) && schema.type.length > 1 && schema.type.includes("null");
  const words = plain(said, root, schema, type, name);
  return nullable ? [words, ` ${types.or} `, types.null] : words;
}

function plain(said, root, schema, type, name) {
  const types = said.types;
  switch (type) {
    case "string": return string(types, schema, said);
    case "integer": case "number": return [types[type], range(schema.minimum, schema.maximum), setting(said, schema)];
    case "boolean": return types.boolean;
    case "null": return types.null;
    case "array": {
      const most = schema.maxItems === undefined ? null : bound(types.entries(figure(schema.maxItems)));
      return [`${types.array} `, kind(said, root, schema.items ?? {}), most, setting(said, schema)];
    }
    case "object": {
      const most = schema["x-bytes-max"] === undefined ? null : bound(types.bytes(`≤ ${figure(schema["x-bytes-max"])}`));
      return [name ? h("i", null, name) : types.object, most, setting(said, schema)];
    }
    default: return name ? h("i", null, name) : types.anything;
  }
}

function string(types, schema, said) {
  const hex = /^\^\[0-9a-f\]\{(\d+)\}\$$/.exec(schema.pattern ?? "");
  if (hex) return types.hex(hex[1]);
  if (schema.format === "date-time") return types.moment;
  if (schema.pattern) return [`${types.matching} `, h("code", null, schema.pattern.replace(/^\^|\$$/g, ""))];
  const max = schema["x-bytes-max"] ?? schema.maxLength;
  if (max === undefined) return types.text;
  const least = schema.minLength ? `${figure(schema.minLength)}–` : "≤ ";
  return [types.text, bound(types.bytes(least + figure(max))), setting(said, schema)];
}

function range(min, max) {
  if (min === undefined && max === undefined) return null;
  const text = max === undefined ? `≥ ${figure(min)}` : min === undefined ? `≤ ${figure(max)}` : `${figure(min)}–${figure(max)}`;
  return bound(text);
}

/// The comma stays with the word before it.
const bound = (text) => h("span", { class: "bound" }, ", ", h("span", null, text));

const figure = (number) => Number(number).toLocaleString("en-US");

/// The setting that a bound is.
const setting = (said, schema) =>
  schema["x-limit"] ? [" ", h("span", { class: "setting", title: `[limits] ${schema["x-limit"]}: ${said.settings}` }, schema["x-limit"])] : null;

const between = (lists, comma) => lists.flatMap((list, at) => (at ? [comma, list] : [list]));

/// The fields of an object and of the objects in it, as rows.
export function table(said, root, given, skip = []) {
  const rows = [];
  gather(said, root, given, 0, skip, rows, []);
  if (!rows.length) return h("p", { class: "none" }, said.none);
  return h("div", { class: "scroll" }, h("table", { class: "fields" },
    h("thead", null, h("tr", null, h("th", null, said.field), h("th", null, said.type), h("th", null, said.meaning))),
    h("tbody", null, rows)));
}

function gather(said, root, given, depth, skip, rows, above) {
  const { schema } = resolved(root, given);
  const required = schema.required ?? [];
  const properties = Object.entries(schema.properties ?? {}).filter(([name]) => !skip.includes(name));
  // In the order in which they are written; those that may be absent come last.
  const place = ([name]) => (required.includes(name) ? required.indexOf(name) : required.length);
  properties.sort((one, other) => place(one) - place(other));
  for (const [name, property] of properties) {
    const needed = required.includes(name);
    const { description } = resolved(root, property);
    rows.push(h("tr", { class: needed ? "needed" : "may", "data-depth": depth },
      h("td", null, h("code", { class: "name" }, name), h("small", null, needed ? said.required : said.optional)),
      h("td", null, kind(said, root, property)),
      h("td", null, description ? prose(description) : "")));
    const inner = inside(root, property);
    if (inner && depth < 3 && !above.includes(inner.schema)) {
      gather(said, root, inner.schema, depth + 1, [], rows, [...above, inner.schema]);
    }
  }
  if (schema.additionalProperties === true) {
    rows.push(h("tr", { class: "may", "data-depth": depth }, h("td", null, "…"), h("td", null, said.types.anything), h("td", null, said.others)));
  }
}

/// The object whose fields stand below a field: itself, an entry of its list, or what it is unless it is `null`.
function inside(root, given) {
  const found = resolved(root, given);
  const { schema } = found;
  if (schema.properties) return found;
  if (schema.items) return inside(root, schema.items);
  const several = choices(schema);
  return several ? several.map((it) => inside(root, it)).find(Boolean) : undefined;
}

/// Everything a reader may search for in a schema: the names of its fields.
export function names(root, given, depth = 0) {
  const { schema } = resolved(root, given);
  const inner = [...Object.values(schema.properties ?? {}), schema.items, ...(choices(schema) ?? [])].filter(Boolean);
  return [...Object.keys(schema.properties ?? {}), ...(depth < 4 ? inner.flatMap((it) => names(root, it, depth + 1)) : [])];
}

/// A heading that can be linked to.
export const heading = (said, level, id, ...content) =>
  h(`h${level}`, null, content, h("a", { class: "anchor", href: `#${id}`, "aria-label": said.link, title: said.link }, "#"));
