//! What every bus must do when nothing is wrong with it.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bongsu_model::UserId;
use parking_lot::Mutex;

use crate::{Bus, Cut, Ear, Heard};

#[derive(Default)]
struct Notes(Mutex<Vec<i64>>);

#[async_trait]
impl Ear for Notes {
    async fn hear(&self, heard: Heard) {
        if let Heard::Cut(Cut::Banned(user)) = heard {
            self.0.lock().push(user.0);
        }
    }

    async fn missed(&self) {}
}

fn listen(bus: &dyn Bus) -> Arc<Notes> {
    let notes = Arc::new(Notes::default());
    let ear: Arc<dyn Ear> = notes.clone();
    bus.listen(Arc::downgrade(&ear) as Weak<dyn Ear>);
    notes
}

/// Everyone who listens hears everything said from then on; who is gone harms nobody.
///
/// # Panics
/// If the bus does not keep the contract.
pub async fn everyone_hears(bus: &dyn Bus) {
    let first = listen(bus);
    bus.publish(Heard::Cut(Cut::Banned(UserId(1))))
        .await
        .expect("the bus is healthy");
    let second = listen(bus);
    bus.publish(Heard::Cut(Cut::Banned(UserId(2))))
        .await
        .expect("the bus is healthy");
    drop(second);
    bus.publish(Heard::Cut(Cut::Banned(UserId(3))))
        .await
        .expect("the bus is healthy");
    assert_eq!(
        *first.0.lock(),
        [1, 2, 3],
        "the speaker's own node hears before publish returns"
    );
}
