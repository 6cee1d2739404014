//! A device's connection: what stands for the socket on the node's side, and a link that delays, stalls, bursts and breaks.
//!
//! Invariant: a link keeps the order of each direction; what the kernel has taken may still arrive when the connection is
//! long over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bongsu_model::device::{
    Command, CommandFrame, CommandState, ConnectionEpoch, DeviceId, FromDevice, ToDevice,
};
use bongsu_node::Node;
use bongsu_node::devices::{DeviceClaim, DeviceSession, Pacing, ends_device_session};
use bongsu_store::{DeviceStore as _, Memory};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::defect::DeviceDefect;
use super::device::{Device, Wants};
use super::ledger::{Ledger, Saw, Seen};
use crate::ports::SimClock;
use crate::random::Random;

use bongsu_node::Clock as _;

/// Frames that the kernel takes before it wants to be waited for.
const KERNEL_FRAMES: usize = 2;
/// Frames that a device may have said and nobody read.
const SAID_MAX: usize = 64;
/// How often a connection looks at whether it is to be cut.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a planted defect sends a command again that has ended.
const AGAIN: usize = 3;

/// A device and the connection that it has now.
pub(super) struct Shell {
    pub(super) device: Device,
    pub(super) line: Option<Arc<Line>>,
    /// How often it was started: what it was doing before is not done.
    pub(super) life: u64,
}

pub(super) type Car = Arc<Mutex<Shell>>;

/// The device's end of a connection.
pub(super) struct Line {
    said: Mutex<Option<mpsc::Sender<FromDevice>>>,
    stalls: AtomicBool,
    moves: Notify,
    /// How long a frame is under way at most, in milliseconds.
    slow_ms: u64,
    random: Random,
}

impl Line {
    /// Says something; what finds no way is given back.
    fn say(&self, frame: FromDevice) -> Result<(), FromDevice> {
        match &*self.said.lock() {
            Some(said) => said
                .try_send(frame)
                .map_err(mpsc::error::TrySendError::into_inner),
            None => Err(frame),
        }
    }

    /// The node will notice that the device is gone.
    pub(super) fn hang_up(&self) {
        self.said.lock().take();
    }

    pub(super) fn stall(&self, stalls: bool) {
        self.stalls.store(stalls, Ordering::Relaxed);
        self.moves.notify_waiters();
    }

    /// Completes when a frame that was said now is there.
    async fn passes(&self) {
        tokio::time::sleep(Duration::from_millis(self.random.within(1..self.slow_ms))).await;
        while self.stalls.load(Ordering::Relaxed) {
            self.moves.notified().await;
        }
    }
}

/// What all connections of a world share.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) clock: SimClock,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) store: Arc<Memory>,
    pub(super) random: Random,
    pub(super) defect: Option<DeviceDefect>,
    pub(super) heartbeats_ms: u64,
    pub(super) takeover_ms: u64,
}

impl Scene {
    pub(super) fn saw(&self, saw: Saw) {
        let at = self.clock.now();
        self.ledger.lock().seen.push(Seen { at, saw });
    }
}

/// A line for a device, and what the node will read from it.
pub(super) fn line(scene: &Scene) -> (Arc<Line>, mpsc::Receiver<FromDevice>) {
    let (said, hears) = mpsc::channel(SAID_MAX);
    let line = Line {
        said: Mutex::new(Some(said)),
        stalls: AtomicBool::new(false),
        moves: Notify::new(),
        slow_ms: if scene.random.often(200) { 400 } else { 30 },
        random: scene.random.fork(),
    };
    (Arc::new(line), hears)
}

/// Does what a device wants done.
pub(super) fn carry_out(scene: &Scene, car: &Car, wants: Wants) {
    wants.saw.into_iter().for_each(|saw| scene.saw(saw));
    let mut shell = car.lock();
    for frame in wants.say {
        let line = shell.line.clone();
        let refused = match &line {
            Some(line) => line.say(frame).err(),
            None => Some(frame),
        };
        if let Some(frame) = refused {
            shell.device.unsent(frame);
        }
    }
    if let Some(ms) = wants.busy_ms {
        let (scene, car, life) = (scene.clone(), Arc::clone(car), shell.life);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let mut shell = car.lock();
            if shell.life == life {
                let wants = shell.device.done();
                drop(shell);
                carry_out(&scene, &car, wants);
            }
        });
    }
}

/// What stands for the socket, from the hello to the end of the connection.
pub(super) async fn serve(
    scene: Scene,
    node: Arc<Node>,
    car: Car,
    line: Arc<Line>,
    mut hears: mpsc::Receiver<FromDevice>,
) {
    let (down, arrives) = mpsc::channel(KERNEL_FRAMES);
    // What the kernel has taken is on its way, whatever becomes of this task.
    tokio::spawn(arrive(
        scene.clone(),
        Arc::clone(&car),
        Arc::clone(&line),
        arrives,
    ));
    let Some(FromDevice::Hello(hello)) = hears.recv().await else {
        return;
    };
    line.passes().await;
    let claim = DeviceClaim {
        certificate: Some(Arc::clone(hello.device.shared())),
        ..DeviceClaim::default()
    };
    let pacing = if scene.random.often(300) {
        Pacing::Acknowledged
    } else {
        Pacing::Kernel
    };
    let Ok(session) = node.device_hello(claim, *hello, pacing).await else {
        return;
    };
    tokio::select! {
        biased;
        () = read(&scene, &session, &line, &mut hears) => {}
        () = write(&scene, &session, &down) => {}
        () = cut(&scene, &session) => {}
    }
    session.gone().await;
}

