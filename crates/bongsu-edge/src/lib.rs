//! Sockets: listeners, connections, HTTP, tokens.
