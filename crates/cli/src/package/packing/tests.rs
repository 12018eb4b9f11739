#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;

const MANIFEST: &str = r#"{"version":"48.0.0","artifacts":{
  "web.assets":{"type":"cdk:asset-manifest","properties":{"file":"web.assets.json"}},
  "web":{"type":"aws:cloudformation:stack","environment":"aws://222222222222/eu-west-1","dependencies":["web.assets"],
    "properties":{"templateFile":"web.template.json"},"additionalMetadataFile":"web.metadata.json"}}}"#;

const ASSETS: &str = r#"{"version":"48.0.0","files":{
  "code":{"source":{"path":"asset.code","packaging":"zip"},"destinations":{"here":{"bucketName":"b","objectKey":"code.zip"}}},
  "same":{"source":{"path":"asset.same","packaging":"file"},"destinations":{"here":{"bucketName":"b","objectKey":"same"}}}}}"#;

/// The files of a small application, in the order in which they are written.
const FILES: [(&str, &str); 8] = [
    ("cdk.out/manifest.json", MANIFEST),
    ("cdk.out/web.assets.json", ASSETS),
    (
        "cdk.out/web.metadata.json",
        r#"{"/web":[{"type":"aws:cdk:warning","data":"an old runtime"}]}"#,
    ),
    ("cdk.out/web.template.json", "{}"),
    ("cdk.out/asset.same", "{}"),
    ("cdk.out/asset.code/index.py", "print('tea')\n"),
    ("cdk.out/asset.code/shop/orders.py", "ORDERS = []\n"),
    ("lockgate.uat.md", "Is the tea hot?\n"),
];

struct Tree(TempDir);

