//! A preset is run and stopped: on all its displays at once, or on none before all are ready.
//!
//! Invariant: behind a barrier nothing starts unless every display that can say so is prepared; whoever knows no barrier is
//! told last. Each display has its own answer.

use std::net::IpAddr;
use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::device::CommandState;
use bongsu_model::display::{BARRIER, Preset, Program, RUN, STOP};
use bongsu_model::{Code, DeviceId, HappeningKind, Refusal, Timestamp, Want};
use futures_util::future::join_all;

use super::held::Held;
use super::run::{RunProgram, StopPrograms, check_grace};
use crate::devices::{Presence, Ran, Wait, WaitFor};
use crate::node::Node;
use crate::usecases::operate::Operator;

/// A preset that is to be run.
#[derive(Clone, Debug)]
pub struct RunPreset {
    /// Which.
    pub preset: Preset,
    /// On which of its displays; `None` for all of them.
    pub displays: Option<Vec<DeviceId>>,
    /// Whether nothing is to start before all are prepared.
    pub barrier: bool,
    /// When they are to be started; `None` for at once.
    pub start_at: Option<Timestamp>,
    /// For how long each may be told, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// The caller's own key.
    pub key: Option<Arc<str>>,
    /// Where the caller is, if known.
    pub from: Option<IpAddr>,
}

/// A preset that is to be stopped.
#[derive(Clone, Debug)]
pub struct StopPreset {
    /// Which.
    pub preset: Preset,
    /// On which of its displays; `None` for all of them.
    pub displays: Option<Vec<DeviceId>>,
    /// How long its programs have before they are killed, in milliseconds; `None`: as they say.
    pub grace_ms: Option<u64>,
    /// The caller's own key.
    pub key: Option<Arc<str>>,
    /// Where the caller is, if known.
    pub from: Option<IpAddr>,
}

/// What became of it on one display.
pub type Each = (DeviceId, Result<Ran, Refusal>);

/// A program to be run, and its start as long as it may be stopped.
type HeldRun = (Arc<Held>, RunProgram);

impl Node {
    /// Runs a preset on its displays, ascending by name in the answer.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `RATE_LIMITED`; the field `displays` if one of them is not of the preset, or there is none.
    pub async fn run_preset(
        self: &Arc<Self>,
        by: &Operator,
        run: RunPreset,
        wait: Wait,
    ) -> Result<Vec<Each>, Refusal> {
        policy::may_operate(&by.principal)?;
        let programs = chosen(&run.preset, run.displays.as_deref())?;
        self.check_start(run.start_at)?;
        let start_at = self.ahead(run.start_at);
        self.check_caller_rate(by, RUN, self.usual_rate())?;
        let asked = (HappeningKind::PresetExecuted, "preset.execute");
        let noted = self.preset_asked(by, asked, &run.preset, programs.len(), run.barrier);
        let runs = programs
            .into_iter()
            .map(|(display, program)| RunProgram {
                key: key_of(run.key.as_ref(), &display),
                display,
                program,
                preset: Some(run.preset.id),
                ttl_ms: run.ttl_ms,
                start_at,
                from: run.from,
            })
            .collect();
        let ran = async {
            if run.barrier {
                self.run_behind_barrier(by, runs, wait).await
            } else {
                Ok(self.run_each(by, self.held(runs), wait, self.now()).await)
            }
        };
        let (ran, ()) = tokio::join!(ran, noted);
        ran
    }

    /// Stops a preset on its displays, ascending by name in the answer.
    ///
    /// # Errors
    /// As [`Self::run_preset`].
    pub async fn stop_preset(
        self: &Arc<Self>,
        by: &Operator,
        stop: StopPreset,
        wait: Wait,
    ) -> Result<Vec<Each>, Refusal> {
        policy::may_operate(&by.principal)?;
        let displays = chosen(&stop.preset, stop.displays.as_deref())?;
        check_grace(stop.grace_ms)?;
        self.check_caller_rate(by, STOP, self.usual_rate())?;
        let asked = (HappeningKind::PresetStopped, "preset.stop");
        let noted = self.preset_asked(by, asked, &stop.preset, displays.len(), false);
        let stops = displays.into_iter().map(|(display, program)| {
            let asked = StopPrograms {
                key: key_of(stop.key.as_ref(), &display),
                display: display.clone(),
                preset: Some(stop.preset.id),
                run: None,
                grace_ms: stop.grace_ms.or(program.grace_ms),
                from: stop.from,
            };
            async move { (display, self.stop_on(by, asked, wait).await) }
        });
        let (stopped, ()) = tokio::join!(join_all(stops), noted);
        Ok(stopped)
    }

