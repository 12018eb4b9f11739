//! DynamoDB's expressions, as far as the ledger writes them. What is not known here, and what DynamoDB would refuse as
//! not valid, stops the test.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use crate::table::Item;

/// Words that an expression may not use as a name: of the 573 in the developer guide ("Reserved words") those that
/// an attribute of ours could be called.
const RESERVED: [&str; 89] = [
    "action",
    "at",
    "attribute",
    "before",
    "by",
    "call",
    "check",
    "class",
    "close",
    "commit",
    "condition",
    "count",
    "current",
    "data",
    "date",
    "day",
    "duration",
    "end",
    "error",
    "exists",
    "fail",
    "found",
    "function",
    "group",
    "hash",
    "hold",
    "identity",
    "index",
    "item",
    "items",
    "key",
    "keys",
    "leave",
    "level",
    "limit",
    "lock",
    "log",
    "mode",
    "month",
    "name",
    "names",
    "new",
    "next",
    "number",
    "of",
    "on",
    "order",
    "owner",
    "partition",
    "path",
    "plan",
    "position",
    "record",
    "reference",
    "region",
    "release",
    "request",
    "result",
    "role",
    "rollback",
    "schema",
    "second",
    "section",
    "sequence",
    "session",
    "set",
    "size",
    "source",
    "start",
    "state",
    "status",
    "time",
    "timestamp",
    "to",
    "token",
    "type",
    "until",
    "update",
    "url",
    "user",
    "uuid",
    "value",
    "values",
    "view",
    "wait",
    "window",
    "within",
    "year",
    "zone",
];

/// What has to hold of an item.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Operand, String, Operand),
    Exists(Path),
    Absent(Path),
    IsOfType(Path, Value),
    BeginsWith(Path, Value),
    Between(Path, Value, Value),
}

/// An attribute, and what is inside it.
type Path = Vec<String>;

#[derive(Debug)]
pub(crate) enum Operand {
    At(Path),
    Given(Value),
}

/// What an update does to an item.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) set: Vec<(String, Value)>,
    pub(crate) remove: Vec<String>,
}

/// Reads the expressions of one request.
pub(crate) struct Reader<'request> {
    request: &'request Value,
    used: BTreeSet<String>,
    words: VecDeque<String>,
}

impl<'request> Reader<'request> {
    pub(crate) fn new(request: &'request Value) -> Self {
        Self {
            request,
            used: BTreeSet::new(),
            words: VecDeque::new(),
        }
    }

    /// The condition under that member of the request, if it has one.
    pub(crate) fn condition(&mut self, member: &str) -> Option<Condition> {
        self.words = words(self.request.get(member)?.as_str()?);
        let condition = self.any();
        self.end();
        Some(condition)
    }

    /// The update expression.
    pub(crate) fn update(&mut self) -> Update {
        self.words = words(self.request["UpdateExpression"].as_str().unwrap_or_default());
        let mut update = Update::default();
        while let Some(clause) = self.words.pop_front() {
            loop {
                let word = self.word();
                let [name] = self
                    .path(&word)
                    .try_into()
                    .expect("the fake changes whole attributes only");
                match clause.as_str() {
                    "SET" => {
                        self.expect("=");
                        let word = self.word();
                        let value = self.value(&word);
                        update.set.push((name, value));
                    }
                    "REMOVE" => update.remove.push(name),
                    other => panic!("the fake table does not know the clause {other}"),
                }
                if self.words.front().is_none_or(|next| next != ",") {
                    break;
                }
                self.words.pop_front();
            }
        }
        update
    }

