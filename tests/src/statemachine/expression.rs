//! The part of JSONata that the file may use: paths, equality with a literal, `and`, `or`, and object literals.
//!
//! Everything else deserves a name and is a Rust function, so it is not merely unused here but not understood.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Number, Value};

/// What stands between `{%` and `%}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Path(Path),
    Object(BTreeMap<String, Part>),
    Condition(Condition),
}

/// A field of an object literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Path(Path),
    Literal(Value),
    Object(BTreeMap<String, Part>),
}

/// What is true or false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Equals(Path, Value),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A variable, and the way to something inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) variable: String,
    pub(crate) fields: Vec<String>,
}

impl Path {
    pub(crate) fn new(variable: &str, fields: &[&str]) -> Self {
        Self {
            variable: variable.to_owned(),
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
        }
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.variable == other.variable && self.fields.starts_with(&other.fields)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.variable)?;
        self.fields.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}

impl Expression {
    /// The expression of a text of the file; `None`, where the text is just that.
    pub(crate) fn of(text: &str) -> Option<Result<Self, String>> {
        if let Some(inner) = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) {
            return Some(parse(inner).map_err(|why| format!("{why} in `{}`", inner.trim())));
        }
        if text.contains("{%") || text.contains("%}") {
            return Some(Err(format!("`{text}` does not begin with {{% and end with %}}")));
        }
        (text.starts_with('$') && !text.starts_with("${"))
            .then(|| Err(format!("`{text}` is text; a path stands between {{% and %}}")))
    }

    /// Every path in it.
    pub(crate) fn paths(&self) -> BTreeSet<&Path> {
        match self {
            Self::Path(path) => BTreeSet::from([path]),
            Self::Object(fields) => fields.values().flat_map(Part::paths).collect(),
            Self::Condition(condition) => condition.comparisons().into_iter().map(|(path, _)| path).collect(),
        }
    }

    /// Its value; `Err` is a path that leads to nothing.
    pub(crate) fn value(&self, lookup: &dyn Fn(&Path) -> Option<Value>) -> Result<Value, Path> {
        match self {
            Self::Path(path) => lookup(path).ok_or_else(|| path.clone()),
            Self::Object(fields) => object(fields, lookup),
            Self::Condition(condition) => Ok(condition.holds(lookup).into()),
        }
    }
}

impl Part {
    fn paths(&self) -> BTreeSet<&Path> {
        match self {
            Self::Path(path) => BTreeSet::from([path]),
            Self::Literal(_) => BTreeSet::new(),
            Self::Object(fields) => fields.values().flat_map(Self::paths).collect(),
        }
    }
}

fn object(fields: &BTreeMap<String, Part>, lookup: &dyn Fn(&Path) -> Option<Value>) -> Result<Value, Path> {
    let mut filled = Map::new();
    for (name, part) in fields {
        let value = match part {
            Part::Path(path) => lookup(path).ok_or_else(|| path.clone())?,
            Part::Literal(literal) => literal.clone(),
            Part::Object(inner) => object(inner, lookup)?,
        };
        filled.insert(name.clone(), value);
    }
    Ok(filled.into())
}

impl Condition {
    /// What is compared with what, in the order in which it is written.
    pub(crate) fn comparisons(&self) -> Vec<(&Path, &Value)> {
        match self {
            Self::Equals(path, literal) => vec![(path, literal)],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::comparisons).collect(),
        }
    }

    /// Whether it is true. What is not there equals nothing, not even `null`.
    pub(crate) fn holds(&self, lookup: &dyn Fn(&Path) -> Option<Value>) -> bool {
        match self {
            Self::Equals(path, literal) => lookup(path).is_some_and(|value| equal(&value, literal)),
            Self::All(parts) => parts.iter().all(|part| part.holds(lookup)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(lookup)),
        }
    }
}

/// To JSONata, 1 and 1.0 are one number.
fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

fn parse(text: &str) -> Result<Expression, String> {
    let mut tokens = Tokens { rest: text };
    let expression = if tokens.peek()? == Some(Token::Sign('{')) {
        Expression::Object(tokens.object()?)
    } else {
        match tokens.any()? {
            Operand::Path(path) => Expression::Path(path),
            Operand::Condition(condition) => Expression::Condition(condition),
        }
    };
    match tokens.next()? {
        None => Ok(expression),
        Some(token) => Err(format!("{token} is neither a path nor equality with a literal")),
    }
}

/// A path that may turn out to be one side of a comparison.
enum Operand {
    Path(Path),
    Condition(Condition),
}

