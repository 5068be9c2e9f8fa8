//! The log of the runtime and of Lua programs.
//!
//! A [`Logger`] is a name and a handle to the one log. A record takes up to two ways:
//!
//! 1. **Downstream**: formatted by the caller (`format.rs`) and handed to the writer thread
//!    (`sink.rs`), if `propagate_downstream` is on, its level reaches `min_level`, and nobody
//!    [hides](Logger::hide) the log.
//! 2. **To the tap**, a hook through which a higher layer publishes records as events: records of
//!    every level, if `stream_to_events` is on or somebody hides the log.
//!
//! A log call never waits for a stream. What was logged is on the stream after [`Logger::flush`]
//! or when the last handle is dropped; a program that leaves by `process::exit` must flush.

mod format;
mod sink;

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI8, Ordering};
use std::time::{Duration, Instant};

pub use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use crate::infra::transcoder::{Map, Value};

pub use self::format::{Level, Mode, Record};
use self::sink::{Sink, Stream};

/// A named handle to the log; cheap to clone, clones share everything.
#[derive(Clone)]
pub struct Logger {
    shared: Arc<Shared>,
    name: Arc<str>,
}

/// What may be changed while the program runs: section `logmanager` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub propagate_downstream: bool,
    pub stream_to_events: bool,
    /// Holds for lines, not for events.
    pub min_level: Level,
    /// Whether callers should find out the stack, see [`Logger::wants_stack`].
    pub stack_traces: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            propagate_downstream: true,
            stream_to_events: false,
            min_level: Level::Info,
            stack_traces: false,
        }
    }
}

