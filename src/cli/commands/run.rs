//! `wippy run`: boots the project, runs a process on the terminal if asked to, waits, shuts down.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::app::boot::System;
use crate::app::infrastructure::Options;
use crate::app::project::LockFile;
use crate::app::project::lock_file::FILE_NAME;
use crate::app::shutdown::{OnSignal, Shutdown};
use crate::app::{entries, exec, settings};
use crate::cli::args::{GlobalArgs, OverrideArgs, RunArgs};
use crate::cli::commands::version;
use crate::cli::configuration::{Configuration, configuration};
use crate::cli::exec_spec::ExecSpec;
use crate::cli::exit_code::ExitCode;
use crate::cli::memory_limit::memory_limit;
use crate::cli::output;
use crate::core::reactor::signal::{self, Signal};
use crate::core::reactor::terminal::restore_terminal;
use crate::core::registry::{Entry, EntryId};
use crate::core::relay::{Exit, Outcome};
use crate::infra::config::Config;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::logger::{Level, Logger, Mode, Settings};
use crate::infra::memory;
use crate::infra::transcoder::Value;
use crate::services::terminal::{self, TerminalSession, exit_code};
use crate::system::finder::Finder;
use crate::system::spawn::TerminalSource;

/// How long a second signal waits for log lines on their way.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long a program that was ended at its deadline may take to be gone, before it is said for it.
const LAST_MOMENT: Duration = Duration::from_millis(200);

/// How long a shutdown may take beyond its timeout: threads for work that blocks get their second
/// each.
const GRACE: Duration = Duration::from_millis(2500);

/// What to run besides the services.
enum Target {
    Nothing,
    Exec(ExecSpec),
    Command(String),
}

pub fn run(global: &GlobalArgs, args: RunArgs) -> Result<ExitCode> {
    let (target, program_args) = target(&args)?;
    let quiet = !matches!(target, Target::Nothing);
    let logs =
        !global.silent && (!quiet || global.verbose || global.very_verbose || global.console);
    let OverrideArgs { profiles, sets, .. } = &args.overrides;
    let configuration = configuration(global, profiles, sets)?;
    let logger = start_logger(global, &configuration.config, logs)?;
    if logs {
        output::raw(&version::banner());
    }
    let environment = std::env::var("GOMEMLIMIT").ok();
    memory::set_target(memory_limit(global.memory_limit.as_deref(), environment.as_deref()));
    let is_console = global.console;
    let job = Job { args, target, program_args, configuration, logger, is_console };
    let outcome = job.run();
    job.logger.flush();
    outcome
}

/// One run of the command.
struct Job {
    args: RunArgs,
    target: Target,
    program_args: Vec<String>,
    configuration: Configuration,
    logger: Logger,
    is_console: bool,
}

fn target(args: &RunArgs) -> Result<(Target, Vec<String>)> {
    let mut positional = args.args.clone();
    if let Some(spec) = &args.exec {
        let mut spec = ExecSpec::parse(spec)?;
        if let Some(host) = &args.host {
            let host = EntryId::parse(host);
            if spec.host.as_ref().is_some_and(|named| *named != host) {
                return Err(Error::invalid("two terminal hosts: one in --exec, another in --host"));
            }
            spec.host = Some(host);
        }
        return Ok((Target::Exec(spec), positional));
    }
    if positional.is_empty() {
        return Ok((Target::Nothing, positional));
    }
    let command = positional.remove(0);
    Ok((Target::Command(command), positional))
}

