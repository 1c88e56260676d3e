//! The constants of a program, and what each is known by from one build to the next.
//!
//! Those that have a name are known by it: tables of C, and what a function jumps by. All others, texts and tables of
//! functions for the most part, are named by the compiler anew each time, and known by what they hold: a place in them
//! that holds an address by what is there.

use std::collections::BTreeMap;

use object::{Object, ObjectSegment};

use crate::name::{Digest, Name};

/// The part of the file a constant comes from, as the linker's map tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constant {
    address: u64,
    size: u64,
    /// The object file, without its folder or archive.
    object: String,
    section: String,
}

/// A program with its constants, by their addresses.
pub(crate) struct Constants<'f> {
    file: &'f object::File<'f>,
    functions: BTreeMap<u64, &'f str>,
    all: BTreeMap<u64, Constant>,
}

/// How many steps from address to address a constant is looked at: from a place in the code to the name of its file.
const STEPS: usize = 2;

impl<'f> Constants<'f> {
    /// Those of `file`, as `map`, which lld writes with `-Map`, tells them.
    pub(crate) fn new(
        file: &'f object::File<'f>,
        functions: BTreeMap<u64, &'f str>,
        map: &str,
    ) -> Self {
        let all = map.lines().filter_map(constant);
        Self {
            file,
            functions,
            all: all.map(|constant| (constant.address, constant)).collect(),
        }
    }

    /// Where each begins, and what it is known by.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (u64, String)> {
        let digests = self.all.values();
        digests.map(|constant| (constant.address, self.digest(constant, STEPS).to_string()))
    }

    /// What the linker knows the constant by that begins at `address`: a section, or a file with one in brackets.
    pub(crate) fn pattern(&self, address: u64) -> Option<String> {
        let Constant {
            object, section, ..
        } = self.all.get(&address)?;
        Some(match section.as_str() {
            ".rodata" => format!("*{object}({section})"),
            _ => section.clone(),
        })
    }

    fn digest(&self, constant: &Constant, steps: usize) -> Digest {
        let mut digest = Digest::new();
        if !constant.section.contains("..Lanon.") {
            digest.add(constant.name().as_bytes());
            return digest;
        }
        for word in self.bytes(constant).chunks(8) {
            let address = <[u8; 8]>::try_from(word).map(u64::from_le_bytes);
            match address.ok().and_then(|address| self.at(address, steps)) {
                Some(there) => digest.add(there.as_bytes()),
                None => digest.add(word),
            }
        }
        digest
    }

    /// What is at this address; `None` when it is none of the program's.
    fn at(&self, address: u64, steps: usize) -> Option<String> {
        if let Some(function) = self.functions.get(&address) {
            return Some(Name(function).to_string());
        }
        if let Some((start, constant)) = self.all.range(..=address).next_back()
            && address - start < constant.size
        {
            let there = steps
                .checked_sub(1)
                .map(|steps| self.digest(constant, steps));
            return Some(format!("{there:?}+{}", address - start));
        }
        let mut segments = self.file.segments();
        let inside = |segment: object::Segment<'_, '_>| {
            (segment.address()..segment.address() + segment.size()).contains(&address)
        };
        segments.any(inside).then(String::new)
    }

    fn bytes(&self, constant: &Constant) -> &'f [u8] {
        let mut segments = self.file.segments();
        let (address, size) = (constant.address, constant.size);
        segments
            .find_map(|segment| segment.data_range(address, size).ok()?)
            .unwrap_or_default()
    }
}

impl Constant {
    /// What it is called in any build: the functions of Rust without their hashes, C's without that of their folder.
    fn name(&self) -> String {
        let Self {
            section, object, ..
        } = self;
        if section == ".rodata" {
            let (_, object) = object.split_once('-').unwrap_or(("", object));
            return format!("{section} {object}");
        }
        match section.find("_R") {
            Some(at) => format!("{} {}", &section[..at], Name(&section[at..])),
            None => section.clone(),
        }
    }
}

/// Reads `2000 2000 1c 8         libone.rlib(two.o):(.rodata..Lanon.0.1)`. What the linker merged has no place of its own.
fn constant(line: &str) -> Option<Constant> {
    let (file, section) = line.strip_suffix(')')?.rsplit_once(":(")?;
    if !section.starts_with(".rodata") || file.ends_with("<internal>") {
        return None;
    }
    let mut words = file.split_ascii_whitespace();
    let (address, _, size) = (words.next()?, words.next()?, words.next()?);
    let object = file.trim_end_matches(')').rsplit(['(', '/']).next()?;
    let constant = Constant {
        address: u64::from_str_radix(address, 16).ok()?,
        size: u64::from_str_radix(size, 16).ok()?,
        object: object.to_owned(),
        section: section.to_owned(),
    };
    (constant.size > 0).then_some(constant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_is_read_from_the_linker_s_map() {
        let line = "  20300  20300  1c  8         a/libone.rlib(7-two.o):(.rodata..Lanon.0.1)";
        let read = constant(line).expect("a constant");
        assert_eq!((read.address, read.size), (0x20300, 0x1c));
        assert_eq!(read.object, "7-two.o");
        assert_eq!(read.section, ".rodata..Lanon.0.1");
        for other in [
            "  20300  20300  1c  8 .rodata",
            "  20300  20300  1c  8         <internal>:(.rodata.str1.1)",
            "  20300  20300  1c  8         a/two.o:(.text)",
        ] {
            assert_eq!(constant(other), None, "{other}");
        }
    }

    #[test]
    fn a_constant_with_a_name_is_known_by_it() {
        let of = |line| constant(line).expect("a constant").name();
        let one = of("1 1 1 1         a(7f-two.o):(.rodata)");
        assert_eq!(one, of("9 9 1 1         b(80-two.o):(.rodata)"));
        let table = of("1 1 1 1         a:(.rodata..Lswitch.table._RNvCs4fqI2P2rA04_1a3one)");
        assert_eq!(
            table,
            of("1 1 1 1         a:(.rodata..Lswitch.table._RNvCsa_1a3one)")
        );
        assert_ne!(table, of("1 1 1 1         a:(.rodata._RNvCsa_1a3one)"));
    }
}
