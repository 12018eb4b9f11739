//! The questions about environments.

use std::collections::BTreeMap;

use domain::approval::{Approver, Login};
use domain::deployment::Cause;
use domain::names::{AccountId, EnvironmentName, Region};

use super::InitError;
use super::answers::{Answers, EnvironmentAnswers, parse, written};
use super::asking::{Asking, Question};
use super::assembly::Guess;
use super::options::{Options, of};

/// All environments, asked about once.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    pub options: &'a Options,
    pub names: &'a [EnvironmentName],
    pub guesses: &'a BTreeMap<EnvironmentName, Guess>,
    /// What was answered before, and not accepted: it is proposed, and options count no more.
    pub last: Option<&'a Answers>,
}

/// What is proposed of one environment.
struct Proposal {
    account: Option<String>,
    region: String,
    on: String,
    after: String,
    stacks: String,
    approvers: String,
    need: String,
    alarms: String,
    bake: String,
}

/// The environments, in the order in which a release climbs.
pub async fn names(options: &Options, asking: &mut Asking) -> Result<Vec<EnvironmentName>, InitError> {
    let mut names: Vec<EnvironmentName> = Vec::new();
    for of in &options.environments {
        if names.contains(&of.environment) {
            return Err(InitError::Unusable {
                option: "--environment".to_owned(),
                why: format!("{} is named twice", of.environment),
            });
        }
        names.push(of.environment.clone());
    }
    if !names.is_empty() {
        return Ok(names);
    }
    if !asking.is_attended() {
        asking.missing("--environment NAME=ACCOUNT: An environment and its account, once for each");
        return Ok(names);
    }
    let question = Question {
        option: "--environment".to_owned(),
        words: "The environments, in the order in which a release climbs, separated by commas".to_owned(),
        default: Some("dev, test, production"),
    };
    let names = asking.about_all(&question, Vec::new(), |names| {
        if names.is_empty() {
            return Err("name one at least".to_owned());
        }
        names.iter().map(|name| parse::<EnvironmentName>(name)).collect()
    });
    Ok(names.await?.unwrap_or_default())
}

