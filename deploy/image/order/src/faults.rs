//! What a program ran where valgrind cannot be: in the pods of a node.
//!
//! The kernel tells perf where a process asks for a page. While the pages around it are not brought along, the places
//! where a program's code was asked for are, but for functions that share a page, all it ran.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::PF_X;
use object::{Object, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind};

/// A program, as it lies in its file.
struct Program {
    /// The functions' names by their addresses.
    functions: BTreeMap<u64, String>,
    /// Where its code is meant to be, part by part: offset, length, address.
    segments: Vec<(u64, u64, u64)>,
}

/// A part of the file in a process: where it is, its length, and where it is meant to be.
type Mapping = (u64, u64, u64);

/// The functions in which processes of `program` asked for pages, in the order of the first of them. `script` is what
/// `perf script -F pid,addr,ip --show-mmap-events` prints. A process that asked for less than half of what another asked
/// for is one of the program's other commands, and passed over.
pub(crate) fn ran(program: &Path, script: &str) -> Result<Vec<String>> {
    let name = program.file_name().and_then(|name| name.to_str());
    let name = format!("/{}", name.context("the program has no name")?);
    let program = Program::read(program)?;
    let mut mappings: HashMap<&str, Vec<Mapping>> = HashMap::new();
    let mut places: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in script.lines() {
        if let Some((process, path, start, length, offset)) = mapped(line) {
            let meant = program.meant(offset).filter(|_| path.ends_with(&name));
            let mapping = meant.map(|meant| (start, length, meant));
            mappings.entry(process).or_default().extend(mapping);
        } else if let Some((process, address)) = fault(line) {
            let mut of = mappings.get(process).into_iter().flatten();
            let inside = of.find_map(|(start, length, meant)| {
                let at = address.checked_sub(*start).filter(|at| at < length)?;
                Some(meant + at)
            });
            places.entry(process).or_default().extend(inside);
        }
    }
    let most = places.values().map(Vec::len).max().unwrap_or_default();
    let servers = places.values().filter(|all| all.len() * 2 >= most);
    let functions = servers.flatten().filter_map(|at| program.function(*at));
    let mut seen = HashSet::new();
    Ok(functions
        .filter(|name| seen.insert(*name))
        .cloned()
        .collect())
}

/// Reads `… PERF_RECORD_MMAP2 7/7: [0x1000(0x200) @ 0x80 fe:00 1 2]: r-xp /loadline`: process, path, start, length, offset.
fn mapped(line: &str) -> Option<(&str, &str, u64, u64, u64)> {
    let (_, rest) = line.split_once("PERF_RECORD_MMAP")?;
    let (_, rest) = rest.split_once(' ')?;
    let (process, rest) = rest.split_once('/')?;
    let (_, rest) = rest.split_once('[')?;
    let (start, rest) = rest.split_once('(')?;
    let (length, rest) = rest.split_once(") @ ")?;
    let (offset, rest) = rest.split_once([' ', ']'])?;
    let (_, path) = rest.rsplit_once(' ')?;
    Some((process, path, hex(start)?, hex(length)?, hex(offset)?))
}

/// Reads `  7   addr   ip`, with or without the command before: process and address.
fn fault(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_ascii_whitespace().rev();
    let (_, address, process) = (words.next()?, words.next()?, words.next()?);
    Some((process, hex(address)?))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

impl Program {
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*bytes)?;
        let functions = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text);
        Ok(Self {
            functions: functions
                .map(|symbol| Ok((symbol.address(), symbol.name()?.to_owned())))
                .collect::<Result<_>>()?,
            segments: file
                .segments()
                .filter(|segment| {
                    matches!(segment.flags(), SegmentFlags::Elf { p_flags } if p_flags & PF_X != 0)
                })
                .map(|segment| {
                    let (offset, length) = segment.file_range();
                    (offset, length, segment.address())
                })
                .collect(),
        })
    }

    /// Where this part of the file is meant to be. Mappings begin with a page, segments may do so later.
    fn meant(&self, offset: u64) -> Option<u64> {
        const PAGE: u64 = 4096;
        let of = |(from, length, _): &&(u64, u64, u64)| {
            (from - from % PAGE..from + length).contains(&offset)
        };
        let (from, _, address) = self.segments.iter().find(of)?;
        Some((address + offset).saturating_sub(*from))
    }

    fn function(&self, at: u64) -> Option<&String> {
        self.functions
            .range(..=at)
            .next_back()
            .map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_mappings_are_read() {
        let line = " loadline  7 PERF_RECORD_MMAP2 7/8: [0x55f0(0x200) @ 0x1000 fe:00 1 2]: r-xp /loadline";
        assert_eq!(
            mapped(line),
            Some(("7", "/loadline", 0x55f0, 0x200, 0x1000))
        );
        assert_eq!(mapped("  7  55f4  55f4"), None);
        assert_eq!(fault("  7     55f4     77aa"), Some(("7", 0x55f4)));
        assert_eq!(
            fault(" tokio-rt-worker  7  55f4  77aa"),
            Some(("7", 0x55f4))
        );
    }

    #[test]
    fn a_place_in_a_process_is_one_in_the_file() {
        let program = Program {
            functions: [(0x2800, "one"), (0x2900, "two")]
                .map(|(at, name)| (at, name.to_owned()))
                .into(),
            segments: vec![(0x1800, 0x1000, 0x2800)],
        };
        // It begins in the middle of a page, and is mapped with all of it.
        assert_eq!(program.meant(0x1000), Some(0x2000));
        assert_eq!(program.function(0x28ff).map(String::as_str), Some("one"));
        assert_eq!(program.function(0x2900).map(String::as_str), Some("two"));
        assert_eq!(program.function(0x27ff), None);
    }
}
