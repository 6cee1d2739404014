//! What a run gives: medians of server and floor, their ratio and whether the goal is met, as a table or as JSON.
//!
//! Invariant: a row is made of the same figure of the same step in every round.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

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

/// Puts the rounds together.
pub(crate) fn assemble(options: &Options, rounds: &[(Trial, Trial)], extras: Vec<Extra>) -> Report {
    let mut rows = Vec::new();
    let steps = rounds.first().map_or(&[][..], |(server, _)| &server.steps);
    for (at, step) in steps.iter().enumerate() {
        let generator_bound = rounds
            .iter()
            .any(|(server, _)| server.steps[at].generator_busy > BUSY_MAX);
        for (nth, figure) in step.figures.iter().enumerate() {
            let value = |trial: &Trial| trial.steps[at].figures[nth].value;
            let figures: Vec<f64> = rounds.iter().map(|(server, _)| value(server)).collect();
            let floors: Vec<f64> = rounds.iter().map(|(_, floor)| value(floor)).collect();
            let (ours, floor) = (median(&figures), median(&floors));
            let ratio = (floor > 0.0).then(|| ours / floor);
            rows.push(Row {
                step: step.name.clone(),
                what: figure.what.to_owned(),
                unit: figure.unit,
                figure: Some(ours),
                floor: Some(floor),
                ratio,
                goal: figure.goal,
                met: figure.goal.and_then(|goal| goal.met(ours, ratio)),
                generator_bound,
                figures,
                floors,
            });
        }
        let busy: Vec<f64> = rounds
            .iter()
            .map(|(server, _)| server.steps[at].generator_busy * 100.0)
            .collect();
        let busy_floor: Vec<f64> = rounds
            .iter()
            .map(|(_, floor)| floor.steps[at].generator_busy * 100.0)
            .collect();
        rows.push(Row {
            figure: Some(median(&busy)),
            figures: busy,
            generator_bound,
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
        frame_bytes: rounds.first().map_or(0, |(server, _)| server.frame_bytes),
        notes: notes(options, &rows),
        rows,
    }
}

fn notes(options: &Options, rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.generator_bound) {
        let hint = "take CPU from these rows, but not throughput or latency";
        notes.push(format!(
            "* the load generator used more than 90 % of a core and may have been the limit: {hint}"
        ));
    }
    if options.scenario == Scenario::Connect && options.protocol.on_websocket() {
        let floor = "reads each upgrade to its end and answers with one 101 and one sign-in that were built before, in one write";
        notes.push(format!("the floor {floor}; a verification is added"));
    }
    if options.scenario == Scenario::Posts && in_memory(&options.work_dir) {
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
            rows,
            notes,
        } = self;
        write!(
            f,
            "{scenario} over {protocol}: {connections} connections, {payload_bytes} bytes of content"
        )?;
        writeln!(f, " ({frame_bytes} on the wire), medians of {rounds} rounds")?;
        let mut lines = vec![["what", "figure", "floor", "ratio", "goal", ""].map(str::to_owned)];
        let mut step = "";
        for row in rows {
            if row.step != step {
                step = &row.step;
                lines.push([step, "", "", "", "", ""].map(str::to_owned));
            }
            lines.push(cells(row));
        }
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..6).map(width).collect();
        for line in &lines {
            let mut text = format!("{:<w$}", line[0], w = widths[0]);
            for (cell, w) in line[1..5].iter().zip(&widths[1..]) {
                text.push_str(&format!("  {cell:>w$}", w = *w));
            }
            writeln!(f, "{}", format!("{text}  {}", line[5]).trim_end())?;
        }
        notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

fn cells(row: &Row) -> [String; 6] {
    let number =
        |value: Option<f64>| value.map_or(String::new(), |value| format!("{} {}", rounded(value), row.unit));
    let verdict = match row.met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    let mark = if row.generator_bound { "*" } else { "" };
    [
        format!("  {}{mark}", row.what),
        number(row.figure),
        number(row.floor),
        row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2} ×")),
        row.goal.map_or(String::new(), |goal| goal.to_string()),
        verdict.to_owned(),
    ]
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
    fn json_is_one_object() {
        let value: serde_json::Value =
            serde_json::from_str(&report(vec![row(2.9, 2.5, Goal::RatioAtMost(1.15))]).json()).unwrap();
        assert_eq!(value["rows"][0]["goal"], "≤ 1.15 ×");
        assert_eq!(value["rows"][0]["met"], false);
        assert_eq!(value["rows"][0]["floors"][0], 2.5);
    }
}
