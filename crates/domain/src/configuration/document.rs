//! A TOML document that remembers where everything stands, and collects what is wrong with it.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use crate::nearest;
use crate::toml_kind::kind;

/// A value and the byte at which it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A table of the document: what is in it, how it is called, and where it begins.
#[derive(Clone)]
pub(super) struct Section<'d> {
    table: Option<&'d DeTable<'d>>,
    pub(super) path: String,
    pub(super) offset: usize,
    /// Something else stands where the table should.
    mistaken: bool,
}

/// One of a list: a text, or a table.
pub(super) enum Item<'d> {
    Text(At<&'d str>),
    Table(Section<'d>),
}

/// The problems found so far, and what is needed to say where they are.
pub(super) struct Findings<'t> {
    text: &'t str,
    /// The lines that are no TOML. What the parser made of them is a guess, and so would be a complaint about it.
    broken: Vec<usize>,
    problems: Vec<Problem>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            broken: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Notes what the TOML parser says.
    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
        let (line, column) = self.position(error.span().map_or(0, |span| span.start));
        self.broken.push(line);
        self.problems.push(Problem::new(line, column, "", error.message()));
    }

    /// Notes a problem of the key at `path`, which stands at `offset`.
    pub(super) fn problem(&mut self, offset: usize, path: &str, message: impl AsRef<str>) {
        let (line, column) = self.position(offset);
        if !self.broken.contains(&line) {
            self.problems.push(Problem::new(line, column, path, message.as_ref()));
        }
    }

    /// Notes that something is not there; in a file that is no TOML it may stand in what could not be read.
    fn missing(&mut self, section: &Section<'_>, key: &str, example: &str) {
        if self.broken.is_empty() {
            let message = format!("{key} is missing; write {example}");
            self.problem(section.offset, &section.path, message);
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// The value if nothing was found.
    pub(super) fn conclude<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems::new(self.problems)),
        }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// Refuses every key of a section that is not in `known`.
    pub(super) fn only(&mut self, section: &Section<'_>, known: &[&str]) {
        for (key, offset) in section.keys() {
            if !known.contains(&key) {
                let message = format!("is not a key of this table{}", nearest::hint(key, known));
                self.problem(offset, &section.path_of(key), message);
            }
        }
    }

    /// The table under `key`, empty where there is none.
    pub(super) fn section<'d>(&mut self, parent: &Section<'d>, key: &str) -> Section<'d> {
        let path = parent.path_of(key);
        let Some((offset, value)) = parent.get(key) else {
            return Section {
                table: None,
                path,
                offset: parent.offset,
                mistaken: false,
            };
        };
        if !value.get_ref().is_table() {
            self.wrong_type(&path, value, "a table");
        }
        Section {
            mistaken: !value.get_ref().is_table(),
            table: value.get_ref().as_table(),
            path,
            offset,
        }
    }

    /// The tables under `parent`, in the order of the file, with their keys.
    pub(super) fn sections<'d>(&mut self, parent: &Section<'d>) -> Vec<(&'d str, Section<'d>)> {
        parent
            .keys()
            .into_iter()
            .map(|(key, _)| (key, self.section(parent, key)))
            .collect()
    }

    pub(super) fn text<'d>(&mut self, section: &Section<'d>, key: &str) -> Option<At<&'d str>> {
        let (_, value) = section.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(&section.path_of(key), value, "a text in quotes");
        }
        let offset = value.span().start;
        text.map(|value| At { value, offset })
    }

    pub(super) fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let (_, value) = section.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(&section.path_of(key), value, "true or false");
        }
        flag
    }

    /// A list of texts; none where the key is absent or no list.
    pub(super) fn texts<'d>(&mut self, section: &Section<'d>, key: &str) -> Vec<At<&'d str>> {
        let Some((_, value)) = section.get(key) else {
            return Vec::new();
        };
        let path = section.path_of(key);
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(&path, value, "a list of texts in quotes");
            return Vec::new();
        };
        let mut texts: Vec<At<&'d str>> = Vec::with_capacity(list.len());
        for item in list {
            let offset = item.span().start;
            match item.get_ref().as_str() {
                Some(text) if texts.iter().any(|known| known.value == text) => {
                    self.problem(offset, &path, format!("{text:?} is listed twice"));
                }
                Some(text) => texts.push(At { value: text, offset }),
                None => self.wrong_type(&path, item, "a text in quotes"),
            }
        }
        texts
    }

    /// A list of texts and tables, or one text; none where the key is absent or something else.
    pub(super) fn items<'d>(&mut self, section: &Section<'d>, key: &str) -> Vec<Item<'d>> {
        let list = match section.get(key) {
            Some((_, value)) if value.get_ref().is_array() => value.get_ref().as_array(),
            _ => return self.text(section, key).into_iter().map(Item::Text).collect(),
        };
        let path = section.path_of(key);
        let mut items = Vec::new();
        for item in list.into_iter().flatten() {
            let offset = item.span().start;
            match item.get_ref() {
                DeValue::String(text) => items.push(Item::Text(At {
                    value: text.as_ref(),
                    offset,
                })),
                DeValue::Table(table) => items.push(Item::Table(Section {
                    table: Some(table),
                    path: path.clone(),
                    offset,
                    mistaken: false,
                })),
                _ => self.wrong_type(&path, item, "a text in quotes or a table"),
            }
        }
        items
    }

    /// A list of tables; none where the key is absent or something else.
    pub(super) fn tables<'d>(&mut self, section: &Section<'d>, key: &str) -> Vec<Section<'d>> {
        let Some((_, value)) = section.get(key) else {
            return Vec::new();
        };
        let path = section.path_of(key);
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(&path, value, "a list of tables");
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(list.len());
        for item in list {
            match item.get_ref().as_table() {
                Some(table) => tables.push(Section {
                    table: Some(table),
                    path: path.clone(),
                    offset: item.span().start,
                    mistaken: false,
                }),
                None => self.wrong_type(&path, item, "a table"),
            }
        }
        tables
    }

    /// A whole number.
    pub(super) fn number(&mut self, section: &Section<'_>, key: &str) -> Option<At<i64>> {
        let (_, value) = section.get(key)?;
        let offset = value.span().start;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.wrong_type(&section.path_of(key), value, "a whole number");
        }
        number.map(|value| At { value, offset })
    }

    /// A text, or a list of texts.
    pub(super) fn text_or_texts<'d>(&mut self, section: &Section<'d>, key: &str) -> Vec<At<&'d str>> {
        match section.get(key) {
            Some((_, value)) if value.get_ref().is_str() => self.text(section, key).into_iter().collect(),
            _ => self.texts(section, key),
        }
    }

    /// A text that has to be there.
    pub(super) fn required_text<'d>(&mut self, section: &Section<'d>, key: &str, example: &str) -> Option<At<&'d str>> {
        self.require(section, key, example);
        self.text(section, key)
    }

    /// Notes it when a key is missing.
    pub(super) fn require(&mut self, section: &Section<'_>, key: &str, example: &str) {
        if section.get(key).is_none() {
            self.missing(section, key, example);
        }
    }

    /// What the text says, if it is such a name.
    pub(super) fn parse<T>(&mut self, path: &str, text: Option<At<&str>>) -> Option<At<T>>
    where
        T: FromStr<Err: Display>,
    {
        let At { value, offset } = text?;
        match value.parse() {
            Ok(value) => Some(At { value, offset }),
            Err(reason) => {
                self.problem(offset, path, reason.to_string());
                None
            }
        }
    }

    /// What the text says, if it is one of these words.
    pub(super) fn choose<T: FromStr>(&mut self, path: &str, text: &At<&str>, words: &[&str]) -> Option<T> {
        let chosen = text.value.parse().ok().filter(|_| words.contains(&text.value));
        if chosen.is_none() {
            let hint = nearest::hint(text.value, words);
            self.problem(
                text.offset,
                path,
                format!("{:?} is none of {}{hint}", text.value, words.join(", ")),
            );
        }
        chosen
    }

    fn wrong_type(&mut self, path: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = kind(value.get_ref());
        self.problem(value.span().start, path, format!("this is {found}; write {wanted}"));
    }
}

