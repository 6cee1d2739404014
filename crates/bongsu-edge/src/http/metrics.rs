//! `/metrics` in the text format of Prometheus: the node's counters, the API's own, the process's, and what others add.
//!
//! Invariant: reading changes nothing and waits for nobody. Times are in seconds, sizes in bytes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::Code;
use bongsu_node::counters::{Gauge, Histogram};
use parking_lot::Mutex;

use super::process;
use super::service::App;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Somebody else with figures.
pub trait Source: Send + Sync {
    /// Appends families in the text format, each with its `# HELP` and `# TYPE`, ending in a newline.
    fn write(&self, out: &mut String);
}

impl<F: Fn(&mut String) + Send + Sync> Source for F {
    fn write(&self, out: &mut String) {
        self(out);
    }
}

/// What the HTTP API counts about itself.
pub(super) struct HttpMeter {
    connections: Gauge,
    /// By path as routed, method and status: as many entries as there are routes times what they may answer.
    answers: Mutex<BTreeMap<(String, &'static str, u16), u64>>,
    took_ms: Histogram,
}

impl Default for HttpMeter {
    fn default() -> Self {
        Self { connections: Gauge::default(), answers: Mutex::default(), took_ms: Histogram::new(Histogram::MS) }
    }
}

/// Counts a connection while it lives.
pub(super) struct OpenConnection(App);

impl OpenConnection {
    pub(super) fn count(app: App) -> Self {
        app.meter.connections.add(1);
        Self(app)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.meter.connections.sub(1);
    }
}

impl HttpMeter {
    pub(super) fn connections(&self) -> u64 {
        self.connections.get()
    }

