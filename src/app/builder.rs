//! [`Builder`]: from a project, documents and settings to a [`Runtime`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::app::boot::System;
use crate::app::config_file::{self, Loaded as Configuration};
use crate::app::dependencies::Expander;
use crate::app::entries::{self, Defined};
use crate::app::infrastructure::Options;
use crate::app::pipeline::Prepared;
use crate::app::project::LockFile;
use crate::app::project::lock_file::FILE_NAME;
use crate::app::runtime::Runtime;
use crate::app::settings;
use crate::app::shutdown::Shutdown;
use crate::app::written::{self, Sources, Written};
use crate::core::scheduler::Options as SchedulerOptions;
use crate::infra::error::{Error, Result};
use crate::infra::logger::{Level, Logger, Mode, Settings};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::typed::to_value;

/// How long hosts may take to run before the start is given up.
const HOST_PATIENCE: Duration = Duration::from_secs(30);

/// How a [`Runtime`] is to be: where its entries come from, and its settings.
///
/// Entries may come from a project, from documents and one by one, in this order; of several with the
/// same id the last is used. Nothing is read before [`start`](Builder::start), which is where mistakes
/// are reported.
#[must_use = "nothing happens before `start`"]
#[derive(Default)]
pub struct Builder {
    project: Option<PathBuf>,
    documents: Vec<String>,
    sources: Sources,
    entries: Vec<Written>,
    config_files: Vec<PathBuf>,
    profiles: Vec<String>,
    settings: Vec<(String, Result<Value>)>,
    overrides: Vec<String>,
    workers: Option<usize>,
    pinned: bool,
    log: Option<(Level, Box<dyn Write + Send>)>,
}

impl Builder {
    /// Loads the project in the directory `dir`: what its `wippy.lock` leads to, and the settings of its
    /// `.wippy.yaml`, if there is one. Relative paths in both start there. The working directory of the
    /// program is left as it is.
    pub fn project(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.project = Some(dir.into());
        self
    }

    /// Adds the entries of a document: the text of an entry file, in YAML or JSON. A value
    /// `file://NAME` stands for the [`source`](Builder::source) of that name.
    pub fn entries_from_str(mut self, document: impl Into<String>) -> Builder {
        self.documents.push(document.into());
        self
    }

    /// A text that entries of documents may name as `file://NAME`: the Lua source of a process, mostly
    /// from `include_str!`.
    pub fn source(mut self, name: impl Into<String>, text: impl Into<String>) -> Builder {
        self.sources.add(name.into(), text.into());
        self
    }

    /// Adds one entry: its id, `namespace:name`, its kind, and the fields that would stand beside them
    /// in an entry file, `meta` among them.
    ///
    /// ```
    /// use serde_json::json;
    ///
    /// let hosts = json!({ "lifecycle": { "auto_start": true } });
    /// let builder = wippy::Runtime::builder().entry("app:hosts", "process.host", hosts);
    /// ```
    pub fn entry(
        mut self,
        id: impl Into<String>,
        kind: impl Into<String>,
        fields: impl Serialize,
    ) -> Builder {
        self.entries.push(Written::new(id.into(), kind.into(), &fields));
        self
    }