    /// DynamoDB refuses a request that brings names or values which no expression of it uses.
    pub(crate) fn finish(self) {
        for member in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            for placeholder in self.request[member]
                .as_object()
                .into_iter()
                .flat_map(|given| given.keys())
            {
                assert!(
                    self.used.contains(placeholder),
                    "no expression uses {placeholder}: {}",
                    self.request
                );
            }
        }
    }

    fn any(&mut self) -> Condition {
        let mut parts = vec![self.all()];
        while self.words.front().is_some_and(|word| word == "OR") {
            self.words.pop_front();
            parts.push(self.all());
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Condition::Any(parts)
        }
    }

    fn all(&mut self) -> Condition {
        let mut parts = vec![self.one()];
        while self.words.front().is_some_and(|word| word == "AND") {
            self.words.pop_front();
            parts.push(self.one());
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Condition::All(parts)
        }
    }

    fn one(&mut self) -> Condition {
        let word = self.word();
        let called = self.words.front().is_some_and(|next| next == "(");
        match word.as_str() {
            "(" => {
                let inner = self.any();
                self.expect(")");
                inner
            }
            "NOT" => Condition::Not(Box::new(self.one())),
            function if called => {
                self.expect("(");
                let word = self.word();
                let path = self.path(&word);
                let condition = match function {
                    "attribute_exists" => Condition::Exists(path),
                    "attribute_not_exists" => Condition::Absent(path),
                    "attribute_type" => Condition::IsOfType(path, self.second()),
                    "begins_with" => Condition::BeginsWith(path, self.second()),
                    other => panic!("the fake table does not know the function {other}"),
                };
                self.expect(")");
                condition
            }
            left if self.words.front().is_some_and(|next| next == "BETWEEN") => {
                let path = self.path(left);
                self.expect("BETWEEN");
                let [from, to] = self.bounds();
                Condition::Between(path, from, to)
            }
            left => {
                let left = self.operand(left);
                let comparison = self.word();
                assert!(
                    ["=", "<>", "<", "<=", ">", ">="].contains(&comparison.as_str()),
                    "the fake table does not know {comparison}"
                );
                let right = self.word();
                let right = self.operand(&right);
                Condition::Compare(left, comparison, right)
            }
        }
    }

    fn second(&mut self) -> Value {
        self.expect(",");
        let word = self.word();
        self.value(&word)
    }

    /// DynamoDB refuses bounds of which the first is above the second.
    fn bounds(&mut self) -> [Value; 2] {
        let word = self.word();
        let from = self.value(&word);
        self.expect("AND");
        let word = self.word();
        let to = self.value(&word);
        assert!(compare(&from, "<=", &to), "nothing is between {from} and {to}");
        [from, to]
    }

    fn operand(&mut self, word: &str) -> Operand {
        if word.starts_with(':') {
            Operand::Given(self.value(word))
        } else {
            Operand::At(self.path(word))
        }
    }

    fn value(&mut self, word: &str) -> Value {
        let value = self.request["ExpressionAttributeValues"].get(word);
        self.used.insert(word.to_owned());
        value
            .unwrap_or_else(|| panic!("the request brings no value {word}"))
            .clone()
    }

    fn path(&mut self, word: &str) -> Path {
        let mut path = Vec::new();
        for part in word.split('.') {
            if part.starts_with('#') {
                let name = self.request["ExpressionAttributeNames"][part].as_str();
                path.push(
                    name.unwrap_or_else(|| panic!("the request brings no name {part}"))
                        .to_owned(),
                );
                self.used.insert(part.to_owned());
            } else {
                let reserved = RESERVED.contains(&part.to_lowercase().as_str());
                assert!(
                    !reserved,
                    "DynamoDB keeps the word {part} for itself; {word} needs a placeholder"
                );
                path.push(part.to_owned());
            }
        }
        path
    }

    fn word(&mut self) -> String {
        self.words.pop_front().expect("the expression is not complete")
    }

    fn expect(&mut self, word: &str) {
        assert_eq!(self.word(), word, "the fake table reads this expression in another way");
    }

    fn end(&self) {
        assert!(
            self.words.is_empty(),
            "the fake table does not know what follows: {:?}",
            self.words
        );
    }
}

impl Condition {
    /// Whether it holds of an item, or of one that is not there.
    pub(crate) fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
            Self::Not(part) => !part.holds(item),
            Self::Exists(path) => at(item, path).is_some(),
            Self::Absent(path) => at(item, path).is_none(),
            Self::IsOfType(path, kind) => at(item, path).is_some_and(|found| type_of(found).0 == text(kind)),
            Self::BeginsWith(path, start) => at(item, path)
                .and_then(|found| found["S"].as_str())
                .is_some_and(|found| found.starts_with(text(start))),
            Self::Between(path, from, to) => {
                at(item, path).is_some_and(|found| compare(found, ">=", from) && compare(found, "<=", to))
            }
            Self::Compare(left, comparison, right) => match (left.of(item), right.of(item)) {
                (Some(left), Some(right)) => compare(left, comparison, right),
                // Of something that is not there only "is another" is true.
                _ => comparison == "<>",
            },
        }
    }

    /// The attributes that it speaks of, each with how: what a query may ask of its keys is little.
    pub(crate) fn speaks_of(&self) -> Vec<(&str, &str)> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::speaks_of).collect(),
            Self::Compare(Operand::At(path), comparison, Operand::Given(_)) if path.len() == 1 => {
                vec![(&path[0], comparison)]
            }
            Self::BeginsWith(path, _) if path.len() == 1 => vec![(&path[0], "begins_with")],
            Self::Between(path, ..) if path.len() == 1 => vec![(&path[0], "BETWEEN")],
            other => panic!("a query cannot ask for {other:?}"),
        }
    }
}

impl Operand {
    fn of<'item>(&'item self, item: Option<&'item Item>) -> Option<&'item Value> {
        match self {
            Self::At(path) => at(item, path),
            Self::Given(value) => Some(value),
        }
    }
}

fn at<'item>(item: Option<&'item Item>, path: &[String]) -> Option<&'item Value> {
    let (first, rest) = path.split_first()?;
    let mut found = item?.get(first)?;
    for name in rest {
        found = found.get("M")?.get(name)?;
    }
    Some(found)
}

