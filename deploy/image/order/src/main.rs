//! Puts the functions a program runs every day side by side.
//!
//! The kernel maps a program's file sixteen pages at a time around each that is used. What Loadline runs is a fifth of its
//! code, spread over all of it, so that nearly all of it is resident. Linked side by side, that fifth is all there is.
//!
//! ```text
//! order learn PROGRAM CALLGRIND-OUTPUT… > functions    what ran, most of all first
//! order faulted PROGRAM functions < PAGE-FAULTS        what else ran, where a process could only be watched from outside
//! order apply PROGRAM < functions                      the program's symbols in that order, for lld
//! ```
//!
//! A function is known by a digest of its name without the hashes of crates, which differ with profile and
//! flags: what was learnt of one build fits the next. A function that is gone is passed over, a new one stays where it is.
#![expect(clippy::print_stdout, reason = "what it says is its result")]

mod faults;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSymbol, SymbolKind};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines = match arguments.as_slice() {
        ["learn", program, runs @ ..] => learn(Path::new(program), runs)?,
        ["faulted", program, known] => {
            let known = std::fs::read_to_string(known).with_context(|| (*known).to_owned())?;
            let ran = faults::ran(Path::new(program), &input()?)?;
            unknown(&ran, &known)
        }
        ["apply", program] => apply(&symbols(Path::new(program))?, &input()?),
        _ => bail!(
            "order learn PROGRAM CALLGRIND-OUTPUT…, order faulted PROGRAM functions, or order apply PROGRAM"
        ),
    };
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

fn input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The digests of what ran, most of all first.
fn learn(program: &Path, runs: &[&str]) -> Result<Vec<String>> {
    let mut costs = HashMap::new();
    for run in runs {
        let text = std::fs::read_to_string(run).with_context(|| (*run).to_owned())?;
        count(&text, &mut costs);
    }
    let mut ran = BTreeMap::<String, u64>::new();
    for symbol in symbols(program)? {
        if let Some(cost) = costs.get(&symbol) {
            *ran.entry(digest(&symbol)).or_default() += cost;
        }
    }
    let mut ran: Vec<(String, u64)> = ran.into_iter().collect();
    ran.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    Ok(ran.into_iter().map(|(digest, _)| digest).collect())
}

/// The digests of `ran`, without those that are known.
fn unknown(ran: &[String], known: &str) -> Vec<String> {
    let mut known: HashSet<String> = known.lines().map(str::to_owned).collect();
    let digests = ran.iter().map(|symbol| digest(symbol));
    digests
        .filter(|digest| known.insert(digest.clone()))
        .collect()
}

/// Those of `symbols` whose digests are known, in the order of the digests.
fn apply(symbols: &[String], known: &str) -> Vec<String> {
    let mut by_digest = HashMap::<String, Vec<&String>>::new();
    for symbol in symbols {
        by_digest.entry(digest(symbol)).or_default().push(symbol);
    }
    let known = known.lines().filter_map(|line| by_digest.get(line));
    known.flatten().map(|symbol| (*symbol).clone()).collect()
}

/// The names of a program's functions, as the linker knows them.
fn symbols(program: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
    let file = object::File::parse(&*bytes)?;
    let functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    let mut names = functions
        .map(|symbol| Ok(symbol.name()?.to_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    names.dedup();
    Ok(names)
}

/// Adds up what each function cost by itself. callgrind names a function once, `fn=(7) name`, and then by its number;
/// a line of numbers is a cost of the function named last, unless it follows a `calls=`.
fn count(run: &str, costs: &mut HashMap<String, u64>) {
    let mut names = HashMap::new();
    let mut current = None;
    let mut is_call = false;
    for line in run.lines() {
        if let Some((is_callee, number, name)) = named(line) {
            if let Some(name) = name {
                names.insert(number, name);
            }
            if !is_callee {
                current = names.get(number).copied();
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line.split_ascii_whitespace().nth(1);
            if let (Some(name), Some(Ok(cost)), false) =
                (current, cost.map(str::parse::<u64>), is_call)
            {
                *costs.entry(name.to_owned()).or_default() += cost;
            }
            is_call = false;
        }
    }
}

/// Reads `fn=(7) name`, `fn=(7)` and the same of a callee; a recursion's `'2` is no part of a name.
fn named(line: &str) -> Option<(bool, &str, Option<&str>)> {
    let (is_callee, rest) = match line.strip_prefix("fn=(") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("cfn=(")?),
    };
    let (number, name) = rest.split_once(')')?;
    let name = name.trim_start().split('\'').next();
    Some((is_callee, number, name.filter(|name| !name.is_empty())))
}

/// What a function is known by: FNV-1a of its name without hashes, as eight digits.
fn digest(symbol: &str) -> String {
    // Link-time optimisation marks with a hash what it moved between crates.
    let symbol = symbol.split(".llvm.").next().unwrap_or(symbol);
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let digest = name.bytes().fold(0x811c_9dc5_u32, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{digest:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
fl=(1) /src/a.rs
fn=(1) _RNvCs4fqI2P2rA04_1a3one
12 30
+2 5
cfi=(2)
cfn=(2) two'2
calls=3 40
* 1000
fn=(2)
40 7
";

    #[test]
    fn a_function_costs_what_it_does_itself() {
        let mut costs = HashMap::new();
        count(RUN, &mut costs);
        count("fn=(9) two\n3 1\n", &mut costs);
        let mut costs: Vec<_> = costs.into_iter().collect();
        costs.sort();
        let one = "_RNvCs4fqI2P2rA04_1a3one".to_owned();
        assert_eq!(costs, [(one, 35), ("two".to_owned(), 8)]);
    }

    #[test]
    fn a_function_of_another_build_is_the_same() {
        let one = digest("_RNvCs4fqI2P2rA04_1a3one");
        assert_eq!(one, digest("_RNvCsa_1a3one.llvm.123"));
        assert_ne!(one, digest("_RNvCsa_1a3two"));
    }

    #[test]
    fn what_is_known_is_not_learnt_again() {
        let ran = ["a", "b", "a", "c"].map(str::to_owned);
        assert_eq!(unknown(&ran, &digest("b")), [digest("a"), digest("c")]);
    }

    #[test]
    fn symbols_come_in_the_order_that_was_learnt() {
        let symbols = ["a", "b", "c"].map(str::to_owned);
        let known = format!("{}\n{}\n{}\n", digest("c"), digest("gone"), digest("a"));
        assert_eq!(apply(&symbols, &known), ["c", "a"]);
    }
}
