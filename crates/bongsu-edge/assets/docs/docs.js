// Reads both descriptions and shows them: the index, the search, the language.

import { http } from "./calls.js";
import { codes, protocols } from "./messages.js";
import { h, paragraphs } from "./parts.js";
import { keep, preferred, words } from "./words.js";

const at = (id) => document.getElementById(id);

let language = preferred();
let descriptions = null;
/// Every entry of the index: its element, its card, what a search looks at.
let entries = [];

async function read(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function overview(said, parts) {
  const tiles = parts.map((it) => h("a", { class: "tile", href: `#${it.id}` },
    h("b", null, it.label),
    h("span", null, it.id === "http" ? said.calls(it.count) : said.messages(it.count)),
    h("small", null, it.groups.map((group) => group.label).join(" · "))));
  const files = ["asyncapi.json", "asyncapi.yaml", "openapi.json", "openapi.yaml"].map((name) => h("a", { href: name }, h("code", null, name)));
  return h("section", { class: "overview", id: "overview" },
    h("h1", null, said.title), paragraphs(said.intro),
    h("div", { class: "tiles" }, tiles),
    h("p", { class: "files" }, said.files, ": ", files));
}

function show() {
  const said = words(language);
  document.documentElement.lang = language;
  document.querySelectorAll("#languages button").forEach((it) => it.setAttribute("aria-pressed", it.dataset.language === language));
  at("search").placeholder = said.search;
  at("search").setAttribute("aria-label", said.search);
  at("menu").setAttribute("aria-label", said.menu);
  if (!descriptions) {
    at("status").textContent = said.loading;
    return;
  }
  const { messages, calls } = descriptions;
  document.title = `Bongsu ${messages.info.version}`;
  at("version").textContent = messages.info.version;
  const parts = [...protocols(said, messages), http(said, calls)];
  const { errors, closes } = codes(said, language, messages);
  const last = parts.pop();
  at("content").replaceChildren(
    overview(said, [...parts, last]), h("p", { id: "found", role: "status", hidden: true }),
    ...parts.map((it) => it.section), h("section", { class: "part", id: "codes" }, errors, closes), last.section);
  entries = [];
  at("index").replaceChildren(
    h("a", { class: "top", href: "#overview" }, said.overview),
    ...parts.map(branch),
    h("div", { class: "branch" }, h("a", { class: "top", href: "#errors" }, said.errors), h("a", { class: "top", href: "#closes" }, said.closes)),
    branch(last));
  search();
  follow();
  if (location.hash) at(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

/// One protocol in the index.
function branch(part) {
  const groups = part.groups.map((group) => h("details", { open: true },
    h("summary", null, group.label),
    h("ul", null, group.entries.map((entry) => {
      const link = h("a", { href: `#${entry.id}`, title: entry.label },
        h("span", { class: `dot ${entry.kind}` }, METHODS.has(entry.kind) ? entry.kind : ""), h("span", { class: "label" }, entry.label));
      const item = h("li", null, link);
      entries.push({ ...entry, item, link, card: at(entry.id) });
      return item;
    }))));
  return h("div", { class: "branch" }, h("a", { class: "top", href: `#${part.id}` }, part.label), groups);
}

const METHODS = new Set(["get", "post", "put", "patch", "delete"]);

/// Hides what does not have every word that is looked for. What is called so comes before what has it somewhere.
function search() {
  const said = words(language);
  const wanted = at("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  document.body.classList.toggle("searching", wanted.length > 0);
  let count = 0;
  for (const { search: text, item, card } of entries) {
    const hit = wanted.every((word) => text.includes(word));
    item.hidden = !hit;
    card.hidden = !hit;
    count += hit;
  }
  for (const group of document.querySelectorAll(".topic, #index details, .branch, .part")) {
    const own = group.querySelectorAll("article, li");
    group.hidden = wanted.length > 0 && ![...own].some((it) => !it.hidden);
  }
  const found = at("found");
  if (found) {
    found.hidden = !wanted.length;
    found.textContent = count ? said.found(count) : said.nothing;
  }
}

/// Marks in the index what stands at the top of the page.
function follow() {
  const seen = new Set();
  const byCard = new Map(entries.map((it) => [it.card, it]));
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) isIntersecting ? seen.add(target) : seen.delete(target);
    const first = entries.find((it) => seen.has(it.card));
    for (const it of entries) it.link.classList.toggle("here", it === first);
    if (first) near(first.link);
  }, { rootMargin: "-150px 0px -45% 0px" });
  for (const card of byCard.keys()) watcher.observe(card);
}

/// Scrolls the index, and nothing else, so far that a link can be seen.
function near(link) {
  const index = at("index");
  const [box, own] = [index.getBoundingClientRect(), link.getBoundingClientRect()];
  if (own.top < box.top + 40) index.scrollTop -= box.top + 40 - own.top;
  else if (own.bottom > box.bottom - 40) index.scrollTop += own.bottom - box.bottom + 40;
}

function menu(open) {
  document.body.classList.toggle("index-open", open);
  at("menu").setAttribute("aria-expanded", open);
}

at("search").addEventListener("input", search);
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    at("search").value = "";
    search();
    at("search").blur();
  } else if (event.key === "Enter") {
    const first = entries.find((it) => !it.item.hidden);
    if (first) location.hash = first.id;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
  event.preventDefault();
  at("search").focus();
});
at("menu").addEventListener("click", () => menu(!document.body.classList.contains("index-open")));
at("index").addEventListener("click", (event) => { if (event.target.closest("a")) menu(false); });
at("languages").addEventListener("click", (event) => {
  const chosen = event.target.closest("button")?.dataset.language;
  if (!chosen) return;
  language = chosen;
  keep(chosen);
  show();
});

// A link may lead to what a search hides.
addEventListener("hashchange", () => {
  const target = at(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest("[hidden]")) return;
  at("search").value = "";
  search();
  target.scrollIntoView();
});

show();
try {
  const [messages, calls] = await Promise.all([read("asyncapi.json"), read("openapi.json")]);
  descriptions = { messages, calls };
  show();
} catch (fault) {
  console.error(fault);
  at("status").textContent = words(language).failed;
}
