//! What a run leaves on the machine, and how it is taken away: by the run itself, or by the next one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What the folders of all runs begin with, below the folder for temporary files.
const PREFIX: &str = "loadline-run-";
/// The file that names the process a run belongs to.
const OWNER: &str = "owner";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder, and a name for whatever else a cluster needs on the machine. All of it goes when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    name: String,
    folder: PathBuf,
}

impl Scratch {
    /// Makes the folder. The name is of this process and of no other scratch of it.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ll-{}-{number}", process::id());
        let folder = std::env::temp_dir().join(format!("{PREFIX}{name}"));
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        write_pid(&folder.join(OWNER), process::id())?;
        Ok(Self { name, folder })
    }

    /// The name of its network namespace and control group: short, and unique on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder below it, made on demand.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Makes a network namespace whose loopback device is up and has `address` too.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn add_namespace(&self, address: &str) -> Result<()> {
        ip(&["netns", "add", &self.name])?;
        ip(&["-n", &self.name, "link", "set", "lo", "up"])?;
        ip(&["-n", &self.name, "address", "add", address, "dev", "lo"])
    }

    /// Makes a control group in every hierarchy of this machine and returns its path below each root. A kubelet given
    /// it as its root keeps all containers of this run apart from anybody else's, and gives them their share of a machine
    /// on which a dozen others compute: pods that starve would not be what they are told to be.
    ///
    /// # Errors
    /// When a group cannot be made.
    pub fn add_control_group(&self) -> Result<String> {
        for root in control_group_roots()? {
            let group = root.join(&self.name);
            fs::create_dir(&group).with_context(|| format!("make {}", group.display()))?;
            // A new cpuset is empty, and nothing can run in it or below it.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let Ok(all) = fs::read_to_string(root.join(file)) {
                    let _ = fs::write(group.join(file), all.trim());
                }
            }
            // As a process has 1024 in version 1 and 100 in version 2, that of thirty.
            for (file, share) in [("cpu.shares", "30720"), ("cpu.weight", "3000")] {
                let file = group.join(file);
                if file.exists() {
                    fs::write(&file, share).with_context(|| file.display().to_string())?;
                }
            }
        }
        Ok(format!("/{}", self.name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        take_away(&self.name, &self.folder);
    }
}

/// Takes away what runs left whose process is gone. Runs that are alive are not touched.
///
/// # Errors
/// When the folder for temporary files cannot be read.
pub fn sweep() -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        let folder = entry?.path();
        let Some(name) = folder
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(PREFIX))
            .map(str::to_owned)
        else {
            continue;
        };
        let owner = fs::read_to_string(folder.join(OWNER)).unwrap_or_default();
        if alive(&owner).is_none() {
            take_away(&name, &folder);
            swept.push(name);
        }
    }
    Ok(swept)
}

/// Notes a process in a way that a later process with the same number is not taken for it.
pub(super) fn write_pid(path: &Path, pid: u32) -> io::Result<()> {
    let started = start_of(pid).unwrap_or_default();
    fs::write(path, format!("{pid} {started}"))
}

/// The process a note of [`write_pid`] names, while it is alive.
fn alive(note: &str) -> Option<Pid> {
    let (pid, started) = note.trim().split_once(' ')?;
    let pid: u32 = pid.parse().ok()?;
    let same = start_of(pid).is_some_and(|now| now == started);
    same.then(|| i32::try_from(pid).ok().map(Pid::from_raw))?
}

/// When a process was started, in the clock ticks `/proc` counts; a zombie counts as gone.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (state != "Z").then(|| started.to_owned())
}

fn take_away(name: &str, folder: &Path) {
    kill_noted(folder);
    kill_shims(folder);
    remove_control_group(name);
    let _ = ip(&["netns", "del", name]);
    unmount_below(folder);
    remove_traces(name, folder);
    let _ = Command::new("rm")
        .args(["-rf", "--one-file-system"])
        .arg(folder)
        .status();
}