impl Operand {
    fn condition(self) -> Result<Condition, String> {
        match self {
            Self::Condition(condition) => Ok(condition),
            Self::Path(path) => Err(format!("{path} is compared with nothing")),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// `$name`, without the dollar sign.
    Variable(String),
    /// A word: a field, `and`, `or`, `true`, `false`, `null`.
    Word(String),
    /// A text or a number.
    Literal(Value),
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "`${name}`"),
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Literal(literal) => write!(f, "`{literal}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

struct Tokens<'t> {
    rest: &'t str,
}

impl Tokens<'_> {
    /// `or` binds less than `and`.
    fn any(&mut self) -> Result<Operand, String> {
        let mut parts = vec![self.all()?];
        while self.takes(&Token::Word("or".to_owned()))? {
            parts.push(self.all()?);
        }
        joined(parts, Condition::Any)
    }

    fn all(&mut self) -> Result<Operand, String> {
        let mut parts = vec![self.comparison()?];
        while self.takes(&Token::Word("and".to_owned()))? {
            parts.push(self.comparison()?);
        }
        joined(parts, Condition::All)
    }

    fn comparison(&mut self) -> Result<Operand, String> {
        let path = self.path()?;
        if !self.takes(&Token::Sign('='))? {
            return Ok(Operand::Path(path));
        }
        let literal = self
            .literal()?
            .ok_or_else(|| format!("{path} is not compared with a literal"))?;
        Ok(Operand::Condition(Condition::Equals(path, literal)))
    }

    fn path(&mut self) -> Result<Path, String> {
        let variable = match self.next()? {
            Some(Token::Variable(variable)) => variable,
            Some(token) => return Err(format!("{token} is no path")),
            None => return Err("something is missing".to_owned()),
        };
        let mut fields = Vec::new();
        while self.takes(&Token::Sign('.'))? {
            match self.next()? {
                Some(Token::Word(field)) => fields.push(field),
                _ => return Err(format!("${variable} has a field without a name")),
            }
        }
        Ok(Path { variable, fields })
    }

    fn literal(&mut self) -> Result<Option<Value>, String> {
        let literal = match self.peek()? {
            Some(Token::Literal(literal)) => literal,
            Some(Token::Word(word)) if word == "true" => true.into(),
            Some(Token::Word(word)) if word == "false" => false.into(),
            Some(Token::Word(word)) if word == "null" => Value::Null,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some(literal))
    }

    fn object(&mut self) -> Result<BTreeMap<String, Part>, String> {
        self.expects('{')?;
        let mut fields = BTreeMap::new();
        if self.takes(&Token::Sign('}'))? {
            return Ok(fields);
        }
        loop {
            let Some(Token::Literal(Value::String(name))) = self.next()? else {
                return Err("a field of an object has no name in quotes".to_owned());
            };
            self.expects(':')?;
            let part = if self.peek()? == Some(Token::Sign('{')) {
                Part::Object(self.object()?)
            } else if let Some(literal) = self.literal()? {
                Part::Literal(literal)
            } else {
                Part::Path(self.path()?)
            };
            if fields.insert(name.clone(), part).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
            if !self.takes(&Token::Sign(','))? {
                self.expects('}')?;
                return Ok(fields);
            }
        }
    }

    fn expects(&mut self, sign: char) -> Result<(), String> {
        if self.takes(&Token::Sign(sign))? {
            Ok(())
        } else {
            Err(format!("`{sign}` is missing"))
        }
    }

    fn takes(&mut self, token: &Token) -> Result<bool, String> {
        let is_next = self.peek()?.as_ref() == Some(token);
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    fn peek(&self) -> Result<Option<Token>, String> {
        Tokens { rest: self.rest }.next()
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '$' => {
                self.rest = &self.rest[1..];
                let name = self.word();
                if name.is_empty() {
                    return Err("`$` is no variable".to_owned());
                }
                Token::Variable(name)
            }
            '\'' | '"' => Token::Literal(self.quoted(first)?.into()),
            '-' | '0'..='9' => Token::Literal(self.number()?.into()),
            _ if starts_a_word(first) => Token::Word(self.word()),
            '=' | '.' | '{' | '}' | ':' | ',' => {
                self.rest = &self.rest[1..];
                Token::Sign(first)
            }
            _ => return Err(format!("`{first}` is not allowed")),
        };
        Ok(Some(token))
    }

    fn word(&mut self) -> String {
        let starts = self.rest.starts_with(starts_a_word);
        self.taken(|sign| starts && (starts_a_word(sign) || sign.is_ascii_digit()))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let inner = &self.rest[1..];
        let (text, rest) = inner.split_once(quote).ok_or("a quote is not closed")?;
        if text.contains('\\') {
            return Err("`\\` is not allowed".to_owned());
        }
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn number(&mut self) -> Result<Number, String> {
        let text = self.taken(|sign| sign.is_ascii_alphanumeric() || "+-.".contains(sign));
        serde_json::from_str(&text).map_err(|_| format!("`{text}` is no number"))
    }

    fn taken(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|sign| !belongs(sign)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }
}

fn starts_a_word(sign: char) -> bool {
    sign.is_ascii_alphabetic() || sign == '_'
}

fn joined(mut parts: Vec<Operand>, join: fn(Vec<Condition>) -> Condition) -> Result<Operand, String> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let parts: Result<Vec<Condition>, String> = parts.into_iter().map(Operand::condition).collect();
    Ok(Operand::Condition(join(parts?)))
}

/// Every text inside a value of the file that is meant as an expression.
pub(crate) fn inside(value: &Value) -> Vec<Result<Expression, String>> {
    match value {
        Value::String(text) => Expression::of(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(inside).collect(),
        Value::Object(fields) => fields.values().flat_map(inside).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_file_may_say_is_understood() {
        let known = json!({
            "deployment": {"environment": {"approval": null, "on": true, "count": 2}},
            "leg": "back",
            "states": {"input": {"outcome": "passed"}},
        });
        let lookup = |path: &Path| {
            let mut steps = std::iter::once(&path.variable).chain(&path.fields);
            steps.try_fold(&known, |value, step| value.get(step)).cloned()
        };
        let table = [
            ("$leg", json!("back")),
            (" $states.input.outcome ", json!("passed")),
            ("$leg = 'back'", json!(true)),
            ("$leg=\"forward\"", json!(false)),
            ("$deployment.environment.approval = null", json!(true)),
            ("$deployment.environment.absent = null", json!(false)),
            ("$deployment.environment.on = true", json!(true)),
            ("$deployment.environment.count = 2.0", json!(true)),
            ("$deployment.environment.count = -2e1", json!(false)),
            (
                "$states.input.outcome = 'passed' and $deployment.environment.approval = null",
                json!(true),
            ),
            // `and` binds more than `or`.
            ("$leg = 'back' or $leg = 'x' and $leg = 'y'", json!(true)),
            ("$leg = 'x' and $leg = 'y' or $leg = 'back'", json!(true)),
            ("$leg = 'x' and $leg = 'back' or $leg = 'y'", json!(false)),
            (
                "{'leg': $leg, 'is': {'a': 1, 'b': null}}",
                json!({"leg": "back", "is": {"a": 1, "b": null}}),
            ),
            ("{}", json!({})),
        ];
        for (text, value) in table {
            assert_eq!(parse(text).unwrap().value(&lookup), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_it_may_not_say_is_refused() {
        let table = [
            ("", "something is missing"),
            ("'passed'", "is no path"),
            ("outcome", "is no path"),
            ("$", "no variable"),
            ("$1", "no variable"),
            ("$$.input", "no variable"),
            ("$leg != 'back'", "`!` is not allowed"),
            ("$leg = $ending", "not compared with a literal"),
            ("'back' = $leg", "is no path"),
            ("$leg = 'back' = true", "neither"),
            ("$leg and $leg = 'back'", "compared with nothing"),
            ("$leg = 'back' and", "something is missing"),
            ("$leg = 'back' or $ending", "compared with nothing"),
            ("($leg = 'back')", "`(` is not allowed"),
            ("$exists($leg)", "`(` is not allowed"),
            ("$waves[0]", "`[` is not allowed"),
            ("$leg & 'x'", "`&` is not allowed"),
            ("$fence + 1", "`+` is not allowed"),
            ("$leg ? 1 : 2", "`?` is not allowed"),
            ("$leg := 'back'", "neither"),
            ("$states.input.", "field without a name"),
            ("$states.input.'outcome'", "field without a name"),
            ("$leg = 'back", "not closed"),
            ("$leg = 'ba\\'ck'", "`\\` is not allowed"),
            ("$fence = 01", "no number"),
            ("{leg: $leg}", "no name in quotes"),
            ("{'leg': $leg, 'leg': $leg}", "twice"),
            ("{'leg': $leg = 'back'}", "`}` is missing"),
            ("{'leg' $leg}", "`:` is missing"),
            ("{'leg': $leg} = 1", "neither"),
        ];
        for (text, why) in table {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn a_text_that_is_meant_as_an_expression_and_is_none_is_found() {
        assert_eq!(Expression::of("forward"), None);
        assert_eq!(Expression::of("${GateFunctionArn}"), None);
        assert!(matches!(Expression::of("{% $leg %}"), Some(Ok(Expression::Path(_)))));
        for text in [" {% $leg %}", "{% $leg %} ", "leg: {% $leg %}", "$leg", "{% $leg"] {
            assert!(matches!(Expression::of(text), Some(Err(_))), "{text}");
        }
        let nested = json!({"a": ["{% $leg %}", {"b": "$leg"}], "c": 1});
        assert_eq!(
            inside(&nested).iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false]
        );
    }
}
