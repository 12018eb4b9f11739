//! Who may see and say what, by the route that API Gateway matched.
//!
//! `GET` and `HEAD` decide nothing, however often a mail scanner opens a link. A link's `POST` counts only with the
//! nonce of a page that was opened before, and not from another site's page. The command's routes are let through by IAM.

use domain::approval::token::{check_nonce, nonce, verify};
use domain::approval::{Approval, ApprovalId, Approver, BadToken, Ballot, Choice, Listing, Refusal, Via, Waiting};
use domain::harmless::harmless;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Sender};
use crate::http::{BodyFault, Request, Response};
use crate::page::{self, Form};
use crate::{Context, Error};

const NOT_VALID: &str =
    "This link is not valid. Open the one in the newest mail, or ask whoever operates the pipeline.";
const NOT_ASKED: &str = "the caller is not among the people asked";
const TOO_LONG: &str = "the answer is too long to be read";
const UNREADABLE: &str = "the answer cannot be read";
const FOREIGN: &str = "Open the link from your mail, and answer on the page that it shows.";

const SHOW: &str = "GET /approvals/{id}";
const SHOW_HEADERS: &str = "HEAD /approvals/{id}";
const ANSWER: &str = "POST /approvals/{id}";
const ANSWER_BY_COMMAND: &str = "POST /approvals/{id}/ballots";
const LIST: &str = "GET /approvals";

/// How many approvals are listed. With everybody asked in each of them, that is still less than the 6 MB that a function
/// may answer.
const LISTED: usize = 200;

/// Answers a person's request. Whatever goes wrong has a page, or a sentence for the command.
pub async fn respond(context: &Context, request: &Request, now: Timestamp) -> Response {
    let answered = match request.route() {
        SHOW | SHOW_HEADERS => show(context, request, now).await,
        ANSWER => take_form(context, request, now).await,
        ANSWER_BY_COMMAND => take_ballot(context, request, now).await,
        LIST => list(context, request, now).await,
        _ => Ok(page::notice(404, "Nothing here", "There is nothing at this address.")),
    };
    let mut response = answered.unwrap_or_else(|error| {
        tracing::error!(error.cause = %error, "a person got no answer");
        unavailable(request.route())
    });
    if request.route() == SHOW_HEADERS {
        response.body.clear();
    }
    response
}

/// What somebody gets where we failed. A write whose answer got lost may have been done.
fn unavailable(route: &str) -> Response {
    let heading = "Please try again";
    match route {
        ANSWER => page::notice(
            503,
            heading,
            "Something went wrong, and your answer may not be recorded. Open the link again in a minute: the page shows \
             what is.",
        ),
        ANSWER_BY_COMMAND => tell(
            503,
            "unavailable",
            "something went wrong, and your answer may or may not be recorded; send it again in a minute: it is counted only \
             once",
            None,
        ),
        LIST => tell(
            503,
            "unavailable",
            "the approvals cannot be read at the moment; try again in a minute",
            None,
        ),
        _ => page::notice(
            503,
            heading,
            "The approval cannot be read at the moment. Try again in a minute.",
        ),
    }
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
        unknown(&id);
        return Ok(None);
    };
    let mut verified = verify(&context.keys.keys(now).await?, &approval, token, now);
    if verified == Err(BadToken::Wrong) {
        // It may be made with a key that was stored since.
        verified = verify(&context.keys.newest(now).await?, &approval, token, now);
    }
    match verified {
        Ok((me, key)) => Ok(Some(Reader {
            approval,
            me,
            via: Some(Via::Link { key }),
        })),
        // It still shows its holder what was decided.
        Err(BadToken::Expired(me)) => {
            answer::audit(context, &id, "the link has expired", Sender::Link(Some(&me)), now).await;
            Ok(Some(Reader {
                approval,
                me,
                via: None,
            }))
        }
        Err(BadToken::Wrong) => {
            answer::audit(context, &id, "the link's token is not valid", Sender::Link(None), now).await;
            Ok(None)
        }
    }
}

/// Nothing is kept of what nobody is asked about, as anybody can make up such a name.
fn unknown(id: &ApprovalId) {
    tracing::warn!(approval.id = %id, "a link or an answer names no approval");
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
    let keys = context.keys.keys(now).await?;
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
        Refusal::Over(_) => (410, "This is over".to_owned()),
        Refusal::TooLate => (410, "The time for an answer is over".to_owned()),
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
#[derive(Default)]
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
            audit_unread(context, request, TOO_LONG, Sender::Link(None), now).await?;
            return Ok(page::notice(
                413,
                "That is too long",
                "Nothing was recorded. A comment may have 2,000 characters; go back and shorten it.",
            ));
        }
        Err(BodyFault::Malformed) => {
            audit_unread(context, request, UNREADABLE, Sender::Link(None), now).await?;
            return Ok(page::notice(400, "That cannot be read", "Nothing was recorded."));
        }
    };
    let given = fields(&body);
    let Some(reader) = reader(context, request, &given.token, now).await? else {
        return Ok(page::notice(403, "This link is not valid", NOT_VALID));
    };
    let (approval, me) = (&reader.approval, &reader.me);
    if is_foreign(request, &context.pages) || !is_from_page(context, &reader, &given.nonce, now).await? {
        let why = "the answer did not come from the page";
        answer::audit(context, &approval.id, why, Sender::Link(Some(me)), now).await;
        return Ok(page::notice(403, "Not recorded", FOREIGN));
    }
    let Some(decision) = given.decision else {
        let why = "the answer neither accepts nor rejects";
        answer::audit(context, &approval.id, why, Sender::Link(Some(me)), now).await;
        return Ok(page::notice(
            400,
            "That cannot be read",
            "Nothing was recorded: press one of the buttons.",
        ));
    };
    let Some(via) = reader.via.clone() else {
        let refusal = approval.may_answer(me, now).err().unwrap_or(Refusal::TooLate);
        return Ok(not_recorded(approval, me, &refusal, now));
    };
    let ballot = Ballot {
        by: me.clone(),
        via,
        decision,
        comment: given.comment.clone(),
        ticked: given.ticked.clone(),
        at: now,
    };
    let answered = answer::take(context, approval, ballot, now).await?;
    match answered.refused {
        None => {
            let heading = match decision {
                Choice::Accept => "Thank you: you accepted",
                Choice::Reject => "Thank you: you rejected",
            };
            Ok(page::answered(200, &answered.approval, me, heading, now))
        }
        Some(refusal @ (Refusal::CommentMissing | Refusal::CommentTooLong)) => {
            let form = Form {
                complaint: Some(refusal.to_string()),
                comment: lines(&given.comment),
                ticked: given.ticked,
                ..Form::default()
            };
            asked(context, &reader, form, 422, &given.token, now).await
        }
        // As a second click sends it.
        Some(Refusal::Answered(given)) if given.decision == decision => {
            let heading = match decision {
                Choice::Accept => "You have answered already: you accepted",
                Choice::Reject => "You have answered already: you rejected",
            };
            Ok(page::answered(200, &answered.approval, me, heading, now))
        }
        Some(refusal) => Ok(not_recorded(&answered.approval, me, &refusal, now)),
    }
}

