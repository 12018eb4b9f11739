//! What the CDK bootstrap has made in a target account.

use domain::names::AccountId;

use crate::clients::{Aws, IDENTITY};
use crate::error::{Error, Kind, during};

/// Whether there is a bucket of this name, and it belongs to the account.
///
/// A missing object and a missing bucket are the same answer to whoever asks for the object.
///
/// # Errors
/// [`Kind::AccessDenied`] also where the bucket is somebody else's.
pub async fn has_bucket(target: &Aws, bucket: &str, owner: &AccountId) -> Result<bool, Error> {
    let request = target.s3().head_bucket().bucket(bucket);
    let answer = request.expected_bucket_owner(owner.as_str()).send().await;
    match answer.map_err(during("s3:ListBucket")) {
        Ok(_) => Ok(true),
        Err(error) if error.is(Kind::NotFound) => Ok(false),
        Err(error) => Err(Error {
            detail: format!("{bucket}: {}", error.detail),
            ..error
        }),
    }
}

/// The account that is acting.
pub async fn acting_account(aws: &Aws) -> Result<String, Error> {
    let account = aws.identity().await?.account;
    account.ok_or_else(|| Error::unexpected(IDENTITY, "the answer names no account"))
}
