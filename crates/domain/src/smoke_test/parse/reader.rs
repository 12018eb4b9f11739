//! Values of the file, each with the place where it stands, and what is wrong with them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use crate::harmless::harmless;
use crate::toml_kind::kind;

const MOST_ENTRIES: usize = 50;

/// A value of the file and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Entry<'d, 'i> {
    pub(super) at: usize,
    pub(super) value: &'d DeValue<'i>,
}

impl<'d, 'i> From<&'d Spanned<DeValue<'i>>> for Entry<'d, 'i> {
    fn from(value: &'d Spanned<DeValue<'i>>) -> Self {
        Self {
            at: value.span().start,
            value: value.get_ref(),
        }
    }
}

/// What is read, and the problems found so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: Vec::new(),
        }
    }

    pub(super) fn report(&mut self, at: usize, key: &str, message: impl Into<String>) {
        let line = self
            .text
            .as_bytes()
            .iter()
            .take(at)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        self.problems.push(Problem {
            line,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// Reports every key that is not known.
    pub(super) fn only(&mut self, path: &str, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let path = below(path, &harmless(key.get_ref(), 80));
            self.report(
                key.span().start,
                &path,
                format!("is not known; there are {}", known.join(", ")),
            );
        }
    }

    /// The entries of a table, by key; none where there is no table.
    pub(super) fn entries<'d, 'i>(
        &mut self,
        path: &str,
        found: Option<Entry<'d, 'i>>,
    ) -> Vec<(&'d str, Entry<'d, 'i>)> {
        let Some(found) = found else { return Vec::new() };
        let Some(table) = self.table(path, found) else {
            return Vec::new();
        };
        if table.len() > MOST_ENTRIES {
            self.report(found.at, path, format!("has more than {MOST_ENTRIES} entries"));
        }
        table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), Entry::from(value)))
            .collect()
    }

    pub(super) fn list<'d, 'i>(&mut self, path: &str, found: Option<Entry<'d, 'i>>) -> Vec<(String, Entry<'d, 'i>)> {
        match found.map(|found| (found.at, found.value)) {
            None => Vec::new(),
            Some((_, DeValue::Array(values))) => values
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("{path}[{n}]"), Entry::from(value)))
                .collect(),
            Some((at, _)) => {
                self.report(at, path, format!("is no list: each check begins with [[{path}]]"));
                Vec::new()
            }
        }
    }

    pub(super) fn table<'d, 'i>(&mut self, path: &str, entry: Entry<'d, 'i>) -> Option<&'d DeTable<'i>> {
        if let DeValue::Table(table) = entry.value {
            return Some(table);
        }
        self.report(entry.at, path, format!("is {} and not a table", kind(entry.value)));
        None
    }

    pub(super) fn string<'d>(&mut self, path: &str, entry: Entry<'d, '_>, longest: usize) -> Option<&'d str> {
        match entry.value {
            DeValue::String(text) if text.len() <= longest => Some(text),
            DeValue::String(_) => {
                self.report(entry.at, path, format!("is longer than {longest} bytes"));
                None
            }
            other => {
                self.report(entry.at, path, format!("is {} and not a text", kind(other)));
                None
            }
        }
    }
}

pub(super) fn find<'d, 'i>(table: &'d DeTable<'i>, key: &str) -> Option<Entry<'d, 'i>> {
    table.get(key).map(Entry::from)
}

pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