impl Job {
    fn run(&self) -> Result<ExitCode> {
        let (lock, entries) = self.entries().inspect_err(|error| self.log_failure(error))?;
        if matches!(&self.target, Target::Command(name) if name == "list") {
            list_commands(&entries);
            return Ok(ExitCode::Success);
        }
        let overrides = &self.args.overrides.overrides;
        let expander = entries::expander(&lock, &self.configuration, overrides)
            .inspect_err(|error| self.log_failure(error))?;
        let (config, workers) = (&self.configuration.config, self.args.workers.map(usize::from));
        let options = Options {
            expansion: Some(Arc::new(expander)),
            ..settings::options(config, workers, PathBuf::new(), &self.logger)
        };
        let system = System::boot(options).inspect_err(|error| self.log_failure(error))?;
        let shutdown = Arc::new(Shutdown::default());
        let session = Arc::new(TerminalSession::stdio(self.program_args.clone()));
        let ending = match self.start(&system, entries, &shutdown, &session) {
            Ok(ending) => ending,
            Err(error) => {
                self.log_failure(&error);
                self.stop(system, session, None, || 1);
                return Err(error);
            }
        };
        shutdown.wait();
        let code = shutdown.clone();
        self.stop(system, session, ending, move || code.code());
        Ok(ExitCode::Process(shutdown.code().into()))
    }

    /// Loads the registry, installs the signal handler and starts what was asked for: its ending, if
    /// that has one of its own.
    fn start(
        &self,
        system: &System,
        entries: Vec<Entry>,
        shutdown: &Arc<Shutdown>,
        session: &Arc<TerminalSession>,
    ) -> Result<Option<Arc<Ending>>> {
        install_signals(shutdown, &self.logger)?;
        let exit = shutdown.clone();
        system.on_exit(move |code| exit.request(code));
        self.offer_terminal(system, shutdown, session);
        system.load(entries)?;
        self.logger.info("runtime ready", []);
        let spec = match &self.target {
            Target::Nothing => return Ok(None),
            Target::Exec(spec) => spec.clone(),
            Target::Command(name) => {
                let snapshot = system.registry.snapshot();
                let all: Vec<_> = snapshot.entries().cloned().collect();
                let entry = exec::named_command(&all, name).ok_or_else(|| {
                    let hint = "Use 'wippy run list' to see available commands";
                    Error::not_found(format!("command \"{name}\" not found. {hint}"))
                })?;
                ExecSpec { host: self.args.host.as_deref().map(EntryId::parse), entry }
            }
        };
        if exec::is_function(system, &spec.entry) {
            if let Some(host) = &spec.host {
                let message = format!("{} is a function: it needs no host, {host}", spec.entry);
                return Err(Error::invalid(message));
            }
            let ending = Ending::of(shutdown);
            let done = ending.clone();
            let on_outcome = Box::new(move |outcome: Outcome| done.tell(&outcome));
            exec::call(system, &spec.entry, &self.program_args, on_outcome)?;
            return Ok(Some(ending));
        }
        let host = exec::choose_host(system, spec.host.as_ref())?;
        let ending = Ending::of(shutdown);
        let (done, terminal) = (ending.clone(), session.clone());
        let mut hidden = hides_logs(&system.finder, &host).then(|| self.logger.hide());
        let on_end = Box::new(move |exit: &Exit| {
            drop(hidden.take());
            // Before anything is said: the terminal is the user's again.
            terminal.end();
            done.tell(&exit.outcome);
        });
        exec::start(system, &host, &spec.entry, &self.program_args, session.clone(), on_end)?;
        Ok(Some(ending))
    }

    /// Processes that services or others start on a terminal host share the terminal with the program
    /// that was asked for. The end of each ends the runtime; its result counts unless somebody was
    /// first.
    fn offer_terminal(
        &self,
        system: &System,
        shutdown: &Arc<Shutdown>,
        session: &Arc<TerminalSession>,
    ) {
        let (finder, logger) = (system.finder.clone(), self.logger.clone());
        let (shutdown, session) = (shutdown.clone(), session.clone());
        let source: TerminalSource = Box::new(move |host| {
            let mut hidden =
                hides_logs(&finder, &EntryId::parse(host.as_str())).then(|| logger.hide());
            let (shutdown, terminal) = (shutdown.clone(), session.clone());
            let on_end = Box::new(move |exit: &Exit| {
                drop(hidden.take());
                terminal.end();
                if !shutdown.has_begun() {
                    shutdown.request(say(&exit.outcome));
                }
            });
            (session.clone(), on_end)
        });
        // Set once, here.
        let _ = system.kernel.terminal.set(source);
    }

