//! The bus of one process against the contract.

use bongsu_bus::{LocalBus, conformance};

#[tokio::test]
async fn the_local_bus_keeps_the_contract() {
    conformance::alone(&LocalBus::new()).await;
}
