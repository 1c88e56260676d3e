//! The first word of the command line: what is to be done. Without one, to serve: metrics-server's
//! manifests know flags alone.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::{EventerSettings, Exit, Settings, Stream, environment, eventer, parse, person, value};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Nothing but flags: serve.
    Serve(Settings),
    /// `eventer`, or a program of that name: send events to sinks.
    Eventer(EventerSettings),
    /// `check`: try every precondition.
    Check {
        /// The server's settings.
        settings: Settings,
        /// `--output`.
        output: Output,
    },
    /// `why pod NAMESPACE/NAME`, `why hpa NAMESPACE/NAME`: say why a number is missing.
    Why {
        /// The server's settings.
        settings: Settings,
        /// What is asked about.
        subject: Subject,
        /// `--output`.
        output: Output,
    },
    /// `take-over`: lead the metrics API to Loadline.
    TakeOver {
        /// The server's settings.
        settings: Settings,
        /// How.
        options: TakeOver,
    },
}

/// How `take-over` goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// `--back`: lead it back to whom it was taken from.
    pub back: bool,
    /// `--dry-run`: write nothing, and tell what would be written.
    pub dry_run: bool,
    /// `--timeout`: how long Loadline may take until it has everything the other server has.
    pub timeout: Duration,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// `--output json`: for programs.
    Json,
}

/// What `why` is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What kind of object.
    pub kind: SubjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A kind of object `why` can explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// `pod`.
    Pod,
    /// `hpa`.
    Hpa,
}

const USAGE: &str = "\
usage: loadline [flags]                            serve (loadline --help lists the flags)
       loadline eventer [flags]                    send events to sinks (loadline eventer --help)
       loadline check [--output json] [flags]      try every precondition, and say what to do
       loadline why pod NAMESPACE/NAME [--output json] [flags]
       loadline why hpa NAMESPACE/NAME [--output json] [flags]
                                                   say why a number is missing
       loadline take-over [--back] [--dry-run] [--timeout 2m] [flags]
                                                   lead metrics.k8s.io from another server to Loadline
";

const WHY: &str = "why needs to know about what: pod NAMESPACE/NAME or hpa NAMESPACE/NAME";

impl Default for TakeOver {
    fn default() -> Self {
        Self {
            back: false,
            dry_run: false,
            timeout: Duration::from_mins(2),
        }
    }
}

/// Reads a command line, whose first word is the program's name. In the pod of a server (`kubectl exec`) what is asked is
/// asked with that server's flags; what is given here comes after them, so it counts more. Outside of pods who asks is, unless
/// a flag says it, whom kubectl would take: `KUBECONFIG`, else `~/.kube/config`.
///
/// # Errors
/// As [`parse`]; also for `check --help` and `why --help`, and when `why` is not told about what.
pub fn parse_command(args: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    parse_beside(args, &first_process())
}

/// The command line of the first process there is: in a pod the server, anywhere else some init, or nothing.
fn first_process() -> Vec<OsString> {
    let line = std::fs::read("/proc/1/cmdline").unwrap_or_default();
    let words = line.split(|&byte| byte == 0);
    let mut words: Vec<OsString> = words
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect();
    // Every word ends with a zero byte, the last one too.
    words.pop();
    words
}

/// The flags of `other`, if that is the same program, serving.
fn flags_of<'w>(other: &'w [OsString], program: Option<&OsStr>) -> &'w [OsString] {
    let name = other.first().and_then(|word| Path::new(word).file_name());
    let flags = other.get(1..).unwrap_or_default();
    let serves = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    if name.is_some() && name == program && flags.first().is_some_and(serves) {
        flags
    } else {
        &[]
    }
}

