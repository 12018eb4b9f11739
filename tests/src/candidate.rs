//! A release that a GitHub pre-release brings into `test`, and the people who are asked about it.

use domain::approval::{Approval, ApprovalId, When};
use domain::names::DeploymentId;
use local::TOOLS;
use local::emulator::Mail;
use local::executions::Ended;
use local::tester::{Answer, Page, Tester};

use crate::Laboratory;

/// A deployment into `test`.
#[derive(Debug)]
pub struct Candidate {
    /// Where.
    pub laboratory: &'static Laboratory,
    /// The deployment.
    pub deployment: DeploymentId,
}

impl Candidate {
    /// The name of what people are asked, now.
    pub async fn approval_id(&self) -> ApprovalId {
        let head = self.laboratory.pipeline.ledger.head(&self.deployment).await;
        let head = head.expect("the ledger answers");
        let prepared = head.and_then(|head| head.status.prepared_hash());
        prepared.map_or_else(
            || ApprovalId::of(&self.deployment, When::After),
            |prepared| ApprovalId::of_change_sets(&self.deployment, &prepared),
        )
    }

    /// What people are asked and what they answered, as it is now; nothing before they are asked.
    pub async fn approval(&self) -> Option<Approval> {
        let ledger = &self.laboratory.pipeline.ledger;
        ledger
            .approval(&self.approval_id().await)
            .await
            .expect("the ledger answers")
    }

    /// Waits until people are asked.
    pub async fn is_asked_about(&self) -> Approval {
        self.laboratory
            .eventually("people are asked", async || {
                let head = self.laboratory.pipeline.ledger.head(&self.deployment).await;
                let head = head.expect("the ledger answers");
                let ending = head.and_then(|head| head.status.ending);
                let approval = self.approval().await;
                assert!(approval.is_some() || ending.is_none(), "it ended before: {ending:#?}");
                approval.is_some()
            })
            .await;
        self.approval().await.expect("it is there")
    }

    /// Somebody with a mail program and a browser.
    pub fn person(&self, mail: &str) -> Tester<'static> {
        Tester::new(&self.laboratory.emulator, mail)
    }

    /// Waits until somebody is asked by mail, and returns their link.
    pub async fn link(&self, mail: &str) -> String {
        self.is_asked_about().await;
        let link = self.person(mail).link(self.approval_id().await.as_str()).await;
        link.expect("they get mail")
    }

    /// Waits until so many mails are noted, which each is after it was sent.
    pub async fn mails_are_noted(&self, count: usize) {
        self.laboratory
            .eventually("all mails are noted", async || {
                self.approval()
                    .await
                    .is_some_and(|approval| approval.mails.len() == count)
            })
            .await;
    }

    /// Somebody opens their link.
    pub async fn opens(&self, mail: &str) -> Page {
        let link = self.link(mail).await;
        self.person(mail).open(&link).await.expect("there is a page")
    }

    /// Somebody opens their link and answers.
    pub async fn answers(&self, mail: &str, answer: &Answer) -> Page {
        let link = self.link(mail).await;
        self.person(mail).answer(&link, answer).await.expect("there is a page")
    }

    /// The mails that people got about it, oldest first.
    pub async fn mails(&self) -> Vec<Mail> {
        let mails = self.laboratory.emulator.mails(TOOLS).await;
        let about = |mail: &Mail| mail.body.contains(self.deployment.as_str());
        mails.expect("there is an inbox").into_iter().filter(about).collect()
    }

    /// Waits for its end.
    pub async fn ends(&self) -> Ended {
        self.laboratory.end_of(&self.deployment).await
    }
}
