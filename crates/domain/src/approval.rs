//! People decide whether a release may stay: who is asked, who may answer, and what their answers come to.
//!
//! One [`Approval`] is one record, and its transitions are pure: they say what the record is afterwards or why nothing
//! changed. Whoever calls them writes the record back on condition that nobody changed it meanwhile, and that write is
//! the decision. A link's token ([`Token`]) holds for one approver, one approval and one release, and is used up when
//! its approver has a ballot in the record.

pub mod checklist;
mod contributors;
mod policy;
mod principal;
mod record;
mod resources;
#[cfg(test)]
mod tests;
pub mod token;
mod waiting;

pub use self::checklist::{ChecklistItem, InvalidChecklist};
pub use self::contributors::{Contributor, Role, co_authors, is_same_person};
pub use self::policy::{ApprovalPolicy, Approver, Duty, Login, MailAddress, OnReject, Person, When};
pub use self::principal::{PrincipalArn, account_of, names_nobody, person_behind};
pub use self::record::{
    Act, Approval, ApprovalId, Ballot, COMMENT_LIMIT, Choice, CommitLine, Counted, Facts, IntegrationFacts, MailState,
    Outcome, Question, Refusal, StackFacts, Unlisted, Via,
};
pub use self::resources::{compared, joined, later, left_by};
pub use self::token::{BadToken, KeyId, Keys, Token};
pub use self::waiting::{Listing, Waiting};
