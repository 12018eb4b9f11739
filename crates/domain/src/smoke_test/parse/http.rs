//! `[[http]]`: a request, and what is expected of its answer.

use std::collections::BTreeMap;

use strum::VariantNames as _;
use toml::de::{DeTable, DeValue};

use super::reader::{Entry, Reader, below, find};
use super::{LONGEST_HEADER, LONGEST_NAME, LONGEST_TEXT};
use crate::harmless::harmless;
use crate::smoke_test::{HttpCheck, HttpExpectation, LONGEST_ANSWER, Method};

/// Headers that say how a request is carried; they are the HTTP client's own.
const CLIENTS_OWN: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Reader<'_> {
    pub(super) fn http<'d, 'i>(
        &mut self,
        path: &str,
        entry: Entry<'d, 'i>,
        table: &'d DeTable<'i>,
    ) -> Option<HttpCheck> {
        self.only(path, table, &["name", "url", "method", "headers", "body", "expect"]);
        let url = self.template(&below(path, "url"), entry, find(table, "url"));
        let url = url.filter(|(at, url)| {
            let right = url.takes_host_from_output();
            if !right {
                let message = "does not begin with a stack's output, such as ${shop-{environment}-web.Url}";
                self.report(*at, &below(path, "url"), message);
            }
            right
        });
        let method = match find(table, "method") {
            None => Some(Method::Get),
            Some(found) => self
                .string(&below(path, "method"), found, LONGEST_NAME)
                .and_then(|text| {
                    let method = text.parse().ok();
                    if method.is_none() {
                        let message = format!("is none of {}", Method::VARIANTS.join(", "));
                        self.report(found.at, &below(path, "method"), message);
                    }
                    method
                }),
        };
        let headers = self.headers(&below(path, "headers"), find(table, "headers"));
        for own in headers.keys().filter(|name| CLIENTS_OWN.contains(&name.as_str())) {
            let at = find(table, "headers").map_or(entry.at, |found| found.at);
            self.report(
                at,
                &below(&below(path, "headers"), own),
                "is set by the HTTP client and by nobody else",
            );
        }
        let body = find(table, "body").map(|found| self.string(&below(path, "body"), found, LONGEST_TEXT));
        let expect = self.http_expectation(&below(path, "expect"), find(table, "expect"));
        Some(HttpCheck {
            url: url?.1,
            method: method?,
            headers,
            body: body.flatten().map(str::to_owned),
            expect: expect?,
        })
    }

    fn http_expectation(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Option<HttpExpectation> {
        let empty = DeTable::new();
        let table = match found {
            Some(found) => self.table(path, found)?,
            None => &empty,
        };
        self.only(path, table, &["status", "header", "json", "body_contains", "within"]);
        let body_contains = find(table, "body_contains").map(|found| {
            let path = below(path, "body_contains");
            let text = self.string(&path, found, LONGEST_TEXT);
            if text == Some("") {
                self.report(found.at, &path, "is empty, which every body contains");
            }
            text.map(str::to_owned)
        });
        Some(HttpExpectation {
            status: self.statuses(&below(path, "status"), find(table, "status")),
            headers: self.headers(&below(path, "header"), find(table, "header")),
            json: self.json_expectations(&below(path, "json"), find(table, "json")),
            body_contains: body_contains.flatten(),
            within: self.duration(
                &below(path, "within"),
                find(table, "within"),
                LONGEST_ANSWER,
                LONGEST_ANSWER,
            ),
        })
    }

    fn statuses(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Vec<u16> {
        let Some(found) = found else { return vec![200] };
        let wanted: Vec<Entry<'_, '_>> = match found.value {
            DeValue::Array(values) if !values.is_empty() => values.iter().map(Entry::from).collect(),
            _ => vec![found],
        };
        let status = |entry: &Entry<'_, '_>| match entry.value {
            DeValue::Integer(number) => number
                .to_string()
                .parse()
                .ok()
                .filter(|status| (100..600).contains(status)),
            _ => None,
        };
        let statuses: Option<Vec<u16>> = wanted.iter().map(status).collect();
        statuses.unwrap_or_else(|| {
            self.report(found.at, path, "is neither a status from 100 to 599 nor a list of such");
            Vec::new()
        })
    }

    fn headers(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        for (name, entry) in self.entries(path, found) {
            let path = below(path, &harmless(name, 80));
            // RFC 9110, 5.6.2 (token) and 5.5 (field values).
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_token) {
                self.report(entry.at, &path, "is no header's name");
            }
            let Some(value) = self.string(&path, entry, LONGEST_HEADER) else {
                continue;
            };
            if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) || value.trim() != value {
                self.report(
                    entry.at,
                    &path,
                    "is not a value of visible ASCII characters with single blanks between",
                );
            }
            if headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_some() {
                self.report(entry.at, &path, "is there twice, in upper and lower case");
            }
        }
        headers
    }
}
