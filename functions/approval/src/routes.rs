//! Who may see and say what, by the route that API Gateway matched.
//!
//! `GET` and `HEAD` change nothing, however often a mail scanner opens a link. A link's `POST` counts only with the
//! nonce of a page that was opened before, and not from another site's page. The command's routes are let through by IAM.

use domain::approval::token::{check_nonce, nonce, verify};
use domain::approval::{Approval, ApprovalId, Approver, BadToken, Ballot, Choice, Refusal, Via};
use domain::harmless::harmless;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Answered};
use crate::http::{BodyFault, Request, Response};
use crate::page::{self, Form};
use crate::{Context, Error};

const NOT_VALID: &str =
    "This link is not valid. Open the one in the newest mail, or ask whoever operates the pipeline.";
const FOREIGN: &str = "Open the link from your mail, and answer on the page that it shows.";

/// Answers a person's request. Whatever goes wrong has a page.
pub async fn respond(context: &Context, request: &Request, now: Timestamp) -> Response {
    let answered = match request.route() {
        "GET /approvals/{id}" | "HEAD /approvals/{id}" => show(context, request, now).await,
        "POST /approvals/{id}" => take_form(context, request, now).await,
        "POST /approvals/{id}/ballots" => take_ballot(context, request, now).await,
        "GET /approvals" => list(context, request, now).await,
        _ => Ok(page::notice(404, "Nothing here", "There is nothing at this address.")),
    };
    answered.unwrap_or_else(|error| {
        tracing::error!(error.cause = %error, "a page could not be shown");
        page::notice(
            503,
            "Please try again",
            "The approval cannot be read at the moment. Nothing was recorded; try again in a minute.",
        )
    })
}

/// Somebody with a link of their own.
struct Reader {
    approval: Approval,
    me: Approver,
    /// How an answer of theirs comes; nothing, where the link's time is over.
    via: Option<Via>,
}

/// Who holds this link; anything that is wrong with it looks the same from outside.
async fn reader(context: &Context, request: &Request, token: &str, now: Timestamp) -> Result<Option<Reader>, Error> {
    let Ok(id) = request.approval().parse::<ApprovalId>() else {
        return Ok(None);
    };
    let Some(approval) = context.ledger.approval(&id).await? else {
        return Ok(None);
    };
    let mut verified = verify(&context.keys.keys(false, now).await?, &approval, token, now);
    if verified == Err(BadToken::Wrong) {
        // It may be made with a key that was stored since.
        verified = verify(&context.keys.keys(true, now).await?, &approval, token, now);
    }
    match verified {
        Ok((me, key)) => Ok(Some(Reader {
            approval,
            me,
            via: Some(Via::Link { key }),
        })),
        // It still shows its holder what was decided.
        Err(BadToken::Expired(me)) => Ok(Some(Reader {
            approval,
            me,
            via: None,
        })),
        Err(BadToken::Wrong) => {
            context
                .ledger
                .record_refused_answer(&id, "the link's token is not valid", None, now)
                .await?;
            Ok(None)
        }
    }
}

async fn show(context: &Context, request: &Request, now: Timestamp) -> Result<Response, Error> {
    let token = request.query("token");
    let Some(reader) = reader(context, request, token, now).await? else {
        return Ok(page::notice(403, "This link is not valid", NOT_VALID));
    };
    match reader.approval.may_answer(&reader.me, now) {
        Ok(()) => asked(context, &reader, Form::default(), 200, token, now).await,
        Err(refusal) => Ok(told(&reader, &refusal, now)),
    }
}

/// The question, with a nonce that was made for this reader now.
async fn asked(
    context: &Context,
    reader: &Reader,
    form: Form,
    status: u16,
    token: &str,
    now: Timestamp,
) -> Result<Response, Error> {
    let keys = context.keys.keys(false, now).await?;
    let form = Form {
        nonce: nonce(&keys, &reader.approval.id, &reader.me, now),
        token: token.to_owned(),
        ..form
    };
    Ok(page::question(status, &reader.approval, &reader.me, &form, now))
}

