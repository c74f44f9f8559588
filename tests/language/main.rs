//! The language of comments and documents: nouns instead of "what" and "it". `scripts/prose` counts.

use std::path::Path;
use std::process::Command;

/// The highest rates of "what" and "it" in 1,000 words of prose.
const RATES: &str = "what=2,it=10";

/// The directories and files whose prose is counted, each by itself.
const PLACES: [&str; 7] = [
    "src",
    "tests",
    "benches",
    "examples",
    "docs",
    "README.md",
    "ARCHITECTURE.md",
];

#[test]
fn comments_use_nouns_instead_of_pronouns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in PLACES {
        let output = Command::new("python3")
            .current_dir(root)
            .args(["scripts/prose", "--worst", "10", "--max", RATES, place])
            .output()
            .unwrap_or_else(|error| panic!("python3, which scripts/test installs: {error}"));
        let counts = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{counts}{errors}");
    }
}
