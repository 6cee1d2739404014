//! `bongsu display …`: displays of a running server, and programs on one of them.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::displays::{How, WAITS, has_come, moment, put};
use super::output::{fields, table};
use super::remote::{block_on, pages};
use super::shell;
use super::tongue::Tongue;
use crate::client::{Access, Api, part};

/// Displays: list and register them, and run and stop programs on one.
#[derive(Args)]
pub(super) struct Display {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand)]
enum What {
    /// List displays, ascending by name.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show all about one display, and the programs that run there.
    Show {
        /// The display's name.
        display: String,
    },
    Run(Box<Run>),
    Stop(Stop),
    /// Register displays before they come. The token that lets each in stands behind its name on stdout, this once.
    Add {
        /// Their names: 1 to 128 of A-Z a-z 0-9 . _ : -
        #[arg(required = true, value_name = "DISPLAY")]
        displays: Vec<String>,
    },
    /// Give a display that is not connected another name. Its tokens and its place in presets go with it.
    Rename {
        /// The name that it has.
        from: String,
        /// The name that it gets.
        to: String,
    },
}

/// Run a program on a display.
///
/// Ends with 0 if what was waited for has come, else with 1.
#[derive(Args)]
struct Run {
    /// The display's name.
    display: String,
    /// The program and its arguments, which become one command line; one word is taken as the line that it is. Flags of ours
    /// stand before it.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    #[command(flatten)]
    how: How,
    /// What to wait for.
    #[arg(long, default_value = "running", value_parser = WAITS)]
    wait: String,
    /// How long it may be started, in milliseconds [default: 10000].
    #[arg(long, value_name = "MS")]
    ttl: Option<u64>,
    /// When it is to be started: RFC 3339, or milliseconds since 1970 [default: at once].
    #[arg(long, value_name = "TIME")]
    start_at: Option<String>,
    /// A key of your own: the same program with the same key is run once.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Stop programs on a display: those of a preset, or the one of a command.
#[derive(Args)]
struct Stop {
    /// The display's name.
    display: String,
    /// The preset's number or name.
    #[arg(long, required_unless_present = "command", conflicts_with = "command")]
    preset: Option<String>,
    /// The command that ran the program.
    #[arg(long, value_name = "ID")]
    command: Option<String>,
    /// How long it has before it is killed, in milliseconds [default: as the program says].
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,
    /// What to wait for.
    #[arg(long, default_value = "done", value_parser = WAITS)]
    wait: String,
}

/// What was found, in words, and whether it is what was asked for.
type Found = (Value, String, anyhow::Result<()>);

impl Display {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { what, access } = self;
        let (answer, words, well) = block_on(async {
            let api = Api::new(&access)?;
            what.carry_out(&api, Tongue::own()).await
        })?;
        let said = if access.json { answer.to_string() } else { words };
        if !said.is_empty() {
            super::say(&said);
        }
        well
    }
}

fn path(display: &str) -> String {
    format!("/displays/{}", part(display))
}

impl What {
    async fn carry_out(self, api: &Api, tongue: Tongue) -> anyhow::Result<Found> {
        const COLUMNS: [&str; 7] = [
            "name",
            "online",
            "status",
            "process_count",
            "last_heartbeat",
            "address",
            "version",
        ];
        let well = |answer, words| Ok((answer, words, Ok(())));
        match self {
            Self::List { limit } => {
                let displays = pages(api, "/displays", "displays", limit).await?;
                let words = table(&displays, &COLUMNS);
                well(Value::Array(displays), words)
            }
            Self::Show { display } => {
                let shown = api.get(&path(&display)).await?;
                let words = in_words(&shown);
                well(shown, words)
            }
            Self::Run(run) => {
                let ran = api
                    .post(&format!("{}/execute", path(&run.display)), run.body())
                    .await?;
                let (words, well) = (fields(&ran), came(&ran, &run.display, &run.wait, tongue));
                Ok((ran, words, well))
            }
            Self::Stop(stop) => {
                let body = stop.body(api).await?;
                let ran = api.post(&format!("{}/stop", path(&stop.display)), body).await?;
                let (words, well) = (fields(&ran), came(&ran, &stop.display, &stop.wait, tongue));
                Ok((ran, words, well))
            }
            Self::Add { displays } => {
                let made = api.post("/displays", json!({ "displays": displays })).await?;
                let (words, well) = added(&made, tongue);
                Ok((made, words, well))
            }
            Self::Rename { from, to } => {
                let renames = json!({ "renames": [{ "from": from, "to": to }] });
                let answer = api.post("/displays/rename", renames).await?;
                let english = format!("display {from} is called {to} now");
                let korean = format!("디스플레이 {from}의 이름이 {to}(으)로 바뀌었습니다");
                well(answer, tongue.say(english, korean))
            }
        }
    }
}

impl Run {
    fn body(&self) -> Value {
        let mut body = self.how.program(&shell::line(&self.command));
        put(&mut body, "wait", Some(self.wait.as_str()));
        put(&mut body, "ttl_ms", self.ttl);
        put(&mut body, "start_at", self.start_at.as_deref().map(moment));
        put(&mut body, "idempotency_key", self.key.as_deref());
        Value::Object(body)
    }
}

impl Stop {
    async fn body(&self, api: &Api) -> anyhow::Result<Value> {
        let mut body = Map::new();
        if let Some(preset) = &self.preset {
            put(&mut body, "preset_id", Some(preset_id(api, preset).await?));
        }
        put(&mut body, "command_id", self.command.as_deref());
        put(&mut body, "grace_ms", self.grace_ms);
        put(&mut body, "wait", Some(self.wait.as_str()));
        Ok(Value::Object(body))
    }
}

