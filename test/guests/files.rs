// What Rust's std::fs does in the directory "data": make, write, read back, list, rename, remove. Prints what came of it.
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

fn main() -> std::io::Result<()> {
    fs::create_dir_all("data/a/b")?;
    fs::write("data/a/b/one", "first")?;
    OpenOptions::new().append(true).open("data/a/b/one")?.write_all(b" second")?;
    let mut file = OpenOptions::new().read(true).write(true).open("data/a/b/one")?;
    file.seek(SeekFrom::End(-6))?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    file.set_len(5)?;
    file.sync_all()?;
    println!("{rest} {} {}", fs::read_to_string("data/a/b/one")?, file.metadata()?.len());
    fs::rename("data/a/b/one", "data/a/two")?;
    fs::copy("data/a/two", "data/a/three")?;
    fs::hard_link("data/a/two", "data/a/four")?;
    for i in 0..200 {
        File::create(format!("data/a/b/{i}"))?;
    }
    let mut names: Vec<_> = fs::read_dir("data/a")?.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    println!("{names:?} {}", fs::read_dir("data/a/b")?.count());
    println!("{} {}", fs::metadata("data/a/b")?.is_dir(), fs::metadata("data/a/none").is_err());
    println!("{:?}", fs::read("data/../../etc/passwd").map_err(|error| error.raw_os_error()));
    println!("{:?}", File::open("elsewhere").err().map(|error| error.kind()));
    fs::remove_file("data/a/three")?;
    fs::remove_dir_all("data/a")?;
    println!("{}", fs::read_dir("data")?.count());
    Ok(())
}
