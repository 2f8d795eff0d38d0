//! What ARCHITECTURE.md promises of the source, held by tests.

use std::path::{Path, PathBuf};
use std::process::Command;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tree(package: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn names(tree: &str) -> Vec<&str> {
    tree.lines().filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn what_decides_touches_nothing() {
    for package in ["signalpost-core", "signalpost-template"] {
        let tree = tree(package);
        for heavy in
            ["tokio", "axum", "hyper", "reqwest", "object_store", "arrow", "datafusion", "deltalake", "fjall"]
        {
            assert!(!names(&tree).contains(&heavy), "{package} depends on {heavy}");
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let core = tree("signalpost-core");
    assert!(!names(&core).iter().any(|name| matches!(*name, "signalpost" | "signalpost-lake")));
    let lake = tree("signalpost-lake");
    assert!(!names(&lake).contains(&"signalpost"));
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_holds() {
    let mut files = Vec::new();
    sources(&workspace().join("crates"), &mut files);
    assert!(files.len() > 100);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not begin with //!", file.display());
    }
}
