//! Every event of the switchboard, as displays say and hear them.
//!
//! Invariant: it says what `switchboard` takes and writes. `tests/asyncapi` holds it to both.

use bongsu_model::Reconnect;
use bongsu_model::device::DeviceId;
use bongsu_model::display::{Doing, StopSignal};

use super::CODES;
use crate::schema::{Bound, Direction, Envelope, Field, Message, Protocol, Shape, Topic, Ty};
use crate::typed::registry::parts::TEXT;

/// Displays on Socket.IO.
pub const PROTOCOL: Protocol = Protocol {
    name: "switchboard",
    title: "Switchboard (Socket.IO)",
    servers: &["socketio"],
    doc: "Displays, which run programs when they are told to. Each message here is an event with one argument, which is \
          described; its name is the event's. In `/switchboard`, where there is nothing else, or in `/`. A display registers \
          with `register_client` each time that it has connected; a token of the connect packet's `auth`, or of the \
          handshake, counts as the registration's in `/switchboard`.\n\n\
          Any event of a display may be emitted with an acknowledgement, which is then `{\"ok\": true}`, or `{\"error\": \
          {\"code\", \"message\", …}}` with the fields of `server_error`; the events that answer come all the same.\n\n\
          Fields beyond the guide for displays are marked as extensions: a display may pass them over. A number may come \
          with a point or in quotes, a text as a number, and `null` for what is absent.",
    names_in: None,
    envelope: |_: Direction| &BARE,
    topics: &[
        Topic {
            name: "session",
            doc: "Registering, staying, and the end.",
            messages: SESSION,
        },
        Topic {
            name: "programs",
            doc: "Programs: to be run, to be stopped, and how they are doing.",
            messages: PROGRAMS,
        },
    ],
};

const BARE: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: None,
    fields: &[],
};

const NAME_BYTES_MAX: Bound = Bound::Of(DeviceId::BYTES_MAX as u64);
const WORD: Ty = Ty::text(0, Bound::Limit("name_bytes_max"));
const PRESET: Ty = Ty::Nullable(&Ty::Integer);

const NAME: Field = Field::required(
    "clientName",
    Ty::text(1, NAME_BYTES_MAX),
    "The name under which the display is registered.",
);
const FOR: Field = Field::required("clientName", Ty::TEXT, "The display that it is for.");
const CLOCK: Field = Field::optional(
    "timestamp",
    Ty::Number,
    "What the display's clock shows, in seconds since 1970. Nothing goes by it.",
);
const PRESET_ID: Field = Field::optional("presetId", PRESET, "The preset, or `null` for none.");
const COMMAND_ID: Field = Field::optional(
    "commandId",
    Ty::Hex(32),
    "Extension: the command that it comes from. Without one it is matched by its preset.",
);
const MESSAGE: Field = Field::required("message", Ty::TEXT, "For people.");
const CODE: Field = Field::required("code", Ty::OneOf(&CODES), "Extension: the contract.");

