//! What GitHub is told: how far it was told is an outbox in the ledger, and each thing is written down there before the next.
//! A GitHub that is down, slow or limits calls delays nothing else, and is told everything later, in order.

use std::collections::BTreeSet;
use std::time::Duration;

use ::github::{Error as Refusal, GitHub, Patience};
use domain::deployment::Cause;
use domain::deployment::Deployment;
use domain::github::{Act, Done, Line, News, Outbox, State, Status, Turn, with_line};
use domain::life::Event;
use domain::names::DeploymentId;
use jiff::Timestamp;

use crate::{Context, Error, Output};

/// A call that GitHub does not answer is made again a minute later, by the sweep.
pub const PATIENCE: Patience = Patience {
    call: Duration::from_secs(8),
    question: Duration::from_secs(10),
    pause: Duration::from_millis(250),
};

/// How long GitHub has for everything that one invocation tells, of the function's 60 seconds. What there was no time for is
/// noted, and the sweep's next look finds it.
const WITHIN: Duration = Duration::from_secs(40);

/// Why something was not told.
enum Untold {
    /// By GitHub.
    Refused(Refusal),
    /// By the ledger.
    Aws(aws::Error),
}

impl From<Refusal> for Untold {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<aws::Error> for Untold {
    fn from(error: aws::Error) -> Self {
        Self::Aws(error)
    }
}

/// Notes that GitHub is to be told of these, so that the sweep sees to it where nobody else does.
pub async fn notice<'i>(
    context: &Context,
    ids: impl IntoIterator<Item = &'i DeploymentId>,
    now: Timestamp,
) -> Result<(), Error> {
    if context.github().await?.is_none() {
        return Ok(());
    }
    for id in ids {
        context.ledger.change_outbox(id, |outbox| outbox.notice(now)).await?;
    }
    Ok(())
}

/// Tells GitHub whatever it was not told yet of these.
pub async fn tell(context: &Context, ids: &BTreeSet<DeploymentId>) -> Result<Output, Error> {
    let Some(github) = context.github().await? else {
        return Ok(Output::NothingToTell);
    };
    // All of it is owed before any of it is told.
    for id in ids {
        let now = Timestamp::now();
        context.ledger.change_outbox(id, |outbox| outbox.notice(now)).await?;
    }
    let github = github.within(WITHIN);
    for id in ids {
        Teller {
            context,
            github: &github,
            id,
            console: context.console(id),
        }
        .tell()
        .await?;
    }
    Ok(Output::Told)
}

/// Whoever tells GitHub of one deployment.
struct Teller<'c> {
    context: &'c Context,
    github: &'c GitHub,
    id: &'c DeploymentId,
    console: String,
}

