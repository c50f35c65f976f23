//! Backups in a bucket of a real S3-compatible server, which is a process of its own: one that
//! works, one that fails in mid-upload, and one whose objects somebody changes.
//!
//! `BITCRAPS_S3_SERVER` names the program `s3s-fs`. Where it is not set, this says so and tests
//! nothing.

#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod fault;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use fault::{Fault, Faults};

const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");
const TARGET: &str = "s3://chips/backups/alice";
const PATIENCE: Duration = Duration::from_secs(60);

/// The server, its files, and a validator without a network around it.
struct World {
    directory: tempfile::TempDir,
    server: Child,
    faults: Faults,
    node: Child,
}

impl World {
    fn begin() -> Option<Self> {
        let Some(program) = std::env::var_os("BITCRAPS_S3_SERVER") else {
            // Loud, also where the output of tests that pass is hidden.
            let mut out = std::io::stderr();
            let _ =
                std::io::Write::write_all(&mut out, b"LEFT OUT: BITCRAPS_S3_SERVER is not set\n");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("store/chips")).unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &at.port().to_string()])
            .args(["--access-key", "ID", "--secret-key", "SECRET"])
            .arg(directory.path().join("store"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not start");
            sleep(Duration::from_millis(20));
        }
        let data_dir = directory.path().join("node");
        let faults = Faults::before(at);
        let node = alone(&data_dir, faults.address());
        Some(Self { directory, server, faults, node })
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("node")
    }

    fn command(&self, data_dir: &Path, arguments: &[&str]) -> Command {
        command(data_dir, self.faults.address(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(&self.data_dir(), arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        json(&mut self.command(&self.data_dir(), arguments))
    }

    fn backup(&self, command: &str) -> Value {
        self.json(&["backup", command, "--target", TARGET])
    }

    /// Fills some blocks.
    fn pay(&self) {
        let to = self.json(&["status"])["address"].as_str().unwrap().to_owned();
        for _ in 0..5 {
            self.json(&["transfer", &to, "1"]);
        }
    }

    /// The objects in the bucket, as the server keeps them: all that is no note of its own.
    fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.directory.path().join("store/chips")];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => waiting.push(path),
                    false => found.push(path),
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.node, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn command(data_dir: &Path, store: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(BITCRAPS);
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments);
    command.env("AWS_ENDPOINT_URL", format!("http://{store}"));
    command.env("AWS_ACCESS_KEY_ID", "ID").env("AWS_SECRET_ACCESS_KEY", "SECRET");
    command.stdin(Stdio::null());
    command
}

fn json(command: &mut Command) -> Value {
    let output = command.arg("--json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A network of one validator, which runs and backs itself up into the bucket.
fn alone(data_dir: &Path, store: SocketAddr) -> Child {
    let card = json(&mut command(data_dir, store, &["key", "card"]));
    let card = card["card"].as_str().unwrap();
    let new = ["network", "new", "--validator", card, "--insecure-dealer"];
    json(&mut command(data_dir, store, &new));
    let run = ["node", "--listen", "127.0.0.1:0", "--backup", "s3://chips/hourly"];
    let mut node = command(data_dir, store, &run);
    let mut node = node.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("ready:"))));
    node
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn backups_in_a_bucket_restore_and_changed_ones_are_refused() {
    let Some(world) = World::begin() else { return };
    for _ in 0..2 {
        world.pay();
        assert!(world.backup("create")["height"].as_u64().unwrap() > 0);
    }
    let listed = world.backup("list");
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[0]["full"], &listed[1]["full"]), (&true.into(), &false.into()));
    assert_eq!(listed[0]["height"], listed[1]["after"]);
    let hourly = world.json(&["backup", "list", "--target", "s3://chips/hourly"]);
    assert_eq!(hourly.as_array().unwrap().len(), 1, "the running node makes its own: {hourly}");

    let verified = world.backup("verify");
    assert_eq!((&verified["height"], &verified["files"]), (&listed[1]["height"], &2.into()));
    let new = world.directory.path().join("new");
    let phrase = world.json(&["key", "export"])["phrase"].as_str().unwrap().to_owned();
    let mut import = world.command(&new, &["key", "import"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut import.stdin.take().unwrap(), phrase.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let restore = ["backup", "restore", "--target", TARGET];
    let restored = json(&mut world.command(&new, &restore));
    assert_eq!(restored["state_root"], verified["state_root"]);
    assert_eq!(json(&mut world.command(&new, &["store", "check"]))["after_loss"], true);

    // Every object that the two backups consist of: a byte changed, cut off, and gone.
    let mine = |path: &PathBuf| path.to_string_lossy().contains("backups/alice");
    let objects: Vec<PathBuf> = world.objects().into_iter().filter(mine).collect();
    assert_eq!(objects.len(), 4, "two indexes with a part each: {objects:?}");
    let name = listed[1]["name"].as_str().unwrap();
    let verify = || world.run(&["backup", "verify", "--target", TARGET, name]);
    for object in objects {
        let whole = fs::read(&object).unwrap();
        let middle = whole.len() / 2;
        let mut changed = whole.clone();
        changed[middle] ^= 1;
        for bytes in [&changed[..], &whole[..middle]] {
            fs::write(&object, bytes).unwrap();
            assert!(!verify().status.success(), "{}", object.display());
        }
        fs::remove_file(&object).unwrap();
        assert!(!verify().status.success(), "without {}", object.display());
        fs::write(&object, whole).unwrap();
    }
    assert!(verify().status.success());

    let prune = ["backup", "prune", "--target", TARGET, "--keep-days", "0"];
    assert_eq!(world.json(&prune)["removed"], Value::Array(Vec::new()), "the newest needs both");
    world.pay();
    world.json(&["backup", "create", "--full", "--target", TARGET]);
    sleep(Duration::from_secs(1));
    assert_eq!(world.json(&prune)["removed"].as_array().unwrap().len(), 2);
    assert_eq!(world.backup("list").as_array().unwrap().len(), 1);
    assert_eq!(world.backup("verify")["files"], 1);
}

#[test]
fn a_backup_that_was_half_uploaded_is_in_no_list_and_a_prune_removes_what_is_left() {
    let Some(world) = World::begin() else { return };
    world.pay();
    world.backup("create");
    let before = world.objects();
    let prune = |dry: bool| {
        let dry: &[&str] = if dry { &["--dry-run"] } else { &[] };
        let prune = ["backup", "prune", "--target", TARGET, "--unfinished-hours", "0"];
        world.json(&[&prune[..], dry].concat())["unfinished"].as_array().unwrap().len()
    };
    let create = ["backup", "create", "--full", "--target", TARGET];

    // The store refuses the index, after it took the parts: the command fails, and cleans up.
    world.faults.set(Fault::Refuse);
    let refused = world.run(&create);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("503"), "{}", text(&refused));
    world.faults.set(Fault::None);
    assert_eq!(world.objects(), before, "nothing is left");

    // The connection breaks whenever the index is sent, and so does each that would clean up.
    world.faults.set(Fault::Cut);
    let cut = world.run(&create);
    assert_eq!(cut.status.code(), Some(2), "{}", text(&cut));
    world.faults.set(Fault::None);
    assert!(world.objects().len() > before.len(), "its part is left");

    // The command is killed while the store is silent.
    world.faults.set(Fault::Stall);
    let mut killed = world.command(&world.data_dir(), &create).spawn().unwrap();
    world.faults.wait_for_stall();
    killed.kill().unwrap();
    killed.wait().unwrap();
    world.faults.set(Fault::None);

    assert_eq!(world.backup("list").as_array().unwrap().len(), 1, "only what is whole");
    assert_eq!(world.backup("verify")["files"], 1);
    sleep(Duration::from_secs(1));
    assert_eq!((prune(true), prune(false), prune(false)), (2, 2, 0));
    assert_eq!(world.objects(), before);

    // It goes on where it was.
    world.pay();
    assert_eq!(world.backup("create")["full"], false);
    assert_eq!(world.backup("verify")["files"], 2);
}

#[test]
fn a_store_that_is_not_there_or_refuses_the_key_is_told_in_words() {
    let Some(world) = World::begin() else { return };
    let data_dir = world.data_dir();
    let list = ["backup", "list", "--target", TARGET];
    let wrong = world.command(&data_dir, &list).env("AWS_SECRET_ACCESS_KEY", "OTHER").output();
    let wrong = wrong.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong).contains("SignatureDoesNotMatch"), "{}", text(&wrong));
    let none = world.command(&data_dir, &list).env_remove("AWS_ACCESS_KEY_ID").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("s3.toml (mode 600)"), "{}", text(&none));
    let mut away = world.command(&data_dir, &list);
    let away = away.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").output().unwrap();
    assert_eq!(away.status.code(), Some(2));
    assert!(text(&away).contains("cannot list s3://chips/backups/alice"), "{}", text(&away));
    let other = world.run(&["backup", "list", "--target", "s3:///backups"]);
    assert!(text(&other).contains("it names no bucket"), "{}", text(&other));
}