    /// Reads settings from this file, which must be there, instead of the `.wippy.yaml` of the project.
    /// Of several, later ones win.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.config_files.push(path.into());
        self
    }

    /// Applies a profile of the settings, as `wippy run --profile` does.
    pub fn profile(mut self, name: impl Into<String>) -> Builder {
        self.profiles.push(name.into());
        self
    }

    /// Changes a setting, named `section.path` as for `wippy run --set`. Wins over files and profiles.
    pub fn set(mut self, key: impl Into<String>, value: impl Serialize) -> Builder {
        self.settings.push((key.into(), to_value(&value)));
        self
    }

    /// Changes a field of an entry, as `wippy run -o` does: `namespace:name:field=value`.
    pub fn override_field(mut self, argument: impl Into<String>) -> Builder {
        self.overrides.push(argument.into());
        self
    }

    /// How many worker threads there are; without it, as the setting `scheduler.workers` says, or one
    /// for each core. Nought is one.
    pub fn workers(mut self, n: usize) -> Builder {
        self.workers = Some(n.max(1));
        self
    }

    /// Pins each worker to a core of its own, as the command line does. For programs that leave the
    /// cores to one runtime; others, and several runtimes, would be in each other's way.
    pub fn pin_workers(mut self, pinned: bool) -> Builder {
        self.pinned = pinned;
        self
    }

    /// Writes log lines of `level` and graver to `out`, on a thread of the log's own. They are JSON if
    /// the setting `logger.encoding` is `json`. Without this nothing is logged.
    pub fn log_to(mut self, level: Level, out: impl Write + Send + 'static) -> Builder {
        self.log = Some((level, Box::new(out)));
        self
    }

    /// Starts the runtime. When this returns, the entries are loaded, functions can be called, and hosts
    /// marked `auto_start` run; other services marked so are on their way.
    ///
    /// Blocks for as long as it takes to read and compile the entries: milliseconds for a few.
    ///
    /// # Errors
    /// An entry, a setting or a file that is wrong: `Invalid`, with the place and the reason; a project
    /// without its lock file or a setting file that is not there: `NotFound`; modules that are not on
    /// disk: `Unavailable`; a host that does not come to run: its reason. Whatever has been started is
    /// stopped again.
    pub fn start(mut self) -> Result<Runtime> {
        let log = self.log.take();
        let configuration = self.configuration()?;
        let (prepared, expander) = self.load(&configuration)?;
        let logger = start_logger(log, &configuration)?;
        for warning in &prepared.warnings {
            logger.warn(warning, []);
        }
        let config = &configuration.config;
        let dir = self.project.clone().unwrap_or_default();
        let options = settings::options(config, self.workers, dir, &logger);
        let options = Options {
            scheduler: SchedulerOptions { pin: self.pinned, ..options.scheduler },
            expansion: expander.map(|expander| Arc::new(expander) as Arc<_>),
            ..options
        };
        let system = System::boot(options)?;
        let asked = Arc::<Shutdown>::default();
        let exit = asked.clone();
        system.on_exit(move |code| exit.request(code));
        // From here on, dropping it stops what has been started.
        let runtime = Runtime::new(system, asked, settings::shutdown_timeout(config));
        runtime.load(prepared.entries, HOST_PATIENCE)?;
        Ok(runtime)
    }

    fn configuration(&self) -> Result<Configuration> {
        let mut flags = Vec::new();
        for (key, value) in &self.settings {
            let invalid = |error: Error| error.context(format!("setting {key}"));
            if !key.contains('.') || key.split('.').any(str::is_empty) {
                return Err(invalid(Error::invalid("expected a name like section.path")));
            }
            flags.push((key.as_str(), value.clone().map_err(invalid)?));
        }
        let files = match &self.project {
            Some(dir) => config_file::files(&self.config_files, dir),
            None => self.config_files.clone(),
        };
        let env = |name: &str| std::env::var(name).ok();
        let sources = config_file::Sources {
            files: &files,
            profiles: &self.profiles,
            defaults: &[],
            flags: &flags,
            sets: &[],
            env: &env,
        };
        config_file::load(&sources)
    }

    /// The entries from everywhere, through the pipeline, and what a project's registry asks for
    /// modules.
    fn load(&self, configuration: &Configuration) -> Result<(Prepared, Option<Expander>)> {
        let mut expander = None;
        let mut defined = Defined::default();
        if let Some(dir) = &self.project {
            let lock = LockFile::read(&dir.join(FILE_NAME))?;
            expander = Some(entries::expander(&lock, configuration, &self.overrides)?);
            // Nobody is there to read a warning about half of a project.
            let mut first = None;
            let read = entries::read(lock, configuration, &mut |problem| {
                first.get_or_insert_with(|| problem.clone());
            });
            if let Some(problem) = first {
                return Err(written::refused(problem));
            }
            defined = read?;
        }
        let given = self.sources.read()?;
        for (n, document) in self.documents.iter().enumerate() {
            defined.entries.extend(written::document(n + 1, document, &given)?);
        }
        for entry in &self.entries {
            defined.entries.push(entry.read(&given)?);
        }
        Ok((entries::prepare(defined, configuration, &self.overrides)?, expander))
    }
}

fn start_logger(
    log: Option<(Level, Box<dyn Write + Send>)>,
    configuration: &Configuration,
) -> Result<Logger> {
    let Some((min_level, out)) = log else { return Ok(Logger::silent()) };
    let mode = match configuration.config.get_str("logger.encoding") {
        Some("json") => Mode::Json,
        _ => Mode::Default,
    };
    let settings = Settings { min_level, ..settings::log(&configuration.config) };
    Logger::start_on(mode, settings, out)
        .map_err(|error| Error::internal(format!("start the logger: {error}")))
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n_entries = self.entries.len();
        let mut f = f.debug_struct("Builder");
        f.field("project", &self.project.as_deref().unwrap_or(Path::new("")));
        f.field("documents", &self.documents.len()).field("entries", &n_entries);
        f.field("workers", &self.workers).finish_non_exhaustive()
    }
}
