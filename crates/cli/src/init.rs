//! `lockgate init`: writes the first `lockgate.toml` of an application, and what its repository needs.
//!
//! What is there is looked at first (git, the CDK app, its stacks), then people are asked what nobody can see, and what
//! comes of it is read by the very code of `lockgate validate` before a byte of it is written.

mod answers;
mod app;
mod asking;
mod assembly;
mod buildspec;
mod configuration;
mod environment;
mod git;
mod options;
mod smoke;
mod writing;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use domain::configuration::{Configuration, Problems};
use domain::names::EnvironmentName;
use serde::Serialize;

pub use self::options::Options;

use self::answers::Answers;
use self::app::App;
use self::asking::{Asking, Terminal};
use self::assembly::Found;
use self::git::Checkout;
use self::writing::{Content, File};
use crate::access::Access;
use crate::terminal;

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Somebody pressed Ctrl-C or Ctrl-D.
    #[error("stopped; nothing was written")]
    Stopped,
    /// Nobody is there to be asked.
    #[error("nothing was written, since this is not known and nobody can be asked:{}", listed(.0))]
    Missing(Vec<String>),
    /// An option names an environment that is none of those to be written.
    #[error("{option} speaks of {given}, which is none of the environments{hint}")]
    NoEnvironment {
        /// The option.
        option: &'static str,
        /// The environment.
        given: EnvironmentName,
        /// `, did you mean …?`, or nothing.
        hint: String,
    },
    /// An option's value cannot be used.
    #[error("{option}: {why}")]
    Unusable {
        /// The option.
        option: String,
        /// Why.
        why: String,
    },
    /// What was answered makes no configuration.
    #[error("nothing was written, since `lockgate validate` would refuse it\n{}", .0.report("lockgate.toml"))]
    Invalid(Problems),
    /// There is no CDK app, or more than one.
    #[error("{0}")]
    NoApp(String),
    /// The CDK app could not be synthesised.
    #[error("{0}; mend it, or leave out --synth")]
    Synth(String),
    /// A file is there already.
    #[error("{} there already, and nothing was written; --force writes over what is there{}", are(.0), keeps(.0))]
    There(Vec<PathBuf>),
    /// A file cannot be written.
    #[error("{} cannot be written ({why}); {}", .file.display(), before(.written))]
    Unwritable {
        /// Which one.
        file: PathBuf,
        /// Why.
        why: io::Error,
        /// What was written before it.
        written: Vec<PathBuf>,
    },
}

fn listed(missing: &[String]) -> String {
    let lines = missing.iter().flat_map(|missing| ["\n  ", missing]);
    lines.collect()
}

fn are(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

fn keeps(files: &[PathBuf]) -> &'static str {
    if files.iter().any(|file| file.ends_with(buildspec::NAME)) {
        ", and --keep-buildspec leaves the buildspec as it is"
    } else {
        ""
    }
}

fn before(written: &[PathBuf]) -> String {
    if written.is_empty() {
        "nothing was written".to_owned()
    } else {
        format!("{} written before", are(written))
    }
}

/// What was found and written, for programs.
#[derive(Debug, Serialize)]
struct Report {
    files: Vec<Written>,
    application: String,
    branch: String,
    environments: Vec<String>,
    app: App,
    /// The names of the app's stacks; nothing, where nobody looked.
    stacks: Option<Vec<String>>,
    /// What is to be looked at before the files are used.
    warnings: Vec<String>,
    /// What comes next.
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    content: Content,
}

/// What is to be written, all of it checked.
#[derive(Debug)]
struct Plan {
    files: Vec<File>,
    report: Report,
}

/// Looks, asks, checks and writes.
pub async fn run(options: &Options, access: &Access) -> Result<String, InitError> {
    let here = PathBuf::from(".");
    let attended = !options.yes && io::stdin().is_terminal();
    let asking = if attended {
        Asking::of(Terminal::open())
    } else {
        Asking::nobody()
    };
    // From here on, Ctrl-C ends what is asked and looked at, and never what is being written.
    let plan = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {
            // A question stands on the line still.
            if attended {
                terminal::ask("\n");
            }
            return Err(InitError::Stopped);
        }
        plan = plan(options, access, &here, asking) => plan?,
    };
    writing::write(&plan.files, options.force)?;
    Ok(options.output.print(&plan.report, || plan.report.text()))
}

