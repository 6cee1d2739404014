//! What a run gives: medians of server and floor, their ratio and whether the goal is met, as a table or as JSON.
//!
//! Invariant: a row is made of the same figure of the same step in every round.

use std::fmt;
use std::path::Path;

use bongsu_model::Role;
use serde::{Serialize, Serializer};

use crate::dialect::Carrier;
use crate::dialect::device;
use crate::options::{Options, Scenario};
use crate::scenario::Trial;

/// Above this share of one core the load generator may have been what limited the server.
const BUSY_MAX: f64 = 0.9;

/// What a figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times the floor.
    RatioAtMost(f64),
    /// At least so many times the floor.
    RatioAtLeast(f64),
    /// At most this, whatever the floor.
    AtMost(f64),
}

impl Goal {
    fn met(self, figure: f64, ratio: Option<f64>) -> Option<bool> {
        match self {
            Self::RatioAtMost(most) => ratio.map(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => ratio.map(|ratio| ratio >= least),
            Self::AtMost(most) => Some(figure <= most),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtMost(most) => write!(f, "≤ {most} ×"),
            Self::RatioAtLeast(least) => write!(f, "≥ {least} ×"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A figure of a server of others.
#[derive(Clone, Debug, Serialize)]
pub struct PeerCell {
    /// Which one.
    pub name: String,
    /// Its median.
    pub figure: f64,
    /// Its own over the floor's.
    pub floor_ratio: Option<f64>,
    /// Our server's over its.
    pub server_ratio: Option<f64>,
    /// Its figures, round by round.
    pub figures: Vec<f64>,
}

/// A server of others that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
    /// Its name.
    pub name: String,
    /// What it says it is.
    pub version: String,
    /// What the users said to it.
    pub protocol: &'static str,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The measurement, for example "8 in flight".
    pub step: String,
    /// What was measured.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// The server's median; none where only the floor has such a figure.
    pub figure: Option<f64>,
    /// The floor's median.
    pub floor: Option<f64>,
    /// The server's over the floor's.
    pub ratio: Option<f64>,
    /// What is to be reached.
    pub goal: Option<Goal>,
    /// Whether it is.
    pub met: Option<bool>,
    /// The load generator was busy for more than 90 % of a core: throughput and latency are then its limits, not the
    /// server's. CPU per delivery still holds.
    pub generator_bound: bool,
    /// The server's figures, round by round.
    pub figures: Vec<f64>,
    /// The floor's figures, round by round.
    pub floors: Vec<f64>,
    /// The same of servers of others.
    pub peers: Vec<PeerCell>,
}

/// All that a run found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The protocol's name.
    pub protocol: &'static str,
    /// How often server and floor took turns.
    pub rounds: usize,
    /// Simulated users.
    pub connections: usize,
    /// Bytes of a message's content.
    pub payload_bytes: usize,
    /// Bytes of one delivered line or frame, as the server wrote it and the floor after it; 0 where nothing is delivered.
    pub frame_bytes: usize,
    /// Servers of others, in the order of each row's.
    pub peers: Vec<Beside>,
    /// The figures.
    pub rows: Vec<Row>,
    /// What a reader must know to judge them.
    pub notes: Vec<String>,
}

impl Report {
    /// The report as one JSON object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a report holds nothing that JSON cannot say")
    }

    /// Whether no goal was missed.
    #[must_use]
    pub fn goals_met(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }
}

/// A figure of the floor alone, round by round.
pub(crate) struct Extra {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) floors: Vec<f64>,
}

/// What every server showed in one round.
pub(crate) struct Round {
    pub(crate) server: Trial,
    pub(crate) floor: Trial,
    /// What each peer said it is, and what it showed.
    pub(crate) peers: Vec<(String, Trial)>,
}

impl Round {
    /// The same number of every peer.
    fn of_peers(&self, number: impl Fn(&Trial) -> f64) -> Vec<f64> {
        self.peers.iter().map(|(_, trial)| number(trial)).collect()
    }
}

/// Puts the rounds together.
pub(crate) fn assemble(options: &Options, rounds: &[Round], extras: Vec<Extra>) -> Report {
    let mut rows = Vec::new();
    // The goals are for what users are written to a socket of their own; the floor of polling shows what polling adds.
    let aims = options.protocol.carrier() != Carrier::Polls && options.protocol.role() == Role::User;
    let steps = rounds.first().map_or(&[][..], |round| &round.server.steps);
    for (at, step) in steps.iter().enumerate() {
        let generator_bound = rounds
            .iter()
            .any(|round| round.server.steps[at].generator_busy > BUSY_MAX);
        for (nth, figure) in step.figures.iter().enumerate() {
            let value = |trial: &Trial| trial.steps[at].figures[nth].value;
            let figures: Vec<f64> = rounds.iter().map(|round| value(&round.server)).collect();
            let floors: Vec<f64> = rounds.iter().map(|round| value(&round.floor)).collect();
            let theirs: Vec<Vec<f64>> = rounds.iter().map(|round| round.of_peers(value)).collect();
            let (ours, floor) = (median(&figures), median(&floors));
            let ratio = (floor > 0.0).then(|| ours / floor);
            let goal = figure.goal.filter(|_| aims);
            rows.push(Row {
                step: step.name.clone(),
                what: figure.what.to_owned(),
                unit: figure.unit,
                figure: Some(ours),
                floor: Some(floor),
                ratio,
                goal,
                met: goal.and_then(|goal| goal.met(ours, ratio)),
                generator_bound,
                figures,
                floors,
                peers: peer_cells(options, &theirs, Some(ours), floor),
            });
        }
        let percent = |trial: &Trial| trial.steps[at].generator_busy * 100.0;
        let busy: Vec<f64> = rounds.iter().map(|round| percent(&round.server)).collect();
        let busy_floor: Vec<f64> = rounds.iter().map(|round| percent(&round.floor)).collect();
        let theirs: Vec<Vec<f64>> = rounds.iter().map(|round| round.of_peers(percent)).collect();
        rows.push(Row {
            figure: Some(median(&busy)),
            figures: busy,
            generator_bound,
            peers: peer_cells(options, &theirs, None, 0.0),
            ..floor_row(&step.name, "load generator, of one core", "%", busy_floor)
        });
    }
    rows.extend(
        extras
            .into_iter()
            .map(|extra| floor_row("", &extra.what, extra.unit, extra.floors)),
    );
    Report {
        scenario: options.scenario.name(),
        protocol: options.protocol.name(),
        rounds: rounds.len(),
        connections: options.connections(),
        payload_bytes: options.payload_bytes,
        frame_bytes: rounds.first().map_or(0, |round| round.server.frame_bytes),
        peers: besides(options, rounds),
        notes: notes(options, rounds, &rows),
        rows,
    }
}

fn besides(options: &Options, rounds: &[Round]) -> Vec<Beside> {
    let said = |nth: usize| Some(rounds.first()?.peers.get(nth)?.0.clone());
    let peers = options.peers.iter().enumerate();
    peers
        .map(|(nth, peer)| Beside {
            name: peer.name.clone(),
            version: said(nth).unwrap_or_default(),
            protocol: peer.protocol.name(),
        })
        .collect()
}

/// The cells of one row: `theirs` has a number of each peer for every round.
fn peer_cells(options: &Options, theirs: &[Vec<f64>], ours: Option<f64>, floor: f64) -> Vec<PeerCell> {
    let peers = options.peers.iter().enumerate();
    peers
        .map(|(nth, peer)| {
            let figures: Vec<f64> = theirs.iter().map(|round| round[nth]).collect();
            let figure = median(&figures);
            PeerCell {
                name: peer.name.clone(),
                figure,
                floor_ratio: (floor > 0.0).then(|| figure / floor),
                server_ratio: ours.filter(|_| figure > 0.0).map(|ours| ours / figure),
                figures,
            }
        })
        .collect()
}

fn notes(options: &Options, rounds: &[Round], rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.generator_bound) {
        let hint = "take CPU from these rows, but not throughput or latency";
        notes.push(format!(
            "* the load generator used more than 90 % of a core and may have been the limit: {hint}"
        ));
    }
    let floor = options.protocol.floor();
    if floor != options.protocol && options.scenario != Scenario::Connect {
        notes.push(format!(
            "the floor speaks {}: frames, whatever carries ours",
            floor.name()
        ));
    }
    for Beside {
        name,
        version,
        protocol,
    } in besides(options, rounds)
    {
        notes.push(format!(
            "{name} is {version}, over {protocol}; × behind it: our figure over its"
        ));
    }
    if options.scenario == Scenario::Connect && floor.on_websocket() {
        let floor = "reads each upgrade to its end and answers with one 101 and one sign-in that were built before, in one write";
        notes.push(format!("the floor {floor}; a verification is added"));
    }
    if options.protocol.device().is_some() {
        let [json, proto] = device::telemetry_bytes();
        notes.push(format!(
            "the same telemetry of eight values is {json} B as JSON and {proto} B as Protobuf"
        ));
    }
    let commits = matches!(
        options.scenario,
        Scenario::Posts | Scenario::Commands | Scenario::Displays
    );
    if commits && in_memory(&options.work_dir) {
        let dir = options.work_dir.display();
        notes.push(format!(
            "{dir} is in memory, so nothing was durable: choose a folder on a disk"
        ));
    }
    notes
}