impl Teller<'_> {
    async fn tell(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        match self.change(|outbox| outbox.take(now)).await? {
            Turn::Yours => {}
            Turn::Anothers | Turn::Later(_) => return Ok(()),
        }
        let mut outbox = self.context.ledger.outbox(self.id).await?;
        loop {
            let entries = self.context.ledger.entries(self.id).await?;
            if let Some(news) = News::of(&entries, &self.console) {
                while let Some(act) = outbox.next(&news) {
                    outbox = match self.carry_out(act, &outbox, &news).await {
                        Ok(done) => self.told(act, &done, &news).await?,
                        Err(Untold::Refused(refusal)) => return self.failed(&refusal).await,
                        Err(Untold::Aws(error)) => return Err(error.into()),
                    };
                }
            }
            if !self.change(Outbox::put_down).await? {
                return Ok(());
            }
        }
    }

    async fn told(&self, act: Act, done: &Done, news: &News<'_>) -> Result<Outbox, Error> {
        let now = Timestamp::now();
        self.change(|outbox| {
            outbox.told(act, done.clone(), news, now);
            outbox.clone()
        })
        .await
    }

    async fn failed(&self, refusal: &Refusal) -> Result<(), Error> {
        let now = Timestamp::now();
        let until = match refusal {
            Refusal::Unavailable { until, .. } => *until,
            _ => None,
        };
        let why = refusal.to_string();
        let is_offered_again = self.change(|outbox| outbox.failed(&why, until, now)).await?;
        if is_offered_again {
            tracing::warn!(deployment.id = %self.id, error.cause = why, "GitHub was not told, and will be later");
        } else {
            tracing::error!(deployment.id = %self.id, error.cause = why, "GitHub is not told any more");
        }
        Ok(())
    }

    async fn change<Answer>(&self, change: impl Fn(&mut Outbox) -> Answer) -> Result<Answer, Error> {
        Ok(self.context.ledger.change_outbox(self.id, change).await?)
    }

    async fn carry_out(&self, act: Act, outbox: &Outbox, news: &News<'_>) -> Result<Done, Untold> {
        let (github, deployment) = (self.github, news.deployment);
        match act {
            Act::MakeDeployment { .. } if let Some(number) = deployment.github_deployment() => Ok(Done::Made(number)),
            Act::MakeDeployment { look_first } => {
                let known = if look_first {
                    github.find_deployment(deployment).await?
                } else {
                    self.begin(act).await?;
                    None
                };
                Ok(Done::Made(match known {
                    Some(number) => number,
                    None => github.make_deployment(deployment).await?,
                }))
            }
            Act::TellStatus(place) => {
                let status = news.statuses.get(place as usize);
                let (Some(status), Some(number)) = (status, outbox.deployment.number()) else {
                    return Ok(Done::Taken);
                };
                let told = github.tell_status(deployment, number, status, &self.console).await;
                for_good(told)
            }
            Act::TakePlace => self.take_place(outbox, news).await,
            Act::MakeCheck { look_first } => {
                let known = if look_first {
                    github.find_check(deployment).await?
                } else {
                    self.begin(act).await?;
                    None
                };
                if let Some(number) = known {
                    let shown = github
                        .update_check(deployment, number, &news.check, &self.console)
                        .await;
                    return unless_refused(shown.map(|()| Done::Made(number)));
                }
                unless_refused(
                    github
                        .make_check(deployment, &news.check, &self.console)
                        .await
                        .map(Done::Made),
                )
            }
            Act::UpdateCheck(number) => {
                let shown = github
                    .update_check(deployment, number, &news.check, &self.console)
                    .await;
                unless_refused(shown.map(|()| Done::Taken))
            }
            Act::WritePage => self.write_page(news).await,
        }
    }

    /// Writes down what is about to be made: whoever comes next looks for it first.
    async fn begin(&self, act: Act) -> Result<(), aws::Error> {
        self.context
            .ledger
            .change_outbox(self.id, |outbox| outbox.begin(act))
            .await
    }

    /// Has what the environment ran before told inactive, and is what it runs now.
    async fn take_place(&self, outbox: &Outbox, news: &News<'_>) -> Result<Done, Untold> {
        let (Some(number), Some(since)) = (outbox.deployment.number(), news.in_place_since) else {
            return Ok(Done::Taken);
        };
        let ledger = &self.context.ledger;
        let place = ledger
            .change_place(news.deployment, |place| place.taken_by(self.id, number, since))
            .await?;
        let status = Status {
            state: State::Inactive,
            description: format!("{} runs something else by now", news.deployment.environment.name),
            at: since,
            url: None,
        };
        for leaving in place.leaving {
            let told = self
                .github
                .tell_status(news.deployment, leaving, &status, &self.console)
                .await;
            for_good(told)?;
            ledger
                .change_place(news.deployment, |place| place.left(leaving))
                .await?;
        }
        Ok(Done::Taken)
    }

    async fn write_page(&self, news: &News<'_>) -> Result<Done, Untold> {
        let deployment = news.deployment;
        let Some(line) = &news.line else {
            return Ok(Done::Taken);
        };
        let Some(tag) = self.tag_of_page(deployment).await? else {
            return Ok(Done::Never("no release asked for what it took back".to_owned()));
        };
        let page = match self.github.release_page(&deployment.application, &tag).await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(Done::Never("the release is gone, or not shown".to_owned())),
            Err(error) => return unless_refused(Err(error)),
        };
        let mut body = page.body.clone();
        if let Some(before) = self.line_of_before(deployment, news).await? {
            body = with_line(&body, &before);
        }
        body = with_line(&body, line);
        if body == page.body {
            return Ok(Done::Taken);
        }
        let written = self
            .github
            .write_release_page(&deployment.application, page.number, &body)
            .await;
        unless_refused(written.map(|()| Done::Taken))
    }

    /// The tag of the release whose page tells of a deployment: of the release that asked for it, or for what it takes back.
    async fn tag_of_page(&self, deployment: &Deployment) -> Result<Option<String>, aws::Error> {
        let ledger = &self.context.ledger;
        let Some(rollback) = &deployment.rollback else {
            return Ok(Some(deployment.reference.clone()));
        };
        let environment = &deployment.environment.name;
        let stable = ledger
            .stable(&deployment.application, environment, &rollback.from)
            .await?;
        let Some(stable) = stable else {
            return Ok(None);
        };
        let asked = ledger.requested(&stable.deployment).await?;
        Ok(asked
            .filter(|asked| matches!(asked.requested.because, Cause::Prerelease | Cause::Release))
            .map(|asked| asked.reference))
    }

    /// What the page says of the environment that the release had to come through first.
    async fn line_of_before(&self, deployment: &Deployment, news: &News<'_>) -> Result<Option<Line>, aws::Error> {
        let (None, Some(after)) = (&deployment.rollback, &deployment.environment.after) else {
            return Ok(None);
        };
        let entries = self.context.ledger.entries(&news.deployment.id).await?;
        let release = entries.iter().find_map(|entry| match &entry.what {
            Event::Released { release } => Some(release.clone()),
            _ => None,
        });
        let Some(release) = release else {
            return Ok(None);
        };
        let stable = self
            .context
            .ledger
            .stable(&deployment.application, after, &release)
            .await?;
        Ok(stable.and_then(|stable| Line::of_stable(after, &stable)))
    }
}

/// Something that nothing else depends on: where GitHub has no place for it, it is passed over.
fn for_good(told: Result<(), Refusal>) -> Result<Done, Untold> {
    match told {
        Ok(()) => Ok(Done::Taken),
        Err(Refusal::Refused { why, .. }) => Ok(Done::Never(why)),
        Err(error) => Err(error.into()),
    }
}

/// Something that a deployment can be told without: where it is refused, and be it for want of a permission, that is said once.
fn unless_refused(told: Result<Done, Refusal>) -> Result<Done, Untold> {
    match told {
        Ok(done) => Ok(done),
        Err(error @ (Refusal::Refused { .. } | Refusal::Denied { .. } | Refusal::TooLong { .. })) => {
            tracing::warn!(error.cause = %error, "GitHub does not show this");
            Ok(Done::Never(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}
