//! `lockgate.smoke.toml`: one question to begin with.

use std::path::Path;

use domain::smoke_test::SmokeTests;
use toml_writer::ToTomlValue as _;

use super::InitError;
use super::asking::{Asking, Question};
use super::options::Options;

/// The file, where an address is known.
pub async fn ask(options: &Options, root: &Path, asking: &mut Asking) -> Result<Option<String>, InitError> {
    let is_there = root.join(domain::release::SMOKE_TESTS).symlink_metadata().is_ok();
    if is_there && options.smoke_url.is_none() {
        return Ok(None);
    }
    let question = Question {
        option: "--smoke-url".to_owned(),
        words: "An address that answers 200 where the application works, such as ${shop-{environment}-web.Url}/health"
            .to_owned(),
        default: Some(""),
    };
    let answer = asking
        .about(&question, options.smoke_url.as_deref(), |url| {
            if url.is_empty() { Ok(None) } else { text(url).map(Some) }
        })
        .await?;
    Ok(answer.flatten())
}

/// The file that asks this address, if the release's own reader takes it.
pub fn text(url: &str) -> Result<String, String> {
    let url = toml_writer::TomlStringBuilder::new(url).as_basic().to_toml_value();
    let text = format!(
        "# What Lockgate asks every environment after a deployment: a release that does not answer so goes back.\n\
         # It travels in the release. More checks, also of functions and of JSON: examples/shop of Lockgate.\n\n\
         # How long a check is tried again before it counts as failed.\n\
         within = \"1 minute\"\n\n\
         [[http]]\n\
         name   = \"it answers\"\n\
         # ${{<stack>.<output>}} stands for an output of a stack, {{environment}} for the environment's name.\n\
         url    = {url}\n\
         expect = {{ status = 200, within = \"5 seconds\" }}\n"
    );
    match text.parse::<SmokeTests>() {
        Ok(_) => Ok(text),
        Err(invalid) => Err(invalid
            .problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")),
    }
}