fn compare(left: &Value, comparison: &str, right: &Value) -> bool {
    let order = match (type_of(left), type_of(right)) {
        (("N", left), ("N", right)) => Some(number(left).cmp(&number(right))),
        (("S", left), ("S", right)) => Some(text(left).cmp(text(right))),
        _ if left == right => Some(Ordering::Equal),
        _ => None,
    };
    match comparison {
        "=" => order == Some(Ordering::Equal),
        "<>" => order != Some(Ordering::Equal),
        "<" => order.is_some_and(Ordering::is_lt),
        "<=" => order.is_some_and(Ordering::is_le),
        ">" => order.is_some_and(Ordering::is_gt),
        _ => order.is_some_and(Ordering::is_ge),
    }
}

/// The type of an attribute and what is in it; DynamoDB writes `{"S": "x"}`.
fn type_of(value: &Value) -> (&str, &Value) {
    let attribute = value.as_object().and_then(|attribute| attribute.iter().next());
    let (kind, inner) = attribute.unwrap_or_else(|| panic!("{value} is no attribute"));
    (kind, inner)
}

fn number(value: &Value) -> i128 {
    let digits = value.as_str().unwrap_or_default();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("the fake table compares whole numbers only, and not {digits}"))
}

/// The text in an attribute, or the text itself.
fn text(value: &Value) -> &str {
    let text = value.as_str().or_else(|| value["S"].as_str());
    text.unwrap_or_else(|| panic!("{value} is no text"))
}

fn words(expression: &str) -> VecDeque<String> {
    let mut words: VecDeque<String> = VecDeque::new();
    let mut open = false;
    for c in expression.chars() {
        let glued = match c {
            c if c.is_whitespace() => {
                open = false;
                continue;
            }
            '(' | ')' | ',' => {
                open = false;
                words.push_back(c.to_string());
                continue;
            }
            '=' | '<' | '>' => words.back().is_some_and(|word| word == "<" || word == ">") && open,
            _ => open && !words.back().is_some_and(|word| word.starts_with(['=', '<', '>'])),
        };
        match words.back_mut() {
            Some(word) if glued => word.push(c),
            _ => words.push_back(c.to_string()),
        }
        open = true;
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(expression: &str) -> bool {
        let request = json!({
            "ConditionExpression": expression,
            "ExpressionAttributeNames": { "#state": "state" },
            "ExpressionAttributeValues": {
                ":me": { "S": "d1" }, ":two": { "N": "2" }, ":ten": { "N": "10" }, ":null": { "S": "NULL" },
            },
        });
        let item = json!({
            "pk": { "S": "d1#x" }, "revision": { "N": "2" },
            "state": { "M": { "holder": { "M": { "deployment": { "S": "d1" } } }, "operation": { "NULL": true } } },
        });
        Reader::new(&request)
            .condition("ConditionExpression")
            .is_some_and(|condition| condition.holds(item.as_object()))
    }

    #[test]
    fn conditions_hold_as_dynamodb_says() {
        for (expression, expected) in [
            ("revision = :two", true),
            ("revision=:two AND #state.holder.deployment = :me", true),
            ("revision < :ten", true),
            ("revision >= :ten OR #state.holder.deployment <> :me", false),
            ("attribute_not_exists(pk)", false),
            (
                "attribute_exists(#state.holder) AND attribute_not_exists(#state.holder.fence)",
                true,
            ),
            (
                "attribute_type(#state.operation, :null) OR #state.operation.deployment = :me",
                true,
            ),
            ("NOT attribute_type(#state.holder, :null)", true),
            ("begins_with(pk, :me)", true),
            // Of what is not there nothing is equal, less or more.
            ("absent = :two OR absent < :two", false),
            ("absent <> :two", true),
            // A number is not a text.
            ("pk = :two OR pk > :two", false),
            // Both bounds are within.
            (
                "revision BETWEEN :two AND :ten AND pk = :ten OR revision BETWEEN :two AND :two",
                true,
            ),
            ("revision BETWEEN :ten AND :ten OR absent BETWEEN :two AND :ten", false),
            // AND binds closer than OR.
            ("revision = :ten AND revision = :ten OR revision = :two", true),
            ("revision = :ten AND (revision = :ten OR revision = :two)", false),
        ] {
            assert_eq!(holds(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_dynamodb_would_refuse_or_is_not_known_stops_the_test() {
        for expression in [
            "state.holder = :me",
            "#other = :me",
            "revision = :other",
            "revision BETWEEN :ten AND :two",
            "revision IN (:two, :ten)",
            "size(pk) = :two",
            "contains(pk, :me)",
            "revision = :two AND",
            "revision = :two revision",
            "",
        ] {
            assert!(std::panic::catch_unwind(|| holds(expression)).is_err(), "{expression}");
        }
        let unused = json!({ "ExpressionAttributeValues": { ":me": { "S": "d1" } } });
        assert!(std::panic::catch_unwind(|| Reader::new(&unused).finish()).is_err());
    }
}
