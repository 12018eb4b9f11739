//! What a change set would change, and what of it is told to people.

use serde::{Deserialize, Serialize};

use crate::harmless::harmless;

/// One row of a change set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it does.
    pub action: Action,
    /// The resource's name in the template.
    pub logical_id: String,
    /// The resource's type.
    pub resource_type: String,
    /// Whether a modified resource becomes another one.
    pub replacement: Replacement,
    /// What becomes of the old resource, where CloudFormation says so.
    pub policy: Option<Policy>,
}

/// What a change does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed, or brought back to what the template says.
    Modify,
    /// It leaves the stack.
    Remove,
    /// An existing one comes into the stack.
    Import,
    /// CloudFormation cannot tell before it tries.
    Dynamic,
}

impl From<&str> for Action {
    fn from(text: &str) -> Self {
        match text {
            "Add" => Self::Add,
            "Modify" | "SyncWithActual" => Self::Modify,
            "Remove" => Self::Remove,
            "Import" => Self::Import,
            _ => Self::Dynamic,
        }
    }
}

/// Whether a changed resource becomes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Replacement {
    /// It stays the same one.
    Never,
    /// Depends on a value that only the execution knows.
    Conditional,
    /// It is replaced.
    Always,
}

impl From<Option<&str>> for Replacement {
    fn from(text: Option<&str>) -> Self {
        match text {
            Some("True") => Self::Always,
            None | Some("False") => Self::Never,
            Some(_) => Self::Conditional,
        }
    }
}

/// What becomes of a resource that a change leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "they are CloudFormation's own words")]
pub enum Policy {
    Delete,
    Retain,
    Snapshot,
    ReplaceAndDelete,
    ReplaceAndRetain,
    ReplaceAndSnapshot,
}

impl Policy {
    /// The policy of this name; `None` for one that is newer than this program.
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "Delete" => Some(Self::Delete),
            "Retain" => Some(Self::Retain),
            "Snapshot" => Some(Self::Snapshot),
            "ReplaceAndDelete" => Some(Self::ReplaceAndDelete),
            "ReplaceAndRetain" => Some(Self::ReplaceAndRetain),
            "ReplaceAndSnapshot" => Some(Self::ReplaceAndSnapshot),
            _ => None,
        }
    }

    fn keeps(self) -> bool {
        matches!(
            self,
            Self::Retain | Self::Snapshot | Self::ReplaceAndRetain | Self::ReplaceAndSnapshot
        )
    }
}

/// What a change set would do, small enough for the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many resources are made.
    pub add: u32,
    /// How many are changed.
    pub modify: u32,
    /// How many leave the stack.
    pub remove: u32,
    /// How many come into the stack.
    pub import: u32,
    /// How many of which CloudFormation cannot tell.
    pub dynamic: u32,
    /// How many resources that hold data would be lost; none means that the way back is open.
    pub data_lost: u32,
    /// The resources that are replaced or leave, those that hold data first; at most [`Summary::LOSSES_LIMIT`].
    pub losses: Vec<Loss>,
    /// How many losses there was no room for.
    pub truncated: u32,
    /// The resources that are made, changed or imported and are no losses, in the order of the change set; at most
    /// [`Summary::CHANGES_LIMIT`]. Records from before they were kept have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
}

/// A resource that is new, or stays what it was with something about it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// What is done to it.
    pub action: Action,
}

/// A resource that does not stay what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// How it goes.
    pub how: How,
    /// Whether it is of a type that holds data.
    pub stateful: bool,
    /// Whether the old one, or a snapshot of it, is kept outside the stack.
    pub kept: bool,
}

/// How a resource goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It leaves the stack.
    Removed,
    /// Another takes its place.
    Replaced,
    /// Another may take its place.
    MayBeReplaced,
}

impl Summary {
    /// The most losses that are listed; with names cut to [`Summary::NAME_LIMIT`] they stay below 4 KiB.
    pub const LOSSES_LIMIT: usize = 12;
    /// The most other changes that are listed, below 5 KiB.
    pub const CHANGES_LIMIT: usize = 20;
    /// The most characters of a name.
    pub const NAME_LIMIT: usize = 80;

