//! One run of a workload: a child process, the lines it prints, the memory it has by then.
//!
//! A child prints a line of JSON for each measurement and then waits for a line of input, so that its
//! memory can be read while what it measured is still there. After `{"done":1}` it is killed: how
//! long a program takes to wind down a million processes is not what is compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Wippy,
    Erlang,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Wippy, Side::Erlang];

    pub fn name(self) -> &'static str {
        match self {
            Side::Wippy => "wippy",
            Side::Erlang => "Erlang/OTP",
        }
    }
}

/// A line of a child: its own figures, and the memory of the child when it printed them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// Empty if a workload has but one.
    pub name: String,
    pub operations: f64,
    pub ns: f64,
    pub p50_ns: f64,
    pub p99_ns: f64,
    /// Bytes; zero where the system does not tell.
    pub resident: f64,
    /// The most so far.
    pub resident_max: f64,
}

impl Measurement {
    fn parse(line: &str) -> Result<Measurement, String> {
        let value: serde_json::Value =
            serde_json::from_str(line).map_err(|error| format!("{error} in {line:?}"))?;
        let number = |key: &str| value[key].as_f64().unwrap_or(0.0);
        Ok(Measurement {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            operations: number("operations"),
            ns: number("ns"),
            p50_ns: number("p50_ns"),
            p99_ns: number("p99_ns"),
            ..Measurement::default()
        })
    }
}

pub enum Outcome {
    Measured(Vec<Measurement>),
    /// There is no such program on this machine.
    Absent,
    Failed(String),
}

/// The compiled escript.
const BUILT: &str = "compare";

/// How both sides are started.
pub struct Sides {
    wippy: PathBuf,
    escript: PathBuf,
    /// The project that wippy runs.
    project: PathBuf,
    /// Holds the escript, compiled.
    built: TempDir,
    patience: Duration,
    /// What each says of itself; `None` if it is not installed.
    pub versions: [Option<String>; 2],
}

impl Sides {
    /// # Errors
    ///
    /// Wippy does not start, or the Erlang that is installed does not. `here` is the folder with
    /// `wippy/` and `erlang/`.
    pub fn new(
        wippy: PathBuf,
        escript: PathBuf,
        here: PathBuf,
        patience: Duration,
    ) -> Result<Sides, String> {
        let built = tempfile::tempdir().map_err(|error| format!("a folder: {error}"))?;
        let version = said(Command::new(&wippy).args(["version", "--short"]))?;
        let version = version.ok_or("no wippy binary")?;
        let mut command = Command::new(&escript);
        command.arg(here.join("erlang/compare.erl")).arg("build").arg(built.path().join(BUILT));
        let versions = [Some(version), said(&mut command)?];
        Ok(Sides { wippy, escript, project: here.join("wippy"), built, patience, versions })
    }

    pub fn version(&self, side: Side) -> Option<&str> {
        self.versions[side as usize].as_deref()
    }

    /// Runs a workload with these numbers, on so many cores if it says.
    pub fn run(
        &self,
        side: Side,
        entry: &str,
        numbers: &[String],
        cores: Option<usize>,
    ) -> Outcome {
        if self.version(side).is_none() {
            return Outcome::Absent;
        }
        match measure(self.command(side, entry, numbers, cores), self.patience) {
            Ok(measurements) => Outcome::Measured(measurements),
            Err(reason) => Outcome::Failed(reason),
        }
    }

    fn command(
        &self,
        side: Side,
        entry: &str,
        numbers: &[String],
        cores: Option<usize>,
    ) -> Command {
        let mut command = match side {
            Side::Wippy => {
                let mut command = Command::new(&self.wippy);
                command.current_dir(&self.project).arg("run").arg("-s");
                if let Some(cores) = cores {
                    command.arg(format!("--workers={cores}"));
                }
                command.args(["-x", "app.compare:run"]);
                command
            }
            Side::Erlang => {
                let mut command = Command::new(&self.escript);
                command.arg(self.built.path().join(BUILT));
                if let Some(cores) = cores {
                    command.env("ERL_FLAGS", format!("+S {cores}:{cores}"));
                }
                command
            }
        };
        command.arg(entry).args(numbers);
        command
    }
}

/// What a program prints; `None` if there is no such program.
fn said(command: &mut Command) -> Result<Option<String>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        }
        Ok(output) => Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(mut command: Command, patience: Duration) -> Result<Vec<Measurement>, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = Instant::now() + patience;
    let mut child = Running(command.spawn().map_err(|error| format!("start: {error}"))?);
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take())
    else {
        return Err("no pipes".to_owned());
    };
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more once the child is done.
            let _ = sender.send(line);
        }
    });
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut measurements = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "{\"done\":1}" => return Ok(measurements),
            Ok(line) => {
                let mut measurement = Measurement::parse(&line)?;
                let (resident, resident_max) = memory(child.0.id()).unwrap_or_default();
                measurement.resident = resident;
                measurement.resident_max = resident_max;
                measurements.push(measurement);
                stdin.write_all(b"\n").map_err(|error| format!("go on: {error}"))?;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(format!("not done in {patience:?}"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let text = errors.join().unwrap_or_default();
                return Err(format!("ended early: {}", text.trim()));
            }
        }
    }
}

/// Resident bytes of a process now and at most, where the system tells them. `escript` becomes the
/// Erlang emulator by `exec`, so its number stays.
fn memory(pid: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? * 1024.0)
    };
    Some((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Vec<Measurement>, String> {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        measure(command, Duration::from_secs(30))
    }

    #[test]
    fn waits_for_input_after_each_line() {
        let text = r#"echo '{"name":"a","operations":2,"ns":7}'; read x; echo '{"ns":8}'; read x
                      echo '{"done":1}'; sleep 100"#;
        let found = script(text).expect("two measurements");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].operations, found[0].ns), ("a", 2.0, 7.0));
        assert_eq!((found[1].name.as_str(), found[1].ns), ("", 8.0));
    }

    #[test]
    fn an_early_end_is_told_with_its_reason() {
        let error = script("echo oh no >&2; exit 1").expect_err("not done");
        assert_eq!(error, "ended early: oh no");
        script("echo nonsense").expect_err("no JSON");
    }

    #[test]
    fn a_program_that_is_not_installed_is_absent() {
        let found = said(Command::new("no-such-program-anywhere").arg("version"));
        assert_eq!(found, Ok(None));
    }
}