/// Called for each record on the thread that logs it; must not wait. What it logs itself goes
/// downstream only.
pub type Tap = dyn Fn(&Record<'_>) + Send + Sync;

struct Shared {
    /// Lowest level that goes anywhere, `NOTHING` if none does: what [`Logger::enabled`] reads.
    /// Derived from `state` and written under its lock. Relaxed: a log call racing with a change
    /// of the settings may see either side of it.
    threshold: AtomicI8,
    /// Never held while formatting, writing or calling the tap.
    state: Mutex<State>,
    mode: Mode,
    /// `None` in silent mode.
    sink: Option<Sink>,
    zone: TimeZone,
    started: Instant,
}

struct State {
    settings: Settings,
    n_hiding: usize,
    tap: Option<Arc<Tap>>,
}

/// A threshold above every level.
const NOTHING: i8 = i8::MAX;

thread_local! {
    /// This thread is inside the tap. What the tap logs does not go to the tap again.
    static IN_TAP: Cell<bool> = const { Cell::new(false) };
}

impl Logger {
    /// Starts the log on the stream that belongs to `mode`, with its writer thread.
    pub fn start(mode: Mode, settings: Settings) -> io::Result<Logger> {
        let stream = match mode {
            Mode::Silent => return Ok(Logger::new(mode, settings, None)),
            Mode::Default => rustix::stdio::stderr(),
            Mode::Console | Mode::Json => rustix::stdio::stdout(),
        };
        Logger::start_on(mode, settings, Box::new(Stream(stream)))
    }

    /// Like [`Logger::start`], writing lines to `out`.
    pub fn start_on(
        mode: Mode,
        settings: Settings,
        out: Box<dyn Write + Send>,
    ) -> io::Result<Logger> {
        Ok(Logger::new(mode, settings, Some(Sink::start(out)?)))
    }

    /// A log without stream and thread; it can still be tapped.
    pub fn silent() -> Logger {
        Logger::new(Mode::Silent, Settings::default(), None)
    }

    fn new(mode: Mode, settings: Settings, sink: Option<Sink>) -> Logger {
        let shared = Shared {
            threshold: AtomicI8::new(NOTHING),
            state: Mutex::new(State { settings, n_hiding: 0, tap: None }),
            mode,
            sink,
            zone: TimeZone::system(),
            started: Instant::now(),
        };
        let logger = Logger { shared: Arc::new(shared), name: "".into() };
        logger.change(|_| ());
        logger
    }

    /// A logger whose name is this one's and `name`, joined by a dot.
    pub fn named(&self, name: &str) -> Logger {
        let name = match &*self.name {
            "" => name.into(),
            own => format!("{own}.{name}").into(),
        };
        Logger { shared: self.shared.clone(), name }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a record of `level` would go anywhere; costs one relaxed load.
    pub fn enabled(&self, level: Level) -> bool {
        level as i8 >= self.shared.threshold.load(Ordering::Relaxed)
    }

    /// Whether records should carry a stack; ask before finding one out.
    pub fn wants_stack(&self) -> bool {
        self.shared.mode != Mode::Console && self.shared.state.lock().settings.stack_traces
    }

    /// Logs under this logger's name. `fields` is built only if somebody listens.
    pub fn debug<const N: usize>(&self, message: &str, fields: [(&str, Value); N]) {
        self.log_pairs(Level::Debug, message, fields);
    }

    /// See [`Logger::debug`].
    pub fn info<const N: usize>(&self, message: &str, fields: [(&str, Value); N]) {
        self.log_pairs(Level::Info, message, fields);
    }

    /// See [`Logger::debug`].
    pub fn warn<const N: usize>(&self, message: &str, fields: [(&str, Value); N]) {
        self.log_pairs(Level::Warn, message, fields);
    }

    /// See [`Logger::debug`].
    pub fn error<const N: usize>(&self, message: &str, fields: [(&str, Value); N]) {
        self.log_pairs(Level::Error, message, fields);
    }

    fn log_pairs<const N: usize>(&self, level: Level, message: &str, fields: [(&str, Value); N]) {
        if self.enabled(level) {
            let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            self.log(level, &self.name, message, &fields);
        }
    }

    /// Logs under `name`, whatever this logger is called.
    pub fn log(&self, level: Level, name: &str, message: &str, fields: &Map) {
        if self.enabled(level) {
            let (time, context) = (Timestamp::now(), &Map::new());
            self.emit(&Record { time, level, name, message, context, fields, stack: None });
        }
    }

    /// Logs a complete record.
    pub fn emit(&self, record: &Record<'_>) {
        if !self.enabled(record.level) {
            return;
        }
        let shared = &*self.shared;
        let (downstream, tap) = shared.state.lock().routes(record.level);
        if downstream && let Some(sink) = &shared.sink {
            let mut line = String::with_capacity(128);
            let elapsed = shared.started.elapsed();
            format::line(shared.mode, record, elapsed, &shared.zone, &mut line);
            sink.push(&line);
        }
        if let Some(tap) = tap
            && let Some(_inside) = InTap::enter()
        {
            tap(record);
        }
    }

    pub fn settings(&self) -> Settings {
        self.shared.state.lock().settings
    }

    pub fn configure(&self, settings: Settings) {
        self.change(|state| state.settings = settings);
    }

    /// Sets or replaces the hook that sees records when they are streamed. A tap that owns a
    /// logger keeps the log alive: then only a flush makes sure of the last lines.
    pub fn set_tap(&self, tap: Box<Tap>) {
        self.change(|state| state.tap = Some(tap.into()));
    }

    /// Keeps records from the stream, and shows all of them to the tap, until the guard is dropped.
    pub fn hide(&self) -> HideGuard {
        self.change(|state| state.n_hiding += 1);
        HideGuard { logger: self.clone() }
    }

    /// Waits until everything logged before this call is written. Blocks as long as the stream
    /// does.
    pub fn flush(&self) {
        if let Some(sink) = &self.shared.sink {
            sink.flush(None);
        }
    }

    /// Like [`Logger::flush`], but waits no longer than `timeout`; `false` if lines are left.
    pub fn flush_for(&self, timeout: Duration) -> bool {
        self.shared.sink.as_ref().is_none_or(|sink| sink.flush(Some(timeout)))
    }

    /// Bytes logged and not yet written. The queue has no bound; who logs without end should be
    /// held back when this grows.
    pub fn backlog(&self) -> u64 {
        self.shared.sink.as_ref().map_or(0, Sink::backlog)
    }

    fn change(&self, edit: impl FnOnce(&mut State)) {
        let mut state = self.shared.state.lock();
        edit(&mut state);
        let threshold = state.threshold(self.shared.sink.is_some());
        self.shared.threshold.store(threshold, Ordering::Relaxed);
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("name", &self.name).finish_non_exhaustive()
    }
}

/// See [`Logger::hide`].
#[must_use = "the log is hidden only while this lives"]
#[derive(Debug)]
pub struct HideGuard {
    logger: Logger,
}

impl Drop for HideGuard {
    fn drop(&mut self) {
        self.logger.change(|state| state.n_hiding -= 1);
    }
}

impl State {
    fn downstream(&self) -> bool {
        self.settings.propagate_downstream && self.n_hiding == 0
    }

    fn streaming(&self) -> bool {
        self.settings.stream_to_events || self.n_hiding > 0
    }

    fn threshold(&self, has_sink: bool) -> i8 {
        match () {
            () if self.streaming() && self.tap.is_some() => Level::Debug as i8,
            () if self.downstream() && has_sink => self.settings.min_level as i8,
            () => NOTHING,
        }
    }

    /// Whether a record of `level` goes downstream, and the tap if it goes there.
    fn routes(&self, level: Level) -> (bool, Option<Arc<Tap>>) {
        let downstream = self.downstream() && level >= self.settings.min_level;
        (downstream, self.tap.as_ref().filter(|_| self.streaming()).cloned())
    }
}

/// Marks this thread as inside the tap, also if the tap panics.
struct InTap;

impl InTap {
    fn enter() -> Option<InTap> {
        (!IN_TAP.replace(true)).then_some(InTap)
    }
}

impl Drop for InTap {
    fn drop(&mut self) {
        IN_TAP.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        /// What was logged since the last call, without the time.
        fn take(&self, logger: &Logger) -> String {
            logger.flush();
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
            let untimed = text.lines().map(|line| line.split_once('\t').unwrap().1);
            untimed.collect::<Vec<_>>().join("\n")
        }
    }

    fn logger(settings: Settings) -> (Logger, Lines) {
        let lines = Lines::default();
        (Logger::start_on(Mode::Default, settings, Box::new(lines.clone())).unwrap(), lines)
    }

    /// Taps `logger`; the result holds the messages seen.
    fn tap(logger: &Logger) -> Arc<Mutex<Vec<String>>> {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let tapped = seen.clone();
        logger.set_tap(Box::new(move |record| tapped.lock().push(record.message.to_owned())));
        seen
    }

    #[test]
    fn names_join() {
        let (log, lines) = logger(Settings::default());
        log.info("plain", []);
        log.named("a").named("b").warn("deep", [("n", 1.into())]);
        log.named("a").log(Level::Error, "other", "own name", &Map::new());
        let expect = "INFO\tplain\nWARN\ta.b\tdeep\t{\"n\": 1}\nERROR\tother\town name";
        assert_eq!(lines.take(&log), expect);
    }

    #[test]
    fn levels_are_filtered() {
        let (log, lines) = logger(Settings::default());
        log.debug("no", []);
        log.info("yes", []);
        assert!(!log.enabled(Level::Debug));
        assert_eq!(lines.take(&log), "INFO\tyes");
        log.configure(Settings { min_level: Level::Error, ..log.settings() });
        log.warn("no", []);
        log.error("yes", []);
        assert_eq!(lines.take(&log), "ERROR\tyes");
        log.configure(Settings { propagate_downstream: false, ..log.settings() });
        log.error("no", []);
        assert!(!log.enabled(Level::Error));
        assert_eq!(lines.take(&log), "");
    }

    #[test]
    fn the_tap_sees_every_level_while_streaming() {
        let (log, lines) = logger(Settings::default());
        let seen = tap(&log);
        log.info("before", []);
        log.configure(Settings { stream_to_events: true, ..log.settings() });
        assert!(log.enabled(Level::Debug));
        log.debug("debug", []);
        log.info("info", []);
        assert_eq!(*seen.lock(), ["debug", "info"]);
        assert_eq!(lines.take(&log), "INFO\tbefore\nINFO\tinfo");
    }

    #[test]
    fn hiding_nests_and_diverts() {
        let (log, lines) = logger(Settings::default());
        let seen = tap(&log);
        let (outer, inner) = (log.hide(), log.hide());
        log.debug("one", []);
        drop(outer);
        log.error("two", []);
        drop(inner);
        log.debug("three", []);
        log.info("four", []);
        assert_eq!(*seen.lock(), ["one", "two"]);
        assert_eq!(lines.take(&log), "INFO\tfour");
    }

    #[test]
    fn a_tap_may_log() {
        let (log, lines) = logger(Settings { stream_to_events: true, ..Settings::default() });
        let inner = log.clone();
        log.set_tap(Box::new(move |_| inner.info("inner", [])));
        log.info("outer", []);
        assert_eq!(lines.take(&log), "INFO\touter\nINFO\tinner");
        log.set_tap(Box::new(|_| ())); // Ends the cycle of logger and tap.
    }

    #[test]
    fn silent_is_silent_but_can_be_tapped() {
        let log = Logger::start(Mode::Silent, Settings::default()).unwrap();
        assert!(!log.enabled(Level::Error));
        let seen = tap(&log);
        log.configure(Settings { stream_to_events: true, ..log.settings() });
        log.debug("seen", []);
        assert_eq!(*seen.lock(), ["seen"]);
        assert!(log.flush_for(Duration::ZERO));
    }

    #[test]
    fn stacks_are_wanted_outside_the_console() {
        let settings = Settings { stack_traces: true, ..Settings::default() };
        assert!(logger(settings).0.wants_stack());
        let console = Logger::start_on(Mode::Console, settings, Box::new(io::sink())).unwrap();
        assert!(!console.wants_stack());
    }
}
