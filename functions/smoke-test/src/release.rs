//! Reading the smoke tests that travelled in a release.

use aws::error::during;
use aws::{Aws, Kind};
use domain::names::Digest;
use domain::release::{INDEX_SIZE_LIMIT, Index, InvalidIndex, RelativePath, SMOKE_TESTS, index_key, object_key};
use domain::smoke_test::{LONGEST_FILE, SmokeTests};

use crate::Error;

/// The bucket that releases are in.
#[derive(Debug, Clone)]
pub struct Releases {
    /// The way to it.
    pub aws: Aws,
    /// Its name.
    pub bucket: String,
}

impl Releases {
    /// The smoke tests of a release; nothing, where it has none.
    pub async fn smoke_tests(&self, release: &Digest) -> Result<Option<SmokeTests>, Error> {
        let index = self.read(&index_key(release), INDEX_SIZE_LIMIT).await?;
        let index = Index::verify(&index, release).map_err(|error| match error {
            InvalidIndex::UnknownSchema(_) => Error::UnknownSchema(error.to_string()),
            error => Error::Altered(format!("release {}: {error}", release.short())),
        })?;
        let path: RelativePath = SMOKE_TESTS
            .parse()
            .map_err(|error| Error::Altered(format!("{error}")))?;
        let Some(file) = index.get(&path) else { return Ok(None) };
        let content = self.read(&object_key(&file.sha256), LONGEST_FILE as u64).await?;
        if Digest::of(&content) != file.sha256 {
            return Err(Error::Altered(format!(
                "{} does not have the content it is named by",
                object_key(&file.sha256)
            )));
        }
        let text = String::from_utf8(content).map_err(|_| Error::NoText)?;
        Ok(Some(text.parse()?))
    }

    /// An object, as long as it has at most so many bytes.
    async fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let operation = "s3:GetObject";
        let answer = self.aws.s3().get_object().bucket(&self.bucket).key(key).send().await;
        let object = answer.map_err(during(operation)).map_err(|error| match error.kind {
            Kind::NotFound => Error::Missing(format!("{key} is not in the artifacts bucket")),
            _ => Error::Aws(error),
        })?;
        let length = object.content_length.and_then(|length| u64::try_from(length).ok());
        if length.is_none_or(|length| length > limit) {
            return Err(Error::Altered(format!("{key} is longer than {limit} bytes")));
        }
        let bytes = object.body.collect().await.map_err(|error| {
            // The answer broke off while it was read; a reading can be repeated.
            Error::Aws(aws::Error {
                kind: Kind::Unanswered,
                operation,
                code: String::new(),
                detail: error.to_string(),
            })
        })?;
        Ok(bytes.to_vec())
    }
}
