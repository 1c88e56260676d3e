//! Puts what the program uses every day side by side: its functions, and its constants.
//!
//! The kernel maps a program's file sixteen pages at a time around each that is used. What Loadline uses is a fifth of its
//! code and less of its constants, spread over all of it, so that nearly all of it is resident. Linked side by side, that
//! fifth is all there is.
//!
//! ```text
//! order learn PROGRAM MAP < PAGE-FAULTS > used      what it used, in the order in which it began to
//! order functions PROGRAM MAP < used                the program's functions in that order, for lld
//! order constants PROGRAM MAP < used                its constants in that order, as a script for lld
//! ```
//!
//! All are known by digests of what stays the same from one build to the next ([`name`], [`constants`]): what was
//! learnt of one fits the next. What is gone is passed over, what is new stays where it is.
#![expect(clippy::print_stdout, reason = "what it says is its result")]

mod constants;
mod faults;
mod name;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use constants::Constants;
use name::Digest;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let &[command, program, map] = arguments.as_slice() else {
        bail!("order learn|functions|constants PROGRAM MAP");
    };
    let bytes = read(program)?;
    let file = object::File::parse(&*bytes)?;
    let functions = functions(&file)?;
    let map = String::from_utf8(read(map)?)?;
    let constants = Constants::new(&file, functions.clone(), &map);
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let lines = match command {
        "learn" => learn(&file, &functions, &constants, &input)?,
        "functions" => {
            let names = functions.values().map(|name| (Digest::of(name), *name));
            let names = names.map(|(digest, name)| (digest.to_string(), name.to_owned()));
            in_order(names.collect(), &input)
        }
        "constants" => script(&in_order(patterns(&constants), &input)),
        _ => bail!("{command} is no command"),
    };
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(Path::new(path)).with_context(|| path.to_owned())
}

/// The program's functions, as the linker knows them, by their addresses.
fn functions<'f>(file: &'f object::File<'f>) -> Result<BTreeMap<u64, &'f str>> {
    let functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    functions
        .map(|symbol| Ok((symbol.address(), symbol.name()?)))
        .collect()
}

/// The digests of what was used, in the order in which that began.
fn learn(
    file: &object::File<'_>,
    functions: &BTreeMap<u64, &str>,
    constants: &Constants<'_>,
    faults: &str,
) -> Result<Vec<String>> {
    let mut parts: BTreeMap<u64, String> = constants.digests().collect();
    parts.extend(
        functions
            .iter()
            .map(|(at, name)| (*at, Digest::of(name).to_string())),
    );
    let code = file.section_by_name(".text").context("it has no code")?;
    let used = faults::used(&parts, ..code.address() + code.size(), faults);
    Ok(used.into_iter().map(str::to_owned).collect())
}

fn patterns(constants: &Constants<'_>) -> Vec<(String, String)> {
    let digests = constants.digests();
    digests
        .filter_map(|(at, digest)| Some((digest, constants.pattern(at)?)))
        .collect()
}

/// Those of `parts` whose digests were learnt, in the order of the digests.
fn in_order(parts: Vec<(String, String)>, learnt: &str) -> Vec<String> {
    let mut by_digest = HashMap::<String, Vec<String>>::new();
    for (digest, part) in parts {
        by_digest.entry(digest).or_default().push(part);
    }
    let known = learnt.lines().filter_map(|line| by_digest.remove(line));
    known.flatten().collect()
}

/// How many constants the linker looks for at once. It goes through all parts of the program for each search, and leaves
/// what it finds in the order in which it finds it.
const AT_ONCE: usize = 500;

/// A script that puts the constants of these patterns before all others.
fn script(patterns: &[String]) -> Vec<String> {
    let mut script = vec!["SECTIONS { .rodata : {".to_owned()];
    for some in patterns.chunks(AT_ONCE) {
        let (files, sections): (Vec<&String>, Vec<&String>) =
            some.iter().partition(|pattern| pattern.contains('('));
        script.extend(files.into_iter().cloned());
        script.push("*(".to_owned());
        script.extend(sections.into_iter().cloned());
        script.push(")".to_owned());
    }
    script.push("*(.rodata .rodata.*) } } INSERT BEFORE .gcc_except_table;".to_owned());
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_the_order_that_was_learnt() {
        let parts = [("1", "a"), ("2", "b"), ("3", "c"), ("1", "d")];
        let parts = parts.map(|(digest, part)| (digest.to_owned(), part.to_owned()));
        let parts = in_order(parts.into(), "3\ngone\n1\n3\n");
        assert_eq!(parts, ["c", "a", "d"]);
    }
}
