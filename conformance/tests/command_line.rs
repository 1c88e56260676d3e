//! What the program `conformance` says to whoever asks for what it cannot do.

#![expect(
    clippy::unwrap_used,
    reason = "a program that cannot be run has failed the test"
)]

use std::process::{Command, Output, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

fn run(arguments: &str) -> Output {
    let words = arguments.split_whitespace();
    program().args(words).output().unwrap()
}

#[test]
fn what_cannot_be_asked_ends_with_2_and_says_what_to_give() {
    let target = "--target https://127.0.0.1:1";
    for (arguments, words) in [
        (String::new(), "give --target https://HOST:PORT"),
        ("--check nonsense".to_owned(), "--list names them all"),
        (
            "--list --check nonsense".to_owned(),
            "--list names them all",
        ),
        ("--check 999".to_owned(), "they go from 1 to 1"),
        ("--list --output junit".to_owned(), "only table and json"),
        ("--list --extensions foo".to_owned(), "watch and node-name"),
        ("--in-lab /none".to_owned(), "--in-lab /none: No such file"),
        ("--in-lab /".to_owned(), "--in-lab /: no file"),
        (
            "--group nonsense".to_owned(),
            "authentication, authorization",
        ),
        (
            "--list --group content --check front-proxy-user".to_owned(),
            "--list tells the group of each",
        ),
        (target.to_owned(), "--anonymous"),
        (
            format!("{target} --token-file /none"),
            "--token-file /none: ",
        ),
        (format!("{target} --anonymous --kubectl k"), "--kubeconfig"),
        (format!("{target} --anonymous"), "127.0.0.1:1"),
        (
            "--target http://127.0.0.1:1 --anonymous".to_owned(),
            "https://HOST:PORT",
        ),
    ] {
        let output = run(&arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {told}");
        assert!(told.contains(words), "{arguments}: {told}");
        assert!(
            !told.to_lowercase().contains("backtrace"),
            "{arguments}: {told}"
        );
    }
}

#[test]
fn the_list_comes_in_json_too() {
    let output = run("--list --group routing --output json");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = list.as_array().unwrap();
    let lines = run("--list --group routing").stdout;
    assert_eq!(
        list.len(),
        String::from_utf8(lines).unwrap().lines().count()
    );
    let index = list.iter().find(|check| check["id"] == "index").unwrap();
    assert_eq!(index["item"], 50);
    assert_eq!(index["group"], "routing");
    assert_eq!(index["needs"], "reader");
}

#[test]
fn the_list_may_be_read_in_part() {
    let whole = run("--list");
    assert!(whole.status.success());
    assert!(whole.stdout.len() > 10_000);
    let mut child = program()
        .arg("--list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.stderr.is_empty());
}
