//! The buses of this crate against the contract, and the faulty one against its commands.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bongsu_bus::{Bus, Cut, Ear, Faults, FaultyBus, Heard, LocalBus, conformance};
use bongsu_model::UserId;
use parking_lot::Mutex;

#[derive(Default)]
struct Notes(Mutex<Vec<i64>>);

#[async_trait]
impl Ear for Notes {
    async fn hear(&self, heard: Heard) {
        if let Heard::Cut(Cut::Banned(user)) = heard {
            self.0.lock().push(user.0);
        }
    }
}

async fn said(faults: Faults, count: i64) -> Vec<i64> {
    let bus = FaultyBus::new(7);
    let notes = Arc::new(Notes::default());
    let ear: Arc<dyn Ear> = notes.clone();
    bus.listen(Arc::downgrade(&ear) as Weak<dyn Ear>);
    bus.set_faults(faults);
    for number in 1..=count {
        bus.publish(Heard::Cut(Cut::Banned(UserId(number))))
            .await
            .unwrap();
    }
    bus.settle().await;
    std::mem::take(&mut *notes.0.lock())
}

#[tokio::test]
async fn healthy_buses_keep_the_contract() {
    conformance::everyone_hears(&LocalBus::new()).await;
    conformance::everyone_hears(&FaultyBus::new(1)).await;
}

#[tokio::test]
async fn faults_come_on_command() {
    let in_order: Vec<i64> = (1..=300).collect();
    assert_eq!(said(Faults::default(), 300).await, in_order);

    let lost = said(
        Faults {
            lose: 300,
            ..Faults::default()
        },
        300,
    )
    .await;
    assert!(
        lost.len() < 270 && lost.is_sorted(),
        "some are lost, the rest is in order"
    );

    let repeated = said(
        Faults {
            repeat: 300,
            ..Faults::default()
        },
        300,
    )
    .await;
    assert!(repeated.len() > 330, "some come twice");

    let mut delayed = said(
        Faults {
            delay: 300,
            ..Faults::default()
        },
        300,
    )
    .await;
    assert!(!delayed.is_sorted(), "some come late");
    delayed.sort_unstable();
    assert_eq!(delayed, in_order, "but none is lost");
}

#[tokio::test]
async fn an_unreachable_bus_says_so() {
    let bus = FaultyBus::new(1);
    bus.set_faults(Faults {
        unreachable: true,
        ..Faults::default()
    });
    assert!(bus.publish(Heard::Cut(Cut::Banned(UserId(1)))).await.is_err());
}
