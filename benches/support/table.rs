//! The table, as Markdown.

use std::fmt;

/// Its first two lines.
pub(crate) const HEAD: &str = "| work | ours | OpenSSH | ratio | target | met |\n\
                               | --- | --- | --- | --- | --- | --- |";

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The measured operation, and its conditions where they matter.
    pub(crate) work: String,
    /// Our measurement.
    pub(crate) ours: String,
    /// OpenSSH's, where there is one.
    pub(crate) theirs: Option<String>,
    /// Ours as a multiple of theirs.
    pub(crate) ratio: Option<f64>,
    /// The reference.
    pub(crate) target: Target,
}

/// A bound of one number of a row.
#[derive(Debug)]
pub(crate) struct Target {
    /// The number.
    pub(crate) measured: f64,
    /// Its bound.
    pub(crate) bound: f64,
    /// Larger is better.
    pub(crate) larger_is_better: bool,
    /// Unit of both numbers: `×`, `ms`, `KB`.
    pub(crate) unit: &'static str,
}

impl Target {
    /// An upper bound.
    pub(crate) const fn at_most(measured: f64, bound: f64, unit: &'static str) -> Self {
        Self {
            measured,
            bound,
            larger_is_better: false,
            unit,
        }
    }

    /// How many times as fast.
    pub(crate) const fn at_least(measured: f64, bound: f64) -> Self {
        Self {
            measured,
            bound,
            larger_is_better: true,
            unit: "×",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}×"));
        let Target {
            measured,
            bound,
            larger_is_better,
            unit,
        } = &self.target;
        let (sign, met) = match larger_is_better {
            true => ('≥', measured >= bound),
            false => ('≤', measured <= bound),
        };
        write!(
            f,
            "| {} | {} | {} | {} | {sign} {bound} {unit} | {} |",
            self.work,
            self.ours,
            self.theirs.as_deref().unwrap_or("-"),
            ratio.as_deref().unwrap_or("-"),
            if met { "yes" } else { "**no**" },
        )
    }
}