fn parse_beside(
    args: impl IntoIterator<Item = OsString>,
    server: &[OsString],
) -> Result<Command, Exit> {
    let mut words: Vec<OsString> = args.into_iter().collect();
    let program = words.first().and_then(|word| Path::new(word).file_name());
    if program == Some(OsStr::new("eventer")) {
        return eventer::parse(words, environment).map(Command::Eventer);
    }
    let first = words.get(1).and_then(|word| word.to_str());
    let verb = match first {
        Some("eventer") => {
            // As the usage names it.
            words.splice(..2, [OsString::from("loadline eventer")]);
            return eventer::parse(words, environment).map(Command::Eventer);
        }
        Some("check") => Verb::Check,
        Some("why") => Verb::Why,
        Some("take-over") => Verb::TakeOver,
        _ => return parse(words).map(Command::Serve),
    };
    words.remove(1);
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return Err(Exit {
            text: USAGE.to_owned(),
            stream: Stream::Stdout,
            code: 0,
        });
    }
    let program = words.first().and_then(|word| Path::new(word).file_name());
    let flags = flags_of(server, program);
    let settings = |mut words: Vec<OsString>| -> Result<Settings, Exit> {
        words.splice(1..1, flags.iter().cloned());
        let mut settings = parse(words)?;
        settings.api_server = person::as_kubectl(settings.api_server, environment);
        Ok(settings)
    };
    match verb {
        Verb::Check => Ok(Command::Check {
            output: take_output(&mut words)?,
            settings: settings(words)?,
        }),
        Verb::Why => {
            let subject = subject(&words).ok_or_else(|| wrong(WHY))?;
            words.drain(1..3);
            Ok(Command::Why {
                subject,
                output: take_output(&mut words)?,
                settings: settings(words)?,
            })
        }
        Verb::TakeOver => Ok(Command::TakeOver {
            options: take_options(&mut words)?,
            settings: settings(words)?,
        }),
    }
}

/// The first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Check,
    Why,
    TakeOver,
}

fn wrong(what: &str) -> Exit {
    Exit {
        text: format!("error: {what}\n\n{USAGE}"),
        stream: Stream::Stderr,
        code: 2,
    }
}