    pub(super) fn answered(&self, route: &str, method: &Method, status: StatusCode, took_ms: u64) {
        // Clients may make up methods; they must not make up families.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let name = known.iter().position(|it| it == method).map_or("other", |at| names[at]);
        *self.answers.lock().entry((route.to_owned(), name, status.as_u16())).or_default() += 1;
        self.took_ms.note(took_ms);
    }
}

/// Everything that is counted.
#[utoipa::path(get, path = "/metrics", tag = "probes", security(()),
    responses((status = 200, description = "Prometheus text format", content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut text = String::with_capacity(16 * 1024);
    write_all(&app, &mut text).expect("a string takes all that is written to it");
    for source in &app.sources {
        source.write(&mut text);
    }
    // The kernel's files are quick but they are files.
    if let Ok(Some(figures)) = tokio::task::spawn_blocking(process::read).await {
        write_process(&app, &figures, &mut text).expect("a string takes all that is written to it");
    }
    ([(CONTENT_TYPE, TEXT)], text).into_response()
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn one(out: &mut String, name: &str, kind: &str, help: &str, value: u64) -> fmt::Result {
    family(out, name, kind, help)?;
    writeln!(out, "{name} {value}")
}

fn write_all(app: &App, out: &mut String) -> fmt::Result {
    let node = &app.node;
    let counters = &node.counters;
    let (users_online, calls) = node.present();
    let (connections, refused) = app.admission.counts();
    let gauges = [
        ("bongsu_connections_open", "Open connections on all listeners.", connections as u64),
        ("bongsu_http_connections", "Open connections to the HTTP API.", app.meter.connections()),
        ("bongsu_sessions", "Signed-in sessions.", node.sessions_count() as u64),
        ("bongsu_users_online", "Users with a session here.", users_online as u64),
        ("bongsu_rooms", "Rooms with a live member here.", node.rooms_count() as u64),
        ("bongsu_video_rooms", "Video rooms that are alive.", calls as u64),
        ("bongsu_mailbox_bytes", "Bytes that wait in mailboxes.", counters.mailbox_bytes.get()),
    ];
    for (name, help, value) in gauges {
        one(out, name, "gauge", help, value)?;
    }
    let totals = [
        ("bongsu_connections_refused_total", "Connections refused by the caps.", refused),
        ("bongsu_sign_ins_total", "Sign-ins that succeeded.", counters.sign_ins.get()),
        ("bongsu_requests_total", "Requests of signed-in sessions.", counters.requests.get()),
        ("bongsu_messages_accepted_total", "Messages accepted.", counters.posts.get()),
        ("bongsu_messages_repeated_total", "Messages answered as repeats.", counters.repeats.get()),
        ("bongsu_deliveries_total", "Deliveries of runs of messages to sessions.", counters.deliveries.get()),
        ("bongsu_slow_closes_total", "Sessions closed because they read too slowly.", counters.slow_closes.get()),
        ("bongsu_lag_catch_ups_total", "Sessions that were behind and caught up from the store.", counters.lags.get()),
        ("bongsu_backfills_total", "Holes in a room's order read from the store.", counters.backfills.get()),
        ("bongsu_member_reloads_total", "Memberships read again.", counters.reloads.get()),
        ("bongsu_bus_faults_total", "Announcements that the bus did not take.", counters.bus_faults.get()),
        ("bongsu_incidents_total", "Faults on our side.", counters.faults.get()),
    ];
    for (name, help, value) in totals {
        one(out, name, "counter", help, value)?;
    }
    family(out, "bongsu_refusals_total", "counter", "Requests refused, by code.")?;
    for (code, count) in Code::ALL.iter().zip(&counters.refusals) {
        writeln!(out, "bongsu_refusals_total{{code=\"{}\"}} {}", code.name(), count.get())?;
    }
    histogram(out, "bongsu_accept_to_commit_seconds", "From a post's arrival to its commit.", &counters.accept_to_commit_ms)?;
    let help = "From a message's commit to the last member's write.";
    histogram(out, "bongsu_commit_to_last_write_seconds", help, &counters.commit_to_last_write_ms)?;
    histogram(out, "bongsu_http_request_seconds", "From a request's headers to its answer.", &app.meter.took_ms)?;
    family(out, "bongsu_http_requests_total", "counter", "HTTP requests, by path as routed, method and status.")?;
    for ((route, method, status), count) in &*app.meter.answers.lock() {
        writeln!(out, "bongsu_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}")?;
    }
    family(out, "bongsu_build_info", "gauge", "What runs here.")?;
    writeln!(out, "bongsu_build_info{{version=\"{}\"}} 1", app.version)
}

/// A histogram of whole milliseconds, in seconds.
fn histogram(out: &mut String, name: &str, help: &str, of: &Histogram) -> fmt::Result {
    family(out, name, "histogram", help)?;
    let (bounds, sum_ms) = of.read();
    let mut count = 0;
    for (bound, total) in bounds {
        count = total;
        match bound {
            // Whole milliseconds are rounded down, so that "0" is less than one and part of the next bound.
            Some(0) => {}
            Some(ms) => writeln!(out, "{name}_bucket{{le=\"{}\"}} {total}", ms as f64 / 1_000.0)?,
            None => writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {total}")?,
        }
    }
    writeln!(out, "{name}_sum {}\n{name}_count {count}", sum_ms as f64 / 1_000.0)
}

fn write_process(app: &App, figures: &process::ProcessFigures, out: &mut String) -> fmt::Result {
    family(out, "process_cpu_seconds_total", "counter", "User and system CPU time.")?;
    writeln!(out, "process_cpu_seconds_total {}", figures.cpu_seconds)?;
    one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", figures.resident_bytes)?;
    one(out, "process_open_fds", "gauge", "Open file descriptors.", figures.open_fds)?;
    if let Some(max) = figures.max_fds {
        one(out, "process_max_fds", "gauge", "File descriptors that may be open.", max)?;
    }
    family(out, "process_start_time_seconds", "gauge", "When the process started, since 1970.")?;
    writeln!(out, "process_start_time_seconds {}", app.started_at.0 as f64 / 1_000.0)
}