const SESSION: &[Message] = &[
    Message::request(
        "register_client",
        "Say who one is: the first that a display says, after each connect.",
        &Shape::of(&[
            Field::required(
                "name",
                Ty::text(1, NAME_BYTES_MAX),
                "The display's name: of `A-Z a-z 0-9 . _ : -`.",
            ),
            Field::optional("clientType", WORD, "What the client is written in, such as `python`."),
            Field::optional("ip_address", WORD, "Where the display says it is."),
            Field::optional("version", WORD, "The client's version."),
            Field::optional(
                "capabilities",
                Ty::Array {
                    of: &WORD,
                    max: Bound::Limit("device_capabilities_max"),
                },
                "What the display can do. `command_ids`: it answers by `commandId`, keeps a journal and knows a command again \
                 that it has had. `barrier`: it knows `prepare_command` and `when`.",
            ),
            CLOCK,
            Field::optional(
                "token",
                Ty::text(1, Bound::Limit("token_bytes_max")),
                "Extension: an enrolment token, or a device's access token.",
            ),
            Field::optional(
                "running",
                Ty::Array {
                    of: &Ty::Hex(32),
                    max: Bound::Limit("device_running_max"),
                },
                "Extension: the commands that the display is carrying out.",
            ),
        ]),
    )
    .answered(&["registration_success", "registration_failed"]),
    Message::reply(
        "registration_success",
        "The display is let in.",
        &Shape::of(&[
            Field::required("clientId", Ty::Integer, "The display's number, for ever."),
            Field::required("clientName", Ty::TEXT, "Its name."),
            MESSAGE,
            Field::required("epoch", Ty::Count, "Extension: rises with every session of the display."),
            Field::required(
                "heartbeatMs",
                Ty::Count,
                "Extension: how often to send a heartbeat, in milliseconds.",
            ),
            Field::required(
                "serverTime",
                Ty::Integer,
                "Extension: the server's time, in milliseconds since 1970.",
            ),
        ]),
    ),
    Message::error(
        "registration_failed",
        "The display is not let in: a live client has its name, it may not register, or something of it is wrong. It may \
         try again, a little later, on the same connection.",
        &Shape::of(&[
            Field::required("reason", Ty::TEXT, "Why, for people."),
            MESSAGE,
            CODE,
            Field::optional(
                "retryAfterMs",
                Ty::Count,
                "Extension: when to try again, in milliseconds from now.",
            ),
        ]),
    ),
    Message::request(
        "heartbeat",
        "Say that one is there, every `heartbeatMs`.",
        &Shape::of(&[
            NAME,
            Field::optional("ip_address", WORD, "Where the display says it is."),
            CLOCK,
            Field::optional("status", WORD, "How the display is, in its own word: `online`."),
            Field::optional("uptime", Ty::Number, "For how long it has been running, in seconds."),
            Field::optional("process_count", Ty::Count, "How many programs run."),
        ]),
    )
    .answered(&["heartbeat_response"]),
    Message::reply(
        "heartbeat_response",
        "The heartbeat has come in.",
        &Shape::of(&[
            Field::required("status", Ty::OneOf(&["ok"]), ""),
            Field::required("timestamp", Ty::Moment, "The server's time."),
            MESSAGE,
            Field::required("nextHeartbeatIn", Ty::Count, "When the next is due, in milliseconds."),
        ]),
    ),
    Message::error(
        "heartbeat_response",
        "The heartbeat was not taken: nobody is registered here, or under another name; or something of it is wrong.",
        &Shape::of(&[
            Field::required("status", Ty::OneOf(&["error"]), ""),
            Field::required("timestamp", Ty::Moment, "The server's time."),
            MESSAGE,
            Field::required(
                "shouldReconnect",
                Ty::Bool,
                "Whether the display is to connect and register anew.",
            ),
            CODE,
        ]),
    ),
    Message::notice(
        "connection_check",
        "Is the display there? To be answered at once.",
        &Shape::of(&[Field::required(
            "timestamp",
            Ty::Number,
            "The server's time, in seconds since 1970.",
        )]),
    ),
    Message::request(
        "connection_check_response",
        "Say so, to a `connection_check`.",
        &Shape::of(&[
            NAME,
            CLOCK,
            Field::optional("status", Ty::OneOf(&["alive"]), ""),
            Field::optional(
                "received_at",
                Ty::Nullable(&Ty::Number),
                "The `timestamp` of the check.",
            ),
        ]),
    ),
    Message::request(
        "reconnection_success",
        "Say that one has come back after one's connection was gone.",
        &Shape::of(&[NAME, CLOCK]),
    ),
    Message::notice(
        "server_shutdown",
        "The server is about to stop.",
        &Shape::of(&[
            MESSAGE,
            Field::required(
                "reconnectAfter",
                Ty::Count,
                "When to come back, in milliseconds from now: another time for each display, so that they do not come all \
                 at once.",
            ),
        ]),
    ),
    Message::error(
        "server_error",
        "Something that a display said is refused, and the session lives on; or, with `reconnect`, the server closes the \
         connection right after this.",
        &Shape::of(&[
            Field::required("code", Ty::OneOf(&CODES), "The contract."),
            TEXT,
            Field::optional(
                "retry_after_ms",
                Ty::Count,
                "When to try again, in milliseconds from now.",
            ),
            Field::optional("reason", Ty::TEXT, "One word more than the code."),
            Field::optional(
                "reconnect",
                Ty::OneOf(&[
                    Reconnect::Now.name(),
                    Reconnect::Later.name(),
                    Reconnect::Never.name(),
                ]),
                "Only before a close. `now`: at once. `later`: after a little. `never`: not as it is.",
            ),
        ]),
    ),
];

