//! Packets as whole WebSocket text frames, the Engine.IO type in front.
//!
//! Invariant: [`Frame::finish`] is the only way out; what it gives is one frame, written into one buffer.

use bytes::Bytes;

use crate::json::write::Json;
use crate::websocket::{HEADER_BYTES_MAX, Opcode, seal};

/// What a frame takes beside its data, with an ordinary namespace and id.
const HEAD_BYTES: usize = 40;

/// A packet whose data is being written.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Values of the array that an event or an ack is, or the one value of the other packets; each leaves a comma.
    pub(crate) json: Json,
    array: bool,
    /// Where the data begins.
    data: usize,
}

impl Frame {
    /// Grants a namespace; one object follows, or nothing. `capacity` is what the data will take.
    pub(crate) fn connect(namespace: &str, capacity: usize) -> Self {
        Self::begin(b'0', 0, namespace, None, capacity)
    }

    /// Refuses a namespace; one object follows, or a text for clients of version 3.
    pub(crate) fn connect_error(namespace: &str, capacity: usize) -> Self {
        Self::begin(b'4', 0, namespace, None, capacity)
    }

    /// An event of this name; its arguments follow.
    pub(crate) fn event(namespace: &str, id: Option<u64>, name: &str, capacity: usize) -> Self {
        Self::begin(b'2', 0, namespace, id, capacity + name.len()).named(name)
    }

    /// An event of this name with so many attachments, at least one.
    fn binary_event(
        namespace: &str,
        id: Option<u64>,
        attachments: usize,
        name: &str,
        capacity: usize,
    ) -> Self {
        Self::begin(b'5', attachments, namespace, id, capacity + name.len()).named(name)
    }

    /// Answers the event of this id; its arguments follow.
    pub(crate) fn ack(namespace: &str, id: u64, capacity: usize) -> Self {
        Self::begin(b'3', 0, namespace, Some(id), capacity).opened()
    }

    /// [`Self::ack`] with so many attachments, at least one.
    fn binary_ack(namespace: &str, id: u64, attachments: usize, capacity: usize) -> Self {
        Self::begin(b'6', attachments, namespace, Some(id), capacity).opened()
    }

    fn begin(kind: u8, attachments: usize, namespace: &str, id: Option<u64>, capacity: usize) -> Self {
        let mut json = Json::behind(HEADER_BYTES_MAX, HEAD_BYTES + namespace.len() + capacity);
        let mut digits = itoa::Buffer::new();
        json.literal("4");
        json.literal(digits.format(kind - b'0'));
        if attachments > 0 {
            json.literal(digits.format(attachments));
            json.literal("-");
        }
        if namespace != "/" {
            json.literal(namespace);
            json.literal(",");
        }
        if let Some(id) = id {
            json.literal(digits.format(id));
        }
        let data = json.len();
        Self {
            json,
            array: false,
            data,
        }
    }

    fn opened(mut self) -> Self {
        self.json.literal("[");
        self.array = true;
        self
    }

    fn named(self, name: &str) -> Self {
        let mut opened = self.opened();
        opened.json.text("", name);
        opened
    }

    /// An argument, or the one value, that is JSON already.
    pub(crate) fn value(&mut self, json: &str) {
        self.json.literal(json);
        self.json.literal(",");
    }

    /// Ends the packet.
    pub(crate) fn finish(self) -> Bytes {
        let Self {
            mut json,
            array,
            data,
        } = self;
        if array {
            json.end_array();
        }
        // The comma after a namespace stays.
        if json.len() > data {
            json.drop_comma();
        }
        let mut buffer = json.into_bytes();
        // A frame may wait in many mailboxes: it does not hold much more than its length.
        if buffer.capacity() > buffer.len() + buffer.len() / 2 {
            buffer.shrink_to_fit();
        }
        seal(buffer, Opcode::Text)
    }

    fn with(mut self, values: &[&str]) -> Bytes {
        for value in values {
            self.value(value);
        }
        self.finish()
    }
}

fn bytes_of(values: &[&str]) -> usize {
    values.iter().map(|it| it.len() + 1).sum()
}

/// Grants a namespace, or asks for one. `data` is the text of an object; servers of version 3 send none.
#[must_use]
pub fn connect(namespace: &str, data: Option<&str>) -> Bytes {
    let data = data.as_slice();
    Frame::connect(namespace, bytes_of(data)).with(data)
}

/// Refuses a namespace. `data` is the text of an object, or of a string for clients of version 3.
#[must_use]
pub fn connect_error(namespace: &str, data: &str) -> Bytes {
    Frame::connect_error(namespace, data.len() + 1).with(&[data])
}

/// Leaves a namespace.
#[must_use]
pub fn disconnect(namespace: &str) -> Bytes {
    Frame::begin(b'1', 0, namespace, None, 0).finish()
}

/// An event, whose arguments are texts of JSON. After it so many messages of bytes must follow as it has `attachments`.
#[must_use]
pub fn event(namespace: &str, id: Option<u64>, attachments: usize, name: &str, arguments: &[&str]) -> Bytes {
    let capacity = bytes_of(arguments);
    let frame = match attachments {
        0 => Frame::event(namespace, id, name, capacity),
        attachments => Frame::binary_event(namespace, id, attachments, name, capacity),
    };
    frame.with(arguments)
}

/// Answers the event of this id, as [`event`].
#[must_use]
pub fn ack(namespace: &str, id: u64, attachments: usize, arguments: &[&str]) -> Bytes {
    let capacity = bytes_of(arguments);
    let frame = match attachments {
        0 => Frame::ack(namespace, id, capacity),
        attachments => Frame::binary_ack(namespace, id, attachments, capacity),
    };
    frame.with(arguments)
}
