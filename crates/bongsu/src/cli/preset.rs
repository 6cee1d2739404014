//! `bongsu preset …`: which programs run on which displays, and running and stopping them all.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::displays::{How, WAITS, all_well, moment, on_display, put, results};
use super::output::{fields, table};
use super::remote::{block_on, pages};
use super::tongue::Tongue;
use crate::client::{Access, Api, part};

/// Presets: make, list and change them, and run and stop their programs.
#[derive(Args)]
pub(super) struct Preset {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand)]
enum What {
    /// List presets, ascending by number.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a preset, and its program on each display.
    Show(Of),
    /// Make a preset.
    Create(Box<Create>),
    /// Change a preset: what is not named stays as it is. What runs of it goes on running.
    Set(Box<Set>),
    /// Forget a preset. What runs of it goes on running.
    Delete(Of),
    Run(Run),
    Stop(Stop),
}

#[derive(Args)]
struct Of {
    /// The preset's number or name.
    preset: String,
}

#[derive(Args)]
struct Create {
    /// Its name: 1 to 128 bytes, and no number.
    name: String,
    /// What runs on a display; given for each.
    #[arg(long = "display", value_name = "DISPLAY=COMMAND", required = true, value_parser = on_display)]
    displays: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct Set {
    #[command(flatten)]
    of: Of,
    /// Its new name.
    #[arg(long)]
    name: Option<String>,
    /// What is to run on a display from now on; may be given more than once.
    #[arg(long = "display", value_name = "DISPLAY=COMMAND", value_parser = on_display)]
    displays: Vec<(String, String)>,
    /// A display on which nothing is to run any more; may be given more than once.
    #[arg(long, value_name = "DISPLAY")]
    without: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Run a preset on its displays.
///
/// Ends with 0 if what was waited for has come on every display, else with 1.
#[derive(Args)]
struct Run {
    #[command(flatten)]
    of: Of,
    /// What to wait for on each display: accepted, received, running or done; running if no word follows [default: accepted].
    #[arg(long, num_args = 0..=1, default_value = "accepted", default_missing_value = "running", value_parser = WAITS)]
    wait: String,
    /// Nothing starts before all displays are prepared. Those that know no barrier are told last.
    #[arg(long)]
    barrier: bool,
    /// When the programs are to be started: RFC 3339, or milliseconds since 1970 [default: at once].
    #[arg(long, value_name = "TIME")]
    start_at: Option<String>,
    /// How long each may be started, in milliseconds [default: 10000].
    #[arg(long, value_name = "MS")]
    ttl: Option<u64>,
    /// Only on this display; may be given more than once [default: on all of its displays].
    #[arg(long = "display", value_name = "DISPLAY")]
    displays: Vec<String>,
}

/// Stop a preset's programs.
///
/// Ends with 0 if what was waited for has come on every display, else with 1.
#[derive(Args)]
struct Stop {
    #[command(flatten)]
    of: Of,
    /// How long they have before they are killed, in milliseconds [default: as the programs say].
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,
    /// What to wait for on each display.
    #[arg(long, default_value = "done", value_parser = WAITS)]
    wait: String,
    /// Only on this display; may be given more than once [default: on all of its displays].
    #[arg(long = "display", value_name = "DISPLAY")]
    displays: Vec<String>,
}

impl Preset {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { what, access } = self;
        let tongue = Tongue::own();
        let (answer, words, each) = block_on(async {
            let api = Api::new(&access)?;
            what.carry_out(&api, tongue).await
        })?;
        super::say(&if access.json { answer.to_string() } else { words });
        if each { all_well(&answer, tongue) } else { Ok(()) }
    }
}

fn path(of: &Of) -> String {
    format!("/presets/{}", part(&of.preset))
}

impl What {
    /// The answer, the same in words, and whether each display has one of its own.
    async fn carry_out(self, api: &Api, tongue: Tongue) -> anyhow::Result<(Value, String, bool)> {
        let preset = |answer: Value| {
            let words = in_words(&answer);
            Ok((answer, words, false))
        };
        match self {
            Self::List { limit } => {
                let presets = pages(api, "/presets", "presets", limit).await?;
                let words = list(&presets);
                Ok((Value::Array(presets), words, false))
            }
            Self::Show(of) => preset(api.get(&path(&of)).await?),
            Self::Create(create) => preset(api.post("/presets", create.body()).await?),
            Self::Set(set) => {
                let at = path(&set.of);
                let body = set.body(&api.get(&at).await?)?;
                preset(api.call(Method::PUT, &at, Some(body)).await?)
            }
            Self::Delete(of) => {
                let answer = api.delete(&path(&of)).await?;
                let name = &of.preset;
                let english = format!("preset {name} is forgotten");
                let korean = format!("프리셋 {name}을(를) 지웠습니다");
                Ok((answer, tongue.say(english, korean), false))
            }
            Self::Run(run) => {
                let answer = api
                    .post(&format!("{}/execute", path(&run.of)), run.body())
                    .await?;
                let words = results(&answer);
                Ok((answer, words, true))
            }
            Self::Stop(stop) => {
                let answer = api.post(&format!("{}/stop", path(&stop.of)), stop.body()).await?;
                let words = results(&answer);
                Ok((answer, words, true))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Value {
        let displays: Map<_, _> = programs(&self.how, &self.displays).into_iter().collect();
        json!({ "name": self.name, "displays": displays })
    }
}

impl Set {
    /// What the preset becomes, from what it is.
    fn body(&self, known: &Value) -> anyhow::Result<Value> {
        let displays = known.get("displays").and_then(Value::as_object);
        let mut displays = displays.context("the server's answer has no displays")?.clone();
        for display in &self.without {
            if displays.remove(display).is_none() {
                bail!("nothing runs on {display} in this preset");
            }
        }
        displays.extend(programs(&self.how, &self.displays));
        let name = self.name.as_deref().map(Value::from);
        let name = name.or_else(|| known.get("name").cloned());
        Ok(json!({ "name": name, "displays": displays }))
    }
}

/// A program for each display; the last of several for one counts.
fn programs(how: &How, displays: &[(String, String)]) -> BTreeMap<String, Value> {
    let displays = displays.iter();
    displays
        .map(|(name, line)| (name.clone(), Value::Object(how.program(line))))
        .collect()
}

impl Run {
    fn body(&self) -> Value {
        let mut body = Map::new();
        put(&mut body, "wait", Some(self.wait.as_str()));
        put(&mut body, "barrier", self.barrier.then_some(true));
        put(&mut body, "start_at", self.start_at.as_deref().map(moment));
        put(&mut body, "ttl_ms", self.ttl);
        put(&mut body, "displays", only(&self.displays));
        Value::Object(body)
    }
}

impl Stop {
    fn body(&self) -> Value {
        let mut body = Map::new();
        put(&mut body, "wait", Some(self.wait.as_str()));
        put(&mut body, "grace_ms", self.grace_ms);
        put(&mut body, "displays", only(&self.displays));
        Value::Object(body)
    }
}

fn only(displays: &[String]) -> Option<Vec<String>> {
    (!displays.is_empty()).then(|| displays.to_vec())
}

/// A table of presets, with the names of their displays.
fn list(presets: &[Value]) -> String {
    let rows = presets.iter().map(|preset| {
        let names = preset.get("displays").and_then(Value::as_object);
        let names: Vec<_> = names.into_iter().flat_map(Map::keys).cloned().collect();
        let mut row = preset.clone();
        row["displays"] = names.join(" ").into();
        row
    });
    table(
        &rows.collect::<Vec<_>>(),
        &["preset_id", "name", "displays", "updated_at"],
    )
}

/// A preset's own fields, and a table of its programs.
fn in_words(preset: &Value) -> String {
    let mut alone = preset.clone();
    let displays = alone.as_object_mut().and_then(|it| it.remove("displays"));
    let displays = displays
        .and_then(|it| it.as_object().cloned())
        .unwrap_or_default();
    let rows: Vec<Value> = displays
        .into_iter()
        .map(|(name, mut program)| {
            program["display"] = name.into();
            program
        })
        .collect();
    let said = |name: &&str| rows.iter().any(|row| row.get(*name).is_some());
    let columns = ["command", "shell", "cwd", "env", "stop_signal", "grace_ms"];
    let columns: Vec<_> = std::iter::once("display")
        .chain(columns.into_iter().filter(said))
        .collect();
    format!("{}\n\n{}", fields(&alone), table(&rows, &columns))
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

    fn read(args: &[&str]) -> What {
        Line::try_parse_from([&["x"], args].concat())
            .unwrap_or_else(|fault| panic!("{fault}"))
            .what
    }

    fn run(args: &str) -> Value {
        match read(&args.split(' ').collect::<Vec<_>>()) {
            What::Run(run) => run.body(),
            What::Stop(stop) => stop.body(),
            What::List { .. } | What::Show(_) | What::Create(_) | What::Set(_) | What::Delete(_) => {
                panic!("{args}")
            }
        }
    }

    #[test]
    fn what_is_waited_for_may_be_left_open() {
        assert_eq!(run("run hello"), json!({ "wait": "accepted" }));
        assert_eq!(run("run hello --wait"), json!({ "wait": "running" }));
        assert_eq!(run("run hello --wait done"), json!({ "wait": "done" }));
        assert_eq!(
            run("run hello --wait --barrier --start-at 12 --ttl 9 --display a --display b"),
            json!({ "wait": "running", "barrier": true, "start_at": 12, "ttl_ms": 9, "displays": ["a", "b"] })
        );
        assert_eq!(
            run("stop hello --grace-ms 5"),
            json!({ "wait": "done", "grace_ms": 5 })
        );
    }

    #[test]
    fn a_preset_is_made_and_changed() {
        let made = read(&[
            "create",
            "opening",
            "--display",
            "a=one 1",
            "--display",
            "b=two",
            "--shell",
        ]);
        let What::Create(create) = made else { panic!() };
        let made = create.body();
        assert_eq!(
            made,
            json!({ "name": "opening", "displays": {
                "a": { "command": "one 1", "shell": true }, "b": { "command": "two", "shell": true }
            } })
        );
        let set = read(&["set", "opening", "--without", "a", "--display", "c=three"]);
        let What::Set(set) = set else { panic!() };
        assert_eq!(
            set.body(&made).unwrap(),
            json!({ "name": "opening", "displays": {
                "b": { "command": "two", "shell": true }, "c": { "command": "three" }
            } })
        );
        assert!(set.body(&json!({ "displays": {} })).is_err());
    }

    #[test]
    fn presets_are_told_as_tables() {
        let preset = json!({ "preset_id": 7, "name": "opening", "displays": {
            "Display_01": { "command": "one", "shell": true }, "Display_02": { "command": "two" }
        } });
        assert_eq!(
            in_words(&preset),
            "name       opening\npreset_id  7\n\n\
             display     command  shell\nDisplay_01  one      true\nDisplay_02  two"
        );
        assert_eq!(
            list(&[preset]),
            "preset_id  name     displays               updated_at\n7          opening  Display_01 Display_02"
        );
    }
}
