//! How the program ends.

/// The code that the shell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Success,
    /// Any error of a command, an unknown flag included.
    Failure,
    /// What an executed process returned; the shell sees the lowest eight bits.
    Process(i64),
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        match code {
            ExitCode::Success => std::process::ExitCode::SUCCESS,
            ExitCode::Failure => std::process::ExitCode::FAILURE,
            ExitCode::Process(code) => std::process::ExitCode::from((code & 0xff) as u8),
        }
    }
}