impl Round<'_> {
    /// Asks about every environment; whether all is known.
    pub async fn ask(&self, answers: &mut Answers, asking: &mut Asking) -> Result<bool, InitError> {
        let mut all = !self.names.is_empty();
        for index in 0..self.names.len() {
            match self.one(index, answers, asking).await? {
                Some(environment) => answers.environments.push(environment),
                None => all = false,
            }
        }
        Ok(all)
    }

    fn proposal(&self, index: usize, region: &str) -> Proposal {
        let name = &self.names[index];
        let last = self.last.and_then(|last| last.environments.get(index));
        if let Some(last) = last {
            return Proposal {
                account: Some(last.account.clone()),
                region: last.region.clone().unwrap_or_else(|| region.to_owned()),
                on: last.on.join(", "),
                after: last.after.clone().unwrap_or_default(),
                stacks: last.stacks.join(", "),
                approvers: last.approvers.join(", "),
                need: last.need.to_string(),
                alarms: last.alarms.join(", "),
                bake: last.bake.clone(),
            };
        }
        let guess = self.guesses.get(name).cloned().unwrap_or_default();
        let before = index.checked_sub(1).map(|before| self.names[before].to_string());
        Proposal {
            account: guess.account,
            region: guess.region.unwrap_or_else(|| region.to_owned()),
            on: usual_cause(index, self.names.len()).to_owned(),
            after: before.unwrap_or_default(),
            stacks: guess.stacks.join(", "),
            approvers: String::new(),
            need: "1".to_owned(),
            alarms: String::new(),
            bake: "30 minutes".to_owned(),
        }
    }

    /// Asks about one environment; nothing, where not all of it is known.
    async fn one(
        &self,
        index: usize,
        answers: &mut Answers,
        asking: &mut Asking,
    ) -> Result<Option<EnvironmentAnswers>, InitError> {
        let name = &self.names[index];
        let none = Options::default();
        let options = if self.last.is_some() { &none } else { self.options };
        let usual = self.proposal(index, &answers.region);
        asking.say("");

        let account = asking
            .about(
                &Question {
                    default: usual.account.as_deref(),
                    ..question(name, "--environment", "ACCOUNT", "the account of its stacks")
                },
                of(&options.environments, name).next().map(AccountId::as_str),
                written::<AccountId>,
            )
            .await?;
        let region = asking
            .about(
                &Question {
                    default: Some(&usual.region),
                    ..question(name, "--region-of", "REGION", "their region")
                },
                of(&options.regions, name).next().map(Region::as_str),
                written::<Region>,
            )
            .await?;
        let what = "what starts deployments (push, prerelease, release, manual)";
        let on = asking
            .about_all(
                &Question {
                    default: Some(&usual.on),
                    ..question(name, "--on", "WHAT", what)
                },
                of(&options.on, name).cloned().collect(),
                causes,
            )
            .await?;
        let pushed = on.iter().flatten().any(|cause| cause == "push");
        let said = of(&options.after, name).next();
        let after = if pushed && said.is_none() {
            Some(None)
        } else {
            let what = "the environment that its releases come from, where they are stable first";
            asking
                .about(
                    &Question {
                        default: Some(&usual.after),
                        ..question(name, "--after", "NAME", what)
                    },
                    said.map(String::as_str),
                    |text| match text {
                        "" | "none" => Ok(None),
                        text => written::<EnvironmentName>(text).map(Some),
                    },
                )
                .await?
        };
        let what = "patterns of its stacks' names; none is all of that account and region";
        let stacks = asking
            .about_all(
                &Question {
                    default: Some(&usual.stacks),
                    ..question(name, "--stacks", "PATTERN", what)
                },
                of(&options.stacks, name).cloned().collect(),
                |patterns| Ok(some(patterns).to_vec()),
            )
            .await?;
        let approval = approval(name, options, &usual, self.last, answers, asking).await?;
        let bake = bake(name, options, &usual, asking).await?;
        let known = account
            .zip(region)
            .zip(on.zip(after))
            .zip(stacks.zip(approval))
            .zip(bake);
        Ok(known.map(
            |((((account, region), (on, after)), (stacks, (approvers, need))), (alarms, bake))| EnvironmentAnswers {
                name: name.to_string(),
                account,
                region: (region != answers.region).then_some(region),
                on,
                after,
                stacks,
                approvers,
                need,
                alarms,
                bake,
            },
        ))
    }
}

fn question(name: &EnvironmentName, option: &str, value: &str, what: &str) -> Question<'static> {
    Question {
        option: format!("{option} {name}={value}"),
        words: format!("{name}: {what}"),
        default: None,
    }
}

/// The word for nothing, which takes the place of a proposal that an empty line would accept.
fn some(texts: &[String]) -> &[String] {
    if *texts == ["none"] { &[] } else { texts }
}

