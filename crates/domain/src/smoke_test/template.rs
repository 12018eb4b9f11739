//! Filling in what only the environment knows: its name, and the outputs of its stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Ask, HttpCheck, HttpExpectation, HttpRequest, JsonExpectation, LambdaCheck, LambdaExpectation, LambdaRequest,
    SmokeTests,
};
use crate::harmless::harmless;
use crate::names::{EnvironmentName, StackName};

/// What stands for the environment's name.
pub(super) const ENVIRONMENT: &str = "{environment}";

/// The longest URL that is asked for.
const LONGEST_URL: usize = 2048;

/// The outputs of an environment's stacks. A stack that is missing here does not exist.
pub type Outputs = BTreeMap<StackName, BTreeMap<String, String>>;

/// A text with stack outputs in it, such as `${shop-{environment}-web.Url}/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Output { stack: String, key: String },
}

/// Why a check's target cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The environment's name makes a stack's name that cannot be.
    #[error("{stack:?} can be no stack's name")]
    ImpossibleStack {
        /// The name.
        stack: String,
    },
    /// There is no such stack.
    #[error("there is no stack {stack}")]
    NoStack {
        /// Its name.
        stack: StackName,
    },
    /// The stack has no such output.
    #[error("stack {stack} has no output {key} (it has: {})", if has.is_empty() { "none" } else { has })]
    NoOutput {
        /// The stack.
        stack: StackName,
        /// The output that is missing.
        key: String,
        /// Those it has.
        has: String,
    },
    /// The output does not begin a URL.
    #[error("{url:?} is no URL that can be asked for: {why}")]
    NoUrl {
        /// The URL, made harmless.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text behind the output changes the host.
    #[error("{url:?} leaves the host of the stack's output, {host}")]
    OtherHost {
        /// The URL, made harmless.
        url: String,
        /// The host that the output names.
        host: String,
    },
    /// The output names no Lambda function.
    #[error("{function:?} is no Lambda function's name or ARN")]
    NoFunction {
        /// The text, made harmless.
        function: String,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// With what is wrong, as the end of a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let end = end_of_reference(after).ok_or("has a ${ without its }")?;
            let inside = &after[..end];
            let (stack, key) = inside.split_once('.').ok_or_else(|| {
                format!(
                    "has {:?}, which is not written ${{<stack>.<output>}}",
                    harmless(inside, 80)
                )
            })?;
            // Any name shows whether the rest of the stack's name can be right.
            if stack.replace(ENVIRONMENT, "a").parse::<StackName>().is_err() {
                return Err(format!("names {:?}, which can be no stack's name", harmless(stack, 80)));
            }
            // Logical ids are alphanumeric (CloudFormation user guide, "Outputs").
            if !(1..=255).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(format!("names {:?}, which can be no output's name", harmless(key, 80)));
            }
            parts.push(Part::Output {
                stack: stack.to_owned(),
                key: key.to_owned(),
            });
            rest = &after[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether an output comes first.
    pub(super) fn begins_with_output(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Output { .. }))
    }

    /// Whether an output is what a URL's host is read from: it comes first, or right behind `http://` or `https://`.
    pub(super) fn takes_host_from_output(&self) -> bool {
        match self.parts.as_slice() {
            [Part::Output { .. }, ..] => true,
            [Part::Text(scheme), Part::Output { .. }, ..] => scheme == "https://" || scheme == "http://",
            _ => false,
        }
    }

    fn stacks<'t>(&'t self, environment: &'t EnvironmentName) -> impl Iterator<Item = StackName> + 't {
        self.parts.iter().filter_map(|part| match part {
            Part::Output { stack, .. } => stack.replace(ENVIRONMENT, environment.as_str()).parse().ok(),
            Part::Text(_) => None,
        })
    }

    /// Fills in every part; the first `String` is all up to the end of the first output, the second all of it.
    fn fill(&self, environment: &EnvironmentName, outputs: &Outputs) -> Result<(String, String), Unresolved> {
        let (mut first, mut all) = (None, String::new());
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    let text = text.replace(ENVIRONMENT, environment.as_str());
                    // CDK's REST APIs give out a URL that ends in a slash: what follows would begin with a second one.
                    let doubled = all.len() > "https://".len() && all.ends_with('/') && text.starts_with('/');
                    all.push_str(if doubled { &text[1..] } else { &text });
                }
                Part::Output { stack, key } => {
                    all.push_str(output(&stack.replace(ENVIRONMENT, environment.as_str()), key, outputs)?);
                    first.get_or_insert_with(|| all.clone());
                }
            }
        }
        Ok((first.unwrap_or_default(), all))
    }
}

