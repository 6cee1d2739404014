//! A server that says back what it hears, with the codec of the gateway and nothing else of it.
//!
//! For `make autobahn`: limits are those of the suite, and it ends when its standard input does. Prints its address.
//! `--deflate` takes permessage-deflate.

#![allow(clippy::print_stdout, reason = "whoever starts it reads the address")]

use std::io;
use std::time::Duration;

use bongsu_wire::websocket::{
    Decoder, Heard, MessageLimits, Opcode, Role, accept_key, close_frame, deflated, frame, negotiate_deflate,
};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The suite sends 16 MiB in one message, and 4 MiB in fragments of 64 bytes.
const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 16 << 20,
    fragments_max: 1 << 17,
};
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a peer may take to close its side after ours.
const CLOSE: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let deflate = std::env::args().any(|arg| arg == "--deflate");
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    println!("{}", listener.local_addr()?);
    runtime.spawn(listen(listener, deflate));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    runtime.shutdown_background();
    Ok(())
}

async fn listen(listener: TcpListener, deflate: bool) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Err(error) = serve(socket, deflate).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(mut socket: TcpStream, deflate: bool) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let Some((deflate, mut early)) = upgrade(&mut socket, deflate).await? else {
        return Ok(());
    };
    let mut decoder = Decoder::new(Role::Server, deflate);
    let mut buffer = vec![0; 64 * 1024];
    let mut ended = answer(&mut decoder, &mut early, deflate, &mut socket).await?;
    while !ended {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        ended = answer(&mut decoder, &mut buffer[..read], deflate, &mut socket).await?;
    }
    // Reading on until the peer closes: closing over unread bytes would reset the connection, and with it our close.
    socket.shutdown().await?;
    timeout(CLOSE, async {
        while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
    })
    .await
    .unwrap_or_default();
    Ok(())
}

/// Says back what the bytes complete; true once a close was sent.
async fn answer(
    decoder: &mut Decoder,
    bytes: &mut [u8],
    deflate: bool,
    socket: &mut TcpStream,
) -> io::Result<bool> {
    let mut answers: Vec<Bytes> = Vec::new();
    let mut ended = false;
    let say = if deflate { deflated } else { frame };
    let pushed = decoder.push(bytes, &LIMITS, &mut |heard| match heard {
        Heard::Text(text) => answers.push(say(Opcode::Text, text.as_bytes())),
        Heard::Binary(bytes) => answers.push(say(Opcode::Binary, bytes)),
        Heard::Ping(bytes) => answers.push(frame(Opcode::Pong, bytes)),
        Heard::Pong(_) => {}
        Heard::Close(closed) => {
            ended = true;
            answers.push(closed.map_or_else(
                || frame(Opcode::Close, b""),
                |closed| close_frame(closed.code, closed.reason),
            ));
        }
    });
    if let Err(violation) = pushed {
        ended = true;
        answers.push(close_frame(violation.code(), &violation.to_string()));
    }
    for answer in answers {
        socket.write_all(&answer).await?;
    }
    Ok(ended)
}

/// Answers the request to upgrade: whether messages may be compressed, and the bytes that came after the request.
async fn upgrade(socket: &mut TcpStream, deflate: bool) -> io::Result<Option<(bool, Vec<u8>)>> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if head.len() > HEAD_BYTES_MAX || socket.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    };
    let early = head.split_off(end + 4);
    let head = String::from_utf8_lossy(&head);
    let value = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(accept) = accept_key(&value("Sec-WebSocket-Key")) else {
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await?;
        return Ok(None);
    };
    let extension = negotiate_deflate(&value("Sec-WebSocket-Extensions")).filter(|_| deflate);
    let mut consent = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(extension) = extension {
        consent.push_str("Sec-WebSocket-Extensions: ");
        consent.push_str(extension);
        consent.push_str("\r\n");
    }
    consent.push_str("\r\n");
    socket.write_all(consent.as_bytes()).await?;
    Ok(Some((extension.is_some(), early)))
}
