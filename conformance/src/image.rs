//! A container image around a static program: one layer, nothing else in it, and the same bytes each time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// The user an image's program runs as unless its pod says otherwise: `nobody`.
const USER: u32 = 65534;

/// What Loadline's image sets for the allocator of its C library: one arena instead of one a thread, and large buffers
/// given back to the system as soon as they are free, where by default a freed list stays with the process.
/// `docs/performance.md` says what it saves.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// By what other names Loadline's image has its program: those of Heapster's programs, which its manifests call.
pub const OTHER_NAMES: [&str; 2] = ["eventer", "heapster"];

/// [`ENVIRONMENT`] as a process takes it.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    ENVIRONMENT.map(owned).into()
}

/// An image to be, with all of its content in memory.
#[derive(Debug)]
pub struct Image {
    name: String,
    config: Value,
    layer: Vec<u8>,
}

impl Image {
    /// Holds `program` as `/NAME`, its file name, with a link to it by each of these `others`, and runs it as `nobody`
    /// with [`ENVIRONMENT`]. The program must be linked statically.
    ///
    /// # Errors
    /// When the program cannot be read.
    pub fn of_program(name: &str, program: &Path, others: &[&str]) -> Result<Self> {
        let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
        let file = program.file_name().context("a program has a name")?;
        let file = file.to_string_lossy();
        let mut layer = Builder::new(Vec::new());
        add(&mut layer, EntryType::Regular, &file, 0o755, &bytes)?;
        for other in others {
            link(&mut layer, other, &file)?;
        }
        let environment = ENVIRONMENT.map(|(name, value)| format!("{name}={value}"));
        Ok(Self {
            name: name.to_owned(),
            config: json!({
                "Entrypoint": [format!("/{file}")],
                "Env": environment,
                "User": USER.to_string(),
            }),
            layer: layer.into_inner()?,
        })
    }

    /// Holds busybox with a link for each of `applets`, and sleeps unless told otherwise.
    ///
    /// # Errors
    /// When there is no `/bin/busybox`.
    pub fn busybox(name: &str, applets: &[&str]) -> Result<Self> {
        let bytes = std::fs::read("/bin/busybox").context("/bin/busybox")?;
        let mut layer = Builder::new(Vec::new());
        for folder in ["bin", "dev", "etc", "proc", "sys"] {
            add(&mut layer, EntryType::Directory, folder, 0o755, &[])?;
        }
        add(&mut layer, EntryType::Directory, "tmp", 0o1777, &[])?;
        add(&mut layer, EntryType::Regular, "bin/busybox", 0o755, &bytes)?;
        for applet in applets {
            link(&mut layer, &format!("bin/{applet}"), "busybox")?;
        }
        Ok(Self {
            name: name.to_owned(),
            config: json!({ "Cmd": ["/bin/sleep", "1000000"], "Env": ["PATH=/bin"] }),
            layer: layer.into_inner()?,
        })
    }

    /// Writes the image as an archive `ctr image import`, `docker load` and `podman load` take, and returns its size
    /// in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<u64> {
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&self.layer))] },
            "history": [{ "created_by": "conformance" }],
        })
        .to_string();
        let config_name = format!("{}.json", sha256(config.as_bytes()));
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": [self.name],
            "Layers": ["layer.tar"],
        }])
        .to_string();
        let mut archive = Builder::new(BufWriter::new(File::create(path)?));
        for (name, bytes) in [
            (config_name.as_str(), config.as_bytes()),
            ("layer.tar", &self.layer),
            ("manifest.json", manifest.as_bytes()),
        ] {
            add(&mut archive, EntryType::Regular, name, 0o644, bytes)?;
        }
        archive.into_inner()?.flush()?;
        Ok(std::fs::metadata(path)?.len())
    }
}

/// This machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn add<W: Write>(
    archive: &mut Builder<W>,
    kind: EntryType,
    name: &str,
    mode: u32,
    bytes: &[u8],
) -> Result<()> {
    let mut header = header(kind, mode, u64::try_from(bytes.len())?);
    archive.append_data(&mut header, name, bytes)?;
    Ok(())
}

fn link<W: Write>(archive: &mut Builder<W>, name: &str, to: &str) -> Result<()> {
    let mut header = header(EntryType::Symlink, 0o777, 0);
    archive.append_link(&mut header, name, to)?;
    Ok(())
}

/// A header without a time or an owner of this machine.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::io::Read;

    fn entries(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        for entry in tar::Archive::new(archive).entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mode = entry.header().mode().expect("a mode");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            found.push((name, mode, bytes));
        }
        found
    }

    #[test]
    fn holds_the_program_and_names_it_by_digests_that_match() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("loadline");
        std::fs::write(&program, b"ELF").expect("written");
        let archive = folder.path().join("image.tar");
        let image =
            Image::of_program("localhost/loadline:test", &program, &OTHER_NAMES).expect("an image");
        image.write(&archive).expect("written");
        let files = entries(&std::fs::read(&archive).expect("read"));
        let [config, layer, manifest] = files.as_slice() else {
            panic!("three files, not {}", files.len());
        };
        assert_eq!(config.0, format!("{}.json", sha256(&config.2)));
        let config: Value = serde_json::from_slice(&config.2).expect("json");
        let expected = format!("sha256:{}", sha256(&layer.2));
        assert_eq!(config["rootfs"]["diff_ids"][0], expected.as_str());
        assert_eq!(config["config"]["User"], "65534");
        let manifest: Value = serde_json::from_slice(&manifest.2).expect("json");
        assert_eq!(manifest[0]["RepoTags"][0], "localhost/loadline:test");
        let inside = entries(&layer.2);
        let link = |name: &str| (name.to_owned(), 0o777, Vec::new());
        let program = ("loadline".to_owned(), 0o755, b"ELF".to_vec());
        assert_eq!(inside, [program, link("eventer"), link("heapster")]);
        for entry in tar::Archive::new(&layer.2[..])
            .entries()
            .expect("a tar")
            .skip(1)
        {
            let entry = entry.expect("an entry");
            let to = entry.link_name().expect("a name").expect("a link");
            assert_eq!(to.as_ref(), Path::new("loadline"));
        }
    }

    #[test]
    fn both_ways_to_an_image_name_the_program_alike() {
        let file = include_str!("../../deploy/Containerfile");
        for name in OTHER_NAMES {
            let link = format!("ln -s loadline /image/{name}");
            assert!(file.contains(&link), "{link}");
        }
        assert_eq!(file.matches("ln -s ").count(), OTHER_NAMES.len());
    }

    #[test]
    fn both_ways_to_an_image_set_the_same_environment() {
        let image = Image::of_program("a:b", &env::current_exe().expect("a program"), &[]);
        let environment = image.expect("an image").config["Env"].clone();
        let file = include_str!("../../deploy/Containerfile");
        let set = file.lines().find_map(|line| line.strip_prefix("ENV "));
        let set: Vec<&str> = set.expect("a line").split(' ').collect();
        assert_eq!(environment, json!(set));
    }

    #[test]
    fn the_same_program_makes_the_same_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("loadline");
        std::fs::write(&program, b"ELF").expect("written");
        let once = |name: &str| {
            let image = Image::of_program("a:b", &program, &OTHER_NAMES).expect("an image");
            let path = folder.path().join(name);
            image.write(&path).expect("written");
            std::fs::read(path).expect("read")
        };
        assert_eq!(once("one.tar"), once("two.tar"));
    }
}
