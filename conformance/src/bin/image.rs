//! Wraps a static program as a container image: `image PROGRAM NAME OUT.tar`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use conformance::image::{Image, OTHER_NAMES};

/// Wraps a statically linked program, and links to it by the names of Heapster's programs, as a container image that
/// holds nothing else.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program; its file name becomes the entry point.
    program: PathBuf,
    /// The image's name with its tag.
    name: String,
    /// The archive to write, for `ctr image import`, `docker load` or `podman load`.
    out: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { program, name, out } = Arguments::parse();
    let size = Image::of_program(&name, &program, &OTHER_NAMES)?.write(&out)?;
    writeln!(io::stdout(), "{}: {size} bytes", out.display())?;
    Ok(())
}
