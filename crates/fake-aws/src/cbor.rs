//! CBOR as CloudWatch speaks it, from and to the JSON that tests are written in.

use ciborium::Value as Cbor;
use serde_json::Value;

/// The tag of a time in seconds since 1970 (RFC 8949, 3.4.2).
const TIME: u64 = 1;

/// A time in JSON: `{ "$time": 1790000000.5 }`.
const WRITTEN: &str = "$time";

/// What a request says. A time in it is its number of seconds.
pub(crate) fn read(bytes: &[u8]) -> Value {
    json(ciborium::from_reader(bytes).expect("the SDK writes CBOR"))
}

/// What is answered.
pub(crate) fn write(answer: Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&cbor(answer), &mut bytes).expect("memory takes it");
    bytes
}

fn json(cbor: Cbor) -> Value {
    match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(is) => is.into(),
        Cbor::Text(text) => text.into(),
        Cbor::Integer(number) => i64::try_from(number).expect("no number of ours is larger").into(),
        // Whole seconds come as a float too.
        Cbor::Float(number) => number.to_string().parse().expect("a number"),
        Cbor::Tag(TIME, seconds) => json(*seconds),
        Cbor::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        Cbor::Map(members) => Value::Object(members.into_iter().map(member).collect()),
        other => panic!("the fake does not read {other:?}"),
    }
}

fn member((name, value): (Cbor, Cbor)) -> (String, Value) {
    (name.into_text().expect("a member has a name"), json(value))
}

fn cbor(json: Value) -> Cbor {
    match json {
        Value::Null => Cbor::Null,
        Value::Bool(is) => Cbor::Bool(is),
        Value::String(text) => Cbor::Text(text),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cbor::Integer(whole.into()),
            None => Cbor::Float(number.as_f64().expect("a number")),
        },
        Value::Array(items) => Cbor::Array(items.into_iter().map(cbor).collect()),
        Value::Object(mut members) => {
            if let Some(seconds) = members.remove(WRITTEN) {
                return Cbor::Tag(TIME, Box::new(cbor(seconds)));
            }
            let members = members.into_iter();
            Cbor::Map(members.map(|(name, value)| (Cbor::Text(name), cbor(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_answered_is_the_cbor_of_what_a_test_wrote() {
        // A map of one member, whose value is tagged 1.
        assert_eq!(write(json!({ "at": { "$time": 10 } })), *b"\xa1\x62at\xc1\x0a");
        // What is written as a float stays one: SDKs take no whole number in its place.
        assert_eq!(write(json!([1.5, 2.0, 2])), *b"\x83\xf9\x3e\x00\xf9\x40\x00\x02");
    }

    #[test]
    fn a_request_is_read_with_its_times_in_seconds() {
        let written = json!({
            "names": ["a", "b"], "is": true, "nothing": null, "less": -3,
            "at": { "$time": 1_790_000_000.0 }, "later": { "$time": 1_790_000_000.5 },
        });
        let read_back = json!({
            "names": ["a", "b"], "is": true, "nothing": null, "less": -3,
            "at": 1_790_000_000, "later": 1_790_000_000.5,
        });
        assert_eq!(read(&write(written)), read_back);
        // As the SDK writes: a map whose length is not said, and a time as a float of eight bytes.
        let asked = b"\xbf\x65Start\xc1\xfb\x40\x24\x00\x00\x00\x00\x00\x00\xff";
        assert_eq!(read(asked), json!({ "Start": 10 }));
    }
}