/// The page for somebody who has answered, may not answer, or comes too late.
fn told(reader: &Reader, refusal: &Refusal, now: Timestamp) -> Response {
    let (status, heading) = match refusal {
        Refusal::Over(_) | Refusal::TooLate => (410, "This is decided".to_owned()),
        Refusal::Answered(ballot) => (
            200,
            match ballot.decision {
                Choice::Accept => "You accepted".to_owned(),
                Choice::Reject => "You rejected".to_owned(),
            },
        ),
        other => (403, sentence(other)),
    };
    page::answered(status, &reader.approval, &reader.me, &heading, now)
}

fn sentence(refusal: &Refusal) -> String {
    let text = refusal.to_string();
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The form's fields.
#[derive(Debug, Default)]
struct Given {
    token: String,
    nonce: String,
    decision: Option<Choice>,
    comment: String,
    ticked: Vec<usize>,
}

fn fields(body: &str) -> Given {
    let mut given = Given::default();
    for (name, value) in url::form_urlencoded::parse(body.as_bytes()) {
        match name.as_ref() {
            "token" => given.token = value.into_owned(),
            "nonce" => given.nonce = value.into_owned(),
            "decision" => given.decision = value.parse().ok(),
            "comment" => given.comment = value.into_owned(),
            "tick" => given.ticked.extend(value.parse::<usize>().ok()),
            _ => {}
        }
    }
    given
}

async fn take_form(context: &Context, request: &Request, now: Timestamp) -> Result<Response, Error> {
    let body = match request.text() {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => {
            return Ok(page::notice(
                413,
                "That is too long",
                "Nothing was recorded. A comment may have 2,000 characters; go back and shorten it.",
            ));
        }
        Err(BodyFault::Malformed) => return Ok(page::notice(400, "That cannot be read", "Nothing was recorded.")),
    };
    let given = fields(&body);
    let Some(reader) = reader(context, request, &given.token, now).await? else {
        return Ok(page::notice(403, "This link is not valid", NOT_VALID));
    };
    let keys = context.keys.keys(false, now).await?;
    let (id, me) = (&reader.approval.id, &reader.me);
    if is_foreign(request, &context.pages) || check_nonce(&keys, id, me, &given.nonce, now).is_err() {
        context
            .ledger
            .record_refused_answer(id, "the answer did not come from the page", Some(me), now)
            .await?;
        return Ok(page::notice(403, "Not recorded", FOREIGN));
    }
    let Some(decision) = given.decision else {
        return Ok(page::notice(
            400,
            "That cannot be read",
            "Nothing was recorded: press one of the buttons.",
        ));
    };
    let Some(via) = reader.via.clone() else {
        return Ok(told(&reader, &Refusal::TooLate, now));
    };
    let ballot = Ballot {
        by: me.clone(),
        via,
        decision,
        comment: given.comment.clone(),
        ticked: given.ticked.clone(),
        at: now,
    };
    match answer::take(context, id, ballot, now).await? {
        Answered::Counted => {
            let approval = context
                .ledger
                .approval(id)
                .await?
                .unwrap_or_else(|| reader.approval.clone());
            let heading = match decision {
                Choice::Accept => "Thank you: you accepted",
                Choice::Reject => "Thank you: you rejected",
            };
            Ok(page::answered(200, &approval, me, heading, now))
        }
        Answered::Refused(refusal @ (Refusal::CommentMissing | Refusal::CommentTooLong)) => {
            let form = Form {
                complaint: Some(refusal.to_string()),
                comment: given.comment,
                ticked: given.ticked,
                ..Form::default()
            };
            asked(context, &reader, form, 422, &given.token, now).await
        }
        Answered::Refused(refusal) => {
            let approval = context
                .ledger
                .approval(id)
                .await?
                .unwrap_or_else(|| reader.approval.clone());
            let status = if matches!(refusal, Refusal::WroteIt(_) | Refusal::NotAsked) {
                403
            } else {
                410
            };
            let heading = format!("Not recorded: {refusal}");
            Ok(page::answered(status, &approval, me, &heading, now))
        }
        Answered::Unknown => Ok(page::notice(403, "This link is not valid", NOT_VALID)),
    }
}

/// Whether another site's page sent the form.
///
/// Our pages say `Referrer-Policy: no-referrer`, and with that a browser writes `Origin: null` on its own form's `POST`
/// (Fetch standard, "append a request `Origin` header"). `Sec-Fetch-Site` says what `Origin` then does not.
fn is_foreign(request: &Request, pages: &str) -> bool {
    let own = url::Url::parse(pages).map(|url| url.origin().ascii_serialization());
    let origin = request.header("origin").filter(|origin| *origin != "null");
    let from_elsewhere = origin.is_some_and(|origin| own.as_deref() != Ok(origin));
    let sent_by_another_site = request
        .header("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none");
    from_elsewhere || sent_by_another_site
}

/// What the command says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidByCommand {
    decision: Choice,
    #[serde(default)]
    comment: String,
}