/// Whether a folder is on a file system that forgets.
fn in_memory(dir: &Path) -> bool {
    const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
    rustix::fs::statfs(dir).is_ok_and(|about| about.f_type == TMPFS_MAGIC)
}

fn floor_row(step: &str, what: &str, unit: &'static str, floors: Vec<f64>) -> Row {
    Row {
        step: step.to_owned(),
        what: what.to_owned(),
        unit,
        figure: None,
        floor: Some(median(&floors)),
        ratio: None,
        goal: None,
        met: None,
        generator_bound: false,
        figures: Vec::new(),
        floors,
        peers: Vec::new(),
    }
}

/// The middle value, or the mean of the two middle ones; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)])
}

impl fmt::Display for Report {
    /// The table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            protocol,
            rounds,
            connections,
            payload_bytes,
            frame_bytes,
            peers,
            rows,
            notes,
        } = self;
        write!(
            f,
            "{scenario} over {protocol}: {connections} connections, {payload_bytes} bytes of content"
        )?;
        writeln!(f, " ({frame_bytes} on the wire), medians of {rounds} rounds")?;
        let mut titles = vec!["what", "figure", "floor", "ratio", "goal", ""];
        titles.extend(peers.iter().flat_map(|peer| [peer.name.as_str(), ""]));
        let columns = titles.len();
        let mut lines = vec![titles.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        let mut step = "";
        for row in rows {
            if row.step != step {
                step = &row.step;
                let mut line = vec![String::new(); columns];
                step.clone_into(&mut line[0]);
                lines.push(line);
            }
            let mut line = cells(row);
            line.resize(columns, String::new());
            lines.push(line);
        }
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for line in &lines {
            let mut text = format!("{:<w$}", line[0], w = widths[0]);
            for (column, (cell, w)) in line.iter().zip(&widths).enumerate().skip(1) {
                // The verdict is a word, and words begin where their column does.
                text.push_str(&match column {
                    5 => format!("  {cell:<w$}"),
                    _ => format!("  {cell:>w$}"),
                });
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

fn cells(row: &Row) -> Vec<String> {
    let number =
        |value: Option<f64>| value.map_or(String::new(), |value| format!("{} {}", rounded(value), row.unit));
    let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2} ×"));
    let verdict = match row.met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    let mark = if row.generator_bound { "*" } else { "" };
    let mut cells = vec![
        format!("  {}{mark}", row.what),
        number(row.figure),
        number(row.floor),
        ratio(row.ratio),
        row.goal.map_or(String::new(), |goal| goal.to_string()),
        verdict.to_owned(),
    ];
    for peer in &row.peers {
        cells.extend([number(Some(peer.figure)), ratio(peer.server_ratio)]);
    }
    cells
}

/// Three digits that count, or all of a large number's before the point.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Protocol;
    use crate::peer::Peer;
    use crate::scenario::{Figure, Step};
    use crate::target::{Program, Target};

    fn row(figure: f64, floor: f64, goal: Goal) -> Row {
        let ratio = Some(figure / floor);
        Row {
            figure: Some(figure),
            ratio,
            goal: Some(goal),
            met: goal.met(figure, ratio),
            ..floor_row("8 in flight", "server CPU per delivery", "µs", vec![floor])
        }
    }

    fn report(rows: Vec<Row>) -> Report {
        let (scenario, protocol) = ("fanout", "action");
        Report {
            scenario,
            protocol,
            rounds: 1,
            connections: 10,
            payload_bytes: 300,
            frame_bytes: 512,
            peers: Vec::new(),
            rows,
            notes: vec!["mind the gap".to_owned()],
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
    }

    #[test]
    fn goals_are_judged_by_what_they_say() {
        assert_eq!(row(1.15, 1.0, Goal::RatioAtMost(1.15)).met, Some(true));
        assert_eq!(row(1.16, 1.0, Goal::RatioAtMost(1.15)).met, Some(false));
        assert_eq!(row(0.69, 1.0, Goal::RatioAtLeast(0.7)).met, Some(false));
        assert_eq!(row(2_560.0, 1.0, Goal::AtMost(2_560.0)).met, Some(true));
        assert_eq!(Goal::RatioAtMost(1.0).met(1.0, None), None);
        assert!(!report(vec![row(2.0, 1.0, Goal::RatioAtMost(1.15))]).goals_met());
    }

    #[test]
    fn the_table_lines_up_and_says_what_was_missed() {
        let mut second = row(0.5, 2.5, Goal::RatioAtMost(0.25));
        second.generator_bound = true;
        let table = report(vec![row(2.9, 2.5, Goal::RatioAtMost(1.15)), second]).to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[3].ends_with("2.90 µs  2.50 µs  1.16 ×  ≤ 1.15 ×  MISSED"),
            "{table}"
        );
        assert!(
            lines[4].contains("delivery*") && lines[4].ends_with("met"),
            "{table}"
        );
        assert_eq!(lines.last(), Some(&"mind the gap"));
    }

    #[test]
    fn a_peer_has_a_column_and_its_ratios() {
        let program = Program {
            exe: "x".into(),
            args: Vec::new(),
        };
        let target = Target::External {
            tcp: ([127, 0, 0, 1], 9).into(),
            http: None,
            pid: 1,
        };
        let mut options = Options::new(Scenario::Fanout, target, program.clone());
        options.peers.push(Peer {
            name: "other".to_owned(),
            protocol: Protocol::Socketio,
            program,
        });
        let trial = |value| Trial {
            steps: vec![Step {
                name: "8 in flight".to_owned(),
                figures: vec![Figure::new("server CPU per delivery", "µs", value)],
                generator_busy: 0.5,
            }],
            frame_bytes: 512,
        };
        let round = |server, floor, peer| Round {
            server: trial(server),
            floor: trial(floor),
            peers: vec![("other 1.2.3".to_owned(), trial(peer))],
        };
        let rounds = [
            round(1.0, 2.0, 10.0),
            round(3.0, 2.0, 30.0),
            round(2.0, 2.0, 20.0),
        ];
        let report = assemble(&options, &rounds, Vec::new());
        let [cell] = &report.rows[0].peers[..] else {
            panic!("{report:?}")
        };
        assert_eq!(
            (cell.figure, cell.floor_ratio, cell.server_ratio),
            (20.0, Some(10.0), Some(0.1))
        );
        assert_eq!(cell.figures, [10.0, 30.0, 20.0]);
        let table = report.to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].trim_end().ends_with("other"), "{table}");
        assert!(lines[3].ends_with("20.0 µs  0.10 ×"), "{table}");
        assert!(table.contains("other is other 1.2.3, over socketio"), "{table}");
        let value: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["peers"][0]["protocol"], "socketio");
        assert_eq!(value["rows"][0]["peers"][0]["server_ratio"], 0.1);
    }

    #[test]
    fn json_is_one_object() {
        let value: serde_json::Value =
            serde_json::from_str(&report(vec![row(2.9, 2.5, Goal::RatioAtMost(1.15))]).json()).unwrap();
        assert_eq!(value["rows"][0]["goal"], "≤ 1.15 ×");
        assert_eq!(value["rows"][0]["met"], false);
        assert_eq!(value["rows"][0]["floors"][0], 2.5);
    }
}