/// Says hello on a new connection.
pub(super) fn say_hello(car: &Car, line: &Arc<Line>) {
    let mut shell = car.lock();
    let hello = shell.device.hello();
    // A new line has room.
    let _ = line.say(FromDevice::Hello(Box::new(hello)));
    shell.line = Some(Arc::clone(line));
}

pub(super) fn say_heartbeat(car: &Car) {
    let mut shell = car.lock();
    let frame = shell.device.heartbeat();
    if let Some(line) = &shell.line {
        // One that does not fit is missed.
        let _ = line.say(frame);
    }
}

async fn read(
    scene: &Scene,
    session: &Arc<DeviceSession>,
    line: &Line,
    hears: &mut mpsc::Receiver<FromDevice>,
) {
    while let Some(mut frame) = hears.recv().await {
        line.passes().await;
        if let FromDevice::Word(word) = &mut frame
            && scene.defect == Some(DeviceDefect::EpochIgnored)
        {
            word.epoch = None;
        }
        if session
            .hear(frame)
            .await
            .is_err_and(|refusal| ends_device_session(&refusal))
        {
            return;
        }
    }
}

async fn write(
    scene: &Scene,
    session: &Arc<DeviceSession>,
    down: &mpsc::Sender<(ToDevice, ConnectionEpoch)>,
) {
    loop {
        session.wakes().await;
        while let Some(out) = session.take() {
            if let ToDevice::Command(frame) = &out.frame {
                sent(scene, frame, session.epoch);
                if scene.defect == Some(DeviceDefect::RetryAfterTerminal) {
                    let (scene, down) = (scene.clone(), down.clone());
                    tokio::spawn(again(scene, frame.clone(), session.epoch, down));
                }
                // What is taken may still have to wait for the kernel, and nobody can take it back then.
                if scene.random.often(200) {
                    tokio::time::sleep(Duration::from_millis(scene.random.within(1..150))).await;
                }
            }
            if down.send((out.frame, session.epoch)).await.is_err() {
                return;
            }
            session.wrote(out.ticket);
        }
        if session.ending().is_some() {
            return;
        }
    }
}

fn sent(scene: &Scene, frame: &CommandFrame, epoch: ConnectionEpoch) {
    let command = frame.command.id;
    let stored = scene.store.command(command).now_or_never();
    let stored = stored.and_then(Result::ok).flatten();
    let ended = stored.as_ref().is_some_and(|stored| stored.state.is_terminal());
    let here = |stored: &Command| stored.state == CommandState::Superseded && stored.epoch == epoch;
    let overtaken = stored.as_ref().is_some_and(here);
    scene.saw(Saw::Sent {
        command,
        epoch,
        ended,
        overtaken,
    });
}

/// The planted defect: sends a command again when it has ended.
async fn again(
    scene: Scene,
    frame: CommandFrame,
    epoch: ConnectionEpoch,
    down: mpsc::Sender<(ToDevice, ConnectionEpoch)>,
) {
    for _ in 0..AGAIN {
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        if down.is_closed() {
            return;
        }
        sent(&scene, &frame, epoch);
        if down.try_send((ToDevice::Command(frame.clone()), epoch)).is_err() {
            return;
        }
    }
}

/// Completes when the connection is to be cut: nothing was heard for too long, or it does not go though it is told to.
async fn cut(scene: &Scene, session: &DeviceSession) {
    let mut told_ms = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let silent_ms = scene.clock.now().ms_since(session.heard_at());
        if session.ending().is_some() {
            told_ms += 50;
        }
        if silent_ms > scene.heartbeats_ms || told_ms > scene.takeover_ms {
            return;
        }
    }
}

/// Brings to the device what the kernel took.
async fn arrive(
    scene: Scene,
    car: Car,
    line: Arc<Line>,
    mut arrives: mpsc::Receiver<(ToDevice, ConnectionEpoch)>,
) {
    while let Some((frame, epoch)) = arrives.recv().await {
        line.passes().await;
        let wants = car.lock().device.hear(frame, epoch);
        carry_out(&scene, &car, wants);
    }
    let mut shell = car.lock();
    if shell.line.as_ref().is_some_and(|now| Arc::ptr_eq(now, &line)) {
        shell.line = None;
    }
}

/// The id of the device with that number.
pub(super) fn device_id(index: usize) -> DeviceId {
    DeviceId::parse(&format!("car-{index}")).expect("its characters are allowed")
}
