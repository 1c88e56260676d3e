//! What a program used, by the pages it asked for.
//!
//! Linked with a page for each function and constant (`deploy/image/apart`), and with nothing of its file in memory, a
//! process asks the kernel for a page where it uses one for the first time. So perf writes down all it uses, and when it
//! began to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeTo;

/// What processes of the program are called: its own name, and those under which it is Heapster and Eventer.
const CALLED: [&str; 3] = ["loadline", "heapster", "eventer"];

/// Those of `parts` in which processes of the program asked for pages: of the process that asked for most first, so that
/// what only other commands and later replicas use does not stand between what every server uses; of one process in the order
/// of the first time. `parts` are known by the addresses where they begin, and end with `code`. `script` is what
/// `perf script -F comm,pid,trace` prints of `exceptions:page_fault_*`. The program is linked to fixed addresses, so those
/// asked for are those of its file.
pub(crate) fn used<'p>(
    parts: &'p BTreeMap<u64, String>,
    code: RangeTo<u64>,
    script: &str,
) -> Vec<&'p str> {
    let faults = || script.lines().filter_map(fault);
    // Threads have names of their own; the first one has the program's.
    let ours = faults().filter(|fault| CALLED.contains(&fault.called));
    let mut of: BTreeMap<&str, Vec<u64>> = ours.map(|fault| (fault.process, vec![])).collect();
    for fault in faults().filter(|fault| code.contains(&fault.address)) {
        if let Some(of) = of.get_mut(fault.process) {
            of.push(fault.address);
        }
    }
    let mut processes: Vec<Vec<u64>> = of.into_values().collect();
    processes.sort_by_key(|addresses| Reverse(addresses.len()));
    let parts = processes
        .iter()
        .flatten()
        .filter_map(|address| parts.range(..=*address).next_back());
    let mut seen = HashSet::new();
    parts
        .map(|(_, part)| part.as_str())
        .filter(|part| seen.insert(*part))
        .collect()
}

/// A page asked for.
struct Fault<'s> {
    called: &'s str,
    process: &'s str,
    address: u64,
}

/// Reads `loadline  7 address=0x2000 ip=0x2000 error_code=0x14`. Names of threads may hold spaces.
fn fault(line: &str) -> Option<Fault<'_>> {
    let (thread, rest) = line.split_once("address=0x")?;
    let (called, process) = thread.trim().rsplit_once(' ')?;
    let (address, _) = rest.split_once(' ')?;
    Some(Fault {
        called: called.trim_end(),
        process,
        address: u64::from_str_radix(address, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_largest_process_uses_comes_first_in_the_order_in_which_it_began_to() {
        let parts = [
            (0x1000, "one"),
            (0x2000, "two"),
            (0x4000, "three"),
            (0x4800, "four"),
        ];
        let parts = parts.map(|(at, name)| (at, name.to_owned())).into();
        let script = "\
        etcd     9 address=0x1000 ip=0x1000 error_code=0x14
    loadline     3 address=0x4800 ip=0x4800 error_code=0x14
    loadline     7 address=0x4010 ip=0x4010 error_code=0x14
 tokio rt 1      7 address=0x3000 ip=0x4000 error_code=0x4
 tokio rt 1      7 address=0x4000 ip=0x4000 error_code=0x14
 tokio rt 1      7 address=0x10 ip=0x10 error_code=0x14
 tokio rt 1      7 address=0x5010 ip=0x4000 error_code=0x6
";
        assert_eq!(used(&parts, ..0x5000, script), ["three", "two", "four"]);
    }
}