/// What the command is answered.
#[derive(Debug, Serialize)]
struct Told {
    outcome: &'static str,
    sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Approval>,
}

fn tell(status: u16, outcome: &'static str, sentence: impl Into<String>, approval: Option<Approval>) -> Response {
    let told = Told {
        outcome,
        sentence: sentence.into(),
        approval,
    };
    Response::json(status, &told)
}

async fn take_ballot(context: &Context, request: &Request, now: Timestamp) -> Result<Response, Error> {
    let Some(arn) = request.caller() else {
        return Ok(tell(403, "refused", "IAM names no caller", None));
    };
    let said = match request.text() {
        Ok(body) => serde_json::from_str::<SaidByCommand>(&body).ok(),
        Err(BodyFault::TooLarge) => return Ok(tell(413, "refused", "the comment is too long", None)),
        Err(BodyFault::Malformed) => None,
    };
    let Some(said) = said else {
        return Ok(tell(
            400,
            "refused",
            "the request is not what `lockgate approve` sends",
            None,
        ));
    };
    let id = request.approval().parse::<ApprovalId>().ok();
    let approval = match &id {
        Some(id) => context.ledger.approval(id).await?,
        None => None,
    };
    let (Some(id), Some(approval)) = (id, approval) else {
        return Ok(tell(404, "unknown", "nobody is asked about this deployment", None));
    };
    let Some(person) = approval.policy.person_of_arn(arn) else {
        let sentence = format!("{} is none of the people asked", harmless(arn, 200));
        context.ledger.record_refused_answer(&id, &sentence, None, now).await?;
        return Ok(tell(403, "refused", sentence, None));
    };
    let Ok(arn) = arn.parse() else {
        return Ok(tell(
            403,
            "refused",
            "IAM names a caller that is neither a user nor a role's session",
            None,
        ));
    };
    let ballot = Ballot {
        by: person.name.clone(),
        via: Via::Command { arn },
        decision: said.decision,
        comment: said.comment,
        ticked: Vec::new(),
        at: now,
    };
    let answered = answer::take(context, &id, ballot, now).await?;
    let approval = context.ledger.approval(&id).await?;
    Ok(match answered {
        Answered::Counted => tell(200, "counted", "your answer counts", approval),
        Answered::Refused(refusal) => tell(409, "refused", refusal.to_string(), approval),
        Answered::Unknown => tell(404, "unknown", "nobody is asked about this deployment", None),
    })
}

/// What waits for whom, for `lockgate pending`.
async fn list(context: &Context, request: &Request, now: Timestamp) -> Result<Response, Error> {
    if request.caller().is_none() {
        return Ok(tell(403, "refused", "IAM names no caller", None));
    }
    let mut waiting = context.ledger.waiting_approvals(now).await?;
    waiting.sort_by_key(|approval| approval.asked_at);
    Ok(Response::json(200, &waiting))
}