fn kill_noted(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|end| end == "pid")
            && let Some(pid) = fs::read_to_string(&path).ok().as_deref().and_then(alive)
        {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// Kills containerd's shims of this run. They outlive containerd and nobody notes them, but their command lines name
/// the socket in the run's own folder.
fn kill_shims(folder: &Path) {
    let Ok(processes) = fs::read_dir("/proc") else {
        return;
    };
    let socket = folder.join("containerd.sock");
    let socket = socket.to_string_lossy();
    for entry in processes.filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|&byte| byte == 0);
        let shim = words
            .next()
            .is_some_and(|program| program.ends_with(b"containerd-shim-runc-v2"));
        if shim && words.any(|word| word == socket.as_bytes()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn remove_control_group(name: &str) {
    // All of them: the container runtime makes groups in the unified hierarchy too.
    for (root, _) in control_group_mounts().unwrap_or_default() {
        let group = root.join(name);
        for _ in 0..50 {
            if !group.exists() {
                break;
            }
            for folder in folders_deepest_first(&group) {
                let inside = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                for pid in inside.lines().filter_map(|pid| pid.parse().ok()) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                let _ = fs::remove_dir(&folder);
            }
            if group.exists() {
                thread::sleep(Duration::from_millis(40));
            }
        }
    }
}

fn folders_deepest_first(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while let Some(folder) = found.get(next).cloned() {
        next += 1;
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        found.extend(
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    found.reverse();
    found
}

/// The roots of the control group hierarchies that hold a controller: one each in version 1, a single one in version 2.
pub(super) fn control_group_roots() -> Result<Vec<PathBuf>> {
    let mut all = control_group_mounts()?;
    // Beside version 1 the unified hierarchy holds no controller, and nobody looks into it.
    let mixed = all.iter().any(|(_, unified)| !unified);
    all.retain(|(_, unified)| !(mixed && *unified));
    ensure!(!all.is_empty(), "no control group hierarchy is mounted");
    Ok(all.into_iter().map(|(path, _)| path).collect())
}

/// Where control groups are mounted, and whether as version 2.
fn control_group_mounts() -> Result<Vec<(PathBuf, bool)>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mut all = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(path), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        if kind == "cgroup" || kind == "cgroup2" {
            all.push((PathBuf::from(path), kind == "cgroup2"));
        }
    }
    Ok(all)
}

fn unmount_below(folder: &Path) {
    let below = format!("{}/", folder.display());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines().rev() {
        if let Some(path) = line.split(' ').nth(1)
            && path.starts_with(&below)
        {
            let _ = Command::new("umount").args(["-l", path]).status();
        }
    }
}

/// Removes the files network plugins keep at a fixed place, named after our network or naming our folder.
fn remove_traces(name: &str, folder: &Path) {
    let of_network = format!("{name}-");
    let at = format!("{}/", folder.display());
    for path in paths_in(Path::new("/var/lib/cni/results")) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = || fs::read_to_string(&path).is_ok_and(|text| text.contains(&at));
        if file.starts_with(&of_network) || ours() {
            let _ = fs::remove_file(&path);
        }
    }
}

fn paths_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// Runs `ip`.
pub(super) fn ip(arguments: &[&str]) -> Result<()> {
    let out = Command::new("ip").args(arguments).output().context("ip")?;
    let error = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        error.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_a_process_only_while_that_very_process_is_alive() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("a.pid");
        let mut child = Command::new("sleep").arg("1000").spawn().expect("started");
        write_pid(&note, child.id()).expect("written");
        let text = fs::read_to_string(&note).expect("read");
        assert!(alive(&text).is_some());
        assert!(
            alive(&format!("{} 1", child.id())).is_none(),
            "another start"
        );
        child.kill().expect("killed");
        assert!(child.wait().is_ok() && alive(&text).is_none());
    }

    #[test]
    fn dropping_a_scratch_kills_what_it_noted_and_removes_its_folder() {
        let scratch = Scratch::new().expect("made");
        let folder = scratch.folder().to_owned();
        let mut child = Command::new("sleep").arg("1000").spawn().expect("started");
        write_pid(&folder.join("child.pid"), child.id()).expect("written");
        drop(scratch);
        assert!(!child.wait().expect("ended").success());
        assert!(!folder.exists());
    }
}