/// The number of a preset that is named by number or name; no server is asked about a number: programs of a preset that is
/// gone can be stopped.
async fn preset_id(api: &Api, preset: &str) -> anyhow::Result<i64> {
    if let Ok(id) = preset.parse() {
        return Ok(id);
    }
    let found = api.get(&format!("/presets/{}", part(preset))).await?;
    let id = found.get("preset_id").and_then(Value::as_i64);
    id.context("the server's answer has no preset_id")
}

/// All fields of a display, and a table of what runs there.
fn in_words(display: &Value) -> String {
    let mut alone = display.clone();
    let processes = alone.as_object_mut().and_then(|it| it.remove("processes"));
    let processes = processes
        .and_then(|it| it.as_array().cloned())
        .unwrap_or_default();
    if processes.is_empty() {
        return fields(&alone);
    }
    let columns = ["command_id", "preset_id", "pid", "uptime_ms"];
    format!("{}\n\n{}", fields(&alone), table(&processes, &columns))
}

fn came(ran: &Value, display: &str, wait: &str, tongue: Tongue) -> anyhow::Result<()> {
    if has_come(ran, wait) {
        return Ok(());
    }
    let state = ran.get("state").and_then(Value::as_str).unwrap_or_default();
    bail!(tongue.say(
        format!("display {display} is not where it was to be ({wait}): the command is {state}"),
        format!("디스플레이 {display}이(가) 기다리던 상태({wait})에 이르지 못했습니다: 명령은 {state}"),
    ))
}

/// The names and tokens of those that were registered; of the others why not.
fn added(made: &Value, tongue: Tongue) -> (String, anyhow::Result<()>) {
    let text = |of: &Value, name: &str| {
        of.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let results = made.get("results").and_then(Value::as_array);
    let (mut lines, mut failed) = (Vec::new(), 0);
    for result in results.into_iter().flatten() {
        let name = text(result, "name");
        let token = text(result, "enrolment_token");
        if token.is_empty() {
            failed += 1;
            let (code, message) = (text(result, "code"), text(result, "message"));
            // Whoever reads tokens from stdout finds nothing else there.
            eprintln!(
                "{}",
                super::output::visible(&format!("{name}: {code}: {message}"))
            );
        } else {
            lines.push(format!("{name} {token}"));
        }
    }
    let well = if failed == 0 {
        Ok(())
    } else {
        Err(anyhow::anyhow!(tongue.say(
            format!("{failed} displays are not registered"),
            format!("디스플레이 {failed}개를 등록하지 못했습니다"),
        )))
    };
    (lines.join("\n"), well)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        what: What,
    }

    fn body(args: &[&str]) -> Value {
        let line = Line::try_parse_from([&["x"], args].concat()).unwrap_or_else(|fault| panic!("{fault}"));
        let What::Run(run) = line.what else {
            panic!("{args:?}")
        };
        run.body()
    }

    #[test]
    fn flags_of_the_program_are_its_own() {
        let plain = body(&["run", "Display_01", "mpv", "--wait", "my film.mp4"]);
        assert_eq!(
            plain,
            json!({ "command": "mpv --wait 'my film.mp4'", "wait": "running" })
        );
        let all = "run --shell --cwd /srv --env A=b --env C= --stop-signal INT --grace-ms 5 --wait done --ttl 9 \
                   --start-at 12 --key k Display_01 --";
        let mut all: Vec<&str> = all.split_whitespace().collect();
        all.push("echo $A; sleep 30");
        let expected = json!({
            "command": "echo $A; sleep 30", "shell": true, "cwd": "/srv", "env": { "A": "b", "C": "" },
            "stop_signal": "INT", "grace_ms": 5, "wait": "done", "ttl_ms": 9, "start_at": 12, "idempotency_key": "k"
        });
        assert_eq!(body(&all), expected);
    }

    #[test]
    fn a_stop_names_a_preset_or_a_command() {
        let parses = |args: &str| Line::try_parse_from(args.split(' ')).is_ok();
        assert!(parses("x stop Display_01 --preset 7") && parses("x stop Display_01 --command c1"));
        assert!(!parses("x stop Display_01") && !parses("x stop Display_01 --preset 7 --command c1"));
    }

    #[test]
    fn tokens_stand_behind_their_names_and_nothing_else_does() {
        let made = json!({ "results": [
            { "name": "Display_01", "client_id": 3, "enrolment_token": "aa" },
            { "name": "Display_02", "code": "NAME_TAKEN", "message": "Somebody has it." },
            { "name": "Display_03", "client_id": 4, "enrolment_token": "bb" }
        ] });
        let (words, well) = added(&made, Tongue::English);
        assert_eq!(words, "Display_01 aa\nDisplay_03 bb");
        assert_eq!(well.unwrap_err().to_string(), "1 displays are not registered");
    }

    #[test]
    fn what_runs_on_a_display_is_a_table_below_it() {
        let display = json!({ "name": "Display_01", "processes": [
            { "preset_id": 7, "command_id": "c1", "pid": 4711, "uptime_ms": 61_000 }
        ] });
        assert_eq!(
            in_words(&display),
            "name  Display_01\n\ncommand_id  preset_id  pid   uptime_ms\nc1          7          4711  61000"
        );
        assert_eq!(in_words(&json!({ "name": "a", "processes": [] })), "name  a");
    }
}