/// Everything but the writing.
async fn plan(options: &Options, access: &Access, here: &Path, mut asking: Asking) -> Result<Plan, InitError> {
    let checkout = Checkout::find(here).await;
    let root = checkout.root.as_deref().unwrap_or(here);
    options.refuse_what_is_there(root)?;
    let app = App::find(root, options.app.as_deref(), options.language)?;
    let found = assembly::find(root, &app, options.synth, &mut asking).await?;
    let answers = answers::ask(options, access, &checkout, &found, &mut asking).await?;
    let smoke = smoke::ask(options, root, &mut asking).await?;
    let answers = asking.complete(answers)?;
    let configuration = configuration::text(&answers);
    let read = Configuration::read(&configuration).map_err(InitError::Invalid)?;

    let mut files = vec![File {
        path: options.configuration.clone(),
        content: Content::Configuration,
        text: configuration,
    }];
    if !options.keep_buildspec {
        files.push(File {
            path: root.join(buildspec::NAME),
            content: Content::Buildspec,
            text: buildspec::text(&app, &answers.repository),
        });
    }
    if let Some(text) = smoke {
        files.push(File {
            path: root.join(domain::release::SMOKE_TESTS),
            content: Content::SmokeTests,
            text,
        });
    }
    for file in &mut files {
        file.path = writing::shown(&file.path);
    }
    let report = Report::of(&files, &answers, app, &found, &read, root);
    Ok(Plan { files, report })
}

impl Report {
    fn of(
        files: &[File],
        answers: &Answers,
        app: App,
        found: &Found,
        configuration: &Configuration,
        root: &Path,
    ) -> Self {
        let mut warnings = app.warnings.clone();
        warnings.extend(found.warnings.iter().cloned());
        let environments = configuration.applications.iter().flat_map(|of| &of.environments);
        warnings.extend(found.without_stacks(environments));
        if answers.notify.is_empty() {
            warnings.push("nobody is told how deployments go: write addresses into `notify`".to_owned());
        }
        let file = |content: Content| files.iter().find(|file| file.content == content);
        let mut next = Vec::new();
        if let Some(file) = file(Content::Configuration) {
            let shown = file.path.display();
            if writing::lies_in(&file.path, root) {
                next.push(format!(
                    "Move {shown} beside Lockgate's infrastructure, out of this repository: a commit must not change where it \
                     lands. If others are configured there already, add the table application of this one to that file."
                ));
            }
            next.push(format!(
                "Read it, and check it after every change: lockgate validate {shown}"
            ));
        }
        if let Some(file) = file(Content::Buildspec) {
            next.push(format!(
                "Read {}, run its commands here once, and commit it{}.",
                file.path.display(),
                if files.iter().any(|file| file.content == Content::SmokeTests) {
                    format!(" together with {}", domain::release::SMOKE_TESTS)
                } else {
                    String::new()
                }
            ));
        }
        next.push("Go on with docs/SETUP.md of Lockgate: step 3, or step 5 where Lockgate runs already.".to_owned());
        Self {
            files: files
                .iter()
                .map(|file| Written {
                    path: file.path.clone(),
                    content: file.content,
                })
                .collect(),
            application: answers.repository.clone(),
            branch: answers.branch.clone(),
            environments: answers.environments.iter().map(|one| one.name.clone()).collect(),
            app,
            stacks: found.names(),
            warnings,
            next,
        }
    }

    fn text(&self) -> String {
        for warning in &self.warnings {
            terminal::warn(warning);
        }
        let mut lines = String::new();
        for file in &self.files {
            let what = match file.content {
                Content::Configuration => "what is deployed where; it is the operators'",
                Content::Buildspec => "how CodeBuild makes a release; it is the application's",
                Content::SmokeTests => "what every environment is asked after a deployment; it is the application's",
            };
            let _ = writeln!(lines, "Wrote {}: {what}.", file.path.display());
        }
        lines.push_str("\nNext:");
        for (number, next) in (1..).zip(&self.next) {
            let _ = write!(lines, "\n  {number}. {next}");
        }
        lines
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests;
