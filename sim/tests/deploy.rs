//! The manifests that scale a swarm out name flags that exist, and shards run one by one add up to
//! the same result as one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bitcraps-sim")).args(arguments).output().expect("it runs")
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let text = std::fs::read_to_string(path).expect("the manifest is there");
    serde_norway::from_str(&text).expect("the manifest is YAML")
}

/// Runs a swarm's arguments with what the engine fills in, over a few seeds.
fn works(arguments: &[String], index: &str, directory: &Path) {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| {
            let argument = argument.replace("$(JOB_COMPLETION_INDEX)", index);
            match argument.split_once('=') {
                Some(("--seeds", _)) => "--seeds=1..2".to_owned(),
                Some(("--json", _)) => format!("--json={}", directory.join("out.jsonl").display()),
                Some(("--keep", _)) => format!("--keep={}", directory.display()),
                _ => argument,
            }
        })
        .collect();
    let output = sim(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(2), "{arguments:?}: {said}");
}

#[test]
fn the_indexed_job_shares_all_seeds_out_and_does_not_retry_findings() {
    let job = read("kubernetes.yaml");
    assert_eq!((&job["apiVersion"], &job["kind"]), (&"batch/v1".into(), &"Job".into()));
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    let rule = &spec["podFailurePolicy"]["rules"][0];
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(rule["action"], "FailIndex");
    assert_eq!(rule["onExitCodes"]["containerName"], container["name"]);
    assert_eq!(rule["onExitCodes"]["values"], serde_json::json!([2, 10, 11, 12, 13, 14]));
    assert_eq!(container["command"], serde_json::json!(["bitcraps-sim"]));
    let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let shard = format!("--shard=$(JOB_COMPLETION_INDEX)/{}", spec["completions"]);
    assert!(arguments.contains(&shard), "{arguments:?}");
    works(&arguments, "1", tempfile::tempdir().unwrap().path());
}

#[test]
fn the_matrix_runs_every_shard_once() {
    let workflow = read("matrix.yaml");
    let job = &workflow["jobs"]["shard"];
    assert_eq!(job["strategy"]["fail-fast"], false);
    let shards = job["strategy"]["matrix"]["shard"].as_array().unwrap();
    assert_eq!(shards.len(), 8);
    let steps = job["steps"].as_array().unwrap();
    let script =
        steps.iter().filter_map(|step| step["run"].as_str()).find(|it| it.contains("swarm"));
    let line = script.unwrap().lines().find(|line| line.contains("swarm")).unwrap();
    let arguments = line.replace("${{ matrix.shard }}", "1").replace("$(( first + 99999 ))", "9");
    assert!(arguments.contains(&format!("--shard=1/{}", shards.len())), "{arguments}");
    let arguments: Vec<String> = arguments.split_whitespace().skip(1).map(str::to_owned).collect();
    works(&arguments, "1", tempfile::tempdir().unwrap().path());
}

#[test]
fn shards_run_one_by_one_merge_to_the_same_result_as_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { directory.path().join(name) };
    let small = ["--nodes=4", "--byzantine=0", "--until=300ms", "--blocks=1"];
    let swarm = |shard: &str, file: &Path| {
        let (shard, file) = (format!("--shard={shard}"), format!("--json={}", file.display()));
        let keep = format!("--keep={}", directory.path().display());
        let fixed = ["swarm", "--profile=lan", "--seeds=1..8", &shard, &file, &keep];
        let arguments: Vec<&str> = fixed.into_iter().chain(small).collect();
        let output = sim(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    };
    swarm("0/1", &path("whole"));
    let shards: Vec<PathBuf> = (0..4).map(|index| path(&format!("shard-{index}"))).collect();
    for (index, file) in shards.iter().enumerate() {
        swarm(&format!("{index}/4"), file);
    }
    let merge = |files: &[PathBuf]| {
        let files = files.iter().map(|file| file.display().to_string());
        let arguments: Vec<String> =
            ["merge".to_owned(), "--json".to_owned()].into_iter().chain(files).collect();
        sim(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).stdout
    };
    assert_eq!(merge(&shards), merge(&[path("whole")]));
}