    /// Sums up the rows of a change set.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut summary = Self::default();
        for change in changes {
            *summary.count_of(change.action) += 1;
            if let Some(loss) = loss(change) {
                summary.data_lost += u32::from(loss.stateful && !loss.kept);
                summary.losses.push(loss);
            } else {
                summary.changes.push(Changed {
                    logical_id: harmless(&change.logical_id, Self::NAME_LIMIT),
                    resource_type: harmless(&change.resource_type, Self::NAME_LIMIT),
                    action: change.action,
                });
            }
        }
        summary.fit();
        summary
    }

    /// What this change set did and then the `later` one of the same stack. A resource that both list with the same thing
    /// done to it is one; of what they only count, nobody can tell.
    #[must_use]
    pub fn and_then(&self, later: &Self) -> Self {
        let mut both = Self {
            add: self.add.saturating_add(later.add),
            modify: self.modify.saturating_add(later.modify),
            remove: self.remove.saturating_add(later.remove),
            import: self.import.saturating_add(later.import),
            dynamic: self.dynamic.saturating_add(later.dynamic),
            data_lost: self.data_lost.saturating_add(later.data_lost),
            losses: self.losses.clone(),
            truncated: self.truncated.saturating_add(later.truncated),
            changes: self.changes.clone(),
        };
        for loss in &later.losses {
            if both.losses.contains(loss) {
                // A row that CloudFormation calls dynamic may be replaced, and so may one that it calls modified.
                let action = match loss.how {
                    How::Removed => Action::Remove,
                    _ if both.modify > 0 => Action::Modify,
                    _ => Action::Dynamic,
                };
                both.forget_one(action);
                both.data_lost = both.data_lost.saturating_sub(u32::from(loss.stateful && !loss.kept));
            } else {
                both.losses.push(loss.clone());
            }
        }
        for change in &later.changes {
            if both.changes.contains(change) {
                both.forget_one(change.action);
            } else {
                both.changes.push(change.clone());
            }
        }
        both.fit();
        both
    }

    fn count_of(&mut self, action: Action) -> &mut u32 {
        match action {
            Action::Add => &mut self.add,
            Action::Modify => &mut self.modify,
            Action::Remove => &mut self.remove,
            Action::Import => &mut self.import,
            Action::Dynamic => &mut self.dynamic,
        }
    }

    fn forget_one(&mut self, action: Action) {
        let count = self.count_of(action);
        *count = count.saturating_sub(1);
    }

    /// Puts what matters first, and leaves out what there is no room for.
    fn fit(&mut self) {
        self.losses.sort_by(|a, b| {
            let order = |loss: &Loss| (!loss.stateful, loss.kept, loss.how);
            order(a).cmp(&order(b)).then_with(|| a.logical_id.cmp(&b.logical_id))
        });
        self.keep_losses(Self::LOSSES_LIMIT);
        self.changes.truncate(Self::CHANGES_LIMIT);
    }

    /// Leaves out all but the first losses, and counts them.
    pub(crate) fn keep_losses(&mut self, most: usize) {
        let over = self.losses.len().saturating_sub(most);
        self.losses.truncate(most);
        self.truncated = self.truncated.saturating_add(u32::try_from(over).unwrap_or(u32::MAX));
    }

    /// How many resources are neither listed nor counted as losses; none where no change is listed at all.
    pub fn more_changes(&self) -> u32 {
        if self.changes.is_empty() {
            return 0;
        }
        let all = [self.add, self.modify, self.remove, self.import, self.dynamic];
        let all = all.into_iter().fold(0, u32::saturating_add);
        let listed = u32::try_from(self.losses.len() + self.changes.len()).unwrap_or(u32::MAX);
        all.saturating_sub(listed.saturating_add(self.truncated))
    }
}