    /// Those who watch are told that a preset is asked for, on so many displays, and it is noted: beside what is done, so
    /// that it is noted whether or not the caller waits for that.
    fn preset_asked(
        &self,
        by: &Operator,
        (kind, action): (HappeningKind, &str),
        preset: &Preset,
        displays: usize,
        barrier: bool,
    ) -> impl Future<Output = ()> {
        self.happened(kind, |it| {
            it.of_preset(preset.id)
                .with("name", &*preset.name)
                .with("by", &*by.name)
                .with("displays", i64::try_from(displays).unwrap_or(i64::MAX))
        });
        let behind = if barrier { " barrier" } else { "" };
        let detail = format!("name={} displays={displays}{behind}", preset.name);
        self.note(by, action, format!("preset:{}", preset.id), Some(detail))
    }

    /// Starts that may be stopped as long as nobody was told of them.
    fn held(&self, runs: Vec<RunProgram>) -> Vec<HeldRun> {
        let hold = |run: RunProgram| (self.displays.held.hold(&run.display, run.preset), run);
        runs.into_iter().map(hold).collect()
    }

    async fn run_each(
        self: &Arc<Self>,
        by: &Operator,
        runs: Vec<HeldRun>,
        wait: Wait,
        since: Timestamp,
    ) -> Vec<Each> {
        let each = runs.into_iter().map(|(held, run)| async move {
            let display = run.display.clone();
            (display, self.run_on(by, run, wait, since, &held).await)
        });
        join_all(each).await
    }

    /// First all that can are prepared; if all are, they are told when to start; if all have that, the others are told at
    /// that moment.
    async fn run_behind_barrier(
        self: &Arc<Self>,
        by: &Operator,
        runs: Vec<RunProgram>,
        wait: Wait,
    ) -> Result<Vec<Each>, Refusal> {
        let since = self.now();
        let runs = self.held(runs);
        let prepared = join_all(runs.iter().map(|(_, run)| self.prepares(by, run))).await;
        let ready = prepared.iter().zip(&runs).all(|(one, (held, _))| match one {
            Ok(Some(ran)) => ran.command.state == CommandState::Succeeded && held.stands().is_ok(),
            Ok(None) => held.stands().is_ok(),
            Err(_) => false,
        });
        if !ready {
            return Ok(not_started(runs, prepared));
        }
        // The more there are to be told, the longer it takes.
        let lead_ms = self.ports.limits.display_barrier_lead_ms + runs.len() as u64;
        let soonest = self.now().plus_ms(lead_ms);
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for ((held, mut run), prepared) in runs.into_iter().zip(prepared) {
            run.start_at = Some(run.start_at.map_or(soonest, |at| at.max(soonest)));
            let knows = matches!(prepared, Ok(Some(_)));
            let turn = if knows { &mut first } else { &mut last };
            turn.push((held, run));
        }
        let told = Wait {
            until: WaitFor::Accepted,
            timeout_ms: None,
        };
        let first = self.run_each(by, first, told, since).await;
        if first.iter().any(|(_, told)| told.is_err()) {
            let mut each = self.call_off(by, first).await;
            each.extend(last.into_iter().map(|(_, run)| (run.display, Err(held_back()))));
            return Ok(in_order(each));
        }
        let first = first.into_iter().map(|(display, told)| async move {
            let followed = match told {
                Ok(ran) => self.follow(ran, wait, since).await,
                Err(refusal) => Err(refusal),
            };
            (display, followed)
        });
        let (mut each, last) = tokio::join!(join_all(first), self.run_each(by, last, wait, since));
        each.extend(last);
        Ok(in_order(each))
    }

    /// Has a display prepare what it is to run, if it can: `None` if it knows no such thing, and is there.
    async fn prepares(self: &Arc<Self>, by: &Operator, run: &RunProgram) -> Result<Option<Ran>, Refusal> {
        if self.can(&run.display, BARRIER).await? {
            let until = Wait {
                until: WaitFor::Done,
                // Both halves together take no longer than one who waits for a command may.
                timeout_ms: Some(self.ports.limits.command_wait_max_ms / 2),
            };
            return self.prepare_on(by, run, until).await.map(Some);
        }
        // One that is away fails here, and not only after the others were started.
        run.start_at.map_or(Ok(()), |start| self.check_wait(start))?;
        self.is_connected(&run.display).await.map(|()| None)
    }

