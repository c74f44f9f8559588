//! doctor
use crate::cli::Cli;
use std::process::ExitCode;
/// x
pub async fn run(_cli: &Cli, _host: Option<&str>) -> ExitCode {
    ExitCode::SUCCESS
}
