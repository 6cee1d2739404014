//! What happens on a simulated car, in words: one line each, with the time.
//!
//! Invariant: what others sent is printed so that no terminal obeys it.

use bongsu_device::session::Event;
use bongsu_device::{Answer, End, Happening, Object, Value};
use bongsu_model::Timestamp;
use bongsu_model::device::print;

use super::super::output::visible;

/// One line about what happened at `at`.
pub(super) fn line(happening: &Happening, url: &str, at: Timestamp) -> String {
    let text = match happening {
        Happening::Dials => format!("connecting to {url}"),
        Happening::Rests { why, rest_ms } => {
            format!("not connected ({why}); the next try is in {rest_ms} ms")
        }
        Happening::Session(event) => session(event),
        Happening::Begins(begin) => {
            format!(
                "{} {} begins, command {}",
                begin.name,
                print(&begin.args),
                begin.id
            )
        }
        Happening::Ends(id, answer) => format!("command {id} {}", ended(answer)),
        Happening::JournalFails(why) => format!("the journal cannot be written: {why}"),
    };
    stamped(&text, at)
}

/// One line about a wish that was met as far as it could be.
pub(super) fn wish(wish: &Object, met: &Object, at: Timestamp) -> String {
    let text = format!("should be {}, and is {}", print(wish), print(met));
    stamped(&text, at)
}

fn stamped(text: &str, at: Timestamp) -> String {
    let moment = at.to_string();
    format!("{} {}", &moment[11..23], visible(text))
}

fn session(event: &Event) -> String {
    match event {
        Event::Welcomed { epoch, offset_ms } => {
            format!("connected, epoch {epoch}; the server's clock is {offset_ms} ms ahead")
        }
        Event::Repeated(id) => format!("command {id} came again, and was not begun again"),
        Event::NotBegun { id, why } => format!("command {id} was not begun: {why}"),
        Event::Stale(epoch) => format!("dropped a frame of epoch {epoch}"),
        Event::Refused(problem) => format!("the server refuses: {} {}", problem.code, problem.message),
        Event::Parted(parting) => format!(
            "the server ends the session: {} (close code {}, reconnect {})",
            parting.problem.message,
            parting.close_code,
            parting.reconnect.name()
        ),
        Event::TokenUpdated(until) => format!("a new token is in force until {until}"),
        Event::TokenExpiring(at) => format!("the token ends at {at}"),
    }
}

fn ended(answer: &Answer) -> String {
    let with = |value: &Option<Value>| value.as_ref().map_or(String::new(), |it| format!(": {it}"));
    match answer.end {
        End::Ok => format!("is done{}", with(&answer.result)),
        End::Failed => format!("has failed{}", with(&answer.error)),
        End::Rejected => format!("was rejected{}", with(&answer.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_device::CommandId;

    #[test]
    fn a_line_has_its_time_and_no_terminal_obeys_it() {
        let line = |happening| super::line(&happening, "ws://h/device", Timestamp(1_704_110_400_123));
        assert_eq!(line(Happening::Dials), "12:00:00.123 connecting to ws://h/device");
        let failed = Happening::Ends(CommandId(1), Answer::failed("\u{7f}x".into()));
        assert_eq!(
            line(failed),
            "12:00:00.123 command 00000000000000000000000000000001 has failed: \"\u{FFFD}x\""
        );
    }
}