/// Where the reference that begins here ends.
fn end_of_reference(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with(ENVIRONMENT) {
            at += ENVIRONMENT.len();
            continue;
        }
        match rest.chars().next()? {
            '}' => return Some(at),
            '{' => return None,
            c => at += c.len_utf8(),
        }
    }
}

fn output<'o>(stack: &str, key: &str, outputs: &'o Outputs) -> Result<&'o str, Unresolved> {
    let stack: StackName = stack.parse().map_err(|_| Unresolved::ImpossibleStack {
        stack: harmless(stack, 150),
    })?;
    let Some(of_stack) = outputs.get(&stack) else {
        return Err(Unresolved::NoStack { stack });
    };
    of_stack.get(key).map(String::as_str).ok_or_else(|| {
        let has: Vec<&str> = of_stack.keys().map(String::as_str).collect();
        Unresolved::NoOutput {
            stack,
            key: key.to_owned(),
            has: harmless(&has.join(", "), 150),
        }
    })
}

impl SmokeTests {
    /// The stacks whose outputs the checks need.
    pub fn stacks(&self, environment: &EnvironmentName) -> BTreeSet<StackName> {
        let targets = self.checks.iter().map(|check| match &check.ask {
            Ask::Http(http) => &http.url,
            Ask::Lambda(lambda) => &lambda.function,
        });
        targets.flat_map(|target| target.stacks(environment)).collect()
    }
}

impl HttpCheck {
    /// Fills in the environment's name and the outputs of its stacks.
    ///
    /// Scheme, host and port are those of the stack's output: whatever is written behind it begins a path, a query or
    /// a fragment, or the URL is refused. So neither `${a.Url}@elsewhere` nor `${a.Url}.elsewhere` gets anywhere else.
    pub fn resolve(&self, environment: &EnvironmentName, outputs: &Outputs) -> Result<HttpRequest, Unresolved> {
        let (base, url) = self.url.fill(environment, outputs)?;
        let no_url = |why| Unresolved::NoUrl {
            url: harmless(&url, 200),
            why,
        };
        if url.len() > LONGEST_URL {
            return Err(no_url("it is longer than 2048 characters"));
        }
        // URL parsers drop line ends and tabs and take a backslash for a slash (WHATWG URL, "URL parsing").
        if !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(no_url("it holds a blank, a backslash or a character that is not ASCII"));
        }
        let origin = Origin::of(&base).map_err(no_url)?;
        if Origin::of(&url).as_ref() != Ok(&origin) {
            return Err(Unresolved::OtherHost {
                url: harmless(&url, 200),
                host: origin.host,
            });
        }
        Ok(HttpRequest {
            host: origin.host,
            url,
            method: self.method,
            headers: named_texts(&self.headers, environment),
            body: self
                .body
                .as_ref()
                .map(|body| body.replace(ENVIRONMENT, environment.as_str())),
            expect: HttpExpectation {
                status: self.expect.status.clone(),
                headers: named_texts(&self.expect.headers, environment),
                json: expectations(&self.expect.json, environment),
                body_contains: self
                    .expect
                    .body_contains
                    .as_ref()
                    .map(|text| text.replace(ENVIRONMENT, environment.as_str())),
                within: self.expect.within,
            },
        })
    }
}

impl LambdaCheck {
    /// Fills in the environment's name and the outputs of its stacks.
    pub fn resolve(&self, environment: &EnvironmentName, outputs: &Outputs) -> Result<LambdaRequest, Unresolved> {
        let (_, function) = self.function.fill(environment, outputs)?;
        // Lambda API reference, Invoke, FunctionName: at most 170 characters of these.
        let possible = (1..=170).contains(&function.len())
            && function
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'$'));
        if !possible {
            return Err(Unresolved::NoFunction {
                function: harmless(&function, 200),
            });
        }
        Ok(LambdaRequest {
            function,
            payload: with_environment(&self.payload, environment),
            expect: LambdaExpectation {
                json: expectations(&self.expect.json, environment),
                within: self.expect.within,
            },
        })
    }
}

fn named_texts(texts: &BTreeMap<String, String>, environment: &EnvironmentName) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|(name, text)| (name.clone(), text.replace(ENVIRONMENT, environment.as_str())))
        .collect()
}

fn expectations(json: &[JsonExpectation], environment: &EnvironmentName) -> Vec<JsonExpectation> {
    json.iter()
        .map(|one| JsonExpectation {
            path: one.path.clone(),
            value: with_environment(&one.value, environment),
        })
        .collect()
}

