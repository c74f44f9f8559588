//! demo
use std::process::ExitCode;
/// x
pub async fn run() -> ExitCode {
    ExitCode::SUCCESS
}
