// socket.io-client of one version, told what to do: one JSON object a line on stdin, what happens on stdout.
//
//   node driver.mjs MODULES NAME
//
// NAME is what the version is installed as in MODULES/node_modules. Commands are {"do", "as", ..}: `as` names a client.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import path from "node:path";

const [modules, name] = process.argv.slice(2);
const require = createRequire(path.join(modules, "x.js"));
const io = require(name);
const recent = Number(require(`${name}/package.json`).version.split(".")[0]) >= 3;
const clients = new Map();

const tell = (as, told, fields = {}) => process.stdout.write(JSON.stringify({ as, told, ...fields }) + "\n");
const transport = (socket) => socket.io.engine?.transport?.name ?? null;

function connect({ as, url, namespace, transports, auth, query, headers }) {
  const socket = io(url + namespace, {
    transports,
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    randomizationFactor: 0,
    ...(recent && auth ? { auth } : {}),
    ...(query ? { query } : {}),
    ...(headers ? { extraHeaders: headers } : {}),
  });
  clients.set(as, socket);
  socket.on("connect", () => {
    const engine = socket.io.engine;
    tell(as, "connected", { sid: socket.id, recovered: socket.recovered ?? null, transport: transport(socket) });
    engine.once("upgrade", (to) => tell(as, "upgraded", { transport: to.name }));
  });
  socket.on("disconnect", (reason) => tell(as, "disconnected", { reason }));
  const refused = (error) => tell(as, "refused", {
    message: typeof error === "string" ? error : error?.message ?? null,
    data: error?.data ?? null,
    // What the transport could not do is an error of its own type; the rest is what the server said.
    refusal: error?.type !== "TransportError",
  });
  if (recent) {
    socket.on("connect_error", refused);
    socket.onAny((event, ...args) => tell(as, "event", { event, args }));
  } else {
    socket.on("error", refused);
    const original = socket.onevent;
    socket.onevent = function onevent(packet) {
      const [event, ...args] = packet.data;
      tell(as, "event", { event, args });
      original.call(this, packet);
    };
  }
}

const commands = {
  connect,
  emit({ as, event, args, ack }) {
    const answered = ack === undefined ? [] : [(...answer) => tell(as, "ack", { ack, args: answer })];
    clients.get(as).emit(event, ...args, ...answered);
  },
  // The same with bytes inside the last argument.
  attach({ as, event, args, ack, size }) {
    const last = args[args.length - 1];
    commands.emit({ as, event, args: [...args.slice(0, -1), { ...last, file: Buffer.alloc(size, 7) }], ack });
  },
  transport: ({ as }) => tell(as, "transport", { transport: transport(clients.get(as)) }),
  disconnect({ as }) {
    clients.get(as).disconnect();
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on("close", () => process.exit(0));
