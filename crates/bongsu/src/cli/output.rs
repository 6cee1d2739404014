//! Answers of the server as people like to read them, or as JSON for programs.

use serde_json::Value;

/// A table: the named fields of each object, in columns under their names.
pub(super) fn table(rows: &[Value], columns: &[&str]) -> String {
    let head = columns.iter().map(|name| (*name).to_owned()).collect();
    let body = rows
        .iter()
        .map(|row| columns.iter().map(|name| cell(row, name)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0))
        .collect();
    let lines = lines.iter().map(|line| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// All fields of one object, one on a line.
pub(super) fn fields(object: &Value) -> String {
    let Some(map) = object.as_object() else {
        return object.to_string();
    };
    let wide = map.keys().map(|name| width(name)).max().unwrap_or(0);
    let lines = map
        .keys()
        .map(|name| format!("{name:wide$}  {}", cell(object, name)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A field, or with a dot one inside of it; nothing where there is none.
fn cell(object: &Value, name: &str) -> String {
    let pointer = format!("/{}", name.replace('.', "/"));
    match object.pointer(&pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => visible(text),
        Some(other) => other.to_string(),
    }
}

/// A text of others on one line, without what a terminal would obey.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\n' {
                '⏎'
            } else if c.is_control() {
                '\u{FFFD}'
            } else {
                c
            }
        })
        .collect()
}

/// Columns on a terminal, near enough: the letters of East Asia take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{1F300}'..='\u{1FAFF}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_whatever_the_letters() {
        let rows = [
            json!({ "id": 1, "name": "하나", "of": { "it": true } }),
            json!({ "id": 12, "name": null }),
        ];
        assert_eq!(
            table(&rows, &["id", "name", "of.it"]),
            "id  name  of.it\n1   하나  true\n12"
        );
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\u{FFFD}[2Jb⏎c");
    }
}
