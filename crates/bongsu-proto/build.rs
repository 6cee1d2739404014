//! Compiles `proto/` into `OUT_DIR`: no `protoc`, and nothing generated is kept in the tree.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

const FILES: [&str; 4] = [
    "bongsu/backplane/v1/backplane.proto",
    "bongsu/v1/control.proto",
    "bongsu/v1/device.proto",
    "bongsu/v1/value.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    for file in FILES {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut set = protox::compile(FILES, [&root])?;

    let mut config = prost_build::Config::new();
    // Members of objects come out in one order, so that a value has one encoding.
    config.btree_map(["."]);
    // JSON that is carried unread is not copied on its way out.
    config.bytes([".bongsu.backplane.v1"]);
    // A token is never printed; what is printed instead stands in src/lib.rs.
    config.skip_debug(["bongsu.v1.AuthUpdate"]);
    generate(config, &out, set.clone())?;

    // Reflection tells clients what there is for them; the comments stay in the tree.
    set.file.retain(|file| file.package() != "bongsu.backplane.v1");
    for file in &mut set.file {
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptors.bin"), set.encode_to_vec())?;
    Ok(())
}

#[cfg(not(feature = "grpc"))]
fn generate(
    mut config: prost_build::Config,
    out: &Path,
    set: prost_types::FileDescriptorSet,
) -> Result<(), Box<dyn Error>> {
    config.out_dir(out);
    Ok(config.compile_fds(set)?)
}

#[cfg(feature = "grpc")]
fn generate(
    config: prost_build::Config,
    out: &Path,
    set: prost_types::FileDescriptorSet,
) -> Result<(), Box<dyn Error>> {
    // What carries a client's calls is the caller's: this crate opens no sockets.
    Ok(tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out)
        .compile_fds_with_config(set, config)?)
}