impl<'d> Section<'d> {
    pub(super) fn top(table: &'d DeTable<'d>) -> Self {
        Self {
            table: Some(table),
            path: String::new(),
            offset: 0,
            mistaken: false,
        }
    }

    /// Whether there is nothing in it: no key, or a value that is no table at all.
    pub(super) fn is_absent(&self) -> bool {
        self.table.is_none()
    }

    /// Whether it is a table of nothing, or not there.
    pub(super) fn is_empty(&self) -> bool {
        !self.mistaken && self.table.is_none_or(DeTable::is_empty)
    }

    /// The value of a key, and where the key stands.
    fn get(&self, key: &str) -> Option<(usize, &'d Spanned<DeValue<'d>>)> {
        self.table?
            .get_key_value(key)
            .map(|(key, value)| (key.span().start, value))
    }

    /// Where the value of this key stands, if that is a list of nothing.
    pub(super) fn offset_of_empty_list(&self, key: &str) -> Option<usize> {
        let (_, value) = self.get(key)?;
        let list = value.get_ref().as_array()?;
        list.is_empty().then(|| value.span().start)
    }

    /// Where the value of this key stands; where the section begins, if it is absent.
    pub(super) fn offset_of(&self, key: &str) -> usize {
        self.get(key).map_or(self.offset, |(_, value)| value.span().start)
    }

    /// The keys, in the order of the file.
    pub(super) fn names(&self) -> Vec<&'d str> {
        self.keys().into_iter().map(|(key, _)| key).collect()
    }

    /// The keys and where they stand, in the order of the file (the table itself is sorted by name).
    fn keys(&self) -> Vec<(&'d str, usize)> {
        let entries = self.table.into_iter().flat_map(DeTable::iter);
        let mut keys: Vec<(&'d str, usize)> = entries
            .map(|(key, _)| (key.get_ref().as_ref(), key.span().start))
            .collect();
        keys.sort_by_key(|(_, offset)| *offset);
        keys
    }

    /// The path of a key in this section, written as TOML writes it.
    pub(super) fn path_of(&self, key: &str) -> String {
        let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }
}
