//! Releases: written once, and verified whenever they are read.

use aws::artifacts::{ArtifactError, Artifacts, Brought};
use aws::{Aws, Kind};
use domain::assembly::{Location, Publication};
use domain::failure::Name;
use domain::names::{AccountId, Digest};
use domain::release::{Index, IndexedFile, Packaging, index_key, object_key};
use fake_aws::sample::ARTIFACTS;
use fake_aws::{FakeAws, Fate};

const TEMPLATE: &[u8] = b"{}";
const BOOTSTRAP: &str = "cdk-assets";

fn file() -> IndexedFile {
    IndexedFile {
        path: "template.json".parse().unwrap(),
        sha256: Digest::of(TEMPLATE),
        size: TEMPLATE.len() as u64,
        packaging: Packaging::File,
    }
}

fn object() -> String {
    format!("{ARTIFACTS}/{}", object_key(&Digest::of(TEMPLATE)))
}

fn publication() -> Publication {
    Publication {
        sha256: file().sha256,
        size: file().size,
        to: Location {
            bucket: BOOTSTRAP.to_owned(),
            key: "template.json".to_owned(),
        },
    }
}

fn owner() -> AccountId {
    "222222222222".parse().unwrap()
}

/// A bucket with a release of one file, and a bootstrap bucket.
async fn stored() -> (FakeAws, Aws, Artifacts, Digest) {
    let aws = FakeAws::default();
    let release = aws.stores(&[("template.json", TEMPLATE)]);
    aws.state().buckets.extend([ARTIFACTS, BOOTSTRAP].map(str::to_owned));
    let way = Aws::with(aws.patient_config().await);
    let artifacts = Artifacts::new(&way, ARTIFACTS);
    (aws, way, artifacts, release)
}

#[tokio::test]
async fn what_is_written_twice_was_there_the_second_time() {
    let (aws, _, artifacts, _) = stored().await;
    let mut other = file();
    other.path = "other.json".parse().unwrap();
    let index = Index::new(vec![other]).unwrap();
    assert_eq!(artifacts.put_index(&index).await.unwrap(), Brought::Now);
    assert_eq!(artifacts.put_index(&index).await.unwrap(), Brought::Before);
    assert_eq!(artifacts.read_index(&index.digest()).await.unwrap(), index);
    assert!(aws.calls("PutObject").iter().all(|call| call["IfNoneMatch"] == "*"));
}

