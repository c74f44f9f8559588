//! The language of comments and documents: nouns instead of "what" and "it". `scripts/prose` counts.

use std::path::Path;
use std::process::Command;

/// A directory or file, and the highest rates of "what" and "it" in 1,000 words of its prose. The aim is 2 and 10.
const LIMITS: [(&str, &str); 7] = [
    ("src", "what=5,it=10"),
    ("tests", "what=2,it=10"),
    ("benches", "what=2,it=10"),
    ("examples", "what=2,it=10"),
    ("docs", "what=2,it=10"),
    ("README.md", "what=2,it=10"),
    ("ARCHITECTURE.md", "what=2,it=10"),
];

#[test]
fn comments_use_nouns_instead_of_pronouns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (directory, rates) in LIMITS {
        let output = Command::new("python3")
            .current_dir(root)
            .args(["scripts/prose", "--worst", "10", "--max", rates, directory])
            .output()
            .unwrap_or_else(|error| panic!("python3, which scripts/test installs: {error}"));
        let counts = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{counts}{errors}");
    }
}