/// Reads `pod NAMESPACE/NAME` behind the program's name.
fn subject(words: &[OsString]) -> Option<Subject> {
    let word = |at: usize| words.get(at).and_then(|word| word.to_str());
    let kind = match word(1)? {
        "pod" | "pods" | "po" => SubjectKind::Pod,
        "hpa" | "horizontalpodautoscaler" => SubjectKind::Hpa,
        _ => return None,
    };
    let (namespace, name) = word(2)?.split_once('/')?;
    // They become parts of a path.
    let is_name = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| plain(byte) || matches!(byte, b'-' | b'.');
        text.bytes().next().is_some_and(plain) && text.bytes().all(inner) && text.len() <= 253
    };
    (is_name(namespace) && is_name(name)).then(|| Subject {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// Takes `--output WORD`, `--output=WORD`, `-o WORD` out of the words.
fn take_output(words: &mut Vec<OsString>) -> Result<Output, Exit> {
    let mut output = Output::default();
    while let Some(value) = take_value(words, &["--output", "-o"]) {
        output = match value.as_str() {
            "json" => Output::Json,
            "text" => Output::Text,
            _ => return Err(wrong("--output must be text or json")),
        };
    }
    Ok(output)
}

/// Takes the options of `take-over` out of the words.
fn take_options(words: &mut Vec<OsString>) -> Result<TakeOver, Exit> {
    let mut options = TakeOver::default();
    while let Some(given) = take_value(words, &["--timeout"]) {
        options.timeout = value::duration(&given)
            .map_err(|error| wrong(&format!("--timeout {given:?}: {error}")))?;
    }
    words.retain(|word| match word.to_str() {
        Some("--back") => {
            options.back = true;
            false
        }
        Some("--dry-run") => {
            options.dry_run = true;
            false
        }
        _ => true,
    });
    Ok(options)
}

/// Takes the first of these options out of the words, as two words or as one with `=`; an option at
/// the end has an empty value.
fn take_value(words: &mut Vec<OsString>, names: &[&str]) -> Option<String> {
    for at in 1..words.len() {
        let word = words.get(at)?.to_string_lossy().into_owned();
        if names.contains(&word.as_str()) {
            let value = words
                .get(at + 1)
                .map(|word| word.to_string_lossy().into_owned());
            words.drain(at..words.len().min(at + 2));
            return Some(value.unwrap_or_default());
        }
        let (name, value) = word.split_once('=').unwrap_or_default();
        if names.contains(&name) {
            words.remove(at);
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn read(line: &str) -> Result<Command, Exit> {
        parse_beside(words(&format!("loadline {line}")), &[])
    }

    #[test]
    fn beside_a_server_its_flags_count_and_those_given_count_more() {
        let resolution = |server: &str, line: &str| {
            let read = parse_beside(words(line), &words(server));
            let (Command::Check { settings, .. }
            | Command::Why { settings, .. }
            | Command::TakeOver { settings, .. }) = read.unwrap()
            else {
                panic!("{line}");
            };
            settings.scrape.resolution.as_secs()
        };
        let server = "/loadline --secure-port=10250 --metric-resolution=20s";
        assert_eq!(resolution(server, "/loadline check"), 20);
        assert_eq!(resolution(server, "/loadline why pod a/b"), 20);
        assert_eq!(resolution(server, "loadline take-over --back"), 20);
        assert_eq!(
            resolution(server, "/loadline check --metric-resolution=30s"),
            30
        );
        for other in [
            "",
            "/sbin/init --metric-resolution=20s",
            "/loadline check --metric-resolution=20s",
            "/loadline eventer --metric-resolution=20s",
            "/loadline",
        ] {
            assert_eq!(resolution(other, "/loadline check"), 15, "{other}");
        }
    }

    #[test]
    fn flags_alone_serve() {
        let served = read("--metric-resolution=20s").unwrap();
        assert!(matches!(served, Command::Serve(_)));
        assert!(matches!(read("").unwrap(), Command::Serve(_)));
        // A value is no command.
        assert!(matches!(
            read("--kubeconfig check").unwrap(),
            Command::Serve(_)
        ));
    }

    #[test]
    fn the_eventer_is_a_command_and_a_program() {
        let eventer = |command| matches!(command, Ok(Command::Eventer(_)));
        assert!(eventer(read("eventer -sink=log")));
        let words = ["/eventer", "--sink=log"].map(OsString::from);
        assert!(eventer(parse_command(words)));
        let help = read("eventer --help").unwrap_err();
        let usage = "Usage: loadline eventer [";
        assert!(help.code == 0 && help.text.contains(usage), "{help}");
        assert_eq!(read("eventer -version").unwrap_err().code, 0);
        assert!(!eventer(read("--kubeconfig eventer")));
    }

    #[test]
    fn check_takes_the_servers_flags_and_an_output() {
        for line in [
            "check --output json --kubeconfig x",
            "check --kubeconfig=x --output=json",
            "check --kubeconfig x -o json",
        ] {
            let Ok(Command::Check { settings, output }) = read(line) else {
                panic!("{line}");
            };
            assert_eq!(output, Output::Json, "{line}");
            let identity = crate::cluster::Identity::Kubeconfig("x".into());
            assert_eq!(settings.api_server.identity, identity, "{line}");
        }
        let plain = read("check").unwrap();
        assert!(matches!(
            plain,
            Command::Check {
                output: Output::Text,
                ..
            }
        ));
    }

    #[test]
    fn take_over_has_options_beside_the_servers_flags() {
        let plain = TakeOver::default();
        for (line, expected) in [
            ("take-over", plain),
            (
                "take-over --back",
                TakeOver {
                    back: true,
                    ..plain
                },
            ),
            (
                "take-over --kubeconfig x --timeout=90s --dry-run",
                TakeOver {
                    dry_run: true,
                    timeout: Duration::from_secs(90),
                    ..plain
                },
            ),
            (
                "take-over --timeout 0s --back --kubeconfig=x",
                TakeOver {
                    back: true,
                    timeout: Duration::ZERO,
                    ..plain
                },
            ),
        ] {
            let Ok(Command::TakeOver { options, .. }) = read(line) else {
                panic!("{line}");
            };
            assert_eq!(options, expected, "{line}");
        }
        for line in [
            "take-over --timeout",
            "take-over --timeout=soon",
            "take-over back",
        ] {
            assert_eq!(read(line).unwrap_err().code, 2, "{line}");
        }
        assert_eq!(read("take-over --help").unwrap_err().code, 0);
    }

    #[test]
    fn why_is_told_about_what() {
        let Ok(Command::Why { subject, .. }) = read("why pod a/b-1 --kubeconfig x") else {
            panic!("not read");
        };
        let expected = Subject {
            kind: SubjectKind::Pod,
            namespace: "a".into(),
            name: "b-1".into(),
        };
        assert_eq!(subject, expected);
        for line in [
            "why",
            "why pod",
            "why pod b",
            "why pod a/b/c",
            "why pod a/../b",
            "why pod A/b",
            "why node a/b",
            "why pod a/b --output xml",
            "check --nope",
        ] {
            assert_eq!(read(line).unwrap_err().code, 2, "{line}");
        }
        assert_eq!(read("why --help").unwrap_err().code, 0);
    }
}
