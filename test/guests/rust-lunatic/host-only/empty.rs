// Nothing of it: see ../Cargo.toml.