    /// Some were told when to start, and one could not be: they are told to stop, which reaches them before that moment
    /// unless they are slow to hear of it.
    async fn call_off(self: &Arc<Self>, by: &Operator, told: Vec<Each>) -> Vec<Each> {
        let stops = told.into_iter().map(|(display, told)| async move {
            let Ok(ran) = told else {
                return (display, told);
            };
            let stop = StopPrograms {
                display: display.clone(),
                preset: None,
                run: Some(ran.command.id),
                grace_ms: None,
                key: None,
                from: None,
            };
            let until = Wait {
                until: WaitFor::Accepted,
                timeout_ms: None,
            };
            let stopped = self.stop_on(by, stop, until).await;
            (display, stopped.and(Err(held_back())))
        });
        join_all(stops).await
    }

    /// Waits for a command that is kept already.
    async fn follow(self: &Arc<Self>, ran: Ran, wait: Wait, since: Timestamp) -> Result<Ran, Refusal> {
        let ttl_ms = ran.command.deadline.ms_since(self.now());
        let usual_ms = ttl_ms.saturating_add(self.ports.limits.command_wait_ms);
        let wait = self.left(wait, since, usual_ms);
        self.wait_on(ran, wait).await
    }

    /// Makes sure that a display is connected somewhere.
    async fn is_connected(self: &Arc<Self>, display: &DeviceId) -> Result<(), Refusal> {
        if self.devices.session(display).is_some() {
            return Ok(());
        }
        let known = self.ports.store.device(display.clone()).await;
        let known = known.map_err(|fault| self.fault(&fault))?;
        let known = known.ok_or_else(|| Refusal::because(Code::DeviceOffline, "unknown_device"))?;
        match self.display_view(known).await.presence {
            Presence::Online => Ok(()),
            Presence::Offline => Err(Refusal::new(Code::DeviceOffline)),
            Presence::Unknown => Err(Refusal::new(Code::DeviceUnknownState)),
        }
    }
}

/// What each display is told of a start that did not come about: why it was itself not ready, or that another was not.
fn not_started(runs: Vec<HeldRun>, prepared: Vec<Result<Option<Ran>, Refusal>>) -> Vec<Each> {
    runs.into_iter()
        .zip(prepared)
        .map(|((held, run), prepared)| {
            let result = match prepared {
                Ok(Some(ran)) if ran.command.state != CommandState::Succeeded => Ok(ran),
                Ok(_) => held.stands().and(Err(held_back())),
                Err(refusal) => Err(refusal),
            };
            (run.display, result)
        })
        .collect()
}

/// The start of one, which did not come about because of another.
const fn held_back() -> Refusal {
    Refusal::because(Code::CommandRefused, "barrier")
}

fn in_order(mut each: Vec<Each>) -> Vec<Each> {
    each.sort_by(|one, other| one.0.cmp(&other.0));
    each
}

/// The displays of a preset that are meant, ascending, with their programs.
fn chosen(preset: &Preset, displays: Option<&[DeviceId]>) -> Result<Vec<(DeviceId, Program)>, Refusal> {
    let wrong = || Refusal::field("displays", Want::Other);
    let mut chosen: Vec<_> = match displays {
        None => preset
            .displays
            .iter()
            .map(|(name, program)| (name.clone(), program.clone()))
            .collect(),
        Some(names) => {
            let one = |name: &DeviceId| {
                let program = preset.displays.get(name).ok_or_else(wrong)?;
                Ok((name.clone(), program.clone()))
            };
            names.iter().map(one).collect::<Result<_, Refusal>>()?
        }
    };
    chosen.sort_by(|one, other| one.0.cmp(&other.0));
    chosen.dedup_by(|one, other| one.0 == other.0);
    if chosen.is_empty() {
        return Err(wrong());
    }
    Ok(chosen)
}

/// The caller's key for one of several displays.
fn key_of(key: Option<&Arc<str>>, display: &DeviceId) -> Option<Arc<str>> {
    key.map(|key| format!("{key}/{display}").into())
}
