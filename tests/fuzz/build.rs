//! Unpacks the inputs to `corpus/<target>/`, the folder that `cargo fuzz run <target>` starts from.

use std::{fs, path::Path};

#[path = "src/corpus.rs"]
mod corpus;

fn main() {
    println!("cargo::rerun-if-changed=inputs");
    for file in fs::read_dir("inputs").expect("the inputs") {
        let file = file.expect("a file").path();
        let text = fs::read_to_string(&file).expect("a text");
        let folder = Path::new("corpus").join(file.file_stem().expect("a name"));
        fs::create_dir_all(&folder).expect("a folder");
        for (number, input) in corpus::inputs(&text).iter().enumerate() {
            fs::write(folder.join(format!("{number:03}")), input).expect("an input is written");
        }
    }
}