    /// `code` is asked for the exit status if the stop takes too long.
    fn stop(
        &self,
        mut system: System,
        session: Arc<TerminalSession>,
        ending: Option<Arc<Ending>>,
        code: impl Fn() -> i32 + Send + 'static,
    ) {
        let began = Instant::now();
        self.logger.info("shutting down", []);
        session.close();
        let timeout = settings::shutdown_timeout(&self.configuration.config);
        let _in_time = leave_after(timeout.saturating_add(GRACE), &self.logger, code);
        let mut said = false;
        system.stop_services(timeout, &mut |waiting| {
            if !said && std::io::stderr().is_terminal() && !waiting.is_empty() {
                said = true;
                output::note(&waiting_text(waiting));
            }
        });
        if let Some(ending) = &ending {
            ending.require(LAST_MOMENT);
        }
        system.finish(timeout.saturating_sub(began.elapsed()));
        session.end();
        restore_terminal();
        self.logger.info("stopped", []);
    }

    /// The lock file and the entries of the project. Without a lock file there are none, unless one of
    /// them is wanted.
    fn entries(&self) -> Result<(LockFile, Vec<Entry>)> {
        let path = Path::new(FILE_NAME);
        let lock = match LockFile::read(path) {
            Err(error)
                if *error.kind() == Kind::NotFound && matches!(self.target, Target::Nothing) =>
            {
                self.logger.info("no lock file found, starting with empty registry", []);
                return Ok((LockFile::new(path), Vec::new()));
            }
            read => read?,
        };
        let overrides = &self.args.overrides.overrides;
        let began = Instant::now();
        let mut on_problem = |problem: &_| output::problem(problem, self.is_console);
        let prepared =
            entries::load(lock.clone(), &self.configuration, overrides, &mut on_problem)?;
        let fields = [
            ("entries", Value::Int(prepared.entries.len() as i64)),
            ("took", format!("{:.1?}", began.elapsed()).into()),
        ];
        self.logger.named("boot").debug("entries read", fields);
        for warning in &prepared.warnings {
            self.logger.warn(warning, []);
        }
        Ok((lock, prepared.entries))
    }

    fn log_failure(&self, error: &Error) {
        self.logger.error("start failed", [("error", error.to_string().into())]);
    }
}

/// How the program ends that was asked for. Its exit code is that of its result, told once.
struct Ending {
    shutdown: Arc<Shutdown>,
    stage: Mutex<Stage>,
    told: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Runs,
    /// Somebody is just telling.
    Ends,
    Told,
}

impl Ending {
    fn of(shutdown: &Arc<Shutdown>) -> Arc<Ending> {
        let (stage, told) = (Mutex::new(Stage::Runs), Condvar::new());
        Arc::new(Ending { shutdown: shutdown.clone(), stage, told })
    }

    /// The program has ended so. Only the first one is heard.
    fn tell(&self, outcome: &Outcome) {
        let mut stage = self.stage.lock();
        if *stage != Stage::Runs {
            return;
        }
        *stage = Stage::Ends;
        drop(stage);
        self.shutdown.request(say(outcome));
        *self.stage.lock() = Stage::Told;
        self.told.notify_all();
    }

    /// Its host has stopped, so it has been ended: if it does not say so within `patience`, since it
    /// is where it cannot be interrupted, that is said for it.
    fn require(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut stage = self.stage.lock();
        while *stage != Stage::Told && !self.told.wait_until(&mut stage, deadline).timed_out() {}
        drop(stage);
        let error = Error::new(Kind::Canceled, "context canceled").with_retryable(None);
        self.tell(&Outcome::Error(error));
    }
}

/// Tells how a program ended, if that is a failure: its exit code.
fn say(outcome: &Outcome) -> i32 {
    let (code, message) = exit_code(outcome);
    if let Some(message) = message {
        output::note(&message);
    }
    code
}

/// Does the terminal host want the log to itself while its process runs?
fn hides_logs(finder: &Finder, host: &EntryId) -> bool {
    let entry = finder.get(host);
    entry.and_then(|entry| entry.data.get("hide_logs").and_then(Value::as_bool)).unwrap_or(false)
}

