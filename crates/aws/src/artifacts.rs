//! Releases in S3: written once, named by their content, verified whenever they are read.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::assembly::{DOCUMENT_LIMIT, Publication};
use domain::failure::{Failure, Name};
use domain::names::{AccountId, Digest};
use domain::release::{INDEX_SIZE_LIMIT, Index, IndexedFile, InvalidIndex, index_key, object_key};

use crate::clients::Aws;
use crate::error::{Error, Kind, during};

/// The bucket that releases are in.
#[derive(Debug, Clone)]
pub struct Artifacts {
    client: aws_sdk_s3::Client,
    bucket: String,
}

/// Why something of a release cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArtifactError {
    /// It is not in the bucket.
    #[error("{0} is not in the artifacts bucket")]
    Missing(String),
    /// It does not have the content that it is named by.
    #[error("{key} is not what its name says: {detail}")]
    Altered {
        /// What was read.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It was written by another version of Lockgate.
    #[error("{0}")]
    UnknownSchema(String),
    /// AWS would not.
    #[error(transparent)]
    Aws(#[from] Error),
}

impl ArtifactError {
    /// The failure's name.
    pub fn name(&self) -> Name {
        match self {
            Self::Missing(_) => Name::ReleaseMissing,
            Self::Altered { .. } => Name::ReleaseAltered,
            Self::UnknownSchema(_) => Name::UnsupportedAssembly,
            Self::Aws(error) => error.name(),
        }
    }

    /// The failure, as the ledger keeps it.
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }
}

/// Whether something had to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It was.
    Now,
    /// It was there, with the same content.
    Before,
}

/// S3 answers "conflict" while somebody else writes the same key; by then it is written, or soon.
const PUT_ATTEMPTS: u32 = 3;

impl Artifacts {
    /// The artifacts bucket of this name.
    pub fn new(aws: &Aws, bucket: impl Into<String>) -> Self {
        Self {
            client: aws.s3(),
            bucket: bucket.into(),
        }
    }

    /// Stores a file under the digest of its content; S3 refuses it if the content is another.
    pub async fn put_object(&self, sha256: &Digest, path: &Path, size: u64) -> Result<Brought, ArtifactError> {
        let body = || async {
            let file = ByteStream::read_from().path(path).length(Length::Exact(size));
            file.build()
                .await
                .map_err(|error| Error::unexpected(PUT, format!("{}: {error}", path.display())))
        };
        self.put(&object_key(sha256), sha256, size, "application/octet-stream", body)
            .await
    }

    /// Stores a release's index, when everything it names is stored.
    pub async fn put_index(&self, index: &Index) -> Result<Brought, ArtifactError> {
        let bytes = index.canonical_bytes();
        let digest = index.digest();
        let size = bytes.len() as u64;
        let body = || async { Ok(ByteStream::from(bytes.clone())) };
        self.put(&index_key(&digest), &digest, size, "application/json", body)
            .await
    }

    async fn put<F: Future<Output = Result<ByteStream, Error>>>(
        &self,
        key: &str,
        sha256: &Digest,
        size: u64,
        content_type: &str,
        body: impl Fn() -> F,
    ) -> Result<Brought, ArtifactError> {
        let mut attempt = 1;
        loop {
            let answer = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .if_none_match("*")
                .checksum_sha256(base64(sha256)?)
                .content_length(i64::try_from(size).unwrap_or(i64::MAX))
                .content_type(content_type)
                .body(body().await?)
                .customize()
                .config_override(in_time_for(size, UPLOADED_PER_SECOND))
                .send()
                .await
                .map_err(during(PUT));
            match answer {
                Ok(_) => return Ok(Brought::Now),
                Err(error) if error.code == "ConditionalRequestConflict" && attempt < PUT_ATTEMPTS => attempt += 1,
                // Builds of other applications write here too, and nothing but their own honesty has them write under a
                // digest what has it.
                Err(error) if error.is(Kind::Conflict) => {
                    self.verify(key, sha256, size).await?;
                    return Ok(Brought::Before);
                }
                Err(error) => return Err(named(error, &self.bucket).into()),
            }
        }
    }

    /// The index of a release, exactly as it was written.
    pub async fn read_index(&self, release: &Digest) -> Result<Index, ArtifactError> {
        let key = index_key(release);
        let bytes = self.read(&key, INDEX_SIZE_LIMIT).await?;
        Index::verify(&bytes, release).map_err(|invalid| match invalid {
            InvalidIndex::UnknownSchema(_) => ArtifactError::UnknownSchema(invalid.to_string()),
            invalid => ArtifactError::Altered {
                key,
                detail: invalid.to_string(),
            },
        })
    }

