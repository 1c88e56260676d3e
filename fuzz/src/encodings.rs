//! JSON and YAML as they are printed.

use loadline::apimachinery::{json, yaml};
use serde_json::{Map, Value};

/// What is printed reads back: each line as a value, as a key and in a list, and the whole as a
/// text of several lines.
pub(super) fn check(data: &[u8]) {
    let Some(lines) = super::lines(data) else {
        return;
    };
    let text = std::str::from_utf8(data).unwrap_or_default();
    // What no float holds is no number to Go, which leaves it bare, and infinite to other readers.
    let boundless = |text: &str| text.replace('_', "").parse().is_ok_and(f64::is_infinite);
    // Nor is a word of YAML 1.1 one to Go in another case than these three, as it is to other readers.
    let odd = |text: &str| {
        const WORDS: [&str; 7] = ["yes", "no", "on", "off", "true", "false", "null"];
        let lower = text.to_ascii_lowercase();
        let tail = text.get(1..).unwrap_or_default();
        WORDS.contains(&&*lower)
            && text != lower
            && text != text.to_ascii_uppercase()
            && lower.get(1..) != Some(tail)
    };
    if text
        .split(['\n', '\t'])
        .any(|text| boundless(text) || odd(text))
    {
        return;
    }
    let mut map = Map::new();
    let mut list = Vec::new();
    for line in lines {
        let mut string = Vec::new();
        json::write_string(&mut string, line);
        assert_eq!(read(&string), Value::from(line));
        assert_eq!(json::quoted(line).into_bytes(), string);
        let (key, value) = line.split_once('\t').unwrap_or((line, line));
        // Go leaves this one bare, and whoever reads YAML 1.1 takes it for the merging of maps.
        if key != "<<" {
            map.insert(key.to_owned(), value.into());
        }
        list.push(Value::from(line));
    }
    map.insert("text".to_owned(), text.into());
    map.insert("list".to_owned(), list.clone().into());
    map.insert(
        "lists".to_owned(),
        vec![Value::from(list), Value::Null].into(),
    );
    map.insert("empty".to_owned(), Map::new().into());
    map.insert("inner".to_owned(), map.clone().into());
    let value = Value::from(map);
    let mut compact = Vec::new();
    json::write(&mut compact, &value);
    assert_eq!(read(&compact), value);
    assert_eq!(read(&json::indent(&compact)), value);
    // Go leaves no markup in JSON that a browser could take for its own.
    assert!(
        !compact
            .iter()
            .any(|byte| matches!(byte, b'<' | b'>' | b'&'))
    );
    let yaml = String::from_utf8(yaml::from_json(&compact)).unwrap_or_else(|e| panic!("{e}"));
    let back: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
    assert_eq!(back, value, "{yaml}");
}

fn read(json: &[u8]) -> Value {
    serde_json::from_slice(json)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}