fn loss(change: &Change) -> Option<Loss> {
    let how = match (change.action, change.replacement) {
        (Action::Remove, _) => How::Removed,
        (Action::Modify | Action::Dynamic, Replacement::Always) => How::Replaced,
        (Action::Modify | Action::Dynamic, Replacement::Conditional) => How::MayBeReplaced,
        _ => return None,
    };
    Some(Loss {
        logical_id: harmless(&change.logical_id, Summary::NAME_LIMIT),
        resource_type: harmless(&change.resource_type, Summary::NAME_LIMIT),
        how,
        stateful: is_stateful(&change.resource_type),
        kept: change.policy.is_some_and(Policy::keeps),
    })
}

/// Whether resources of this type hold data that making them again does not bring back.
///
/// All that cfn-lint counts as stateful (1.58, `StatefulResources.json`, behind its rule I3011), nested stacks among them
/// because of what they may hold, and what has come to AWS since or belongs beside those.
pub fn is_stateful(resource_type: &str) -> bool {
    STATEFUL.binary_search(&resource_type).is_ok()
}

/// Sorted, for the search.
const STATEFUL: [&str; 56] = [
    "AWS::ACMPCA::CertificateAuthority",
    "AWS::AmazonMQ::Broker",
    "AWS::Backup::BackupVault",
    "AWS::Cassandra::Keyspace",
    "AWS::Cassandra::Table",
    "AWS::CloudFormation::Stack",
    "AWS::CloudTrail::EventDataStore",
    "AWS::CodeArtifact::Repository",
    "AWS::CodeCommit::Repository",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::UserPool",
    "AWS::DAX::Cluster",
    "AWS::DSQL::Cluster",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Volume",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::EMR::Cluster",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::FSx::FileSystem",
    "AWS::FSx::Volume",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Logs::LogGroup",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::MemoryDB::Cluster",
    "AWS::Neptune::DBCluster",
    "AWS::Neptune::DBInstance",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain",
    "AWS::Organizations::Account",
    "AWS::QLDB::Ledger",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::GlobalCluster",
    "AWS::Redshift::Cluster",
    "AWS::RedshiftServerless::Namespace",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::S3Tables::Table",
    "AWS::S3Tables::TableBucket",
    "AWS::SDB::Domain",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Timestream::Database",
    "AWS::Timestream::Table",
];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    fn change(
        action: &str,
        logical_id: &str,
        resource_type: &str,
        replacement: Option<&str>,
        policy: Option<&str>,
    ) -> Change {
        Change {
            action: action.into(),
            logical_id: logical_id.to_owned(),
            resource_type: resource_type.to_owned(),
            replacement: replacement.into(),
            policy: policy.and_then(Policy::named),
        }
    }

    #[test]
    fn a_summary_says_first_what_would_be_lost() {
        let summary = Summary::of(&[
            change("Add", "Topic", "AWS::SNS::Topic", None, None),
            change("Modify", "Handler", "AWS::Lambda::Function", Some("False"), None),
            change("Modify", "Rule", "AWS::Events::Rule", Some("Conditional"), None),
            change(
                "Modify",
                "Orders",
                "AWS::DynamoDB::Table",
                Some("True"),
                Some("ReplaceAndRetain"),
            ),
            change("Remove", "Bucket", "AWS::S3::Bucket", None, Some("Delete")),
            change("Import", "Key", "AWS::KMS::Key", None, None),
            change("Dynamic", "Macro", "AWS::Lambda::Function", None, None),
        ]);
        insta::assert_json_snapshot!(summary, @r#"
        {
          "add": 1,
          "modify": 3,
          "remove": 1,
          "import": 1,
          "dynamic": 1,
          "data_lost": 1,
          "losses": [
            {
              "logical_id": "Bucket",
              "resource_type": "AWS::S3::Bucket",
              "how": "removed",
              "stateful": true,
              "kept": false
            },
            {
              "logical_id": "Orders",
              "resource_type": "AWS::DynamoDB::Table",
              "how": "replaced",
              "stateful": true,
              "kept": true
            },
            {
              "logical_id": "Rule",
              "resource_type": "AWS::Events::Rule",
              "how": "may_be_replaced",
              "stateful": false,
              "kept": false
            }
          ],
          "truncated": 0,
          "changes": [
            {
              "logical_id": "Topic",
              "resource_type": "AWS::SNS::Topic",
              "action": "add"
            },
            {
              "logical_id": "Handler",
              "resource_type": "AWS::Lambda::Function",
              "action": "modify"
            },
            {
              "logical_id": "Key",
              "resource_type": "AWS::KMS::Key",
              "action": "import"
            },
            {
              "logical_id": "Macro",
              "resource_type": "AWS::Lambda::Function",
              "action": "dynamic"
            }
          ]
        }
        "#);
        assert_eq!(summary.more_changes(), 0);
        // What was kept before changes were listed is read as it is.
        let mut old = serde_json::to_value(&summary).unwrap();
        old.as_object_mut().unwrap().remove("changes");
        let old: Summary = serde_json::from_value(old).unwrap();
        assert_eq!((old.add, old.losses.len(), old.more_changes()), (1, 3, 0));
    }

    #[test]
    fn of_two_change_sets_in_a_row_nothing_is_left_out() {
        let first = Summary::of(&[
            change("Modify", "Orders", "AWS::DynamoDB::Table", Some("True"), None),
            change("Add", "Topic", "AWS::SNS::Topic", None, None),
        ]);
        let second = Summary::of(&[
            change("Modify", "Topic", "AWS::SNS::Topic", None, None),
            change("Remove", "Rule", "AWS::Events::Rule", None, None),
        ]);
        let both = first.and_then(&second);
        assert_eq!((both.add, both.modify, both.remove, both.data_lost), (1, 2, 1, 1));
        let losses: Vec<&str> = both.losses.iter().map(|loss| loss.logical_id.as_str()).collect();
        assert_eq!(losses, ["Orders", "Rule"]);
        let changes: Vec<_> = both
            .changes
            .iter()
            .map(|one| (one.logical_id.as_str(), one.action))
            .collect();
        assert_eq!(changes, [("Topic", Action::Add), ("Topic", Action::Modify)]);
        // The same once more is the same, and nobody is told of more than there is.
        assert_eq!(both.and_then(&first), both);
        assert_eq!((both.more_changes(), both.data_lost), (0, 1));
        assert_eq!(Summary::default().and_then(&second), second);
    }

    #[test]
    fn a_summary_stays_small() {
        let long = "x".repeat(500);
        let changes: Vec<Change> = (0..500)
            .map(|at| {
                change(
                    "Remove",
                    &format!("{long}{at}"),
                    if at == 499 { "AWS::S3::Bucket" } else { &long },
                    None,
                    None,
                )
            })
            .collect();
        let summary = Summary::of(&changes);
        assert_eq!((summary.remove, summary.data_lost, summary.truncated), (500, 1, 488));
        assert!(summary.losses[0].stateful);
        assert!(serde_json::to_vec(&summary).unwrap().len() < 4096);
        let added: Vec<Change> = (0..500)
            .map(|at| change("Add", &format!("{at}{long}"), &long, None, None))
            .collect();
        let more = Summary::of(&added);
        assert_eq!((more.changes.len(), more.more_changes()), (20, 480));
        assert!(serde_json::to_vec(&more).unwrap().len() < 5 * 1024);
        let both = summary.and_then(&more);
        assert_eq!((both.truncated, both.more_changes()), (488, 480));
        assert!(serde_json::to_vec(&both).unwrap().len() < 9 * 1024);
    }

    #[test]
    fn the_stateful_types_are_sorted_and_named_once() {
        assert!(STATEFUL.is_sorted_by(|a, b| a < b));
        assert!(is_stateful("AWS::RDS::DBInstance") && !is_stateful("AWS::Lambda::Function"));
    }
}