/// A text as its writer may go on with it: harmless, in the lines that it was written in.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| harmless(line, usize::MAX)).collect();
    lines.join("\n")
}

/// The page for an answer that does not count.
fn not_recorded(approval: &Approval, me: &Approver, refusal: &Refusal, now: Timestamp) -> Response {
    let status = if matches!(refusal, Refusal::WroteIt(_) | Refusal::NotAsked) {
        403
    } else {
        410
    };
    page::answered(status, approval, me, &format!("Not recorded: {refusal}"), now)
}

/// Whether the form has the nonce of a page that this reader opened.
async fn is_from_page(context: &Context, reader: &Reader, nonce: &str, now: Timestamp) -> Result<bool, Error> {
    let (id, me) = (&reader.approval.id, &reader.me);
    if check_nonce(&context.keys.keys(now).await?, id, me, nonce, now).is_ok() {
        return Ok(true);
    }
    // Whoever showed the page may know a newer key than we do.
    Ok(check_nonce(&context.keys.newest(now).await?, id, me, nonce, now).is_ok())
}

/// Keeps that somebody sent what is not read, where that was to an approval of ours.
async fn audit_unread(
    context: &Context,
    request: &Request,
    why: &str,
    sender: Sender<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Ok(id) = request.approval().parse::<ApprovalId>() {
        match context.ledger.approval(&id).await? {
            Some(_) => answer::audit(context, &id, why, sender, now).await,
            None => unknown(&id),
        }
    }
    Ok(())
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
        Err(BodyFault::TooLarge) => {
            audit_unread(context, request, TOO_LONG, Sender::Command(None, arn), now).await?;
            return Ok(tell(413, "refused", "the comment is too long", None));
        }
        Err(BodyFault::Malformed) => None,
    };
    let Some(said) = said else {
        audit_unread(context, request, UNREADABLE, Sender::Command(None, arn), now).await?;
        return Ok(tell(
            400,
            "refused",
            "the request is not what `lockgate approve` sends",
            None,
        ));
    };
    let id = request.approval().parse::<ApprovalId>();
    let approval = match &id {
        Ok(id) => context.ledger.approval(id).await?,
        Err(_) => None,
    };
    let Some(approval) = approval else {
        if let Ok(id) = &id {
            unknown(id);
        }
        return Ok(tell(404, "unknown", "nobody is asked about this deployment", None));
    };
    let person = approval.policy.person_of_arn(arn);
    let (Some(person), Ok(principal)) = (person, arn.parse()) else {
        let sentence = format!("{} is not among the people asked", harmless(arn, 200));
        answer::audit(context, &approval.id, NOT_ASKED, Sender::Command(None, arn), now).await;
        return Ok(tell(403, "refused", sentence, None));
    };
    let ballot = Ballot {
        by: person.name.clone(),
        via: Via::Command { arn: principal },
        decision: said.decision,
        comment: said.comment,
        ticked: Vec::new(),
        at: now,
    };
    let decision = ballot.decision;
    let answered = answer::take(context, &approval, ballot, now).await?;
    Ok(match answered.refused {
        None => tell(200, "counted", "your answer is recorded", Some(answered.approval)),
        // Whoever did not hear that it is recorded says it again.
        Some(Refusal::Answered(given)) if given.decision == decision => tell(
            200,
            "counted",
            "your answer was recorded before",
            Some(answered.approval),
        ),
        // There is no page that shows how it ended.
        Some(refusal @ Refusal::Over(_)) => {
            let sentence = format!("{refusal}: {}", answered.approval.cause());
            tell(409, "refused", sentence, Some(answered.approval))
        }
        Some(refusal) => tell(409, "refused", refusal.to_string(), Some(answered.approval)),
    })
}

/// What waits for whom, for `lockgate pending`.
async fn list(context: &Context, request: &Request, now: Timestamp) -> Result<Response, Error> {
    if request.caller().is_none() {
        return Ok(tell(403, "refused", "IAM names no caller", None));
    }
    let (waiting, more) = context.ledger.waiting_approvals(LISTED, now).await?;
    let waiting = waiting.iter().map(Waiting::from).collect();
    Ok(Response::json(200, &Listing { waiting, more }))
}
