// Chance from a seed, and what the parsers of others are given to say.

/// A stream of numbers (mulberry32): the same seed, the same packets.
export function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end) => Math.floor(next() * end);
  return { below, of: (choices) => choices[below(choices.length)], bytes: (most) => Array.from({ length: below(most + 1) }, () => below(256)) };
}

/// Strings with everything that is hard in one of the forms. None of them looks as if it was encoded twice: that is the
/// one thing in which a text of one generation cannot be told from a text of another.
export const TEXTS = ["", "message", "a\nb", "\\n", "\\\\n\\", "\"quoted\"", "é", "Ñandú é", "가나다", "😀", "a\u2028b",
  "100% + 1 & d=2", "\u0000\u001e\u007f", "한글 😀 é", "0:4", "\\u00e9"];

export function value(random, depth) {
  const kind = random.below(depth === 0 ? 5 : 7);
  if (kind === 0) return null;
  if (kind === 1) return random.below(2) === 0;
  if (kind === 2) return random.of([0, -1, 1.5, 1e21, 1e-7, 2 ** 53]);
  if (kind < 5) return random.of(TEXTS);
  const count = random.below(3);
  if (kind === 5) return Array.from({ length: count }, () => value(random, depth - 1));
  return Object.fromEntries(Array.from({ length: count }, () => [random.of(TEXTS), value(random, depth - 1)]));
}

const namespace = (random) => random.of(["/", "/", "/chat", "/가", "/a?token=x%2Cy"]);
const bytes = (random) => Buffer.from(random.bytes(9));

/// Packets as a client gives them to its encoder; `kind` as on the wire but for attachments, which `binary` says.
export const PACKETS = [
  (random) => ({ kind: 0, nsp: namespace(random), data: random.of([undefined, { token: "é" }]) }),
  (random) => ({ kind: 1, nsp: namespace(random) }),
  (random) => ({ kind: 2, nsp: namespace(random), id: random.of([undefined, 0, 17, 2 ** 40]), data: [random.of(TEXTS), value(random, 3)] }),
  (random) => ({ kind: 3, nsp: namespace(random), id: random.below(1e6), data: [value(random, 3)] }),
  (random) => ({ kind: 2, binary: true, nsp: namespace(random), id: random.of([undefined, 3]), data: ["b", bytes(random), { deep: [bytes(random), value(random, 1)] }] }),
  (random) => ({ kind: 3, binary: true, nsp: namespace(random), id: 5, data: [{ one: bytes(random) }] }),
  (random) => ({ kind: 4, nsp: namespace(random), data: { message: random.of(TEXTS) } }),
];
