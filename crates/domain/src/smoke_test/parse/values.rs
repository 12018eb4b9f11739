//! What checks of both kinds are written with: templates, lengths of time, JSON and expectations of it.

use std::time::Duration;

use serde_json::{Number, Value};
use serde_json_path::JsonPath;
use toml::de::DeValue;

use super::reader::{Entry, Reader, below};
use super::{LONGEST_HEADER, LONGEST_NAME};
use crate::harmless::harmless;
use crate::smoke_test::{JsonExpectation, Template};

const LONGEST_PATH: usize = 500;

impl Reader<'_> {
    pub(super) fn template(
        &mut self,
        path: &str,
        check: Entry<'_, '_>,
        found: Option<Entry<'_, '_>>,
    ) -> Option<(usize, Template)> {
        let Some(found) = found else {
            self.report(check.at, path, "is missing");
            return None;
        };
        let text = self.string(path, found, LONGEST_HEADER)?;
        Template::parse(text)
            .map(|template| (found.at, template))
            .map_err(|why| self.report(found.at, path, why))
            .ok()
    }

    pub(super) fn json_expectations(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Vec<JsonExpectation> {
        let mut all = Vec::new();
        for (place, entry) in self.entries(path, found) {
            let path = below(path, &format!("{:?}", harmless(place, 80)));
            if place.len() > LONGEST_PATH {
                self.report(
                    entry.at,
                    &path,
                    format!("is a path longer than {LONGEST_PATH} characters"),
                );
                continue;
            }
            match JsonPath::parse(place) {
                Ok(place) => {
                    all.extend(
                        self.json(&path, entry)
                            .map(|value| JsonExpectation { path: place, value }),
                    );
                }
                Err(_) => self.report(entry.at, &path, "is no JSON path, such as $.items[0].name"),
            }
        }
        all
    }

    pub(super) fn duration(
        &mut self,
        path: &str,
        found: Option<Entry<'_, '_>>,
        usual: Duration,
        longest: Duration,
    ) -> Duration {
        let Some(found) = found else { return usual };
        let Some(text) = self.string(path, found, LONGEST_NAME) else {
            return usual;
        };
        match duration(text) {
            Some(duration) if duration <= longest => duration,
            Some(_) => {
                self.report(found.at, path, format!("is more than {} seconds", longest.as_secs()));
                usual
            }
            None => {
                self.report(
                    found.at,
                    path,
                    "is not written such as \"500 milliseconds\", \"30 seconds\", \"2 minutes\"",
                );
                usual
            }
        }
    }

    pub(super) fn json(&mut self, path: &str, entry: Entry<'_, '_>) -> Option<Value> {
        match entry.value {
            DeValue::String(text) => Some(Value::String(text.clone().into_owned())),
            DeValue::Boolean(value) => Some(Value::Bool(*value)),
            DeValue::Integer(number) => {
                let value = i64::from_str_radix(number.as_str(), number.radix())
                    .ok()
                    .map(Value::from);
                if value.is_none() {
                    self.report(entry.at, path, "is a number of more than 64 bits");
                }
                value
            }
            DeValue::Float(number) => {
                let value = number
                    .as_str()
                    .parse()
                    .ok()
                    .and_then(Number::from_f64)
                    .map(Value::Number);
                if value.is_none() {
                    self.report(entry.at, path, "is a number that JSON cannot write");
                }
                value
            }
            DeValue::Datetime(_) => {
                self.report(
                    entry.at,
                    path,
                    "is a date, which JSON does not have: put it into quotes",
                );
                None
            }
            DeValue::Array(values) => {
                let values: Vec<Option<Value>> = values
                    .iter()
                    .enumerate()
                    .map(|(n, value)| self.json(&format!("{path}[{n}]"), value.into()))
                    .collect();
                values.into_iter().collect()
            }
            DeValue::Table(table) => {
                let fields: Vec<Option<(String, Value)>> = table
                    .iter()
                    .map(|(key, value)| {
                        let value = self.json(&below(path, &harmless(key.get_ref(), 80)), value.into())?;
                        Some((key.get_ref().clone().into_owned(), value))
                    })
                    .collect();
                fields.into_iter().collect()
            }
        }
    }
}

/// Reads a length of time such as `30 seconds`.
fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_once(' ')?;
    let milliseconds: u64 = match unit {
        "millisecond" | "milliseconds" => 1,
        "second" | "seconds" => 1_000,
        "minute" | "minutes" => 60_000,
        _ => return None,
    };
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    count
        .parse::<u64>()
        .ok()?
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("1 second", 1_000),
            ("30 seconds", 30_000),
            ("2 minutes", 120_000),
            ("0 milliseconds", 0),
            ("1 minute", 60_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in [
            "",
            "30",
            "30s",
            "seconds",
            "-1 seconds",
            "+1 second",
            "1.5 seconds",
            "1  second",
            "1 hour",
            "99999999999999999999 seconds",
            "18446744073709551615 minutes",
            " 1 second",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