#[tokio::test]
async fn a_file_is_stored_under_its_digest_and_s3_refuses_another_content() {
    let (aws, _, artifacts, _) = stored().await;
    let folder = std::env::temp_dir().join(format!("lockgate-releases-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("file");
    std::fs::write(&path, b"content").unwrap();
    let digest = Digest::of(b"content");
    assert_eq!(artifacts.put_object(&digest, &path, 7).await.unwrap(), Brought::Now);
    assert_eq!(
        aws.state().objects[&format!("{ARTIFACTS}/{}", object_key(&digest))],
        b"content"
    );
    let another = Digest::of(b"another");
    assert!(artifacts.put_object(&another, &path, 7).await.is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_write_that_meets_another_is_tried_again_and_one_whose_answer_got_lost_was_done() {
    let (aws, _, artifacts, _) = stored().await;
    let mut other = file();
    other.path = "other.json".parse().unwrap();
    let index = Index::new(vec![other.clone()]).unwrap();
    aws.fates(
        "PutObject",
        [Fate::Refused("ConditionalRequestConflict"), Fate::Unanswered],
    );
    assert_eq!(artifacts.put_index(&index).await.unwrap(), Brought::Before);
    assert_eq!(aws.count("PutObject"), 3);

    other.path = "third.json".parse().unwrap();
    aws.fates("PutObject", [Fate::Refused("AccessDenied")]);
    let error = artifacts
        .put_index(&Index::new(vec![other]).unwrap())
        .await
        .unwrap_err();
    let ArtifactError::Aws(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.kind, Kind::AccessDenied);
    assert!(error.detail.starts_with("artifacts: "), "{error}");
}

#[tokio::test]
async fn what_another_build_wrote_under_a_digest_is_not_taken_for_what_has_it() {
    let (aws, _, artifacts, _) = stored().await;
    let mut other = file();
    other.path = "other.json".parse().unwrap();
    let index = Index::new(vec![other]).unwrap();
    let key = index_key(&index.digest());
    let size = index.canonical_bytes().len();

    // As long as the real one, and of another content.
    aws.state()
        .objects
        .insert(format!("{ARTIFACTS}/{key}"), vec![b' '; size]);
    let error = artifacts.put_index(&index).await.unwrap_err();
    assert_eq!(error.name(), Name::ReleaseAltered);
    let told = format!("{key} is not what its name says: S3 holds {size} bytes with the checksum ");
    assert!(error.to_string().starts_with(&told), "{error}");

    // A write that met others until it gave up, and nothing is there.
    aws.state().objects.remove(&format!("{ARTIFACTS}/{key}"));
    let conflict = || Fate::Refused("ConditionalRequestConflict");
    aws.fates("PutObject", [conflict(), conflict(), conflict()]);
    let error = artifacts.put_index(&index).await.unwrap_err();
    assert_eq!(error.name(), Name::ReleaseMissing);
}

#[tokio::test]
async fn what_is_read_is_what_its_digest_names() {
    let (_, _, artifacts, release) = stored().await;
    let index = artifacts.read_index(&release).await.unwrap();
    assert_eq!(index.files(), [file()]);
    assert_eq!(artifacts.read_object(&file()).await.unwrap(), TEMPLATE);
    artifacts.verify_object(&file()).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_altered_or_of_another_version_is_refused_by_name() {
    let (aws, _, artifacts, release) = stored().await;
    let index = format!("{ARTIFACTS}/{}", index_key(&release));
    let refused = async || artifacts.read_index(&release).await.unwrap_err().name();

    aws.state().objects.get_mut(&index).unwrap().push(b' ');
    assert_eq!(refused().await, Name::ReleaseAltered);
    aws.state().objects.insert(index.clone(), vec![b' '; 9 * 1024 * 1024]);
    assert_eq!(refused().await, Name::ReleaseAltered);
    aws.state().objects.remove(&index);
    assert_eq!(refused().await, Name::ReleaseMissing);

    let newer = br#"{"schema":99,"files":[]}"#;
    let release = Digest::of(newer);
    aws.state()
        .objects
        .insert(format!("{ARTIFACTS}/{}", index_key(&release)), newer.to_vec());
    let error = artifacts.read_index(&release).await.unwrap_err();
    assert_eq!(error.name(), Name::UnsupportedAssembly, "{error}");
}

#[tokio::test]
async fn an_object_of_another_content_or_length_is_refused() {
    let (aws, _, artifacts, _) = stored().await;
    let refused = async || {
        let error = artifacts.read_object(&file()).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Altered { .. }), "{error}");
    };
    aws.state().objects.insert(object(), b"[]".to_vec());
    refused().await;
    aws.state().objects.insert(object(), b"{} ".to_vec());
    refused().await;
    assert_eq!(
        artifacts.verify_object(&file()).await.unwrap_err().name(),
        Name::ReleaseAltered
    );
    aws.state().objects.remove(&object());
    assert_eq!(
        artifacts.verify_object(&file()).await.unwrap_err().name(),
        Name::ReleaseMissing
    );
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_says_nothing_about_the_release() {
    let (aws, _, artifacts, release) = stored().await;
    aws.fates("GetObject", (0..4).map(|_| Fate::Refused("SlowDown")));
    assert_eq!(
        artifacts.read_index(&release).await.unwrap_err().name(),
        Name::Throttled
    );
    aws.fates("GetObject", [Fate::Refused("AccessDenied")]);
    let error = artifacts.read_index(&release).await.unwrap_err();
    assert_eq!(error.name(), Name::AccessDenied);
    assert!(error.to_string().contains(&index_key(&release)), "{error}");
}

#[tokio::test]
async fn a_copy_is_made_unless_s3_knows_that_this_very_content_is_there() {
    let (aws, way, artifacts, _) = stored().await;
    let copy = async || artifacts.copy(&way, &publication(), &owner()).await;
    assert_eq!(copy().await.unwrap(), Brought::Now);
    assert_eq!(copy().await.unwrap(), Brought::Before);
    let there = format!("{BOOTSTRAP}/template.json");
    aws.state().objects.insert(there.clone(), b"planted".to_vec());
    assert_eq!(copy().await.unwrap(), Brought::Now);
    assert_eq!(aws.state().objects[&there], TEMPLATE);
    for call in [aws.calls("HeadObject"), aws.calls("CopyObject")].concat() {
        assert_eq!(call["ExpectedBucketOwner"], "222222222222");
    }
}

#[tokio::test]
async fn a_copy_of_something_else_is_not_what_was_asked_for() {
    let (aws, way, artifacts, _) = stored().await;
    aws.state().objects.insert(object(), b"planted".to_vec());
    let error = artifacts.copy(&way, &publication(), &owner()).await.unwrap_err();
    assert_eq!(error.name(), Name::ReleaseAltered);
    aws.state().objects.clear();
    let error = artifacts.copy(&way, &publication(), &owner()).await.unwrap_err();
    assert_eq!(error.name(), Name::ReleaseMissing);
}
