//! The time machine: seeded simulation of nodes, stores, buses and clients; never shipped.