const ID: Field = Field::required(
    "commandId",
    Ty::Hex(32),
    "Extension: the command, by which it is answered. The same in every repeat.",
);
const GIVEN_PRESET: Field = Field::required("presetId", PRESET, "The preset, or `null` for none.");
const GRACE: Field = Field::optional(
    "graceMs",
    Ty::Count,
    "Extension: how long a program that is asked to stop has before it is killed, in milliseconds.",
);

/// A program that is to be run.
const ORDER: Shape = Shape::of(&[
    FOR,
    Field::required("command", Ty::TEXT, "The command line."),
    GIVEN_PRESET,
    ID,
    Field::required(
        "ttlMs",
        Ty::Count,
        "Extension: how long after `issuedAt` it may still be started, in milliseconds.",
    ),
    Field::required(
        "issuedAt",
        Ty::Integer,
        "Extension: when it was asked for, in milliseconds since 1970 by the server's clock.",
    ),
    Field::required(
        "shell",
        Ty::Bool,
        "Extension: whether a shell reads the line. If not, it is split into words as a shell would, and nothing in it is \
         expanded. A display that knows only the guide uses a shell.",
    ),
    Field::optional("cwd", Ty::TEXT, "Extension: where it runs."),
    Field::optional(
        "env",
        Ty::FREE,
        "Extension: what is added to its environment, each a string.",
    ),
    Field::optional(
        "stopSignal",
        Ty::OneOf(StopSignal::NAMES),
        "Extension: by what it is asked to stop.",
    ),
    GRACE,
    Field::optional(
        "when",
        Ty::Integer,
        "Extension: when it is to be started, in milliseconds since 1970 by the server's clock; at once if absent.",
    ),
]);

const PROGRAMS: &[Message] = &[
    Message::notice(
        "execute_command",
        "Run this program. To be answered with `execution_result`: `starting`, then `running` or `failed`, and at its end \
         `completed`, `stopped` or `failed`.",
        &ORDER,
    ),
    Message::notice(
        "prepare_command",
        "Extension, sent only to displays with the capability `barrier`: could this program be run? To be answered with \
         `execution_result`: `prepared`, or `rejected`.",
        &ORDER,
    ),
    Message::notice(
        "stop_command",
        "Stop the programs of the preset, or the one of `runId`. To be answered under its own `commandId` with \
         `execution_result`: `starting`, then `stopped` with the detail `stopped`, their number. Each program's own end is \
         `stopped`, too.",
        &Shape::of(&[
            FOR,
            GIVEN_PRESET,
            ID,
            Field::optional(
                "runId",
                Ty::Hex(32),
                "Extension: the `commandId` of the one that is meant.",
            ),
            GRACE,
        ]),
    ),
    Message::request(
        "execution_result",
        "Say how a program is doing.",
        &Shape::of(&[
            NAME,
            Field::required(
                "status",
                Ty::OneOf(Doing::NAMES),
                "`starting`, `running` and `failed` are the guide's, the others extensions.",
            ),
            PRESET_ID,
            CLOCK,
            Field::optional(
                "details",
                Ty::Nullable(&Ty::FREE),
                "More: `pid`, `command`, `start_time`, `error`, `exit_code`, `signal`, `code`.",
            ),
            COMMAND_ID,
        ]),
    ),
    Message::request(
        "process_status",
        "Say which programs run, every 20 seconds.",
        &Shape::of(&[
            NAME,
            Field::optional(
                "running_process_count",
                Ty::Count,
                "How many; they are counted again here.",
            ),
            Field::optional(
                "running_processes",
                Ty::Array {
                    of: &Ty::Object(&PROCESS),
                    max: Bound::Limit("display_processes_max"),
                },
                "Those that run.",
            ),
            Field::optional(
                "status",
                WORD,
                "How the display is, in its own word: `running` or `online`.",
            ),
            CLOCK,
        ]),
    ),
];

const PROCESS: Shape = Shape::named(
    "Process",
    "A program that runs.",
    &[
        Field::optional("preset_id", PRESET, "The preset, or `null` for none."),
        Field::optional("pid", Ty::Count, "Its number on the display."),
        Field::optional("uptime", Ty::Number, "For how long, in seconds."),
        COMMAND_ID,
    ],
);
