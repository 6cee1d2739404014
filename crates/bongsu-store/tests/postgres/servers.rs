//! Schemas on the server that the tests are given.
//!
//! Invariant: a schema is gone when its [`Fresh`] is, however the test ends.

use std::sync::atomic::{AtomicU64, Ordering};

use bongsu_model::Limits;
use bongsu_store::conformance::limits;
use bongsu_store::{Postgres, PostgresOptions};
use tokio_postgres::NoTls;

/// The address of the server.
pub(crate) fn address() -> String {
    std::env::var("BONGSU_TEST_POSTGRES").expect(
        "BONGSU_TEST_POSTGRES is the address of a server: postgres://user:password@host:port/database",
    )
}

/// A schema of a test's own, empty at first.
pub(crate) struct Fresh {
    pub(crate) schema: String,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            schema: format!("test_{}_{number}", std::process::id()),
        }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::new(&address(), &Limits::DEFAULT).unwrap();
        options.schema = Some(self.schema.clone());
        options.limits = limits();
        options.connections = 6;
        options.lanes = 2;
        options
    }

    pub(crate) async fn open(&self) -> Postgres {
        Postgres::open(self.options()).await.unwrap()
    }

    /// Runs statements in the schema, past the store.
    pub(crate) async fn sql(&self, sql: &str) {
        let said = format!("SET search_path = \"{}\"; {sql}", self.schema);
        run(&said).await;
    }
}

async fn run(sql: &str) {
    let (client, connection) = tokio_postgres::connect(&address(), NoTls).await.unwrap();
    let speaking = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    speaking.await.unwrap().unwrap();
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema);
        // The test's own runtime may not wait here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(run(&sql));
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the schema could not be dropped");
        }
    }
}