/// Leaves the program after `limit`, unless what is returned has been dropped by then: something
/// holds a worker, and would hold up the end.
fn leave_after(
    limit: Duration,
    logger: &Logger,
    code: impl Fn() -> i32 + Send + 'static,
) -> mpsc::Sender<()> {
    let (in_time, end) = mpsc::channel();
    let logger = logger.clone();
    let watch = move || {
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            logger.warn("shutdown timeout, busy threads are left behind", []);
            leave(&logger, code());
        }
    };
    // Without a thread to give, the end takes as long as it takes.
    let _ = std::thread::Builder::new().name("wippy-deadline".to_owned()).spawn(watch);
    in_time
}

/// At once, with the terminal restored and the log written.
fn leave(logger: &Logger, code: i32) -> ! {
    restore_terminal();
    logger.flush_for(LAST_WORDS);
    std::process::exit(code)
}

/// First signal: graceful. Second, and any that is fatal: at once, with the terminal restored and the
/// log written.
fn install_signals(shutdown: &Arc<Shutdown>, logger: &Logger) -> Result<()> {
    let (shutdown, logger) = (shutdown.clone(), logger.clone());
    signal::install(move |signal| {
        match signal {
            Signal::Resize => return terminal::resized(),
            Signal::Fatal(signal) => {
                restore_terminal();
                logger.flush_for(LAST_WORDS);
                return signal.end();
            }
            Signal::Interrupt | Signal::Terminate => {}
        }
        if let OnSignal::LeaveNow(code) = shutdown.signal() {
            leave(&logger, code);
        }
    })
    .map_err(|error| Error::internal(format!("install signal handlers: {error}")))
}

/// `waiting for app:relay-service to stop, at most 9 s more; Ctrl+C leaves at once`.
fn waiting_text(waiting: &[(EntryId, Duration, Duration)]) -> String {
    let names: Vec<String> = waiting.iter().take(5).map(|(id, _, _)| id.to_string()).collect();
    let more = match waiting.len().saturating_sub(names.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let left = waiting.iter().map(|(_, left, _)| *left).max().unwrap_or_default();
    let seconds = left.as_secs_f64().ceil();
    let names = names.join(", ");
    format!("waiting for {names}{more} to stop, at most {seconds} s more; Ctrl+C leaves at once")
}

// -- what goes in ----------------------------------------------------------------------------------

fn start_logger(global: &GlobalArgs, config: &Config, logs: bool) -> Result<Logger> {
    let mode = match (logs, global.console, config.get_str("logger.encoding")) {
        (false, _, _) => Mode::Silent,
        (_, true, _) => Mode::Console,
        (_, _, Some("json")) => Mode::Json,
        _ => Mode::Default,
    };
    let verbose = global.verbose || global.very_verbose;
    let settings = settings::log(config);
    let settings = Settings {
        min_level: if verbose { Level::Debug } else { settings.min_level },
        stack_traces: global.very_verbose && !global.console,
        ..settings
    };
    Logger::start(mode, settings)
        .map_err(|error| Error::internal(format!("start the logger: {error}")))
}

fn list_commands(entries: &[Entry]) {
    let text = |entry: &Entry| {
        let short = entry.meta.get("command").and_then(|c| c.get("short"));
        let short = short.and_then(Value::as_str).unwrap_or_default().to_owned();
        exec::command_name(entry).map(|name| (name.to_owned(), short, entry.id.to_string()))
    };
    let mut commands: Vec<_> = entries.iter().filter_map(text).collect();
    commands.sort();
    let mut out = String::new();
    if commands.is_empty() {
        out.push_str("No commands found.\n\nAn entry of kind process.lua becomes a command with\n");
        out.push_str("`meta: { command: { name: greet, short: Say hello } }`.\n");
    } else {
        let widest = |f: fn(&(String, String, String)) -> &String| {
            commands.iter().map(|c| f(c).chars().count()).max().unwrap_or(0)
        };
        let (names, shorts) = (widest(|c| &c.0), widest(|c| &c.1));
        out.push_str("Available commands:\n\n");
        for (name, short, id) in &commands {
            out.push_str(&format!("  {name:names$}  {short:shorts$}  ({id})\n"));
        }
        out.push_str("\nRun with: wippy run <command>\n");
    }
    output::raw(&out);
}