impl Tree {
    fn new<'a>(files: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Self {
        let tree = Self(TempDir::new().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    fn shop() -> Self {
        Self::new(&FILES)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn pack(&self) -> Result<Packed, Refused> {
        pack(&self.path("cdk.out"), self.0.path(), &mut |_| {})
    }

    fn digest(&self) -> Digest {
        self.pack().unwrap().index.digest()
    }

    fn refusal(&self) -> String {
        self.pack()
            .unwrap_err()
            .to_string()
            .replace(&self.0.path().display().to_string(), "")
    }
}

#[test]
fn a_release_holds_what_is_deployed_and_nothing_of_the_machine() {
    let tree = Tree::shop();
    let packed = tree.pack().unwrap();
    let files: Vec<String> = packed
        .index
        .files()
        .iter()
        .map(|file| format!("{:?} {}", file.packaging, file.path))
        .collect();
    insta::assert_snapshot!(files.join("\n"), @"
    Zip asset.code
    File asset.same
    File lockgate.uat.md
    File manifest.json
    File web.assets.json
    File web.template.json
    ");
    assert_eq!(packed.warnings, ["web: an old runtime"]);
    // The template and one asset have the same content, which is sent once.
    assert_eq!(packed.sources.len(), packed.index.files().len() - 1);
    for source in &packed.sources {
        assert_eq!(
            Digest::of(&fs::read(source.path()).unwrap()),
            source.sha256,
            "{}",
            source.name
        );
    }
}

#[test]
fn the_same_tree_is_the_same_release() {
    let one = Tree::shop();
    assert_eq!(one.digest(), one.digest());

    // Written in another order, at another time, by somebody with another umask.
    let other = Tree::new(FILES.iter().rev());
    for (at, (path, _)) in FILES.iter().enumerate() {
        let file = File::options().write(true).open(other.path(path)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(400_000 + at as u64))
            .unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(other.path("cdk.out/asset.code/empty")).unwrap();
    assert_eq!(one.digest(), other.digest());

    // What tells of the machine is not of the release.
    other.write(
        "cdk.out/web.metadata.json",
        r#"{"/web":[{"type":"aws:cdk:creationStack","data":["elsewhere:1"]}]}"#,
    );
    other.write("cdk.out/tree.json", "{}");
    assert_eq!(one.digest(), other.digest());
}

#[test]
fn another_tree_is_another_release() {
    let digest = Tree::shop().digest();
    for (path, text) in [
        ("cdk.out/asset.code/index.py", "print('Tea')\n"),
        ("cdk.out/asset.code/new.py", ""),
        ("cdk.out/asset.same", "{} "),
        ("cdk.out/web.template.json", "[]"),
        ("lockgate.uat.md", "Is it tea?\n"),
        (
            "lockgate.smoke.toml",
            "[[http]]\nname = \"health\"\nurl = \"${web.Url}/health\"\n",
        ),
        ("lockgate.integration.yml", "version: 0.2\n"),
    ] {
        let tree = Tree::shop();
        tree.write(path, text);
        assert_ne!(tree.digest(), digest, "{path}");
    }
    let executable = Tree::shop();
    let script = executable.path("cdk.out/asset.code/index.py");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    assert_ne!(executable.digest(), digest);
}

#[test]
fn a_zip_has_sorted_names_fixed_times_and_two_kinds_of_permissions() {
    let tree = Tree::shop();
    tree.write("cdk.out/asset.code/bin/run", "#!/bin/sh\n");
    fs::set_permissions(
        tree.path("cdk.out/asset.code/bin/run"),
        fs::Permissions::from_mode(0o711),
    )
    .unwrap();
    symlink("index.py", tree.path("cdk.out/asset.code/alias.py")).unwrap();
    symlink("shop", tree.path("cdk.out/asset.code/again")).unwrap();
    let file = zipped(&tree.path("cdk.out/asset.code")).unwrap();
    let mut zip = zip::ZipArchive::new(file.reopen().unwrap()).unwrap();
    let rows: Vec<String> = (0..zip.len())
        .map(|at| {
            let entry = zip.by_index(at).unwrap();
            let time = entry.last_modified().unwrap();
            format!(
                "{:o} {time} {} {}",
                entry.unix_mode().unwrap(),
                entry.size(),
                entry.name().unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @"
    100644 1980-01-01 00:00:00 12 again/orders.py
    100644 1980-01-01 00:00:00 13 alias.py
    100755 1980-01-01 00:00:00 10 bin/run
    100644 1980-01-01 00:00:00 13 index.py
    100644 1980-01-01 00:00:00 12 shop/orders.py
    ");
}

#[test]
fn a_zip_does_not_change_from_one_version_to_the_next() {
    // Whoever changes this gives every application a new digest for the same code.
    insta::assert_snapshot!(Tree::shop().digest(), @"857d885c1158165e8bde2414a5ce5669a341e06af8636dfd1f8462f3226fd66e");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let tree = Tree::shop();
    tree.write("cdk.out/web.template.json", &" ".repeat(1_048_577));
    fs::remove_dir_all(tree.path("cdk.out/asset.code")).unwrap();
    fs::remove_file(tree.path("cdk.out/asset.same")).unwrap();
    tree.write("lockgate.smoke.toml", "[[http]]\nurl = 7\n");
    insta::assert_snapshot!(tree.refusal(), @"
    /cdk.out cannot be made a release:
      - asset.code: it should be a folder
      - asset.same is missing
      - the template of web has 1048577 bytes, and CloudFormation takes 1048576: split the stack
      - lockgate.smoke.toml: line 1: http[0].name: is missing
      - lockgate.smoke.toml: line 2: http[0].url: is a number and not a text
    ");
}

#[test]
fn what_is_tested_and_asked_after_a_deployment_travels_with_the_release_as_it_was_written() {
    let tree = Tree::shop();
    let integration = "version: 0.2\nphases: { build: { commands: [pytest] } }\n";
    let asked = "# Orders\n\n- [ ] Order two teas,\n  one of them green.\n";
    tree.write("lockgate.integration.yml", integration);
    tree.write("lockgate.uat.md", asked);
    // Only what is beside the application's build is the application's.
    tree.write("cdk.out/lockgate.integration.yml", "version: 0.1\n");
    let packed = tree.pack().unwrap();
    for (path, text) in [("lockgate.integration.yml", integration), ("lockgate.uat.md", asked)] {
        let file = packed
            .index
            .files()
            .iter()
            .find(|file| file.path.as_str() == path)
            .unwrap();
        assert_eq!(
            (&file.sha256, file.packaging),
            (&Digest::of(text.as_bytes()), Packaging::File)
        );
        let source = packed
            .sources
            .iter()
            .find(|source| source.sha256 == file.sha256)
            .unwrap();
        assert_eq!(fs::read_to_string(source.path()).unwrap(), text, "{path}");
    }
}

#[test]
fn what_could_not_be_tested_or_asked_after_a_deployment_fails_the_build_and_names_the_line() {
    let tree = Tree::shop();
    tree.write("lockgate.integration.yml", "\n");
    tree.write("lockgate.uat.md", "# Orders\n\n- [ ] Order two teas\n- [ ]\n");
    insta::assert_snapshot!(tree.refusal(), @"
    /cdk.out cannot be made a release:
      - lockgate.integration.yml: it is empty; write what to run, or remove it
      - lockgate.uat.md: line 4: the item says nothing; write what to try after the brackets
    ");

    let tree = Tree::shop();
    tree.write(
        "lockgate.uat.md",
        &format!("- [ ] Order\n- [ ] {}\n", "tea ".repeat(200)),
    );
    fs::write(tree.path("lockgate.integration.yml"), b"version: \xff").unwrap();
    fs::create_dir(tree.path("lockgate.smoke.toml")).unwrap();
    insta::assert_snapshot!(tree.refusal(), @"
    /cdk.out cannot be made a release:
      - lockgate.smoke.toml: Is a directory (os error 21)
      - lockgate.integration.yml: stream did not contain valid UTF-8
      - lockgate.uat.md: line 2: the item has 799 characters; 500 are the most, so make several of it
    ");
}

#[test]
fn integration_tests_that_codebuild_does_not_take_fail_the_build() {
    let tree = Tree::shop();
    tree.write(
        "lockgate.integration.yml",
        &format!("version: 0.2\n# {}\n", "x".repeat(25_600)),
    );
    insta::assert_snapshot!(tree.refusal(), @"
    /cdk.out cannot be made a release:
      - lockgate.integration.yml: it has 25616 characters, and CodeBuild takes 25600; call a script of the repository
    ");
}

#[test]
fn a_link_that_leads_nowhere_is_not_taken_for_a_release_without_tests() {
    let tree = Tree::shop();
    symlink("ops/smoke.toml", tree.path("lockgate.smoke.toml")).unwrap();
    insta::assert_snapshot!(tree.refusal(), @"
    /cdk.out cannot be made a release:
      - lockgate.smoke.toml: No such file or directory (os error 2)
    ");
}

#[test]
fn what_the_deployment_would_refuse_fails_the_build() {
    let docker = Tree::shop();
    docker.write(
        "cdk.out/web.assets.json",
        r#"{"version":"48.0.0","dockerImages":{"i":{"displayName":"Web/Image"}}}"#,
    );
    docker.write(
        "cdk.out/manifest.json",
        &MANIFEST.replace(
            "48.0.0\",",
            "48.0.0\",\"missing\":[{\"key\":\"vpc\",\"provider\":\"vpc-provider\"}],",
        ),
    );
    docker.write(
        "cdk.out/web.metadata.json",
        r#"{"/web/Table":[{"type":"aws:cdk:error","data":"no backup"}]}"#,
    );
    insta::assert_snapshot!(docker.refusal(), @r#"
    /cdk.out cannot be made a release:
      - context "vpc" is missing (provider vpc-provider)
      - Web/Image is a Docker image, which Lockgate does not publish: refer to an image in a registry by its digest
      - web/Table: no backup
    "#);

    let none = Tree::new(&[]);
    insta::assert_snapshot!(none.refusal(), @"
    /cdk.out cannot be made a release:
      - manifest.json: No such file or directory (os error 2)
    ");
}

#[test]
fn links_do_not_bring_in_what_is_not_in_the_folder() {
    for (target, link) in [
        ("/etc/passwd", "passwd"),
        ("../web.template.json", "template"),
        ("..", "up"),
        ("gone", "dangling"),
        (".", "self"),
    ] {
        let tree = Tree::shop();
        symlink(target, tree.path("cdk.out/asset.code").join(link)).unwrap();
        let refusal = tree.refusal();
        assert!(refusal.contains("asset.code: ") && refusal.contains(link), "{refusal}");
    }
}
