//! The table, as Markdown.

use std::fmt;

/// Its first two lines.
pub(crate) const HEAD: &str = "| work | ours | OpenSSH | ratio | target | met |\n\
                               | --- | --- | --- | --- | --- | --- |";

/// One line of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// What is measured, and how where that matters.
    pub(crate) work: String,
    /// Our measurement.
    pub(crate) ours: String,
    /// OpenSSH's, where there is one.
    pub(crate) theirs: Option<String>,
    /// Ours as a multiple of theirs.
    pub(crate) ratio: Option<f64>,
    /// What it is held against.
    pub(crate) target: Target,
}

/// An upper bound of one number of a row.
#[derive(Debug)]
pub(crate) struct Target {
    /// The number.
    pub(crate) measured: f64,
    /// Its bound.
    pub(crate) at_most: f64,
    /// What both are in: `×`, `ms`, `KB`.
    pub(crate) unit: &'static str,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}×"));
        let Target {
            measured,
            at_most,
            unit,
        } = &self.target;
        write!(
            f,
            "| {} | {} | {} | {} | ≤ {at_most} {unit} | {} |",
            self.work,
            self.ours,
            self.theirs.as_deref().unwrap_or("-"),
            ratio.as_deref().unwrap_or("-"),
            if measured <= at_most { "yes" } else { "**no**" },
        )
    }
}
