//! What a flag is, and how all of them become one command.

use clap::{Arg, ArgAction, Command};

/// One flag of the command line.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its long name, without the dashes.
    pub(super) name: &'static str,
    /// Its one-letter name.
    pub(super) short: Option<char>,
    /// What its value is.
    pub(super) kind: Kind,
    /// What it is when not given, written as one would give it.
    pub(super) default: &'static str,
    /// What it does, for help and the reference.
    pub(super) help: &'static str,
    /// It is accepted because metrics-server or Heapster has it, and does nothing.
    pub(super) inert: bool,
}

/// What a flag's value is, by pflag's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Duration,
    Text,
    /// Comma-separated and repeatable.
    List,
}

/// Flags that belong together.
#[derive(Debug)]
pub(super) struct Topic {
    /// The heading in help.
    pub(super) title: &'static str,
    /// The flags, sorted by name.
    pub(super) flags: &'static [&'static Flag],
}

impl Flag {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            short: None,
            kind,
            default,
            help,
            inert: false,
        }
    }

    /// A flag that is accepted and does nothing.
    pub(super) const fn inert(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            inert: true,
            ..Self::new(name, kind, default, help)
        }
    }

    pub(super) const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// The flag as pflag names it in an error: `--name`, or `-l, --name`.
    pub(super) fn spelled(&self) -> String {
        self.short.map_or_else(
            || format!("--{}", self.name),
            |letter| format!("-{letter}, --{}", self.name),
        )
    }

    fn arg(&self, topic: &Topic) -> Arg {
        let help = if self.default.is_empty() {
            self.help.to_owned()
        } else {
            format!("{} [default: {}]", self.help, self.default)
        };
        let arg = Arg::new(self.name)
            .long(self.name)
            .help(help)
            .help_heading(topic.title)
            .hide_short_help(self.inert)
            .value_name(self.kind.as_str())
            .action(ArgAction::Append);
        let arg = match self.short {
            Some(letter) => arg.short(letter),
            None => arg,
        };
        let arg = arg.aliases(underscored(self.name));
        match self.kind {
            // pflag takes a boolean's value only after "=".
            Kind::Bool => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            // pflag takes the next word whatever it looks like.
            Kind::Int | Kind::Float | Kind::Duration | Kind::Text | Kind::List => {
                arg.num_args(1).allow_hyphen_values(true)
            }
        }
    }
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Duration => "duration",
            Self::Text => "string",
            Self::List => "strings",
        }
    }
}

/// Every other way to write `name` in which `_` stands for some of its `-`: to Heapster they are the
/// same, and nobody is to know which flags were its.
fn underscored(name: &str) -> Vec<String> {
    let mut spellings = vec![String::with_capacity(name.len())];
    for (at, part) in name.split('-').enumerate() {
        let separators: &[&str] = if at == 0 { &[""] } else { &["-", "_"] };
        spellings = separators
            .iter()
            .flat_map(|separator| {
                spellings
                    .iter()
                    .map(move |begun| format!("{begun}{separator}{part}"))
            })
            .collect();
    }
    spellings.retain(|spelling| spelling != name);
    spellings
}

/// The command that knows every flag of `topics` and takes their values as raw text.
///
/// Values are parsed afterwards, by the groups, because clap would stop at the first wrong one.
pub(super) fn command(about: &'static str, topics: &[Topic]) -> Command {
    let args = topics
        .iter()
        .flat_map(|topic| topic.flags.iter().map(|flag| flag.arg(topic)));
    Command::new("loadline")
        .about(about)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(args)
}