/// Who accepts there, and how many of them have to; and who they are at GitHub, where that is not known yet.
async fn approval(
    name: &EnvironmentName,
    options: &Options,
    usual: &Proposal,
    last: Option<&Answers>,
    answers: &mut Answers,
    asking: &mut Asking,
) -> Result<Option<(Vec<String>, u32)>, InitError> {
    let what = "who accepts a release there, mail addresses or ARNs, separated by commas";
    let people = asking
        .about_all(
            &Question {
                default: Some(&usual.approvers),
                ..question(name, "--approver", "WHO", what)
            },
            of(&options.approver, name).map(ToString::to_string).collect(),
            |people| {
                some(people)
                    .iter()
                    .map(|one| written::<Approver>(one))
                    .collect::<Result<Vec<_>, _>>()
            },
        )
        .await?;
    let Some(people) = people else { return Ok(None) };
    let mut known = true;
    for person in &people {
        if answers.people.iter().any(|(other, _)| other == person) {
            continue;
        }
        // A login of nothing says that there is none, which is more than not to say one.
        let said = options.github.iter().filter(|of| of.approver.as_str() == person);
        let said: Vec<String> = said
            .map(|of| of.login.as_ref().map(ToString::to_string).unwrap_or_default())
            .collect();
        let before = last.and_then(|last| last.people.iter().find(|(other, _)| other == person));
        let before = before.map(|(_, logins)| logins.join(", ")).unwrap_or_default();
        // Where nobody can be asked, nobody is said to have no account.
        let question = Question {
            option: format!("--github {person}=LOGIN"),
            words: format!("Who is {person} at GitHub (logins, separated by commas)"),
            default: asking.is_attended().then_some(&before),
        };
        let logins = asking
            .about_all(&question, said, |logins| {
                some(logins)
                    .iter()
                    .map(|one| written::<Login>(one))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        match logins {
            Some(logins) => answers.people.push((person.clone(), logins)),
            None => known = false,
        }
    }
    let said = of(&options.need, name).next().map(ToString::to_string);
    if people.is_empty() && said.is_some() {
        return Err(InitError::Unusable {
            option: format!("--need {name}"),
            why: "nobody is asked there; name people with --approver".to_owned(),
        });
    }
    let need = if people.len() > 1 || said.is_some() {
        let question = Question {
            default: Some(&usual.need),
            ..question(name, "--need", "NUMBER", "how many of them have to accept")
        };
        asking.about(&question, said.as_deref(), parse::<u32>).await?
    } else {
        Some(1)
    };
    Ok(need.filter(|_| known).map(|need| (people, need)))
}

/// The alarms that watch a release, and for how long.
async fn bake(
    name: &EnvironmentName,
    options: &Options,
    usual: &Proposal,
    asking: &mut Asking,
) -> Result<Option<(Vec<String>, String)>, InitError> {
    let what = "CloudWatch alarms that watch a release there, separated by commas";
    let alarms = asking
        .about_all(
            &Question {
                default: Some(&usual.alarms),
                ..question(name, "--alarm", "ALARM", what)
            },
            of(&options.alarm, name).cloned().collect(),
            |alarms| Ok(some(alarms).to_vec()),
        )
        .await?;
    let Some(alarms) = alarms else { return Ok(None) };
    let said = of(&options.bake, name).next().map(String::as_str);
    if alarms.is_empty() {
        return match said {
            None => Ok(Some((alarms, usual.bake.clone()))),
            Some(_) => Err(InitError::Unusable {
                option: format!("--bake {name}"),
                why: "no alarm watches a release there; name one with --alarm".to_owned(),
            }),
        };
    }
    let question = Question {
        default: Some(&usual.bake),
        ..question(
            name,
            "--bake",
            "SPAN",
            "how long they watch it before it counts as stable",
        )
    };
    let bake = asking.about(&question, said, |text| Ok(text.to_owned())).await?;
    Ok(bake.map(|bake| (alarms, bake)))
}

/// What usually starts deployments of an environment: a push those of the first, a release those of the last.
fn usual_cause(index: usize, of: usize) -> &'static str {
    match index {
        0 => "push",
        last if last + 1 == of => "release",
        1 => "prerelease",
        // A second one that pre-releases start would be asked for what is not stable before it yet.
        _ => "manual",
    }
}

fn causes(words: &[String]) -> Result<Vec<String>, String> {
    if words.is_empty() {
        return Err(format!("name one of {}", Cause::NAMED.join(", ")));
    }
    match words.iter().find(|word| !Cause::NAMED.contains(&word.as_str())) {
        Some(other) => Err(format!(
            "{other:?} is none of {}{}",
            Cause::NAMED.join(", "),
            domain::nearest::hint(other, &Cause::NAMED)
        )),
        None => Ok(words.to_vec()),
    }
}
