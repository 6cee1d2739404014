//! The query with which clients of Engine.IO 3 connect to a namespace: `/chat?token=…`.

/// The value of this name, the first of them; `None` if there is none, or if it is no text.
pub(in crate::socketio) fn value(query: &str, name: &str) -> Option<String> {
    let raw = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return None,
            (b'+', after) => (b' ', after),
            (plain, after) => (*plain, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_unescaped() {
        let query = "EIO=3&token=a%2Bb+c%ED%95%9C&token=other&bad=%zz&cut=%4&none";
        assert_eq!(value(query, "token").as_deref(), Some("a+b c한"));
        assert_eq!(value(query, "none").as_deref(), Some(""));
        assert_eq!(value(query, "oken"), None);
        for bad in ["bad", "cut"] {
            assert_eq!(value(query, bad), None);
        }
    }
}
