//! The stream to a gateway, below whatever is spoken over it: TCP, or TLS over it.
//!
//! Invariant: what is written is sent at once; small messages do not wait for each other.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Address;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects; over TLS if there is a configuration of it.
///
/// # Errors
///
/// There is nobody, it is not who it should be, or it does not let this device in.
pub async fn dial(address: &Address, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Stream>> {
    let tcp = TcpStream::connect((address.host(), address.port())).await?;
    tcp.set_nodelay(true)?;
    Ok(match tls {
        Some(config) => {
            let name = address.server_name().map_err(io::Error::other)?;
            Box::new(TlsConnector::from(config).connect(name, tcp).await?)
        }
        None => Box::new(tcp),
    })
}