    /// The content of a small file of a release, exactly as it was written.
    pub async fn read_object(&self, file: &IndexedFile) -> Result<Vec<u8>, ArtifactError> {
        let key = object_key(&file.sha256);
        let bytes = self.read(&key, file.size.min(DOCUMENT_LIMIT)).await?;
        let found = Digest::of(&bytes);
        if found != file.sha256 {
            let detail = format!("its content has the digest {found}");
            return Err(ArtifactError::Altered { key, detail });
        }
        Ok(bytes)
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        let operation = "s3:GetObject";
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let object = request
            .send()
            .await
            .map_err(during(operation))
            .map_err(|error| missing(error, key))?;
        let length = object.content_length.and_then(|length| u64::try_from(length).ok());
        if length.is_none_or(|length| length > limit) {
            return Err(ArtifactError::Altered {
                key: key.to_owned(),
                detail: format!("it has more than {limit} bytes"),
            });
        }
        let bytes = object.body.collect().await.map_err(|error| Error {
            // The answer broke off; a reading can be repeated.
            kind: Kind::Unanswered,
            operation,
            code: String::new(),
            detail: error.to_string(),
        })?;
        Ok(bytes.to_vec())
    }

    /// Whether a file of a release is there with the content that it is named by, as S3 computed it on arrival.
    pub async fn verify_object(&self, file: &IndexedFile) -> Result<(), ArtifactError> {
        self.verify(&object_key(&file.sha256), &file.sha256, file.size).await
    }

    /// S3 keeps the checksum that a write sent, once it has computed the same; a write that sent none, or another kind, is
    /// none of ours.
    async fn verify(&self, key: &str, sha256: &Digest, expected: u64) -> Result<(), ArtifactError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(during("s3:HeadObject"))
            .map_err(|error| missing(error, key))?;
        let size = head.content_length.and_then(|length| u64::try_from(length).ok());
        if size != Some(expected) || head.checksum_sha256 != Some(base64(sha256)?) {
            return Err(ArtifactError::Altered {
                key: key.to_owned(),
                detail: format!(
                    "S3 holds {} bytes with the checksum {}",
                    size.unwrap_or_default(),
                    head.checksum_sha256.unwrap_or("none".to_owned()),
                ),
            });
        }
        Ok(())
    }

    /// Copies a file of a release to where an environment needs it, inside S3, acting as that environment's publisher.
    ///
    /// An object that is there already is left alone only if S3 knows that it has this very content: the keys are
    /// chosen by the application. The bucket has to belong to `owner`, since anybody can make one of a name that is
    /// known, and those of CDK bootstraps are (aws-cdk issue 31885).
    pub async fn copy(
        &self,
        publisher: &Aws,
        publication: &Publication,
        owner: &AccountId,
    ) -> Result<Brought, ArtifactError> {
        let client = publisher.s3();
        let to = &publication.to;
        let checksum = base64(&publication.sha256)?;
        let there = client
            .head_object()
            .bucket(&to.bucket)
            .key(&to.key)
            .checksum_mode(ChecksumMode::Enabled)
            .expected_bucket_owner(owner.as_str())
            .send()
            .await
            .map_err(during("s3:HeadObject"));
        match there {
            Ok(head) if head.checksum_sha256.as_ref() == Some(&checksum) => return Ok(Brought::Before),
            Ok(_) => {}
            Err(error) if error.is(Kind::NotFound) => {}
            Err(error) => return Err(named(error, &to.bucket).into()),
        }
        let key = object_key(&publication.sha256);
        let copied = client
            .copy_object()
            .copy_source(format!("{}/{key}", self.bucket))
            .bucket(&to.bucket)
            .key(&to.key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .expected_bucket_owner(owner.as_str())
            .customize()
            .config_override(in_time_for(publication.size, COPIED_PER_SECOND))
            .send()
            .await
            .map_err(during("s3:CopyObject"))
            .map_err(|error| missing(named(error, &to.bucket), &key))?;
        let found = copied.copy_object_result.and_then(|result| result.checksum_sha256);
        if found.as_ref() != Some(&checksum) {
            let detail = format!("its copy has the checksum {}", found.unwrap_or("none".to_owned()));
            return Err(ArtifactError::Altered { key, detail });
        }
        Ok(Brought::Now)
    }
}

const PUT: &str = "s3:PutObject";

/// The slowest that still counts as going on: below, the call is given up and tried again.
const UPLOADED_PER_SECOND: u64 = 500_000;
const COPIED_PER_SECOND: u64 = 20_000_000;

fn in_time_for(size: u64, per_second: u64) -> aws_sdk_s3::config::Builder {
    let attempt = Duration::from_secs(20 + size / per_second);
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt * 4);
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts.build())
}

/// S3 writes checksums in base64.
fn base64(sha256: &Digest) -> Result<String, Error> {
    hex::decode(sha256.as_str())
        .map(|bytes| BASE64_STANDARD.encode(bytes))
        .map_err(|error| Error::unexpected(PUT, error.to_string()))
}

fn missing(error: Error, key: &str) -> ArtifactError {
    if error.is(Kind::NotFound) {
        ArtifactError::Missing(key.to_owned())
    } else {
        // Whoever may read a bucket but not list it is told "access denied" of what is not there.
        named(error, key).into()
    }
}

fn named(error: Error, what: &str) -> Error {
    Error {
        detail: format!("{what}: {}", error.detail),
        ..error
    }
}