fn with_environment(value: &Value, environment: &EnvironmentName) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(ENVIRONMENT, environment.as_str())),
        Value::Array(values) => values
            .iter()
            .map(|value| with_environment(value, environment))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), with_environment(value, environment)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Scheme, host and port of a URL, read strictly: what a lenient parser could read another way is refused.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn of(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = ["https", "http"]
            .into_iter()
            .find_map(|scheme| Some((scheme, url.strip_prefix(scheme)?.strip_prefix("://")?)))
            .ok_or("it does not begin with http:// or https://")?;
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        if authority.contains('@') {
            return Err("it holds a user name or a password");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => {
                address
                    .parse::<std::net::Ipv6Addr>()
                    .map_err(|_| "its host is no IPv6 address")?;
                (&authority[..address.len() + 2], port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let is_name = host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if host.is_empty() || !(is_name || host.starts_with('[')) {
            return Err("its host is neither a name nor an address");
        }
        let port = match port.strip_prefix(':') {
            // Nobody has port 0, and behind a zero another would not change the port.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
                Some(digits.parse().map_err(|_| "its port is no port")?)
            }
            None if port.is_empty() => None,
            _ => return Err("its port is no port"),
        };
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outputs(pairs: &[(&str, &str, &str)]) -> Outputs {
        let mut outputs = Outputs::new();
        for (stack, key, value) in pairs {
            outputs
                .entry(stack.parse().unwrap())
                .or_default()
                .insert((*key).to_owned(), (*value).to_owned());
        }
        outputs
    }

    fn url(template: &str, output: &str) -> Result<String, String> {
        let check = HttpCheck {
            url: Template::parse(template)?,
            method: super::super::Method::Get,
            headers: BTreeMap::new(),
            body: None,
            expect: HttpExpectation {
                status: vec![200],
                headers: BTreeMap::new(),
                json: vec![],
                body_contains: None,
                within: std::time::Duration::ZERO,
            },
        };
        let outputs = outputs(&[("shop-dev-web", "Url", output), ("shop-dev-web", "Id", "7")]);
        check
            .resolve(&"dev".parse().unwrap(), &outputs)
            .map(|request| request.url)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_is_filled_in() {
        for (template, output, wanted) in [
            (
                "${shop-{environment}-web.Url}/health",
                "https://a.example",
                "https://a.example/health",
            ),
            (
                "${shop-dev-web.Url}/health",
                "https://a.example/",
                "https://a.example/health",
            ),
            (
                "${shop-dev-web.Url}health",
                "https://a.example/prod/",
                "https://a.example/prod/health",
            ),
            ("${shop-dev-web.Url}", "http://127.0.0.1:4566", "http://127.0.0.1:4566"),
            (
                "${shop-dev-web.Url}/orders/${shop-dev-web.Id}?at={environment}",
                "https://a.example:8443/x",
                "https://a.example:8443/x/orders/7?at=dev",
            ),
            (
                "https://${shop-dev-web.Url}/health",
                "lb-1.eu-west-1.elb.amazonaws.com",
                "https://lb-1.eu-west-1.elb.amazonaws.com/health",
            ),
            (
                "${shop-dev-web.Url}/@b.example",
                "http://[fd12::1]:80",
                "http://[fd12::1]:80/@b.example",
            ),
        ] {
            assert_eq!(url(template, output), Ok(wanted.to_owned()));
        }
    }

    #[test]
    fn nothing_leads_away_from_the_host_of_the_output() {
        let host = |template, output| url(template, output).unwrap_err();
        insta::assert_snapshot!(host("${shop-dev-web.Url}@evil.example/", "https://good.example"), @r#""https://good.example@evil.example/" leaves the host of the stack's output, good.example"#);
        for (template, output) in [
            ("${shop-dev-web.Url}@evil.example/", "https://good.example"),
            ("${shop-dev-web.Url}:x@evil.example/", "https://good.example"),
            ("${shop-dev-web.Url}.evil.example/", "https://good.example"),
            ("${shop-dev-web.Url}${shop-dev-web.Id}", "https://good.example"),
            ("${shop-dev-web.Url}:8443/", "https://good.example"),
            ("${shop-dev-web.Url}0/", "https://good.example:80"),
            ("${shop-dev-web.Url}0/", "https://good.example:0"),
            ("${shop-dev-web.Url}\\@evil.example/", "https://good.example"),
            ("${shop-dev-web.Url}\t.evil.example/", "https://good.example"),
            ("${shop-dev-web.Url}/x", "https://user:pass@good.example"),
            ("${shop-dev-web.Url}/x", "https://good.example\\@evil.example"),
            ("${shop-dev-web.Url}/x", "https:good.example"),
            ("${shop-dev-web.Url}/x", "https:///good.example"),
            ("${shop-dev-web.Url}/x", "//good.example"),
            ("${shop-dev-web.Url}/x", "good.example"),
            ("${shop-dev-web.Url}/x", "ftp://good.example"),
            ("${shop-dev-web.Url}/x", "file:///etc/passwd"),
            ("${shop-dev-web.Url}/x", "https://"),
            ("${shop-dev-web.Url}/x", "https://good.example:99999"),
            ("${shop-dev-web.Url}/x", "https://good.example:"),
            ("${shop-dev-web.Url}/x", "https://[::1"),
            ("${shop-dev-web.Url}/x", "https://[::1]evil"),
            ("${shop-dev-web.Url}/x", "https://g\u{f6}od.example"),
            ("${shop-dev-web.Url}/x", "https://good.example\r\nHost: evil"),
            ("${shop-dev-web.Url}/x", " https://good.example"),
            ("${shop-dev-web.Url}/x", "https://%67ood.example"),
            ("https://${shop-dev-web.Url}/x", "https://good.example"),
            ("https://${shop-dev-web.Url}/x", "me@good.example"),
        ] {
            assert!(
                url(template, output).is_err(),
                "{template} {output} {:?}",
                url(template, output)
            );
        }
        let long = format!("${{shop-dev-web.Url}}/{}", "x".repeat(LONGEST_URL));
        assert!(url(&long, "https://a.example").is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        insta::assert_snapshot!(url("${other.Url}/", "").unwrap_err(), @"there is no stack other");
        insta::assert_snapshot!(url("${shop-dev-web.Endpoint}/", "").unwrap_err(), @"stack shop-dev-web has no output Endpoint (it has: Id, Url)");
        let long = format!("${{{}-{{environment}}.Url}}", "x".repeat(126));
        assert!(url(&long, "").unwrap_err().ends_with("can be no stack's name"));
    }

    #[test]
    fn a_template_that_cannot_be_filled_is_refused_at_once() {
        for bad in [
            "${a.Url",
            "${a}",
            "${.Url}",
            "${a.}",
            "${a b.Url}",
            "${a.U-rl}",
            "${${a.Url}}",
            "${{env}.Url}",
            "${1a.Url}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        for plain in ["", "plain {environment} $x {}"] {
            assert!(!Template::parse(plain).unwrap().takes_host_from_output());
        }
    }

    #[test]
    fn a_function_is_named_by_an_output() {
        let check = |function: &str| LambdaCheck {
            function: Template::parse(function).unwrap(),
            payload: serde_json::json!({ "{environment}": ["{environment}", 1] }),
            expect: LambdaExpectation {
                json: vec![],
                within: std::time::Duration::ZERO,
            },
        };
        let arn = "arn:aws:lambda:eu-west-1:222222222222:function:shop";
        let outputs = outputs(&[("a", "Name", "shop-1"), ("a", "Arn", arn), ("a", "Bad", "../x")]);
        let dev = "dev".parse().unwrap();
        let request = check("${a.Name}:live").resolve(&dev, &outputs).unwrap();
        assert_eq!(request.function, "shop-1:live");
        assert_eq!(request.payload, serde_json::json!({ "{environment}": ["dev", 1] }));
        assert_eq!(check("${a.Arn}").resolve(&dev, &outputs).unwrap().function, arn);
        assert!(check("${a.Bad}").resolve(&dev, &outputs).is_err());
        assert!(check("${a.Other}").resolve(&dev, &outputs).is_err());
    }

    proptest! {
        #[test]
        fn whatever_follows_an_output_the_host_stays(
            host in "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5}){0,2}(:[0-9]{1,4})?",
            suffix in "[ -z|~\\t\\\\@/:?#.]{0,20}",
        ) {
            prop_assume!(!suffix.contains("${"));
            if let Ok(url) = url(&format!("${{shop-dev-web.Url}}{suffix}"), &format!("https://{host}")) {
                let rest = url.strip_prefix(&format!("https://{host}")).unwrap();
                prop_assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{}", url);
            }
        }

        #[test]
        fn no_text_makes_the_reader_fall_over(text: String, output: String) {
            let _ = url(&text, &output);
            let _ = url("${shop-dev-web.Url}/x", &output);
        }
    }
}
